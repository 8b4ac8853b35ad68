//! EchoZoom of CardiacCLIP (Du et al., MICCAI 2025), after scaling on scales (Shi et al., "When do we not need larger
//! vision models?", ECCV 2024): the encoder also sees the clip twice as large, in four parts of the usual size.
//!
//! The method joins the feature maps of the four parts, pools them down to the usual size and averages; that is equal
//! to averaging the four parts' pooled vectors, which works for any encoder.

use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Device, Tensor, TensorData};

use crate::layers::layer_norm;

/// How much larger the second scale is.
pub const SCALE: usize = 2;

/// Epsilon of a joint norm.
const EPSILON: f64 = 1e-6;

/// Variance below which there is none: its root is nothing beside [`EPSILON`].
const SMALLEST_VARIANCE: f64 = 1e-24;

/// Coefficient of the cubic filter: PyTorch's bicubic interpolation.
const A: f64 = -0.75;

/// The clip enlarged and cut into four parts, row by row.
///
/// - clip: `[batch, 3, frames, height, width]`
/// - output: `[4 * batch, 3, frames, height, width]`, the parts of a clip one after the other
///
/// Enlarged as PyTorch's `interpolate(mode="bicubic", align_corners=False)` does, frame by frame.
pub fn zoom_parts(clip: Tensor<5>) -> Tensor<5> {
    let [batch, channels, frames, height, width] = clip.dims();
    let device = clip.device();
    let (rows, columns) = (enlargement(height, &device), enlargement(width, &device));
    let images = clip.reshape([batch * channels * frames, height, width]);
    let large = rows.unsqueeze::<3>().matmul(images).matmul(columns.transpose().unsqueeze::<3>());
    let parts = large.reshape([batch, channels, frames, SCALE, height, SCALE, width]);
    parts.permute([0, 3, 5, 1, 2, 4, 6]).reshape([batch * SCALE * SCALE, channels, frames, height, width])
}

/// Vectors of the four parts to those of the clip: `[4 * batch, time, width]` -> `[batch, time, width]`.
pub fn merge_parts(parts: Tensor<3>) -> Tensor<3> {
    let [all, time, width] = parts.dims();
    let merged = parts.reshape([all / (SCALE * SCALE), SCALE * SCALE, time, width]);
    merged.mean_dim(1).squeeze_dim(1)
}

/// The same as CardiacCLIP's released code does it, which reads a vector's channels as a square grid of places: the
/// grids of the four parts are joined to one of twice their side, and that is averaged down, two by two. Channels of
/// the output are averages of four channels of one part.
///
/// There it is done to feature maps, before their places are averaged: both are averages, so the order is free.
///
/// # Panics
/// When the width is not [a square](grid_side).
pub fn merge_parts_on_channel_grid(parts: Tensor<3>) -> Tensor<3> {
    let [all, time, width] = parts.dims();
    let side = grid_side(width).unwrap_or_else(|| panic!("a width of {width} is not a square"));
    let batch = all / (SCALE * SCALE);
    let grids = parts.reshape([batch, SCALE, SCALE, time, side, side]);
    let joined = grids.permute([0, 3, 1, 4, 2, 5]).reshape([batch * time, side, SCALE, side, SCALE]);
    joined.mean_dim(4).mean_dim(2).reshape([batch, time, width])
}

/// Side of the square grid that `width` channels fill, if they do.
pub fn grid_side(width: usize) -> Option<usize> {
    Some(width.isqrt()).filter(|side| side * side == width)
}

/// Bicubic enlargement of `size` values as a matrix, `[2 * size, size]`.
fn enlargement(size: usize, device: &Device) -> Tensor<2> {
    let mut matrix = vec![0.0f32; SCALE * size * size];
    for output in 0..SCALE * size {
        let position = (output as f64 + 0.5) / SCALE as f64 - 0.5;
        let first = position.floor();
        let offset = position - first;
        for (tap, distance) in [1.0 + offset, offset, 1.0 - offset, 2.0 - offset].into_iter().enumerate() {
            // What lies outside repeats the edge.
            let input = (first as i64 + tap as i64 - 1).clamp(0, size as i64 - 1) as usize;
            matrix[output * size + input] += cubic(distance) as f32;
        }
    }
    Tensor::from_data(TensorData::new(matrix, [SCALE * size, size]), device)
}

