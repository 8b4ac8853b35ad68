//! A task as TOML, by itself or in a data set's description: what is predicted, and where a table has its labels.

use std::collections::BTreeMap;
use std::path::Path;

use echo_core::{Answer, Class, Classification, Cut, Kind, NativeHeads, Rank, RankSpec, Regression, Task};
use serde::Deserialize;

use crate::plausible::usual_range;
use crate::{DataError, StudyLabel, Target};

/// The tasks that come with the program: name and text.
pub const TASKS: &[(&str, &str)] = &[
    ("ef", include_str!("../../../configs/tasks/ef.toml")),
    ("edv", include_str!("../../../configs/tasks/edv.toml")),
    ("esv", include_str!("../../../configs/tasks/esv.toml")),
    ("ef-reduced", include_str!("../../../configs/tasks/ef-reduced.toml")),
    ("ef-grade", include_str!("../../../configs/tasks/ef-grade.toml")),
    ("view", include_str!("../../../configs/tasks/view.toml")),
    ("view38", include_str!("../../../configs/tasks/view38.toml")),
    ("quality", include_str!("../../../configs/tasks/quality.toml")),
    ("wall-motion", include_str!("../../../configs/tasks/wall-motion.toml")),
    ("lv-size", include_str!("../../../configs/tasks/lv-size.toml")),
    ("findings", include_str!("../../../configs/tasks/findings.toml")),
];

/// What a field that says yes or no says.
const NO_AND_YES: [&[&str]; 2] =
    [&["0", "0.0", "no", "false", "absent", "none"], &["1", "1.0", "yes", "true", "present"]];

/// The TOML of a task. What one of a known name leaves out is as the program has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskFile {
    name: Option<String>,
    kind: Option<Kind>,
    column: Option<String>,
    unit: Option<String>,
    scale: Option<f64>,
    least: Option<f64>,
    most: Option<f64>,
    plausible: Option<[f64; 2]>,
    bin: Option<f64>,
    thresholds: Option<Vec<u8>>,
    ranks: Option<Vec<Rank>>,
    templates: Option<Vec<String>>,
    below: Option<f64>,
    classes: Option<Vec<ClassEntry>>,
    heads: Option<BTreeMap<String, NativeHeads>>,
    of_studies: Option<StudyLabel>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassEntry {
    name: String,
    /// What a field of this class says; the name where it does not say.
    #[serde(default)]
    words: Vec<String>,
    /// Of a number that is cut into classes: its largest floor. The last class may go without.
    up_to: Option<i64>,
    /// Of a label.
    column: Option<String>,
    prompts: Vec<String>,
    #[serde(default)]
    absent: Vec<String>,
}

/// How a field becomes a label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    /// A number is the value.
    Number,
    /// A number below this is of the second class.
    Below(f64),
    /// A number is of the first class whose bound is not below its floor; the last may have none.
    UpTo(Vec<Option<i64>>),
    /// Words of each class.
    Words(Vec<Vec<String>>),
    /// A column for each label, which says yes or no.
    YesOrNo,
}

impl Reading {
    /// Where it cuts a number into classes.
    fn cut(&self, unit: &str) -> Option<Cut> {
        let (bounds, descends) = match self {
            Self::Below(below) => (vec![*below], true),
            // Whatever has its floor at a bound still belongs to the class.
            Self::UpTo(bounds) => {
                let (_, inner) = bounds.split_last()?;
                (inner.iter().flatten().map(|&bound| bound as f64 + 1.0).collect(), false)
            }
            _ => return None,
        };
        Some(Cut { unit: unit.to_owned(), bounds, descends })
    }
}

impl TaskFile {
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, DataError> {
        toml::from_str(text).map_err(|source| DataError::Toml { path: path.to_owned(), source: Box::new(source) })
    }

    /// The task of that name that comes with the program, in any case.
    fn shipped(name: &str) -> Option<Self> {
        let (known, text) = TASKS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(Self::parse(Path::new(known), text).expect("what is shipped is right"))
    }

