//! The table at the end: means over seeds, beside the predictors that know nothing.

mod absent;
mod caution;
mod columns;
mod constants;
mod external;
mod formats;
mod latex;
mod leakage;
mod paired;
mod pivot;
mod row;
mod settings;
mod shots;
mod values;
mod vs_best;

pub use caution::weights_caution;
pub(crate) use columns::{Detail, Extent, digits};
pub use constants::Constant;
pub use external::External;
pub use row::{Cell, LeaderboardRow, means};
pub use shots::Bins;
pub use values::Value;
pub(crate) use vs_best::distance;
pub use vs_best::{Standing, VsBest};

use std::collections::{BTreeMap, BTreeSet};

use echo_files::{counted, printable};
use echo_metrics::{Metric, Parameters};
use serde::Serialize;

use self::caution::{setting, warnings};
use self::constants::{Externals, rows as constant_rows};
use self::paired::Paired;
use self::row::TrainVideos;
use self::vs_best::compare_with_best;
use crate::{
    CellRecord, CellStatus, DataRecord, Outputs, PredictionRow, Predictions, Quantity, Reference, ReportError,
    SampleUnit, Truth,
};

/// The rows, and what stands above them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Leaderboard {
    /// What was predicted.
    pub target: Quantity,
    /// What is to be read before any number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Which data and weights all numbers are of, where they are phantoms or not the published weights; empty for others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub setting: String,
    /// What was measured, on which samples.
    pub about: String,
    /// What the numbers mean.
    pub caption: String,
    /// Whether resamples draw patients, each with all samples of theirs; single samples where no patient is known.
    pub by_patient: bool,
    /// Constant predictors first, then the grid in its order.
    pub rows: Vec<LeaderboardRow>,
    /// What else was found.
    pub notes: Vec<String>,
    /// Published figures, which this program did not compute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// What intervals are over.
fn resampled(task: &Quantity, by_patient: bool) -> String {
    format!("{}{}", task.samples.many(), if by_patient { ", drawn by patient" } else { "" })
}

/// Labelled test videos.
pub struct TestSet {
    /// The data set's name.
    pub data: String,
    /// What tells it from others of that name.
    pub hash: String,
    /// Its videos.
    pub videos: Vec<TestVideo>,
}

/// A test video with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct TestVideo {
    /// The video's name.
    pub video: String,
    /// Its patient; empty where patients are not known.
    pub patient: String,
    /// What is true.
    pub truth: Truth,
}

impl TestVideo {
    /// With a prediction for it.
    fn predicted(&self, prediction: &[f32]) -> PredictionRow {
        let Self { video, patient, truth } = self.clone();
        PredictionRow { video, patient, truth, prediction: prediction.to_vec(), warning: String::new() }
    }
}

impl From<PredictionRow> for TestVideo {
    fn from(row: PredictionRow) -> Self {
        let PredictionRow { video, patient, truth, .. } = row;
        Self { video, patient, truth }
    }
}

impl TestSet {
    /// For a note, which may be about several.
    pub(crate) fn in_words(unit: SampleUnit, data: &str, test: usize, hash: &str) -> String {
        format!("{} of {} (hash {})", counted(test, &format!("test {}", unit.one())), printable(data), short(hash))
    }

    /// What a test set is called in tables that hold several: `test set A`, by its place among them.
    pub(crate) fn letter(place: usize) -> String {
        match u8::try_from(place).ok().filter(|place| *place < 26) {
            Some(place) => format!("test set {}", char::from(b'A' + place)),
            None => format!("test set {}", place + 1),
        }
    }

    /// All of them, for a caption; their hashes only where two would read the same.
    pub(crate) fn all_in_words(unit: SampleUnit, tests: &[TestSet]) -> Vec<String> {
        let plain = |test: &TestSet| {
            format!("{} of {}", counted(test.videos.len(), &format!("test {}", unit.one())), printable(&test.data))
        };
        let words = |(place, test): (usize, &TestSet)| {
            let same = tests.iter().filter(|other| plain(other) == plain(test)).count() > 1;
            let hash = if same { format!(", hash {}", short(&test.hash)) } else { String::new() };
            match tests.len() {
                1 => plain(test),
                _ => format!("{} ({}{hash})", Self::letter(place), plain(test)),
            }
        };
        tests.iter().enumerate().map(words).collect()
    }
}

