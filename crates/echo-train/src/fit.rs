//! The training loop.

use std::cell::Cell;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use echo_core::{AnyAdapter, Fitting, Prediction, Stage, Truth};
use echo_kernels::recomputing;
use echo_metrics::Epoch;
use echo_random::Stream;

use crate::blend::{Blend, no_pixels};
use crate::checkpoint::{Checkpoints, Progress, Saver, discard, resume};
use crate::objective::{Objective, Ranks, Soft, objective};
use crate::optimizer::factor;
use crate::schedule::learning_rate;
use crate::{Descent, Parameter, Samples, TrainConfig, TrainError, gradients, parameters};

/// Samples in a batch when predicting: memory is bounded, results do not depend on it.
const PREDICT_BATCH: usize = 256;

/// The same for clips.
const PREDICT_CLIPS: usize = 8;

/// A loss so many times its first value never comes back.
const DIVERGED: f64 = 1e4;

/// What training needs beside its settings.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// Shuffles follow it.
    pub seed: u64,
    /// Where samples go.
    pub device: &'a Device,
    /// Where training is saved, to go on after an interruption.
    pub checkpoints: Option<&'a Checkpoints>,
    /// What finds the best epoch.
    pub watched: Option<Watched<'a>>,
}

/// Samples that are predicted after every epoch, to find the best one: never those of the test split.
#[derive(Clone, Copy)]
pub struct Watched<'a> {
    /// The samples.
    pub samples: &'a dyn Samples,
    /// What is to become small, given the predictions as [`predict`] gives them.
    pub error: &'a dyn Fn(&[Vec<f32>]) -> f64,
}

impl<'a> FitContext<'a> {
    /// Neither saved nor watched.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self { seed, device, checkpoints: None, watched: None }
    }
}

impl std::fmt::Debug for FitContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let watched = self.watched.map(|watched| watched.samples.truths().len());
        let mut debug = f.debug_struct("FitContext");
        debug.field("seed", &self.seed).field("checkpoints", &self.checkpoints).field("watched", &watched).finish()
    }
}

/// The adapter after the epoch with the least error on what was watched; the earliest of equals.
#[derive(Clone, Debug)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// Its error, as [`Watched::error`] says.
    pub error: f64,
    /// The adapter, ready for inference.
    pub adapter: AnyAdapter,
}

/// A fitted adapter.
#[derive(Debug)]
pub struct Fitted {
    /// The adapter after the last epoch, ready for inference.
    pub adapter: AnyAdapter,
    /// The best epoch's, where samples were watched.
    pub best: Option<Best>,
    /// One entry per epoch.
    pub curve: Vec<Epoch>,
    /// Paths of parameters whose gradient was exactly zero in the first step without a reason known to the adapter.
    pub zero_gradients: Vec<String>,
}