    /// What is left out is as the program's task of this name has it, if that is of the same kind.
    fn completed(self, name: &str) -> Self {
        let base = Self::shipped(name).filter(|base| self.kind.is_none() || self.kind == base.kind).unwrap_or_default();
        Self {
            name: base.name.or(self.name),
            kind: self.kind.or(base.kind),
            column: self.column.or(base.column),
            unit: self.unit.or(base.unit),
            scale: self.scale.or(base.scale),
            least: self.least.or(base.least),
            most: self.most.or(base.most),
            plausible: self.plausible.or(base.plausible),
            bin: self.bin.or(base.bin),
            thresholds: self.thresholds.or(base.thresholds),
            ranks: self.ranks.or(base.ranks),
            templates: self.templates.or(base.templates),
            below: self.below.or(base.below),
            classes: self.classes.or(base.classes),
            heads: self.heads.or(base.heads),
            of_studies: self.of_studies.or(base.of_studies),
        }
    }

    /// The target called `name`, with `below` in place of the file's, where it is given.
    ///
    /// # Errors
    /// Why it makes no sense.
    pub(crate) fn target(self, name: &str, below: Option<f64>) -> Result<Target, String> {
        let own = self.completed(name);
        let name = own.name.clone().unwrap_or_else(|| name.to_owned());
        // A task that says what its classes or its unit are need not say its kind.
        let kind = own.kind.unwrap_or(Kind::Regression);
        let below = match (below, own.below) {
            (Some(_), None) => return Err(format!("--below cuts a number in two, and {name} is not cut so")),
            (below, own) => below.or(own),
        };
        let reading = own.reading(kind, below)?;
        let of_studies = own.of_studies.unwrap_or_default();
        of_studies.check(kind)?;
        let columns = match (&own.classes, kind) {
            (Some(classes), Kind::MultiLabel) => {
                let column = |class: &ClassEntry| class.column.clone().unwrap_or_else(|| class.name.clone());
                classes.iter().map(column).collect()
            }
            _ => vec![own.column.clone().unwrap_or_else(|| name.clone())],
        };
        let unit = own.unit.clone().unwrap_or_default();
        own.check_numbers(&name, &unit)?;
        let heads = own.heads.clone().unwrap_or_default();
        let name = match below.filter(|_| below != own.below) {
            Some(below) => format!("{name}-{below}"),
            None => name,
        };
        let plausible = own.plausible.or_else(|| usual_range(&name, &unit));
        let (scale, least, most) = (own.scale.unwrap_or(1.0), own.least, own.most);
        let task = Task { answer: own.answer(kind, &unit, reading.cut(&unit))?, name, heads };
        task.validate().map_err(|error| error.to_string())?;
        Ok(Target { task, columns, reading, unit, scale, least, most, plausible, of_studies })
    }

    fn answer(self, kind: Kind, unit: &str, cut: Option<Cut>) -> Result<Answer, String> {
        if kind == Kind::Regression {
            let Some(ranks) = self.ranks else {
                return Err("give [[ranks]], each with `up_to`, `value` and `prompt`".to_owned());
            };
            if self.classes.is_some() {
                return Err("a regression has [[ranks]] and no [[classes]]; say which `kind` it is".to_owned());
            }
            return Ok(Answer::Value(Regression {
                unit: unit.to_owned(),
                bin: self.bin.unwrap_or(1.0),
                thresholds: self.thresholds.unwrap_or_default(),
                ranks: RankSpec { ranks },
                range: self.least.zip(self.most).map(|(least, most)| [least, most]),
                templates: self.templates.unwrap_or_default(),
            }));
        }
        let of_values = [
            ("ranks", self.ranks.is_some()),
            ("bin", self.bin.is_some()),
            ("thresholds", self.thresholds.is_some()),
            ("templates", self.templates.is_some()),
        ];
        if let Some((entry, _)) = of_values.iter().find(|(_, given)| *given) {
            return Err(format!("`{entry}` belongs to a regression, and it is a {kind}"));
        }
        let class = |ClassEntry { name, prompts, absent, .. }| Class { name, prompts, absent };
        let classes = self.classes.unwrap_or_default().into_iter().map(class).collect();
        Ok(Answer::Classes(Classification { kind, classes, cut }))
    }

