//! The training loop.

use burn::module::{ModuleVisitor, Param, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use echo_core::{Adapter, Fitting, Prediction, Stage};
use echo_random::Stream;

use crate::losses::{cross_entropy, l1, ordinal_kl};
use crate::{OptimizerConfig, Parameter, Samples, TrainConfig, TrainError, learning_rate, parameters};

/// Samples in a batch when predicting: memory is bounded, results do not depend on it.
const PREDICT_BATCH: usize = 256;

/// The same for clips.
const PREDICT_CLIPS: usize = 8;

/// Mean losses of one epoch.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weighted sum of the losses.
    pub loss: f64,
    /// Cross-entropy, where there are ranks.
    pub cross_entropy: f64,
    /// Divergence, where there are ranks.
    pub kl: f64,
    /// Absolute error.
    pub l1: f64,
}

/// A fitted adapter.
#[derive(Debug)]
pub struct Fitted<A> {
    /// The adapter, ready for inference.
    pub adapter: A,
    /// One entry per epoch.
    pub curve: Vec<Epoch>,
    /// Paths of parameters whose gradient was exactly zero in the first step without a reason known to the adapter.
    pub zero_gradients: Vec<String>,
}

/// Trains what requires gradients in `adapter` on `samples`.
///
/// Shuffles follow `seed`; two runs with the same seed, samples and number of threads give the same bits.
///
/// An adapter that is solved at once is, and one that needs no fitting comes back as it is.
///
/// # Errors
/// Nothing to train or to train on, a parameter that the prediction does not depend on, or a loss that diverges.
pub fn fit<A: Adapter>(
    adapter: A,
    samples: &dyn Samples,
    config: &TrainConfig,
    seed: u64,
    device: &Device,
    mut on_epoch: impl FnMut(&Epoch),
) -> Result<Fitted<A>, TrainError> {
    config.validate()?;
    let targets = samples.targets();
    if targets.is_empty() && adapter.fitting() != Fitting::Nothing {
        return Err(TrainError::NoSamples);
    }
    let all: Vec<usize> = (0..targets.len()).collect();
    let at_once = |adapter| Fitted { adapter, curve: Vec::new(), zero_gradients: Vec::new() };
    match adapter.fitting() {
        Fitting::Gradient => {}
        Fitting::Nothing => return Ok(at_once(adapter)),
        Fitting::ClosedForm => {
            let (mut batches, mut order) = (Vec::new(), Vec::new());
            for group in samples.groups(&all).iter().flat_map(|group| group.chunks(config.batch)) {
                batches.push(samples.batch(group, None, device)?);
                order.extend(group.iter().map(|&index| targets[index]));
            }
            return Ok(at_once(adapter.solve(batches, &order)));
        }
    }
    let trainable: Vec<Parameter> = parameters(&adapter).into_iter().filter(|parameter| parameter.trainable).collect();
    if trainable.is_empty() {
        return Err(TrainError::NothingTrains);
    }
    let ranks: Option<Vec<usize>> =
        adapter.ranks().map(|spec| targets.iter().map(|&target| spec.rank_of(target)).collect());

    let mut adapter = adapter.train();
    let mut optimizer = optimizer(&config.optimizer);
    let mut curve = Vec::with_capacity(config.epochs);
    let mut zero_gradients = Vec::new();
    for epoch in 0..config.epochs {
        let lr = learning_rate(config, epoch);
        let mut order: Vec<usize> = (0..targets.len()).collect();
        Stream::new(seed, "train/shuffle", epoch as u64).shuffle(&mut order);
        let mut mean = Epoch { epoch: epoch + 1, lr, ..Epoch::default() };
        for (step, indices) in order.chunks(config.batch).enumerate() {
            let groups = samples.groups(indices);
            let mut predictions = Vec::with_capacity(groups.len());
            for group in &groups {
                predictions.push(adapter.forward(samples.batch(group, Some(epoch), device)?));
            }
            // Losses look at the whole batch, in the order of its groups.
            let indices: Vec<usize> = groups.into_iter().flatten().collect();
            let prediction = joined(predictions);
            let batch_targets: Vec<f32> = indices.iter().map(|&i| targets[i]).collect();
            let batch_ranks: Option<Vec<usize>> =
                ranks.as_ref().map(|ranks| indices.iter().map(|&i| ranks[i]).collect());
            let (loss, parts) = weighted_loss(prediction, &batch_targets, batch_ranks.as_deref(), config)?;
            let value = loss.clone().into_scalar::<f32>();
            if !value.is_finite() {
                return Err(TrainError::Diverged { epoch: epoch + 1, step: step + 1, loss: value, lr });
            }
            let share = indices.len() as f64 / targets.len() as f64;
            mean.loss += share * f64::from(value);
            mean.cross_entropy += share * parts[0];
            mean.kl += share * parts[1];
            mean.l1 += share * parts[2];

            let gradients = GradientsParams::from_grads(loss.backward(), &adapter);
            if epoch == 0 && step == 0 {
                zero_gradients = check_gradients(&adapter, &gradients, &trainable)?;
            }
            adapter = optimizer.step(lr, adapter, gradients);
        }
        on_epoch(&mean);
        curve.push(mean);
    }
    Ok(Fitted { adapter: adapter.valid(), curve, zero_gradients })
}

