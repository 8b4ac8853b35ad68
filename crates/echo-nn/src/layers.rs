//! Burn layers with constant starting values; see the crate's documentation for why.

use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::Device;

/// `[..., input]` -> `[..., output]` with a bias.
pub fn linear(input: usize, output: usize, device: &Device) -> Linear {
    LinearConfig::new(input, output).with_initializer(Initializer::Zeros).init(device)
}

/// `[..., input]` -> `[..., output]` without a bias.
pub fn linear_no_bias(input: usize, output: usize, device: &Device) -> Linear {
    LinearConfig::new(input, output).with_initializer(Initializer::Zeros).with_bias(false).init(device)
}

/// LayerNorm over the last axis of length `width`.
pub fn layer_norm(width: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width).with_epsilon(epsilon).init(device)
}
