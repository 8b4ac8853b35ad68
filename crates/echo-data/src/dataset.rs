//! Reading a data set that a [`DatasetConfig`] describes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use echo_random::Stream;

use crate::dataset_config::SeededSplit;
use crate::echonet::parse;
use crate::split::Split;
use crate::table::{Table, without_extension};
use crate::{DataError, DatasetConfig, Target};

/// A video that can be used: its file is there and its target known.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetVideo {
    /// Its name in the table, without the extension that the description names.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The patient, where they are known.
    pub patient: Option<String>,
    /// The target in its unit.
    pub truth: f32,
    /// The part of the data set.
    pub split: Split,
}

/// A data set with one target, and what of its table could not be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The usable videos in the table's order.
    pub videos: Vec<DatasetVideo>,
    /// The others.
    pub report: DatasetReport,
}

/// Rows of the table that made no video. Names are without extension, in the table's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetReport {
    /// The folder in which the videos were looked for.
    pub folder: PathBuf,
    /// Videos whose target is empty.
    pub without_target: Vec<String>,
    /// Videos listed again with the same values: each repetition once. They are in `videos` once.
    pub duplicates: Vec<String>,
    /// Videos with a target, but without a file.
    pub missing: Vec<String>,
}

/// What a row says.
#[derive(PartialEq)]
struct Row {
    /// By target.
    values: Vec<Option<f32>>,
    patient: Option<String>,
    /// Where the table says so.
    split: Option<Split>,
}

/// Reads the data set in the folder `dir` as `config` describes it, with the target called `target`.
///
/// The columns of other targets may be absent; where they are there, their values are checked too. A drawn split is a
/// pure function of its seed and of the names of the patients in the table, whether or not their videos are there.
///
/// # Errors
/// An unknown target, a table or folder that cannot be read, a column that is absent, a value that cannot be, two rows
/// that contradict each other, a patient in two splits.
pub fn read_dataset(dir: &Path, config: &DatasetConfig, target: &str) -> Result<Dataset, DataError> {
    let target = config.target(target)?;
    let file = &config.file;
    let table = Table::read(&dir.join(&file.table))?;
    let video_column = table.column(&file.columns.video)?;
    let optional = |name: &Option<String>| name.as_ref().map(|name| table.column(name)).transpose();
    let (split_column, patient_column) = (optional(&file.columns.split)?, optional(&file.columns.patient)?);
    let target_column = table.column(&target.column)?;
    let mut targets = vec![(target, target_column)];
    for other in config.targets().filter(|other| other.name != target.name) {
        if let Some(column) = table.optional_column(&other.column)? {
            targets.push((other, column));
        }
    }

    let folder = dir.join(&file.videos.folder);
    let mut files = Files::open(&folder, file.videos.extension.as_deref())?;
    let mut report = DatasetReport { folder: folder.clone(), ..DatasetReport::default() };
    let mut rows: Vec<(u64, &str, Row)> = Vec::with_capacity(table.rows.len());
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(table.rows.len());
    for (line, fields) in &table.rows {
        let field = |column: usize| fields.get(column).unwrap_or_default();
        let name = files.without_extension(field(video_column));
        if name.is_empty() {
            return Err(table.wrong_row(*line, field(video_column), "the video's name is empty".to_owned()));
        }
        let patient = patient_column.map(|column| field(column).to_owned());
        if patient.as_deref() == Some("") {
            let reason = "the patient is empty; a video of nobody may leak from one split into another".to_owned();
            return Err(table.wrong_row(*line, name, reason));
        }
        let split = split_column.map(|column| split_of(config, &table, *line, name, field(column))).transpose()?;
        let values = targets.iter().map(|(target, column)| value(&table, *line, name, target, fields, *column));
        let row = Row { values: values.collect::<Result<_, _>>()?, patient, split };
        match seen.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(rows.len());
                rows.push((*line, name, row));
            }
            Entry::Occupied(first) => match &rows[*first.get()] {
                (_, _, known) if *known == row => report.duplicates.push(name.to_owned()),
                (known, ..) => return Err(table.contradiction(name, *known, *line)),
            },
        }
    }
    refuse_leaks(&table, &rows)?;

    let patient_of = |name: &str, row: &Row| row.patient.clone().unwrap_or_else(|| name.to_owned());
    let drawn = file.split.map(|split| draw(split, rows.iter().map(|(_, name, row)| patient_of(name, row)).collect()));
    let mut videos = Vec::with_capacity(rows.len());
    let mut owners: HashMap<PathBuf, u64> = HashMap::new();
    for (line, name, row) in rows {
        let Some(truth) = row.values[0] else {
            report.without_target.push(name.to_owned());
            continue;
        };
        let below = file.videos.file.replace("{patient}", row.patient.as_deref().unwrap_or_default());
        let Some(path) =
            files.find(&below.replace("{video}", name)).map_err(|reason| table.wrong_row(line, name, reason))?
        else {
            report.missing.push(name.to_owned());
            continue;
        };
        if let Some(first) = owners.insert(path.clone(), line) {
            let reason = format!("its file is {}, which is that of line {first} too", path.display());
            return Err(table.wrong_row(line, name, reason));
        }
        let of_patient = drawn.as_ref().and_then(|drawn| drawn.get(&patient_of(name, &row)).copied());
        let split = row.split.or(of_patient).expect("a description has one kind of split");
        videos.push(DatasetVideo { name: name.to_owned(), path, patient: row.patient, truth, split });
    }
    Ok(Dataset { videos, report })
}

