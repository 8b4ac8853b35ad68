//! The transformer of both of CLIP's towers (Radford et al., "Learning transferable visual models from natural language
//! supervision", ICML 2021), and of attentive probes.
//!
//! Fields are named as in open_clip. Its norms stand before attention and feed-forward part; the activation is OpenAI's
//! QuickGELU or the exact GELU, and nothing in a checkpoint's names or shapes says which.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_kernels::{self as kernels, Activation};

use crate::attention::SelfAttention;
use crate::layers::{layer_norm, linear};
use crate::packed_texts::{PackedTexts, Queries};

/// Epsilon of every norm.
pub(crate) const EPSILON: f64 = 1e-5;

/// Sizes of a transformer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClipTransformerConfig {
    pub(crate) width: usize,
    /// Divides `width`.
    pub(crate) heads: usize,
    pub(crate) layers: usize,
    pub(crate) activation: Activation,
}

impl ClipTransformerConfig {
    /// The network with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`.
    pub(crate) fn init(&self, device: &Device) -> ClipTransformer {
        ClipTransformer { resblocks: (0..self.layers).map(|_| Block::new(self, device)).collect() }
    }
}

/// Blocks, one after the other.
#[derive(Module, Debug)]
pub(crate) struct ClipTransformer {
    resblocks: Vec<Block>,
}

#[derive(Module, Debug)]
pub(crate) struct Block {
    ln_1: LayerNorm,
    attn: SelfAttention,
    ln_2: LayerNorm,
    mlp: Mlp,
    #[module(skip)]
    activation: Activation,
}

#[derive(Module, Debug)]
struct Mlp {
    c_fc: Linear,
    c_proj: Linear,
}

impl ClipTransformer {
    /// `[batch, tokens, width]`, of which every token attends to all of its row, and the same shape again.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        through(&self.resblocks, x)
    }

    /// The pooled token of each text: `[1, all tokens, width]` -> `[texts, width]`.
    pub(crate) fn forward_texts(&self, x: Tensor<3>, texts: PackedTexts) -> Tensor<2> {
        let (last, others) = self.resblocks.split_last().expect("a transformer has a block");
        let x = others.iter().fold(x, |x, block| block.forward_texts(x, texts.clone(), Queries::All));
        last.forward_texts(x, texts, Queries::Pooled).squeeze_dim(0)
    }

    /// The same through all blocks but the last, for which the blocks of `branch` stand, one for each.
    pub(crate) fn forward_along(&self, branch: &[Block], x: Tensor<3>) -> Tensor<3> {
        let shared = &self.resblocks[..self.resblocks.len() - branch.len()];
        through(branch, through(shared, x))
    }

    pub(crate) fn layers(&self) -> usize {
        self.resblocks.len()
    }

    /// The last `count` blocks.
    ///
    /// # Panics
    /// When there are fewer.
    pub(crate) fn last(&self, count: usize) -> Vec<Block> {
        self.resblocks[self.resblocks.len() - count..].to_vec()
    }

    /// The same of what `watch` makes of the tokens that the last block's attention sees, after its norm.
    pub(crate) fn forward_watched(&self, x: Tensor<3>, watch: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        let (last, others) = self.resblocks.split_last().expect("a transformer has a block");
        let x = others.iter().fold(x, |x, block| block.forward(x));
        let normed = watch(kernels::layer_norm(x.clone(), &last.ln_1, EPSILON));
        last.forward_attended(x + last.attn.forward(normed))
    }
}

fn through(blocks: &[Block], x: Tensor<3>) -> Tensor<3> {
    blocks.iter().fold(x, |x, block| kernels::recomputed(block, x, |block, x| block.forward(x)))
}

impl Block {
    fn new(config: &ClipTransformerConfig, device: &Device) -> Self {
        let ClipTransformerConfig { width, heads, activation, .. } = *config;
        Self {
            ln_1: layer_norm(width, EPSILON, device),
            attn: SelfAttention::new(width, heads, device),
            ln_2: layer_norm(width, EPSILON, device),
            mlp: Mlp { c_fc: linear(width, 4 * width, device), c_proj: linear(4 * width, width, device) },
            activation,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = kernels::layer_norm(x.clone(), &self.ln_1, EPSILON);
        self.forward_attended(x + self.attn.forward(normed))
    }

    /// `[1, all tokens, width]` -> `[1, queries, width]`
    fn forward_texts(&self, x: Tensor<3>, texts: PackedTexts, queries: Queries) -> Tensor<3> {
        kernels::recomputed(self, x, move |block, x| {
            let normed = kernels::layer_norm(x.clone(), &block.ln_1, EPSILON);
            let attended = block.attn.forward_texts(normed, &texts, queries);
            block.forward_attended(texts.select(queries, x) + attended)
        })
    }

    /// What follows attention.
    fn forward_attended(&self, x: Tensor<3>) -> Tensor<3> {
        let y = kernels::layer_norm(x.clone(), &self.ln_2, EPSILON);
        kernels::feed_forward(y, [&self.mlp.c_fc, &self.mlp.c_proj], self.activation, None, x)
    }
}