/// Predictions for all samples, in their order.
///
/// # Errors
/// [`TrainError::NotANumber`] for the first prediction that is not finite.
pub fn predict<A: Adapter>(adapter: &A, samples: &dyn Samples, device: &Device) -> Result<Vec<f32>, TrainError> {
    let count = samples.targets().len();
    let mut predictions = vec![f32::NAN; count];
    // Clips are large, and each runs through the whole encoder.
    let size = if samples.stage() == Stage::Clip { PREDICT_CLIPS } else { PREDICT_BATCH };
    for group in samples.groups(&(0..count).collect::<Vec<_>>()) {
        for indices in group.chunks(size) {
            let value = adapter.forward(samples.batch(indices, None, device)?).value;
            indices.iter().zip(value.into_data().iter::<f32>()).for_each(|(&index, value)| predictions[index] = value);
        }
    }
    match predictions.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(TrainError::NotANumber(index)),
        None => Ok(predictions),
    }
}

/// Predictions of several groups as one.
fn joined(mut predictions: Vec<Prediction>) -> Prediction {
    if predictions.len() == 1 {
        return predictions.remove(0);
    }
    let logits: Option<Vec<_>> = predictions.iter().map(|prediction| prediction.logits.clone()).collect();
    Prediction {
        value: Tensor::cat(predictions.into_iter().map(|prediction| prediction.value).collect(), 0),
        logits: logits.map(|logits| Tensor::cat(logits, 0)),
    }
}

fn optimizer(config: &OptimizerConfig) -> ModuleOptimizer {
    match *config {
        OptimizerConfig::Sgd { momentum, weight_decay, .. } => {
            let mut sgd = SgdConfig::new();
            if momentum > 0.0 {
                let momentum = MomentumConfig { momentum, dampening: 0.0, nesterov: false };
                sgd = sgd.with_momentum(Some(momentum));
            }
            if weight_decay > 0.0 {
                sgd = sgd.with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)));
            }
            sgd.init()
        }
        OptimizerConfig::AdamW { weight_decay, .. } => {
            // Burn's default epsilon is 1e-5; PyTorch's 1e-8 is what recipes are written for.
            AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(weight_decay as f32).init()
        }
    }
}

/// The weighted sum as a tensor, and its parts unweighted: cross-entropy, divergence, absolute error.
fn weighted_loss(
    prediction: Prediction,
    targets: &[f32],
    ranks: Option<&[usize]>,
    config: &TrainConfig,
) -> Result<(Tensor<1>, [f64; 3]), TrainError> {
    let weights = config.loss;
    let mut losses = Vec::new();
    if let (Some(logits), Some(ranks)) = (prediction.logits, ranks) {
        if weights.cross_entropy > 0.0 {
            losses.push((0, weights.cross_entropy, cross_entropy(logits.clone(), ranks)));
        }
        if weights.kl > 0.0 {
            losses.push((1, weights.kl, ordinal_kl(logits, ranks)));
        }
    }
    if weights.l1 > 0.0 {
        losses.push((2, weights.l1, l1(prediction.value, targets)));
    }
    let mut parts = [0.0; 3];
    for (slot, _, loss) in &losses {
        parts[*slot] = f64::from(loss.clone().into_scalar::<f32>());
    }
    let total = losses.into_iter().map(|(_, weight, loss)| loss * weight).reduce(|sum, loss| sum + loss);
    let total =
        total.ok_or_else(|| TrainError::Config("the adapter has no ranks, so loss.l1 needs a weight".to_owned()))?;
    Ok((total, parts))
}

/// Paths of trainable parameters whose gradient is all zero, unless the adapter says why.
///
/// # Errors
/// [`TrainError::OutsideGraph`] for those that have none.
fn check_gradients<A: Adapter>(
    adapter: &A,
    gradients: &GradientsParams,
    trainable: &[Parameter],
) -> Result<Vec<String>, TrainError> {
    let mut norms = Norms { gradients, found: Vec::new() };
    adapter.visit(&mut norms);
    let norm = |id: ParamId| norms.found.iter().find(|(found, _)| *found == id).map(|(_, norm)| *norm);
    let outside: Vec<String> =
        trainable.iter().filter(|parameter| norm(parameter.id).is_none()).map(|p| p.path.clone()).collect();
    if !outside.is_empty() {
        return Err(TrainError::OutsideGraph(outside));
    }
    let zero: Vec<String> = trainable
        .iter()
        .filter(|parameter| norm(parameter.id) == Some(0.0) && adapter.zero_gradient_reason(&parameter.path).is_none())
        .map(|parameter| parameter.path.clone())
        .collect();
    for path in &zero {
        tracing::warn!("the gradient of {path} is zero in the first step");
    }
    Ok(zero)
}

struct Norms<'a> {
    gradients: &'a GradientsParams,
    found: Vec<(ParamId, f32)>,
}

impl ModuleVisitor for Norms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.found.push((param.id, gradient.abs().max().into_scalar::<f32>()));
        }
    }
}
