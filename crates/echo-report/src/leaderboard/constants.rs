//! `constants.csv`: what the constant predictors of a run predict. Their rows can be made again without the labels of
//! training and validation videos, which no record holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use echo_metrics::{Metric, Scores};
use serde::{Deserialize, Serialize};

use super::absolute_errors::AbsoluteErrors;
use super::{External, LeaderboardRow, TestSet, means};
use crate::{CellRecord, CellStatus, Outputs, PredictionRow, Predictions, ReportError, scores, store};

/// The constant predictor that every draw has.
pub const TRAINING_MEDIAN: &str = "median of training";

/// A constant predictor of one draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// The data set's name.
    #[serde(with = "store::text")]
    pub data: String,
    /// Test videos that its row is scored on.
    pub test: usize,
    /// Hash of them, as in records of cells.
    pub test_hash: String,
    /// Hash of what the splits list, as in records of cells.
    pub splits: String,
    /// What it is called.
    #[serde(with = "store::text")]
    pub predictor: String,
    /// Shots of the draw; empty for the validation split.
    pub shots: String,
    /// Seed of the draw.
    pub seed: Option<u64>,
    /// What it predicts, in the target's unit.
    #[serde(with = "store::number")]
    pub value: f32,
    /// Of all that stands before it, so that what was changed is known; filled in where it is written.
    pub checksum: String,
}

impl Constant {
    /// With its checksum.
    pub(crate) fn sealed(self) -> Self {
        Self { checksum: self.sum(), ..self }
    }

    /// Whether nothing was changed since.
    pub(crate) fn is_whole(&self) -> bool {
        self.checksum == self.sum()
    }

    fn sum(&self) -> String {
        let Self { data, test, test_hash, splits, predictor, shots, seed, value, checksum: _ } = self;
        let text = format!("{:?}", (data, test, test_hash, splits, predictor, shots, seed, value.to_bits()));
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }
}

/// The labels of second test sets, from the cells that were scored on them.
pub struct Externals(Vec<(External, Vec<f32>)>);

impl Externals {
    /// One for every set, from the first cell that has it.
    ///
    /// # Errors
    /// A cell's file is missing or holds something else than numbers.
    pub fn read<'a>(cells: impl Iterator<Item = &'a CellRecord>, outputs: &Outputs) -> Result<Self, ReportError> {
        let mut sets: Vec<(External, Vec<f32>)> = Vec::new();
        for cell in cells.filter(|cell| cell.status == CellStatus::Done) {
            let Some(record) = &cell.external else { continue };
            if sets.iter().any(|(set, _)| (&set.name, &set.hash) == (&record.name, &record.hash)) {
                continue;
            }
            let rows = outputs.read_predictions(cell, Predictions::External)?;
            let set = External {
                name: record.name.clone(),
                hash: record.hash.clone(),
                test: record.test,
                excluded: record.excluded,
                metrics: BTreeMap::new(),
            };
            sets.push((set, rows.iter().map(|row| row.truth).collect()));
        }
        Ok(Self(sets))
    }
}

/// A row for every predictor and number of shots, in the order of `constants`, scored by `metrics` on the labels of
/// `test` and of the second test sets, with its errors on `test`.
///
/// # Errors
/// A value or a label is not finite.
pub fn rows(
    constants: &[&Constant],
    test: &TestSet,
    metrics: &[Metric],
    externals: &Externals,
    bootstrap: usize,
) -> Result<Vec<(LeaderboardRow, Option<AbsoluteErrors>)>, ReportError> {
    if test.videos.is_empty() {
        return Ok(Vec::new());
    }
    let truth: Vec<f32> = test.videos.iter().map(|(_, truth)| *truth).collect();
    let scored = |value: f32, truth: &[f32]| scores(truth, &vec![value; truth.len()], metrics, bootstrap);
    // Draws of many shots often have the same median, and a bootstrap takes a tenth of a second. On the test set first,
    // then on the second ones.
    let mut known: BTreeMap<u32, Vec<Scores>> = BTreeMap::new();
    let mut groups: Vec<Vec<&Constant>> = Vec::new();
    for &constant in constants {
        if let Entry::Vacant(place) = known.entry(constant.value.to_bits()) {
            let sets = std::iter::once(&truth).chain(externals.0.iter().map(|(_, truth)| truth));
            place.insert(sets.map(|truth| scored(constant.value, truth)).collect::<Result<_, _>>()?);
        }
        let of = |other: &Constant| (other.predictor.clone(), other.shots.clone());
        match groups.iter_mut().find(|group| of(group[0]) == of(constant)) {
            Some(group) => group.push(constant),
            None => groups.push(vec![constant]),
        }
    }
    let row = |group: Vec<&Constant>| {
        let on = |set: usize| -> Vec<&Scores> {
            group.iter().map(|constant| &known[&constant.value.to_bits()][set]).collect()
        };
        let mut row = LeaderboardRow::constant(group[0], &on(0))?;
        for (index, (set, _)) in externals.0.iter().enumerate() {
            row.externals.push(External { metrics: means(&on(index + 1))?, ..set.clone() });
        }
        let predicted = |constant: &&Constant| -> Vec<PredictionRow> {
            let prediction = constant.value;
            let row = |(video, truth): &(String, f32)| PredictionRow {
                video: video.clone(),
                truth: *truth,
                prediction,
                warning: String::new(),
            };
            test.videos.iter().map(row).collect()
        };
        Ok((row, AbsoluteErrors::of(&test.hash, group.iter().map(predicted).collect())))
    };
    groups.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_of_the_same_shots_are_one_row() {
        let constant = |predictor: &str, shots: &str, seed, value| Constant {
            data: "data".to_owned(),
            test: 2,
            test_hash: "test hash".to_owned(),
            splits: "splits".to_owned(),
            predictor: predictor.to_owned(),
            shots: shots.to_owned(),
            seed,
            value,
            checksum: String::new(),
        };
        let all = [
            constant("validation", "", None, 50.0),
            constant("training", "1", Some(1), 40.0),
            constant("training", "1", Some(2), 60.0),
        ];
        let videos = vec![("b".to_owned(), 50.0), ("a".to_owned(), 54.0)];
        let test = TestSet { data: "data".to_owned(), hash: "test hash".to_owned(), videos };
        let external = External {
            name: "far".to_owned(),
            hash: "hash".to_owned(),
            test: 1,
            excluded: 0,
            metrics: BTreeMap::new(),
        };
        let externals = Externals(vec![(external, vec![70.0])]);
        let metrics = [Metric::MAE, Metric::PEARSON, Metric::mae_within("54+".parse().unwrap())];
        let rows = rows(&all.iter().collect::<Vec<_>>(), &test, &metrics, &externals, 10).unwrap();
        let of = |(row, errors): &(LeaderboardRow, Option<AbsoluteErrors>)| {
            let far = row.externals[0].metrics["mae"].mean;
            (row.seeds, row.metrics["mae"].mean, far, errors.as_ref().unwrap().errors.clone())
        };
        let expected = [(1, 2.0, 20.0, vec![4.0, 0.0]), (2, 10.0, 20.0, vec![10.0, 10.0])];
        assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!((rows[0].0.metrics["mae_within_54+"].mean, rows[0].0.metrics.len()), (4.0, 2));
    }
}