/// Trains what requires gradients in `adapter` on `samples`.
///
/// Two runs with the same seed, samples and number of threads give the same bits, also when one of them was
/// interrupted and went on from its checkpoint.
///
/// An adapter that is solved at once is, and one that needs no fitting comes back as it is.
///
/// # Errors
/// Nothing to train or to train on, a parameter that the prediction does not depend on, or a loss that diverges.
pub fn fit(
    adapter: AnyAdapter,
    samples: &dyn Samples,
    config: &TrainConfig,
    context: &FitContext<'_>,
    mut on_epoch: impl FnMut(&Epoch),
) -> Result<Fitted, TrainError> {
    config.validate()?;
    let device = context.device;
    let truths = samples.truths();
    if truths.is_empty() && adapter.fitting() != Fitting::Nothing {
        return Err(TrainError::NoSamples);
    }
    let at_once = |adapter| Fitted { adapter, best: None, curve: Vec::new(), zero_gradients: Vec::new() };
    match adapter.fitting() {
        Fitting::Gradient => {}
        Fitting::Nothing => return Ok(at_once(adapter)),
        Fitting::ClosedForm => return Ok(at_once(solved(adapter, samples, config, device)?)),
    }
    let soft = &config.soft_targets;
    if !soft.is_off() && truths.iter().any(|truth| truth.class().is_none()) {
        return Err(TrainError::Config(
            "soft_targets are for tasks of one class each, not for values or labels".to_owned(),
        ));
    }
    if !soft.is_off() && adapter.weights_ordinally() {
        let reason = "soft_targets cannot be joined to ordinal weights of classes, which are those of one right class";
        return Err(TrainError::Config(reason.to_owned()));
    }
    if soft.mixes() && samples.stage() != Stage::Clip {
        return Err(no_pixels());
    }
    let trainable: Vec<Parameter> = parameters(&adapter).into_iter().filter(|parameter| parameter.trainable).collect();
    if trainable.is_empty() {
        return Err(TrainError::NothingTrains);
    }
    let rank_of = |truth: &Truth| Some(adapter.ranks()?.rank_of(truth.value()?));
    let ranks: Option<Vec<usize>> = truths.iter().map(rank_of).collect();
    let rate = |path: &str| factor(&config.rates, adapter.role(path));
    let mut descent = Descent::with_factors(&config.optimizer, config.clip_norm, &trainable, rate);
    let mut saver = context.checkpoints.map(|checkpoints| Saver::new(checkpoints, &trainable));
    let resumed = match context.checkpoints {
        Some(checkpoints) => resume(&adapter, &mut descent.stepper, checkpoints, &trainable, device)?,
        None => None,
    };
    let adapter = match &resumed {
        None if adapter.solves_first() => solved(adapter, samples, config, device)?,
        _ => adapter,
    };
    let mut progress =
        resumed.unwrap_or(Progress { adapter, best: None, curve: Vec::new(), zero_gradients: Vec::new() });
    progress.adapter = progress.adapter.train();

    let mut first_loss = progress.curve.first().map(|epoch| epoch.loss);
    for epoch in progress.curve.len()..config.epochs {
        let lr = learning_rate(config, epoch);
        let mut order: Vec<usize> = (0..truths.len()).collect();
        Stream::new(context.seed, "train/shuffle", epoch as u64).shuffle(&mut order);
        let mut mean = Epoch { epoch: epoch + 1, lr, ..Epoch::default() };
        for (step, indices) in order.chunks(config.batch).enumerate() {
            let ranks = ranks.as_deref();
            let batch = Batch { samples, indices, epoch, step, ranks, config, seed: context.seed, device };
            let (losses, gradients) = batch.gradients(&progress.adapter)?;
            let diverged = |loss: f64| TrainError::Diverged { epoch: epoch + 1, step: step + 1, loss, lr };
            let loss = f64::from(losses.total.into_scalar::<f32>());
            let first = *first_loss.get_or_insert(loss);
            if !loss.is_finite() || loss > DIVERGED * first.max(1.0) {
                return Err(diverged(loss));
            }
            let share = indices.len() as f64 / truths.len() as f64;
            mean.loss += share * loss;
            mean.cross_entropy += share * losses.cross_entropy;
            mean.kl += share * losses.kl;
            mean.l1 += share * losses.l1;
            if epoch == 0 && step == 0 {
                progress.zero_gradients = gradients::check(&progress.adapter, &gradients, &trainable)?;
            }
            progress.adapter = descent.step(lr, progress.adapter, gradients).map_err(diverged)?;
        }
        if let Some(watched) = context.watched {
            let adapter = progress.adapter.valid();
            let error = (watched.error)(&predict(&adapter, watched.samples, device)?);
            mean.watched = Some(error);
            if progress.best.as_ref().is_none_or(|best| error < best.error) {
                progress.best = Some(Best { epoch: epoch + 1, error, adapter });
            }
        }
        on_epoch(&mean);
        progress.curve.push(mean);
        if let Some(saver) = &mut saver {
            saver.save(&progress, &descent.stepper)?;
        }
    }
    if let Some(checkpoints) = context.checkpoints {
        discard(checkpoints)?;
    }
    let Progress { adapter, best, curve, zero_gradients } = progress;
    Ok(Fitted { adapter: adapter.valid(), best, curve, zero_gradients })
}

/// Whether a stage's features are large: clips, each of which runs through the whole encoder, and all their tokens.
fn is_large(stage: Stage) -> bool {
    matches!(stage, Stage::Tokens | Stage::Clip)
}

