//! Layers on the processor.
//!
//! Each function is a layer of a network, over Burn's tensors and modules. Tensors of Burn's CPU backend of which nothing is
//! recorded for gradients go to the kernels of this crate, which fuse what follows a product into it and are chosen at run time
//! for the processor at hand (AVX-512, AVX2, NEON, plain). All others are computed by Burn's own operations, with the same
//! result but for the rounding of sums.

mod attention;
mod cpu;
mod depthwise;
mod math;
mod memory;
mod norm;
mod patches;
mod pool;
mod processor;
mod product;

use burn::nn::conv::{Conv2d, Conv3d};
use burn::nn::{LayerNorm, Linear, PaddingConfig2d};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::module::{attention as fused_attention, conv2d};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions};
use burn::tensor::{Bool, Tensor};

use crate::attention::Hidden;
use crate::cpu::{Strided, Values, tensor};
use crate::depthwise::{Maps, SIDE, depthwise};
use crate::norm::{Norm, norm_rows};
use crate::patches::{Images, patch_product};
use crate::product::{Finish, Packed, product, two_products};

/// `x W + b`, over the last axis.
///
/// # Panics
/// When the last axis is not as long as the layer's input.
pub fn linear<const D: usize>(x: Tensor<D>, layer: &Linear) -> Tensor<D> {
    let Some((values, weights)) = Values::of(&x).zip(Weights::of(layer)) else { return layer.forward(x) };
    assert_eq!(x.dims().last(), Some(&weights.depth), "the last axis and the layer's input");
    let shape = with_last(x.dims(), weights.columns);
    tensor(product(values.get(), &weights.packed(), weights.bias(), Finish::Plain), shape)
}

/// `residual + scale * (gelu(x W1 + b1) W2 + b2)`, over the last axis: the feed-forward part of a block.
pub fn feed_forward<const D: usize>(
    x: Tensor<D>,
    [first, second]: [&Linear; 2],
    scale: Option<Tensor<1>>,
    residual: Tensor<D>,
) -> Tensor<D> {
    let (width, residual_width) = (x.dims()[D - 1], residual.dims()[D - 1]);
    let fused = || {
        let (x, residual) = (Values::of(&x)?, Values::of(&residual)?);
        let (first, second) = (Weights::of(first)?, Weights::of(second)?);
        let sizes = [first.depth, first.columns, second.columns];
        assert_eq!(sizes, [width, second.depth, residual_width], "widths of the layers, and of what they are given");
        let scale = match &scale {
            Some(scale) => Some(Values::of(scale)?),
            None => None,
        };
        let finish = Finish::AddTo { residual: residual.get(), scale: scale.as_ref().map(Values::get) };
        let packed = [&first.packed(), &second.packed()];
        Some(two_products(x.get(), packed, [first.bias(), second.bias()], finish))
    };
    if let Some(values) = fused() {
        return tensor(values, residual.dims());
    }
    let x = second.forward(gelu(first.forward(x)));
    match scale {
        Some(scale) => residual + x * scale.unsqueeze(),
        None => residual + x,
    }
}

/// Layer norm over the last axis. `epsilon` is that of `layer`, which keeps it to itself.
pub fn layer_norm<const D: usize>(x: Tensor<D>, layer: &LayerNorm, epsilon: f64) -> Tensor<D> {
    let Some((values, norm)) = Values::of(&x).zip(Normed::of(layer, epsilon)) else { return layer.forward(x) };
    tensor(norm_rows(values.get(), norm.parameters()), x.dims())
}

/// A 7 x 7 depthwise convolution (stride 1, the map's size kept) of channels-last maps `[batch, height, width, channels]`, and a
/// layer norm over the channels.
pub fn depthwise_norm(x: Tensor<4>, conv: &Conv2d, layer: &LayerNorm, epsilon: f64) -> Tensor<4> {
    let [_, height, width, channels] = x.dims();
    let fused = || {
        let is_ours = conv.kernel_size == [SIDE; 2]
            && matches!(conv.padding, PaddingConfig2d::Explicit(3, 3, 3, 3))
            && (conv.stride, conv.dilation, conv.groups) == ([1; 2], [1; 2], channels)
            && conv.weight.dims() == [channels, 1, SIDE, SIDE];
        let (values, norm) = (Values::of(&x).filter(|_| is_ours)?, Normed::of(layer, epsilon)?);
        let weights = Values::of(&conv.weight.val())?;
        let bias = conv.bias.as_ref().map(|bias| Values::of(&bias.val()));
        if matches!(bias, Some(None)) {
            return None;
        }
        let maps = Maps { values: values.get(), height, width, channels };
        let bias = bias.as_ref().and_then(|bias| bias.as_ref().map(Values::get));
        Some(depthwise(maps, weights.get(), bias, Some(norm.parameters())))
    };
    match fused() {
        Some(values) => tensor(values, x.dims()),
        None => layer.forward(conv.forward(x.permute([0, 3, 1, 2])).permute([0, 2, 3, 1])),
    }
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
    let fused = || {
        let is_ours = conv.kernel_size == [side; 2]
            && matches!(conv.padding, PaddingConfig2d::Valid)
            && conv.weight.dims()[1] == channels
            && (conv.stride, conv.dilation, conv.groups) == ([side; 2], [1; 2], 1);
        let (values, weights) = (Values::of(&images).filter(|_| is_ours)?, Values::of(&conv.weight.val())?);
        let bias = conv.bias.as_ref().map(|bias| Values::of(&bias.val()));
        if matches!(bias, Some(None)) {
            return None;
        }
        let bias = bias.as_ref().and_then(|bias| bias.as_ref().map(Values::get));
        let channels_last = axes == Axes::ChannelsLast;
        let images = Images { values: values.get(), images: batch, channels, height, width, channels_last };
        Some(patch_product(images, weights.get(), bias, side))
    };
    match (fused(), axes) {
        (Some(values), _) => tensor(values, [batch, height / side, width / side, filters]),
        (None, Axes::ChannelsFirst) => conv.forward(images).permute([0, 2, 3, 1]),
        (None, Axes::ChannelsLast) => conv.forward(images.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]),
    }
}

