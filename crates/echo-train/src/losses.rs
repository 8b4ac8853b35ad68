//! Losses of a prediction, each a scalar tensor `[1]`.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor, TensorData};

/// Sharpness of the target distribution over the batch in [`ordinal_kl`]: 10 times a one-hot before its softmax.
const TARGET_SHARPNESS: f32 = 10.0;

/// Errors above this many units of the target count linearly in [`huber`].
pub(crate) const HUBER_DELTA: f32 = 2.0;

/// Mean cross-entropy of `logits` `[batch, ranks or classes]` against each sample's rank or class.
pub fn cross_entropy(logits: Tensor<2>, ranks: &[usize]) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let indices: Vec<i64> = ranks.iter().map(|&rank| rank as i64).collect();
    let indices = Tensor::<2, Int>::from_data(TensorData::new(indices, [batch, 1]), &logits.device());
    log_softmax(logits, 1).gather(1, indices).mean().neg()
}

/// Mean cross-entropy of `logits` `[batch, classes]` against distributions over the classes, `[batch * classes]`, row by row.
pub(crate) fn soft_cross_entropy(logits: Tensor<2>, targets: Vec<f32>) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let targets = Tensor::<2>::from_data(TensorData::new(targets, [batch, classes]), &logits.device());
    (log_softmax(logits, 1) * targets).sum().neg() / batch as f32
}

/// Mean binary cross-entropy of `logits` `[batch, labels]` over the labels of which something is known; 0 where nothing is.
pub(crate) fn binary_cross_entropy(logits: Tensor<2>, labels: &[&[Option<bool>]]) -> Tensor<1> {
    let [batch, columns] = logits.dims();
    let known = labels.iter().flat_map(|labels| labels.iter()).flatten().count().max(1) as f32;
    let matrix = |wanted: bool| {
        let entries = labels.iter().flat_map(|labels| labels.iter());
        let entries = entries.map(|label| f32::from(u8::from(*label == Some(wanted)))).collect::<Vec<f32>>();
        Tensor::<2>::from_data(TensorData::new(entries, [batch, columns]), &logits.device())
    };
    let (holds, fails) = (matrix(true), matrix(false));
    let likelihood = log_sigmoid(logits.clone()) * holds + log_sigmoid(logits.neg()) * fails;
    likelihood.sum().neg() / known
}

/// OrdinalCLIP's text-to-image divergence: for every rank present in the batch, the divergence of the logits'
/// distribution over the batch from one that is sharp on the rank's samples; summed, then averaged over those ranks.
///
/// - logits: `[batch, ranks]`
pub(crate) fn ordinal_kl(logits: Tensor<2>, ranks: &[usize]) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let mut present: Vec<usize> = ranks.to_vec();
    present.sort_unstable();
    present.dedup();
    let mut target = vec![0.0f32; batch * classes];
    let mut negative_entropy = 0.0f64;
    for &class in &present {
        let members = ranks.iter().filter(|&&rank| rank == class).count() as f32;
        let (hot, cold) = (TARGET_SHARPNESS.exp(), 1.0f32);
        let total = members * hot + (batch as f32 - members) * cold;
        for (sample, &rank) in ranks.iter().enumerate() {
            let probability = if rank == class { hot } else { cold } / total;
            target[sample * classes + class] = probability;
            negative_entropy += f64::from(probability) * f64::from(probability).ln();
        }
    }
    let target = Tensor::<2>::from_data(TensorData::new(target, [batch, classes]), &logits.device());
    let cross = (log_softmax(logits, 0) * target).sum();
    (cross.neg() + negative_entropy as f32) / present.len() as f32
}

/// Mean absolute error of `values` `[batch]`.
pub fn l1(values: Tensor<1>, targets: &[f32]) -> Tensor<1> {
    let targets = Tensor::<1>::from_data(TensorData::new(targets.to_vec(), [targets.len()]), &values.device());
    (values - targets).abs().mean()
}

/// Mean of Huber's loss of `values` `[batch]`: half the squared error up to [`HUBER_DELTA`], linear above, as PyTorch's
/// `huber_loss`.
pub(crate) fn huber(values: Tensor<1>, targets: &[f32]) -> Tensor<1> {
    let targets = Tensor::<1>::from_data(TensorData::new(targets.to_vec(), [targets.len()]), &values.device());
    let error = (values - targets).abs();
    let small = error.clone().clamp_max(HUBER_DELTA);
    (small.clone() * (error - small * 0.5)).mean()
}

