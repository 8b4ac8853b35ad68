//! One cell: fit on its training videos, predict and score the test videos.

use std::time::Instant;

use burn::tensor::Device;
use echo_adapt::{Adapted, AdapterEntry, BuildContext};
use echo_core::{RankSpec, Stage};
use echo_data::Feature;
use echo_metrics::{BootstrapOptions, Scores, score};
use echo_train::{Epoch, FeatureTable, FitContext, Samples, fit, parameters, predict};
use echo_weights::Built;

use crate::runs::{ParameterCounts, Seconds};
use crate::{BenchError, Recipe};

/// What a cell is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingredients<'a> {
    pub(crate) built: &'a Built,
    pub(crate) entries: &'a [&'static AdapterEntry],
    /// An encoder that lends its text tower.
    pub(crate) text: Option<&'a Built>,
    pub(crate) recipe: &'a Recipe,
    pub(crate) ranks: &'a RankSpec,
    pub(crate) seed: u64,
    pub(crate) bootstrap: usize,
    pub(crate) device: &'a Device,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct CellOutput {
    pub(crate) predictions: Vec<f32>,
    pub(crate) scores: Scores,
    pub(crate) curve: Vec<Epoch>,
    pub(crate) parameters: ParameterCounts,
    /// Paths and shapes of the parameters that train.
    pub(crate) trainable: Vec<String>,
    pub(crate) seconds: Seconds,
}

impl Ingredients<'_> {
    /// The adapter before it is fitted.
    pub(crate) fn build(&self) -> Result<Adapted, BenchError> {
        let context = BuildContext {
            encoder: &self.built.encoder,
            text: self.text.map(|text| &text.encoder),
            ranks: self.ranks,
            seed: self.seed,
        };
        Ok(echo_adapt::build(self.entries, &self.recipe.adapter, &context)?)
    }

    /// Fits on `train` and scores on `test`.
    pub(crate) fn run(&self, train: &dyn Samples, test: &dyn Samples) -> Result<CellOutput, BenchError> {
        let started = Instant::now();
        let adapter = self.build()?;
        let all = parameters(&adapter);
        let trainable: Vec<_> = all.iter().filter(|parameter| parameter.trainable).collect();
        let counts = ParameterCounts {
            trainable: trainable.iter().map(|parameter| parameter.count()).sum(),
            total: all.iter().map(|parameter| parameter.count()).sum(),
        };
        let trainable = trainable.iter().map(|parameter| format!("{} {:?}", parameter.path, parameter.shape)).collect();
        let context = FitContext::new(self.seed, self.device);
        let fitted = fit(adapter, train, &self.recipe.train, &context, |epoch| {
            tracing::debug!("epoch {}: loss {:.4}, lr {:.2e}", epoch.epoch, epoch.loss, epoch.lr);
        })?;
        let fit_seconds = started.elapsed().as_secs_f64();

        let started = Instant::now();
        let predictions = predict(&fitted.adapter, test, self.device)?;
        let scores = scores(test.targets(), &predictions, self.bootstrap)?;
        let seconds = Seconds { fit: fit_seconds, evaluate: started.elapsed().as_secs_f64() };
        Ok(CellOutput { predictions, scores, curve: fitted.curve, parameters: counts, trainable, seconds })
    }
}

/// All metrics of `predictions`, with intervals from `samples` resamples. Every row uses the same resamples.
pub(crate) fn scores(labels: &[f32], predictions: &[f32], samples: usize) -> Result<Scores, BenchError> {
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
    Ok(score(&wide(labels), &wide(predictions), &options)?)
}

/// Cached features as samples.
pub(crate) fn table(
    stage: Stage,
    clips: usize,
    features: &[&Feature],
    labels: Vec<f32>,
) -> Result<FeatureTable, BenchError> {
    let columns = features.first().map_or(1, |feature| feature.shape[1]);
    let rows = features.iter().map(|feature| feature.values.clone()).collect();
    Ok(FeatureTable::new(stage, clips, columns, rows, labels)?)
}
