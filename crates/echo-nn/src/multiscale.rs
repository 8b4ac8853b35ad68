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

/// Vectors of the four parts to those of the clip: `[4 * batch, steps, width]` -> `[batch, steps, width]`.
pub fn merge_parts(parts: Tensor<3>) -> Tensor<3> {
    let [all, steps, width] = parts.dims();
    let merged = parts.reshape([all / (SCALE * SCALE), SCALE * SCALE, steps, width]);
    merged.mean_dim(1).squeeze_dim(1)
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
    bias: Param<Tensor<1>>,
    /// Over both scales together, in place of the encoder's own on each.
    norm: Option<LayerNorm>,
}

impl ZoomProjection {
    /// `weight` `[width, dim]` and `bias` `[dim]` are the encoder's.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        let [_, dim] = weight.dims();
        let device = weight.device();
        Self {
            zoom: Param::from_tensor(weight.zeros_like()),
            base: Param::from_tensor(weight),
            bias: Param::from_tensor(bias.unwrap_or_else(|| Tensor::zeros([dim], &device))),
            norm: None,
        }
    }

    /// `weight` `[2 * width, dim]` is for both scales, the usual one first.
    pub fn from_both(weight: Tensor<2>) -> Self {
        let [both, dim] = weight.dims();
        let half = |index: usize| Param::from_tensor(weight.clone().narrow(0, index * both / 2, both / 2));
        let bias = Param::from_tensor(Tensor::zeros([dim], &weight.device()));
        Self { base: half(0), zoom: half(1), bias, norm: None }
    }

    /// The same with one new norm over both scales.
    pub fn with_joint_norm(self, device: &Device) -> Self {
        let [width, _] = self.base.val().dims();
        Self { norm: Some(layer_norm(SCALE * width, EPSILON, device)), ..self }
    }

    /// Whether it norms both scales itself: see [`forward_both`](Self::forward_both).
    pub fn norms_jointly(&self) -> bool {
        self.norm.is_some()
    }

    /// `[batch, steps, 2 * width]`, not normed, the usual scale first -> `[batch, steps, dim]`
    pub fn forward_both(&self, both: Tensor<3>) -> Tensor<3> {
        let normed = match &self.norm {
            Some(norm) => norm.forward(both),
            None => both,
        };
        let [_, _, width] = normed.dims();
        let scale = |index: usize| normed.clone().narrow(2, index * width / SCALE, width / SCALE);
        self.forward(scale(0), scale(1))
    }

    /// - base, zoom: `[batch, steps, width]`, normed
    /// - output: `[batch, steps, dim]`
    pub fn forward(&self, base: Tensor<3>, zoom: Tensor<3>) -> Tensor<3> {
        let projected = base.matmul(self.base.val().unsqueeze()) + zoom.matmul(self.zoom.val().unsqueeze());
        projected + self.bias.val().unsqueeze()
    }
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
}
