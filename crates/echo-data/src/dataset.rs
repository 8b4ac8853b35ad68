//! Reading a data set that a [`DatasetConfig`] describes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use echo_core::Truth;
use echo_files::excerpt;
use echo_random::Stream;

use crate::dataset_config::SeededSplit;
use crate::numbers::{Notation, Number};
use crate::plausible::{Labelled, check_unit};
use crate::spelling::patient_key;
use crate::split::Split;
use crate::table::{Table, is_missing};
use crate::task_file::{Reading, yes_or_no};
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
    /// The patient, where they are known; where studies alone are, the study.
    pub patient: Option<String>,
    /// The study that it is of, where studies are known.
    pub study: Option<String>,
    /// Its label.
    pub truth: Truth,
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
    /// By target: the label, and the number that it is made of, where it is made of one.
    values: Vec<Option<(Truth, f32)>>,
    patient: Option<String>,
    study: Option<String>,
    /// Where the table says so.
    split: Option<Split>,
}

/// Reads the data set in the folder `dir` as `config` describes it, with the labels of `target`. A column that is not in the
/// table that lists the videos is looked for in the table of labels.
///
/// The columns of the description's other tasks may be absent; where they are there, their values are checked too. A drawn split is a
/// pure function of its seed and of the names of the patients in the table, whether or not their videos are there.
///
/// # Errors
/// A table or folder that cannot be read, a column that is absent, a value that cannot be, values
/// most of which are not plausible, two rows that contradict each other, no file at all.
pub fn read_dataset(dir: &Path, config: &DatasetConfig, target: &Target) -> Result<Dataset, DataError> {
    let file = &config.file;
    if !dir.is_dir() {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such folder");
        return Err(DataError::Io { path: dir.to_owned(), source });
    }
    let entry = if file.tables.is_some() { "tables" } else { "table" };
    let tables: Vec<_> = config.tables().into_iter().map(|(split, path)| (split, dir.join(path))).collect();
    let table = Table::read_all(&tables, file.header.as_deref()).map_err(|error| config.misplaced(entry, error))?;
    let video_column = table.column(&file.columns.video)?;
    let optional = |name: &Option<String>| name.as_ref().map(|name| table.column(name)).transpose();
    let (split_column, patient_column) = (optional(&file.columns.split)?, optional(&file.columns.patient)?);
    let study_column = optional(&file.columns.study)?;
    let mut labels = Labels::of(&table, dir, config)?;
    let mut targets = vec![(target, labels.places(target)?)];
    for other in config.targets().filter(|other| other.task.name != target.task.name) {
        if let Some(places) = labels.optional_places(other)? {
            targets.push((other, places));
        }
    }
    labels.note_numbers(&targets);

    let folder = dir.join(&file.videos.folder);
    let mut files = VideoFiles::open(&folder, file.videos.extension.as_deref(), file.videos.pictures)
        .map_err(|error| config.misplaced("videos.folder", error))?;
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
        let missing = [
            (patient_column, "patient, so it might be in another split too"),
            (study_column, "study, so it might be one of another one's videos"),
            (split_column, "split"),
        ];
        let missing = missing.iter().find(|(column, _)| column.is_some_and(|column| present(column).is_none()));
        if let Some((_, what)) = missing {
            report.incomplete.push((name.to_owned(), format!("listed without a {what}")));
            continue;
        }
        let study = study_column.and_then(present).map(str::to_owned);
        let patient = patient_column.and_then(present).map(str::to_owned).or_else(|| study.clone());
        let split =
            split_column.and_then(present).map(|word| config.split_in(&table, *line, name, word)).transpose()?;
        let split = split.or_else(|| table.split_at(*line));
        let of_video = labels.of_video(fields, config.without_extension(name));
        let value = |(target, places): &(&Target, Vec<Place>)| {
            of_video.truth(target, places).map_err(|(column, why)| {
                let (table, line) = of_video.row(column, &table, *line);
                table.wrong_row(line, name, why)
            })
        };
        let row = Row { values: targets.iter().map(value).collect::<Result<_, _>>()?, patient, study, split };
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
    let mut numbers = Vec::with_capacity(rows.len());
    let mut owners: HashMap<PathBuf, u64> = HashMap::new();
    let (mut tried, mut respelled) = (Vec::new(), Vec::new());
    for (line, name, row) in rows {
        let Some((truth, number)) = row.values.first().cloned().flatten() else {
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
            let reason = format!("its file is {}, which is that of {} too", path.display(), table.place(first));
            return Err(table.wrong_row(line, name, reason));
        }
        let of_patient = drawn.as_ref().and_then(|drawn| drawn.get(&key_of(name, &row)).copied());
        let split = row.split.or(of_patient).expect("a description has one kind of split");
        numbers.push(number);
        let Row { patient, study, .. } = row;
        videos.push(DatasetVideo { name: name.to_owned(), path, patient, study, truth, split });
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
    if target.is_number() {
        let checked: Vec<Labelled<'_>> =
            videos.iter().zip(&numbers).map(|(video, &number)| (video.name.as_str(), video.split, number)).collect();
        let unlikely = check_unit(target, &checked).map_err(|reason| DataError::Unit { path: table.path, reason })?;
        report.implausible = unlikely;
    }
    Ok(Dataset { videos, report })
}

/// Where a column of labels is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// In the second table.
    second: bool,
    column: usize,
}

