//! All metrics of one set of predictions, from one set of resamples.

use serde::{Deserialize, Serialize};

use crate::{
    bootstrap::{BootstrapOptions, Interval},
    error::Error,
    metric::Metric,
    scored::Scored,
};

/// The metrics of one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// How many rows were scored: videos or studies.
    pub videos: usize,
    /// How the intervals were drawn.
    pub bootstrap: BootstrapOptions,
    /// In the order asked for.
    pub scores: Vec<Score>,
}

/// One metric on one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Which.
    pub metric: Metric,
    /// How many rows it rests on: those of a range of true values or of a class, those where a label is known, else all.
    pub videos: usize,
    /// `None` where the metric is undefined on the rows, or on every resample of them.
    pub interval: Option<Interval>,
}

impl Scores {
    /// Value and interval of a metric, if it was asked for and is defined.
    pub fn get(&self, metric: &Metric) -> Option<Interval> {
        self.scores.iter().find(|score| score.metric == *metric)?.interval
    }

    /// Value of a metric, if it was asked for and is defined.
    pub fn value(&self, metric: &Metric) -> Option<f64> {
        self.get(metric).map(|interval| interval.value)
    }
}

/// The given metrics, such as those of [`metrics`](crate::metrics), each with its bootstrap interval.
///
/// With the same seed, patients and order, the same resamples are drawn here and in [`compare`](crate::compare). A class
/// that a resample lacks leaves the metrics of that class undefined there, which [`Interval::degenerate`] counts; means
/// over classes are over those that the resample has.
///
/// # Errors
/// When a metric is not of this kind or of a class that there is not, or the options make no sense.
pub fn score(scored: &Scored, metrics: &[Metric], options: &BootstrapOptions) -> Result<Scores, Error> {
    options.check()?;
    metrics.iter().try_for_each(|metric| metric.check(scored))?;
    let resampled =
        options.resample_rows(scored, |sample| metrics.iter().map(|metric| metric.on(sample)).collect::<Vec<_>>());
    let (once, each) = (scored.once(), vec![1; scored.rows()]);
    let (sample, videos) = (scored.sample(&once), scored.sample(&each));
    let scores = metrics.iter().enumerate().map(|(column, metric)| {
        let interval = |value| options.interval(value, resampled.iter().map(|row| row[column]));
        Score { metric: metric.clone(), videos: metric.rows(&videos), interval: metric.on(&sample).and_then(interval) }
    });
    Ok(Scores { videos: scored.rows(), bootstrap: options.clone(), scores: scores.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Parameters, Patients, Threshold, metrics};

    const OPTIONS: BootstrapOptions = BootstrapOptions { samples: 500, seed: 9, level: 0.95 };

    fn of_values(truth: &[f64], prediction: &[f64], options: &BootstrapOptions) -> Result<Scores, Error> {
        let thresholds = [35, 40, 50].map(Threshold);
        let all = metrics(Kind::Regression, &Parameters { thresholds: &thresholds, ..Parameters::default() });
        score(&Scored::regression(truth, prediction, &[])?, &all, options)
    }

    fn rows(videos: usize) -> (Vec<f64>, Vec<f64>) {
        let fraction = |x: f64| x - x.floor();
        (0..videos)
            .map(|i| i as f64)
            .map(|i| {
                (20.0 + 55.0 * fraction(0.618 * i), 30.0 + 40.0 * fraction(0.618 * i + 0.03 * fraction(0.755 * i)))
            })
            .unzip()
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() -> Result<(), Box<dyn std::error::Error>> {
        let (truth, prediction) = rows(101);
        let with = |threads| -> Result<Scores, Box<dyn std::error::Error>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            Ok(pool.install(|| of_values(&truth, &prediction, &OPTIONS))?)
        };
        let one = with(1)?;
        assert_eq!(one, with(2)?);
        assert_eq!(one, with(7)?);
        assert_ne!(one.scores, of_values(&truth, &prediction, &BootstrapOptions { seed: 10, ..OPTIONS })?.scores);
        Ok(())
    }

    #[test]
    fn a_missing_class_is_none_and_leaves_the_others_alone() -> Result<(), Error> {
        let (truth, prediction) = rows(50);
        let truth: Vec<f64> = truth.iter().map(|ef| ef.max(36.0)).collect();
        let scores = of_values(&truth, &prediction, &OPTIONS)?;
        for score in &scores.scores {
            assert_eq!(score.interval.is_none(), score.metric == Metric::auc_below(Threshold(35)), "{score:?}");
        }
        Ok(())
    }

    /// One of ten videos is below the threshold: a resample misses it with probability 0.9^10 = 0.3487, and never
    /// draws it alone within any test's patience.
    #[test]
    fn resamples_without_the_class_are_counted() -> Result<(), Error> {
        let truth = [30.0, 60.0, 61.0, 62.0, 63.0, 64.0, 65.0, 66.0, 67.0, 68.0];
        let scores = of_values(&truth, &[55.0; 10], &BootstrapOptions { samples: 10_000, ..OPTIONS })?;
        let degenerate = scores.get(&Metric::auc_below(Threshold(40))).map(|interval| interval.degenerate);
        // Five standard deviations: 5 * sqrt(10,000 * 0.3487 * 0.6513).
        assert!(degenerate.is_some_and(|count| count.abs_diff(3_487) < 239), "{degenerate:?}");
        assert_eq!(scores.get(&Metric::MAE).map(|interval| interval.degenerate), Some(0));
        Ok(())
    }

    #[test]
    fn a_metric_without_any_resample_has_no_interval_and_leaves_the_others_alone() -> Result<(), Error> {
        // Two videos: half of all resamples hold only one of them and have no R2.
        let of = |seed| of_values(&[30.0, 60.0], &[35.0, 50.0], &BootstrapOptions { samples: 1, seed, level: 0.95 });
        let without = (0..20).map(of).filter(|scores| scores.as_ref().is_ok_and(|s| s.get(&Metric::R2).is_none()));
        let errors = without.map(|scores| Ok(scores?.value(&Metric::MAE))).collect::<Result<Vec<_>, Error>>()?;
        assert!((1..20).contains(&errors.len()) && errors.iter().all(|error| *error == Some(7.5)), "{errors:?}");
        Ok(())
    }

    /// Ten patients with ten equal rows each: as wide an interval as ten rows have, and the same resamples.
    #[test]
    fn rows_of_one_patient_are_one_observation() -> Result<(), Error> {
        let (truth, prediction) = rows(10);
        let tenfold = |values: &[f64]| values.repeat(10);
        let names: Vec<Option<String>> = (0..100).map(|row| Some((row % 10).to_string())).collect();
        let scored = Scored::regression(&tenfold(&truth), &tenfold(&prediction), &[])?;
        let clustered = scored.clone().with_patients(&Patients::named(&names))?;
        let ends = |scores: Scores| scores.get(&Metric::MAE).map(|interval| (interval.low, interval.high));
        let near = |a: Option<(f64, f64)>, b: Option<(f64, f64)>| {
            a.zip(b).is_some_and(|(a, b)| (a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12)
        };
        let ten = ends(of_values(&truth, &prediction, &OPTIONS)?);
        assert!(near(ends(score(&clustered, &[Metric::MAE], &OPTIONS)?), ten), "{ten:?}");
        assert!(!near(ends(score(&scored, &[Metric::MAE], &OPTIONS)?), ten), "{ten:?}");
        Ok(())
    }

    /// One of ten studies is of the second class: its recall knows of the resamples that miss it (0.9^10 = 0.3487 of them),
    /// the mean over classes is undefined on those, since of one class alone nothing is told.
    #[test]
    fn a_class_that_resamples_miss_is_counted_by_its_own_metrics() -> Result<(), Error> {
        let classes = ["A4C", "A2C", "PLAX"].map(str::to_owned);
        let truth = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let scored = Scored::single_label(&truth, &[[0.2, 0.7, 0.1]; 10], &classes)?;
        let all = metrics(scored.kind(), &Parameters { classes: &classes, ..Parameters::default() });
        let scores = score(&scored, &all, &BootstrapOptions { samples: 10_000, ..OPTIONS })?;
        let of = |key: &str| scores.scores.iter().find(|score| score.metric.key() == key);
        let seen = |key: &str| of(key).map(|score| (score.videos, score.interval.map(|i| (i.value, i.low, i.high))));
        assert_eq!(seen("recall_A2C"), Some((1, Some((1.0, 1.0, 1.0)))));
        assert_eq!(seen("recall_PLAX"), Some((0, None)));
        assert_eq!(seen("balanced_accuracy"), Some((10, Some((0.5, 0.5, 0.5)))));
        for key in ["recall_A2C", "balanced_accuracy"] {
            let missed = of(key).and_then(|score| score.interval).map(|interval| interval.degenerate);
            // Five standard deviations: 5 * sqrt(10,000 * 0.3487 * 0.6513).
            assert!(missed.is_some_and(|count| count.abs_diff(3_487) < 239), "{key}: {missed:?}");
        }
        Ok(())
    }

    /// Weights of rows are rows that are there more than once, in value and in interval.
    #[test]
    fn a_row_of_weight_two_is_two_rows() -> Result<(), Error> {
        let (truth, prediction) = rows(9);
        let patients: Vec<Option<String>> = (0..9).map(|row| Some((row / 2).to_string())).collect();
        let weights: Vec<u32> = (0..9).map(|row| 1 + row % 3).collect();
        let twice = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(&weights).flat_map(|(&x, &weight)| std::iter::repeat_n(x, weight as usize)).collect()
        };
        let of_twice: Vec<Option<String>> = patients
            .iter()
            .zip(&weights)
            .flat_map(|(name, &weight)| std::iter::repeat_n(name.clone(), weight as usize))
            .collect();
        let weighted = Scored::regression(&truth, &prediction, &[])?
            .with_patients(&Patients::named(&patients))?
            .with_weights(&weights)?;
        let repeated =
            Scored::regression(&twice(&truth), &twice(&prediction), &[])?.with_patients(&Patients::named(&of_twice))?;
        let of = |scored: &Scored| score(scored, &[Metric::MAE, Metric::PEARSON], &OPTIONS);
        let (weighted, repeated) = (of(&weighted)?, of(&repeated)?);
        for metric in [Metric::MAE, Metric::PEARSON] {
            let (one, other) = (weighted.get(&metric), repeated.get(&metric));
            let near = one.zip(other).is_some_and(|(one, other)| {
                (one.value - other.value).abs() < 1e-12 && (one.low - other.low).abs() < 1e-12
            });
            assert!(near, "{metric}: {one:?} {other:?}");
        }
        assert_eq!((weighted.videos, repeated.videos), (9, 18));
        Ok(())
    }

    #[test]
    fn one_video_has_errors_but_no_spread() -> Result<(), Error> {
        let scores = of_values(&[50.0], &[47.0], &OPTIONS)?;
        assert_eq!(scores.get(&Metric::MAE), Some(Interval { value: 3.0, low: 3.0, high: 3.0, degenerate: 0 }));
        assert_eq!(scores.get(&Metric::R2), None);
        assert_eq!(scores.get(&Metric::UPPER_LIMIT), None);
        Ok(())
    }

    #[test]
    fn unusable_input_is_refused() {
        assert_eq!(of_values(&[], &[], &OPTIONS), Err(Error::Empty { row: "truth" }));
        assert!(matches!(of_values(&[50.0], &[f64::NAN], &OPTIONS), Err(Error::Value { row: "prediction", .. })));
        assert!(matches!(of_values(&[50.0, 60.0], &[50.0], &OPTIONS), Err(Error::Length { .. })));
        let options = BootstrapOptions { samples: 0, ..OPTIONS };
        assert_eq!(of_values(&[50.0], &[50.0], &options), Err(Error::Samples { samples: 0 }));
    }

    #[test]
    fn the_largest_accepted_values_stay_finite() -> Result<(), Error> {
        let scores = of_values(&[1e100, -1e100, 1e-300, 3.0], &[-1e100, 1e100, 2.0, 4.0], &OPTIONS)?;
        for score in &scores.scores {
            let finite =
                |interval: Interval| [interval.value, interval.low, interval.high].iter().all(|x| x.is_finite());
            assert!(score.interval.is_none_or(finite), "{score:?}");
        }
        Ok(())
    }

    #[test]
    fn json_holds_keys_and_null_and_leads_back() -> Result<(), Box<dyn std::error::Error>> {
        let rank = Metric::mae_within("71+".parse()?);
        // Halves, which decimal text holds exactly.
        let scored = Scored::regression(&[50.0, 50.0], &[52.5, 52.5], &[])?;
        let scores = score(&scored, &[Metric::MAE, Metric::R2, rank], &OPTIONS)?;
        let json = serde_json::to_value(&scores)?;
        assert_eq!(
            json["scores"],
            serde_json::json!([
                {"metric": "mae", "videos": 2, "interval": {"value": 2.5, "low": 2.5, "high": 2.5, "degenerate": 0}},
                {"metric": "r2", "videos": 2, "interval": null},
                {"metric": "mae_within_71+", "videos": 0, "interval": null},
            ])
        );
        assert_eq!(serde_json::from_value::<Scores>(json)?, scores);
        Ok(())
    }
}
