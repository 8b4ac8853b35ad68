//! Multi-frame learning (MFL) of CardiacCLIP (Du et al., MICCAI 2025): a clip's embedding is a weighted sum of its
//! frames, with weights from a small network that looks at each frame alone (Ilse et al., "Attention-based deep multiple
//! instance learning", ICML 2018).

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::layers::linear;

/// Width of the scoring network.
const HIDDEN: usize = 64;

/// Sizes of the pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionPoolConfig {
    /// Length of a frame's embedding.
    pub dim: usize,
}

impl AttentionPoolConfig {
    /// The pooling with constant parameters: uniform weights, and an aggregation that changes nothing.
    pub fn init(&self, device: &Device) -> AttentionPool {
        let mut aggregate = linear(self.dim, self.dim, device);
        aggregate.weight = Param::from_tensor(Tensor::eye(self.dim, device));
        aggregate.bias = Some(Param::from_tensor(Tensor::zeros([self.dim], device)));
        let mut score = linear(HIDDEN, 1, device);
        score.weight = Param::from_tensor(Tensor::zeros([HIDDEN, 1], device));
        score.bias = Some(Param::from_tensor(Tensor::zeros([1], device)));
        AttentionPool {
            first: linear(self.dim, HIDDEN, device),
            second: linear(HIDDEN, HIDDEN, device),
            score,
            aggregate,
        }
    }
}

/// Attention over frames.
#[derive(Module, Debug)]
pub struct AttentionPool {
    /// `dim -> 64`, before a tanh.
    pub first: Linear,
    /// `64 -> 64`, before a tanh.
    pub second: Linear,
    /// `64 -> 1`. Zero at first, so that all frames weigh the same.
    pub score: Linear,
    /// `dim -> dim` after the weighted sum. The identity at first.
    pub aggregate: Linear,
}

impl AttentionPool {
    /// - tokens: `[batch, time, dim]`
    /// - output: `[batch, dim]`
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        let weights = self.weights(tokens.clone());
        self.aggregate.forward((tokens * weights.unsqueeze_dim(2)).sum_dim(1).squeeze_dim(1))
    }

    /// How much each frame weighs: `[batch, time, dim]` -> `[batch, time]`, which sum to one.
    pub fn weights(&self, tokens: Tensor<3>) -> Tensor<2> {
        let scores = self.score.forward(self.second.forward(self.first.forward(tokens).tanh()).tanh());
        softmax(scores.squeeze_dim::<2>(2), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_first_the_output_is_the_mean_and_a_score_moves_it() {
        let device = Device::flex();
        let mut pool = AttentionPoolConfig { dim: 2 }.init(&device);
        let tokens = Tensor::<3>::from_floats([[[1.0, 2.0], [3.0, -4.0]]], &device);
        let values = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(values(pool.forward(tokens.clone())), [2.0, -1.0]);
        // One hidden unit that sees the first value, through both layers, and doubles the second frame's odds.
        let one_hot = |rows: usize, columns: usize| {
            let mut weight = vec![0.0f32; rows * columns];
            weight[0] = 1.0;
            Param::from_tensor(Tensor::<1>::from_floats(weight.as_slice(), &device).reshape([rows, columns]))
        };
        pool.first.weight = one_hot(2, HIDDEN);
        pool.second.weight = one_hot(HIDDEN, HIDDEN);
        let seen = |x: f32| x.tanh().tanh();
        let factor = 2f32.ln() / (seen(3.0) - seen(1.0));
        pool.score.weight = Param::from_tensor(one_hot(HIDDEN, 1).val() * factor);
        for bias in [&mut pool.first.bias, &mut pool.second.bias] {
            *bias = Some(Param::from_tensor(Tensor::zeros([HIDDEN], &device)));
        }
        let weights = values(pool.weights(tokens));
        assert!((weights[0] - 1.0 / 3.0).abs() < 1e-5 && (weights[1] - 2.0 / 3.0).abs() < 1e-5, "{weights:?}");
    }
}
