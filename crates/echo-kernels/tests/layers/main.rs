//! The kernels against Burn's own operations: results, and gradients.

#![allow(missing_docs)]

mod composed;
mod gradients;
mod precision;

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv3d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::{gelu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};
use echo_kernels::Activation;
use echo_random::Stream;

/// Of every norm.
const EPSILON: f64 = 1e-6;

fn values<const D: usize>(rng: &mut Stream, shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// An activation by Burn.
fn activated<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Gelu => gelu(x),
        Activation::QuickGelu => x.clone() * sigmoid(x * 1.702),
    }
}

/// Batch, channels, grid and windows.
fn max_pools() -> Vec<(usize, usize, [usize; 3], MaxPool2d)> {
    let windows = |side: usize, stride: usize, padding: usize| {
        let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        MaxPool2dConfig::new([side; 2]).with_strides([stride; 2]).with_padding(padding).init()
    };
    vec![
        (1, 1, [1, 1, 1], windows(3, 2, 1)),
        (2, 20, [3, 6, 9], windows(3, 2, 1)),
        (1, 33, [2, 7, 5], windows(2, 2, 0)),
        (2, 16, [1, 9, 10], windows(5, 4, 2)),
    ]
}

/// The same by Burn.
fn greatest_of_windows(tokens: Tensor<3>, [frames, rows, columns]: [usize; 3], pool: &MaxPool2d) -> Tensor<3> {
    let [batch, count, channels] = tokens.dims();
    let maps = tokens.clone().narrow(1, 1, count - 1).reshape([batch * frames, rows, columns, channels]);
    let maps = pool.forward(maps.permute([0, 3, 1, 2]));
    let [_, _, rows, columns] = maps.dims();
    let patches = maps.permute([0, 2, 3, 1]).reshape([batch, frames * rows * columns, channels]);
    Tensor::cat(vec![tokens.narrow(1, 0, 1), patches], 1)
}

/// A depthwise convolution of a grid's tokens by Burn, before its norm.
fn convolved_tokens(tokens: Tensor<4>, [frames, rows, columns]: [usize; 3], conv: &Conv3d) -> Tensor<4> {
    let [batch, heads, count, channels] = tokens.dims();
    let volumes = tokens.clone().narrow(2, 1, count - 1).swap_dims(2, 3);
    let volumes = conv.forward(volumes.reshape([batch * heads, channels, frames, rows, columns]));
    let [_, _, _, rows, columns] = volumes.dims();
    let patches = volumes.reshape([batch, heads, channels, frames * rows * columns]).swap_dims(2, 3);
    Tensor::cat(vec![tokens.narrow(2, 0, 1), patches], 2)
}

/// All of this with narrower vectors, and with none, as other processors have them.
#[test]
fn other_processors() {
    if std::env::var_os("ECHOZOO_SIMD").is_some() {
        return;
    }
    for vectors in ["avx2", "plain"] {
        let output =
            std::process::Command::new(std::env::current_exe().unwrap()).env("ECHOZOO_SIMD", vectors).output().unwrap();
        assert!(output.status.success(), "{vectors}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
