//! A data set as a TOML file describes it: where its videos and its table are, what the columns are called, how it is
//! split and what can be predicted.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use echo_core::{Rank, RankSpec};
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::plausible::usual_range;
use crate::split::Split;

/// EchoNet-Dynamic's layout.
const ECHONET: &str = include_str!("../../../configs/datasets/echonet-dynamic.toml");

/// Ranks that a description may name without having them beside it.
const RANKS: [(&str, &str); 3] = [
    ("ranks_ef.toml", include_str!("../../../configs/adapters/ranks_ef.toml")),
    ("ranks_edv.toml", include_str!("../../../configs/adapters/ranks_edv.toml")),
    ("ranks_esv.toml", include_str!("../../../configs/adapters/ranks_esv.toml")),
];

/// A data set's description; `configs/datasets/example.toml` explains every entry.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetConfig {
    /// What messages call the description.
    pub(crate) source: PathBuf,
    pub(crate) file: DatasetFile,
    targets: BTreeMap<String, Target>,
}

/// The TOML file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatasetFile {
    name: String,
    pub(crate) table: PathBuf,
    pub(crate) videos: Videos,
    pub(crate) columns: Columns,
    #[serde(default)]
    words: Option<Words>,
    #[serde(default)]
    pub(crate) split: Option<SeededSplit>,
    targets: BTreeMap<String, TargetEntry>,
}

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Videos {
    pub(crate) folder: PathBuf,
    /// Path below the folder, with `{video}` and `{patient}` for what the columns say.
    #[serde(default = "Videos::plain")]
    pub(crate) file: String,
    pub(crate) extension: Option<String>,
}

impl Videos {
    fn plain() -> String {
        "{video}".to_owned()
    }
}

/// Names of columns.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Columns {
    pub(crate) video: String,
    pub(crate) split: Option<String>,
    pub(crate) patient: Option<String>,
}

/// What the split's column says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

/// Splits drawn from the patients' names.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeededSplit {
    pub(crate) seed: u64,
    /// Share of the patients.
    #[serde(default = "SeededSplit::validation")]
    pub(crate) validation: f64,
    /// Share of the patients.
    #[serde(default = "SeededSplit::test")]
    pub(crate) test: f64,
}

impl SeededSplit {
    fn validation() -> f64 {
        0.15
    }

    fn test() -> f64 {
        0.3
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetEntry {
    column: Option<String>,
    unit: String,
    #[serde(default = "TargetEntry::scale")]
    scale: f64,
    least: Option<f64>,
    most: Option<f64>,
    plausible: Option<[f64; 2]>,
    #[serde(default = "TargetEntry::bin")]
    bin: f64,
    #[serde(default)]
    thresholds: Vec<u8>,
    ranks_file: Option<PathBuf>,
    ranks: Option<Vec<Rank>>,
}

impl TargetEntry {
    fn scale() -> f64 {
        1.0
    }

    fn bin() -> f64 {
        1.0
    }
}

/// A column that can be predicted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Its name on the command line and in tables.
    pub name: String,
    /// Its unit, such as `ml`.
    pub unit: String,
    /// The table's column.
    pub column: String,
    /// What the table's numbers are multiplied by to be in `unit`: 100 for fractions of a percentage.
    pub scale: f64,
    /// The least value that can be.
    pub least: Option<f64>,
    /// The largest value that can be.
    pub most: Option<f64>,
    /// Where values usually lie. Most of a data set's outside are a mistake of the unit; single ones are reported.
    pub plausible: Option<[f64; 2]>,
    /// Width of the bins that few-shot draws take videos from.
    pub bin: f64,
    /// Areas under the curve are computed for values below each of these.
    pub thresholds: Vec<u8>,
    /// Ranks and prompts.
    pub ranks: RankSpec,
}

impl Target {
    /// Whether it is the left ventricle's ejection fraction in percent: whether it is called `EF`.
    pub fn is_ejection_fraction(&self) -> bool {
        self.name.eq_ignore_ascii_case("EF")
    }

    /// A number of the table in the target's unit.
    pub(crate) fn in_unit(&self, number: f64) -> f64 {
        // 0.29 times 100 is 29, also in binary.
        if self.scale == 1.0 { number } else { (number * self.scale * 1e9).round() / 1e9 }
    }

