//! Pooling attention with decomposed relative positions (Li et al., "MViTv2: Improved multiscale vision transformers
//! for classification and detection", CVPR 2022).
//!
//! Fields are named as in torchvision's `MultiscaleAttention`, which this follows where the paper leaves room: the
//! class token goes around the pools, takes no part in relative positions and gets no query added to it.

mod pool;
mod relative;

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use echo_kernels as kernels;

use crate::attention::check_heads;
use crate::layers::linear;
use pool::Pool;

/// Frames, height and width of a grid of tokens.
pub type Grid = [usize; 3];

/// Sizes of one pooling attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolingAttentionConfig {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output; divisible by `heads`.
    pub output: usize,
    /// Attention heads.
    pub heads: usize,
    /// Spatial stride of the queries' pool.
    pub stride_q: usize,
    /// Spatial stride of the keys' and values' pools.
    pub stride_kv: usize,
    /// The grid that the tables of relative positions are made for; for others they are interpolated.
    pub grid: Grid,
}

impl PoolingAttentionConfig {
    /// The layer with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `output`, or a stride or side is zero.
    pub fn init(&self, device: &Device) -> PoolingAttention {
        let Self { input, output, heads, stride_q, stride_kv, grid: [frames, height, width] } = *self;
        check_heads(output, heads);
        assert!(stride_q > 0 && stride_kv > 0 && frames > 0, "strides {stride_q}, {stride_kv}, {frames} frames");
        let head_width = output / heads;
        // One length for both spatial tables, from the longer side and strides rounded down, is torchvision's choice.
        let side = height.max(width) / stride_q.min(stride_kv);
        assert!(side > 0, "a grid of {height} by {width} is too small for strides {stride_q} and {stride_kv}");
        let table = |length: usize| Initializer::Zeros.init([2 * length - 1, head_width], device);
        PoolingAttention {
            qkv: linear(input, 3 * output, device),
            project: linear(output, output, device),
            pool_q: Pool::new(head_width, stride_q, device),
            pool_k: Pool::new(head_width, stride_kv, device),
            pool_v: Pool::new(head_width, stride_kv, device),
            rel_pos_h: table(side),
            rel_pos_w: table(side),
            rel_pos_t: table(frames),
            heads,
        }
    }
}

/// Attention whose queries, keys and values are pooled over the grid of tokens.
#[derive(Module, Debug)]
pub struct PoolingAttention {
    qkv: Linear,
    project: Linear,
    pool_q: Pool,
    pool_k: Pool,
    pool_v: Pool,
    /// `[2 * side - 1, head_width]`
    rel_pos_h: Param<Tensor<2>>,
    /// `[2 * side - 1, head_width]`
    rel_pos_w: Param<Tensor<2>>,
    /// `[2 * frames - 1, head_width]`
    rel_pos_t: Param<Tensor<2>>,
    #[module(skip)]
    heads: usize,
}

impl PoolingAttention {
    /// - x: `[batch, 1 + tokens, input]`, the class token first, then the grid's tokens row by row
    /// - output: `[batch, 1 + pooled tokens, output]`, see [`pooled`](Self::pooled)
    ///
    /// # Panics
    /// When `grid` has not as many places as `x` has tokens.
    pub fn forward(&self, x: Tensor<3>, grid: Grid) -> Tensor<3> {
        let [batch, tokens, _] = x.dims();
        let [frames, height, width] = grid;
        let [heads, head_width] = [self.heads, self.pool_q.channels()];
        assert_eq!(tokens, 1 + frames * height * width, "a grid of {grid:?} and a class token");

        let qkv = kernels::linear(x, &self.qkv).reshape([batch, tokens, 3, heads, head_width]).permute([2, 0, 3, 1, 4]);
        let part = |index: usize| qkv.clone().narrow(0, index, 1).squeeze_dim::<4>(0);
        let query = self.pool_q.forward(part(0), grid);
        let key = self.pool_k.forward(part(1), grid);
        let value = self.pool_v.forward(part(2), grid);
        let (query_grid, key_grid) = (self.pool_q.pooled(grid), self.pool_k.pooled(grid));

        let tables = [&self.rel_pos_t, &self.rel_pos_h, &self.rel_pos_w].map(|table| table.val());
        let vectors = relative::vectors(tables, query_grid, key_grid);
        kernels::linear(kernels::pooled_attention(query, key, value, vectors), &self.project)
    }

    /// The grid that the queries of a grid are pooled to.
    pub fn pooled(&self, grid: Grid) -> Grid {
        self.pool_q.pooled(grid)
    }
}
