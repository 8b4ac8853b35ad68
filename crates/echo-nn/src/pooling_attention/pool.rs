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
    /// Holds the kernel `[channels, 1, 3, 3, 3]`; its own `forward` is not used, see [`Pool::forward`].
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

    /// Pools the patches, puts the class token before them and normalises all.
    ///
    /// The convolution is the sum of three two-dimensional ones, one for each frame that the kernel spans: the
    /// backend has no fast path for depthwise kernels with a third axis.
    ///
    /// - class: `[batch, heads, 1, channels]`
    /// - patches: `[batch * frames * heads, channels, height, width]`
    /// - output: `[batch, heads, 1 + pooled, channels]` and the pooled grid
    pub(super) fn forward(&self, class: Tensor<4>, patches: Tensor<4>, frames: usize) -> (Tensor<4>, Grid) {
        let [batch, heads, _, channels] = class.dims();
        let patches = self.convolve(patches, batch, frames);
        let [_, _, height, width] = patches.dims();
        let patches = patches
            .reshape([batch, frames, heads, channels, height, width])
            .permute([0, 2, 1, 4, 5, 3])
            .reshape([batch, heads, frames * height * width, channels]);
        (self.norm.forward(Tensor::cat(vec![class, patches], 2)), [frames, height, width])
    }

    /// `[batch * frames * heads, channels, height, width]` -> the same with pooled height and width
    fn convolve(&self, x: Tensor<4>, batch: usize, frames: usize) -> Tensor<4> {
        let [images, channels, height, width] = x.dims();
        let kernel = self.pool.weight.val();
        let [_, stride, _] = self.pool.stride;
        let options = ConvOptions::new([stride; 2], [1, 1], [1, 1], channels);
        // `[batch, rows, channels, height, width]` with the rows of one frame next to each other.
        let x = x.reshape([batch, images / batch, channels, height, width]);
        let per_frame = images / batch / frames;
        let rows = |start: usize, frames: usize, tap: usize| {
            let part = x.clone().narrow(1, start * per_frame, frames * per_frame);
            let part = part.reshape([batch * frames * per_frame, channels, height, width]);
            let y = conv2d(part, kernel.clone().narrow(2, tap, 1).squeeze_dim(2), None, options.clone());
            let [_, _, height, width] = y.dims();
            y.reshape([batch, frames * per_frame, channels, height, width])
        };
        let now = rows(0, frames, 1);
        let [_, _, _, pooled_height, pooled_width] = now.dims();
        let now = match frames {
            1 => now,
            _ => {
                let zeros = || Tensor::zeros([batch, per_frame, channels, pooled_height, pooled_width], &now.device());
                let before = Tensor::cat(vec![zeros(), rows(0, frames - 1, 0)], 1);
                let after = Tensor::cat(vec![rows(1, frames - 1, 2), zeros()], 1);
                now + before + after
            }
        };
        now.reshape([images, channels, pooled_height, pooled_width])
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
    fn mvit_pool_is_the_depthwise_convolution_in_three_axes() {
        let device = Device::flex();
        for (stride, frames) in [(1, 3), (2, 4), (4, 1)] {
            let [batch, heads, channels, height, width] = [2, 3, 4, 6, 9];
            let mut pool = Pool::new(channels, stride, &device);
            pool.pool.weight = Param::from_tensor(values([channels, 1, 3, 3, 3], &device));
            let x = values([batch, frames, heads, channels, height, width], &device);

            let ours =
                pool.convolve(x.clone().reshape([-1, channels as i32, height as i32, width as i32]), batch, frames);
            let volumes = x.permute([0, 2, 3, 1, 4, 5]).reshape([batch * heads, channels, frames, height, width]);
            let expected = pool.pool.forward(volumes);
            let [_, _, _, pooled_height, pooled_width] = expected.dims();
            let ours = ours
                .reshape([batch, frames, heads, channels, pooled_height, pooled_width])
                .permute([0, 2, 3, 1, 4, 5])
                .reshape([batch * heads, channels, frames, pooled_height, pooled_width]);
            // 27 products of order one in another order: a few units of 2^-23.
            let error = (ours - expected).abs().max().into_scalar::<f32>();
            assert!(error < 2e-6, "stride {stride}, {frames} frames: {error}");
        }
    }
}
