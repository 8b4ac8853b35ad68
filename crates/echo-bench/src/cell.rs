//! One cell: fit on its training videos, predict and score the test videos.

pub(crate) mod adapter_file;
pub(crate) mod clip_samples;
pub(crate) mod features;
pub(crate) mod seen;
pub(crate) mod view;

use std::time::Instant;

use burn::tensor::Device;
use echo_adapt::{Adapted, AdapterEntry, BuildContext};
use echo_core::{Adapter, Fitting, RankSpec, Stage};
use echo_data::{Feature, Target};
use echo_metrics::{Kind, Metric, Parameters, Threshold};
use echo_report::{ParameterCounts, Seconds, ranks_up_to};
use echo_train::{Checkpoints, Epoch, FeatureTable, FitContext, Samples, fit, parameters, predict};
use echo_weights::Built;

use crate::{BenchError, Recipe};

/// What a cell is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingredients<'a> {
    pub(crate) built: &'a Built,
    pub(crate) entries: &'a [&'static AdapterEntry],
    /// An encoder that lends its text tower.
    pub(crate) text: Option<&'a Built>,
    pub(crate) recipe: &'a Recipe,
    pub(crate) target: &'a Target,
    pub(crate) ranks: &'a RankSpec,
    pub(crate) seed: u64,
    /// Clips of every video.
    pub(crate) clips: usize,
    pub(crate) device: &'a Device,
}

/// The videos of a cell.
#[derive(Clone, Copy)]
pub(crate) struct CellSamples<'a> {
    pub(crate) train: &'a dyn Samples,
    /// Where the best epoch is asked for.
    pub(crate) validation: Option<&'a dyn Samples>,
    pub(crate) test: &'a dyn Samples,
    /// Test videos of another data set.
    pub(crate) external: Option<&'a dyn Samples>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct CellOutput {
    pub(crate) adapter: Adapted,
    /// Paths of the parameters that make it another than it was at the start.
    pub(crate) fitted: Vec<String>,
    /// For the test videos.
    pub(crate) predictions: Vec<f32>,
    /// For the external test videos.
    pub(crate) external: Option<Vec<f32>>,
    /// Of the epoch that was best on validation, where it was asked for.
    pub(crate) best: Option<BestEpoch>,
    pub(crate) curve: Vec<echo_report::Epoch>,
    pub(crate) parameters: ParameterCounts,
    /// Paths and shapes of the parameters that train.
    pub(crate) trainable: Vec<String>,
    pub(crate) seconds: Seconds,
}

/// The epoch that was best on validation.
#[derive(Debug)]
pub(crate) struct BestEpoch {
    pub(crate) epoch: usize,
    /// The primary metric on validation.
    pub(crate) validation: f64,
    /// For the test videos.
    pub(crate) predictions: Vec<f32>,
}