/// The tables that labels stand in.
struct Labels<'a> {
    first: &'a Table,
    second: Option<Table>,
    /// Where it would be, if it is described but not there.
    absent: Option<PathBuf>,
    /// Rows of the second table by the video's name, as both tables write it without extension.
    rows: HashMap<String, usize>,
    notations: [Notation; 2],
}

impl<'a> Labels<'a> {
    fn of(first: &'a Table, dir: &Path, config: &DatasetConfig) -> Result<Self, DataError> {
        let path = config.file.labels.as_ref().map(|labels| dir.join(&labels.table));
        let (path, absent) = match path {
            None => (None, None),
            Some(path) => match path.try_exists() {
                Ok(true) => (Some(path), None),
                Ok(false) => (None, Some(path)),
                Err(source) => return Err(DataError::Io { path, source }),
            },
        };
        let second = path.map(|path| Table::read(&path)).transpose()?;
        let mut rows = HashMap::new();
        if let Some(table) = &second {
            let column = table.column(&config.file.columns.video)?;
            for (place, (line, fields)) in table.rows.iter().enumerate() {
                let name = fields.get(column).unwrap_or_default();
                if let Some(before) = rows.insert(config.without_extension(name).to_lowercase(), place)
                    && table.rows[before].1 != *fields
                {
                    return Err(table.contradiction(name, table.rows[before].0, *line));
                }
            }
        }
        Ok(Self { first, second, absent, rows, notations: Default::default() })
    }

    /// Where the labels of a target are.
    fn places(&self, target: &Target) -> Result<Vec<Place>, DataError> {
        let place = |column: &String| match self.place(column)? {
            Some(place) => Ok(place),
            None => Err(match (self.first.column(column), self.elsewhere()) {
                (Err(DataError::Column { path, column, count, mut found }), Some(elsewhere)) => {
                    found.push(elsewhere);
                    DataError::Column { path, column, count, found }
                }
                (Err(error), _) => error,
                (Ok(_), _) => return Ok(Place { second: false, column: 0 }),
            }),
        };
        target.columns.iter().map(place).collect()
    }

    /// What the second table offers, for messages.
    fn elsewhere(&self) -> Option<String> {
        let of_second = self
            .second
            .as_ref()
            .map(|second| format!("and, in {}, {}", second.path.display(), second.names().join(", ")));
        of_second
            .or_else(|| Some(format!("and {}, the table of [labels], is not there", self.absent.as_ref()?.display())))
    }

    /// The same; nothing where a column is nowhere.
    fn optional_places(&self, target: &Target) -> Result<Option<Vec<Place>>, DataError> {
        target.columns.iter().map(|column| self.place(column)).collect()
    }

    fn place(&self, column: &str) -> Result<Option<Place>, DataError> {
        if let Some(column) = self.first.optional_column(column)? {
            return Ok(Some(Place { second: false, column }));
        }
        let in_second = self.second.as_ref().map(|table| table.optional_column(column)).transpose()?.flatten();
        Ok(in_second.map(|column| Place { second: true, column }))
    }