    /// The bin of a few-shot draw that `value` belongs to.
    pub fn bin_of(&self, value: f32) -> f32 {
        (f64::from(value) / self.bin).floor() as f32
    }
}

impl DatasetConfig {
    /// EchoNet-Dynamic's layout, with the targets `EF`, `EDV` and `ESV`.
    pub fn echonet() -> Self {
        let source = Path::new("configs/datasets/echonet-dynamic.toml");
        let ranks = |name: &Path| Ok(shipped(name).unwrap_or_default());
        Self::parse(source, ECHONET, &ranks).expect("the shipped description is right")
    }

    /// Reads a description and the files of ranks that it refers to.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown or missing entry, or entries that make no sense together.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let read =
            |path: &Path| echo_files::read_text(path).map_err(|source| DataError::Io { path: path.to_owned(), source });
        let folder = path.parent().unwrap_or(Path::new(""));
        let beside_or_shipped = |name: &Path| match (read(&folder.join(name)), shipped(name)) {
            (Err(DataError::Io { source, .. }), Some(text)) if source.kind() == ErrorKind::NotFound => Ok(text),
            (beside, _) => beside,
        };
        Self::parse(path, &read(path)?, &beside_or_shipped)
    }

    fn parse(source: &Path, text: &str, read: &dyn Fn(&Path) -> Result<String, DataError>) -> Result<Self, DataError> {
        let mut file: DatasetFile = from_toml(source, text)?;
        let targets = std::mem::take(&mut file.targets);
        let mut config = Self { source: source.to_owned(), file, targets: BTreeMap::new() };
        config.check()?;
        if targets.is_empty() {
            return Err(config.wrong("give at least one target, such as [targets.EF]".to_owned()));
        }
        for (name, entry) in targets {
            let target = config.target_of(&name, entry, read)?;
            config.targets.insert(name, target);
        }
        Ok(config)
    }

