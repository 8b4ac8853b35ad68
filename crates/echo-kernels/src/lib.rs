//! Layers on the processor.
//!
//! Each function is a layer of a network, over Burn's tensors and modules. Tensors of Burn's CPU backend, on an autodiff device
//! or not, go to the kernels of this crate, which fuse what follows a product into it and are chosen at run time for the
//! processor at hand (AVX-512, AVX2, NEON, plain). Those of other backends are computed by Burn's own operations, with the same
//! results and gradients but for the rounding of sums.

mod activation;
mod adamw;
mod attention;
mod convolution;
mod cpu;
mod depthwise;
mod feed_forward;
mod few_rows;
mod graph;
mod interleave;
mod math;
mod matrix;
mod max_pool;
mod memory;
mod norm;
mod parameters;
mod patches;
mod pool;
mod positions;
mod precision;
mod processor;
mod product;
mod recompute;
mod reduced;
mod scope;
mod taps;
#[cfg(target_arch = "x86_64")]
mod words;

use burn::nn::conv::{Conv2d, Conv3d};
use burn::nn::pool::MaxPool2d;
use burn::nn::{LayerNorm, Linear, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::Tensor;

pub use crate::activation::Activation;
pub use crate::adamw::{AdamWStep, adamw};
use crate::attention::Heads;
use crate::convolution::Convolution;
use crate::cpu::{Input, Values};
use crate::depthwise::{Maps, SIDE};
use crate::feed_forward::Kept;
use crate::graph::{is_tracked, precision_of, result};
use crate::matrix::Matrix;
use crate::max_pool::Windows;
use crate::parameters::{Normed, Parameters, input_of};
use crate::patches::Images;
pub use crate::pool::pooled;
use crate::positions::{Placed, Positions};
pub use crate::precision::Precision;
pub use crate::processor::{check_simd, vectors_in_use};
use crate::product::{Finish, add_product_of_columns, column_sums, product};
pub use crate::recompute::{recomputed, recomputing};

/// `x W + b`, over the last axis.
///
/// # Panics
/// When the last axis is not as long as the layer's input.
pub fn linear<const D: usize>(x: Tensor<D>, layer: &Linear) -> Tensor<D> {
    let Some((input, parameters)) = Input::of(&x).zip(Parameters::of_linear(layer)) else { return layer.forward(x) };
    let [depth, columns] = parameters.sizes();
    assert_eq!(x.dims().last(), Some(&depth), "the last axis and the layer's input");
    let (values, matrix) = (input.values(), parameters.weight.values());
    let inputs = [Some(&input), Some(&parameters.weight), parameters.bias.as_ref()];
    let rows = values.len() / depth;
    let weights = Matrix::of_rows(&matrix, depth, columns).for_rows(rows, precision_of(&inputs));
    let out = product(&values, &weights, parameters.bias().as_deref(), Finish::Plain);
    result(inputs, out, with_last(x.dims(), columns), move |gradient, [of_x, of_weight, of_bias]| {
        let dy: &[f32] = gradient;
        let d_x = of_x.then(|| {
            let back = Matrix::of_columns(&matrix, columns, depth).for_rows(rows, Precision::F32);
            product(dy, &back, None, Finish::Plain).into()
        });
        let d_weight = of_weight.then(|| {
            let mut out = vec![0.0; depth * columns];
            add_product_of_columns(&values, depth, dy, columns, &mut out);
            out.into()
        });
        [d_x, d_weight, of_bias.then(|| column_sums(dy, columns).into())]
    })
}

/// `residual + scale * (activation(x W1 + b1) W2 + b2)`, over the last axis: the feed-forward part of a block.
///
/// # Panics
/// When a layer does not fit what it is given.
pub fn feed_forward<const D: usize>(
    x: Tensor<D>,
    [first, second]: [&Linear; 2],
    activation: Activation,
    scale: Option<Tensor<1>>,
    residual: Tensor<D>,
) -> Tensor<D> {
    let fused = || {
        let (input, residual) = (Input::of(&x)?, Input::of(&residual)?);
        let [first, second] = [Parameters::of_linear(first)?, Parameters::of_linear(second)?];
        let scale = input_of(scale.as_ref())?;
        let ([width, hidden], [of_hidden, columns]) = (first.sizes(), second.sizes());
        let widths = [width, hidden, columns];
        assert_eq!(
            [x.dims()[D - 1], of_hidden],
            [width, hidden],
            "widths of what the layers are given, and of the layers"
        );
        assert_eq!(residual.shape(), with_last(x.dims(), columns), "the residual's shape and the result's");
        assert!(
            scale.as_ref().is_none_or(|scale| scale.shape() == [columns]),
            "one factor of the scale for each column"
        );
        let (values, scale_values, residual_values) =
            (input.values(), scale.as_ref().map(Input::values), residual.values());
        let finish = Finish::AddTo { residual: &residual_values, scale: scale_values.as_deref() };
        let inputs = [
            Some(&input),
            Some(&first.weight),
            first.bias.as_ref(),
            Some(&second.weight),
            second.bias.as_ref(),
            scale.as_ref(),
            Some(&residual),
        ];
        let weights = [first.weight.values(), second.weight.values()];
        let matrices = [Matrix::of_rows(&weights[0], width, hidden), Matrix::of_rows(&weights[1], hidden, columns)];
        let biases = [first.bias(), second.bias()];
        let biases = biases.each_ref().map(Option::as_deref);
        let rows = values.len() / width;
        let matrices = matrices.map(|matrix| matrix.for_rows(rows, precision_of(&inputs)));
        let (out, between) =
            feed_forward::feed_forward(&values, &matrices, biases, activation, finish, is_tracked(&inputs));
        let bias = second.bias.as_ref().map(Input::values);
        let between = between.unwrap_or_default();
        let kept = Kept { x: values, between, weights, bias, scale: scale_values, activation, widths };
        let gradients = move |gradient: &Values, wanted| kept.gradients(gradient, wanted);
        Some(result(inputs, out, with_last(x.dims(), columns), gradients))
    };
    if let Some(result) = fused() {
        return result;
    }
    let x = second.forward(activation.of_tensor(first.forward(x)));
    match scale {
        Some(scale) => residual + x * scale.unsqueeze(),
        None => residual + x,
    }
}

/// Layer norm over the last axis. `epsilon` is that of `layer`, which keeps it to itself.
///
/// # Panics
/// When the last axis is not as long as the norm's.
pub fn layer_norm<const D: usize>(x: Tensor<D>, layer: &LayerNorm, epsilon: f64) -> Tensor<D> {
    let Some((input, norm)) = Input::of(&x).zip(Normed::of(layer, epsilon, x.dims()[D - 1])) else {
        return layer.forward(x);
    };
    let (values, parameters) = (input.values(), norm.values());
    let out = norm::norm_rows(&values, parameters.norm());
    let inputs = [Some(&input), Some(&norm.gamma), Some(&norm.beta)];
    result(inputs, out, x.dims(), move |gradient, _| {
        norm::gradients(&values, parameters.norm(), gradient).map(|values| Some(values.into()))
    })
}

/// A 7 x 7 depthwise convolution (stride 1, the map's size kept) of channels-last maps `[batch, height, width, channels]`, and a
/// layer norm over the channels.
///
/// # Panics
/// When the norm is not of as many channels.
pub fn depthwise_norm(x: Tensor<4>, conv: &Conv2d, layer: &LayerNorm, epsilon: f64) -> Tensor<4> {
    let [_, height, width, channels] = x.dims();
    let sizes = [height, width, channels];
    let is_ours = conv.kernel_size == [SIDE; 2]
        && matches!(conv.padding, PaddingConfig2d::Explicit(3, 3, 3, 3))
        && (conv.stride, conv.dilation, conv.groups) == ([1; 2], [1; 2], channels)
        && conv.weight.dims() == [channels, 1, SIDE, SIDE];
    let fused = || {
        let input = Input::of(&x).filter(|_| is_ours)?;
        let (parameters, norm) =
            (Parameters::of(&conv.weight, conv.bias.as_ref())?, Normed::of(layer, epsilon, channels)?);
        let inputs = [Some(&input), Some(&parameters.weight), parameters.bias.as_ref()];
        // The norm's gradients ask for what is normed.
        let is_apart = is_tracked(&inputs) || is_tracked(&[Some(&norm.gamma), Some(&norm.beta)]);
        let (values, weights, norm) = (input.values(), parameters.weight.values(), norm.values());
        let normed = (!is_apart).then(|| norm.norm());
        let out = depthwise::depthwise(Maps::new(&values, sizes), &weights, parameters.bias().as_deref(), normed);
        let out = result(inputs, out, x.dims(), move |gradient, [of_maps, of_weights, of_bias]| {
            let d_maps = of_maps.then(|| depthwise::map_gradient(Maps::new(gradient, sizes), &weights).into());
            let d_weights = of_weights.then(|| depthwise::weight_gradient(Maps::new(&values, sizes), gradient).into());
            [d_maps, d_weights, of_bias.then(|| column_sums(gradient, channels).into())]
        });
        Some(if is_apart { layer_norm(out, layer, epsilon) } else { out })
    };
    fused().unwrap_or_else(|| layer.forward(conv.forward(x.clone().permute([0, 3, 1, 2])).permute([0, 2, 3, 1])))
}

/// How the axes of images stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axes {
    /// `[batch, channels, height, width]`
    ChannelsFirst,
    /// `[batch, height, width, channels]`
    ChannelsLast,
}

