//! One cell: fit on its training videos, predict and score the test videos.

pub(crate) mod adapter_file;
pub(crate) mod clip_samples;
pub(crate) mod features;
pub(crate) mod seen;
pub(crate) mod token_samples;
pub(crate) mod view;

use std::time::Instant;

use burn::tensor::Device;
use echo_core::{Answer, AnyAdapter, Fitting, Kind, Stage, Task, Truth};
use echo_data::Feature;
use echo_metrics::{Better, Epoch, Metric, Parameters, Scores, Threshold, youden};
use echo_report::{
    BestRecord, ParameterCounts, PredictionRow, Quantity, Seconds, TestVideo, ranks_up_to, scores, weighted_scores,
};
use echo_train::{Checkpoints, FeatureTable, FitContext, Samples, TrainConfig, Watched, fit, parameters, predict};

use crate::BenchError;
use crate::data::video_set::VideoSet;

/// How an adapter is fitted and scored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol<'a> {
    pub(crate) task: &'a Task,
    /// The task, as reports call it.
    pub(crate) quantity: &'a Quantity,
    pub(crate) train: &'a TrainConfig,
    pub(crate) seed: u64,
    pub(crate) bootstrap: usize,
    pub(crate) device: &'a Device,
}

/// Videos that are predicted.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) samples: &'a dyn Samples,
    pub(crate) set: &'a VideoSet,
    /// Places in the set, in the order of the samples.
    pub(crate) videos: &'a [usize],
    /// How often each sample counts, where not alike.
    pub(crate) weights: Option<&'a [u32]>,
}

impl Part<'_> {
    /// What `predictions`, as [`predict`] gives them, say of the videos.
    fn rows(&self, kind: Kind, predictions: Vec<Vec<f32>>) -> Vec<PredictionRow> {
        let row = |(TestVideo { video, patient, truth }, prediction)| PredictionRow {
            video,
            patient,
            truth,
            prediction: reported(kind, prediction),
            warning: String::new(),
        };
        self.set.labelled(self.videos).into_iter().zip(predictions).map(row).collect()
    }
}

/// What is reported of a sample's numbers: of yes and no, the probability of yes.
pub(crate) fn reported(kind: Kind, numbers: Vec<f32>) -> Vec<f32> {
    if kind == Kind::Binary { numbers.into_iter().skip(1).collect() } else { numbers }
}

/// The videos of a cell.
#[derive(Clone, Copy)]
pub(crate) struct CellSamples<'a> {
    pub(crate) train: &'a dyn Samples,
    /// Where the best epoch is asked for, or a threshold is to be chosen.
    pub(crate) validation: Option<Part<'a>>,
    /// Whether the best epoch is asked for.
    pub(crate) selects: bool,
    pub(crate) test: Part<'a>,
    /// Test videos of another data set.
    pub(crate) external: Option<Part<'a>>,
    /// Each test video by itself, where samples are studies.
    pub(crate) alone: Option<Part<'a>>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct CellOutput {
    pub(crate) adapter: AnyAdapter,
    /// Paths of the parameters that make it another than it was at the start.
    pub(crate) fitted: Vec<String>,
    pub(crate) predictions: Vec<PredictionRow>,
    pub(crate) scores: Scores,
    /// Of a binary task, as validation chose it, and how many negative and positive samples there were.
    pub(crate) threshold: Option<(f64, [usize; 2])>,
    /// Predictions and scores of the external test videos.
    pub(crate) external: Option<(Vec<PredictionRow>, Scores)>,
    /// The same of each test video by itself, where samples are studies.
    pub(crate) alone: Option<(Vec<PredictionRow>, Scores)>,
    pub(crate) best: Option<BestRecord>,
    /// Those of the epoch that was best on validation, where it was asked for.
    pub(crate) best_predictions: Option<Vec<PredictionRow>>,
    pub(crate) curve: Vec<Epoch>,
    pub(crate) parameters: ParameterCounts,
    pub(crate) seconds: Seconds,
}

