//! Layers at the sizes of the encoders, forward (ours in every precision) and with their gradients, beside Burn's own operations.
//!
//! ```console
//! cargo bench -p echo-kernels
//! cargo bench -p echo-kernels -- attention
//! ```

#![allow(missing_docs)]

use std::hint::black_box;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use echo_kernels::{Precision, attention, depthwise_norm, feed_forward, layer_norm, linear};

const EPSILON: f64 = 1e-6;
const WIDTH: usize = 384;
const HIDDEN: usize = 1536;
const MAPS: [usize; 4] = [16, 14, 14, WIDTH];
const HEADS: usize = 8;
const TOKENS: usize = 393;
const DEPTH: usize = 96;

#[derive(Module, Debug)]
struct Layers {
    first: Linear,
    second: Linear,
    norm: LayerNorm,
    conv: Conv2d,
}

type Layer<'a> = Box<dyn Fn(Tensor<4>) -> Tensor<4> + 'a>;

impl Layers {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(WIDTH, HIDDEN).init(device),
            second: LinearConfig::new(HIDDEN, WIDTH).init(device),
            norm: LayerNormConfig::new(WIDTH).with_epsilon(EPSILON).init(device),
            conv: Conv2dConfig::new([WIDTH, WIDTH], [7, 7])
                .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
                .with_groups(WIDTH)
                .init(device),
        }
    }

    /// Each by name, with the shape of what it is given: ours, and Burn's.
    fn pairs(&self) -> [(&'static str, [usize; 4], [Layer<'_>; 2]); 5] {
        let Self { first, second, norm, conv } = self;
        [
            ("linear", MAPS, [Box::new(|x| linear(x, first)), Box::new(|x| first.forward(x))]),
            (
                "feed-forward",
                MAPS,
                [
                    Box::new(|x| feed_forward(x.clone(), [first, second], None, x)),
                    Box::new(|x| x.clone() + second.forward(gelu(first.forward(x)))),
                ],
            ),
            ("norm", MAPS, [Box::new(|x| layer_norm(x, norm, EPSILON)), Box::new(|x| norm.forward(x))]),
            (
                "depthwise",
                MAPS,
                [
                    Box::new(|x| depthwise_norm(x, conv, norm, EPSILON)),
                    Box::new(|x| norm.forward(conv.forward(x.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]))),
                ],
            ),
            (
                "attention",
                [1, HEADS, TOKENS, DEPTH],
                [
                    Box::new(|x| {
                        let attended = attention(x.clone(), x.clone(), x, 0.1, None);
                        attended.reshape([1, 1, TOKENS, HEADS * DEPTH])
                    }),
                    Box::new(|x| {
                        let scores = softmax(x.clone().matmul(x.clone().transpose()) * 0.1, 3);
                        scores.matmul(x).swap_dims(1, 2).reshape([1, 1, TOKENS, HEADS * DEPTH])
                    }),
                ],
            ),
        ]
    }
}

fn layers(criterion: &mut Criterion) {
    let plain = Layers::new(&Device::flex());
    let trained = plain.clone().train();
    for ((name, shape, [ours, burns]), (_, _, [ours_trained, burns_trained])) in
        plain.pairs().into_iter().zip(trained.pairs())
    {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
        for precision in Precision::ALL {
            group.bench_function(format!("ours/forward/{precision}"), |bencher| {
                bencher.iter(|| precision.run(|| black_box(ours(x.clone()))));
            });
        }
        group.bench_function("burn/forward", |bencher| bencher.iter(|| black_box(burns(x.clone()))));
        let x = x.autodiff().require_grad();
        for (side, layer) in [("ours", ours_trained), ("burn", burns_trained)] {
            group.bench_function(format!("{side}/step"), |bencher| {
                bencher.iter(|| black_box(layer(x.clone()).sum().backward()));
            });
        }
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