/// NumCLIP's weights of wrong ranks (Du et al., "Teach CLIP to develop a number sense for ordinal regression", ECCV
/// 2024): factors on logits `[batch, ranks]` that grow with the distance from the right rank and are 1 at it.
///
/// Factors of wrong ranks add up to one less than there are entries in what the softmax runs over: a sample's ranks, or,
/// with `over_batch`, a rank's samples.
pub(crate) fn ordinal_weights(ranks: &[usize], classes: usize, over_batch: bool) -> Vec<f32> {
    let batch = ranks.len();
    let distance = |sample: usize, class: usize| ranks[sample].abs_diff(class) as f32;
    let mut weights = vec![1.0; batch * classes];
    for (sample, &rank) in ranks.iter().enumerate() {
        for class in (0..classes).filter(|&class| class != rank) {
            let (total, others) = match over_batch {
                true => ((0..batch).map(|other| distance(other, class)).sum::<f32>(), batch - 1),
                false => ((0..classes).map(|other| distance(sample, other)).sum::<f32>(), classes - 1),
            };
            weights[sample * classes + class] = distance(sample, class) / total * others as f32;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const RANKS: [usize; 4] = [1, 0, 2, 2];

    fn logits() -> Tensor<2> {
        Tensor::from_floats([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 0.8, 0.1], [2.2, -1.3, 0.9]], &Device::flex())
    }

    /// Numbers of torch 2 in float64:
    /// `F.cross_entropy(x, y)`, and per class c in y.unique(): `t = (10 * (y == c)).softmax(0)`,
    /// `F.kl_div(x[:, c].log_softmax(0), t, reduction="sum")`, over the number of classes.
    #[test]
    fn losses_equal_torch() {
        let near = |loss: Tensor<1>, expected: f32| {
            let loss = loss.into_scalar::<f32>();
            assert!((loss - expected).abs() < 2e-6, "{loss} instead of {expected}");
        };
        near(cross_entropy(logits(), &RANKS), CROSS_ENTROPY);
        near(ordinal_kl(logits(), &RANKS), KL);
        let values = Tensor::from_floats([50.0, 61.5, 20.25, 70.0], &Device::flex());
        near(l1(values.clone(), &[55.0, 60.0, 21.0, 68.0]), 2.3125);
        // `(F.binary_cross_entropy_with_logits(x, y, reduction="none") * known).sum() / known.sum()`
        let labels = [[Some(true), None, Some(false)], [Some(false), Some(true), None]];
        let labels: Vec<&[Option<bool>]> = labels.iter().map(|row| row.as_slice()).collect();
        near(binary_cross_entropy(logits().narrow(0, 0, 2), &labels), BINARY_CROSS_ENTROPY);
        // `F.huber_loss(values, targets, delta=2.0)`
        near(huber(values, &[55.0, 60.0, 21.0, 68.0]), 2.851_562_5);
    }

    /// Numbers of the same, with the logits multiplied by
    /// `w = (y[:, None] - arange(3)).abs(); w = w / w.sum(1) * 2; w[y] = 1` before the cross-entropy, and by the same
    /// over each column, times 3, before the divergence.
    #[test]
    fn ordinal_weights_give_the_losses_of_torch() {
        let weighted = |over_batch| {
            let weights = TensorData::new(ordinal_weights(&RANKS, 3, over_batch), [4, 3]);
            logits() * Tensor::<2>::from_data(weights, &Device::flex())
        };
        let cross_entropy = cross_entropy(weighted(false), &RANKS).into_scalar::<f32>();
        let kl = ordinal_kl(weighted(true), &RANKS).into_scalar::<f32>();
        assert!((cross_entropy - 1.724_773_7).abs() < 2e-6, "{cross_entropy}");
        assert!((kl - 1.728_309_4).abs() < 2e-6, "{kl}");
    }

    const CROSS_ENTROPY: f32 = 1.618_438;
    const BINARY_CROSS_ENTROPY: f32 = 1.214_193_4;
    const KL: f32 = 1.650_384_8;
}