/// `softmax(scale * query x key) x value` of every head, heads side by side: `[batch, tokens, heads * width]`.
///
/// - query: `[batch, heads, tokens, depth]`; key: `[batch, heads, places, depth]`; value: `[batch, heads, places, width]`
/// - mask: true where a query must not see a key; of `[batch, heads, tokens, places]`, each axis either whole or 1
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    scale: f64,
    mask: Option<Tensor<4, Bool>>,
) -> Tensor<3> {
    let [batch, heads, tokens, _] = query.dims();
    let [_, _, places, width] = value.dims();
    let fused = || {
        let [query, key, value] = [Strided::of(&query)?, Strided::of(&key)?, Strided::of(&value)?];
        let mask = mask.clone().map(|mask| {
            let mut strides = [0; 4];
            let mut step = 1;
            for (axis, length) in mask.dims().into_iter().enumerate().rev() {
                strides[axis] = if length > 1 { step } else { 0 };
                step *= length;
            }
            (mask.into_data().iter::<bool>().collect::<Vec<_>>(), strides)
        });
        let hidden = mask.as_ref().map(|(values, strides)| Hidden { values, strides: *strides });
        let of = [query.heads(), key.heads(), value.heads()];
        Some(attention::attention([batch, heads], of, scale as f32, hidden))
    };
    if let Some(values) = fused() {
        return tensor(values, [batch, tokens, heads * width]);
    }
    let attended = match mask {
        Some(mask) => {
            let hidden = mask.expand([batch, heads, tokens, places]);
            let scores = (query.matmul(key.transpose()) * scale).mask_fill(hidden, f32::NEG_INFINITY);
            softmax(scores, 3).matmul(value)
        }
        // No matrix of all scores need exist.
        None => {
            let options = AttentionModuleOptions { scale: Some(scale), ..Default::default() };
            fused_attention(query, key, value, None, None, options)
        }
    };
    attended.swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

/// The pool of pooling attention: the class token as it is, and a 3 x 3 x 3 depthwise convolution of the grid's tokens with
/// zeros around it, its stride in rows and columns alone; then a layer norm of all. Gives the grid's new sides, too.
///
/// - tokens: `[batch, heads, 1 + tokens, channels]`
/// - grid: frames, rows and columns of the tokens
pub fn pool_tokens(
    tokens: Tensor<4>,
    grid: [usize; 3],
    conv: &Conv3d,
    layer: &LayerNorm,
    epsilon: f64,
) -> (Tensor<4>, [usize; 3]) {
    let [batch, heads, count, channels] = tokens.dims();
    let [_, stride, _] = conv.stride;
    let pooled = [grid[0], grid[1].div_ceil(stride), grid[2].div_ceil(stride)];
    let fused = || {
        let (strided, norm) = (Strided::of(&tokens)?, Normed::of(layer, epsilon)?);
        let weights = Values::of(&conv.weight.val()).filter(|_| conv.bias.is_none())?;
        Some(pool::pool(strided.heads(), [batch, heads], grid, stride, weights.get(), norm.parameters()))
    };
    if let Some(values) = fused() {
        return (tensor(values, [batch, heads, 1 + pooled.iter().product::<usize>(), channels]), pooled);
    }
    let class = tokens.clone().narrow(2, 0, 1);
    let patches = pool_patches(tokens.narrow(2, 1, count - 1), grid, pooled, conv);
    (layer.forward(Tensor::cat(vec![class, patches], 2)), pooled)
}

/// The convolution as the sum of three two-dimensional ones, one for each frame that the kernel spans: Burn's backends have no
/// fast path for depthwise kernels with a third axis.
///
/// `[batch, heads, tokens, channels]` -> `[batch, heads, pooled tokens, channels]`
fn pool_patches(patches: Tensor<4>, grid: [usize; 3], pooled: [usize; 3], conv: &Conv3d) -> Tensor<4> {
    let [batch, heads, _, channels] = patches.dims();
    let [frames, height, width] = grid;
    let [_, pooled_height, pooled_width] = pooled;
    let [_, stride, _] = conv.stride;
    let options = ConvOptions::new([stride; 2], [1, 1], [1, 1], channels);
    let kernel = conv.weight.val();
    let x = patches.reshape([batch, heads, frames, height, width, channels]).permute([0, 2, 1, 5, 3, 4]);
    let x = x.reshape([batch, frames, heads * channels * height * width]);
    let tap = |index: usize, start: usize, frames: usize| {
        let images = x.clone().narrow(1, start, frames).reshape([batch * frames * heads, channels, height, width]);
        let y = conv2d(images, kernel.clone().narrow(2, index, 1).squeeze_dim(2), None, options.clone());
        y.reshape([batch, frames, heads * channels * pooled_height * pooled_width])
    };
    let mut sum = tap(1, 0, frames);
    if frames > 1 {
        let zeros = sum.clone().narrow(1, 0, 1).zeros_like();
        let before = Tensor::cat(vec![zeros.clone(), tap(0, 0, frames - 1)], 1);
        let after = Tensor::cat(vec![tap(2, 1, frames - 1), zeros], 1);
        sum = sum + before + after;
    }
    sum.reshape([batch, frames, heads, channels, pooled_height, pooled_width]).permute([0, 2, 1, 4, 5, 3]).reshape([
        batch,
        heads,
        frames * pooled_height * pooled_width,
        channels,
    ])
}

fn with_last<const D: usize>(mut dims: [usize; D], last: usize) -> [usize; D] {
    dims[D - 1] = last;
    dims
}

/// A linear layer's parameters.
struct Weights {
    matrix: Values,
    bias: Option<Values>,
    depth: usize,
    columns: usize,
}

impl Weights {
    fn of(layer: &Linear) -> Option<Self> {
        let weight = layer.weight.val();
        let [depth, columns] = weight.dims();
        let bias = match &layer.bias {
            Some(bias) => Some(Values::of(&bias.val())?),
            None => None,
        };
        Some(Self { matrix: Values::of(&weight)?, bias, depth, columns })
    }

    fn packed(&self) -> Packed {
        Packed::new(self.matrix.get(), self.depth, self.columns)
    }

    fn bias(&self) -> Option<&[f32]> {
        self.bias.as_ref().map(Values::get)
    }
}

/// A norm's parameters.
struct Normed {
    gamma: Values,
    beta: Values,
    epsilon: f64,
}

impl Normed {
    fn of(layer: &LayerNorm, epsilon: f64) -> Option<Self> {
        let beta = layer.beta.as_ref()?;
        Some(Self { gamma: Values::of(&layer.gamma.val())?, beta: Values::of(&beta.val())?, epsilon })
    }

    fn parameters(&self) -> Norm<'_> {
        Norm { gamma: self.gamma.get(), beta: self.beta.get(), epsilon: self.epsilon as f32 }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::PaddingConfig3d;
    use burn::nn::conv::Conv3dConfig;
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// What stands in for the kernel on other backends, and where gradients are asked for.
    #[test]
    fn three_convolutions_of_frames_are_the_one_in_three_axes() {
        let values =
            |count: usize| (1..=count).map(|i| (i as f64 * 1.618_033_988_75).fract() as f32 - 0.5).collect::<Vec<_>>();
        for (stride, frames) in [(1, 3), (2, 4), (4, 1)] {
            let [batch, heads, channels, height, width] = [2, 3, 4, 6, 9];
            let mut conv = Conv3dConfig::new([channels, channels], [3; 3])
                .with_stride([1, stride, stride])
                .with_padding(PaddingConfig3d::Explicit(1, 1, 1))
                .with_groups(channels)
                .with_bias(false)
                .init(&Device::flex());
            let weight = TensorData::new(values(channels * 27), [channels, 1, 3, 3, 3]);
            conv.weight = Param::from_tensor(Tensor::from_data(weight, &Device::flex()));
            let shape = [batch, heads, frames * height * width, channels];
            let x = Tensor::<4>::from_data(TensorData::new(values(shape.iter().product()), shape), &Device::flex());
            let volumes = x.clone().swap_dims(2, 3).reshape([batch * heads, channels, frames, height, width]);
            let expected = conv.forward(volumes);
            let [_, _, _, rows, columns] = expected.dims();
            let expected = expected.reshape([batch, heads, channels, frames * rows * columns]).swap_dims(2, 3);
            let ours = pool_patches(x, [frames, height, width], [frames, rows, columns], &conv);
            // 27 products of order one in another order: a few units of 2^-23.
            let error = (ours - expected).abs().max().into_scalar::<f32>();
            assert!(error < 2e-6, "stride {stride}, {frames} frames: {error}");
        }
    }
}
