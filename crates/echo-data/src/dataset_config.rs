//! A data set as a TOML file describes it: where its videos and its table are, what the columns are called, how it is
//! split and what can be predicted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use echo_core::{Answer, Task, Truth};
use echo_files::excerpt;
use serde::Deserialize;

use crate::split::Split;
use crate::table::{Table, without_extension};
use crate::task_file::{Reading, TASKS, TaskFile};
use crate::{DataError, StudyLabel};

/// EchoNet-Dynamic's layout.
const ECHONET: &str = include_str!("../../../configs/datasets/echonet-dynamic.toml");

/// A data set's description; `configs/datasets/example.toml` explains every entry.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetConfig {
    /// What messages call the description.
    pub(crate) source: PathBuf,
    pub(crate) file: DatasetFile,
    targets: Vec<Target>,
}

/// The TOML file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatasetFile {
    name: String,
    pub(crate) table: Option<PathBuf>,
    /// In place of `table`, one for each split.
    pub(crate) tables: Option<SplitTables>,
    /// Names of the columns of tables that have no line of them; spaces separate their fields.
    pub(crate) header: Option<Vec<String>>,
    pub(crate) videos: Videos,
    pub(crate) columns: Columns,
    #[serde(default)]
    words: Option<Words>,
    #[serde(default)]
    pub(crate) split: Option<SeededSplit>,
    /// A second table, whose rows are found by the video's column.
    #[serde(default)]
    pub(crate) labels: Option<Labels>,
    #[serde(default)]
    tasks: BTreeMap<String, TaskFile>,
}

/// A table for each split.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitTables {
    train: PathBuf,
    validation: Option<PathBuf>,
    test: PathBuf,
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
    /// Each video is a folder of numbered pictures.
    #[serde(default)]
    pub(crate) pictures: bool,
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
    pub(crate) study: Option<String>,
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

/// A table of labels beside the one that lists the videos.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Labels {
    /// It need not be there.
    pub(crate) table: PathBuf,
}

/// A task, and where a table has its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is predicted.
    pub task: Task,
    /// The table's columns: one, or one for each label.
    pub columns: Vec<String>,
    pub(crate) reading: Reading,
    /// The unit of the table's numbers, of a value or of one that is cut into classes.
    pub unit: String,
    /// What the table's numbers are multiplied by to be in `unit`: 100 for fractions of a percentage.
    pub scale: f64,
    /// The least value that can be.
    pub least: Option<f64>,
    /// The largest value that can be.
    pub most: Option<f64>,
    /// Where values usually lie. Most of a data set's outside are a mistake of the unit; single ones are reported.
    pub plausible: Option<[f64; 2]>,
    /// How the labels of a study's videos are one.
    pub of_studies: StudyLabel,
}

impl Target {
    /// The task in the file `path`, or one that comes with the program where `path` is the name of one.
    ///
    /// # Errors
    /// It cannot be read, or makes no sense.
    pub fn read(path: &Path, below: Option<f64>) -> Result<Self, DataError> {
        let text = echo_files::read_text(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let wrong = |reason| DataError::Config { path: path.to_owned(), reason };
        TaskFile::parse(path, &text)?.target(&name, below).map_err(wrong)
    }

    /// The task of that name that comes with the program.
    ///
    /// # Panics
    /// When there is none.
    pub fn shipped(name: &str) -> Self {
        TaskFile::default().target(name, None).expect("a task that comes with the program")
    }

    /// A number of the table in the target's unit.
    pub(crate) fn in_unit(&self, number: f64) -> f64 {
        // 0.29 times 100 is 29, also in binary.
        if self.scale == 1.0 { number } else { (number * self.scale * 1e9).round() / 1e9 }
    }

    /// Whether its labels are numbers, or made of them.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.reading, Reading::Number | Reading::Below(_) | Reading::UpTo(_))
    }

    /// The bins of a few-shot draw that a sample is in: one by its value or its class, or one for each label that is known,
    /// by whether it holds.
    pub fn bins_of(&self, truth: &Truth) -> Vec<i64> {
        match (&self.task.answer, truth) {
            (Answer::Value(regression), Truth::Value(value)) => {
                vec![(f64::from(*value) / regression.bin).floor() as f32 as i64]
            }
            (_, Truth::Value(value)) => vec![value.floor() as i64],
            (_, Truth::Class(class)) => vec![*class as i64],
            (_, Truth::Labels(labels)) => {
                let known = labels.iter().enumerate().filter_map(|(place, label)| Some((place, (*label)?)));
                known.map(|(place, holds)| 2 * place as i64 + i64::from(holds)).collect()
            }
        }
    }
}

