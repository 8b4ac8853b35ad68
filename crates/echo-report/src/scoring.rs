//! Scores of a set of predictions.

use echo_metrics::{BootstrapOptions, Kind, Metric, Patients, Rank, Scored, Scores, score};

use crate::{PredictionRow, Quantity, ReportError, Truth};

/// The threshold of a binary task where no validation split could choose one. Rows that rest on it say so.
pub const UNCHOSEN_THRESHOLD: f64 = 0.5;

/// The `metrics` of the rows' predictions, with intervals from resamples of patients. Every row of a table uses the same
/// resamples. `threshold` is that of a binary task, [`UNCHOSEN_THRESHOLD`] where there is none.
///
/// # Errors
/// A row is not of the task, a prediction is none of its kind, or there are no rows.
pub fn scores(
    task: &Quantity,
    rows: &[PredictionRow],
    metrics: &[Metric],
    threshold: Option<f64>,
    resamples: usize,
) -> Result<Scores, ReportError> {
    weighted_scores(task, rows, &vec![1; rows.len()], metrics, threshold, resamples)
}

/// The same of rows that count as often as their weights say.
///
/// # Errors
/// As [`scores`].
pub fn weighted_scores(
    task: &Quantity,
    rows: &[PredictionRow],
    weights: &[u32],
    metrics: &[Metric],
    threshold: Option<f64>,
    resamples: usize,
) -> Result<Scores, ReportError> {
    let options = BootstrapOptions { samples: resamples, ..BootstrapOptions::default() };
    let ranks: Vec<Rank> = metrics.iter().filter_map(Metric::rank).collect();
    let scored = scored(task, rows, &ranks, threshold)?.with_weights(weights)?;
    Ok(score(&scored, metrics, &options)?)
}

/// The rows as what is scored, with their patients.
pub(crate) fn scored(
    task: &Quantity,
    rows: &[PredictionRow],
    ranks: &[Rank],
    threshold: Option<f64>,
) -> Result<Scored, ReportError> {
    if let Some(unfit) = rows.iter().find(|row| row.prediction.len() != task.outputs()) {
        return Err(unfit.unfit(task));
    }
    let wide = |row: &PredictionRow| row.prediction.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let predictions: Vec<Vec<f64>> = rows.iter().map(wide).collect();
    let alone = || predictions.concat();
    let classes = || truths(task, rows, |truth| if let Truth::Class(class) = truth { Some(*class) } else { None });
    let scored = match task.kind {
        Kind::Regression => {
            let value = |truth: &Truth| if let Truth::Value(value) = truth { Some(f64::from(*value)) } else { None };
            Scored::regression(&truths(task, rows, value)?, &alone(), ranks)?
        }
        Kind::Binary => {
            let positive = |truth: &Truth| match truth {
                Truth::Class(class @ 0..=1) => Some(*class == 1),
                _ => None,
            };
            Scored::binary(&truths(task, rows, positive)?, &alone(), threshold.unwrap_or(UNCHOSEN_THRESHOLD))?
        }
        Kind::SingleLabel => Scored::single_label(&classes()?, &predictions, &task.classes)?,
        Kind::Ordinal => Scored::ordinal(&classes()?, &predictions, &task.classes)?,
        Kind::MultiLabel => {
            let labels = |truth: &Truth| if let Truth::Labels(labels) = truth { Some(labels.clone()) } else { None };
            Scored::multi_label(&truths(task, rows, labels)?, &predictions, &task.classes)?
        }
    };
    Ok(scored.with_patients(&patients(rows))?)
}

fn truths<T>(task: &Quantity, rows: &[PredictionRow], of: impl Fn(&Truth) -> Option<T>) -> Result<Vec<T>, ReportError> {
    rows.iter().map(|row| of(&row.truth).ok_or_else(|| row.unfit(task))).collect()
}

/// The patients of rows; a row without one is a patient of its own.
pub(crate) fn patients(rows: &[PredictionRow]) -> Patients {
    let name = |row: &PredictionRow| Some(row.patient.clone()).filter(|patient| !patient.is_empty());
    Patients::named(&rows.iter().map(name).collect::<Vec<_>>())
}

/// How far a prediction lies from the truth: the absolute error of a value, the probability that is missing from the true
/// class, the mean absolute error of the probabilities of known labels.
pub(crate) fn error(truth: &Truth, prediction: &[f64]) -> f64 {
    match (truth, prediction) {
        (Truth::Value(value), [prediction]) => (prediction - f64::from(*value)).abs(),
        // Of a binary task the probability of the second class is known alone.
        (Truth::Class(class), [positive]) => (positive - *class as f64).abs(),
        (Truth::Class(class), classes) => 1.0 - classes.get(*class).copied().unwrap_or(0.0),
        (Truth::Labels(labels), _) => {
            let known =
                labels.iter().zip(prediction).filter_map(|(label, &probability)| Some(((*label)?, probability)));
            let errors: Vec<f64> =
                known.map(|(label, probability)| (probability - f64::from(u8::from(label))).abs()).collect();
            errors.iter().sum::<f64>() / errors.len().max(1) as f64
        }
        (Truth::Value(_), _) => 0.0,
    }
}

