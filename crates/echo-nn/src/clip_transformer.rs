//! The transformer of both of CLIP's towers (Radford et al., "Learning transferable visual models from natural language
//! supervision", ICML 2021), and of attentive probes.
//!
//! Fields are named as in open_clip. Its norms stand before attention and feed-forward part; the activation is OpenAI's
//! QuickGELU or the exact GELU, and nothing in a checkpoint's names or shapes says which.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use echo_kernels::{self as kernels, Activation};

use crate::attention::SelfAttention;
use crate::layers::{layer_norm, linear};

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
    /// - x: `[batch, tokens, width]`
    /// - mask: see [`attend`](crate::attend)
    /// - output: `[batch, tokens, width]`
    pub(crate) fn forward(&self, x: Tensor<3>, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
        through(&self.resblocks, x, mask)
    }

    /// The same of one token of each row, for which the last block need not compute the others.
    ///
    /// - mask: `[1, 1, tokens, tokens]`
    /// - wanted: which token of each row
    /// - output: `[batch, width]`
    pub(crate) fn forward_at(&self, x: Tensor<3>, mask: Option<Tensor<4, Bool>>, wanted: &[usize]) -> Tensor<2> {
        let (last, others) = self.resblocks.split_last().expect("a transformer has a block");
        let [batch, tokens, width] = x.dims();
        let index = |places: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(places, [batch]), &x.device());
        let queries = mask.clone().map(|mask| {
            let rows = index(wanted.iter().map(|&token| token as i64).collect());
            mask.select(2, rows).swap_dims(0, 2)
        });
        let places = index(wanted.iter().enumerate().map(|(row, token)| (row * tokens + token) as i64).collect());
        let pick = move |x: Tensor<3>| x.reshape([batch * tokens, width]).select(0, places.clone()).unsqueeze_dim(1);
        let x = through(others, x, mask);
        kernels::recomputed(last, x, move |block, x| {
            let normed = kernels::layer_norm(x.clone(), &block.ln_1, EPSILON);
            block.forward_normed(x, normed, &pick, queries.clone())
        })
        .squeeze_dim(1)
    }

    /// The same through all blocks but the last, for which the blocks of `branch` stand, one for each.
    pub(crate) fn forward_along(&self, branch: &[Block], x: Tensor<3>) -> Tensor<3> {
        let shared = &self.resblocks[..self.resblocks.len() - branch.len()];
        through(branch, through(shared, x, None), None)
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
        let x = others.iter().fold(x, |x, block| block.forward(x, None));
        let normed = watch(kernels::layer_norm(x.clone(), &last.ln_1, EPSILON));
        last.forward_normed(x, normed, |x| x, None)
    }
}

fn through(blocks: &[Block], x: Tensor<3>, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
    blocks.iter().fold(x, |x, block| {
        let mask = mask.clone();
        kernels::recomputed(block, x, move |block, x| block.forward(x, mask.clone()))
    })
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

    fn forward(&self, x: Tensor<3>, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let normed = kernels::layer_norm(x.clone(), &self.ln_1, EPSILON);
        self.forward_normed(x, normed, |x| x, mask)
    }

    /// The same from the input and what the first norm makes of it, of the tokens alone that `pick` takes from
    /// `[batch, tokens, width]`; they are the mask's queries.
    fn forward_normed(
        &self,
        x: Tensor<3>,
        normed: Tensor<3>,
        pick: impl Fn(Tensor<3>) -> Tensor<3>,
        mask: Option<Tensor<4, Bool>>,
    ) -> Tensor<3> {
        let x = pick(x) + self.attn.forward_of(normed, &pick, mask);
        let y = kernels::layer_norm(x.clone(), &self.ln_2, EPSILON);
        kernels::feed_forward(y, [&self.mlp.c_fc, &self.mlp.c_proj], self.activation, None, x)
    }
}