/// As much of a hash as people compare.
pub(crate) fn short(hash: &str) -> String {
    hash.chars().take(8).collect()
}

/// What a leaderboard is made of.
pub struct Sources<'a> {
    /// What is predicted.
    pub target: Quantity,
    /// Target, data and protocol.
    pub about: String,
    /// Resamples, in words.
    pub resamples: &'a str,
    /// The cells of each row, in the table's order.
    pub groups: &'a [Vec<&'a CellRecord>],
    /// What the constant predictors predict.
    pub constants: &'a [Constant],
    /// What the constant predictors are scored on.
    pub tests: &'a [TestSet],
    /// The folder with the cells' files.
    pub outputs: &'a Outputs,
    /// Resamples for the constant predictors and comparisons.
    pub bootstrap: usize,
    /// Published figures.
    pub references: &'a [Reference],
}

impl Leaderboard {
    /// Scores the constant predictors, averages the grid's cells, and compares the rows.
    ///
    /// # Errors
    /// A finished cell's predictions cannot be read, or hold what is not finite.
    pub fn new(sources: &Sources<'_>) -> Result<Self, ReportError> {
        let Sources { groups, constants, tests, outputs, bootstrap, .. } = *sources;
        let task = &sources.target;
        if let Some(complaint) = task.complaint() {
            return Err(ReportError::Mixed(complaint));
        }
        let primary = task.primary();
        let several = several_tests(groups, tests);
        let several_splits = several_splits(groups);
        // A cell that failed may be of a test set that no other has.
        let set_of = |hash: &str, count: usize| match tests.iter().position(|test| test.hash == hash) {
            Some(place) => format!("{}, {}", TestSet::letter(place), task.samples.counted(count)),
            None => format!("another test set, {}", task.samples.counted(count)),
        };
        let (mut rows, mut paired) = (Vec::new(), Vec::new());
        let mut absent = BTreeSet::new();
        let mut of_one = BTreeSet::new();
        for test in tests {
            let of_test = || constants.iter().filter(|constant| constant.test_hash == test.hash);
            let splits: BTreeSet<&str> = of_test().map(|constant| constant.splits.as_str()).collect();
            let cells = || groups.iter().flatten().copied();
            let own: Vec<&CellRecord> = cells().filter(|cell| cell.data.test_hash == test.hash).collect();
            // Encoders may each leave out other videos, so that no row has all that are left.
            let own = if own.is_empty() { cells().collect() } else { own };
            let externals = Externals::read(own.iter().copied(), outputs)?;
            absent.extend(absent::notes(task, test, &externals)?);
            of_one.extend(absent::of_one_patient(task, test, &externals));
            let metrics = metrics_of(task, own.iter().copied());
            for split in &splits {
                let of_split: Vec<&Constant> = of_test().filter(|constant| constant.splits == *split).collect();
                for (mut row, of_row) in constant_rows(task, &of_split, test, &metrics, &externals, bootstrap)? {
                    if several {
                        let words = set_of(&test.hash, test.videos.len());
                        row.encoder.push_str(&format!(" ({words})"));
                    }
                    if splits.len() > 1 {
                        row.encoder.push_str(&format!(" (splits {})", short(split)));
                    }
                    row.phantoms = own.iter().all(|cell| cell.data.phantoms);
                    rows.push(row);
                    paired.push(of_row);
                }
            }
        }
        // Places of rows that would have the same name, each with a cell of it.
        let mut same: BTreeMap<[String; 5], Vec<(usize, &CellRecord)>> = BTreeMap::new();
        for group in groups {
            let of_group = LeaderboardRow::of_cells(group)?;
            let read = [Predictions::LastEpoch, Predictions::BestEpoch];
            for (mut row, which) in of_group.into_iter().zip(read) {
                if let Some(&cell) = group.first() {
                    let data = &cell.data;
                    if several {
                        let words = set_of(&data.test_hash, data.test);
                        row.adapter.push_str(&format!(" ({words})"));
                    }
                    if several_splits.contains(data.test_hash.as_str()) {
                        row.adapter.push_str(&format!(" (splits {})", short(&data.splits)));
                    }
                    let LeaderboardRow { encoder, preset, weights, adapter, shots, .. } = row.clone();
                    same.entry([encoder, preset, weights, adapter, shots]).or_default().push((rows.len(), cell));
                }
                rows.push(row);
                paired.push(paired_of(task, group, which, outputs)?);
            }
        }
        for rows_of_name in same.values().filter(|rows| rows.len() > 1) {
            let cells: Vec<&CellRecord> = rows_of_name.iter().map(|(_, cell)| *cell).collect();
            for ((place, _), words) in rows_of_name.iter().zip(settings::differences(&cells)) {
                rows[*place].adapter.push_str(&format!(" ({words})"));
            }
        }
        compare_with_best(task, &mut rows, &paired, bootstrap)?;
        let mut notes = external::notes(task, &rows);
        notes.extend(absent);
        notes.extend(leakage::notes(groups));
        notes.extend(notes_of_draws(groups));
        let by_patient = sources.tests.iter().flat_map(|test| &test.videos).any(|video| !video.patient.is_empty());
        let samples = resampled(task, by_patient);
        let has_macro = rows.iter().any(|row| row.get(&Metric::MACRO_MAE).is_some());
        let caption = format!(
            "Mean over seeds ± standard deviation over seeds (draws and training) [95 % percentile bootstrap interval over test \
             {samples} (the choice of them), {} resamples, mean over seeds]{}.{} {} Not for clinical use.",
            sources.resamples,
            if primary.in_unit() { format!("; errors in {}", task.differences()) } else { String::new() },
            if has_macro { format!(" {}", task.macro_mae()) } else { String::new() },
            vs_best::caption(task, &primary),
        );
        let (target, references) = (sources.target.clone(), sources.references.to_vec());
        let mut warnings = warnings(groups.iter().flatten().copied());
        warnings.extend(of_one);
        let setting = setting(groups.iter().flatten().copied());
        let about = sources.about.clone();
        let mut board = Self { target, warnings, setting, about, caption, by_patient, rows, notes, references };
        let undefined = absent::undefined_resamples(&board).into_iter().chain(absent::incomplete_means(&board));
        board.notes.extend(undefined);
        Ok(board)
    }