/// Ranks by their upper bounds as those of metrics, the last one without an end. None where a bound is negative, which no
/// metric's rank is.
pub fn ranks_up_to(bounds: &[i64]) -> Vec<Rank> {
    let mut first = 0;
    let mut ranks = Vec::new();
    for (index, &bound) in bounds.iter().enumerate() {
        let is_last = index + 1 == bounds.len();
        let last = u16::try_from(bound).ok();
        match (is_last, last.map(|last| Rank::new(first, Some(last)))) {
            (true, _) => ranks.extend(Rank::new(first, None)),
            (false, Some(Ok(rank))) => ranks.push(rank),
            (false, _) => return Vec::new(),
        }
        first = last.unwrap_or(u16::MAX).saturating_add(1);
    }
    ranks
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::quantity::tests::task;

    pub(crate) fn row(video: &str, patient: &str, truth: Truth, prediction: &[f32]) -> PredictionRow {
        let [video, patient, warning] = [video, patient, ""].map(str::to_owned);
        PredictionRow { video, patient, truth, prediction: prediction.to_vec(), warning }
    }

    /// Rows of a regression, of true and predicted values.
    pub(crate) fn values(pairs: &[(f32, f32)]) -> Vec<PredictionRow> {
        let of = |(index, &(truth, prediction)): (usize, &(f32, f32))| {
            row(&format!("video-{index:02}"), "", Truth::Value(truth), &[prediction])
        };
        pairs.iter().enumerate().map(of).collect()
    }

    #[test]
    fn each_kind_is_scored_by_its_primary_metric() {
        let primary = |task: &Quantity, rows: &[PredictionRow], threshold| {
            scores(task, rows, &[task.primary()], threshold, 20).unwrap().value(&task.primary())
        };
        let of_classes = |rows: &[(usize, &[f32])]| -> Vec<PredictionRow> {
            rows.iter().map(|(class, prediction)| row("v", "", Truth::Class(*class), prediction)).collect()
        };
        assert_eq!(primary(&Quantity::default(), &values(&[(50.0, 52.0), (60.0, 64.0)]), None), Some(3.0));
        let binary = of_classes(&[(1, &[0.4]), (0, &[0.2]), (1, &[0.1]), (0, &[0.1])]);
        assert_eq!(primary(&task(Kind::Binary, &["no", "yes"]), &binary, Some(0.3)), Some(0.625));
        let three = of_classes(&[(0, &[0.5, 0.25, 0.25]), (1, &[0.5, 0.25, 0.25]), (2, &[0.25, 0.25, 0.5])]);
        assert_eq!(primary(&task(Kind::SingleLabel, &["a", "b", "c"]), &three, None), Some(2.0 / 3.0));
        assert!(primary(&task(Kind::Ordinal, &["a", "b", "c"]), &three, None).is_some_and(|kappa| kappa > 0.5));
        let labels = [([Some(true), None], [0.9, 0.5]), ([Some(false), Some(true)], [0.1, 0.5])];
        let labels = labels.map(|(truth, prediction)| row("v", "", Truth::Labels(truth.to_vec()), &prediction));
        assert_eq!(primary(&task(Kind::MultiLabel, &["a", "b"]), &labels, None), Some(1.0));
    }

    #[test]
    fn a_threshold_decides_and_one_half_does_where_there_is_none() {
        let task = task(Kind::Binary, &["no", "yes"]);
        let rows = [row("a", "", Truth::Class(1), &[0.4]), row("b", "", Truth::Class(0), &[0.1])];
        let sensitivity: Metric = "sensitivity".parse().unwrap();
        let at = |threshold| {
            let scores = scores(&task, &rows, std::slice::from_ref(&sensitivity), threshold, 20).unwrap();
            scores.value(&sensitivity)
        };
        assert_eq!((at(Some(0.3)), at(None)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn resamples_are_of_patients_and_rows_of_another_task_are_refused() {
        let quantity = Quantity::default();
        let of = |patient: fn(usize) -> String| -> Vec<PredictionRow> {
            (0..40)
                .map(|i| row(&i.to_string(), &patient(i), Truth::Value(50.0), &[50.0 + (i / 20) as f32 * 8.0]))
                .collect()
        };
        let width = |rows: &[PredictionRow]| {
            let interval = scores(&quantity, rows, &[Metric::MAE], None, 500).unwrap().get(&Metric::MAE).unwrap();
            interval.high - interval.low
        };
        let (alone, two) = (of(|_| String::new()), of(|i| (i / 20).to_string()));
        assert!(width(&alone) < 4.0 && width(&two) == 8.0, "of two patients, resamples hold one alone");
        let wrong = [row("odd", "", Truth::Class(1), &[50.0])];
        let message = scores(&quantity, &wrong, &[Metric::MAE], None, 10).unwrap_err().to_string();
        assert!(message.contains("odd: class 1 and 1 predicted numbers do not fit the task EF"), "{message}");
    }

    #[test]
    fn errors_of_every_kind_are_distances_from_the_truth() {
        assert_eq!(error(&Truth::Value(50.0), &[47.0]), 3.0);
        assert_eq!((error(&Truth::Class(1), &[0.75]), error(&Truth::Class(0), &[0.75])), (0.25, 0.75));
        assert_eq!(error(&Truth::Class(2), &[0.25, 0.25, 0.5]), 0.5);
        assert_eq!(error(&Truth::Labels(vec![Some(true), None, Some(false)]), &[0.5, 0.9, 0.25]), 0.375);
        assert_eq!(error(&Truth::Labels(vec![None]), &[0.5]), 0.0);
    }
}