/// The adapter solved for all samples as they are without augmentation.
fn solved(
    mut adapter: AnyAdapter,
    samples: &dyn Samples,
    config: &TrainConfig,
    device: &Device,
) -> Result<AnyAdapter, TrainError> {
    let truths = samples.truths();
    let inference = adapter.valid();
    let size = if is_large(samples.stage()) { PREDICT_CLIPS } else { config.batch };
    let (mut batches, mut order) = (Vec::new(), Vec::new());
    for group in samples.groups(&(0..truths.len()).collect::<Vec<_>>()) {
        for indices in group.chunks(size) {
            batches.push(inference.represent(samples.batch(indices, None, device)?));
            order.extend(indices.iter().map(|&index| truths[index].clone()));
        }
    }
    adapter.solve(batches, &order);
    Ok(adapter)
}

/// One step's samples.
struct Batch<'a> {
    samples: &'a dyn Samples,
    indices: &'a [usize],
    epoch: usize,
    step: usize,
    ranks: Option<&'a [usize]>,
    config: &'a TrainConfig,
    seed: u64,
    device: &'a Device,
}

impl Batch<'_> {
    /// The losses of the whole batch and their gradients.
    fn gradients(&self, adapter: &AnyAdapter) -> Result<(Objective, GradientsParams), TrainError> {
        let groups = self.samples.groups(self.indices);
        let most = self.config.micro_batch.unwrap_or(usize::MAX);
        let parts: Vec<&[usize]> = groups.iter().flat_map(|group| group.chunks(most)).collect();
        // Losses look at the whole batch, in the order of its parts.
        let order: Vec<usize> = parts.iter().copied().flatten().copied().collect();
        let step = (self.epoch as u64) << 32 | self.step as u64;
        let blend = Blend::draw(&self.config.soft_targets, &groups, self.seed, step);
        // How much of a target is a sample's own: the same for all, since clips have one size.
        let share = Cell::new(1.0);
        let forward = |adapter: &AnyAdapter, part: &[usize]| -> Result<Prediction, TrainError> {
            let load = |part: &[usize]| self.samples.batch(part, Some(self.epoch), self.device);
            let features = match &blend {
                None => load(part)?,
                Some(blend) => {
                    let (mixed, own) = blend.features(load(part)?, load(&blend.partners(part))?)?;
                    share.set(own);
                    mixed
                }
            };
            Ok(recomputing(self.config.recompute, || adapter.forward(features)))
        };
        if self.indices.len() <= most {
            let predictions = parts.iter().map(|part| forward(adapter, part)).collect::<Result<_, _>>()?;
            let mixed = blend.as_ref().map(|blend| (blend, share.get()));
            let losses = self.losses(adapter, joined(predictions), &order, mixed)?;
            let gradients = GradientsParams::from_grads(losses.total.backward(), adapter);
            return Ok((losses, gradients));
        }

        // Not all at once: first the predictions without a graph, to which the losses' gradients are found; then each
        // part again, with a graph from its predictions down.
        let inference = adapter.valid();
        let predictions: Vec<Prediction> =
            parts.iter().map(|part| forward(&inference, part)).collect::<Result<_, _>>()?;
        let whole = joined(predictions);
        let (value, logits) = tensors(&whole);
        let value = value.map(|value| Tensor::from_inner(value).require_grad());
        let logits = logits.map(|logits| Tensor::from_inner(logits).require_grad());
        let mixed = blend.as_ref().map(|blend| (blend, share.get()));
        let losses = self.losses(adapter, with_tensors(&whole, value.clone(), logits.clone()), &order, mixed)?;
        let found = losses.total.backward();
        let value = value.and_then(|value| value.grad(&found));
        let logits = logits.and_then(|logits| logits.grad(&found));
        let mut accumulated = GradientsAccumulator::new();
        // What depends on parameters alone.
        accumulated.accumulate(adapter, GradientsParams::from_grads(found, adapter));
        let mut from = 0;
        for part in parts {
            let (of_value, of_logits) = tensors(&forward(adapter, part)?);
            // The derivative of this sum is the losses' by the chain rule.
            let mut terms = Vec::new();
            if let (Some(found), Some(weights)) = (of_value, &value) {
                let weights = Tensor::from_inner(weights.clone().narrow(0, from, part.len()));
                terms.push((found * weights).sum());
            }
            if let (Some(logits), Some(weights)) = (of_logits, &logits) {
                let weights = Tensor::from_inner(weights.clone().narrow(0, from, part.len()));
                terms.push((logits * weights).sum());
            }
            from += part.len();
            if let Some(sum) = terms.into_iter().reduce(|sum, term| sum + term) {
                accumulated.accumulate(adapter, GradientsParams::from_grads(sum.backward(), adapter));
            }
        }
        Ok((losses, accumulated.grads()))
    }

    /// Of predictions of the samples `order`, which may be mixed with others, and of the parameters.
    fn losses(
        &self,
        adapter: &AnyAdapter,
        prediction: Prediction,
        order: &[usize],
        mixed: Option<(&Blend, f64)>,
    ) -> Result<Objective, TrainError> {
        let of =
            |samples: &[usize]| -> Vec<&Truth> { samples.iter().map(|&index| &self.samples.truths()[index]).collect() };
        let truths = of(order);
        let soft = &self.config.soft_targets;
        let soft = (!soft.is_off()).then(|| Soft {
            smoothing: soft.smoothing,
            mixed: mixed.map(|(blend, share)| (of(&blend.partners(order)), share)),
        });
        let ranks: Option<Vec<usize>> = self.ranks.map(|ranks| order.iter().map(|&index| ranks[index]).collect());
        let ranks = Ranks { of_samples: ranks.as_deref(), ordinal: adapter.weights_ordinally() };
        let losses = objective(prediction, &truths, ranks, soft.as_ref(), &self.config.loss)?;
        Ok(match adapter.penalty() {
            Some(penalty) => Objective { total: losses.total + penalty, ..losses },
            None => losses,
        })
    }
}