impl DatasetConfig {
    /// EchoNet-Dynamic's layout.
    pub fn echonet() -> Self {
        let source = Path::new("configs/datasets/echonet-dynamic.toml");
        Self::parse(source, ECHONET).expect("the shipped description is right")
    }

    /// Reads a description.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown or missing entry, or entries that make no sense together.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let text = echo_files::read_text(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    pub(crate) fn parse(source: &Path, text: &str) -> Result<Self, DataError> {
        let file: DatasetFile = toml::from_str(text)
            .map_err(|error| DataError::Toml { path: source.to_owned(), source: Box::new(error) })?;
        let mut config = Self { source: source.to_owned(), file, targets: Vec::new() };
        config.check()?;
        for (name, entry) in config.file.tasks.clone() {
            let target =
                entry.target(&name, None).map_err(|reason| config.wrong(format!("[tasks.{name}]: {reason}")))?;
            if config.targets.iter().any(|other| other.task.name.eq_ignore_ascii_case(&target.task.name)) {
                return Err(
                    config.wrong(format!("[tasks.{name}]: there is another task of this name; capitals do not count"))
                );
            }
            config.targets.push(target);
        }
        Ok(config)
    }

    /// The data set's name.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The tasks that it describes, in alphabetical order. Those that come with the program can be predicted too.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter()
    }

    /// The task called `name`, in any case: of the description, else of those that come with the program; `below` cuts its
    /// number elsewhere.
    ///
    /// # Errors
    /// There is none; the message names those there are.
    pub fn target(&self, name: &str, below: Option<f64>) -> Result<Target, DataError> {
        let own = self.file.tasks.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let shipped = TASKS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let found = match (own, shipped) {
            (Some((known, entry)), _) => entry.clone().target(known, below),
            (None, Some((known, _))) => TaskFile::default().target(known, below),
            (None, None) => {
                let own = self.targets().map(|target| target.task.name.as_str());
                let shipped = TASKS.iter().map(|(name, _)| *name);
                let mut known: Vec<&str> = own.chain(shipped).collect();
                known.sort_unstable_by_key(|name| name.to_lowercase());
                known.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
                let known = known.join(", ");
                Err(format!(
                    "no task {name:?}; there are: {known}; describe it as [tasks.NAME] in the data set's description, or give a file (.toml)"
                ))
            }
        };
        found.map_err(|reason| self.wrong(reason))
    }

    /// Whether patients are known, if only by their studies, so that none is in two splits.
    pub fn knows_patients(&self) -> bool {
        self.file.columns.patient.is_some() || self.knows_studies()
    }

    /// Whether videos are of studies, whose labels theirs are.
    pub fn knows_studies(&self) -> bool {
        self.file.columns.study.is_some()
    }

    /// Whether splits are drawn, not read from the table.
    pub fn draws_splits(&self) -> bool {
        self.file.split.is_some()
    }

    /// The tables that list the videos, each with the split that it is of, where it is of one.
    pub(crate) fn tables(&self) -> Vec<(Option<Split>, &Path)> {
        match &self.file.tables {
            None => self.file.table.iter().map(|path| (None, path.as_path())).collect(),
            Some(SplitTables { train, validation, test }) => {
                let validation = validation.as_ref().map(|path| (Some(Split::Validation), path.as_path()));
                [Some((Some(Split::Train), train.as_path())), validation, Some((Some(Split::Test), test.as_path()))]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        }
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

    /// The split of a row.
    pub(crate) fn split_in(&self, table: &Table, line: u64, name: &str, word: &str) -> Result<Split, DataError> {
        self.split_of(word).ok_or_else(|| {
            let known = self.split_words();
            table.wrong_row(line, name, format!("the split is {:?}; it must be {known} (in any case)", excerpt(word)))
        })
    }

    /// A video's name as rows of several tables are matched by.
    pub(crate) fn without_extension<'a>(&self, name: &'a str) -> &'a str {
        let extension = self.file.videos.extension.as_deref().unwrap_or("avi").trim_start_matches('.');
        without_extension(name, extension).unwrap_or(name)
    }

    /// What is not where `entry` says it is.
    pub(crate) fn misplaced(&self, entry: &str, error: DataError) -> DataError {
        match error {
            DataError::Io { path, source } => self.wrong(format!(
                "`{entry}` leads to {}: {source}; another layout is described by --dataset",
                path.display()
            )),
            other => other,
        }
    }

    fn check(&self) -> Result<(), DataError> {
        let DatasetFile { name, table, tables, header, videos, columns, words, split, .. } = &self.file;
        if name.trim().is_empty() || name.contains([',', '"', '\n', '|']) {
            return Err(self.wrong(format!("`name` is {name:?}; it must be some words without commas, quotes and |")));
        }
        if table.is_some() == tables.is_some() {
            return Err(self.wrong("give either `table`, or [tables] with one for each split".to_owned()));
        }
        if tables.is_some() && (columns.split.is_some() || split.is_some() || words.is_some()) {
            let reason = "[tables] says how videos are split; leave out `columns.split`, [split] and [words]";
            return Err(self.wrong(reason.to_owned()));
        }
        if header.as_ref().is_some_and(|names| names.iter().any(|name| name.trim().is_empty()) || names.len() < 2) {
            return Err(self.wrong("`header` must name two columns or more".to_owned()));
        }
        if videos.pictures && videos.extension.is_some() {
            let reason = "`videos.extension` is of files, and with `videos.pictures` each video is a folder";
            return Err(self.wrong(reason.to_owned()));
        }
        match (&columns.split, split) {
            _ if tables.is_some() => {}
            (Some(_), Some(_)) => {
                return Err(self.wrong("give either `columns.split` or [split], not both".to_owned()));
            }
            (None, None) => {
                let reason = "say how videos are split: `columns.split`, [split] with a `seed`, or [tables]";
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "name = 'x'\ntable = 'x.csv'\nvideos = { folder = 'v' }\n";
    const EF: &str = "[tasks.EF]\n";

    fn error(text: &str) -> String {
        DatasetConfig::parse(Path::new("own.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn shipped_descriptions_are_right() {
        for file in ["echonet-dynamic.toml", "example.toml", "phantom-studies.toml", "phantom-views.toml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/datasets").join(file);
            let read = DatasetConfig::read(&path).unwrap();
            assert!(read.targets().count() >= 2, "{file}");
        }
        // A description that says more than the program of a task of a known name.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/datasets/phantom-views.toml");
        let view = DatasetConfig::read(&path).unwrap().target("view", None).unwrap().task;
        assert_eq!((view.class_names().len(), view.heads.len()), (9, 0));
        let config = DatasetConfig::echonet();
        let bins: Vec<(String, f64)> =
            config.targets().map(|target| (target.task.name.clone(), target.task.regression().unwrap().bin)).collect();
        assert_eq!(bins, [("EDV".to_owned(), 10.0), ("EF".to_owned(), 1.0), ("ESV".to_owned(), 10.0)]);
        assert_eq!(config.target("ef", None).unwrap().task.regression().unwrap().thresholds, [35, 40, 50]);
    }

    #[test]
    fn bins_have_the_width_that_was_asked_for() {
        let bins = |name: &str, values: [f32; 4]| {
            values.map(|value| DatasetConfig::echonet().target(name, None).unwrap().bins_of(&Truth::Value(value))[0])
        };
        assert_eq!(bins("EDV", [9.99, 10.0, 119.999_99, 120.0]), [0, 1, 11, 12]);
        assert_eq!(bins("EF", [29.99, 30.0, 30.99, 31.0]), [29, 30, 30, 31]);
        let labels = Truth::Labels(vec![Some(true), None, Some(false)]);
        assert_eq!(Target::shipped("findings").bins_of(&labels), [1, 4]);
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
            (format!("{START}{columns}{EF}unit = '1'"), "predicted in percent"),
            (format!("{START}{columns}{EF}thresholds = [300]"), "300"),
            (format!("{START}{columns}{EF}ranks = []"), "two ranks"),
            (
                format!(
                    "{START}{columns}[tasks.GLS]
unit = '%'"
                ),
                "[[ranks]]",
            ),
            (format!("{START}{columns}{EF}[tasks.ef]"), "another task of this name"),
        ] {
            let error = error(&text);
            assert!(error.contains("own.toml") && error.contains(expected), "{expected}: {error}");
        }
        let error = DatasetConfig::echonet().target("GLS", None).unwrap_err().to_string();
        assert!(error.contains("EDV, EF, ef-grade") && error.contains("[tasks.NAME]"), "{error}");
    }
}