    /// Looks at how the numbers of all targets are written.
    fn note_numbers(&mut self, targets: &[(&Target, Vec<Place>)]) {
        let of = |second: bool| -> Vec<(usize, &str)> {
            let numbers = targets.iter().filter(|(target, _)| target.is_number());
            let places = numbers.flat_map(|(target, places)| places.iter().map(move |place| (place, &target.unit)));
            places
                .filter(|(place, _)| place.second == second)
                .map(|(place, unit)| (place.column, unit.as_str()))
                .collect()
        };
        let second = self.second.as_ref().map_or_else(Notation::default, |table| table.notation(&of(true)));
        self.notations = [self.first.notation(&of(false)), second];
    }

    fn of_video<'b>(&'b self, first: &'b StringRecord, name: &str) -> VideoLabels<'b> {
        let second = self.second.as_ref().zip(self.rows.get(&name.to_lowercase()));
        VideoLabels {
            first,
            second: second.map(|(table, &place)| (table, &table.rows[place])),
            notations: &self.notations,
        }
    }
}

/// What the tables say of one video.
struct VideoLabels<'a> {
    first: &'a StringRecord,
    second: Option<(&'a Table, &'a (u64, StringRecord))>,
    notations: &'a [Notation; 2],
}

impl VideoLabels<'_> {
    fn field(&self, place: Place) -> Option<&str> {
        let fields = if place.second { &self.second?.1.1 } else { self.first };
        fields.get(place.column).filter(|field| !is_missing(field))
    }

    /// The table and line that a column is of.
    fn row<'b>(&'b self, place: Place, first: &'b Table, line: u64) -> (&'b Table, u64) {
        match self.second.filter(|_| place.second) {
            Some((table, (line, _))) => (table, *line),
            None => (first, line),
        }
    }

    /// The label of a target, and the number that it is made of; nothing where the field is empty.
    fn truth(&self, target: &Target, places: &[Place]) -> Result<Option<(Truth, f32)>, (Place, String)> {
        if target.reading == Reading::YesOrNo {
            let mut labels = Vec::with_capacity(places.len());
            for (&place, column) in places.iter().zip(&target.columns) {
                let label = self.field(place).map(|field| {
                    let wrong = || format!("{column} is {:?}; it must be 1 or 0, yes or no, or empty", excerpt(field));
                    yes_or_no(field).ok_or_else(|| (place, wrong()))
                });
                labels.push(label.transpose()?);
            }
            return Ok(labels.iter().any(Option::is_some).then_some((Truth::Labels(labels), 0.0)));
        }
        let [place] = places else { return Ok(None) };
        let Some(field) = self.field(*place) else { return Ok(None) };
        if let Reading::Words(words) = &target.reading {
            let class = words.iter().position(|words| words.iter().any(|word| word.trim().eq_ignore_ascii_case(field)));
            let wrong = || {
                let known = words.iter().map(|words| words.join(" or ")).collect::<Vec<_>>().join(", ");
                format!("{} is {:?}; it must be one of {known}, or empty", target.columns[0], excerpt(field))
            };
            return class.map(|class| Some((Truth::Class(class), 0.0))).ok_or_else(|| (*place, wrong()));
        }
        let value = number(&self.notations[usize::from(place.second)], target, field).map_err(|why| (*place, why))?;
        let truth = match &target.reading {
            Reading::Below(bound) => Truth::Class(usize::from(f64::from(value) < *bound)),
            Reading::UpTo(bounds) => {
                let floor = value.floor() as i64;
                let class = bounds.iter().position(|bound| bound.is_none_or(|bound| floor <= bound));
                let above = || {
                    let column = &target.columns[0];
                    format!(
                        "{column} is {:?}, more than the `up_to` of every class; a last class without `up_to` takes all \
                         above the others",
                        excerpt(field)
                    )
                };
                Truth::Class(class.ok_or_else(|| (*place, above()))?)
            }
            _ => Truth::Value(value),
        };
        Ok(Some((truth, value)))
    }
}

/// A number in the target's unit.
fn number(notation: &Notation, target: &Target, field: &str) -> Result<f32, String> {
    let Target { unit, scale, columns, .. } = target;
    let (least, most) = (target.least.unwrap_or(f64::NEG_INFINITY), target.most.unwrap_or(f64::INFINITY));
    let wrong = |what: &str| format!("{} is {:?}; {what}", columns[0], excerpt(field));
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
