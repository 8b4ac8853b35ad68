//! Every kernel gives what Burn's own operations give, whatever the shape.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig, Conv3dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use echo_kernels::{
    Activation, AdamWStep, Axes, adamw, attention, attention_within, depthwise_norm, feed_forward, layer_norm, linear,
    max_pool_tokens, patch_conv, pool_tokens, pooled, pooled_attention,
};
use echo_random::Stream;

use crate::{
    EPSILON, PLACED, activated, convolved_tokens, greatest_of_windows, max_pools, of_each_span, placed_attention,
    values,
};

/// The largest difference, in parts of the largest value.
fn difference<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected): (Vec<f32>, Vec<f32>) =
        (found.into_data().iter().collect(), expected.into_data().iter().collect());
    let largest = expected.iter().fold(1e-6f32, |largest, x| largest.max(x.abs()));
    found.iter().zip(&expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

fn linear_layer(rng: &mut Stream, input: usize, output: usize, bias: bool) -> Linear {
    let mut layer = LinearConfig::new(input, output).with_bias(bias).init(&Device::flex());
    layer.weight = Param::from_tensor(values(rng, [input, output]) * (1.0 / (input.max(1) as f32).sqrt()));
    layer.bias = bias.then(|| Param::from_tensor(values(rng, [output])));
    layer
}

fn norm_layer(rng: &mut Stream, channels: usize) -> LayerNorm {
    let mut layer = LayerNormConfig::new(channels).with_epsilon(EPSILON).init(&Device::flex());
    layer.gamma = Param::from_tensor(values(rng, [channels]));
    layer.beta = Some(Param::from_tensor(values(rng, [channels])));
    layer
}

fn conv_layer(rng: &mut Stream, config: Conv2dConfig, bias: bool) -> Conv2d {
    let mut layer = config.with_bias(bias).init(&Device::flex());
    layer.weight = Param::from_tensor(values(rng, layer.weight.dims()));
    if bias {
        layer.bias = Some(Param::from_tensor(values(rng, [layer.weight.dims()[0]])));
    }
    layer
}

#[test]
fn linear_layers_of_every_size() {
    let mut rng = Stream::new(1, "kernels", 0);
    // The last have few rows and large matrices.
    for (rows, input, output) in [
        (1, 1, 1),
        (0, 5, 3),
        (13, 7, 33),
        (14, 16, 32),
        (15, 64, 31),
        (29, 513, 65),
        (300, 1100, 70),
        (84, 512, 96),
        (0, 512, 512),
        (1, 513, 770),
        (90, 1100, 250),
        (256, 300, 900),
    ] {
        for bias in [true, false] {
            let (layer, x) = (linear_layer(&mut rng, input, output, bias), values(&mut rng, [rows, input]));
            let worst = difference(linear(x.clone(), &layer), layer.forward(x));
            assert!(worst < 2e-6, "{rows} x {input} x {output}: {worst}");
        }
    }
    // More axes, and one that is not contiguous.
    let (layer, x) = (linear_layer(&mut rng, 6, 10, true), values(&mut rng, [3, 6, 5]));
    let x = x.swap_dims(1, 2);
    assert!(difference(linear(x.clone(), &layer), layer.forward(x)) < 2e-6);
}

/// What an item of a batch comes to does not depend on how many there are.
#[test]
fn few_rows_have_the_results_of_many() {
    let mut rng = Stream::new(21, "kernels", 0);
    let (many, few, width, hidden) = (300, 9, 270, 1030);
    let (first, second) = (linear_layer(&mut rng, width, hidden, true), linear_layer(&mut rng, hidden, width, true));
    let x = values(&mut rng, [many, width]);
    let both = |x: Tensor<2>| {
        let parts = feed_forward(x.clone(), [&first, &second], Activation::Gelu, None, x.clone());
        [linear(x, &first), parts].map(|out| out.narrow(0, 0, few).into_data().try_to_vec::<f32>().unwrap())
    };
    assert_eq!(both(x.clone()), both(x.narrow(0, 0, few)));
}

#[test]
fn feed_forward_parts_of_every_size() {
    let mut rng = Stream::new(2, "kernels", 0);
    for (rows, width, hidden) in [(1, 3, 5), (0, 4, 8), (17, 24, 96), (170, 96, 384), (15, 130, 2050), (170, 130, 2050)]
    {
        let (first, second) =
            (linear_layer(&mut rng, width, hidden, true), linear_layer(&mut rng, hidden, width, true));
        let (x, residual) = (values(&mut rng, [rows, width]), values(&mut rng, [rows, width]));
        let scale: Tensor<1> = values(&mut rng, [width]);
        for activation in [Activation::Gelu, Activation::QuickGelu] {
            let plain = second.forward(activated(activation, first.forward(x.clone())));
            let scaled = residual.clone() + plain.clone() * scale.clone().unsqueeze();
            let layers = [&first, &second];
            let found = feed_forward(x.clone(), layers, activation, Some(scale.clone()), residual.clone());
            assert!(difference(found, scaled) < 3e-6, "{activation:?} of {rows} x {width}");
            let found = feed_forward(x.clone(), layers, activation, None, residual.clone());
            assert!(difference(found, residual.clone() + plain) < 3e-6, "{activation:?} of {rows} x {width}");
        }
    }
}

#[test]
fn norms_of_every_width() {
    let mut rng = Stream::new(3, "kernels", 0);
    for (rows, width) in [(1, 1), (0, 4), (70, 5), (3, 16), (129, 96), (2, 1027)] {
        let (layer, x) = (norm_layer(&mut rng, width), values(&mut rng, [rows, width]) + 3.0);
        let worst = difference(layer_norm(x.clone(), &layer, EPSILON), layer.forward(x));
        assert!(worst < 2e-6 || width == 1, "{rows} x {width}: {worst}");
    }
}

#[test]
fn depthwise_convolutions_of_every_map() {
    let mut rng = Stream::new(4, "kernels", 0);
    for (batch, height, width, channels) in
        [(1, 1, 1, 1), (0, 5, 5, 8), (2, 7, 9, 16), (1, 2, 23, 40), (3, 14, 14, 24), (1, 4, 3, 96)]
    {
        let config = Conv2dConfig::new([channels, channels], [7, 7])
            .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
            .with_groups(channels);
        let (conv, norm) = (conv_layer(&mut rng, config, true), norm_layer(&mut rng, channels));
        let x = values(&mut rng, [batch, height, width, channels]);
        let expected = norm.forward(conv.forward(x.clone().permute([0, 3, 1, 2])).permute([0, 2, 3, 1]));
        let worst = difference(depthwise_norm(x, &conv, &norm, EPSILON), expected);
        // One channel is its own mean.
        assert!(worst < 5e-6 || channels == 1, "{batch} x {height} x {width} x {channels}: {worst}");
    }
}

#[test]
fn patch_convolutions_of_images_by_channel_first_and_last() {
    let mut rng = Stream::new(5, "kernels", 0);
    for (batch, channels, height, width, filters, side) in
        [(1, 3, 32, 32, 24, 4), (2, 5, 7, 10, 33, 2), (0, 3, 8, 8, 4, 4), (1, 1, 3, 5, 2, 1), (2, 16, 6, 9, 40, 3)]
    {
        let config = Conv2dConfig::new([channels, filters], [side, side]).with_stride([side, side]);
        let conv = conv_layer(&mut rng, config, true);
        let images = values(&mut rng, [batch, channels, height, width]);
        let expected = conv.forward(images.clone()).permute([0, 2, 3, 1]);
        let first = patch_conv(images.clone(), Axes::ChannelsFirst, &conv);
        assert!(difference(first, expected.clone()) < 3e-6, "{channels} x {height} x {width}");
        let last = patch_conv(images.permute([0, 2, 3, 1]), Axes::ChannelsLast, &conv);
        assert!(difference(last, expected) < 3e-6, "{channels} x {height} x {width}");
    }
}

#[test]
fn attention_of_every_size() {
    let mut rng = Stream::new(6, "kernels", 0);
    for (batch, heads, tokens, places, depth, width) in
        [(1, 1, 1, 1, 1, 1), (2, 3, 43, 17, 8, 8), (1, 2, 5, 100, 21, 33), (3, 1, 84, 7, 64, 16), (0, 2, 3, 3, 4, 4)]
    {
        let query = values(&mut rng, [batch, heads, tokens, depth]);
        let key = values(&mut rng, [batch, heads, places, depth]);
        // Not contiguous, as of a layer that gives heads side by side.
        let value = values(&mut rng, [batch, places, heads, width]).swap_dims(1, 2);
        let scores = query.clone().matmul(key.clone().transpose()) * 0.3;
        let attended = softmax(scores, 3).matmul(value.clone()).swap_dims(1, 2);
        let found = attention(query, key, value, 0.3);
        let worst = difference(found, attended.reshape([batch, tokens, heads * width]));
        assert!(worst < 3e-6, "{batch} {heads} {tokens} {places}: {worst}");
    }
}

#[test]
fn attention_within_spans_is_that_of_each() {
    let mut rng = Stream::new(15, "kernels", 0);
    for (queries, keys, heads, depth, width) in [
        (&[1][..], &[1][..], 1, 1, 1),
        (&[50, 1, 7], &[50, 1, 7], 3, 8, 5),
        (&[1, 1, 1, 1], &[3, 60, 1, 17], 2, 21, 33),
    ] {
        let [tokens, places] = [queries, keys].map(|lengths| lengths.iter().sum());
        let query = values(&mut rng, [1, heads, tokens, depth]);
        // Not contiguous, as of a layer that gives heads side by side.
        let key = values(&mut rng, [1, places, heads, depth]).swap_dims(1, 2);
        let value = values(&mut rng, [1, places, heads, width]).swap_dims(1, 2);
        for is_causal in [false, true] {
            let found = attention_within(query.clone(), key.clone(), value.clone(), [queries, keys], 0.3, is_causal);
            let expected = of_each_span([query.clone(), key.clone(), value.clone()], [queries, keys], is_causal);
            assert!(difference(found, expected) < 3e-6, "{queries:?} {keys:?}, causal {is_causal}");
        }
    }
}

#[test]
fn pooled_attention_of_every_grid() {
    let mut rng = Stream::new(14, "kernels", 0);
    for [[batch, heads, width], query_grid, key_grid] in PLACED {
        let [queries, keys] = [query_grid, key_grid].map(|grid| 1 + grid.iter().product::<usize>());
        let query = values(&mut rng, [batch, heads, queries, width]);
        // Not contiguous, as of a layer that gives heads side by side.
        let key = values(&mut rng, [batch, keys, heads, width]).swap_dims(1, 2);
        let value = values(&mut rng, [batch, heads, keys, width]);
        let tables = [0, 1, 2].map(|axis| values(&mut rng, [query_grid[axis], key_grid[axis], width]));
        let expected = placed_attention(query.clone(), key.clone(), value.clone(), tables.clone());
        let worst = difference(pooled_attention(query, key, value, tables), expected);
        assert!(worst < 3e-6, "{query_grid:?} to {key_grid:?}: {worst}");
    }
}

#[test]
fn adamw_of_every_size() {
    let mut rng = Stream::new(9, "kernels", 0);
    for size in [1, 15, 16, 1000, 70_001] {
        let [parameter, gradient, mean] = [(); 3].map(|()| values(&mut rng, [size]));
        let square: Tensor<1> = values(&mut rng, [size]).square();
        let step = AdamWStep { lr: 0.03, betas: [0.8, 0.99], epsilon: 1e-6, weight_decay: 0.2, time: 3 };
        // On an autodiff device Burn's own operations compute it.
        let moments = [&mean, &square].map(|moment| moment.clone().autodiff());
        let (expected, moments) = adamw(parameter.clone().autodiff(), gradient.clone().autodiff(), moments, step);
        // Someone else has the parameter: it must not change in their hands.
        let before = parameter.clone();
        let (found, found_moments) = adamw(parameter.clone(), gradient, [mean, square], step);
        assert_eq!(before.into_data(), parameter.into_data());
        assert!(difference(found, expected.inner()) < 1e-6, "{size}");
        for (found, expected) in found_moments.into_iter().zip(moments) {
            assert!(difference(found, expected.inner()) < 1e-6, "{size}");
        }
    }
}

#[test]
fn adamw_of_what_lies_otherwise() {
    let mut rng = Stream::new(11, "kernels", 0);
    let [parameter, gradient, mean] = [[9, 5], [4, 7], [5, 4]].map(|shape| values(&mut rng, shape));
    let parameter = parameter.narrow(0, 3, 5).narrow(1, 1, 4);
    let gradient = gradient.swap_dims(0, 1).narrow(0, 2, 5);
    let square: Tensor<2> = values(&mut rng, [1, 4]).square().expand([5, 4]);
    let step = AdamWStep { lr: 0.03, betas: [0.8, 0.99], epsilon: 1e-6, weight_decay: 0.2, time: 1 };
    let moments = [&mean, &square].map(|moment| moment.clone().autodiff());
    let (expected, _) = adamw(parameter.clone().autodiff(), gradient.clone().autodiff(), moments, step);
    let (found, _) = adamw(parameter, gradient, [mean, square], step);
    assert!(difference(found, expected.inner()) < 1e-6);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let mut rng = Stream::new(12, "kernels", 0);
    let [layer, other] = [(4, 6), (6, 4)].map(|(input, output)| linear_layer(&mut rng, input, output, true));
    let (norm, x) = (norm_layer(&mut rng, 8), values(&mut rng, [3, 4]));
    let of = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &Device::flex());
    let maps = of([1, 7, 7, 16]);
    let config =
        Conv2dConfig::new([16, 16], [7, 7]).with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3)).with_groups(16);
    let conv = conv_layer(&mut rng, config, true);
    let pool = Conv3dConfig::new([8, 8], [3; 3]).with_groups(8).with_bias(true).init(&Device::flex());
    // Three queries, two keys.
    let within = |spans| attention_within(of([1, 1, 3, 2]), of([1, 1, 2, 2]), of([1, 1, 2, 2]), spans, 1.0, false);
    let step = AdamWStep { lr: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, time: 1 };
    let ones = |length: usize| Tensor::<1>::ones([length], &Device::flex());
    let table = |width: usize| Tensor::<3>::zeros([1, 2, width], &Device::flex());
    let cases: [(&str, &dyn Fn()); 15] = [
        ("linear", &|| drop(linear(values(&mut Stream::new(1, "x", 0), [3, 5]), &layer))),
        ("second layer", &|| drop(feed_forward(x.clone(), [&layer, &layer], Activation::Gelu, None, x.clone()))),
        ("residual", &|| {
            drop(feed_forward(x.clone(), [&layer, &other], Activation::Gelu, None, x.clone().narrow(0, 0, 2)))
        }),
        ("scale", &|| drop(feed_forward(x.clone(), [&layer, &other], Activation::Gelu, Some(ones(5)), x.clone()))),
        ("norm", &|| drop(layer_norm(x.clone(), &norm, EPSILON))),
        ("norm of maps", &|| drop(depthwise_norm(maps.clone(), &conv, &norm, EPSILON))),
        ("depth of keys", &|| drop(attention(of([1, 1, 2, 2]), of([1, 1, 3, 4]), of([1, 1, 3, 4]), 1.0))),
        ("places", &|| drop(attention(of([1, 1, 2, 2]), of([1, 1, 6, 2]), of([1, 1, 3, 2]), 1.0))),
        ("spans", &|| drop(within([&[3], &[1, 1]]))),
        ("tokens of spans", &|| drop(within([&[2], &[2]]))),
        ("empty span", &|| drop(within([&[3, 0], &[2, 0]]))),
        ("vectors of positions", &|| {
            let x = of([1, 1, 9, 4]);
            drop(pooled_attention(of([1, 1, 2, 4]), x.clone(), x, [table(4), table(4), table(3)]));
        }),
        ("grid of keys", &|| {
            let x = of([1, 1, 8, 4]);
            drop(pooled_attention(of([1, 1, 2, 4]), x.clone(), x, [table(4), table(4), table(4)]));
        }),
        ("pool", &|| drop(pool_tokens(of([1, 1, 9, 8]), [2, 2, 2], &pool, &norm, EPSILON))),
        ("adamw", &|| drop(adamw(ones(4), ones(3), [ones(4), ones(4)], step))),
    ];
    for (name, case) in cases {
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)).unwrap_err();
        let reason = refused.downcast_ref::<String>().cloned();
        let reason = reason.or_else(|| refused.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap();
        let is_index = reason.contains("out of range") || reason.contains("out of bounds");
        assert!(!is_index, "{name}: {reason}");
    }
}

