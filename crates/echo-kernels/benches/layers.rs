//! Layers at the sizes of the encoders, forward (ours in every precision) and with their gradients, beside Burn's own operations.
//!
//! ```console
//! cargo bench -p echo-kernels
//! cargo bench -p echo-kernels -- attention
//! ```

#![allow(missing_docs)]

use std::hint::black_box;

use burn::nn::conv::Conv2dConfig;
use burn::nn::{LayerNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use echo_kernels::{Precision, attention, depthwise_norm, feed_forward, layer_norm, linear};

const EPSILON: f64 = 1e-6;

type Layer<'a> = &'a dyn Fn(Tensor<4>) -> Tensor<4>;

/// Times both forward, and with the gradient of what they are given and of what they hold.
fn compare(criterion: &mut Criterion, name: &str, shape: [usize; 4], [ours, burns]: [Layer<'_>; 2]) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
    for precision in [Precision::Bf16, Precision::Int8] {
        group.bench_function(format!("ours/forward/{precision}"), |bencher| {
            bencher.iter(|| precision.run(|| black_box(ours(x.clone()))));
        });
    }
    for (side, layer) in [("ours", ours), ("burn", burns)] {
        group.bench_function(format!("{side}/forward"), |bencher| bencher.iter(|| black_box(layer(x.clone()))));
        let x = x.clone().autodiff().require_grad();
        group.bench_function(format!("{side}/step"), |bencher| {
            bencher.iter(|| black_box(layer(x.clone()).sum().backward()));
        });
    }
}

fn layers(criterion: &mut Criterion) {
    let device = Device::flex().autodiff();
    let (width, hidden) = (384, 1536);
    let [first, second] =
        [(width, hidden), (hidden, width)].map(|(input, output)| LinearConfig::new(input, output).init(&device));
    let norm = LayerNormConfig::new(width).with_epsilon(EPSILON).init(&device);
    let conv = Conv2dConfig::new([width, width], [7, 7])
        .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
        .with_groups(width)
        .init(&device);
    let maps = [16, 14, 14, width];
    compare(criterion, "linear", maps, [&|x| linear(x, &first), &|x| first.forward(x)]);
    compare(
        criterion,
        "feed-forward",
        maps,
        [&|x| feed_forward(x.clone(), [&first, &second], None, x), &|x| {
            x.clone() + second.forward(gelu(first.forward(x)))
        }],
    );
    compare(criterion, "norm", maps, [&|x| layer_norm(x, &norm, EPSILON), &|x| norm.forward(x)]);
    compare(
        criterion,
        "depthwise",
        maps,
        [&|x| depthwise_norm(x, &conv, &norm, EPSILON), &|x| {
            norm.forward(conv.forward(x.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]))
        }],
    );
    let [heads, tokens, depth] = [8, 393, 96];
    compare(
        criterion,
        "attention",
        [1, heads, tokens, depth],
        [&|x| attention(x.clone(), x.clone(), x, 0.1, None).reshape([1, 1, tokens, heads * depth]), &|x| {
            let scores = softmax(x.clone().matmul(x.clone().transpose()) * 0.1, 3);
            scores.matmul(x).swap_dims(1, 2).reshape([1, 1, tokens, heads * depth])
        }],
    );
}

criterion_group!(benches, layers);
criterion_main!(benches);
