//! `constants.csv`: what the constant predictors of a run predict. Their rows can be made again without the labels of
//! training and validation videos, which no record holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use echo_metrics::{Kind, Metric, Scores, class_shares, label_prevalences, median, prevalence};
use serde::{Deserialize, Serialize};

use super::paired::{OfSeed, Paired};
use super::{External, LeaderboardRow, TestSet, TestVideo, means};
use crate::{CellRecord, CellStatus, Outputs, PredictionRow, Predictions, Quantity, ReportError, Truth, scores, store};

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
    /// What it is called: [`Constant::of_training`] or [`Constant::of_validation`].
    #[serde(with = "store::text")]
    pub predictor: String,
    /// Shots of the draw; empty for the validation split.
    pub shots: String,
    /// Seed of the draw.
    pub seed: Option<u64>,
    /// What it predicts for every video.
    #[serde(with = "store::numbers")]
    pub prediction: Vec<f32>,
    /// Of all that stands before it, so that what was changed is known; filled in where it is written.
    pub checksum: String,
}

impl Constant {
    /// What the constant predictor of a draw is called.
    pub fn of_training(kind: Kind) -> &'static str {
        match kind {
            Kind::Regression => "median of training",
            Kind::Binary | Kind::MultiLabel => "prevalence in training",
            Kind::SingleLabel | Kind::Ordinal => "majority class of training",
        }
    }

    /// What the constant predictor of the validation split is called.
    pub fn of_validation(kind: Kind) -> &'static str {
        match kind {
            Kind::Regression => "median of validation",
            Kind::Binary | Kind::MultiLabel => "prevalence in validation",
            Kind::SingleLabel | Kind::Ordinal => "majority class of validation",
        }
    }

    /// What it predicts that knows these labels alone: the median, the share of positives, of each class or of each label.
    ///
    /// # Errors
    /// There are no labels, or they are not of the task.
    pub fn prediction(task: &Quantity, truths: &[Truth]) -> Result<Vec<f32>, ReportError> {
        let wrong = || {
            let what = format!("labels that are not of the task {}, or none, have no constant predictor", task.name);
            ReportError::Mixed(what)
        };
        let value = |truth: &Truth| if let Truth::Value(value) = truth { Some(f64::from(*value)) } else { None };
        let class = |truth: &Truth| if let Truth::Class(class) = truth { Some(*class) } else { None };
        let labels = |truth: &Truth| if let Truth::Labels(labels) = truth { Some(labels.clone()) } else { None };
        fn all<T>(truths: &[Truth], of: impl Fn(&Truth) -> Option<T>) -> Option<Vec<T>> {
            truths.iter().map(of).collect()
        }
        let of_kind: Vec<f64> = match task.kind {
            Kind::Regression => vec![median(&all(truths, value).ok_or_else(wrong)?)?],
            Kind::Binary => {
                let positive = |truth: &Truth| class(truth).filter(|class| *class < 2).map(|class| class == 1);
                vec![prevalence(&all(truths, positive).ok_or_else(wrong)?)?]
            }
            Kind::SingleLabel | Kind::Ordinal => {
                class_shares(&all(truths, class).ok_or_else(wrong)?, task.classes.len())?
            }
            Kind::MultiLabel => label_prevalences(&all(truths, labels).ok_or_else(wrong)?)?,
        };
        Ok(of_kind.into_iter().map(|value| value as f32).collect())
    }

    /// With its checksum.
    pub(crate) fn sealed(self) -> Self {
        Self { checksum: self.sum(), ..self }
    }

    /// Whether nothing was changed since.
    pub(crate) fn is_whole(&self) -> bool {
        self.checksum == self.sum()
    }

    fn sum(&self) -> String {
        let Self { data, test, test_hash, splits, predictor, shots, seed, prediction: _, checksum: _ } = self;
        let text = format!("{:?}", (data, test, test_hash, splits, predictor, shots, seed, self.bits()));
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }

    fn bits(&self) -> Vec<u32> {
        self.prediction.iter().map(|value| value.to_bits()).collect()
    }
}

/// The labelled videos of external test sets, from the cells that were scored on them.
pub struct Externals(pub(super) Vec<(External, Vec<TestVideo>)>);

impl Externals {
    /// One for every set, from the first cell that has it.
    ///
    /// # Errors
    /// A cell's file is missing or holds something else than numbers.
    pub fn read<'a>(cells: impl Iterator<Item = &'a CellRecord>, outputs: &Outputs) -> Result<Self, ReportError> {
        let mut sets: Vec<(External, Vec<TestVideo>)> = Vec::new();
        for cell in cells.filter(|cell| cell.status == CellStatus::Done) {
            let Some(record) = &cell.external else { continue };
            if sets.iter().any(|(set, _)| (&set.name, &set.hash) == (&record.name, &record.hash)) {
                continue;
            }
            let rows = outputs.read_predictions(cell, Predictions::External)?;
            let set = External {
                name: record.name.clone(),
                hash: record.hash.clone(),
                samples: record.samples,
                test: record.test,
                excluded: record.excluded,
                metrics: BTreeMap::new(),
            };
            sets.push((set, rows.into_iter().map(TestVideo::from).collect()));
        }
        Ok(Self(sets))
    }
}