impl Ingredients<'_> {
    /// The adapter before it is fitted.
    ///
    /// # Errors
    /// It does not fit the encoder, or cannot predict the target.
    pub(crate) fn build(&self) -> Result<Adapted, BenchError> {
        if !self.target.is_ejection_fraction() && !self.entries.iter().any(|entry| entry.trains) {
            let names: Vec<&str> = self.entries.iter().map(|entry| entry.name).collect();
            return Err(BenchError::Config(format!(
                "{} reads the ejection fraction (target EF) and learns nothing else; for {} use an adapter that trains",
                names.join("+"),
                self.target.name
            )));
        }
        let context = BuildContext {
            encoder: &self.built.encoder,
            text: self.text.map(|text| &text.encoder),
            ranks: self.ranks,
            seed: self.seed,
        };
        Ok(echo_adapt::build(self.entries, &self.recipe.adapter, &context)?)
    }

    /// Fits on the training videos and predicts the test videos.
    pub(crate) fn run(&self, samples: CellSamples<'_>, checkpoints: &Checkpoints) -> Result<CellOutput, BenchError> {
        let started = Instant::now();
        let adapter = self.build()?;
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
        let trainable = fitted.iter().map(|parameter| format!("{} {:?}", parameter.path, parameter.shape)).collect();
        let paths = fitted.iter().map(|parameter| parameter.path.clone()).collect();
        let CellSamples { train, validation, test, external } = samples;
        let context =
            FitContext { seed: self.seed, device: self.device, checkpoints: Some(checkpoints), watched: validation };
        let config = self.recipe.train.within_views(train.targets().len() * self.clips);
        let done = fit(adapter, train, &config, &context, |epoch| {
            tracing::debug!("epoch {}: loss {:.4}, lr {:.2e}", epoch.epoch, epoch.loss, epoch.lr);
        })?;
        let fit_seconds = started.elapsed().as_secs_f64();

        let started = Instant::now();
        let predictions = predict(&done.adapter, test, self.device)?;
        let external = external.map(|external| predict(&done.adapter, external, self.device)).transpose()?;
        let best = done.best.as_ref().map(|best| -> Result<BestEpoch, BenchError> {
            let predictions = predict(&best.adapter, test, self.device)?;
            Ok(BestEpoch { epoch: best.epoch, validation: best.mae, predictions })
        });
        let best = best.transpose()?;
        let seconds = Seconds { fit: fit_seconds, evaluate: started.elapsed().as_secs_f64() };
        Ok(CellOutput {
            adapter: done.adapter,
            fitted: paths,
            predictions,
            external,
            best,
            curve: done.curve.into_iter().map(row_of).collect(),
            parameters: counts,
            trainable,
            seconds,
        })
    }
}

/// An epoch as a row of a file.
fn row_of(epoch: Epoch) -> echo_report::Epoch {
    let Epoch { epoch, lr, loss, cross_entropy, kl, l1, watched } = epoch;
    echo_report::Epoch { epoch, lr, loss, cross_entropy, kl, l1, watched }
}

/// Every metric of a regression, with areas under the curve for `thresholds`, and the errors within each rank and over all
/// of them.
pub(crate) fn metrics(thresholds: &[u8], ranks: &RankSpec) -> Vec<Metric> {
    let thresholds: Vec<Threshold> = thresholds.iter().copied().map(Threshold).collect();
    let ranks = ranks_up_to(&ranks.ranks.iter().map(|rank| rank.up_to).collect::<Vec<_>>());
    echo_metrics::metrics(Kind::Regression, &Parameters { thresholds: &thresholds, ranks: &ranks, classes: &[] })
}

/// Cached features as samples; `views` are other looks at the same videos.
pub(crate) fn table(
    stage: Stage,
    clips: usize,
    features: &[&Feature],
    views: &[Vec<&Feature>],
    labels: Vec<f32>,
) -> Result<FeatureTable, BenchError> {
    let columns = features.first().map_or(1, |feature| feature.shape[1]);
    let rows = |features: &[&Feature]| features.iter().map(|feature| feature.values.clone()).collect::<Vec<_>>();
    let table = FeatureTable::new(stage, clips, columns, rows(features), labels)?;
    Ok(table.with_views(views.iter().map(|view| rows(view)).collect())?)
}

#[cfg(test)]
mod tests {
    use echo_metrics::Scores;
    use echo_report::{PredictionRow, Quantity, Truth};

    use super::*;

    fn ranks(bounds: &[i64]) -> RankSpec {
        let rank = |&up_to: &i64| echo_core::Rank { up_to, value: up_to as f32, prompt: up_to.to_string() };
        RankSpec { ranks: bounds.iter().map(rank).collect() }
    }

    #[test]
    fn thresholds_and_ranks_of_the_target_make_its_metrics() {
        let keys = |thresholds: &[u8], bounds: &[i64]| -> Vec<String> {
            metrics(thresholds, &ranks(bounds)).iter().map(Metric::key).collect()
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
    fn a_rank_that_no_resample_holds_costs_its_own_interval_alone() {
        let metrics = metrics(&[], &ranks(&[30, 100]));
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