#[test]
fn attention_of_vectors_without_numbers_is_the_mean() {
    let mut rng = Stream::new(13, "kernels", 0);
    let value = values(&mut rng, [1, 1, 3, 4]);
    let nothing = |tokens: usize| Tensor::<4>::zeros([1, 1, tokens, 0], &Device::flex());
    let found = attention(nothing(2), nothing(3), value.clone(), 1.0);
    let expected = value.mean_dim(2).reshape([1, 1, 4]).expand([1, 2, 4]);
    assert!(difference(found, expected) < 1e-6);
}

/// Sums in another order have other last bits: were they all the same, Burn's operations would have stood in for the kernels. (A
/// product's are in the same order.)
#[test]
fn layers_go_to_the_kernels() {
    let mut rng = Stream::new(10, "kernels", 0);
    let maps = values(&mut rng, [1, 14, 14, 64]);
    let norm = norm_layer(&mut rng, 64);
    let config =
        Conv2dConfig::new([64, 64], [7, 7]).with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3)).with_groups(64);
    let conv = conv_layer(&mut rng, config, true);
    let theirs = norm.forward(conv.forward(maps.clone().permute([0, 3, 1, 2])).permute([0, 2, 3, 1]));
    assert!(difference(depthwise_norm(maps.clone(), &conv, &norm, EPSILON), theirs) > 0.0);
    assert!(difference(layer_norm(maps.clone(), &norm, EPSILON), norm.forward(maps.clone())) > 0.0);
    let [first, second] = [(64, 256), (256, 64)].map(|(input, output)| linear_layer(&mut rng, input, output, true));
    let theirs = maps.clone() + second.forward(gelu(first.forward(maps.clone())));
    assert!(
        difference(feed_forward(maps.clone(), [&first, &second], Activation::Gelu, None, maps.clone()), theirs) > 0.0
    );
    let heads = maps.reshape([1, 4, 196, 16]);
    let scores = softmax(heads.clone().matmul(heads.clone().transpose()), 3);
    let theirs = scores.matmul(heads.clone()).swap_dims(1, 2).reshape([1, 196, 64]);
    assert!(difference(attention(heads.clone(), heads.clone(), heads, 1.0), theirs) > 0.0);
}

