//! `constants.csv`: what the constant predictors of a run predict. Their rows can be made again without the labels of
//! training and validation videos, which no record holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use echo_metrics::Scores;
use serde::{Deserialize, Serialize};

use crate::cell::scores;
use crate::{BenchError, LeaderboardRow};

/// A constant predictor of one draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Constant {
    /// The data set's name.
    pub(crate) data: String,
    /// Test videos that its row is scored on.
    pub(crate) test: usize,
    /// What it is called.
    pub(crate) predictor: String,
    /// Shots of the draw; empty for the validation split.
    pub(crate) shots: String,
    /// Seed of the draw.
    pub(crate) seed: Option<u64>,
    /// What it predicts, in EF points.
    pub(crate) value: f32,
}

/// A row for every predictor and number of shots, in the order of `constants`, scored on the labels `truth`.
///
/// # Errors
/// A value or a label is not finite.
pub(crate) fn rows(
    constants: &[&Constant],
    truth: &[f32],
    bootstrap: usize,
) -> Result<Vec<LeaderboardRow>, BenchError> {
    if truth.is_empty() {
        return Ok(Vec::new());
    }
    // Draws of many shots often have the same median, and a bootstrap takes a tenth of a second.
    let mut known: BTreeMap<u32, Scores> = BTreeMap::new();
    let mut groups: Vec<(&Constant, Vec<Scores>)> = Vec::new();
    for &constant in constants {
        let scores = match known.entry(constant.value.to_bits()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                place.insert(scores(truth, &vec![constant.value; truth.len()], &[], bootstrap)?).clone()
            }
        };
        let of = |other: &Constant| (other.predictor.clone(), other.shots.clone());
        match groups.iter_mut().find(|(other, _)| of(other) == of(constant)) {
            Some((_, of_draws)) => of_draws.push(scores),
            None => groups.push((constant, vec![scores])),
        }
    }
    let row = |(constant, scores): (&Constant, Vec<Scores>)| {
        LeaderboardRow::constant(&constant.predictor, constant.shots.clone(), &scores)
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
            predictor: predictor.to_owned(),
            shots: shots.to_owned(),
            seed,
            value,
        };
        let all = [
            constant("validation", "", None, 50.0),
            constant("training", "1", Some(1), 40.0),
            constant("training", "1", Some(2), 60.0),
        ];
        let rows = rows(&all.iter().collect::<Vec<_>>(), &[50.0, 54.0], 10).unwrap();
        let mae = |row: &LeaderboardRow| row.metrics["mae"].mean;
        assert_eq!(rows.iter().map(|row| (row.seeds, mae(row))).collect::<Vec<_>>(), [(1, 2.0), (2, 10.0)]);
    }
}
