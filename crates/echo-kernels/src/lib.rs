//! Layers on the processor.
//!
//! Each function is a layer of a network, over Burn's tensors and modules. Tensors of Burn's CPU backend of which nothing is
//! recorded for gradients go to the kernels of this crate, which fuse what follows a product into it and are chosen at run time
//! for the processor at hand (AVX-512, AVX2, NEON, plain). All others are computed by Burn's own operations, with the same
//! result but for the rounding of sums.

mod cpu;
mod depthwise;
mod math;
mod memory;
mod norm;
mod patches;
mod product;

use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;

use crate::cpu::{Values, tensor};
use crate::depthwise::{Maps, SIDE, depthwise};
use crate::norm::{Norm, norm_rows};
use crate::patches::{Images, patch_product};
use crate::product::{Finish, Packed, product, two_products};

/// `x W + b`, over the last axis.
pub fn linear<const D: usize>(x: Tensor<D>, layer: &Linear) -> Tensor<D> {
    let Some((values, weights)) = Values::of(&x).zip(Weights::of(layer)) else { return layer.forward(x) };
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
    let fused = || {
        let (x, residual) = (Values::of(&x)?, Values::of(&residual)?);
        let (first, second) = (Weights::of(first)?, Weights::of(second)?);
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
        let is_ours =
            conv.kernel_size == [side; 2] && (conv.stride, conv.dilation, conv.groups) == ([side; 2], [1; 2], 1);
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