    fn reading(&self, kind: Kind, below: Option<f64>) -> Result<Reading, String> {
        let classes = self.classes.as_deref().unwrap_or_default();
        let bounds: Vec<Option<i64>> = classes.iter().map(|class| class.up_to).collect();
        if let Some(below) = below.filter(|below| !below.is_finite()) {
            return Err(format!("a number cannot be cut in two at {below}: give `below` a finite number"));
        }
        if below.is_some() && kind != Kind::Binary {
            return Err(format!("`below` cuts a number in two and belongs to kind = \"binary\"; it is a {kind}"));
        }
        if kind == Kind::Regression {
            return Ok(Reading::Number);
        }
        if kind == Kind::MultiLabel {
            return Ok(Reading::YesOrNo);
        }
        if let Some(below) = below {
            return Ok(Reading::Below(below));
        }
        if bounds.iter().any(Option::is_some) {
            let ascends = |pair: &[Option<i64>]| pair[0].is_some() && (pair[1].is_none() || pair[0] < pair[1]);
            if !bounds.windows(2).all(ascends) {
                return Err(
                    "`up_to` must ascend and stand at every class but the last, which may go without".to_owned()
                );
            }
            return Ok(Reading::UpTo(bounds));
        }
        let words = classes.iter().enumerate().map(|(place, class)| {
            let name = [class.name.clone()];
            match (class.words.is_empty(), kind) {
                (false, _) => class.words.clone(),
                (true, Kind::Binary) => {
                    let usual = NO_AND_YES[place.min(1)].iter().filter(|word| !class.name.eq_ignore_ascii_case(word));
                    name.into_iter().chain(usual.map(|&word| word.to_owned())).collect()
                }
                (true, _) => name.to_vec(),
            }
        });
        let words: Vec<Vec<String>> = words.collect();
        let mut all: Vec<String> = words.iter().flatten().map(|word| word.to_lowercase()).collect();
        all.sort();
        match all.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let meant =
                    words.iter().zip(classes).filter(|(words, _)| words.iter().any(|w| w.to_lowercase() == pair[0]));
                let meant: Vec<&str> = meant.map(|(_, class)| class.name.as_str()).collect();
                Err(format!(
                    "the word {:?} means two classes, {}: give each its own `words` (a binary task without any reads 0, no, \
                     false, absent and 1, yes, true, present)",
                    pair[0],
                    meant.join(" and ")
                ))
            }
            None => Ok(Reading::Words(words)),
        }
    }

    fn check_numbers(&self, name: &str, unit: &str) -> Result<(), String> {
        let &Self { scale, least, most, plausible, bin, .. } = self;
        if [name, unit].iter().any(|text| text.contains([',', '"', '\n', '|'])) {
            return Err("names and units are words without commas, quotes and |".to_owned());
        }
        // Narrower ones have numbers that a 32-bit float cannot tell apart.
        if let Some(bin) = bin.filter(|bin| !bin.is_finite() || *bin < 1e-3) {
            return Err(format!("`bin` is {bin}; it must be a width of 0.001 or more"));
        }
        if [least, most].into_iter().flatten().any(|bound| !bound.is_finite())
            || least.zip(most).is_some_and(|(least, most)| least >= most)
        {
            return Err("`least` must be below `most`".to_owned());
        }
        if let Some(scale) = scale.filter(|scale| !scale.is_finite() || *scale == 0.0) {
            return Err(format!("`scale` is {scale}; it must be a factor, such as 100 for fractions of a percentage"));
        }
        if plausible.is_some_and(|[least, most]| !least.is_finite() || !most.is_finite() || least >= most) {
            return Err("`plausible` must be two numbers, the lower first".to_owned());
        }
        if name.eq_ignore_ascii_case("EF") && unit != "%" {
            return Err(format!(
                "the ejection fraction is predicted in percent: give unit = \"%\", not {unit:?}, and scale = 100 where the \
                 table has fractions"
            ));
        }
        Ok(())
    }
}

