//! The weighted sum of losses that is descended.

use burn::tensor::{Tensor, TensorData};
use echo_core::Prediction;

use crate::losses::{cross_entropy, huber, l1, ordinal_kl, ordinal_weights};
use crate::{LossWeights, TrainError};

/// What predictions of a batch are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    /// In the target's own unit, `[batch]`.
    pub(crate) targets: &'a [f32],
    /// Their ranks, for adapters that have any.
    pub(crate) ranks: Option<&'a [usize]>,
    /// Whether logits of wrong ranks are weighted by their distance.
    pub(crate) ordinal: bool,
}

/// The losses of a batch.
#[derive(Debug)]
pub(crate) struct Objective {
    /// `[1]`
    pub(crate) total: Tensor<1>,
    pub(crate) cross_entropy: f64,
    pub(crate) kl: f64,
    /// Absolute error.
    pub(crate) l1: f64,
}

/// The weighted sum as a tensor, and its parts unweighted.
///
/// # Errors
/// No loss with a weight applies.
pub(crate) fn objective(
    prediction: Prediction,
    labels: Labels<'_>,
    weights: &LossWeights,
) -> Result<Objective, TrainError> {
    let mut terms: Vec<Tensor<1>> = Vec::new();
    let mut term = |weight: f64, loss: Tensor<1>| {
        let value = f64::from(loss.clone().into_scalar::<f32>());
        terms.push(loss * weight);
        value
    };
    let (mut ce, mut kl, mut absolute) = (0.0, 0.0, 0.0);
    if let (Some(logits), Some(ranks)) = (prediction.logits, labels.ranks) {
        let weighted = |over_batch: bool| match labels.ordinal {
            true => {
                let [batch, classes] = logits.dims();
                let factors = TensorData::new(ordinal_weights(ranks, classes, over_batch), [batch, classes]);
                logits.clone() * Tensor::<2>::from_data(factors, &logits.device())
            }
            false => logits.clone(),
        };
        if weights.cross_entropy > 0.0 {
            ce = term(weights.cross_entropy, cross_entropy(weighted(false), ranks));
        }
        if weights.kl > 0.0 {
            kl = term(weights.kl, ordinal_kl(weighted(true), ranks));
        }
    }
    if weights.l1 > 0.0 {
        absolute = term(weights.l1, l1(prediction.value.clone(), labels.targets));
    }
    if weights.huber > 0.0 {
        term(weights.huber, huber(prediction.value, labels.targets));
    }
    let total = terms.into_iter().reduce(|sum, loss| sum + loss).ok_or_else(|| {
        TrainError::Config("the adapter has no ranks, so loss.l1 or loss.huber needs a weight".to_owned())
    })?;
    Ok(Objective { total, cross_entropy: ce, kl, l1: absolute })
}