/// A convolution whose stride is its kernel size and which pads nothing: channels-last maps `[batch, height, width, filters]` of
/// images with their axes as they are said to stand.
pub fn patch_conv(images: Tensor<4>, axes: Axes, conv: &Conv2d) -> Tensor<4> {
    let (batch, channels, height, width) = match (axes, images.dims()) {
        (Axes::ChannelsFirst, [batch, channels, height, width]) => (batch, channels, height, width),
        (Axes::ChannelsLast, [batch, height, width, channels]) => (batch, channels, height, width),
    };
    let [filters, _, side, _] = conv.weight.dims();
    let is_ours = conv.kernel_size == [side; 2]
        && matches!(conv.padding, PaddingConfig2d::Valid)
        && conv.weight.dims()[1] == channels
        && (conv.stride, conv.dilation, conv.groups) == ([side; 2], [1; 2], 1);
    let fused = || {
        let input = Input::of(&images).filter(|_| is_ours)?;
        let parameters = Parameters::of(&conv.weight, conv.bias.as_ref())?;
        let (values, weights) = (input.values(), parameters.weight.values());
        let channels_last = axes == Axes::ChannelsLast;
        let sizes = [batch, channels, height, width];
        let inputs = [Some(&input), Some(&parameters.weight), parameters.bias.as_ref()];
        let out = patches::patch_product(
            Images::new(&values, sizes, channels_last),
            &weights,
            parameters.bias().as_deref(),
            side,
            precision_of(&inputs),
        );
        let shape = [batch, height / side, width / side, filters];
        Some(result(inputs, out, shape, move |gradient, wanted| {
            let gradients =
                patches::gradients(Images::new(&values, sizes, channels_last), &weights, side, gradient, wanted);
            gradients.map(|values| values.map(Values::from))
        }))
    };
    fused().unwrap_or_else(|| match axes {
        Axes::ChannelsFirst => conv.forward(images.clone()).permute([0, 2, 3, 1]),
        Axes::ChannelsLast => conv.forward(images.clone().permute([0, 3, 1, 2])).permute([0, 2, 3, 1]),
    })
}

