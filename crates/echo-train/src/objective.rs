//! The weighted sum of losses that is descended.

use burn::tensor::{Tensor, TensorData};
use echo_core::{Prediction, Truth};

use crate::losses::{binary_cross_entropy, cross_entropy, huber, l1, ordinal_kl, ordinal_weights};
use crate::{LossWeights, TrainError};

/// The order of a batch's ranks or grades.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranks<'a> {
    /// The samples' ranks, for adapters of a regression that have any.
    pub(crate) of_samples: Option<&'a [usize]>,
    /// Whether logits of wrong ranks or grades are weighted by their distance.
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

/// The weighted sum as a tensor, and its parts unweighted. Weights are of losses of a regression: classes and labels have
/// the cross-entropy alone.
///
/// # Errors
/// No loss with a weight applies, or labels and predictions are of different kinds.
pub(crate) fn objective(
    prediction: Prediction,
    truths: &[&Truth],
    ranks: Ranks<'_>,
    weights: &LossWeights,
) -> Result<Objective, TrainError> {
    let of_classes = |loss: Tensor<1>| {
        let cross_entropy = f64::from(loss.clone().into_scalar::<f32>());
        Objective { total: loss, cross_entropy, kl: 0.0, l1: 0.0 }
    };
    match prediction {
        Prediction::Values { value, ranks: logits } => {
            let values =
                truths.iter().map(|truth| truth.value()).collect::<Option<Vec<f32>>>().ok_or(TrainError::Kind)?;
            of_values(value, logits, &values, ranks, weights)
        }
        Prediction::Classes(logits) => {
            let classes =
                truths.iter().map(|truth| truth.class()).collect::<Option<Vec<_>>>().ok_or(TrainError::Kind)?;
            let logits = if ranks.ordinal { weighted(logits, &classes, false) } else { logits };
            Ok(of_classes(cross_entropy(logits, &classes)))
        }
        Prediction::Labels(logits) => {
            let labels =
                truths.iter().map(|truth| truth.labels()).collect::<Option<Vec<_>>>().ok_or(TrainError::Kind)?;
            Ok(of_classes(binary_cross_entropy(logits, &labels)))
        }
    }
}

/// Logits of wrong ranks weighted by their distance from the right one.
fn weighted(logits: Tensor<2>, ranks: &[usize], over_batch: bool) -> Tensor<2> {
    let [batch, classes] = logits.dims();
    let factors = TensorData::new(ordinal_weights(ranks, classes, over_batch), [batch, classes]);
    let factors = Tensor::<2>::from_data(factors, &logits.device());
    logits * factors
}

fn of_values(
    value: Tensor<1>,
    logits: Option<Tensor<2>>,
    targets: &[f32],
    ranks: Ranks<'_>,
    weights: &LossWeights,
) -> Result<Objective, TrainError> {
    let mut terms: Vec<Tensor<1>> = Vec::new();
    let mut term = |weight: f64, loss: Tensor<1>| {
        let value = f64::from(loss.clone().into_scalar::<f32>());
        terms.push(loss * weight);
        value
    };
    let (mut ce, mut kl, mut absolute) = (0.0, 0.0, 0.0);
    if let (Some(logits), Some(of_samples)) = (logits, ranks.of_samples) {
        let logits = |over_batch: bool| match ranks.ordinal {
            true => weighted(logits.clone(), of_samples, over_batch),
            false => logits.clone(),
        };
        if weights.cross_entropy > 0.0 {
            ce = term(weights.cross_entropy, cross_entropy(logits(false), of_samples));
        }
        if weights.kl > 0.0 {
            kl = term(weights.kl, ordinal_kl(logits(true), of_samples));
        }
    }
    if weights.l1 > 0.0 {
        absolute = term(weights.l1, l1(value.clone(), targets));
    }
    if weights.huber > 0.0 {
        term(weights.huber, huber(value, targets));
    }
    let total = terms.into_iter().reduce(|sum, loss| sum + loss).ok_or_else(|| {
        TrainError::Config("the adapter has no ranks, so loss.l1 or loss.huber needs a weight".to_owned())
    })?;
    Ok(Objective { total, cross_entropy: ce, kl, l1: absolute })
}