/// Weight of an input at `distance` from the output.
fn cubic(distance: f64) -> f64 {
    match distance {
        x if x <= 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x => ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
    }
}

/// Projection of both scales, which begins as the encoder's own on the first and nothing on the second.
#[derive(Module, Debug)]
pub struct ZoomProjection {
    /// `[width, dim]`, on the usual scale.
    base: Param<Tensor<2>>,
    /// `[width, dim]`, on the enlarged one. Zero at first.
    zoom: Param<Tensor<2>>,
    /// `[dim]`
    bias: Option<Param<Tensor<1>>>,
    /// Over both scales together, in place of the encoder's own on each.
    norm: Option<LayerNorm>,
    /// In place of either: `norm_over_frames`.
    #[module(skip)]
    over_frames: bool,
}

impl ZoomProjection {
    /// `weight` `[width, dim]` and `bias` `[dim]` are the encoder's.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        let [_, dim] = weight.dims();
        let device = weight.device();
        Self {
            zoom: Param::from_tensor(weight.zeros_like()),
            base: Param::from_tensor(weight),
            bias: Some(Param::from_tensor(bias.unwrap_or_else(|| Tensor::zeros([dim], &device)))),
            norm: None,
            over_frames: false,
        }
    }

    /// `weight` `[2 * width, dim]` is for both scales, the usual one first. There is no bias.
    pub fn from_both(weight: Tensor<2>) -> Self {
        let [both, _] = weight.dims();
        let half = |index: usize| Param::from_tensor(weight.clone().narrow(0, index * both / 2, both / 2));
        Self { base: half(0), zoom: half(1), bias: None, norm: None, over_frames: false }
    }

    /// The same with one new norm over both scales.
    pub fn with_joint_norm(self, device: &Device) -> Self {
        let [width, _] = self.base.val().dims();
        Self { norm: Some(layer_norm(SCALE * width, EPSILON, device)), ..self }
    }

    /// The same with both scales normed over the frames of a batch, as in CardiacCLIP's released code: each channel less
    /// its mean over all frames of all clips, over its standard deviation there.
    pub fn with_norm_over_frames(self) -> Self {
        Self { over_frames: true, ..self }
    }

    /// Whether it norms both scales itself: see [`forward_both`](Self::forward_both).
    pub fn norms_jointly(&self) -> bool {
        self.norm.is_some() || self.over_frames
    }

    /// `[batch, time, 2 * width]`, not normed, the usual scale first -> `[batch, time, dim]`
    pub fn forward_both(&self, both: Tensor<3>) -> Tensor<3> {
        let normed = match &self.norm {
            Some(norm) => norm.forward(both),
            None if self.over_frames => norm_over_frames(both),
            None => both,
        };
        let [_, _, width] = normed.dims();
        let scale = |index: usize| normed.clone().narrow(2, index * width / SCALE, width / SCALE);
        self.forward(scale(0), scale(1))
    }

    /// - base, zoom: `[batch, time, width]`, normed
    /// - output: `[batch, time, dim]`
    pub fn forward(&self, base: Tensor<3>, zoom: Tensor<3>) -> Tensor<3> {
        let projected = base.matmul(self.base.val().unsqueeze()) + zoom.matmul(self.zoom.val().unsqueeze());
        match &self.bias {
            Some(bias) => projected + bias.val().unsqueeze(),
            None => projected,
        }
    }
}

