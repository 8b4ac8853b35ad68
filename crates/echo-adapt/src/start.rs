//! What learnable layers start from.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use echo_nn::linear;
use echo_random::Stream;

/// A linear layer as PyTorch starts one: uniform in +-1 / sqrt(input), weights and bias.
pub(crate) fn random_linear(input: usize, output: usize, seed: u64, purpose: &str, device: &Device) -> Linear {
    let mut stream = Stream::new(seed, purpose, 0);
    let bound = (input as f64).sqrt().recip();
    let mut draw = |count: usize| (0..count).map(|_| stream.range(-bound, bound) as f32).collect::<Vec<f32>>();
    let (weight, bias) = (draw(input * output), draw(output));
    let mut layer = linear(input, output, device);
    layer.weight = Param::from_tensor(Tensor::from_data(TensorData::new(weight, [input, output]), device));
    layer.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(bias, [output]), device)));
    layer
}
