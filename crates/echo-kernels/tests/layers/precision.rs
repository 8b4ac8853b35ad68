//! Products of numbers with fewer bits than 32.

use burn::module::Param;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use echo_kernels::{Activation, Axes, Precision, attention, feed_forward, linear, patch_conv, pooled_attention};
use echo_random::Stream;

use crate::values;

/// Rows, depth and columns: less than a word, than a tile, a block and a part of the depth; and more.
const SHAPES: [[usize; 3]; 9] = [
    [0, 5, 3],
    [1, 1, 1],
    [13, 3, 17],
    [14, 33, 32],
    [15, 64, 45],
    [100, 130, 64],
    [3, 1027, 33],
    [2, 2051, 16],
    [85, 4099, 70],
];

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// A layer with these weights.
fn layer(weights: Vec<f32>, [depth, columns]: [usize; 2], bias: Option<Vec<f32>>) -> Linear {
    let mut layer = LinearConfig::new(depth, columns).with_bias(bias.is_some()).init(&Device::flex());
    layer.weight = Param::from_tensor(tensor(weights, [depth, columns]));
    layer.bias = bias.map(|bias| Param::from_tensor(tensor(bias, [columns])));
    layer
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// Root mean square of the difference, in parts of that of what is expected.
fn error(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let of = |values: &mut dyn Iterator<Item = f64>| values.map(square).sum::<f64>();
    let difference = of(&mut found.iter().zip(expected).map(|(x, y)| f64::from(x - y)));
    (difference / of(&mut expected.iter().map(|&x| f64::from(x)))).sqrt()
}

#[test]
fn what_fewer_bits_can_hold_is_exact() {
    let mut rng = Stream::new(3, "exact", 0);
    for [rows, depth, columns] in SHAPES {
        // Small whole numbers, and in every row and column the ends of the range that 8 bits have.
        let mut small =
            |count: usize| -> Vec<f32> { (0..count).map(|_| (rng.normal() * 2.0).round() as f32).collect() };
        let (mut left, mut right, bias) = (small(rows * depth), small(depth * columns), small(columns));
        for (row, left) in left.chunks_exact_mut(depth).enumerate() {
            left[row % depth] = 150.0;
            left[(row + 1) % depth] = -105.0;
        }
        for column in 0..columns {
            right[column % depth * columns + column] = if column % 2 == 0 { 127.0 } else { -127.0 };
        }
        if depth == 1 {
            // Both ends are one number, and zero is the other.
            left.fill(255.0);
        }
        let x = tensor(left, [rows, depth]);
        let layer = layer(right, [depth, columns], Some(bias));
        let expected = numbers(linear(x.clone(), &layer));
        for precision in [Precision::Bf16, Precision::Int8] {
            let found = precision.run(|| numbers(linear(x.clone(), &layer)));
            assert_eq!(found, expected, "{precision}, {rows} x {depth} x {columns}");
        }
    }
}

#[test]
fn other_numbers_are_rounded() {
    let mut rng = Stream::new(3, "rounded", 0);
    let [width, hidden] = [96, 384];
    let weights = |rng: &mut Stream, shape: [usize; 2]| {
        layer(numbers(values(rng, shape)), shape, Some(numbers(values(rng, [shape[1]]))))
    };
    let (first, second) = (weights(&mut rng, [width, hidden]), weights(&mut rng, [hidden, width]));
    let x = values(&mut rng, [2, 50, width]);
    let mut conv = Conv2dConfig::new([5, 70], [2, 2]).with_stride([2, 2]).init(&Device::flex());
    conv.weight = Param::from_tensor(values(&mut rng, [70, 5, 2, 2]));
    let images = values(&mut rng, [3, 8, 6, 5]);
    let layers = || {
        [
            numbers(linear(x.clone(), &first)),
            numbers(feed_forward(x.clone(), [&first, &second], Activation::Gelu, None, Tensor::zeros_like(&x))),
            numbers(patch_conv(images.clone(), Axes::ChannelsLast, &conv)),
        ]
    };
    let expected = layers();
    // Rounding to 8 digits is off by 2^-9 of a number at most, and both sides are: about 2e-3 of normal values. Steps of 1/127 and
    // 1/255 of what lies some 4 deviations around zero are off by about 1e-2.
    for (precision, [least, most]) in [(Precision::Bf16, [5e-4, 4e-3]), (Precision::Int8, [2e-3, 2e-2])] {
        for (index, (found, expected)) in precision.run(layers).iter().zip(&expected).enumerate() {
            let error = error(found, expected);
            assert!(least < error && error < most, "{precision}, layer {index}: {error}");
        }
    }
}

#[test]
fn attention_has_16_bits_or_32() {
    let mut rng = Stream::new(3, "attention", 0);
    for [batch, heads, tokens, places, depth, width] in
        [[2, 3, 50, 70, 40, 33], [1, 1, 1, 1, 1, 1], [1, 2, 43, 65, 7, 16]]
    {
        let query = values(&mut rng, [batch, heads, tokens, depth]);
        let key = values(&mut rng, [batch, places, heads, depth]).swap_dims(1, 2);
        let value = values(&mut rng, [batch, heads, places, width]);
        let attended = || numbers(attention(query.clone(), key.clone(), value.clone(), 0.3));
        let expected = attended();
        let [found, in_8] = [Precision::Bf16, Precision::Int8].map(|precision| precision.run(attended));
        assert_eq!(in_8, expected);
        let error = error(&found, &expected);
        // Two products of 8 digits, one within an exponential.
        assert!(error < 1e-2 && (error > 5e-4 || tokens == 1), "{tokens} of {places}: {error}");
    }
    let [query, key] = [25, 13].map(|tokens| values(&mut rng, [2, 3, tokens, 8]));
    let tables = [[2, 2], [4, 2], [3, 3]].map(|[query, key]| values(&mut rng, [query, key, 8]));
    let attended = || numbers(pooled_attention(query.clone(), key.clone(), key.clone(), tables.clone()));
    let expected = attended();
    let [found, in_8] = [Precision::Bf16, Precision::Int8].map(|precision| precision.run(attended));
    assert_eq!(in_8, expected);
    let error = error(&found, &expected);
    assert!(error < 1e-2 && error > 5e-4, "pooled: {error}");
}

#[test]
fn what_gradients_are_asked_of_has_32_bits() {
    let mut rng = Stream::new(3, "tracked", 0);
    let layer = layer(numbers(values(&mut rng, [40, 30])), [40, 30], None);
    let x = values(&mut rng, [7, 40]).autodiff();
    let expected = numbers(linear(x.clone(), &layer));
    let found = |x: Tensor<2>| Precision::Int8.run(|| numbers(linear(x, &layer)));
    assert_ne!(found(x.clone()), expected);
    assert_eq!(found(x.require_grad()), expected);
}

#[test]
fn what_is_no_number_stays_none() {
    for (value, in_weights) in
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().flat_map(|x| [(x, true), (x, false)])
    {
        for depth in [3, 40] {
            let (mut x, mut weights) = (vec![1.0; 20 * depth], vec![1.0; depth * 33]);
            if in_weights {
                weights[33 + 7] = value
            } else {
                x[3 * depth + 1] = value
            }
            let layer = layer(weights, [depth, 33], None);
            for precision in [Precision::Bf16, Precision::Int8] {
                let found = precision.run(|| numbers(linear(tensor(x.clone(), [20, depth]), &layer)));
                for (place, found) in found.into_iter().enumerate() {
                    let is_touched = if in_weights { place % 33 == 7 } else { place / 33 == 3 };
                    assert_eq!(found.is_finite(), !is_touched, "{precision}, {value}, depth {depth}, place {place}");
                    assert!(is_touched || (found - depth as f32).abs() < 0.05, "{precision}: {found}");
                }
            }
        }
    }
}

#[test]
fn nothing_and_next_to_nothing() {
    let layer = layer(vec![1e-42; 8 * 8], [8, 8], None);
    let tiny = [vec![0.0; 16], vec![1e-42; 16], vec![1e30; 16]];
    for (precision, x) in [Precision::Bf16, Precision::Int8].into_iter().flat_map(|p| tiny.clone().map(|x| (p, x))) {
        let found = precision.run(|| numbers(linear(tensor(x, [2, 8]), &layer)));
        assert!(found.iter().all(|x| x.abs() < 1e-10), "{precision}: {found:?}");
    }
}