impl Protocol<'_> {
    /// Fits `adapter` on the training videos and scores the test videos.
    pub(crate) fn run(
        &self,
        adapter: AnyAdapter,
        samples: CellSamples<'_>,
        checkpoints: &Checkpoints,
    ) -> Result<CellOutput, BenchError> {
        let started = Instant::now();
        let all = parameters(&adapter);
        let is_fitted = |path: &str, trainable: bool| match adapter.fitting() {
            Fitting::Gradient => trainable,
            Fitting::ClosedForm => path.starts_with("head."),
            Fitting::Nothing => false,
        };
        let fitted = all.iter().filter(|parameter| is_fitted(&parameter.path, parameter.trainable));
        let fitted: Vec<_> = fitted.collect();
        let counts = ParameterCounts {
            trainable: fitted.iter().map(|parameter| parameter.count()).sum(),
            total: all.iter().map(|parameter| parameter.count()).sum(),
        };
        let paths = fitted.iter().map(|parameter| parameter.path.clone()).collect();
        let CellSamples { train, validation, selects, test, external, alone } = samples;
        let error = |predictions: &[Vec<f32>]| {
            validation.map_or(f64::INFINITY, |part| self.error(&part.rows(self.task.kind(), predictions.to_vec())))
        };
        let watched = validation.filter(|_| selects).map(|part| Watched { samples: part.samples, error: &error });
        let context = FitContext { seed: self.seed, device: self.device, checkpoints: Some(checkpoints), watched };
        let config = self.train.within_views(train.clips());
        let done = fit(adapter, train, &config, &context, |epoch| {
            tracing::debug!("epoch {}: loss {:.4}, lr {:.2e}", epoch.epoch, epoch.loss, epoch.lr);
        })?;
        let fit_seconds = started.elapsed().as_secs_f64();

        let started = Instant::now();
        let metrics = metrics(self.task);
        let predicted = |adapter: &AnyAdapter, part: &Part<'_>| -> Result<Vec<PredictionRow>, BenchError> {
            Ok(part.rows(self.task.kind(), predict(adapter, part.samples, self.device)?))
        };
        let threshold = |adapter: &AnyAdapter| match validation.filter(|_| self.task.kind() == Kind::Binary) {
            Some(part) => predicted(adapter, &part).map(|rows| threshold(&rows)),
            None => Ok(None),
        };
        let scored = |adapter: &AnyAdapter, part: &Part<'_>, threshold: Option<f64>| {
            let rows = predicted(adapter, part)?;
            let alike = vec![1; rows.len()];
            let weights = part.weights.unwrap_or(&alike);
            let scores = weighted_scores(self.quantity, &rows, weights, &metrics, threshold, self.bootstrap)?;
            Ok::<_, BenchError>((rows, scores))
        };
        let threshold_of_last = threshold(&done.adapter)?;
        let chosen = threshold_of_last.map(|(threshold, _)| threshold);
        let (predictions, scores) = scored(&done.adapter, &test, chosen)?;
        let external = external.map(|external| scored(&done.adapter, &external, chosen)).transpose()?;
        let alone = alone.map(|alone| scored(&done.adapter, &alone, chosen)).transpose()?;
        let (best, best_predictions) = match &done.best {
            Some(best) => {
                let chosen = threshold(&best.adapter)?.map(|(threshold, _)| threshold);
                let (predictions, scores) = scored(&best.adapter, &test, chosen)?;
                let validation = self.value_of(best.error);
                (Some(BestRecord { epoch: best.epoch, validation, scores }), Some(predictions))
            }
            None => (None, None),
        };
        let seconds = Seconds { fit: fit_seconds, evaluate: started.elapsed().as_secs_f64() };
        let of_epoch = |epoch: Epoch| Epoch { watched: epoch.watched.map(|error| self.value_of(error)), ..epoch };
        Ok(CellOutput {
            adapter: done.adapter,
            fitted: paths,
            predictions,
            scores,
            threshold: threshold_of_last,
            external,
            alone,
            best,
            best_predictions,
            curve: done.curve.into_iter().map(of_epoch).collect(),
            parameters: counts,
            seconds,
        })
    }

    /// The primary metric, such that less is better; infinite where it is undefined.
    fn error(&self, rows: &[PredictionRow]) -> f64 {
        let primary = self.quantity.primary();
        let scores = scores(self.quantity, rows, std::slice::from_ref(&primary), None, 1).ok();
        let value = scores.and_then(|scores| scores.value(&primary));
        value.map_or(f64::INFINITY, |value| self.value_of(value))
    }

    /// The primary metric from what [`error`](Self::error) made of it.
    fn value_of(&self, error: f64) -> f64 {
        match self.quantity.primary().better() {
            Better::Higher => -error,
            Better::Lower | Better::NearZero => error,
        }
    }
}

/// The threshold that tells the validation videos apart best, and how many are of either side; nothing where all are of one.
fn threshold(rows: &[PredictionRow]) -> Option<(f64, [usize; 2])> {
    let truths: Vec<bool> = rows.iter().map(|row| row.truth == Truth::Class(1)).collect();
    let probabilities: Vec<f64> = rows.iter().flat_map(|row| row.prediction.first()).map(|&p| f64::from(p)).collect();
    let positives = truths.iter().filter(|&&truth| truth).count();
    Some((youden(&truths, &probabilities).ok()?, [truths.len() - positives, positives]))
}

