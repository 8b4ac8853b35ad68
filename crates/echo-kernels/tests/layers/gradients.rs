//! Gradients of every layer: those of Burn's own operations, and the slope of the layer's results.

use burn::module::{Param, ParamId};
use burn::nn::conv::{Conv2d, Conv2dConfig, Conv3dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::activation::softmax;
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use echo_kernels::{
    Activation, Axes, attention, attention_within, convolution, depthwise_norm, feed_forward, layer_norm, linear,
    max_pool_tokens, patch_conv, pool_tokens, pooled_attention,
};
use echo_random::Stream;

use crate::{EPSILON, PLACED, activated, convolved_tokens, max_pools, of_each_span, placed_attention, values};

/// What a layer is made from: numbers in a row, of which each call takes the next.
struct Leaves<'a> {
    tensors: std::slice::Iter<'a, Tensor<1>>,
}

impl Leaves<'_> {
    fn next<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        self.tensors.next().expect("as many leaves as the layer asks for").clone().reshape(shape)
    }

    fn param<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::initialized(ParamId::new(), self.next(shape))
    }

    fn linear(&mut self, input: usize, output: usize, bias: bool) -> Linear {
        let mut layer = LinearConfig::new(input, output).with_bias(bias).init(&Device::flex());
        layer.weight = self.param([input, output]);
        layer.bias = bias.then(|| self.param([output]));
        layer
    }

    fn norm(&mut self, channels: usize) -> LayerNorm {
        let mut layer = LayerNormConfig::new(channels).with_epsilon(EPSILON).init(&Device::flex());
        layer.gamma = self.param([channels]);
        layer.beta = Some(self.param([channels]));
        layer
    }

    fn conv(&mut self, config: &Conv2dConfig) -> Conv2d {
        let mut layer = config.init(&Device::flex());
        layer.weight = self.param(layer.weight.dims());
        layer.bias = config.bias.then(|| self.param([layer.weight.dims()[0]]));
        layer
    }
}

