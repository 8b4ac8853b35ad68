//! What a row predicted for every test video, so that rows can be compared video by video.

use echo_metrics::{BootstrapOptions, Comparison, Kind, Metric, Patients, Scored, compare, compare_errors};

use crate::scoring::{error, patients, scored};
use crate::{PredictionRow, Quantity, ReportError, Truth};

/// One seed's predictions, and its threshold of a binary task.
pub(crate) type OfSeed = (Vec<PredictionRow>, Option<f64>);

/// A row's predictions of all its seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Paired {
    /// Hash of the test videos.
    pub(crate) test_hash: String,
    /// Names, patients and truths, in the order of names: what has to agree for a paired comparison.
    pub(crate) videos: Vec<(String, String, Truth)>,
    patients: Patients,
    predictions: Predicted,
    /// The row's primary metric; nothing where it is undefined.
    pub(crate) value: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Predicted {
    /// Of a regression: means over seeds of the absolute error on each video, whose mean is the MAE that the row shows. The
    /// error of predictions averaged over seeds would be another, smaller one.
    Errors(Vec<f64>),
    /// Of other kinds: every seed.
    Seeds(Vec<Scored>),
}

impl Paired {
    /// From the predictions of each seed; nothing where there are none, or where seeds have other videos.
    ///
    /// # Errors
    /// A row is not of the task.
    pub(crate) fn of(task: &Quantity, test_hash: &str, mut seeds: Vec<OfSeed>) -> Result<Option<Self>, ReportError> {
        for (rows, _) in &mut seeds {
            rows.sort_by(|one, other| one.video.cmp(&other.video));
        }
        let videos_of = |rows: &[PredictionRow]| -> Vec<(String, String, Truth)> {
            rows.iter().map(|row| (row.video.clone(), row.patient.clone(), row.truth.clone())).collect()
        };
        let Some((first, _)) = seeds.first() else { return Ok(None) };
        let (videos, patients) = (videos_of(first), patients(first));
        if videos.is_empty() || seeds.iter().any(|(rows, _)| videos_of(rows) != videos) {
            return Ok(None);
        }
        let count = seeds.len() as f64;
        let (predictions, value) = if task.kind == Kind::Regression {
            let error = |row: &PredictionRow| error(&row.truth, &[f64::from(row.prediction[0])]);
            let mean = |place: usize| seeds.iter().map(|(rows, _)| error(&rows[place])).sum::<f64>() / count;
            let errors: Vec<f64> = (0..videos.len()).map(mean).collect();
            let value = errors.iter().sum::<f64>() / errors.len() as f64;
            (Predicted::Errors(errors), Some(value))
        } else {
            let of_seed = |(rows, threshold): &OfSeed| scored(task, rows, &[], *threshold);
            let seeds = seeds.iter().map(of_seed).collect::<Result<Vec<_>, _>>()?;
            let primary = task.primary();
            let values = seeds.iter().map(|seed| primary.of(seed)).collect::<Result<Option<Vec<f64>>, _>>()?;
            (Predicted::Seeds(seeds), values.map(|values| values.iter().sum::<f64>() / count))
        };
        Ok(Some(Self { test_hash: test_hash.to_owned(), videos, patients, predictions, value }))
    }

    /// Each of `others` by the task's primary metric with this row, all from the same resamples of patients; nothing where
    /// the metric is undefined. All are of the same videos.
    pub(crate) fn compare(
        &self,
        metric: &Metric,
        others: &[&Self],
        options: &BootstrapOptions,
    ) -> Result<Vec<Option<Comparison>>, ReportError> {
        let errors =
            |row: &Self| if let Predicted::Errors(errors) = &row.predictions { Some(errors.clone()) } else { None };
        if let Some(own) = errors(self) {
            let sets: Vec<Vec<f64>> = others.iter().filter_map(|other| errors(other)).collect();
            let sets: Vec<&[f64]> = sets.iter().map(Vec::as_slice).collect();
            let compared = compare_errors(&own, &sets, &self.patients, options)?;
            return Ok(compared.into_iter().map(Some).collect());
        }
        fn seeds(row: &Paired) -> &[Scored] {
            if let Predicted::Seeds(seeds) = &row.predictions { seeds } else { &[] }
        }
        let sets: Vec<&[Scored]> = others.iter().map(|other| seeds(other)).collect();
        Ok(compare(metric, seeds(self), &sets, options)?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::quantity::tests::task;
    use crate::scoring::tests::row;

    pub(crate) fn rows(predictions: &[(&str, f32)]) -> Vec<PredictionRow> {
        predictions.iter().map(|(video, prediction)| row(video, "", Truth::Value(50.0), &[*prediction])).collect()
    }

    pub(crate) fn paired(seeds: &[Vec<PredictionRow>]) -> Option<Paired> {
        let seeds = seeds.iter().map(|rows| (rows.clone(), None)).collect();
        Paired::of(&Quantity::default(), "data", seeds).unwrap()
    }

    #[test]
    fn errors_are_averaged_and_not_predictions_whatever_the_order_of_videos() {
        let row = paired(&[rows(&[("b", 50.0), ("a", 45.0)]), rows(&[("a", 55.0), ("b", 58.0)])]).unwrap();
        let errors = Predicted::Errors(vec![5.0, 4.0]);
        assert_eq!(row.predictions, errors, "predictions averaged over seeds would miss `a` by nothing");
        assert_eq!(row.value, Some(4.5));
        assert_eq!(paired(&[rows(&[("a", 1.0)]), rows(&[("b", 1.0)])]), None);
        assert_eq!(paired(&[]), None);
        assert_eq!(paired(&[vec![]]), None);
    }

    #[test]
    fn classes_are_compared_by_their_metric_with_each_seed_as_it_is() {
        let binary = task(Kind::Binary, &["no", "yes"]);
        let seed = |probabilities: [f32; 4]| -> OfSeed {
            let rows = ["a", "b", "c", "d"].iter().zip(probabilities).enumerate();
            (rows.map(|(i, (name, p))| row(name, "", Truth::Class(i % 2), &[p])).collect(), Some(0.5))
        };
        let of = |seeds: Vec<OfSeed>| Paired::of(&binary, "data", seeds).unwrap().unwrap();
        let (good, mixed) =
            (of(vec![seed([0.1, 0.9, 0.2, 0.8])]), of(vec![seed([0.1, 0.9, 0.8, 0.7]), seed([0.5; 4])]));
        assert_eq!((good.value, mixed.value), (Some(1.0), Some((0.75 + 0.5) / 2.0)));
        let options = BootstrapOptions { samples: 200, ..BootstrapOptions::default() };
        let compared = good.compare(&binary.primary(), &[&mixed], &options).unwrap();
        assert_eq!(compared[0].as_ref().unwrap().difference.value, 0.625 - 1.0);
        let one_sided = Paired::of(&binary, "data", vec![(seed([0.5; 4]).0[..1].to_vec(), None)]).unwrap().unwrap();
        assert_eq!(one_sided.value, None);
    }
}
