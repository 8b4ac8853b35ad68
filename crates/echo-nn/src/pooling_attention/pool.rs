//! The pool of pooling attention: a depthwise 3x3x3 convolution over the grid, then a LayerNorm.

use burn::module::Module;
use burn::nn::conv::{Conv3d, Conv3dConfig};
use burn::nn::{Initializer, LayerNorm, PaddingConfig3d};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use super::Grid;
use crate::layers::layer_norm;
use crate::mvit::EPSILON;

/// Side of the kernel on every axis.
const KERNEL: usize = 3;

/// A strided depthwise convolution of each head's channels, shared by the heads.
#[derive(Module, Debug)]
pub(super) struct Pool {
    /// Holds the kernel `[channels, 1, 3, 3, 3]`; its own `forward` is slow, see [`Pool::convolve`].
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

    /// Pools the grid's tokens, leaves the class token before them as it is, and normalises all.
    ///
    /// - tokens: `[batch, heads, 1 + tokens, channels]`
    /// - output: `[batch, heads, 1 + pooled tokens, channels]` and the pooled grid
    pub(super) fn forward(&self, tokens: Tensor<4>, grid: Grid) -> (Tensor<4>, Grid) {
        let [_, _, count, _] = tokens.dims();
        let [_, stride, _] = self.pool.stride;
        let pooled_grid = [grid[0], grid[1].div_ceil(stride), grid[2].div_ceil(stride)];
        let class = tokens.clone().narrow(2, 0, 1);
        let patches = tokens.narrow(2, 1, count - 1);
        let pooled = self.convolve(patches, grid, pooled_grid);
        (self.norm.forward(Tensor::cat(vec![class, pooled], 2)), pooled_grid)
    }

    /// The convolution as the sum of three two-dimensional ones, one for each frame that the kernel spans: the
    /// backend has no fast path for depthwise kernels with a third axis.
    ///
    /// `[batch, heads, tokens, channels]` -> `[batch, heads, pooled tokens, channels]`
    fn convolve(&self, patches: Tensor<4>, grid: Grid, pooled_grid: Grid) -> Tensor<4> {
        let [batch, heads, _, channels] = patches.dims();
        let [frames, height, width] = grid;
        let [_, pooled_height, pooled_width] = pooled_grid;
        let [_, stride, _] = self.pool.stride;
        let options = ConvOptions::new([stride; 2], [1, 1], [1, 1], channels);
        let kernel = self.pool.weight.val();
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
        sum.reshape([batch, frames, heads, channels, pooled_height, pooled_width])
            .permute([0, 2, 1, 4, 5, 3])
            .reshape([batch, heads, frames * pooled_height * pooled_width, channels])
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::TensorData;

    use super::*;

    /// Values without pattern: the fractional parts of multiples of the golden ratio.
    fn values<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (1..=count).map(|i| (i as f64 * 1.618_033_988_75).fract() as f32 - 0.5).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    #[test]
    fn mvit_pools_are_the_depthwise_convolution_in_three_axes() {
        let device = Device::flex();
        for (stride, frames) in [(1, 3), (2, 4), (4, 1)] {
            let [batch, heads, channels, height, width] = [2, 3, 4, 6, 9];
            let mut pool = Pool::new(channels, stride, &device);
            pool.pool.weight = Param::from_tensor(values([channels, 1, 3, 3, 3], &device));
            let x = values([batch, heads, frames * height * width, channels], &device);

            let volumes = x.clone().swap_dims(2, 3).reshape([batch * heads, channels, frames, height, width]);
            let expected = pool.pool.forward(volumes);
            let [_, _, _, pooled_height, pooled_width] = expected.dims();
            let pooled = frames * pooled_height * pooled_width;
            let expected = expected.reshape([batch, heads, channels, pooled]).swap_dims(2, 3);
            let ours = pool.convolve(x, [frames, height, width], [frames, pooled_height, pooled_width]);
            // 27 products of order one in another order: a few units of 2^-23.
            let error = (ours - expected).abs().max().into_scalar::<f32>();
            assert!(error < 2e-6, "stride {stride}, {frames} frames: {error}");
        }
    }
}
