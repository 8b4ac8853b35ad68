//! The temporal pooling of EchoViewCLIP (Song et al., MICCAI 2025): the mean of a clip's frames and a weighted sum of them, one
//! beside the other, projected. The weights are attention's of multiple-instance learning (Ilse et al., ICML 2018).
//!
//! The last layer is linear, so what it makes of a clip is the mean of what it makes of [`frames`](FramePool::frames).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::layers::linear;

/// Sizes of the pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePoolConfig {
    /// Length of a frame's vector, and of a clip's.
    pub dim: usize,
    /// Width of what weighs frames.
    pub hidden: usize,
}

impl FramePoolConfig {
    /// The pooling with constant parameters.
    pub fn init(&self, device: &Device) -> FramePool {
        FramePool {
            first: linear(self.dim, self.hidden, device),
            score: linear(self.hidden, 1, device),
            projector: linear(2 * self.dim, self.dim, device),
        }
    }
}

/// Mean and attention over frames.
#[derive(Module, Debug)]
pub struct FramePool {
    /// `dim -> hidden`, before a tanh.
    first: Linear,
    /// `hidden -> 1`
    score: Linear,
    /// `2 * dim -> dim`
    projector: Linear,
}

impl FramePool {
    /// How much each frame weighs: `[batch, time, dim]` -> `[batch, time]`, which sum to one.
    pub fn weights(&self, frames: Tensor<3>) -> Tensor<2> {
        let scores = self.score.forward(self.first.forward(frames).tanh());
        softmax(scores.squeeze_dim::<2>(2), 1)
    }

    /// What the [last layer](Self::projector) makes a clip of, frame by frame: each frame's vector, and beside it the same as
    /// many times as it weighs more than it would if all weighed the same. `[batch, time, dim]` -> `[batch, time, 2 * dim]`
    pub fn frames(&self, frames: Tensor<3>) -> Tensor<3> {
        let [_, time, _] = frames.dims();
        let weights = self.weights(frames.clone()).unsqueeze_dim(2) * time as f64;
        Tensor::cat(vec![frames.clone(), frames * weights], 2)
    }

    /// A clip's vector, `[batch, dim]`, from the mean of `mean`, `[batch, time, dim]`, and the sum of `summed`, of the same
    /// shape, weighted by `weights`, `[batch, time]`.
    pub fn forward(&self, mean: Tensor<3>, summed: Tensor<3>, weights: Tensor<2>) -> Tensor<2> {
        let mean = mean.mean_dim(1).squeeze_dim(1);
        let sum = (summed * weights.unsqueeze_dim(2)).sum_dim(1).squeeze_dim(1);
        self.projector.forward(Tensor::cat(vec![mean, sum], 1))
    }

    /// The last layer.
    pub fn projector(&self) -> &Linear {
        &self.projector
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;

    use super::*;

    #[test]
    fn a_clip_is_the_mean_of_its_frames_and_its_weights_follow_them() {
        let device = Device::flex();
        let mut pool = FramePoolConfig { dim: 2, hidden: 1 }.init(&device);
        // Twice the odds for the second frame, by its first value.
        let factor = 2f32.ln() / (3f32.tanh() - 1f32.tanh());
        pool.first.weight = Param::from_data([[1.0], [0.0]], &device);
        pool.score.weight = Param::from_data([[factor]], &device);
        // The first value of the mean, and the second of the sum.
        pool.projector.weight = Param::from_data([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]], &device);
        let frames = Tensor::<3>::from_floats([[[1.0, 6.0], [3.0, -3.0]]], &device);
        let values = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        let near = |x: Vec<f32>, y: [f32; 2]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-5);
        let weights = pool.weights(frames.clone());
        assert!(near(values(weights.clone()), [1.0 / 3.0, 2.0 / 3.0]));
        assert!(near(values(pool.forward(frames.clone(), frames.clone(), weights)), [2.0, 0.0]));
        let projected = pool.projector().forward(pool.frames(frames));
        assert!(near(values(projected.mean_dim(1).squeeze_dim(1)), [2.0, 0.0]));
    }
}