/// A row for every predictor and number of shots, in the order of `constants`, scored by `metrics` on the labels of
/// `test` and of the external test sets, with its predictions for `test`.
///
/// # Errors
/// A prediction or a label is not of the task.
pub fn rows(
    task: &Quantity,
    constants: &[&Constant],
    test: &TestSet,
    metrics: &[Metric],
    externals: &Externals,
    bootstrap: usize,
) -> Result<Vec<(LeaderboardRow, Option<Paired>)>, ReportError> {
    if test.videos.is_empty() {
        return Ok(Vec::new());
    }
    let predicted = |constant: &Constant, videos: &[TestVideo]| -> Vec<PredictionRow> {
        videos.iter().map(|video| video.predicted(&constant.prediction)).collect()
    };
    // Draws of many shots often have the same median, and a bootstrap takes a tenth of a second. On the test set first,
    // then on the external ones.
    let mut known: BTreeMap<Vec<u32>, Vec<Scores>> = BTreeMap::new();
    let mut groups: Vec<Vec<&Constant>> = Vec::new();
    for &constant in constants {
        if let Entry::Vacant(place) = known.entry(constant.bits()) {
            let sets = std::iter::once(&test.videos).chain(externals.0.iter().map(|(_, videos)| videos));
            // A constant has no threshold that is better than another.
            let on = |videos: &Vec<TestVideo>| scores(task, &predicted(constant, videos), metrics, None, bootstrap);
            place.insert(sets.map(on).collect::<Result<_, _>>()?);
        }
        let of = |other: &Constant| (other.predictor.clone(), other.shots.clone());
        match groups.iter_mut().find(|group| of(group[0]) == of(constant)) {
            Some(group) => group.push(constant),
            None => groups.push(vec![constant]),
        }
    }
    let row = |group: Vec<&Constant>| {
        let on = |set: usize| -> Vec<&Scores> { group.iter().map(|constant| &known[&constant.bits()][set]).collect() };
        let mut row = LeaderboardRow::constant(group[0], &on(0))?;
        for (index, (set, _)) in externals.0.iter().enumerate() {
            row.externals.push(External { metrics: means(&on(index + 1))?, ..set.clone() });
        }
        let seeds: Vec<OfSeed> = group.iter().map(|constant| (predicted(constant, &test.videos), None)).collect();
        Ok((row, Paired::of(task, &test.hash, seeds)?))
    };
    groups.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::tests::task;

    fn constant(predictor: &str, shots: &str, seed: Option<u64>, prediction: &[f32]) -> Constant {
        Constant {
            data: "data".to_owned(),
            test: 2,
            test_hash: "test hash".to_owned(),
            splits: "splits".to_owned(),
            predictor: predictor.to_owned(),
            shots: shots.to_owned(),
            seed,
            prediction: prediction.to_vec(),
            checksum: String::new(),
        }
    }

    fn video(name: &str, truth: Truth) -> TestVideo {
        TestVideo { video: name.to_owned(), patient: String::new(), truth }
    }

    #[test]
    fn draws_of_the_same_shots_are_one_row() {
        let all = [
            constant("validation", "", None, &[50.0]),
            constant("training", "1", Some(1), &[40.0]),
            constant("training", "1", Some(2), &[60.0]),
        ];
        let videos = vec![video("b", Truth::Value(50.0)), video("a", Truth::Value(54.0))];
        let test = TestSet { data: "data".to_owned(), hash: "test hash".to_owned(), videos };
        let external = External {
            name: "far".to_owned(),
            hash: "hash".to_owned(),
            samples: crate::SampleUnit::Video,
            test: 1,
            excluded: 0,
            metrics: BTreeMap::new(),
        };
        let externals = Externals(vec![(external, vec![video("c", Truth::Value(70.0))])]);
        let metrics = [Metric::MAE, Metric::PEARSON, Metric::mae_within("54+".parse().unwrap())];
        let all: Vec<&Constant> = all.iter().collect();
        let rows = rows(&Quantity::default(), &all, &test, &metrics, &externals, 10).unwrap();
        let of = |(row, paired): &(LeaderboardRow, Option<Paired>)| {
            let far = row.externals[0].metrics["mae"].mean;
            (row.seeds, row.metrics["mae"].mean, far, paired.as_ref().unwrap().value)
        };
        let expected = [(1, 2.0, 20.0, Some(2.0)), (2, 10.0, 20.0, Some(10.0))];
        assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!((rows[0].0.metrics["mae_within_54+"].mean, rows[0].0.metrics.len()), (4.0, 2));
    }

    #[test]
    fn each_kind_has_the_constant_that_knows_its_labels_alone() {
        let of = |task: &Quantity, truths: &[Truth]| Constant::prediction(task, truths).ok();
        let values = |values: &[f32]| values.iter().copied().map(Truth::Value).collect::<Vec<_>>();
        let classes = |classes: &[usize]| classes.iter().copied().map(Truth::Class).collect::<Vec<_>>();
        let ef = Quantity::default();
        assert_eq!(of(&ef, &values(&[3.0, 1.0, 2.0])), Some(vec![2.0]));
        assert_eq!(of(&ef, &values(&[4.0, 1.0, 2.0, 9.0])), Some(vec![3.0]));
        assert_eq!(of(&task(Kind::Binary, &["no", "yes"]), &classes(&[0, 1, 0, 0])), Some(vec![0.25]));
        assert_eq!(of(&task(Kind::Ordinal, &["a", "b", "c"]), &classes(&[2, 0, 2, 2])), Some(vec![0.25, 0.0, 0.75]));
        let labels = [Truth::Labels(vec![Some(true), None]), Truth::Labels(vec![Some(false), Some(true)])];
        assert_eq!(of(&task(Kind::MultiLabel, &["a", "b"]), &labels), Some(vec![0.5, 1.0]));
        assert_eq!((of(&ef, &[]), of(&ef, &classes(&[1]))), (None, None));
    }

    #[test]
    fn a_prediction_that_was_changed_is_no_longer_whole() {
        let sealed = constant("prevalence", "1", Some(1), &[0.25, 0.75]).sealed();
        let changed = Constant { prediction: vec![0.25, 0.74], ..sealed.clone() };
        assert!(sealed.is_whole() && !changed.is_whole());
    }
}
