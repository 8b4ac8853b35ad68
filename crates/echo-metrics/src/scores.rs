//! All metrics of one set of predictions, from one set of resamples.

use serde::{Deserialize, Serialize};

use crate::{
    bootstrap::{BootstrapOptions, Interval},
    error::Error,
    metric::{METRICS, Metric},
    rank::Rank,
    sample::{Sample, Videos},
};

/// The metrics of one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// How many videos were scored.
    pub videos: usize,
    /// How the intervals were drawn.
    pub bootstrap: BootstrapOptions,
    /// In the order asked for.
    pub scores: Vec<Score>,
}

/// One metric on one set of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Which.
    pub metric: Metric,
    /// How many videos it rests on: those of the rank for [`Metric::MaeWithin`], else all.
    pub videos: usize,
    /// `None` where the metric is undefined on the data; [`Metric`] says when that is.
    pub interval: Option<Interval>,
}

impl Scores {
    /// Value and interval of a metric, if it was asked for and is defined.
    pub fn get(&self, metric: Metric) -> Option<Interval> {
        self.scores.iter().find(|score| score.metric == metric)?.interval
    }

    /// Value of a metric, if it was asked for and is defined.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.get(metric).map(|interval| interval.value)
    }
}

/// Every metric of [`METRICS`], each with its bootstrap interval.
///
/// `truth` and `prediction` are in the target's unit, one value per video in the same order. With the same seed, videos
/// and order, the same resamples are drawn here and in [`compare`](crate::compare).
///
/// # Errors
/// When the rows are empty, differ in length or hold a value that is not finite, or the options make no sense.
pub fn score(truth: &[f64], prediction: &[f64], options: &BootstrapOptions) -> Result<Scores, Error> {
    score_metrics(truth, prediction, METRICS, options)
}