/// What a layer gives, then the gradients of `sum(layer x weights)`.
fn gradients<const D: usize>(
    leaves: &[Tensor<1>],
    wanted: &[bool],
    layer: &dyn Fn(&mut Leaves<'_>) -> Tensor<D>,
    rng: &mut Stream,
) -> Vec<Option<Vec<f32>>> {
    let leaves: Vec<Tensor<1>> = leaves
        .iter()
        .zip(wanted)
        .map(|(leaf, wanted)| {
            let leaf = leaf.clone().autodiff();
            if *wanted { leaf.require_grad() } else { leaf }
        })
        .collect();
    let mut given = Leaves { tensors: leaves.iter() };
    let out = layer(&mut given);
    assert!(given.tensors.next().is_none(), "more leaves than the layer asks for");
    let weights = values(rng, out.dims()).autodiff();
    let given = Some(out.clone().into_data().try_to_vec().unwrap());
    let graph = (out * weights).sum().backward();
    let gradients = leaves.iter().map(|leaf| leaf.grad(&graph).map(|x| x.into_data().try_to_vec().unwrap()));
    std::iter::once(given).chain(gradients).collect()
}

/// Holds `ours` against `theirs` with leaves of these sizes: each asked for alone, then all. Says whether a bit of the gradients
/// differs: a sign that they are not the same operations.
fn same<const D: usize>(
    name: &str,
    sizes: &[usize],
    ours: impl Fn(&mut Leaves<'_>) -> Tensor<D>,
    theirs: impl Fn(&mut Leaves<'_>) -> Tensor<D>,
) -> bool {
    let mut differs = false;
    let rng = &mut Stream::new(1, name, 0);
    let leaves: Vec<Tensor<1>> = sizes.iter().map(|&size| values(rng, [size])).collect();
    let weights = || Stream::new(2, name, 0);
    let all = vec![true; sizes.len()];
    let expected = gradients(&leaves, &all, &theirs, &mut weights());
    let each = (0..sizes.len()).map(|leaf| (0..sizes.len()).map(|other| other == leaf).collect::<Vec<_>>());
    for wanted in each.chain([all]) {
        let found = gradients(&leaves, &wanted, &ours, &mut weights());
        // The first is the result itself.
        for (leaf, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.is_some(), leaf == 0 || wanted[leaf - 1], "{name}: gradient {leaf} of {wanted:?}");
            let (Some(found), Some(expected)) = (found, expected) else { continue };
            let largest = expected.iter().fold(1e-6f32, |largest, x| largest.max(x.abs()));
            let worst = found.iter().zip(expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
            assert!(worst < 1e-5, "{name}: gradient {leaf} of {wanted:?}: {worst}");
            differs |= worst > 0.0;
        }
    }
    differs
}

/// The same, and holds our gradients against the slope of our results in a random direction.
fn check<const D: usize>(
    name: &str,
    sizes: &[usize],
    ours: impl Fn(&mut Leaves<'_>) -> Tensor<D>,
    theirs: impl Fn(&mut Leaves<'_>) -> Tensor<D>,
) -> bool {
    let differs = same(name, sizes, &ours, theirs);
    let rng = &mut Stream::new(1, name, 0);
    let leaves: Vec<Tensor<1>> = sizes.iter().map(|&size| values(rng, [size])).collect();
    let weights = || Stream::new(2, name, 0);
    let expected = gradients(&leaves, &vec![true; sizes.len()], &ours, &mut weights());
    const STEP: f32 = 1e-2;
    let direction: Vec<Tensor<1>> = sizes.iter().map(|&size| values(rng, [size])).collect();
    let at = |factor: f32| {
        let moved: Vec<_> = leaves.iter().zip(&direction).map(|(x, d)| x.clone() + d.clone() * factor).collect();
        let out = ours(&mut Leaves { tensors: moved.iter() });
        let weights = values(&mut weights(), out.dims());
        f64::from((out * weights).sum().into_scalar::<f32>())
    };
    let slope = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
    let direction = direction.iter().map(|d| d.clone().into_data().try_to_vec::<f32>().unwrap());
    let (mut sum, mut size) = (0.0, 0.0);
    for (gradient, direction) in expected.iter().skip(1).flatten().zip(direction) {
        for (g, d) in gradient.iter().zip(direction) {
            sum += f64::from(g * d);
            size += f64::from(g * d).powi(2);
        }
    }
    assert!((slope - sum).abs() < 0.02 * size.sqrt() + 0.02 * sum.abs(), "{name}: slope {slope}, gradient {sum}");
    differs
}

#[test]
fn linear_layers() {
    let mut differs = false;
    for ([rows, input, output], bias) in
        [([1, 1, 1], true), ([13, 7, 33], true), ([300, 40, 70], false), ([5000, 6, 9], true), ([20, 520, 530], true)]
    {
        let sizes = &[rows * input, input * output, output][..if bias { 3 } else { 2 }];
        let parts = |leaves: &mut Leaves<'_>| (leaves.next([rows, input]), leaves.linear(input, output, bias));
        differs |= check(
            &format!("linear {rows} x {input} x {output}"),
            sizes,
            |leaves| {
                let (x, layer) = parts(leaves);
                linear(x, &layer)
            },
            |leaves| {
                let (x, layer) = parts(leaves);
                layer.forward(x)
            },
        );
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn feed_forward_parts() {
    let mut differs = false;
    // One has so many rows that they come in two parts; the last have few rows and large matrices.
    for ([rows, width, hidden, columns], bias) in [
        ([1, 3, 5, 3], true),
        ([17, 24, 96, 24], false),
        ([1200, 8, 30, 10], true),
        ([15, 13, 205, 13], true),
        ([1100, 2, 2050, 3], true),
        ([9, 130, 2050, 140], true),
        ([7, 130, 2050, 3], false),
    ] {
        let kinds = [Activation::Gelu, Activation::QuickGelu].map(|kind| [(true, kind), (false, kind)]);
        for (is_scaled, activation) in kinds.into_iter().flatten() {
            let mut sizes = vec![rows * width, rows * columns, width * hidden];
            sizes.extend(bias.then_some(hidden));
            sizes.push(hidden * columns);
            sizes.extend(bias.then_some(columns));
            sizes.extend(is_scaled.then_some(columns));
            type Parts = (Tensor<2>, Tensor<2>, [Linear; 2], Option<Tensor<1>>);
            let parts = |leaves: &mut Leaves<'_>| -> Parts {
                let (x, residual) = (leaves.next([rows, width]) * 0.3, leaves.next([rows, columns]));
                let layers = [leaves.linear(width, hidden, bias), leaves.linear(hidden, columns, bias)];
                (x, residual, layers, is_scaled.then(|| leaves.next([columns])))
            };
            differs |= check(
                &format!("feed forward {rows} x {width} x {hidden}, scaled {is_scaled}, {activation:?}"),
                &sizes,
                |leaves| {
                    let (x, residual, [first, second], scale) = parts(leaves);
                    feed_forward(x, [&first, &second], activation, scale, residual)
                },
                |leaves| {
                    let (x, residual, [first, second], scale) = parts(leaves);
                    let y = second.forward(activated(activation, first.forward(x)));
                    residual + scale.map_or(y.clone(), |scale| y * scale.unsqueeze())
                },
            );
        }
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn norms() {
    let mut differs = false;
    for [rows, width] in [[1, 4], [70, 5], [3, 16], [129, 96], [2, 1027]] {
        let parts = |leaves: &mut Leaves<'_>| (leaves.next([rows, width]) + 3.0, leaves.norm(width));
        differs |= check(
            &format!("norm {rows} x {width}"),
            &[rows * width, width, width],
            |leaves| {
                let (x, layer) = parts(leaves);
                layer_norm(x, &layer, EPSILON)
            },
            |leaves| {
                let (x, layer) = parts(leaves);
                layer.forward(x)
            },
        );
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn depthwise_convolutions() {
    let mut differs = false;
    for [batch, height, width, channels] in
        [[1, 1, 1, 3], [2, 7, 9, 16], [1, 2, 23, 40], [3, 14, 14, 24], [1, 4, 3, 96]]
    {
        let config = Conv2dConfig::new([channels, channels], [7, 7])
            .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
            .with_groups(channels)
            .with_bias(batch > 1);
        let shape = [batch, height, width, channels];
        let parts = |leaves: &mut Leaves<'_>| (leaves.next(shape), leaves.conv(&config), leaves.norm(channels));
        differs |= check(
            &format!("depthwise {shape:?}"),
            &[shape.iter().product(), channels * 49, channels, channels, channels][..if batch > 1 { 5 } else { 4 }],
            |leaves| {
                let (x, conv, norm) = parts(leaves);
                depthwise_norm(x, &conv, &norm, EPSILON)
            },
            |leaves| {
                let (x, conv, norm) = parts(leaves);
                norm.forward(conv.forward(x.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]))
            },
        );
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn patch_convolutions() {
    let mut differs = false;
    for [batch, channels, height, width, filters, side] in
        [[1, 3, 16, 16, 24, 4], [2, 5, 7, 10, 33, 2], [1, 1, 3, 5, 2, 1]]
    {
        for axes in [Axes::ChannelsFirst, Axes::ChannelsLast] {
            let config = Conv2dConfig::new([channels, filters], [side, side]).with_stride([side, side]);
            let shape = [batch, channels, height, width];
            let parts = |leaves: &mut Leaves<'_>| (leaves.next(shape), leaves.conv(&config));
            differs |= check(
                &format!("patches {shape:?} {axes:?}"),
                &[shape.iter().product(), filters * channels * side * side, filters],
                |leaves| {
                    let (x, conv) = parts(leaves);
                    let x = if axes == Axes::ChannelsLast { x.permute([0, 2, 3, 1]) } else { x };
                    patch_conv(x, axes, &conv)
                },
                |leaves| {
                    let (x, conv) = parts(leaves);
                    conv.forward(x).permute([0, 2, 3, 1])
                },
            );
        }
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn convolutions_over_three_axes() {
    let mut differs = false;
    for ([batch, time, rows, columns, channels], filters, kernel, stride, padding) in [
        ([2, 3, 7, 9, 5], 6, [1, 3, 3], [1, 1, 1], [0, 1, 1]),
        ([1, 5, 4, 3, 7], 33, [3, 1, 1], [1, 1, 1], [1, 0, 0]),
        ([2, 4, 9, 8, 3], 10, [1, 7, 7], [1, 2, 2], [0, 3, 3]),
        ([1, 7, 3, 2, 20], 4, [3, 1, 1], [2, 1, 1], [1, 0, 0]),
        ([2, 5, 5, 4, 6], 8, [1, 1, 1], [2, 2, 2], [0, 0, 0]),
        ([1, 4, 5, 6, 3], 5, [2, 3, 1], [2, 1, 3], [1, 2, 0]),
        // More places than are gathered at a time for the gradient of the weights.
        ([1, 5, 30, 31, 2], 3, [3, 1, 3], [1, 1, 1], [1, 0, 1]),
    ] {
        let shape = [batch, time, rows, columns, channels];
        let [depth, height, width] = kernel;
        for bias in [true, false] {
            let weight = [filters, channels, depth, height, width];
            let sizes = &[shape.iter().product(), weight.iter().product(), filters][..if bias { 3 } else { 2 }];
            let parts = |leaves: &mut Leaves<'_>| {
                (leaves.next(shape), leaves.next(weight), bias.then(|| leaves.next([filters])))
            };
            differs |= check(
                &format!("convolution {shape:?} {kernel:?} {stride:?}, bias {bias}"),
                sizes,
                |leaves| {
                    let (x, weight, bias) = parts(leaves);
                    convolution(x, weight, bias, stride, padding)
                },
                |leaves| {
                    let (x, weight, bias) = parts(leaves);
                    let options = ConvOptions::new(stride, padding, [1; 3], 1);
                    conv3d(x.permute([0, 4, 1, 2, 3]), weight, bias, options).permute([0, 2, 3, 4, 1])
                },
            );
        }
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn attentions() {
    let mut differs = false;
    for (batch, heads, tokens, places, depth, width) in
        [(1, 1, 2, 3, 1, 1), (2, 3, 43, 17, 8, 8), (1, 2, 5, 50, 21, 33), (1, 1, 700, 7, 4, 6)]
    {
        let sizes = [(tokens, depth), (places, depth), (places, width)].map(|(n, m)| batch * heads * n * m);
        let parts = |leaves: &mut Leaves<'_>| {
            let query = leaves.next([batch, heads, tokens, depth]);
            let key = leaves.next([batch, heads, places, depth]);
            // Not contiguous, as of a layer that gives heads side by side.
            (query, key, leaves.next([batch, places, heads, width]).swap_dims(1, 2))
        };
        differs |= check(
            &format!("attention {batch} {heads} {tokens} {places}"),
            &sizes,
            |leaves| {
                let (query, key, value) = parts(leaves);
                attention(query, key, value, 0.3)
            },
            |leaves| {
                let (query, key, value) = parts(leaves);
                let shares = softmax(query.matmul(key.transpose()) * 0.3, 3);
                shares.matmul(value).swap_dims(1, 2).reshape([batch, tokens, heads * width])
            },
        );
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn attentions_within_spans() {
    let mut differs = false;
    for (queries, keys) in [(&[43, 1, 7][..], &[43, 1, 7][..]), (&[1, 1, 1], &[50, 1, 7])] {
        let (heads, depth, width) = (2, 5, 3);
        let [tokens, places]: [usize; 2] = [queries, keys].map(|lengths| lengths.iter().sum());
        let sizes = [(tokens, depth), (places, depth), (places, width)].map(|(n, m)| heads * n * m);
        for is_causal in [false, true] {
            let parts = |leaves: &mut Leaves<'_>| {
                let query = leaves.next([1, heads, tokens, depth]);
                let key = leaves.next([1, heads, places, depth]);
                // Not contiguous, as of a layer that gives heads side by side.
                [query, key, leaves.next([1, places, heads, width]).swap_dims(1, 2)]
            };
            differs |= check(
                &format!("attention within {queries:?} {keys:?}, causal {is_causal}"),
                &sizes,
                |leaves| {
                    let [query, key, value] = parts(leaves);
                    attention_within(query, key, value, [queries, keys], 0.3, is_causal)
                },
                |leaves| of_each_span(parts(leaves), [queries, keys], is_causal),
            );
        }
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn pooled_attentions() {
    let mut differs = false;
    for [[batch, heads, width], query_grid, key_grid] in PLACED {
        let [queries, keys] = [query_grid, key_grid].map(|grid| 1 + grid.iter().product::<usize>());
        let tables = [0, 1, 2].map(|axis| [query_grid[axis], key_grid[axis], width]);
        let of = batch * heads * width;
        let sizes = [of * queries, of * keys, of * keys].into_iter().chain(tables.map(|table| table.iter().product()));
        let parts = |leaves: &mut Leaves<'_>| {
            let query = leaves.next([batch, heads, queries, width]);
            // Not contiguous, as of a layer that gives heads side by side.
            let key = leaves.next([batch, keys, heads, width]).swap_dims(1, 2);
            (query, key, leaves.next([batch, heads, keys, width]), tables.map(|table| leaves.next(table) * 0.3))
        };
        if batch == 0 {
            continue;
        }
        differs |= check(
            &format!("pooled attention {query_grid:?} to {key_grid:?}"),
            &sizes.collect::<Vec<_>>(),
            |leaves| {
                let (query, key, value, tables) = parts(leaves);
                pooled_attention(query, key, value, tables)
            },
            |leaves| {
                let (query, key, value, tables) = parts(leaves);
                placed_attention(query, key, value, tables)
            },
        );
    }
    assert!(differs, "nothing went to the kernels");
}

#[test]
fn greatest_of_windows() {
    // Where the greatest changes there is no slope.
    for (batch, channels, grid, pool) in max_pools() {
        let shape = [batch, 1 + grid.iter().product::<usize>(), channels];
        same(
            &format!("greatest of windows {shape:?}"),
            &[shape.iter().product()],
            |leaves| max_pool_tokens(leaves.next(shape), grid, &pool),
            |leaves| crate::greatest_of_windows(leaves.next(shape), grid, &pool),
        );
    }
}

#[test]
fn pools() {
    let mut differs = false;
    for (batch, heads, channels, [frames, height, width], stride) in
        [(1, 1, 3, [1, 1, 1], 1), (2, 3, 4, [3, 6, 9], 1), (1, 2, 40, [4, 7, 5], 2), (2, 1, 24, [1, 9, 10], 4)]
    {
        let count = frames * height * width;
        let shape = [batch, 1 + count, heads, channels];
        let parts = |leaves: &mut Leaves<'_>| {
            let mut conv = Conv3dConfig::new([channels, channels], [3; 3])
                .with_stride([1, stride, stride])
                .with_padding(PaddingConfig3d::Explicit(1, 1, 1))
                .with_groups(channels)
                .with_bias(false)
                .init(&Device::flex());
            let tokens = leaves.next(shape).swap_dims(1, 2);
            conv.weight = leaves.param([channels, 1, 3, 3, 3]);
            (tokens, conv, leaves.norm(channels))
        };
        differs |= check(
            &format!("pool {shape:?}"),
            &[shape.iter().product(), channels * 27, channels, channels],
            |leaves| {
                let (tokens, conv, norm) = parts(leaves);
                pool_tokens(tokens, [frames, height, width], &conv, &norm, EPSILON)
            },
            |leaves| {
                let (tokens, conv, norm) = parts(leaves);
                norm.forward(convolved_tokens(tokens, [frames, height, width], &conv))
            },
        );
    }
    assert!(differs, "nothing went to the kernels");
}

/// Sums are cut into parts by sizes alone.
#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let rng = &mut Stream::new(3, "threads", 0);
            let sizes =
                [2 * 20 * 20 * 24, 24 * 49, 24, 24, 24, 24 * 96, 96, 96 * 24, 24, 3 * 3 * 8, 7 * 4 * 8, 9 * 5 * 8];
            let leaves: Vec<Tensor<1>> = sizes.iter().map(|&size| values(rng, [size])).collect();
            let config =
                Conv2dConfig::new([24, 24], [7, 7]).with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3)).with_groups(24);
            let layer = |leaves: &mut Leaves<'_>| {
                let (x, conv, norm) = (leaves.next([2, 20, 20, 24]), leaves.conv(&config), leaves.norm(24));
                let [first, second] = [leaves.linear(24, 96, true), leaves.linear(96, 24, true)];
                let x = depthwise_norm(x, &conv, &norm, EPSILON);
                let heads =
                    feed_forward(x.clone(), [&first, &second], Activation::Gelu, None, x).reshape([2, 3, 400, 8]);
                let attended = attention(heads.clone(), heads.clone(), heads, 0.1);
                let heads = attended.reshape([2, 400, 3, 8]).swap_dims(1, 2);
                // A class token and a grid.
                let query = heads.clone().narrow(2, 0, 1 + 3 * 7 * 9);
                let key = heads.narrow(2, 0, 1 + 3 * 4 * 5);
                let tables = [[3, 3], [7, 4], [9, 5]].map(|[query, key]| leaves.next([query, key, 8]));
                pooled_attention(query, key.clone(), key, tables)
            };
            gradients(&leaves, &[true; 12], &layer, rng)
        })
    };
    assert_eq!(of(1), of(3));
}