/// Which side a field that says yes or no is on.
pub(crate) fn yes_or_no(field: &str) -> Option<bool> {
    NO_AND_YES.iter().position(|words| words.iter().any(|word| field.eq_ignore_ascii_case(word))).map(|side| side == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<Target, String> {
        TaskFile::parse(Path::new("own.toml"), text).map_err(|error| error.to_string())?.target("own", None)
    }

    #[test]
    fn shipped_tasks_are_right_and_keep_their_name() {
        for (name, text) in TASKS {
            let target = TaskFile::parse(Path::new(name), text).unwrap().target(name, None).unwrap();
            assert!(target.task.name.eq_ignore_ascii_case(name), "{name}");
        }
    }

    #[test]
    fn what_a_known_task_leaves_out_is_as_the_program_has_it() {
        let own = TaskFile { column: Some("LVEF".to_owned()), ..TaskFile::default() };
        let target = own.target("ef", None).unwrap();
        assert_eq!((target.columns[0].as_str(), target.unit.as_str(), target.task.name.as_str()), ("LVEF", "%", "EF"));
        let cut = TaskFile::default().target("ef-reduced", Some(40.0)).unwrap();
        assert_eq!((&cut.reading, cut.task.name.as_str()), (&Reading::Below(40.0), "ef-reduced-40"));
        let cut_of = |target: Target| target.task.classification().unwrap().cut.clone().unwrap();
        assert_eq!(cut_of(cut), Cut { unit: "%".to_owned(), bounds: vec![40.0], descends: true });
        let grades = cut_of(TaskFile::default().target("ef-grade", None).unwrap());
        assert_eq!((grades.bounds, grades.descends), (vec![30.0, 40.0, 50.0], false));
        assert!(TaskFile::default().target("view", Some(40.0)).unwrap_err().contains("--below"));
    }

    #[test]
    fn classes_that_are_called_no_and_yes_are_read() {
        let class = |name: &str| format!("[[classes]]\nname = '{name}'\nprompts = ['a {name}']\n");
        assert!(target(&format!("kind = 'binary'\n{}{}", class("no"), class("Yes"))).is_ok());
    }

    #[test]
    fn tasks_that_make_no_sense_say_why() {
        let values = "unit = 'dl'\nleast = 0.0\ntemplates = ['<#> dl']\n\
                      ranks = [{ up_to = 1, value = 1.0, prompt = 'small' }, { up_to = 3, value = 2.0, prompt = 'large' }]\n";
        let class = |name: &str| format!("[[classes]]\nname = '{name}'\nprompts = ['a {name}']\n");
        for (text, expected) in [
            ("unit = 'cm'".to_owned(), "[[ranks]]"),
            (format!("kind = 'binary'\n{}", class("a")), "binary ones have 2"),
            (format!("kind = 'single-label'\n{}{}", class("a"), class("A")), "means two classes"),
            (format!("kind = 'binary'\n{}{}", class("yes"), class("no")), "means two classes"),
            (format!("kind = 'single-label'\nbin = 1.0\n{}{}", class("a"), class("b")), "`bin` belongs"),
            (format!("kind = 'ordinal'\nbelow = 3.0\n{}{}", class("a"), class("b")), "`below`"),
            (format!("kind = 'ordinal'\n{}{}up_to = 3\n", class("a"), class("b")), "`up_to`"),
            (format!("kind = 'ordinal'\n{}up_to = 3\n{}up_to = 3\n", class("a"), class("b")), "`up_to`"),
            (format!("kind = 'multi-label'\n{}", class("a")), "`absent`"),
            (format!("kind = 'single-label'\nof_studies = 'highest'\n{}{}", class("a"), class("b")), "no highest"),
            (format!("kind = 'binary'\nof_studies = 'mean'\n{}{}", class("a"), class("b")), "is of values"),
            (format!("kind = 'binary'\n{}{}", class("a;b"), class("c")), "without commas"),
            (
                "kind = 'binary'\nclasses = [{ name = 'a', prompts = [] }, { name = 'b', prompts = ['b'] }]".to_owned(),
                "`prompts`",
            ),
            (format!("{values}most = 3.0\n"), "from `least` to `most`, which are 4"),
            (values.to_owned(), "which are 0"),
            (format!("{values}most = 1e300\n"), "which are 2147483648"),
            ("colour = 1".to_owned(), "colour"),
        ] {
            let error = target(&text).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