/// The given metrics, such as those of [`METRICS`], one [`Metric::MaeWithin`] per rank and [`Metric::MacroMae`] over them;
/// else as [`score`].
///
/// # Errors
/// As for [`score`], and when a metric is defined on the data but on none of the resamples.
pub fn score_metrics(
    truth: &[f64],
    prediction: &[f64],
    metrics: &[Metric],
    options: &BootstrapOptions,
) -> Result<Scores, Error> {
    options.check()?;
    let videos = Videos::new(truth, prediction)?;
    let rank = |metric: &Metric| if let Metric::MaeWithin { rank } = metric { Some(*rank) } else { None };
    let ranks: Vec<Rank> = metrics.iter().filter_map(rank).collect();
    let resampled = options.resample(videos.len(), |draws| {
        let counts = videos.tally(draws);
        let sample = Sample::new(&videos, &counts);
        metrics.iter().map(|metric| metric.on(&sample, &ranks)).collect::<Vec<_>>()
    });

    let once = videos.once();
    let sample = Sample::new(&videos, &once);
    let scores = metrics.iter().enumerate().map(|(column, &metric)| {
        let interval = match metric.on(&sample, &ranks) {
            None => None,
            Some(value) => {
                let interval = options.interval(value, resampled.iter().map(|row| row[column]));
                let samples = options.samples;
                Some(interval.ok_or_else(|| Error::NoResample { metric: metric.key(), samples })?)
            }
        };
        Ok(Score { metric, videos: metric.videos(&sample), interval })
    });
    Ok(Scores { videos: videos.len(), bootstrap: options.clone(), scores: scores.collect::<Result<_, Error>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Threshold;

    const OPTIONS: BootstrapOptions = BootstrapOptions { samples: 500, seed: 9, level: 0.95 };

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
            Ok(pool.install(|| score(&truth, &prediction, &OPTIONS))?)
        };
        let one = with(1)?;
        assert_eq!(one, with(2)?);
        assert_eq!(one, with(7)?);
        assert_ne!(one.scores, score(&truth, &prediction, &BootstrapOptions { seed: 10, ..OPTIONS })?.scores);
        Ok(())
    }

    #[test]
    fn a_missing_class_is_none_and_leaves_the_others_alone() -> Result<(), Error> {
        let (truth, prediction) = rows(50);
        let truth: Vec<f64> = truth.iter().map(|ef| ef.max(36.0)).collect();
        let scores = score(&truth, &prediction, &OPTIONS)?;
        for score in &scores.scores {
            assert_eq!(score.interval.is_none(), score.metric == Metric::Auc { below: Threshold(35) }, "{score:?}");
        }
        Ok(())
    }

    /// One of ten videos is below the threshold: a resample misses it with probability 0.9^10 = 0.3487, and never
    /// draws it alone within any test's patience.
    #[test]
    fn resamples_without_the_class_are_counted() -> Result<(), Error> {
        let truth = [30.0, 60.0, 61.0, 62.0, 63.0, 64.0, 65.0, 66.0, 67.0, 68.0];
        let scores = score(&truth, &[55.0; 10], &BootstrapOptions { samples: 10_000, ..OPTIONS })?;
        let degenerate = scores.get(Metric::Auc { below: Threshold(40) }).map(|interval| interval.degenerate);
        // Five standard deviations: 5 * sqrt(10,000 * 0.3487 * 0.6513).
        assert!(degenerate.is_some_and(|count| count.abs_diff(3_487) < 239), "{degenerate:?}");
        assert_eq!(scores.get(Metric::Mae).map(|interval| interval.degenerate), Some(0));
        Ok(())
    }

    #[test]
    fn a_metric_without_any_resample_is_an_error() -> Result<(), Error> {
        // Two videos: half of all resamples hold only one of them and have no R2.
        let outcomes: Vec<_> = (0..20)
            .map(|seed| score(&[30.0, 60.0], &[35.0, 50.0], &BootstrapOptions { samples: 1, seed, level: 0.95 }))
            .collect();
        assert!(outcomes.iter().any(Result::is_ok));
        let error = outcomes.into_iter().find_map(Result::err);
        assert_eq!(error, Some(Error::NoResample { metric: "r2".into(), samples: 1 }));
        Ok(())
    }

    #[test]
    fn one_video_has_errors_but_no_spread() -> Result<(), Error> {
        let scores = score(&[50.0], &[47.0], &OPTIONS)?;
        assert_eq!(scores.get(Metric::Mae), Some(Interval { value: 3.0, low: 3.0, high: 3.0, degenerate: 0 }));
        assert_eq!(scores.get(Metric::R2), None);
        assert_eq!(scores.get(Metric::UpperLimit), None);
        Ok(())
    }

    #[test]
    fn unusable_input_is_refused() {
        assert_eq!(score(&[], &[], &OPTIONS), Err(Error::Empty { row: "truth" }));
        assert!(matches!(score(&[50.0], &[f64::NAN], &OPTIONS), Err(Error::Value { row: "prediction", .. })));
        assert!(matches!(score(&[50.0, 60.0], &[50.0], &OPTIONS), Err(Error::Length { .. })));
        let options = BootstrapOptions { samples: 0, ..OPTIONS };
        assert_eq!(score(&[50.0], &[50.0], &options), Err(Error::Samples { samples: 0 }));
    }

    #[test]
    fn the_largest_accepted_values_stay_finite() -> Result<(), Error> {
        let scores = score(&[1e100, -1e100, 1e-300, 3.0], &[-1e100, 1e100, 2.0, 4.0], &OPTIONS)?;
        for score in &scores.scores {
            let finite =
                |interval: Interval| [interval.value, interval.low, interval.high].iter().all(|x| x.is_finite());
            assert!(score.interval.is_none_or(finite), "{score:?}");
        }
        Ok(())
    }

    #[test]
    fn json_holds_keys_and_null_and_leads_back() -> Result<(), Box<dyn std::error::Error>> {
        let rank = Metric::MaeWithin { rank: "71+".parse()? };
        // Halves, which decimal text holds exactly.
        let scores = score_metrics(&[50.0, 50.0], &[52.5, 52.5], &[Metric::Mae, Metric::R2, rank], &OPTIONS)?;
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