    /// The data set's name.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// What can be predicted, in alphabetical order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.values()
    }

    /// The target called `name`, in any case.
    ///
    /// # Errors
    /// There is none; the message names those there are.
    pub fn target(&self, name: &str) -> Result<&Target, DataError> {
        self.targets().find(|target| target.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known: Vec<&str> = self.targets().map(|target| target.name.as_str()).collect();
            self.wrong(format!("no target {name:?}; there are: {}; describe it as [targets.{name}]", known.join(", ")))
        })
    }

    /// Whether patients are known, so that none is in two splits.
    pub fn knows_patients(&self) -> bool {
        self.file.columns.patient.is_some()
    }

    /// Whether splits are drawn, not read from the table.
    pub fn draws_splits(&self) -> bool {
        self.file.split.is_some()
    }

    /// The split that `word` of the split's column means.
    pub(crate) fn split_of(&self, word: &str) -> Option<Split> {
        let Some(Words { train, validation, test }) = &self.file.words else { return Split::parse(word) };
        let parts = [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)];
        let means = |known: &String| known.trim().eq_ignore_ascii_case(word.trim());
        parts.into_iter().find(|(_, words)| words.iter().any(means)).map(|(split, _)| split)
    }

    /// The words that [`Self::split_of`] knows, for messages.
    pub(crate) fn split_words(&self) -> String {
        match &self.file.words {
            None => "TRAIN, VAL or TEST, or what [words] of the data set's description (--dataset) says".to_owned(),
            Some(Words { train, validation, test }) => {
                format!(
                    "one of {}, as [words] says",
                    [train, validation, test].map(|words| words.join(", ")).join(", ")
                )
            }
        }
    }

    pub(crate) fn wrong(&self, reason: String) -> DataError {
        DataError::Config { path: self.source.clone(), reason }
    }

    fn check(&self) -> Result<(), DataError> {
        let DatasetFile { name, videos, columns, words, split, .. } = &self.file;
        if name.trim().is_empty() || name.contains([',', '"', '\n', '|']) {
            return Err(self.wrong(format!("`name` is {name:?}; it must be some words without commas, quotes and |")));
        }
        match (&columns.split, split) {
            (Some(_), Some(_)) => {
                return Err(self.wrong("give either `columns.split` or [split], not both".to_owned()));
            }
            (None, None) => {
                let reason = "say how videos are split: `columns.split`, or [split] with a `seed`";
                return Err(self.wrong(reason.to_owned()));
            }
            (None, Some(_)) if words.is_some() => {
                return Err(self.wrong("[words] belongs to `columns.split`; a drawn split has none".to_owned()));
            }
            _ => {}
        }
        if let Some(SeededSplit { validation, test, .. }) = *split {
            let is_share = |share: f64| share > 0.0 && share < 1.0;
            if !is_share(validation) || !is_share(test) || validation + test >= 1.0 {
                let reason = format!(
                    "[split] has validation = {validation} and test = {test}; each must lie between 0 and 1, and both \
                     together leave something to train on"
                );
                return Err(self.wrong(reason));
            }
        }
        if let Some(Words { train, validation, test }) = words {
            let mut all: Vec<String> =
                [train, validation, test].into_iter().flatten().map(|word| word.trim().to_ascii_lowercase()).collect();
            all.sort();
            if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(self.wrong(format!("[words] has {:?} twice", pair[0])));
            }
        }
        let rest = videos.file.replace("{video}", "").replace("{patient}", "");
        if rest.contains(['{', '}']) || !videos.file.contains("{video}") {
            let reason = format!(
                "`videos.file` is {:?}; it must hold {{video}}, and no braces but those of {{patient}}",
                videos.file
            );
            return Err(self.wrong(reason));
        }
        if videos.file.contains("{patient}") && columns.patient.is_none() {
            return Err(self.wrong("`videos.file` has {patient}, but there is no `columns.patient`".to_owned()));
        }
        Ok(())
    }

    fn target_of(
        &self,
        name: &str,
        entry: TargetEntry,
        read: &dyn Fn(&Path) -> Result<String, DataError>,
    ) -> Result<Target, DataError> {
        let wrong = |reason: &str| self.wrong(format!("[targets.{name}]: {reason}"));
        let TargetEntry { column, unit, scale, least, most, plausible, bin, thresholds, ranks_file, ranks } = entry;
        if name.is_empty() || [name, &unit].iter().any(|text| text.contains([',', '"', '\n', '|'])) {
            return Err(wrong("names and units are words without commas, quotes and |"));
        }
        if self.targets.keys().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(wrong("there is another target of this name; capitals do not count"));
        }
        // Narrower ones have numbers that a 32-bit float cannot tell apart.
        if !bin.is_finite() || bin < 1e-3 {
            return Err(wrong(&format!("`bin` is {bin}; it must be a width of 0.001 or more")));
        }
        if [least, most].into_iter().flatten().any(|bound| !bound.is_finite())
            || least.zip(most).is_some_and(|(least, most)| least >= most)
        {
            return Err(wrong("`least` must be below `most`"));
        }
        if !scale.is_finite() || scale == 0.0 {
            return Err(wrong(&format!(
                "`scale` is {scale}; it must be a factor, such as 100 for fractions of a percentage"
            )));
        }
        if plausible.is_some_and(|[least, most]| !least.is_finite() || !most.is_finite() || least >= most) {
            return Err(wrong("`plausible` must be two numbers, the lower first"));
        }
        if name.eq_ignore_ascii_case("EF") && unit != "%" {
            return Err(wrong(&format!(
                "the ejection fraction is predicted in percent: give unit = \"%\", not {unit:?}, and scale = 100 where the \
                 table has fractions"
            )));
        }
        let (ranks, from) = match (ranks, ranks_file) {
            (Some(ranks), None) => (RankSpec { ranks }, None),
            (None, Some(file)) => {
                let path = self.source.parent().unwrap_or(Path::new("")).join(&file);
                let text = read(&file).map_err(|error| wrong(&format!("its `ranks_file`: {error}")))?;
                (from_toml(&path, &text)?, Some(path))
            }
            _ => return Err(wrong("give either `ranks_file` or [[ranks]]")),
        };
        ranks.validate().map_err(|error| match from {
            Some(path) => DataError::Config { path, reason: error.to_string() },
            None => wrong(&error.to_string()),
        })?;
        let column = column.unwrap_or_else(|| name.to_owned());
        let plausible = plausible.or_else(|| usual_range(name, &unit));
        Ok(Target { name: name.to_owned(), unit, column, scale, least, most, plausible, bin, thresholds, ranks })
    }
}

/// The ranks that come with the program under this name.
fn shipped(name: &Path) -> Option<String> {
    RANKS.iter().find(|(known, _)| Path::new(known) == name).map(|(_, text)| (*text).to_owned())
}

