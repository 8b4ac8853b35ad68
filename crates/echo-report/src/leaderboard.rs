//! The table at the end: means over seeds, beside the predictors that know nothing.

mod absent;
mod caution;
mod columns;
mod constants;
mod formats;
mod latex;
mod leakage;
mod paired;
mod pivot;
mod settings;
mod shots;
mod vs_best;

pub use caution::weights_caution;
pub(crate) use columns::{Detail, digits};
pub use constants::Constant;
pub use shots::Bins;
pub(crate) use vs_best::distance;
pub use vs_best::{Standing, VsBest};

use std::collections::{BTreeMap, BTreeSet};

use echo_files::printable;
use echo_metrics::{Kind, Metric, Parameters, Scores, Spread};
use serde::Serialize;

use self::caution::warnings;
use self::constants::{Externals, rows as constant_rows};
use self::paired::Paired;
use self::vs_best::compare_with_best;
use crate::{
    CellRecord, CellStatus, DataRecord, Outputs, PredictionRow, Predictions, Quantity, Reference, ReportError, Truth,
    UNCHOSEN_THRESHOLD,
};

/// A mean over seeds with the mean of its bootstrap intervals' ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Mean over seeds.
    pub mean: f64,
    /// Mean lower end.
    pub low: f64,
    /// Mean upper end.
    pub high: f64,
    /// Sample standard deviation over seeds, for two seeds and more.
    pub deviation: Option<f64>,
    /// Videos that it rests on: those of the rank or the class for a metric of one.
    pub videos: usize,
    /// The share of resamples on which it is undefined, for lack of a class, and which its interval leaves out.
    pub undefined: f64,
}

/// The training videos of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrainVideos {
    /// Of the seed that had fewest.
    pub least: usize,
    /// Of the seed that had most.
    pub most: usize,
    /// Bins of the target, or classes, that draws are made from.
    pub bins: usize,
    /// Those that hold fewer usable videos than the row's shots, of the seed with most of them.
    pub short_bins: usize,
}

impl TrainVideos {
    fn of(cells: &[&CellRecord]) -> Option<Self> {
        let counts = || cells.iter().map(|cell| cell.data.train);
        let bins = Bins::of_cells(cells);
        let (least, most) = (counts().min()?, counts().max()?);
        (most > 0).then_some(Self { least, most, bins: bins.all, short_bins: bins.short })
    }
}

/// What a row scores on a second test set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct External {
    /// The set's name.
    pub name: String,
    /// Hash of the videos' bytes and labels.
    pub hash: String,
    /// Videos that were scored.
    pub test: usize,
    /// Videos that could not be used.
    pub excluded: usize,
    /// By the metric's key.
    pub metrics: BTreeMap<String, Cell>,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LeaderboardRow {
    /// The encoder, or the constant predictor.
    pub encoder: String,
    /// Its preset; empty for constant predictors.
    pub preset: String,
    /// What kind of weights; empty for constant predictors.
    pub weights: String,
    /// The adapter; empty for constant predictors.
    pub adapter: String,
    /// Training videos per bin of the target or class, `split` for a split file's, empty where there are none.
    pub shots: String,
    /// Training videos that were had; nothing where none are used.
    pub train: Option<TrainVideos>,
    /// Hash of the test videos.
    pub test_hash: String,
    /// Seeds that ended well.
    pub seeds: usize,
    /// Cells that failed.
    pub failed: usize,
    /// By the metric's key; metrics that are undefined for the row are missing.
    pub metrics: BTreeMap<String, Cell>,
    /// How it stands to the best row; nothing where they have other test videos, or there is no other row.
    pub vs_best: Option<VsBest>,
    /// The second test sets that it was scored on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub externals: Vec<External>,
    /// The first failed cell's error.
    pub error: Option<String>,
    /// What makes its numbers doubtful; empty for most.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub warning: String,
}