/// A convolution over time, rows and columns: channels-last volumes `[batch, time, rows, columns, filters]`.
///
/// - volumes: `[batch, time, rows, columns, channels]`
/// - weight: `[filters, channels, time, rows, columns]`
/// - bias: `[filters]`
///
/// # Panics
/// When the volumes have other channels than the weight, or the kernel is larger than a volume with its padding.
pub fn convolution(
    volumes: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    stride: [usize; 3],
    padding: [usize; 3],
) -> Tensor<5> {
    let [batch, time, rows, columns, channels] = volumes.dims();
    let [filters, of_channels, depth, height, width] = weight.dims();
    assert_eq!(channels, of_channels, "channels of the volumes and of the weight");
    let (grid, kernel) = ([time, rows, columns], [depth, height, width]);
    let sizes = Convolution { batch, grid, channels, filters, kernel, stride, padding };
    let fused = || {
        let (input, taps, bias) = (Input::of(&volumes)?, Input::of(&weight)?, input_of(bias.as_ref())?);
        let inputs = [Some(&input), Some(&taps), bias.as_ref()];
        let (values, weights) = (input.values(), taps.values());
        let of_bias = bias.as_ref().map(Input::values);
        let out = sizes.run(&values, &weights, of_bias.as_deref(), precision_of(&inputs));
        let [time, rows, columns] = sizes.result_grid();
        Some(result(inputs, out, [batch, time, rows, columns, filters], move |gradient, wanted| {
            sizes.gradients(&values, &weights, gradient, wanted).map(|values| values.map(Values::from))
        }))
    };
    fused().unwrap_or_else(|| convolution::composed(volumes.clone(), weight.clone(), bias.clone(), stride, padding))
}