/// Every metric of a task: of a regression with areas under the curve for its thresholds, and the errors within each rank
/// and over all of them; of others for each class or label.
pub(crate) fn metrics(task: &Task) -> Vec<Metric> {
    let (thresholds, ranks) = match &task.answer {
        Answer::Value(regression) => {
            let bounds: Vec<i64> = regression.ranks.ranks.iter().map(|rank| rank.up_to).collect();
            (regression.thresholds.iter().copied().map(Threshold).collect(), ranks_up_to(&bounds))
        }
        Answer::Classes(_) => (Vec::new(), Vec::new()),
    };
    let classes = if task.kind() == Kind::Binary { Vec::new() } else { task.class_names() };
    echo_metrics::metrics(task.kind(), &Parameters { thresholds: &thresholds, ranks: &ranks, classes: &classes })
}

/// Cached features as samples, each with those of all its videos, which see `clips` clips each; `views` are other looks at
/// the same videos.
pub(crate) fn table(
    stage: Stage,
    clips: usize,
    features: &[Vec<&Feature>],
    views: &[Vec<Vec<&Feature>>],
    truths: Vec<Truth>,
) -> Result<FeatureTable, BenchError> {
    let columns = features.iter().flatten().next().map_or(1, |feature| feature.shape[1]);
    let row = |videos: &Vec<&Feature>| videos.iter().flat_map(|feature| &feature.values).copied().collect::<Vec<f32>>();
    let rows = |samples: &[Vec<&Feature>]| samples.iter().map(row).collect::<Vec<_>>();
    let clips = features.iter().map(|videos| videos.len() * clips).collect();
    let table = FeatureTable::new(stage, clips, columns, rows(features), truths)?;
    Ok(table.with_views(views.iter().map(|view| rows(view)).collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(thresholds: &[u8], bounds: &[i64]) -> Task {
        let rank = |&up_to: &i64| echo_core::Rank { up_to, value: up_to as f32, prompt: up_to.to_string() };
        let ranks = echo_core::RankSpec { ranks: bounds.iter().map(rank).collect() };
        let mut task = Task::of_ranks("EF", "%", ranks);
        if let Answer::Value(regression) = &mut task.answer {
            regression.thresholds = thresholds.to_vec();
        }
        task
    }

    fn scores(labels: &[f32], metrics: &[Metric], resamples: usize) -> Scores {
        let row = |(index, &label): (usize, &f32)| PredictionRow {
            video: index.to_string(),
            patient: String::new(),
            truth: Truth::Value(label),
            prediction: vec![52.0],
            warning: String::new(),
        };
        let rows: Vec<PredictionRow> = labels.iter().enumerate().map(row).collect();
        echo_report::scores(&Quantity::default(), &rows, metrics, None, resamples).unwrap()
    }

    #[test]
    fn thresholds_and_ranks_of_the_target_make_its_metrics() {
        let keys = |thresholds: &[u8], bounds: &[i64]| -> Vec<String> {
            metrics(&task(thresholds, bounds)).iter().map(Metric::key).collect()
        };
        let asked_for = |keys: &[String]| -> Vec<String> {
            keys.iter()
                .filter(|key| ["auc", "within", "macro"].iter().any(|part| key.contains(part)))
                .cloned()
                .collect()
        };
        let of_ef = keys(&[35, 50], &[30, 45, 100]);
        assert_eq!(
            asked_for(&of_ef),
            ["macro_mae", "auc_below_35", "auc_below_50", "mae_within_0-30", "mae_within_31-45", "mae_within_46+"]
        );
        assert_eq!(of_ef[0], "mae");
        let of_edv = asked_for(&keys(&[120], &[160, 300, 900]));
        assert_eq!(of_edv, ["macro_mae", "auc_below_120", "mae_within_0-160", "mae_within_161-300", "mae_within_301+"]);
        assert!(asked_for(&keys(&[], &[-20, 0, 10])).is_empty(), "ranks below zero have no metric");
    }

    #[test]
    fn a_rank_that_no_resample_holds_costs_its_own_interval_alone() {
        let metrics = metrics(&task(&[], &[30, 100]));
        let within = |scores: &Scores, rank: &str| scores.value(&Metric::mae_within(rank.parse().unwrap()));
        let of_one_resample = |place: usize| {
            let mut labels = vec![50.0; 40];
            labels[place] = 10.0;
            let all = scores(&labels, &metrics, 1000);
            assert_eq!((within(&all, "0-30"), within(&all, "31+")), (Some(42.0), Some(2.0)));
            assert_eq!(all.value(&Metric::MACRO_MAE), Some(22.0));
            scores(&labels, &metrics, 1)
        };
        // A single resample leaves out about a third of the videos.
        let without = (0..40).map(of_one_resample).filter(|scores| within(scores, "0-30").is_none());
        let kept: Vec<_> = without.map(|scores| (scores.value(&Metric::MAE), within(&scores, "31+"))).collect();
        assert!(!kept.is_empty() && kept.iter().all(|score| *score == (Some(3.0), Some(2.0))), "{kept:?}");
    }
}
