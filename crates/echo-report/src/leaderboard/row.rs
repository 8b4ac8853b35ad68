//! A row: means over seeds, and what is to be known of them.

use std::collections::BTreeMap;

use echo_files::{counted, printable};
use echo_metrics::{Kind, Metric, Scores, Spread};
use serde::Serialize;

use super::external::{External, alone, external};
use super::{Bins, Constant, VsBest, leakage};
use crate::{CellRecord, CellStatus, ReportError, UNCHOSEN_THRESHOLD};

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
    /// Samples that it rests on: those of the rank or the class for a metric of one.
    pub videos: usize,
    /// The share of resamples on which it is undefined, for lack of a class, and which its interval leaves out.
    pub undefined: f64,
}

/// The training samples of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrainVideos {
    /// Of the seed that had fewest.
    pub least: usize,
    /// Of the seed that had most.
    pub most: usize,
    /// Bins of the target, or classes, that draws are made from.
    pub bins: usize,
    /// Those that hold fewer usable samples than the row's shots, of the seed with most of them.
    pub short_bins: usize,
}

impl TrainVideos {
    pub(super) fn of(cells: &[&CellRecord]) -> Option<Self> {
        let counts = || cells.iter().map(|cell| cell.data.train);
        let bins = Bins::of_cells(cells);
        let (least, most) = (counts().min()?, counts().max()?);
        (most > 0).then_some(Self { least, most, bins: bins.all, short_bins: bins.short })
    }
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
    /// Training samples per bin of the target or class, `split` for a split file's, empty where there are none.
    pub shots: String,
    /// Training samples that were had; nothing where none are used.
    pub train: Option<TrainVideos>,
    /// Hash of the test samples.
    pub test_hash: String,
    /// Whether the test samples are known to be phantoms.
    pub phantoms: bool,
    /// Seeds that ended well.
    pub seeds: usize,
    /// Cells that failed.
    pub failed: usize,
    /// By the metric's key; metrics that are undefined for the row are missing.
    pub metrics: BTreeMap<String, Cell>,
    /// How it stands to the best row; nothing where they have other test videos, or there is no other row.
    pub vs_best: Option<VsBest>,
    /// The external test sets that it was scored on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub externals: Vec<External>,
    /// The first failed cell's error.
    pub error: Option<String>,
    /// What makes its numbers doubtful; empty for most.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub warning: String,
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

    /// Encoder, adapter and shots; of a constant predictor its own name.
    pub(crate) fn name(&self) -> String {
        let shots = match self.shots.as_str() {
            "" => String::new(),
            "0" => ", no training".to_owned(),
            shots => match shots.parse() {
                Ok(count) => format!(", {}", counted(count, "shot")),
                Err(_) => ", split file".to_owned(),
            },
        };
        match self.is_constant() {
            true => format!("{}{shots}", self.encoder),
            false => format!("{} + {}{shots}", self.encoder, self.adapter),
        }
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
            let remarks = text.into_iter().chain(first.encoder.precision.clone()).chain(first.clips.clone());
            let remarks = remarks.chain(leakage::remarks(cells)).chain(doubtful_threshold(cells));
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
                phantoms: cells.iter().all(|cell| cell.data.phantoms),
                seeds: done.len(),
                failed: cells.len() - done.len(),
                metrics: means(scores)?,
                vs_best: None,
                externals: Vec::new(),
                error: cells.iter().find_map(|cell| cell.error.clone()),
                warning: {
                    let caution = cells.iter().find_map(|cell| cell.caution()).map(str::to_owned);
                    let remarks = caution.into_iter().chain(leakage::remarks(cells)).chain(doubtful_threshold(cells));
                    remarks.collect::<Vec<_>>().join("; ")
                },
            })
        };
        let last: Vec<&Scores> = done.iter().filter_map(|cell| cell.scores.as_ref()).collect();
        let best: Vec<&Scores> = done.iter().filter_map(|cell| Some(&cell.best.as_ref()?.scores)).collect();
        let externals = external(&done)?.into_iter().chain(alone(&done)?).collect();
        let mut rows = vec![Self { externals, ..row(None, &last)? }];
        if !best.is_empty() {
            rows.push(row(Some("best validation epoch"), &best)?);
        }
        Ok(rows)
    }
}

/// Fewer validation samples of a side than this choose a threshold by chance.
const FEW: usize = 5;

/// Says that no validation split chose a threshold of these cells, where they need one, or that few samples did.
fn doubtful_threshold(cells: &[&CellRecord]) -> Option<String> {
    let needs_one = |cell: &&&CellRecord| cell.status == CellStatus::Done && cell.data.task.kind == Kind::Binary;
    let done: Vec<&&CellRecord> = cells.iter().filter(needs_one).collect();
    if done.iter().any(|cell| cell.threshold.is_none()) {
        return Some(format!("threshold {UNCHOSEN_THRESHOLD}, not chosen on validation"));
    }
    let fewest = done.iter().filter_map(|cell| cell.threshold_on).min_by_key(|sides| sides[0].min(sides[1]));
    let [negatives, positives] = fewest.filter(|sides| sides[0].min(sides[1]) < FEW)?;
    Some(format!("threshold chosen on {negatives} negative and {positives} positive validation samples"))
}

/// Means over seeds of every metric that all of them have: one that some seed lacks would be a mean over other videos than
/// its neighbours'.
///
/// # Errors
/// A value is not finite.
pub fn means(scores: &[&Scores]) -> Result<BTreeMap<String, Cell>, ReportError> {
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
