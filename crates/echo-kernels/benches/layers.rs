//! Layers at the sizes of the encoders, forward (ours in every precision) and with their gradients, beside Burn's own operations.
//!
//! ```console
//! cargo bench --workspace --bench layers
//! cargo bench --workspace --bench layers -- attention
//! ```

#![allow(missing_docs)]

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Distribution, Tensor};
use divan::Bencher;
use echo_kernels::{Activation, Precision, attention, depthwise_norm, feed_forward, layer_norm, linear};

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
                    Box::new(|x| feed_forward(x.clone(), [first, second], Activation::Gelu, None, x)),
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
                        let attended = attention(x.clone(), x.clone(), x, 0.1);
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

/// One of [`Layers::pairs`] and how it is computed.
#[derive(Clone, Copy)]
struct Case {
    layer: usize,
    /// `None`: by Burn's own operations.
    precision: Option<Precision>,
}

impl Case {
    /// Every layer by Burn and by ours in each of the given precisions.
    fn all(precisions: &[Precision]) -> Vec<Self> {
        let layers = 0..Layers::new(&Device::flex()).pairs().len();
        let sides = || std::iter::once(None).chain(precisions.iter().copied().map(Some));
        layers.flat_map(|layer| sides().map(move |precision| Self { layer, precision })).collect()
    }

    /// Hands the layer and its input to `bench`.
    fn with(self, layers: &Layers, bench: impl FnOnce(Tensor<4>, &Layer<'_>)) {
        let (_, shape, [ours, burns]) = &layers.pairs()[self.layer];
        let x = Tensor::random(*shape, Distribution::Normal(0.0, 1.0), &Device::flex());
        match self.precision {
            None => bench(x, burns),
            Some(precision) => precision.run(|| bench(x, ours)),
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, ..) = Layers::new(&Device::flex()).pairs()[self.layer];
        match self.precision {
            None => write!(f, "{name}, Burn"),
            Some(precision) => write!(f, "{name}, {precision}"),
        }
    }
}

#[divan::bench(args = Case::all(&Precision::ALL), sample_count = 10)]
fn forward(bencher: Bencher<'_, '_>, case: Case) {
    case.with(&Layers::new(&Device::flex()), |x, layer| bencher.bench_local(|| layer(x.clone())));
}

#[divan::bench(args = Case::all(&[Precision::F32]), sample_count = 10)]
fn step(bencher: Bencher<'_, '_>, case: Case) {
    case.with(&Layers::new(&Device::flex()).train(), |x, layer| {
        let x = x.autodiff().require_grad();
        bencher.bench_local(|| layer(x.clone()).sum().backward());
    });
}

fn main() {
    divan::main();
}
