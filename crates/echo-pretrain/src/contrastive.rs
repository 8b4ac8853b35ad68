//! Contrastive losses between clips and texts.
//!
//! Symmetric InfoNCE as in Radford et al., "Learning transferable visual models from natural language supervision"
//! (ICML 2021), with soft targets: captions of hearts that eject alike are not each other's negatives.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use echo_core::l2_normalize;

/// Natural logarithm of the largest factor on cosine similarities, CLIP's 100.
const MOST: f64 = 4.605_170_185_988_092;

/// `[rows, columns]`: cosine similarities of clips `[rows, dim]` and texts `[columns, dim]` times the exponential of
/// `log_scale` `[1]`, which is kept within 0 and ln 100.
pub fn similarities(clips: Tensor<2>, texts: Tensor<2>, log_scale: Tensor<1>) -> Tensor<2> {
    let cosine = l2_normalize(clips).matmul(l2_normalize(texts).transpose());
    cosine * log_scale.clamp(0.0, MOST).exp().unsqueeze()
}

/// Mean cross-entropy of both directions.
///
/// - logits: `[batch, batch]`, clips down, texts across
/// - targets: `[batch * batch]`, the distribution over texts of each clip; also that over clips of each text
pub(crate) fn info_nce(logits: Tensor<2>, targets: &[f32]) -> Tensor<1> {
    let across = soft_cross_entropy(logits.clone(), targets);
    let down = soft_cross_entropy(logits.transpose(), targets);
    (across + down) * 0.5
}

/// Mean over rows of the cross-entropy of `logits` `[rows, columns]` against distributions `[rows * columns]`.
pub(crate) fn soft_cross_entropy(logits: Tensor<2>, targets: &[f32]) -> Tensor<1> {
    let [rows, columns] = logits.dims();
    let targets = Tensor::<2>::from_data(TensorData::new(targets.to_vec(), [rows, columns]), &logits.device());
    (log_softmax(logits, 1) * targets).sum().neg() / rows as f32
}

/// For each of `values` a distribution over `candidates`: a normal one of deviation `width` around it.
pub fn near(values: &[f32], candidates: &[f32], width: f32) -> Vec<f32> {
    let mut targets = Vec::with_capacity(values.len() * candidates.len());
    for value in values {
        let row: Vec<f32> = candidates.iter().map(|other| (-0.5 * ((value - other) / width).powi(2)).exp()).collect();
        let sum: f32 = row.iter().sum();
        targets.extend(row.into_iter().map(|weight| weight / sum));
    }
    targets
}

/// Targets of a batch: half on each clip's own caption, half on captions of hearts whose value is within about `width`.
pub(crate) fn pair_targets(values: &[f32], width: f32) -> Vec<f32> {
    let mut targets = near(values, values, width);
    let count = values.len();
    targets.iter_mut().enumerate().for_each(|(index, target)| {
        *target = 0.5 * *target + if index / count == index % count { 0.5 } else { 0.0 };
    });
    targets
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn value(loss: Tensor<1>) -> f32 {
        loss.into_scalar::<f32>()
    }

    /// Two clips at right angles, texts at 0 and 60 degrees, factor 2: logits [[2, 1], [0, sqrt(3)]].
    #[test]
    fn info_nce_equals_the_sum_by_hand() {
        let device = Device::flex();
        let clips = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, 0.5]], &device);
        let texts = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 3f32.sqrt()]], &device);
        let logits = similarities(clips, texts, Tensor::from_floats([2f32.ln()], &device));
        let found: Vec<f32> = logits.to_data().iter::<f32>().collect();
        for (found, expected) in found.iter().zip([2.0, 1.0, 0.0, 3f32.sqrt()]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        // -ln softmax of the diagonal: across ln(1 + e^-1), ln(1 + e^-1.7320508); down ln(1 + e^-2), ln(1 + e^-0.7320508).
        let [a, b, c, d] = [-1.0f32, -3f32.sqrt(), -2.0, 1.0 - 3f32.sqrt()].map(|x| (1.0 + x.exp()).ln());
        let loss = value(info_nce(logits.clone(), &[1.0, 0.0, 0.0, 1.0]));
        assert!((loss - (a + b + c + d) / 4.0).abs() < 1e-6, "{loss}");
        assert!((loss - 0.248_9).abs() < 1e-4, "{loss}");
        // Targets of one half each add half of each row's logit gap.
        let even = value(soft_cross_entropy(logits, &[0.5; 4]));
        assert!((even - (a + b + 0.5 * (1.0 + 3f32.sqrt())) / 2.0).abs() < 1e-6, "{even}");
    }

    #[test]
    fn the_factor_stays_within_its_limits() {
        let device = Device::flex();
        let one = || Tensor::<2>::from_floats([[1.0, 0.0]], &device);
        for (log_scale, expected) in [(9.0, 100.0), (-3.0, 1.0), (1.0, 1f32.exp())] {
            let found = similarities(one(), one(), Tensor::from_floats([log_scale], &device)).into_scalar::<f32>();
            assert!((found - expected).abs() < 1e-3, "{found}");
        }
    }

    #[test]
    fn equal_values_share_a_target_and_distant_ones_do_not() {
        let targets = pair_targets(&[50.0, 50.0, 20.0], 2.0);
        for (found, expected) in targets.iter().zip([0.75, 0.25, 0.0, 0.25, 0.75, 0.0, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{targets:?}");
        }
        // A normal distribution one deviation away: e^-0.5 of its peak.
        let row = near(&[50.0], &[50.0, 52.0], 2.0);
        assert!((row[1] / row[0] - (-0.5f32).exp()).abs() < 1e-6 && (row[0] + row[1] - 1.0).abs() < 1e-6);
    }
}