fn from_toml<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, DataError> {
    toml::from_str(text).map_err(|source| DataError::Toml { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "name = 'x'\ntable = 'x.csv'\nvideos = { folder = 'v' }\n";
    const EF: &str = "[targets.EF]\nunit = '%'\nranks = [{ up_to = 1, value = 1, prompt = 'a' }, { up_to = 2, value = 2, prompt = 'b' }]\n";

    fn error(text: &str) -> String {
        let nothing = |path: &Path| Err(DataError::Config { path: path.to_owned(), reason: "not read".to_owned() });
        DatasetConfig::parse(Path::new("own.toml"), text, &nothing).unwrap_err().to_string()
    }

    #[test]
    fn shipped_descriptions_are_right() {
        let config = DatasetConfig::echonet();
        let targets: Vec<(&str, &str, f64)> =
            config.targets().map(|target| (target.name.as_str(), target.unit.as_str(), target.bin)).collect();
        assert_eq!(targets, [("EDV", "ml", 10.0), ("EF", "%", 1.0), ("ESV", "ml", 10.0)]);
        assert_eq!(config.target("ef").unwrap().thresholds, [35, 40, 50]);
        for file in ["echonet-dynamic.toml", "example.toml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/datasets").join(file);
            let read = DatasetConfig::read(&path).unwrap();
            assert!(read.targets().all(|target| target.ranks.ranks.len() >= 2), "{file}");
        }
    }

    #[test]
    fn bins_have_the_width_that_was_asked_for() {
        let config = DatasetConfig::echonet();
        let bins = |name: &str, values: [f32; 4]| values.map(|value| config.target(name).unwrap().bin_of(value));
        assert_eq!(bins("EDV", [9.99, 10.0, 119.999_99, 120.0]), [0.0, 1.0, 11.0, 12.0]);
        assert_eq!(bins("EF", [29.99, 30.0, 30.99, 31.0]), [29.0, 30.0, 30.0, 31.0]);
    }

    #[test]
    fn entries_that_make_no_sense_are_named() {
        let columns = "columns = { video = 'v', split = 's' }\n";
        let seeded = "columns = { video = 'v' }\nsplit = { seed = 1, validation = 0.5, test = 0.5 }\n";
        for (text, expected) in [
            (format!("{START}{columns}colour = 1\n{EF}"), "colour"),
            (format!("{START}columns = {{ video = 'v' }}\n{EF}"), "say how videos are split"),
            (format!("{START}{columns}split = {{ seed = 1 }}\n{EF}"), "not both"),
            (format!("{START}{seeded}{EF}"), "leave something to train on"),
            (format!("{START}{columns}words = {{ train = ['1'], validation = ['2'], test = ['1'] }}\n{EF}"), "twice"),
            (
                format!("{}{columns}{EF}", START.replace("'v' }", "'v', file = '{patient}/{video}' }")),
                "columns.patient",
            ),
            (format!("{}{columns}{EF}", START.replace("'v' }", "'v', file = '{name}' }")), "{video}"),
            (format!("{START}{columns}{EF}bin = 0.0"), "`bin` is 0"),
            (format!("{START}{columns}{EF}bin = 1e-300"), "0.001 or more"),
            (format!("{START}{columns}{EF}least = 5\nmost = 5"), "below `most`"),
            (format!("{START}{columns}{EF}scale = 0"), "`scale` is 0"),
            (format!("{START}{columns}{EF}plausible = [90, 10]"), "the lower first"),
            (format!("{START}{columns}{}", EF.replace('%', "1")), "predicted in percent"),
            (format!("{START}{columns}{EF}thresholds = [300]"), "300"),
            (format!("{START}{columns}[targets.EF]\nunit = '%'"), "ranks_file"),
            (format!("{START}{columns}[targets.EF]\nunit = '%'\nranks = []"), "two ranks"),
            (format!("{START}{columns}[targets]"), "at least one target"),
        ] {
            let error = error(&text);
            assert!(error.contains("own.toml") && error.contains(expected), "{expected}: {error}");
        }
        let error = DatasetConfig::echonet().target("GLS").unwrap_err().to_string();
        assert!(error.contains("EDV, EF, ESV") && error.contains("[targets.GLS]"), "{error}");
    }
}