/// `softmax(scale * query x key) x value` of every head, heads side by side: `[batch, tokens, heads * width]`.
///
/// - query: `[batch, heads, tokens, depth]`; key: `[batch, heads, places, depth]`; value: `[batch, heads, places, width]`
///
/// # Panics
/// When these shapes do not fit together, or there is no place.
pub fn attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, scale: f64) -> Tensor<3> {
    let [batch, heads, tokens, depth] = query.dims();
    let [_, _, places, width] = value.dims();
    assert_eq!(key.dims(), [batch, heads, places, depth], "the key's shape");
    assert_eq!(value.dims(), [batch, heads, places, width], "the value's shape");
    assert!(places > 0, "attention to nothing");
    let fused = || {
        let inputs = [Input::of(&query)?, Input::of(&key)?, Input::of(&value)?];
        let vectors = inputs.each_ref().map(Input::strided);
        let scale = scale as f32;
        let given = inputs.each_ref().map(Some);
        let heads_of = vectors.each_ref().map(|x| x.heads());
        let out = attention::attention([batch, heads], heads_of, scale, precision_of(&given));
        let shape = [batch, tokens, heads * width];
        Some(result(given, out, shape, move |gradient, _| {
            let vectors = vectors.each_ref().map(|x| x.heads());
            let gradients = attention::gradients([batch, heads], vectors, (scale, false), gradient);
            gradients.map(|values| Some(values.into()))
        }))
    };
    fused().unwrap_or_else(|| attention::composed(query.clone(), key.clone(), value.clone(), scale))
}

/// [`attention`] within spans of tokens that lie one after the other, as of packed texts of different lengths: no token sees
/// another span.
///
/// - query: `[1, heads, tokens, depth]`; key: `[1, heads, places, depth]`; value: `[1, heads, places, width]`
/// - spans: how many of the tokens and how many of the places each span has, at least one
/// - is_causal: whether no query sees a key behind its own place in the span
/// - output: `[1, tokens, heads * width]`
///
/// # Panics
/// When these shapes do not fit together.
pub fn attention_within(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    spans: [&[usize]; 2],
    scale: f64,
    is_causal: bool,
) -> Tensor<3> {
    let [_, heads, tokens, depth] = query.dims();
    let [_, _, places, width] = value.dims();
    assert_eq!([query.dims()[0], value.dims()[0]], [1, 1], "spans of one item");
    assert_eq!(key.dims(), [1, heads, places, depth], "the key's shape");
    assert_eq!(value.dims(), [1, heads, places, width], "the value's shape");
    assert_eq!(spans[0].len(), spans[1].len(), "queries and keys of every span");
    assert!(spans.iter().all(|lengths| !lengths.contains(&0)), "a span of nothing");
    assert_eq!(spans.map(|lengths| lengths.iter().sum::<usize>()), [tokens, places], "tokens and places of all spans");
    let fused = || {
        let inputs = [Input::of(&query)?, Input::of(&key)?, Input::of(&value)?];
        let vectors = inputs.each_ref().map(Input::strided);
        let factors = (scale as f32, is_causal);
        let given = inputs.each_ref().map(Some);
        let heads_of = vectors.each_ref().map(|x| x.heads());
        let out = attention::attention_within(spans, heads, heads_of, factors, precision_of(&given));
        let spans = spans.map(<[usize]>::to_vec);
        Some(result(given, out, [1, tokens, heads * width], move |gradient, _| {
            let spans = spans.each_ref().map(Vec::as_slice);
            let vectors = vectors.each_ref().map(|x| x.heads());
            let gradients = attention::gradients_within(spans, heads, vectors, factors, gradient);
            gradients.map(|values| Some(values.into()))
        }))
    };
    fused().unwrap_or_else(|| {
        attention::composed_within(spans, [query.clone(), key.clone(), value.clone()], scale, is_causal)
    })
}

