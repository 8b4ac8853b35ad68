//! Reading a data set that a [`DatasetConfig`] describes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use echo_files::excerpt;
use echo_random::Stream;

use crate::dataset_config::SeededSplit;
use crate::numbers::{Notation, Number};
use crate::plausible::check_unit;
use crate::spelling::patient_key;
use crate::split::Split;
use crate::table::{Table, is_missing};
use crate::video_files::VideoFiles;
use crate::{DataError, DatasetConfig, Target};

/// Paths and names that a message shows of many.
const SHOWN: usize = 3;

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

/// Rows of the table that made no video, or an unlikely one. Names are without extension, in the table's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetReport {
    /// The folder in which the videos were looked for.
    pub folder: PathBuf,
    /// Videos whose target is missing.
    pub without_target: Vec<String>,
    /// Rows without a video's name, a patient or a split: the video or the line, and what is missing.
    pub incomplete: Vec<(String, String)>,
    /// Videos listed again with the same values: each repetition once. They are in `videos` once.
    pub duplicates: Vec<String>,
    /// Videos with a target, but without a file.
    pub missing: Vec<String>,
    /// Videos whose target lies outside the plausible range, and how. They are in `videos`.
    pub implausible: Vec<(String, String)>,
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
/// An unknown target, a table or folder that cannot be read, a column that is absent, a value that cannot be, values
/// most of which are not plausible, two rows that contradict each other, no file at all.
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

    let columns: Vec<(usize, &str)> = targets.iter().map(|(target, column)| (*column, target.unit.as_str())).collect();
    let notation = table.notation(&columns);

    let folder = dir.join(&file.videos.folder);
    let mut files = VideoFiles::open(&folder, file.videos.extension.as_deref())?;
    let mut report = DatasetReport { folder: folder.clone(), ..DatasetReport::default() };
    let mut rows: Vec<(u64, &str, Row)> = Vec::with_capacity(table.rows.len());
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(table.rows.len());
    for (line, fields) in &table.rows {
        let present = |column: usize| fields.get(column).filter(|field| !is_missing(field));
        let name = present(video_column).map(|field| files.without_extension(field)).filter(|name| !name.is_empty());
        let Some(name) = name else {
            report.incomplete.push((format!("line {line}"), "listed without a name".to_owned()));
            continue;
        };
        let missing = [(patient_column, "patient, so it might be in another split too"), (split_column, "split")];
        let missing = missing.iter().find(|(column, _)| column.is_some_and(|column| present(column).is_none()));
        if let Some((_, what)) = missing {
            report.incomplete.push((name.to_owned(), format!("listed without a {what}")));
            continue;
        }
        let patient = patient_column.and_then(present).map(str::to_owned);
        let split =
            split_column.and_then(present).map(|word| split_of(config, &table, *line, name, word)).transpose()?;
        let values = targets.iter().map(|(target, column)| {
            let field = present(*column);
            field
                .map(|field| value(&notation, target, field).map_err(|why| table.wrong_row(*line, name, why)))
                .transpose()
        });
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

    let key_of = |name: &str, row: &Row| row.patient.as_deref().map_or_else(|| name.to_owned(), patient_key);
    let drawn = file.split.map(|split| draw(split, rows.iter().map(|(_, name, row)| key_of(name, row)).collect()));
    let mut videos = Vec::with_capacity(rows.len());
    let mut owners: HashMap<PathBuf, u64> = HashMap::new();
    let (mut tried, mut respelled) = (Vec::new(), Vec::new());
    for (line, name, row) in rows {
        let Some(truth) = row.values[0] else {
            report.without_target.push(name.to_owned());
            continue;
        };
        let below = file.videos.file.replace("{patient}", row.patient.as_deref().unwrap_or_default());
        let below = below.replace("{video}", name);
        let Some(found) = files.find(&below).map_err(|reason| table.wrong_row(line, name, reason))? else {
            table.check_missing(line, name)?;
            report.missing.push(name.to_owned());
            if tried.len() < SHOWN {
                tried.push(files.tried(&excerpt(&below)));
            }
            continue;
        };
        let path = found.path;
        if !found.exact {
            respelled.push(format!("{:?}, found as {}", excerpt(&below), path.display()));
        }
        if let Some(first) = owners.insert(path.clone(), line) {
            let reason = format!("its file is {}, which is that of line {first} too", path.display());
            return Err(table.wrong_row(line, name, reason));
        }
        let of_patient = drawn.as_ref().and_then(|drawn| drawn.get(&key_of(name, &row)).copied());
        let split = row.split.or(of_patient).expect("a description has one kind of split");
        videos.push(DatasetVideo { name: name.to_owned(), path, patient: row.patient, truth, split });
    }
    if videos.is_empty() && !tried.is_empty() {
        return Err(DataError::NoVideos { folder, table: table.path, count: report.missing.len(), tried });
    }
    if !respelled.is_empty() {
        let message = format!(
            "{}: {} videos are listed in another spelling than their files have: {}",
            table.path.display(),
            respelled.len(),
            respelled[..respelled.len().min(SHOWN)].join("; ")
        );
        tracing::warn!("{}", echo_files::printable(&message));
    }
    let unlikely = check_unit(target, &videos).map_err(|reason| DataError::Unit { path: table.path, reason })?;
    report.implausible = unlikely;
    Ok(Dataset { videos, report })
}

fn split_of(config: &DatasetConfig, table: &Table, line: u64, name: &str, word: &str) -> Result<Split, DataError> {
    config.split_of(word).ok_or_else(|| {
        let known = config.split_words();
        table.wrong_row(line, name, format!("the split is {:?}; it must be {known} (in any case)", excerpt(word)))
    })
}

/// The target in its unit.
fn value(notation: &Notation, target: &Target, field: &str) -> Result<f32, String> {
    let Target { column, unit, scale, .. } = target;
    let (least, most) = (target.least.unwrap_or(f64::NEG_INFINITY), target.most.unwrap_or(f64::INFINITY));
    let wrong = |what: &str| format!("{column} is {:?}; {what}", excerpt(field));
    let number = notation.number(field, unit).map_err(|unclear| wrong(&unclear.to_string()))?;
    let in_unit = number.map(|Number { value, has_unit }| if has_unit { value } else { target.in_unit(value) });
    let in_range = in_unit.filter(|number| (least..=most).contains(number)).map(to_f32);
    in_range.filter(|value| value.is_finite()).ok_or_else(|| {
        let range = match (target.least, target.most) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" of at least {least}"),
            (None, Some(most)) => format!(" of at most {most}"),
            (None, None) => String::new(),
        };
        let times = if *scale == 1.0 { String::new() } else { format!(", times {scale},") };
        wrong(&format!("it{times} must be a number{range}, or empty"))
    })
}

/// Rounded, but 29.999999999 belongs to the bin 29 of a few-shot draw and must not be lifted into the next.
fn to_f32(exact: f64) -> f32 {
    let rounded = exact as f32;
    if f64::from(rounded.floor()) > exact { rounded.next_down() } else { rounded }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_f32_does_not_change_the_bin() {
        assert_eq!(to_f32(29.999_999_999_9).floor(), 29.0);
        assert_eq!((to_f32(30.0), to_f32(59.061_363_06)), (30.0, 59.061_363));
    }

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
