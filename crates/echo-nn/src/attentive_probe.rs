//! The attentive probe: one learned query attends to all tokens of a frozen encoder (Bardes et al., "Revisiting feature
//! prediction for learning visual representations from video", TMLR 2024; with self-attention blocks before it as in Assran et
//! al., "V-JEPA 2", 2025).
//!
//! Written from the architecture of transformers' `VJEPA2AttentivePooler` (Apache-2.0). As there, the cross-attention has no
//! projection behind it and the query no norm before it. Blocks look at one clip, the query at all of a sample, so that cost
//! grows with the number of clips and not with its square.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_kernels::{self as kernels, Activation};

use crate::attention::{attend, check_heads};
use crate::clip_transformer::{ClipTransformer, ClipTransformerConfig, EPSILON};
use crate::layers::{layer_norm, linear};

/// Width of a feed-forward part over that of a token.
const MLP_RATIO: usize = 4;

/// Sizes of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentiveProbeConfig {
    /// Length of a token.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Blocks of self-attention before the query.
    pub blocks: usize,
}

impl AttentiveProbeConfig {
    /// The probe with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`.
    pub fn init(&self, device: &Device) -> AttentiveProbe {
        let &Self { width, heads, blocks } = self;
        check_heads(width, heads);
        let blocks = ClipTransformerConfig { width, heads, layers: blocks, activation: Activation::Gelu };
        AttentiveProbe {
            query: Param::from_tensor(Tensor::zeros([width], device)),
            blocks: blocks.init(device),
            norm1: layer_norm(width, EPSILON, device),
            q: linear(width, width, device),
            kv: linear(width, 2 * width, device),
            norm2: layer_norm(width, EPSILON, device),
            fc1: linear(width, MLP_RATIO * width, device),
            fc2: linear(MLP_RATIO * width, width, device),
            heads,
        }
    }
}

/// An attentive probe. It knows of a token's place and time what the encoder put into the token.
#[derive(Module, Debug)]
pub struct AttentiveProbe {
    /// `[width]`
    query: Param<Tensor<1>>,
    blocks: ClipTransformer,
    norm1: LayerNorm,
    q: Linear,
    /// Keys and values side by side.
    kv: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    heads: usize,
}

impl AttentiveProbe {
    /// - tokens: `[samples, clips, tokens, width]`
    /// - output: `[samples, width]`
    pub fn forward(&self, tokens: Tensor<4>) -> Tensor<2> {
        let [samples, clips, count, width] = tokens.dims();
        let tokens = self.blocks.forward(tokens.reshape([samples * clips, count, width]));
        let tokens = kernels::layer_norm(tokens.reshape([samples, clips * count, width]), &self.norm1, EPSILON);
        let kv = kernels::linear(tokens, &self.kv);
        let part = |index: usize| kv.clone().narrow(2, index * width, width);
        let query = self.query.val().reshape([1, 1, width]).repeat_dim(0, samples);
        let x = query.clone() + attend(kernels::linear(query, &self.q), part(0), part(1), self.heads);
        let y = kernels::layer_norm(x.clone(), &self.norm2, EPSILON);
        kernels::feed_forward(y, [&self.fc1, &self.fc2], Activation::Gelu, None, x).squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(layer: &Linear) -> Param<Tensor<2>> {
        let [width, columns] = layer.weight.val().dims();
        let eye = Tensor::eye(width, &Device::flex());
        Param::from_tensor(Tensor::cat(vec![eye; columns / width], 1))
    }

    /// With keys and values that are the normed tokens, a query along the first axis weighs those that have most there, of all
    /// clips alike; without one all weigh the same.
    #[test]
    fn the_query_weighs_tokens_of_all_clips() {
        let device = Device::flex();
        let mut probe = AttentiveProbeConfig { width: 2, heads: 1, blocks: 1 }.init(&device);
        (probe.q.weight, probe.kv.weight) = (identity(&probe.q), identity(&probe.kv));
        // One sample of two clips: normed, its tokens are (1, -1), (-1, 1) and twice (1, -1).
        let tokens = Tensor::<4>::from_floats([[[[3.0, 1.0], [0.0, 8.0]], [[5.0, 4.0], [-1.0, -7.0]]]], &device);
        let values = |probe: &AttentiveProbe| probe.forward(tokens.clone()).into_data().try_to_vec::<f32>().unwrap();
        let near = |found: Vec<f32>, expected: [f32; 2]| {
            // The norm's epsilon beside a variance of a quarter.
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-3), "{found:?}");
        };
        near(values(&probe), [0.5, -0.5]);
        // Scores are +-1 over the root of two times this: three times the weight for each of the others.
        let along = 3f32.ln() / 2f32.sqrt();
        probe.query = Param::from_tensor(Tensor::from_floats([along, 0.0], &device));
        // Weights 0.3 three times, and 0.1.
        near(values(&probe), [along + 0.8, -0.8]);
    }
}