    /// What intervals are over: `videos, drawn by patient`.
    pub(crate) fn resampled(&self) -> String {
        resampled(&self.target, self.by_patient)
    }

    /// The first line of every table: what the numbers are of.
    pub(crate) fn heading(&self) -> String {
        self.with_setting(&self.about)
    }

    /// The text after what all numbers are of.
    pub(crate) fn with_setting(&self, text: &str) -> String {
        if self.setting.is_empty() { text.to_owned() } else { format!("{}: {text}", self.setting) }
    }

    /// Every metric that some row has, in the order of tables.
    pub(crate) fn metrics(&self) -> BTreeSet<Metric> {
        // A key that this version does not know cannot be in a row that it made.
        self.rows.iter().flat_map(|row| row.metrics.keys()).filter_map(|key| key.parse().ok()).collect()
    }
}

/// Whether rows were scored on several test sets.
fn several_tests(groups: &[Vec<&CellRecord>], tests: &[TestSet]) -> bool {
    let done = groups.iter().flatten().filter(|cell| cell.status == CellStatus::Done);
    let hashes: BTreeSet<&str> = done.map(|cell| cell.data.test_hash.as_str()).collect();
    tests.iter().map(|test| test.hash.as_str()).chain(hashes).collect::<BTreeSet<_>>().len() > 1
}