/// Attention over pooled grids of tokens with decomposed relative positions, to which each token's query is added, but not the class
/// token's: `[batch, 1 + query's grid, heads * width]`.
///
/// `softmax(query x key / sqrt(width) + positions) x value + query`, where the position of a query beside a key adds the query's
/// products with three vectors: those of their frames, of their rows and of their columns. The class token has no position.
///
/// - query: `[batch, heads, 1 + query's grid, width]`; key and value: `[batch, heads, 1 + key's grid, width]`
/// - tables: for frames, rows and columns, `[query's places, key's places, width]`
///
/// # Panics
/// When these shapes do not fit together.
pub fn pooled_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, tables: [Tensor<3>; 3]) -> Tensor<3> {
    let [batch, heads, tokens, width] = query.dims();
    let grids = [0, 1].map(|side| tables.each_ref().map(|table| table.dims()[side]));
    let [of_queries, of_keys] = grids.map(|grid| 1 + grid.iter().product::<usize>());
    assert_eq!(tokens, of_queries, "queries of the grid {:?} and a class token", grids[0]);
    for (tensor, what) in [(&key, "keys"), (&value, "values")] {
        assert_eq!(
            tensor.dims(),
            [batch, heads, of_keys, width],
            "{what} of the grid {:?} and a class token",
            grids[1]
        );
    }
    let widths = tables.each_ref().map(|table| table.dims()[2]);
    assert_eq!(widths, [width; 3], "widths of the vectors of positions, and of the queries");
    let scale = (width as f64).sqrt().recip();
    let fused = || {
        let [of_frames, of_rows, of_columns] = tables.each_ref().map(Input::of);
        let inputs = [Input::of(&query)?, Input::of(&key)?, Input::of(&value)?, of_frames?, of_rows?, of_columns?];
        let given = inputs.each_ref().map(Some);
        let [query, key, value] = [0, 1, 2].map(|index| inputs[index].strided());
        let tables = [3, 4, 5].map(|index| inputs[index].values());
        let positions = Positions::new(&tables, grids, width);
        let placed = Placed::new([batch, heads], [query.heads(), key.heads()], positions, scale as f32);
        let out = placed.attend(query.heads(), value.heads(), positions, precision_of(&given));
        Some(result(given, out, [batch, tokens, heads * width], move |gradient, _| {
            let positions = Positions::new(&tables, grids, width);
            let gradients = placed.gradients(query.heads(), value.heads(), positions, gradient);
            gradients.map(|values| Some(values.into()))
        }))
    };
    fused().unwrap_or_else(|| positions::composed(query.clone(), key.clone(), value.clone(), tables.clone(), scale))
}

