//! The pool of pooling attention: a depthwise 3x3x3 convolution over the grid, then a LayerNorm.

use burn::module::Module;
use burn::nn::conv::{Conv3d, Conv3dConfig};
use burn::nn::{Initializer, LayerNorm, PaddingConfig3d};
use burn::tensor::{Device, Tensor};
use echo_kernels as kernels;

use super::Grid;
use crate::layers::layer_norm;
use crate::mvit::EPSILON;

/// Side of the kernel on every axis.
const KERNEL: usize = 3;

/// A strided depthwise convolution of each head's channels, shared by the heads.
#[derive(Module, Debug)]
pub(super) struct Pool {
    /// Holds the kernel `[channels, 1, 3, 3, 3]`.
    pool: Conv3d,
    norm: LayerNorm,
}

impl Pool {
    pub(super) fn new(channels: usize, stride: usize, device: &Device) -> Self {
        Self {
            pool: Conv3dConfig::new([channels, channels], [KERNEL; 3])
                .with_stride([1, stride, stride])
                .with_padding(PaddingConfig3d::Explicit(1, 1, 1))
                .with_groups(channels)
                .with_bias(false)
                .with_initializer(Initializer::Zeros)
                .init(device),
            norm: layer_norm(channels, EPSILON, device),
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.pool.groups
    }

    pub(super) fn pooled(&self, grid: Grid) -> Grid {
        kernels::pooled(grid, self.pool.stride[1])
    }

    /// Pools the grid's tokens, leaves the class token before them as it is, and normalises all.
    ///
    /// - tokens: `[batch, heads, 1 + tokens, channels]`
    /// - output: `[batch, heads, 1 + pooled tokens, channels]`
    pub(super) fn forward(&self, tokens: Tensor<4>, grid: Grid) -> Tensor<4> {
        kernels::pool_tokens(tokens, grid, &self.pool, &self.norm, EPSILON)
    }
}