#[test]
fn what_is_no_number_stays_none() {
    let mut rng = Stream::new(7, "kernels", 0);
    let mut query: Vec<f32> = (0..40).map(|_| rng.normal() as f32).collect();
    query[13] = f32::NAN;
    let query = Tensor::<4>::from_data(TensorData::new(query, [1, 1, 10, 4]), &Device::flex());
    let found = attention(query.clone(), query.clone(), query.clone(), 1.0).into_data();
    assert!(found.iter::<f32>().all(f32::is_nan), "every query sees the key that is no number");
    let x = query.reshape([10, 4]);
    let layer = linear_layer(&mut rng, 4, 4, true);
    let found = feed_forward(x.clone(), [&layer, &layer], Activation::Gelu, None, x).into_data();
    let rows: Vec<bool> =
        found.iter::<f32>().collect::<Vec<_>>().chunks(4).map(|row| row.iter().any(|x| x.is_nan())).collect();
    assert_eq!(rows.iter().filter(|nan| **nan).count(), 1);
}

#[test]
fn pools_of_every_grid() {
    let mut rng = Stream::new(8, "kernels", 0);
    for (batch, heads, channels, [frames, height, width], stride) in
        [(1, 1, 1, [1, 1, 1], 1), (2, 3, 4, [3, 6, 9], 1), (1, 2, 40, [4, 7, 5], 2), (2, 1, 24, [1, 9, 10], 4)]
    {
        let mut conv = Conv3dConfig::new([channels, channels], [3; 3])
            .with_stride([1, stride, stride])
            .with_padding(PaddingConfig3d::Explicit(1, 1, 1))
            .with_groups(channels)
            .with_bias(false)
            .init(&Device::flex());
        conv.weight = Param::from_tensor(values(&mut rng, conv.weight.dims()));
        let norm = norm_layer(&mut rng, channels);
        let count = frames * height * width;
        let tokens = values(&mut rng, [batch, 1 + count, heads, channels]).swap_dims(1, 2);
        let grid = [frames, height, width];
        let expected = norm.forward(convolved_tokens(tokens.clone(), grid, &conv));
        let found = pool_tokens(tokens, grid, &conv, &norm, EPSILON);
        assert_eq!(found.dims()[2], 1 + pooled(grid, stride).iter().product::<usize>());
        let worst = difference(found, expected);
        // One channel is its own mean.
        assert!(worst < 5e-6 || channels == 1, "{channels} of {frames} x {height} x {width}: {worst}");
    }
}

#[test]
fn greatest_of_windows_of_every_grid() {
    let mut rng = Stream::new(9, "kernels", 0);
    for (batch, channels, grid, pool) in max_pools() {
        let count: usize = grid.iter().product();
        // Few values, so that there are several greatest; and one that is no number.
        let mut tokens = (values(&mut rng, [batch, 1 + count, channels]) * 2.0).round();
        if count > 20 {
            tokens = tokens.slice_fill([0..1, 9..10, 0..1], f32::NAN);
        }
        let bits = |x: Tensor<3>| x.into_data().iter::<f32>().map(f32::to_bits).collect::<Vec<_>>();
        let (found, expected) =
            (max_pool_tokens(tokens.clone(), grid, &pool), greatest_of_windows(tokens, grid, &pool));
        assert_eq!(found.dims(), expected.dims());
        let (found, expected) = (bits(found), bits(expected));
        assert!(found == expected, "{channels} of {grid:?}");
        assert!(count <= 20 || found.iter().any(|&x| f32::from_bits(x).is_nan()));
    }
}