/// The class token as it is, and the greatest of every window of the grid's tokens.
///
/// - tokens: `[batch, 1 + tokens, channels]`
/// - grid: frames, rows and columns of the tokens; windows are of rows and columns
///
/// # Panics
/// When there are not as many tokens.
pub fn max_pool_tokens(tokens: Tensor<3>, grid: [usize; 3], pool: &MaxPool2d) -> Tensor<3> {
    let [batch, count, channels] = tokens.dims();
    let [frames, rows, columns] = grid;
    assert_eq!(count, 1 + frames * rows * columns, "tokens of the grid {grid:?} and a class token");
    let ([side, _], [stride, _]) = (pool.kernel_size, pool.stride);
    let padding = match pool.padding {
        PaddingConfig2d::Explicit(padding, right, bottom, left) if [right, bottom, left] == [padding; 3] => {
            Some(padding)
        }
        _ => None,
    };
    let is_ours =
        (pool.kernel_size, pool.stride, pool.dilation, pool.ceil_mode) == ([side; 2], [stride; 2], [1; 2], false);
    let fused = || {
        let (input, padding) = Input::of(&tokens).zip(padding.filter(|_| is_ours))?;
        let windows = Windows { side, stride, padding, grid, channels };
        let values = input.values();
        let out = max_pool::max_pool(&values, batch, windows);
        let shape = [batch, 1 + windows.pooled().iter().product::<usize>(), channels];
        Some(result([Some(&input)], out, shape, move |gradient, _| {
            [Some(max_pool::gradient(&values, gradient, batch, windows).into())]
        }))
    };
    fused().unwrap_or_else(|| {
        let class = tokens.clone().narrow(1, 0, 1);
        let maps = tokens.clone().narrow(1, 1, count - 1).reshape([batch * frames, rows, columns, channels]);
        let maps = pool.forward(maps.permute([0, 3, 1, 2]));
        let [_, _, rows, columns] = maps.dims();
        let patches = maps.permute([0, 2, 3, 1]).reshape([batch, frames * rows * columns, channels]);
        Tensor::cat(vec![class, patches], 1)
    })
}

/// The pool of pooling attention: the class token as it is, and a 3 x 3 x 3 depthwise convolution of the grid's tokens with
/// zeros around it, its stride in rows and columns alone; then a layer norm of all.
///
/// - tokens: `[batch, heads, 1 + tokens, channels]`
/// - grid: frames, rows and columns of the tokens; the result's are [`pooled`]
///
/// # Panics
/// When the convolution is another, or sizes do not fit together.
pub fn pool_tokens(tokens: Tensor<4>, grid: [usize; 3], conv: &Conv3d, layer: &LayerNorm, epsilon: f64) -> Tensor<4> {
    let [batch, heads, count, channels] = tokens.dims();
    let [_, stride, _] = conv.stride;
    assert_eq!(count, 1 + grid.iter().product::<usize>(), "tokens of the grid {grid:?} and a class token");
    let is_pool = conv.weight.dims() == [channels, 1, pool::SIDE, pool::SIDE, pool::SIDE]
        && matches!(conv.padding, PaddingConfig3d::Explicit(1, 1, 1))
        && (conv.stride, conv.dilation, conv.groups) == ([1, stride, stride], [1; 3], channels)
        && conv.bias.is_none();
    assert!(is_pool, "a depthwise convolution 3 x 3 x 3 with zeros around, without bias: {conv}");
    let pooled = pooled(grid, stride);
    let shape = [batch, heads, 1 + pooled.iter().product::<usize>(), channels];
    let fused = || {
        let (input, weights) = (Input::of(&tokens)?, Input::of(&conv.weight.val())?);
        let norm = Normed::of(layer, epsilon, channels)?;
        let inputs = [Some(&input), Some(&weights)];
        // The norm's gradients ask for what is normed.
        let is_apart = is_tracked(&inputs) || is_tracked(&[Some(&norm.gamma), Some(&norm.beta)]);
        let (vectors, taps, norm) = (input.strided(), weights.values(), norm.values());
        let normed = (!is_apart).then(|| norm.norm());
        let out = pool::pool(vectors.heads(), [batch, heads], grid, stride, &taps, normed);
        let out = result(inputs, out, shape, move |gradient, [of_tokens, of_weights]| {
            let gradient = Heads::contiguous(gradient, heads, shape[2], channels);
            let sizes = [batch, heads];
            let d_tokens = of_tokens.then(|| pool::token_gradient(gradient, sizes, grid, stride, &taps).into());
            let d_weights =
                of_weights.then(|| pool::weight_gradient(vectors.heads(), gradient, sizes, grid, stride).into());
            [d_tokens, d_weights]
        });
        Some(if is_apart { layer_norm(out, layer, epsilon) } else { out })
    };
    if let Some(result) = fused() {
        return result;
    }
    let class = tokens.clone().narrow(2, 0, 1);
    let patches = pool::composed_patches(tokens.narrow(2, 1, count - 1), grid, pooled, conv);
    layer.forward(Tensor::cat(vec![class, patches], 2))
}

fn with_last<const D: usize>(mut dims: [usize; D], last: usize) -> [usize; D] {
    dims[D - 1] = last;
    dims
}
