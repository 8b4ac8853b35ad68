//! The kernels against Burn's own operations: results, and gradients.

#![allow(missing_docs)]

mod composed;
mod gradients;
mod precision;

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv3d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::{gelu, sigmoid, softmax};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
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

/// Batch, heads and width, the grid of queries, and that of keys.
const PLACED: [[[usize; 3]; 3]; 5] = [
    [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    [[2, 3, 5], [2, 4, 3], [2, 2, 3]],
    [[1, 2, 33], [3, 5, 6], [3, 3, 2]],
    [[0, 2, 3], [1, 2, 2], [1, 2, 1]],
    // More keys on an axis than a vector has numbers.
    [[1, 1, 16], [1, 3, 40], [1, 2, 19]],
];

/// Attention with the scores of relative positions in a matrix, by Burn.
fn placed_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, tables: [Tensor<3>; 3]) -> Tensor<3> {
    let [batch, heads, tokens, width] = query.dims();
    let [_, _, places, _] = key.dims();
    let grids = [0, 1].map(|side| tables.each_ref().map(|table| table.dims()[side]));
    let device = query.device();
    let on_axis = |[frames, rows, columns]: [usize; 3], axis: usize| {
        let places = (0..frames * rows * columns)
            .map(|token| [token / (rows * columns), token / columns % rows, token % columns][axis] as i64);
        Tensor::<1, Int>::from_data(TensorData::from(places.collect::<Vec<_>>().as_slice()), &device)
    };
    let of_pairs =
        |(axis, table): (usize, Tensor<3>)| table.select(0, on_axis(grids[0], axis)).select(1, on_axis(grids[1], axis));
    let vectors = tables.into_iter().enumerate().map(of_pairs).reduce(|sum, table| sum + table).unwrap();
    let patches = query.clone().narrow(2, 1, tokens - 1);
    let by_key = patches.clone().unsqueeze_dim::<5>(3) * vectors.unsqueeze::<5>();
    let positions = by_key.sum_dim(4).squeeze_dim::<4>(4);
    let positions = Tensor::cat(vec![Tensor::zeros([batch, heads, tokens - 1, 1], &device), positions], 3);
    let positions = Tensor::cat(vec![Tensor::zeros([batch, heads, 1, places], &device), positions], 2);
    let scores = query.matmul(key.transpose()) / (width as f64).sqrt() + positions;
    let own = Tensor::cat(vec![Tensor::zeros([batch, heads, 1, width], &device), patches], 2);
    (softmax(scores, 3).matmul(value) + own).swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

/// Attention within spans with a scale of 0.3, each by itself, by Burn.
fn of_each_span([query, key, value]: [Tensor<4>; 3], [queries, keys]: [&[usize]; 2], is_causal: bool) -> Tensor<3> {
    let ([_, heads, ..], [.., width]) = (query.dims(), value.dims());
    let (mut first_query, mut first_key) = (0, 0);
    let mut attended = Vec::new();
    for (&queries, &keys) in queries.iter().zip(keys) {
        let query = query.clone().narrow(2, first_query, queries);
        let [key, value] = [&key, &value].map(|x| x.clone().narrow(2, first_key, keys));
        let mut scores = query.matmul(key.transpose()) * 0.3;
        if is_causal {
            let hidden = Tensor::<2, Bool>::tril_mask([queries, keys], 0, &scores.device());
            scores = scores.mask_fill(hidden.unsqueeze::<4>().expand([1, heads, queries, keys]), f32::NEG_INFINITY);
        }
        let of_span = softmax(scores, 3).matmul(value).swap_dims(1, 2);
        attended.push(of_span.reshape([1, queries, heads * width]));
        (first_query, first_key) = (first_query + queries, first_key + keys);
    }
    Tensor::cat(attended, 1)
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