/// What stands for a LayerNorm in CardiacCLIP's released code: each channel less its mean over all frames of all clips
/// in the batch, over its standard deviation there (unbiased, epsilon added to it). Nothing is learnt, and nothing is
/// kept for testing, so that a prediction depends on its batch.
///
/// `[batch, time, width]` of the same shape. A single frame has no deviation and becomes zeros.
fn norm_over_frames(x: Tensor<3>) -> Tensor<3> {
    let [batch, time, width] = x.dims();
    let rows = x.reshape([batch * time, width]);
    let centred = rows.clone() - rows.mean_dim(0);
    let variance = centred.clone().square().sum_dim(0) / (batch * time).saturating_sub(1).max(1) as f64;
    // The root has no derivative at 0.
    let deviation = variance.clamp_min(SMALLEST_VARIANCE).sqrt();
    (centred / (deviation + EPSILON)).reshape([batch, time, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch 2: `F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)` of `[[0, 1, 4], [9, 16, 25],
    /// [36, 49, 64]]`, its first two rows.
    const ENLARGED: [[f32; 6]; 2] = [
        [-0.9879456, -0.9492493, -0.9148865, -0.0069885, 1.2617493, 2.0348206],
        [0.8632507, 1.4307556, 2.3139954, 4.4047546, 6.5223694, 7.8242493],
    ];

    fn clip() -> Tensor<5> {
        let values = [0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0];
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([1, 1, 1, 3, 3])
    }

    #[test]
    fn enlarging_equals_torch_and_parts_are_its_quarters() {
        let parts = zoom_parts(clip());
        assert_eq!(parts.dims(), [4, 1, 1, 3, 3]);
        let values = parts.into_data().try_to_vec::<f32>().unwrap();
        for row in 0..2 {
            for column in 0..6 {
                let part = column / 3;
                let value = values[part * 9 + row * 3 + column % 3];
                assert!(
                    (value - ENLARGED[row][column]).abs() < 1e-4,
                    "{row} {column}: {value} {}",
                    ENLARGED[row][column]
                );
            }
        }
    }

    #[test]
    fn merging_averages_the_parts_of_each_clip() {
        let parts = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 6.0, 10.0, 10.0, 10.0, 14.0], &Device::flex());
        let merged = merge_parts(parts.reshape([8, 1, 1])).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(merged, [3.0, 11.0]);
    }

    #[test]
    fn merging_on_the_channel_grid_averages_channels_within_each_part() {
        // Two clips of four parts with 16 channels each. The joined grid has 8 x 8 places; the first part fills its
        // upper left quarter, of which the output's upper left quarter is the average, two by two.
        let values: Vec<f32> = (0..2 * 4 * 16).map(|value| value as f32).collect();
        let parts = Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([8, 1, 16]);
        let merged = merge_parts_on_channel_grid(parts);
        assert_eq!(merged.dims(), [2, 1, 16]);
        let of_part = [2.5, 4.5, 10.5, 12.5];
        let mut expected = Vec::new();
        for clip in 0..2 {
            for (row, column) in (0..4).flat_map(|row| (0..4).map(move |column| (row, column))) {
                let part = clip * 4 + row / 2 * 2 + column / 2;
                expected.push(part as f32 * 16.0 + of_part[row % 2 * 2 + column % 2]);
            }
        }
        assert_eq!(merged.into_data().try_to_vec::<f32>().unwrap(), expected);
        assert_eq!((grid_side(1024), grid_side(768), grid_side(9)), (Some(32), None, Some(3)));
    }

    #[test]
    fn the_norm_over_frames_is_unbiased_and_a_constant_channel_becomes_zeros() {
        let x = Tensor::<3>::from_floats([[[1.0, 5.0], [2.0, 5.0]], [[3.0, 5.0], [6.0, 5.0]]], &Device::flex());
        let normed = norm_over_frames(x).into_data().try_to_vec::<f32>().unwrap();
        // Mean 3, squares 4 + 1 + 0 + 9 over 3.
        let deviation = (14.0f32 / 3.0).sqrt();
        for (value, expected) in normed.iter().zip([-2.0, 0.0, -1.0, 0.0, 0.0, 0.0, 3.0, 0.0]) {
            assert!((value - expected / deviation).abs() < 1e-5, "{normed:?}");
        }
        let single = norm_over_frames(Tensor::<3>::from_floats([[[7.0]]], &Device::flex()));
        assert_eq!(single.into_scalar::<f32>(), 0.0);
    }
}