/// For every sample, in their order, its value, or the probability of every class or label.
///
/// # Errors
/// [`TrainError::NotANumber`] for the first prediction that is not finite.
pub fn predict(adapter: &AnyAdapter, samples: &dyn Samples, device: &Device) -> Result<Vec<Vec<f32>>, TrainError> {
    let count = samples.truths().len();
    let mut predictions = vec![Vec::new(); count];
    let size = if is_large(samples.stage()) { PREDICT_CLIPS } else { PREDICT_BATCH };
    for group in samples.groups(&(0..count).collect::<Vec<_>>()) {
        for indices in group.chunks(size) {
            let rows = adapter.predict(samples.batch(indices, None, device)?);
            indices.iter().zip(rows).for_each(|(&index, row)| predictions[index] = row);
        }
    }
    let is_wrong = |row: &Vec<f32>| row.is_empty() || row.iter().any(|number| !number.is_finite());
    match predictions.iter().position(is_wrong) {
        Some(index) => Err(TrainError::NotANumber(index)),
        None => Ok(predictions),
    }
}

/// Predictions of several groups as one.
fn joined(mut predictions: Vec<Prediction>) -> Prediction {
    if predictions.len() == 1 {
        return predictions.remove(0);
    }
    let (values, logits): (Vec<_>, Vec<_>) = predictions.iter().map(tensors).unzip();
    let values: Option<Vec<Tensor<1>>> = values.into_iter().collect();
    let logits: Option<Vec<Tensor<2>>> = logits.into_iter().collect();
    let (values, logits) = (values.map(|values| Tensor::cat(values, 0)), logits.map(|logits| Tensor::cat(logits, 0)));
    with_tensors(&predictions[0], values, logits)
}

/// What gradients flow through: values, and logits of ranks, classes or labels.
fn tensors(prediction: &Prediction) -> (Option<Tensor<1>>, Option<Tensor<2>>) {
    match prediction {
        Prediction::Values { value, ranks } => (Some(value.clone()), ranks.clone()),
        Prediction::Classes(logits) | Prediction::Labels(logits) => (None, Some(logits.clone())),
    }
}

/// A prediction of the same kind from other [`tensors`].
fn with_tensors(like: &Prediction, value: Option<Tensor<1>>, logits: Option<Tensor<2>>) -> Prediction {
    match (like, value, logits) {
        (Prediction::Values { .. }, Some(value), ranks) => Prediction::Values { value, ranks },
        (Prediction::Classes(_), _, Some(logits)) => Prediction::Classes(logits),
        (Prediction::Labels(_), _, Some(logits)) => Prediction::Labels(logits),
        (like, ..) => like.clone(),
    }
}
