//! ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022), without pooling and classifier.
//!
//! Fields are named as in timm's `convnext`. Tensors are kept channels-last between the convolutions, so that the
//! norms and the pointwise layers, which are most of the network, work on contiguous rows.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, Linear, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use echo_kernels::{self as kernels, Activation, Axes};

use crate::layers::{layer_norm, linear};

/// Epsilon of every norm.
const EPSILON: f64 = 1e-6;

/// Sizes of a ConvNeXt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvNextConfig {
    /// Blocks in each stage.
    pub depths: [usize; 4],
    /// Channels in each stage.
    pub dims: [usize; 4],
}

impl ConvNextConfig {
    /// ConvNeXt-T.
    pub const fn tiny() -> Self {
        Self { depths: [3, 3, 9, 3], dims: [96, 192, 384, 768] }
    }

    /// ConvNeXt-B.
    pub const fn base() -> Self {
        Self { depths: [3, 3, 27, 3], dims: [128, 256, 512, 1024] }
    }

    /// Channels of the output.
    pub const fn width(&self) -> usize {
        self.dims[3]
    }

    /// The network with constant parameters.
    pub fn init(&self, device: &Device) -> ConvNext {
        let stages = (0..4).map(|stage| Stage {
            downsample: (stage > 0).then(|| Downsample {
                norm: layer_norm(self.dims[stage - 1], EPSILON, device),
                conv: patch_conv(self.dims[stage - 1], self.dims[stage], 2, device),
            }),
            blocks: (0..self.depths[stage]).map(|_| Block::new(self.dims[stage], device)).collect(),
        });
        ConvNext {
            stem: Stem {
                conv: patch_conv(3, self.dims[0], 4, device),
                norm: layer_norm(self.dims[0], EPSILON, device),
            },
            stages: stages.collect(),
        }
    }
}

/// The convolutional trunk.
#[derive(Module, Debug)]
pub struct ConvNext {
    stem: Stem,
    stages: Vec<Stage>,
}

#[derive(Module, Debug)]
struct Stem {
    conv: Conv2d,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Stage {
    downsample: Option<Downsample>,
    blocks: Vec<Block>,
}

#[derive(Module, Debug)]
struct Downsample {
    norm: LayerNorm,
    conv: Conv2d,
}

#[derive(Module, Debug)]
struct Block {
    conv_dw: Conv2d,
    norm: LayerNorm,
    mlp: Mlp,
    /// Layer scale, `[channels]`.
    gamma: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl ConvNext {
    /// - images: `[batch, 3, height, width]`
    /// - output: channels-last feature map `[batch, height / 32, width / 32, channels]`, sides rounded down at
    ///   every halving
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let Stem { conv, norm } = &self.stem;
        let x = kernels::layer_norm(kernels::patch_conv(images, Axes::ChannelsFirst, conv), norm, EPSILON);
        self.stages.iter().fold(x, |x, stage| stage.forward(x))
    }
}

impl Stage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.downsample {
            Some(Downsample { norm, conv }) => {
                kernels::patch_conv(kernels::layer_norm(x, norm, EPSILON), Axes::ChannelsLast, conv)
            }
            None => x,
        };
        self.blocks.iter().fold(x, |x, block| kernels::recomputed(block, x, Block::forward))
    }
}

impl Block {
    fn new(dim: usize, device: &Device) -> Self {
        Self {
            conv_dw: Conv2dConfig::new([dim, dim], [7, 7])
                .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
                .with_groups(dim)
                .with_initializer(Initializer::Zeros)
                .init(device),
            norm: layer_norm(dim, EPSILON, device),
            mlp: Mlp { fc1: linear(dim, 4 * dim, device), fc2: linear(4 * dim, dim, device) },
            gamma: Initializer::Ones.init([dim], device),
        }
    }

    /// `[batch, height, width, channels]` -> the same shape
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = kernels::depthwise_norm(input.clone(), &self.conv_dw, &self.norm, EPSILON);
        kernels::feed_forward(x, [&self.mlp.fc1, &self.mlp.fc2], Activation::Gelu, Some(self.gamma.val()), input)
    }
}

/// A convolution whose stride is its kernel size: cuts the image into patches.
fn patch_conv(input: usize, output: usize, size: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([input, output], [size, size])
        .with_stride([size, size])
        .with_initializer(Initializer::Zeros)
        .init(device)
}
