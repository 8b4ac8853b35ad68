//! The weighted sum of losses that is descended.

use burn::tensor::{Tensor, TensorData};
use echo_core::{Prediction, Truth};

use crate::losses::{binary_cross_entropy, cross_entropy, huber, l1, ordinal_kl, ordinal_weights, soft_cross_entropy};
use crate::{LossWeights, TrainError};

/// The order of a batch's ranks or grades.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranks<'a> {
    /// The samples' ranks, for adapters of a regression that have any.
    pub(crate) of_samples: Option<&'a [usize]>,
    /// Whether logits of wrong ranks or grades are weighted by their distance.
    pub(crate) ordinal: bool,
}

/// Targets that are not all of one class.
#[derive(Clone, Debug)]
pub(crate) struct Soft<'a> {
    /// What is spread evenly over all classes.
    pub(crate) smoothing: f64,
    /// What is true of the samples that were mixed in, and how much of each target is a sample's own.
    pub(crate) mixed: Option<(Vec<&'a Truth>, f64)>,
}

impl Soft<'_> {
    /// Distributions over `count` classes of samples of these classes, one after the other.
    fn distributions(&self, classes: &[usize], count: usize) -> Option<Vec<f32>> {
        let spread = self.smoothing / count as f64;
        let (others, share) = match &self.mixed {
            Some((others, share)) => (others.iter().map(|truth| truth.class()).collect::<Option<Vec<_>>>()?, *share),
            None => (classes.to_vec(), 1.0),
        };
        let mut targets = vec![spread as f32; classes.len() * count];
        for (row, (&own, &other)) in targets.chunks_exact_mut(count).zip(classes.iter().zip(&others)) {
            row[own] += ((1.0 - self.smoothing) * share) as f32;
            row[other] += ((1.0 - self.smoothing) * (1.0 - share)) as f32;
        }
        Some(targets)
    }
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
/// the cross-entropy alone. Targets are soft of classes alone.
///
/// # Errors
/// No loss with a weight applies, or labels and predictions are of different kinds.
pub(crate) fn objective(
    prediction: Prediction,
    truths: &[&Truth],
    ranks: Ranks<'_>,
    soft: Option<&Soft<'_>>,
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
            let Some(soft) = soft else {
                let logits = if ranks.ordinal { weighted(logits, &classes, false) } else { logits };
                return Ok(of_classes(cross_entropy(logits, &classes)));
            };
            let [_, count] = logits.dims();
            let targets = soft.distributions(&classes, count).ok_or(TrainError::Kind)?;
            Ok(of_classes(soft_cross_entropy(logits, targets)))
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const WEIGHTS: LossWeights = LossWeights { cross_entropy: 1.0, kl: 0.0, l1: 0.0, huber: 0.0 };

    /// Four samples of the classes 1, 0, 2, 2, of three.
    fn loss(soft: Option<&Soft<'_>>) -> Tensor<1> {
        let logits = Tensor::<2>::from_floats(
            [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 0.8, 0.1], [2.2, -1.3, 0.9]],
            &Device::flex(),
        );
        let truths = [1, 0, 2, 2].map(Truth::Class);
        let truths: Vec<&Truth> = truths.iter().collect();
        let ranks = Ranks { of_samples: None, ordinal: false };
        objective(Prediction::Classes(logits), &truths, ranks, soft, &WEIGHTS).unwrap().total
    }

    /// Numbers of torch 2.15 in float64. `F.cross_entropy(x, y, label_smoothing=0.1)`; with `t = F.one_hot(y, 3) * 0.9 + 0.1 / 3`,
    /// `F.cross_entropy(x, 0.7 * t + 0.3 * t[[2, 0, 3, 1]])`.
    #[test]
    fn soft_targets_give_the_losses_of_torch() {
        let near = |soft: Soft<'_>, expected: f32| {
            let found = loss(Some(&soft)).into_scalar::<f32>();
            assert!((found - expected).abs() < 2e-6, "{found} instead of {expected}");
        };
        near(Soft { smoothing: 0.0, mixed: None }, loss(None).into_scalar::<f32>());
        near(Soft { smoothing: 0.1, mixed: None }, SMOOTHED);
        let others = [2, 1, 2, 0].map(Truth::Class);
        near(Soft { smoothing: 0.1, mixed: Some((others.iter().collect(), 0.7)) }, MIXED);
    }

    const SMOOTHED: f32 = 1.613_438;
    const MIXED: f32 = 1.404_188;
}
