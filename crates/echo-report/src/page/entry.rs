//! What the report knows of one row of the grid: its cells, and their predictions averaged over seeds.

use std::collections::BTreeMap;

use echo_metrics::{Epoch, Kind, Metric, Scored};

use super::plots::{Curve, RankError};
use crate::scoring::{error, scored};
use crate::{
    CellRecord, CellStatus, LeaderboardRow, Outputs, PredictionRow, Predictions, ReportError, Truth, ranks_up_to,
};

/// A row of the grid.
pub(super) struct Entry<'a> {
    /// Its rows of the leaderboard: after the last epoch, and where it was asked for after the best one.
    pub(super) rows: &'a [LeaderboardRow],
    /// The first one's place in the leaderboard.
    pub(super) place: usize,
    pub(super) cells: &'a [&'a CellRecord],
    /// The videos that all seeds predicted.
    pub(super) videos: Vec<String>,
    pub(super) truth: Vec<Truth>,
    /// Means over seeds, after the last epoch.
    pub(super) predictions: Vec<Vec<f64>>,
    /// Training losses.
    pub(super) losses: Vec<Curve>,
    /// The primary metric on validation, where it was watched.
    pub(super) watched: Vec<Curve>,
    /// Of classes and labels: every seed.
    pub(super) scored: Vec<Scored>,
    /// Means over seeds of the errors.
    errors: Vec<f64>,
    /// The error within each rank.
    pub(super) ranks: Vec<RankError>,
}

impl<'a> Entry<'a> {
    /// The row whose cells are `cells`, with their predictions and curves out of the folder.
    ///
    /// # Errors
    /// A file is missing or holds something else than numbers.
    pub(super) fn read(
        rows: &'a [LeaderboardRow],
        place: usize,
        cells: &'a [&'a CellRecord],
        outputs: &Outputs,
    ) -> Result<Self, ReportError> {
        let mut all: Vec<Vec<PredictionRow>> = Vec::new();
        let (mut losses, mut watched, mut seeds) = (Vec::new(), Vec::new(), Vec::new());
        for cell in cells.iter().filter(|cell| cell.status == CellStatus::Done) {
            let rows = outputs.read_predictions(cell, Predictions::LastEpoch)?;
            if cell.data.task.kind != Kind::Regression {
                seeds.push(scored(&cell.data.task, &rows, &[], cell.threshold)?);
            }
            all.push(rows);
            let epochs: Vec<Epoch> = outputs.read_curve(cell)?;
            let of = |value: fn(&Epoch) -> Option<f64>| {
                let values = epochs.iter().filter_map(|epoch| Some((epoch.epoch, value(epoch)?)));
                Curve { seed: cell.seed, values: values.collect() }
            };
            losses.push(of(|epoch| Some(epoch.loss)));
            watched.push(of(|epoch| epoch.watched));
        }
        let mut entry = Self {
            rows,
            place,
            cells,
            videos: Vec::new(),
            truth: Vec::new(),
            predictions: Vec::new(),
            losses,
            watched,
            scored: seeds,
            errors: Vec::new(),
            ranks: Vec::new(),
        };
        if let Some((first, others)) = all.split_first() {
            let others: Vec<BTreeMap<&str, &PredictionRow>> =
                others.iter().map(|rows| rows.iter().map(|row| (row.video.as_str(), row)).collect()).collect();
            for row in first {
                let of_seeds: Option<Vec<&PredictionRow>> =
                    others.iter().map(|other| other.get(row.video.as_str()).copied()).collect();
                let Some(of_seeds) = of_seeds else { continue };
                let wide = |row: &PredictionRow| row.prediction.iter().map(|&value| f64::from(value)).collect();
                let seeds: Vec<Vec<f64>> = std::iter::once(row).chain(of_seeds).map(wide).collect();
                let mean = |output: usize| seeds.iter().map(|seed| seed[output]).sum::<f64>() / seeds.len() as f64;
                entry.videos.push(row.video.clone());
                entry.truth.push(row.truth.clone());
                entry.predictions.push((0..row.prediction.len()).map(mean).collect());
                let errors: f64 = seeds.iter().map(|seed| error(&row.truth, seed)).sum();
                entry.errors.push(errors / seeds.len() as f64);
            }
        }
        entry.score_ranks();
        Ok(entry)
    }

    fn score_ranks(&mut self) {
        // Records of other hands may hold no ranks, or other ones than this version knows: the plot is left out.
        let Some(bounds) = self.cells.first().and_then(|cell| bounds(cell)) else { return };
        for rank in ranks_up_to(&bounds) {
            let holds = |truth: &Truth| matches!(truth, Truth::Value(value) if rank.holds(f64::from(*value)));
            let within = self.truth.iter().zip(&self.errors).filter(|(truth, _)| holds(truth));
            let errors: Vec<f64> = within.map(|(_, error)| *error).collect();
            // Of too few resamples it may have no interval.
            let metric = Metric::mae_within(rank);
            let scored = self.rows[0].get(&metric);
            let mean = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
            self.ranks.push(RankError {
                name: rank.to_string(),
                key: metric.key(),
                videos: errors.len(),
                mean: scored.map(|cell| cell.mean).or(mean),
                interval: scored.map(|cell| (cell.low, cell.high)),
            });
        }
    }

    /// True and predicted values of a regression.
    pub(super) fn values(&self) -> (Vec<f64>, Vec<f64>) {
        let pair = |(truth, prediction): (&Truth, &Vec<f64>)| match (truth, prediction.as_slice()) {
            (Truth::Value(truth), [prediction]) => Some((f64::from(*truth), *prediction)),
            _ => None,
        };
        self.truth.iter().zip(&self.predictions).filter_map(pair).unzip()
    }

    /// The name without remarks, for a file; of several test sets with its letter.
    pub(super) fn short_name(&self) -> String {
        let adapter = self.cells.first().map_or("", |cell| cell.adapter.as_str());
        let set = self.rows[0].adapter.split_once("(test set ").and_then(|(_, rest)| rest.split(',').next());
        let row = LeaderboardRow { adapter: adapter.to_owned(), ..self.rows[0].clone() };
        format!("{}{}", row.name(), set.map_or(String::new(), |set| format!(" test set {set}")))
    }

    /// Encoder, adapter and shots.
    pub(super) fn name(&self) -> String {
        self.rows[0].name()
    }
}

/// The upper bounds of the ranks that a cell was fitted with.
fn bounds(cell: &CellRecord) -> Option<Vec<i64>> {
    let ranks = cell.config.pointer("/task/answer/value/ranks/ranks")?.as_array()?;
    ranks.iter().map(|rank| rank.get("up_to")?.as_i64()).collect()
}
