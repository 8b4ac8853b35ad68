//! What is predicted, as data: carried from the labels through adapters and training to metrics and reports.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use echo_metrics::Kind;
use serde::{Deserialize, Serialize};

use crate::{Card, Error, Head, HeadKind, RankSpec};

/// What is predicted of a video or a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name on the command line and in tables.
    pub name: String,
    /// What an answer is.
    pub answer: Answer,
    /// Heads of encoders that answer it without training, by the encoder's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub heads: BTreeMap<String, NativeHeads>,
}

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// A number.
    Value(Regression),
    /// One class of several, or several labels.
    Classes(Classification),
}

/// A number in a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// Its unit, such as `ml`; may be empty.
    pub unit: String,
    /// Width of the bins that few-shot draws take samples from.
    pub bin: f64,
    /// Areas under the curve are computed for values below each of these.
    pub thresholds: Vec<u8>,
    /// Ranks and their prompts.
    pub ranks: RankSpec,
    /// The least and the largest value that can be, where both are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Prompts with `<#>` where each whole number of the range goes, to read the value without training. There may be none.
    #[serde(default)]
    pub templates: Vec<String>,
}

/// Classes: of yes and no, of several, of several in ascending order, or labels of which any number may hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// Which of these; not [`Kind::Regression`].
    pub kind: Kind,
    /// The classes; of yes and no, the negative one first.
    pub classes: Vec<Class>,
    /// Where a number is cut into them, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
}

/// How a number makes a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The number's unit.
    pub unit: String,
    /// One less than there are classes, ascending: a number belongs to the first class that it is below the bound of.
    pub bounds: Vec<f64>,
    /// Whether the classes are in descending order.
    pub descends: bool,
}

/// A class, or a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name in tables.
    pub name: String,
    /// Sentences that describe it, for the text encoder: the first is what prompt learning goes on with, all of them
    /// together are what is read without training.
    pub prompts: Vec<String>,
    /// The same of a label that does not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

/// Where an encoder's own heads answer a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NativeHeads {
    /// The head that measures the value, or the number that is cut into classes.
    Value(String),
    /// For each class, the classes of a head that mean it. One class may be left out: it takes what the others leave.
    Classes(BTreeMap<String, HeadClasses>),
}

/// Classes of one head, whose probabilities are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadClasses {
    /// The head; `views` for the classifier of views.
    pub head: String,
    /// Its classes.
    pub classes: Vec<String>,
}

impl HeadClasses {
    /// What the classifier of views is called among heads.
    pub const VIEWS: &str = "views";
}

impl Task {
    /// A regression by the ranks `ranks`, with bins of one unit and nothing to read it by without training.
    pub fn of_ranks(name: &str, unit: &str, ranks: RankSpec) -> Self {
        let regression = Regression {
            unit: unit.to_owned(),
            bin: 1.0,
            thresholds: Vec::new(),
            ranks,
            range: None,
            templates: Vec::new(),
        };
        Self { name: name.to_owned(), answer: Answer::Value(regression), heads: BTreeMap::new() }
    }

    /// What is predicted.
    pub fn kind(&self) -> Kind {
        match &self.answer {
            Answer::Value(_) => Kind::Regression,
            Answer::Classes(classification) => classification.kind,
        }
    }

    /// The unit; empty for classes.
    pub fn unit(&self) -> &str {
        self.regression().map_or("", |regression| regression.unit.as_str())
    }

    /// The number that is predicted, where it is one.
    pub fn regression(&self) -> Option<&Regression> {
        if let Answer::Value(regression) = &self.answer { Some(regression) } else { None }
    }

    /// The classes or labels, where they are what is predicted.
    pub fn classification(&self) -> Option<&Classification> {
        if let Answer::Classes(classification) = &self.answer { Some(classification) } else { None }
    }

    /// Names of the classes or labels; none of a regression.
    pub fn class_names(&self) -> Vec<String> {
        let classes = self.classification().map_or(&[][..], |classification| &classification.classes);
        classes.iter().map(|class| class.name.clone()).collect()
    }

    /// Numbers that a linear map has to give: a value, or a logit for each class or label.
    pub fn outputs(&self) -> usize {
        self.classification().map_or(1, |classification| classification.classes.len())
    }

    /// Whether an answer that is nearer to the truth is better than one that is further off.
    pub fn is_ordered(&self) -> bool {
        matches!(self.kind(), Kind::Regression | Kind::Ordinal)
    }

