//! The encoder half of the transformer (Vaswani et al., "Attention is all you need", NeurIPS 2017), over time steps.
//!
//! Written from torch's `nn.TransformerEncoderLayer` (BSD-3) with its defaults: the norm follows the residual sum, the
//! activation is ReLU. Fields are named as there. There is no dropout.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

use crate::attention::SelfAttention;
use crate::layers::{layer_norm, linear};

/// Epsilon of every norm.
const EPSILON: f64 = 1e-5;

/// Longest wavelength of [`sinusoidal_positions`] over 2 pi.
const LONGEST: f64 = 10_000.0;

/// Sizes of a temporal transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporalConfig {
    /// Length of a step's vector.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Width between the two linear layers of a block.
    pub feed_forward: usize,
    /// Blocks.
    pub layers: usize,
}

impl TemporalConfig {
    /// The network with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`.
    pub fn init(&self, device: &Device) -> Temporal {
        Temporal { layers: (0..self.layers).map(|_| Layer::new(self, device)).collect() }
    }
}

/// Blocks of self-attention over all steps of a sequence, of any length; it knows their order only by positions added
/// beforehand, such as [`sinusoidal_positions`].
#[derive(Module, Debug)]
pub struct Temporal {
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: SelfAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
}

impl Temporal {
    /// `[batch, steps, width]` -> the same shape
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }
}

impl Layer {
    fn new(config: &TemporalConfig, device: &Device) -> Self {
        let &TemporalConfig { width, heads, feed_forward, .. } = config;
        Self {
            self_attn: SelfAttention::new(width, heads, device),
            linear1: linear(width, feed_forward, device),
            linear2: linear(feed_forward, width, device),
            norm1: layer_norm(width, EPSILON, device),
            norm2: layer_norm(width, EPSILON, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norm1.forward(x.clone() + self.self_attn.forward(x));
        let y = relu(self.linear1.forward(x.clone()));
        self.norm2.forward(x + self.linear2.forward(y))
    }
}

/// Fixed positions of "Attention is all you need", section 3.5: with `rate = 10000^(-2i / width)`, position `p` has
/// `sin(p * rate)` in column `2i` and `cos(p * rate)` in column `2i + 1`.
///
/// - output: `[steps, width]`, positions counted from 0
pub fn sinusoidal_positions(steps: usize, width: usize, device: &Device) -> Tensor<2> {
    let value = |step: usize, column: usize| {
        let pair = column - column % 2;
        let angle = step as f64 * LONGEST.powf(-(pair as f64) / width as f64);
        if column == pair { angle.sin() } else { angle.cos() }
    };
    let values: Vec<f32> =
        (0..steps).flat_map(|step| (0..width).map(move |column| value(step, column) as f32)).collect();
    Tensor::from_data(TensorData::new(values, [steps, width]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_interleaved_sines_and_cosines_counted_from_zero() {
        let positions = sinusoidal_positions(3, 4, &Device::flex()).into_data().try_to_vec::<f32>().unwrap();
        // Rates 1 and 1/100.
        let expected = [
            0.0, 1.0, 0.0, 1.0, 0.841_471, 0.540_302, 0.010_000, 0.999_950, 0.909_297, -0.416_147, 0.019_999, 0.999_800,
        ];
        for (value, expected) in positions.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{positions:?}");
        }
    }

    #[test]
    fn constant_parameters_leave_normalised_steps() {
        let device = Device::flex();
        let config = TemporalConfig { width: 4, heads: 2, feed_forward: 8, layers: 2 };
        let x = Tensor::<3>::from_data([[[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 8.0], [-1.0, 1.0, -1.0, 1.0]]], &device);
        let steps = config.init(&device).forward(x).into_data();
        assert_eq!(steps.shape().to_vec(), [1, 3, 4]);
        let steps = steps.try_to_vec::<f32>().unwrap();
        // Zero weights add nothing; the norm comes last, so every step has mean 0 and variance 1 whatever goes in.
        for step in steps.chunks(4) {
            let mean = step.iter().sum::<f32>() / 4.0;
            let variance = step.iter().map(|value| value * value).sum::<f32>() / 4.0;
            // The norm's epsilon is 1e-5 of the variance.
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{step:?}");
        }
    }
}
