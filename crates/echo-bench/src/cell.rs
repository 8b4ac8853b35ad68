//! One cell: fit on its training videos, predict and score the test videos.

use std::time::Instant;

use burn::tensor::Device;
use echo_adapt::{AdapterEntry, BuildContext};
use echo_core::{Adapter, RankSpec, Stage};
use echo_data::Feature;
use echo_metrics::{BootstrapOptions, Scores, score};
use echo_train::{Epoch, FeatureTable, fit, parameters, predict};
use echo_weights::Built;

use crate::runs::{ParameterCounts, Seconds};
use crate::{BenchError, Recipe};

/// What a cell is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingredients<'a> {
    pub(crate) built: &'a Built,
    pub(crate) entry: &'static AdapterEntry,
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
    /// Fits on `train` and scores on `test`, each features and labels.
    pub(crate) fn run(
        &self,
        train: (&[&Feature], &[f32]),
        test: (&[&Feature], &[f32]),
    ) -> Result<CellOutput, BenchError> {
        let started = Instant::now();
        let context = BuildContext { encoder: &self.built.encoder, ranks: self.ranks, seed: self.seed };
        let adapter = (self.entry.build)(&self.recipe.adapter, &context)?;
        let all = parameters(&adapter);
        let trainable: Vec<_> = all.iter().filter(|parameter| parameter.trainable).collect();
        let counts = ParameterCounts {
            trainable: trainable.iter().map(|parameter| parameter.count()).sum(),
            total: all.iter().map(|parameter| parameter.count()).sum(),
        };
        let trainable = trainable.iter().map(|parameter| format!("{} {:?}", parameter.path, parameter.shape)).collect();
        let train = table(adapter.stage(), train)?;
        let fitted = fit(adapter, &train, &self.recipe.train, self.seed, self.device, |epoch| {
            tracing::debug!("epoch {}: loss {:.4}, lr {:.2e}", epoch.epoch, epoch.loss, epoch.lr);
        })?;
        let fit_seconds = started.elapsed().as_secs_f64();

        let started = Instant::now();
        let labels = test.1;
        let test = table(fitted.adapter.stage(), test)?;
        let predictions = predict(&fitted.adapter, &test, self.device)?;
        let scores = scores(labels, &predictions, self.bootstrap)?;
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

fn table(stage: Stage, (features, labels): (&[&Feature], &[f32])) -> Result<FeatureTable, BenchError> {
    let row = features.first().map_or([0, 0], |feature| feature.shape);
    let values = features.iter().flat_map(|feature| feature.values.iter().copied()).collect();
    Ok(FeatureTable::new(stage, row, values, labels.to_vec())?)
}