    /// The head of an encoder that measures the value, or the number that is cut into classes: the one that the task names,
    /// else one that is called as the task is and measures in its unit.
    pub fn value_head(&self, card: &Card) -> Option<&'static Head> {
        let unit = match &self.answer {
            Answer::Value(regression) => &regression.unit,
            Answer::Classes(classification) => &classification.cut.as_ref()?.unit,
        };
        let measures = |head: &&'static Head| {
            matches!(head.kind, HeadKind::Regression { .. }) && head.unit().eq_ignore_ascii_case(unit)
        };
        let mut heads = card.capabilities.heads.iter();
        match self.heads.get(card.name) {
            Some(NativeHeads::Value(name)) => heads.find(|head| head.name == name && measures(head)),
            Some(NativeHeads::Classes(_)) => None,
            None => heads.find(|head| head.name.eq_ignore_ascii_case(&self.name) && measures(head)),
        }
    }

    /// What training and metrics can do nothing with.
    ///
    /// # Errors
    /// Too few or unlike classes, a class without a prompt, ranks that do not ascend; names that files could not hold.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |reason: String| Err(Error::Task { task: self.name.clone(), reason });
        let unreadable = |text: &str| text.trim().is_empty() || text.contains([',', '"', '\n', '|', ';']);
        if unreadable(&self.name) {
            return wrong("its name must be some words without commas, quotes and |".to_owned());
        }
        let Classification { kind, classes, cut } = match &self.answer {
            Answer::Value(regression) => {
                let templates = &regression.templates;
                if templates.len() > Regression::MOST_TEMPLATES {
                    return wrong(format!(
                        "{} templates: give {} at most",
                        templates.len(),
                        Regression::MOST_TEMPLATES
                    ));
                }
                if let Some(template) = templates.iter().find(|template| !template.contains("<#>")) {
                    return wrong(format!("the template {template:?} lacks <#>, where the value goes"));
                }
                let count = regression.whole_numbers().count();
                if !templates.is_empty() && !Regression::FILLINGS.contains(&count) {
                    return wrong(format!(
                        "its `templates` are read with every whole number from `least` to `most`, which are {count}; give both, \
                         or another unit, such that they are {} to {}",
                        Regression::FILLINGS.start(),
                        Regression::FILLINGS.end()
                    ));
                }
                return regression.ranks.validate();
            }
            Answer::Classes(classification) => classification,
        };
        let fits = match kind {
            Kind::Regression => return wrong("a regression has no classes".to_owned()),
            Kind::Binary => classes.len() == 2,
            Kind::MultiLabel => !classes.is_empty(),
            Kind::SingleLabel | Kind::Ordinal => classes.len() >= 2,
        };
        if !fits || classes.len() > Classification::MOST {
            let found = classes.len();
            let most = Classification::MOST;
            return wrong(format!("{found} classes do not make a {kind}; binary ones have 2, others up to {most}"));
        }
        if let Some(Cut { bounds, .. }) = cut {
            let ascends =
                bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.iter().all(|bound| bound.is_finite());
            let one_of = *kind != Kind::MultiLabel && bounds.len() + 1 == classes.len();
            if !ascends || !one_of {
                return wrong(format!("{bounds:?} cut no number into its {} classes", classes.len()));
            }
        }
        for (place, class) in classes.iter().enumerate() {
            if unreadable(&class.name) {
                return wrong(format!("class {:?}: names are words without commas, quotes, ; and |", class.name));
            }
            if classes[..place].iter().any(|other| other.name.eq_ignore_ascii_case(&class.name)) {
                return wrong(format!("class {:?} stands there twice; capitals do not count", class.name));
            }
            let blank = |prompts: &[String]| prompts.is_empty() || prompts.iter().any(|text| text.trim().is_empty());
            if blank(&class.prompts) {
                return wrong(format!("class {:?} needs `prompts`, sentences that describe it", class.name));
            }
            if *kind == Kind::MultiLabel && blank(&class.absent) {
                return wrong(format!(
                    "label {:?} needs `absent`, sentences that say that it does not hold",
                    class.name
                ));
            }
        }
        Ok(())
    }
}

impl Regression {
    /// The most templates: each is a prompt for every whole number of the range.
    const MOST_TEMPLATES: usize = 100;

    /// How many whole numbers a range may hold: of fewer a value is hardly read, and each is a prompt.
    const FILLINGS: RangeInclusive<usize> = 10..=1001;

    /// Every whole number of the range, which go into templates; none where it is not known.
    pub fn whole_numbers(&self) -> RangeInclusive<i32> {
        let [least, most] = self.range.unwrap_or([1.0, 0.0]);
        least.ceil() as i32..=most.floor() as i32
    }
}

impl Classification {
    /// The most classes: each is a prompt that passes through the text encoder in every step.
    pub const MOST: usize = 1000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_has_a_bound_between_any_two_classes() {
        let of = |kind: Kind, bounds: &[f64]| {
            let class = |name: &str| Class {
                name: name.to_owned(),
                prompts: vec![name.to_owned()],
                absent: vec![format!("no {name}")],
            };
            let cut = Some(Cut { unit: "%".to_owned(), bounds: bounds.to_vec(), descends: false });
            let classes = ["low", "middle", "high"].map(class).to_vec();
            let answer = Answer::Classes(Classification { kind, classes, cut });
            Task { name: "grade".to_owned(), answer, heads: BTreeMap::new() }
                .validate()
                .map_err(|error| error.to_string())
        };
        assert_eq!(of(Kind::Ordinal, &[30.0, 50.0]), Ok(()));
        for (kind, bounds) in [
            (Kind::Ordinal, &[30.0][..]),
            (Kind::Ordinal, &[50.0, 30.0]),
            (Kind::Ordinal, &[30.0, f64::NAN]),
            (Kind::Ordinal, &[30.0, f64::INFINITY]),
            (Kind::MultiLabel, &[30.0, 50.0]),
        ] {
            assert!(of(kind, bounds).unwrap_err().contains("into its 3 classes"), "{bounds:?}");
        }
    }
}