/// The rows, and what stands above them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leaderboard {
    /// What was predicted.
    pub target: Quantity,
    /// What is to be read before any number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was measured, on which videos.
    #[serde(skip)]
    pub about: String,
    /// The same, and what the numbers mean.
    pub caption: String,
    /// Constant predictors first, then the grid in its order.
    pub rows: Vec<LeaderboardRow>,
    /// What else was found.
    pub notes: Vec<String>,
    /// Published figures, which this program did not compute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
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
    /// For tables that hold several.
    pub(crate) fn in_words(data: &str, test: usize, hash: &str) -> String {
        format!("{test} test videos of {} (hash {})", printable(data), short(hash))
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
    /// Target, data and protocol; what the numbers mean is added.
    pub caption: String,
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
        let (mut rows, mut paired) = (Vec::new(), Vec::new());
        let mut absent = BTreeSet::new();
        for test in tests {
            let of_test = || constants.iter().filter(|constant| constant.test_hash == test.hash);
            let splits: BTreeSet<&str> = of_test().map(|constant| constant.splits.as_str()).collect();
            let cells = || groups.iter().flatten().copied();
            let own: Vec<&CellRecord> = cells().filter(|cell| cell.data.test_hash == test.hash).collect();
            // Encoders may each leave out other videos, so that no row has all that are left.
            let own = if own.is_empty() { cells().collect() } else { own };
            let externals = Externals::read(own.iter().copied(), outputs)?;
            absent.extend(absent::notes(task, test, &externals)?);
            let metrics = metrics_of(task, own.iter().copied());
            for split in &splits {
                let of_split: Vec<&Constant> = of_test().filter(|constant| constant.splits == *split).collect();
                for (mut row, of_row) in constant_rows(task, &of_split, test, &metrics, &externals, bootstrap)? {
                    if several {
                        let words = TestSet::in_words(&test.data, test.videos.len(), &test.hash);
                        row.encoder.push_str(&format!(" ({words})"));
                    }
                    if splits.len() > 1 {
                        row.encoder.push_str(&format!(" (splits {})", short(split)));
                    }
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
                        let words = TestSet::in_words(&data.name, data.test, &data.test_hash);
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
        let mut notes = notes_of_externals(task, &rows);
        notes.extend(absent);
        notes.extend(leakage::notes(groups));
        notes.extend(notes_of_draws(groups));
        let over_ranks = match rows.iter().any(|row| row.get(&Metric::MACRO_MAE).is_some()) {
            true => {
                " macro MAE: the mean of the MAE within each rank, so that rare values weigh as much as usual ones."
            }
            false => "",
        };
        let caption = format!(
            "{}. Each number: mean over seeds ± their standard deviation, which tells how much draws and training vary, \
             and [95 % percentile bootstrap interval over test videos, {} resamples, mean over seeds], which tells how \
             much the choice of test videos matters{}.{over_ranks} {} Not for clinical use.",
            sources.caption,
            sources.resamples,
            if primary.in_unit() { format!("; errors in {}", task.differences()) } else { String::new() },
            vs_best::caption(&primary),
        );
        let (target, references) = (sources.target.clone(), sources.references.to_vec());
        let warnings = warnings(groups.iter().flatten().copied());
        let about = sources.caption.clone();
        let mut board = Self { target, warnings, about, caption, rows, notes, references };
        let undefined = absent::undefined_resamples(&board);
        board.notes.extend(undefined);
        Ok(board)
    }

    /// Every metric that some row has, in the order of tables.
    pub(crate) fn metrics(&self) -> BTreeSet<Metric> {
        // A key that this version does not know cannot be in a row that it made.
        self.rows.iter().flat_map(|row| row.metrics.keys()).filter_map(|key| key.parse().ok()).collect()
    }

    /// The second test sets that some row was scored on: their titles, and their hashes.
    pub(crate) fn externals(&self) -> Vec<(String, String)> {
        let mut sets: Vec<(&str, &str)> = Vec::new();
        for External { name, hash, .. } in self.rows.iter().flat_map(|row| &row.externals) {
            if !sets.iter().any(|(_, other)| other == hash) {
                sets.push((name, hash));
            }
        }
        let title = |(name, hash): &(&str, &str)| {
            // Another hospital's folder may have the same name.
            let shared = sets.iter().filter(|(other, _)| other == name).count() > 1;
            let title = if shared { format!("{name} (hash {})", short(hash)) } else { (*name).to_owned() };
            (title, (*hash).to_owned())
        };
        sets.iter().map(title).collect()
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

/// Says what the second test sets are, and where rows differ in what they could be scored on.
fn notes_of_externals(task: &Quantity, rows: &[LeaderboardRow]) -> Vec<String> {
    let mut sets: BTreeMap<&str, BTreeSet<(&str, usize, usize)>> = BTreeMap::new();
    for External { name, hash, test, excluded, .. } in rows.iter().flat_map(|row| &row.externals) {
        sets.entry(name).or_default().insert((hash, *test, *excluded));
    }
    let note = |(name, videos): (&str, BTreeSet<(&str, usize, usize)>)| {
        let counts: Vec<String> = videos
            .iter()
            .map(|(hash, test, excluded)| {
                let hash = short(hash);
                match excluded {
                    0 => format!("{test} videos (hash {hash})"),
                    _ => format!("{test} videos ({excluded} more could not be used; hash {hash})"),
                }
            })
            .collect();
        format!(
            "{} on {name}: a second test set of {}. The adapters of the first column of scores are scored on it as they \
             are; nothing was fitted or selected on it.{}",
            task.primary().label(&task.name),
            counts.join(" or "),
            if counts.len() > 1 { " Each has a column of its own." } else { "" },
        )
    };
    sets.into_iter().map(note).collect()
}

impl LeaderboardRow {
    /// A constant predictor's row, from one set of scores per seed.
    pub(crate) fn constant(constant: &Constant, scores: &[&Scores]) -> Result<Self, ReportError> {
        let Constant { predictor, shots, test_hash, .. } = constant;
        Ok(Self {
            encoder: printable(predictor).into_owned(),
            shots: shots.clone(),
            test_hash: test_hash.clone(),
            seeds: scores.len(),
            metrics: means(scores)?,
            ..Self::default()
        })
    }

    /// Whether it is a constant predictor's.
    pub(crate) fn is_constant(&self) -> bool {
        self.adapter.is_empty()
    }

    /// A metric's mean over seeds.
    pub(crate) fn get(&self, metric: &Metric) -> Option<Cell> {
        self.metrics.get(&metric.key()).copied()
    }

    /// The rows of cells that differ in their seed alone: after the last epoch and, where it was asked for, after the
    /// one that was best on the validation split.
    pub(crate) fn of_cells(cells: &[&CellRecord]) -> Result<Vec<Self>, ReportError> {
        let Some(first) = cells.first() else { return Ok(Vec::new()) };
        let done: Vec<&CellRecord> = cells.iter().copied().filter(|cell| cell.status == CellStatus::Done).collect();
        let row = |epoch: Option<&'static str>, scores: &[&Scores]| -> Result<Self, ReportError> {
            let text = first.text.as_ref().map(|text| format!("text of {}, {}", text.name, text.weights));
            let remarks = text.into_iter().chain(first.clips.clone());
            let remarks = remarks.chain(leakage::remarks(cells)).chain(unchosen_threshold(cells));
            let remarks: Vec<String> = remarks.chain(epoch.map(str::to_owned)).collect();
            Ok(Self {
                encoder: first.encoder.name.clone(),
                preset: first.encoder.preset.clone(),
                weights: first.encoder.weights.clone(),
                adapter: match remarks.is_empty() {
                    true => first.adapter.clone(),
                    false => format!("{} ({})", first.adapter, remarks.join("; ")),
                },
                shots: first.shots.map_or("split".to_owned(), |shots| shots.to_string()),
                train: TrainVideos::of(if done.is_empty() { cells } else { &done }),
                test_hash: first.data.test_hash.clone(),
                seeds: done.len(),
                failed: cells.len() - done.len(),
                metrics: means(scores)?,
                vs_best: None,
                externals: Vec::new(),
                error: cells.iter().find_map(|cell| cell.error.clone()),
                warning: {
                    let caution = cells.iter().find_map(|cell| cell.caution()).map(str::to_owned);
                    let remarks = caution.into_iter().chain(leakage::remarks(cells)).chain(unchosen_threshold(cells));
                    remarks.collect::<Vec<_>>().join("; ")
                },
            })
        };
        let last: Vec<&Scores> = done.iter().filter_map(|cell| cell.scores.as_ref()).collect();
        let best: Vec<&Scores> = done.iter().filter_map(|cell| Some(&cell.best.as_ref()?.scores)).collect();
        let mut rows = vec![Self { externals: external(&done)?.into_iter().collect(), ..row(None, &last)? }];
        if !best.is_empty() {
            rows.push(row(Some("best validation epoch"), &best)?);
        }
        Ok(rows)
    }
}

/// Says that no validation split chose a threshold of these cells, where they need one.
fn unchosen_threshold(cells: &[&CellRecord]) -> Option<String> {
    let is_unchosen = |cell: &&CellRecord| cell.data.task.kind == Kind::Binary && cell.threshold.is_none();
    let mut done = cells.iter().filter(|cell| cell.status == CellStatus::Done);
    done.any(is_unchosen).then(|| format!("threshold {UNCHOSEN_THRESHOLD}, not chosen on validation"))
}

/// The second test set's scores, where all finished cells have them of the same videos.
fn external(done: &[&CellRecord]) -> Result<Option<External>, ReportError> {
    let records: Vec<_> = done.iter().filter_map(|cell| cell.external.as_ref()).collect();
    let Some(first) = records.first() else { return Ok(None) };
    let same = records.iter().all(|record| (&record.name, &record.hash) == (&first.name, &first.hash));
    if !same || records.len() < done.len() {
        return Ok(None);
    }
    let scores: Vec<&Scores> = records.iter().map(|record| &record.scores).collect();
    let (name, hash) = (first.name.clone(), first.hash.clone());
    Ok(Some(External { name, hash, test: first.test, excluded: first.excluded, metrics: means(&scores)? }))
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

/// Means over seeds of every metric that all of them have: one that some seed lacks would be a mean over other videos than
/// its neighbours'.
pub(crate) fn means(scores: &[&Scores]) -> Result<BTreeMap<String, Cell>, ReportError> {
    let mut metrics = BTreeMap::new();
    for score in scores.first().map_or(&[][..], |scores| &scores.scores) {
        let intervals: Vec<_> = scores.iter().filter_map(|scores| scores.get(&score.metric)).collect();
        if intervals.len() < scores.len() {
            continue;
        }
        let count = intervals.len() as f64;
        let spread = Spread::of(&intervals.iter().map(|interval| interval.value).collect::<Vec<_>>())?;
        let cell = Cell {
            mean: spread.mean,
            low: intervals.iter().map(|interval| interval.low).sum::<f64>() / count,
            high: intervals.iter().map(|interval| interval.high).sum::<f64>() / count,
            deviation: spread.deviation,
            videos: score.videos,
            undefined: intervals.iter().map(|interval| interval.degenerate).max().unwrap_or(0) as f64
                / scores[0].bootstrap.samples.max(1) as f64,
        };
        metrics.insert(score.metric.key(), cell);
    }
    Ok(metrics)
}