fn split_of(config: &DatasetConfig, table: &Table, line: u64, name: &str, word: &str) -> Result<Split, DataError> {
    config.split_of(word).ok_or_else(|| {
        let known = config.split_words();
        table.wrong_row(line, name, format!("the split is {word:?}; it must be {known} (in any case)"))
    })
}

fn value(
    table: &Table,
    line: u64,
    name: &str,
    target: &Target,
    fields: &StringRecord,
    column: usize,
) -> Result<Option<f32>, DataError> {
    let text = fields.get(column).unwrap_or_default();
    let (least, most) = (target.least.unwrap_or(f64::NEG_INFINITY), target.most.unwrap_or(f64::INFINITY));
    parse(text, least, most).ok_or_else(|| {
        let range = match (target.least, target.most) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" of at least {least}"),
            (None, Some(most)) => format!(" of at most {most}"),
            (None, None) => String::new(),
        };
        table.wrong_row(line, name, format!("{} is {text:?}; it must be a number{range}, or empty", target.column))
    })
}

/// Fails on a patient whose videos the table puts in two splits.
fn refuse_leaks(table: &Table, rows: &[(u64, &str, Row)]) -> Result<(), DataError> {
    let mut known: HashMap<&str, (u64, Split)> = HashMap::new();
    for (line, _, row) in rows {
        let (Some(patient), Some(split)) = (&row.patient, row.split) else { continue };
        let (first, other) = *known.entry(patient).or_insert((*line, split));
        if other != split {
            let (first, second) = ((first, other), (*line, split));
            return Err(DataError::Leak { path: table.path.clone(), patient: patient.clone(), first, second });
        }
    }
    Ok(())
}

/// The split of every patient: in an order that depends on their names and the seed alone, the first are for testing,
/// the next for validation, and the rest for training. Each gets one patient at least, where there are three.
fn draw(split: SeededSplit, patients: BTreeSet<String>) -> BTreeMap<String, Split> {
    let mut order: Vec<(u64, String)> = patients
        .into_iter()
        .map(|patient| (Stream::new(split.seed, &format!("split/{patient}"), 0).bits64(), patient))
        .collect();
    order.sort_unstable();
    let count = |share: f64| ((share * order.len() as f64).round() as usize).max(1);
    let (test, validation) = (count(split.test), count(split.validation));
    let part = |place: usize| match place {
        _ if place < test => Split::Test,
        _ if place < test + validation => Split::Validation,
        _ => Split::Train,
    };
    order.into_iter().enumerate().map(|(place, (_, patient))| (patient, part(place))).collect()
}

/// The files of a folder. Each folder is read once, since a look-up per video is slow on the network drives that such
/// data lives on.
struct Files<'a> {
    folder: &'a Path,
    extension: Option<&'a str>,
    /// By folder below `folder`, then by name: without the extension where the description names one, else with and
    /// without.
    read: HashMap<String, HashMap<String, Vec<PathBuf>>>,
}

impl<'a> Files<'a> {
    fn open(folder: &'a Path, extension: Option<&'a str>) -> Result<Self, DataError> {
        fs::read_dir(folder).map_err(|source| DataError::Io { path: folder.to_owned(), source })?;
        Ok(Self {
            folder,
            extension: extension.map(|extension| extension.trim_start_matches('.')),
            read: HashMap::new(),
        })
    }

    fn without_extension<'n>(&self, name: &'n str) -> &'n str {
        self.extension.and_then(|extension| without_extension(name, extension)).unwrap_or(name)
    }

    /// The file at `below`, if it is there; a reason when `below` is no place in the folder.
    fn find(&mut self, below: &str) -> Result<Option<PathBuf>, String> {
        let (parent, name) = below.rsplit_once('/').unwrap_or(("", below));
        if Path::new(below).is_absolute() || below.split(['/', '\\']).any(|part| part == "..") {
            return Err(format!("{below:?} is not in the folder {}", self.folder.display()));
        }
        if !self.read.contains_key(parent) {
            let folder = self.folder.join(parent);
            let files = self.list(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            self.read.insert(parent.to_owned(), files);
        }
        match self.read[parent].get(self.without_extension(name)).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([path]) => Ok(Some(path.clone())),
            Some(paths) => {
                let mut names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                names.sort();
                Err(format!("which file is meant? {}; give `videos.extension`", names.join(", ")))
            }
        }
    }

    /// The files of one folder; none where there is no such folder.
    fn list(&self, folder: &Path) -> std::io::Result<HashMap<String, Vec<PathBuf>>> {
        let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else { continue };
            if entry.file_type()?.is_dir() {
                continue;
            }
            let names = match self.extension {
                Some(extension) => [without_extension(file_name, extension), None],
                None => [Some(file_name), file_name.rsplit_once('.').map(|(stem, _)| stem)],
            };
            for name in names.into_iter().flatten() {
                files.entry(name.to_owned()).or_default().push(entry.path());
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patients(count: usize) -> BTreeSet<String> {
        (0..count).map(|patient| format!("patient {patient}")).collect()
    }

    #[test]
    fn shares_are_of_patients_and_every_split_has_one() {
        let split = SeededSplit { seed: 1, validation: 0.15, test: 0.3 };
        let counts = |count: usize| {
            let drawn = draw(split, patients(count));
            [Split::Train, Split::Validation, Split::Test]
                .map(|of| drawn.values().filter(|&&split| split == of).count())
        };
        assert_eq!(counts(100), [55, 15, 30]);
        assert_eq!(counts(3), [1, 1, 1]);
        assert_eq!(counts(0), [0, 0, 0]);
    }

    #[test]
    fn another_seed_draws_other_patients() {
        let drawn = |seed: u64| draw(SeededSplit { seed, validation: 0.15, test: 0.3 }, patients(100));
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