/// Test sets of which there are rows that were drawn from several sets of training videos.
fn several_splits<'a>(groups: &[Vec<&'a CellRecord>]) -> BTreeSet<&'a str> {
    let mut splits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for cell in groups.iter().flatten() {
        splits.entry(&cell.data.test_hash).or_default().insert(&cell.data.splits);
    }
    splits.into_iter().filter(|(_, splits)| splits.len() > 1).map(|(test, _)| test).collect()
}

/// Warns of numbers of shots that most bins cannot fill.
fn notes_of_draws(groups: &[Vec<&CellRecord>]) -> BTreeSet<String> {
    let warning = |group: &Vec<&CellRecord>| {
        let cell = group.first()?;
        let train = TrainVideos::of(group)?;
        Bins::of_cells(group).warning(&cell.data.name, &cell.data.task, cell.shots?, train.most)
    };
    groups.iter().filter_map(warning).collect()
}

/// Every metric that the cells were scored by.
fn metrics_of<'a>(task: &Quantity, cells: impl Iterator<Item = &'a CellRecord>) -> Vec<Metric> {
    let scores = cells.filter_map(|cell| cell.scores.as_ref());
    let metrics: BTreeSet<Metric> =
        scores.flat_map(|scores| &scores.scores).map(|score| score.metric.clone()).collect();
    match metrics.is_empty() {
        true => {
            echo_metrics::metrics(task.kind, &Parameters { classes: task.metric_classes(), ..Parameters::default() })
        }
        false => metrics.into_iter().collect(),
    }
}

/// What a row's finished cells predicted; nothing where some have no such predictions.
fn paired_of(
    task: &Quantity,
    cells: &[&CellRecord],
    which: Predictions,
    outputs: &Outputs,
) -> Result<Option<Paired>, ReportError> {
    let mut seeds = Vec::new();
    for cell in cells.iter().filter(|cell| cell.status == CellStatus::Done) {
        if which == Predictions::BestEpoch && !outputs.has_predictions(cell, which) {
            return Ok(None);
        }
        seeds.push((outputs.read_predictions(cell, which)?, cell.threshold));
    }
    cells.first().map_or(Ok(None), |cell| Paired::of(task, &cell.data.test_hash, seeds))
}

/// Whether two cells differ in their seed alone, and so in the draw that follows from it. Names of data sets decide
/// nothing: two hospitals call theirs `data`, and one of them keeps it under another name on its second machine. The
/// external test set is among the settings.
pub(crate) fn same_row(one: &CellRecord, other: &CellRecord) -> bool {
    fn of(cell: &CellRecord) -> impl PartialEq {
        let DataRecord { task, test_hash, splits, .. } = &cell.data;
        let data = (task, test_hash, splits);
        (&cell.encoder, &cell.text, &cell.adapter, cell.shots, data)
    }
    of(one) == of(other) && one.config == other.config
}

/// The cells of every row, in the order of their first ones.
pub fn groups(records: &[CellRecord]) -> Vec<Vec<&CellRecord>> {
    let mut groups: Vec<Vec<&CellRecord>> = Vec::new();
    for record in records {
        match groups.iter_mut().rev().find(|group| same_row(group[0], record)) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_stands_only_where_two_test_sets_would_read_the_same() {
        let set = |data: &str, hash: &str| {
            let video = TestVideo { video: "v".to_owned(), patient: String::new(), truth: Truth::Value(1.0) };
            TestSet { data: data.to_owned(), hash: hash.to_owned(), videos: vec![video] }
        };
        let of = |tests: &[TestSet]| TestSet::all_in_words(SampleUnit::Video, tests).join("; ");
        assert_eq!(of(&[set("d", "h")]), "1 test video of d");
        let [a, b] = ["test set A (1 test video of d", "test set B (1 test video of "];
        assert_eq!(of(&[set("d", "h"), set("e", "i")]), format!("{a}); {b}e)"));
        assert_eq!(of(&[set("d", "h"), set("d", "i")]), format!("{a}, hash h); {b}d, hash i)"));
        assert_eq!([0, 25, 26].map(TestSet::letter), ["test set A", "test set Z", "test set 27"]);
    }
}
