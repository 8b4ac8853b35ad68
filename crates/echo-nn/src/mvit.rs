//! MViTv2 for video (Li et al., "MViTv2: Improved multiscale vision transformers for classification and detection",
//! CVPR 2022), without classifier.
//!
//! Follows torchvision's `mvit_v2_s` (BSD-3, 0.29) and names its fields so, where they are legal. Differs in that
//! other clip lengths and image sizes than those it is built for are taken too: the tables of relative positions are
//! interpolated, as torchvision does only for axes of unequal length.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv3d, Conv3dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Initializer, LayerNorm, Linear, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::{Device, Tensor};
use echo_core::Tokens;
use echo_kernels::{self as kernels, Activation};

use crate::layers::{layer_norm, linear};
use crate::pooling_attention::{Grid, PoolingAttention, PoolingAttentionConfig};

/// Epsilon of every norm.
pub(crate) const EPSILON: f64 = 1e-6;

/// Sizes of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MvitBlock {
    /// Attention heads.
    pub heads: usize,
    /// Channels of its input.
    pub input: usize,
    /// Channels of its output.
    pub output: usize,
    /// Spatial stride of the queries' pool, and so of the block.
    pub stride_q: usize,
    /// Spatial stride of the keys' and values' pools.
    pub stride_kv: usize,
}

/// Sizes of an MViT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MvitConfig {
    /// Frames, height and width of the clips that it is built for.
    pub clip: [usize; 3],
    /// Kernel of the patch convolution, odd on every axis.
    pub patch_kernel: [usize; 3],
    /// Stride of the patch convolution.
    pub patch_stride: [usize; 3],
    /// The blocks, each taking what the one before gives.
    pub blocks: Vec<MvitBlock>,
}

impl MvitConfig {
    /// MViTv2-S for 16 frames of 224 x 224.
    pub fn small() -> Self {
        Self::staged([16, 224, 224], [1, 2, 11, 2], [96, 192, 384, 768], [1, 2, 4, 8], 8)
    }

    /// A small one for 16 frames of 64 x 64. Patches have twice the paper's side: four times fewer tokens, for time's sake.
    pub fn nano() -> Self {
        let staged = Self::staged([16, 64, 64], [1, 1, 2, 1], [24, 32, 64, 96], [1, 2, 2, 4], 4);
        Self { patch_kernel: [3, 9, 9], patch_stride: [2, 8, 8], ..staged }
    }

    /// Four stages with the paper's patches. A stage's first block halves the map and reaches its width; the keys'
    /// and values' maps keep one size through all stages, until a stage's own map is no larger.
    ///
    /// - depths, widths, heads: blocks, channels and attention heads of each stage
    /// - stride_kv: spatial stride of the keys' and values' pools in the first stage
    pub fn staged(
        clip: [usize; 3],
        depths: [usize; 4],
        widths: [usize; 4],
        heads: [usize; 4],
        stride_kv: usize,
    ) -> Self {
        let mut blocks = Vec::with_capacity(depths.iter().sum());
        let mut input = widths[0];
        for stage in 0..4 {
            for block in 0..depths[stage] {
                let stride_q = if stage > 0 && block == 0 { 2 } else { 1 };
                let stride_kv = (stride_kv >> stage).max(1);
                let [heads, output] = [heads[stage], widths[stage]];
                blocks.push(MvitBlock { heads, input, output, stride_q, stride_kv });
                input = output;
            }
        }
        Self { clip, patch_kernel: [3, 7, 7], patch_stride: [2, 4, 4], blocks }
    }

    /// Channels of the output.
    pub fn width(&self) -> usize {
        self.blocks.last().map_or(0, |block| block.output)
    }

    /// The network with constant parameters.
    ///
    /// # Panics
    /// When there are no blocks, or blocks do not take what the one before gives, or the maps shrink to nothing.
    pub fn init(&self, device: &Device) -> Mvit {
        let [kernel_t, kernel_h, kernel_w] = self.patch_kernel.map(|side| side / 2);
        let width = self.blocks.first().map(|block| block.input).expect("an MViT has at least one block");
        let chained = self.blocks.windows(2).all(|pair| pair[0].output == pair[1].input);
        assert!(chained, "every block of {:?} must take what the one before gives", self.blocks);
        let [stride_t, stride_h, stride_w] = self.patch_stride;
        let [frames, image_height, image_width] = self.clip;
        let mut grid = [frames / stride_t, image_height / stride_h, image_width / stride_w];
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            blocks.push(Block::new(block, grid, device));
            grid = [grid[0], grid[1] / block.stride_q, grid[2] / block.stride_q];
        }
        Mvit {
            conv_proj: Conv3dConfig::new([3, width], self.patch_kernel)
                .with_stride(self.patch_stride)
                .with_padding(PaddingConfig3d::Explicit(kernel_t, kernel_h, kernel_w))
                .with_initializer(Initializer::Zeros)
                .init(device),
            class_token: Initializer::Zeros.init([width], device),
            blocks,
            norm: layer_norm(self.width(), EPSILON, device),
        }
    }
}

/// The transformer.
#[derive(Module, Debug)]
pub struct Mvit {
    conv_proj: Conv3d,
    /// `[width of the first block]`
    class_token: Param<Tensor<1>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    attn: PoolingAttention,
    norm2: LayerNorm,
    mlp: Mlp,
    /// Where input and output have different channels.
    project: Option<Linear>,
    /// Where the block has a stride.
    pool_skip: Option<MaxPool2d>,
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mvit {
    /// Channels of a token.
    pub fn width(&self) -> usize {
        self.norm.gamma.lazy_shape()[0]
    }

    /// `[batch, 3, frames, height, width]` -> its tokens after the last norm, the class token among them
    ///
    /// The output has a map for every `patch_stride` frames, rounded up, whatever the clip's length.
    pub fn forward(&self, clip: Tensor<5>) -> Tokens {
        let (x, grid) = self.run(&self.blocks, self.patches(clip));
        tokens(kernels::layer_norm(x, &self.norm, EPSILON), grid)
    }

    /// The same of what `watch` gives back of the patches that the last block's attention sees, after its norm:
    /// `[batch, time, rows, columns, channels]`.
    pub fn forward_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        let (last, others) = self.blocks.split_last().expect("a transformer has a block");
        let (x, grid) = self.run(others, self.patches(clip));
        let Tokens { class, patches } = tokens(kernels::layer_norm(x.clone(), &last.norm1, EPSILON), grid);
        let [batch, frames, height, width, channels] = patches.dims();
        let patches = watch(patches).reshape([batch, frames * height * width, channels]);
        let class = class.expect("a class token goes first");
        let x = last.forward_normed(x, Tensor::cat(vec![class, patches], 1), grid);
        tokens(kernels::layer_norm(x, &self.norm, EPSILON), last.attn.pooled(grid))
    }

    /// The class token and the patches of a clip, and their grid.
    fn patches(&self, clip: Tensor<5>) -> (Tensor<3>, Grid) {
        let x = self.conv_proj.forward(clip);
        let [batch, channels, frames, height, width] = x.dims();
        let x = x.reshape([batch, channels, frames * height * width]).swap_dims(1, 2);
        let class = self.class_token.val().reshape([1, 1, channels]).expand([batch, 1, channels]);
        (Tensor::cat(vec![class, x], 1), [frames, height, width])
    }

    fn run(&self, blocks: &[Block], from: (Tensor<3>, Grid)) -> (Tensor<3>, Grid) {
        blocks.iter().fold(from, |(x, grid), block| {
            let x = kernels::recomputed(block, x, move |block, x| block.forward(x, grid));
            (x, block.attn.pooled(grid))
        })
    }
}

/// `[batch, 1 + places, channels]`, the class token first, with the places of a grid.
fn tokens(x: Tensor<3>, [frames, height, width]: Grid) -> Tokens {
    let [batch, tokens, channels] = x.dims();
    Tokens {
        class: Some(x.clone().narrow(1, 0, 1)),
        patches: x.narrow(1, 1, tokens - 1).reshape([batch, frames, height, width, channels]),
    }
}

impl Block {
    fn new(sizes: &MvitBlock, grid: Grid, device: &Device) -> Self {
        let MvitBlock { heads, input, output, stride_q, stride_kv } = *sizes;
        Self {
            norm1: layer_norm(input, EPSILON, device),
            attn: PoolingAttentionConfig { input, output, heads, stride_q, stride_kv, grid }.init(device),
            norm2: layer_norm(output, EPSILON, device),
            mlp: Mlp { fc1: linear(output, 4 * output, device), fc2: linear(4 * output, output, device) },
            project: (input != output).then(|| linear(input, output, device)),
            pool_skip: (stride_q > 1).then(|| {
                let padding = stride_q.div_ceil(2);
                MaxPool2dConfig::new([stride_q + 1; 2])
                    .with_strides([stride_q; 2])
                    .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                    .init()
            }),
        }
    }

    /// - x: `[batch, 1 + tokens, channels]`, the class token first
    fn forward(&self, x: Tensor<3>, grid: Grid) -> Tensor<3> {
        let normed = kernels::layer_norm(x.clone(), &self.norm1, EPSILON);
        self.forward_normed(x, normed, grid)
    }

    /// The same from the input and what the first norm makes of it.
    fn forward_normed(&self, x: Tensor<3>, normed: Tensor<3>, grid: Grid) -> Tensor<3> {
        // The skip of a block that changes its channels is a projection of the *normed* input.
        let skip = match &self.project {
            Some(project) => kernels::linear(normed.clone(), project),
            None => x,
        };
        let skip = match &self.pool_skip {
            Some(pool) => kernels::max_pool_tokens(skip, grid, pool),
            None => skip,
        };
        let x = skip + self.attn.forward(normed, grid);
        let y = kernels::layer_norm(x.clone(), &self.norm2, EPSILON);
        kernels::feed_forward(y, [&self.mlp.fc1, &self.mlp.fc2], Activation::Gelu, None, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mvit_small_is_torchvisions() {
        let blocks = MvitConfig::small().blocks;
        let column = |of: fn(&MvitBlock) -> usize| blocks.iter().map(of).collect::<Vec<_>>();
        assert_eq!(column(|b| b.heads), [1, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8]);
        assert_eq!(column(|b| b.input), [96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 384, 384, 384, 384, 768]);
        assert_eq!(
            column(|b| b.output),
            [96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 384, 384, 384, 384, 768, 768]
        );
        assert_eq!(column(|b| b.stride_q), [1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1]);
        assert_eq!(column(|b| b.stride_kv), [8, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1]);
        // torchvision's 34,537,744 with a classifier of 768 x 400 weights and 400 biases.
        let parameters = MvitConfig::small().init(&Device::flex()).num_params();
        assert_eq!(parameters, 34_537_744 - 768 * 400 - 400);
    }

    #[test]
    fn mvit_steps_follow_the_clip_and_maps_its_size() {
        let device = Device::flex();
        let net = MvitConfig::staged([8, 32, 32], [1, 1, 1, 1], [4, 4, 8, 8], [1, 1, 2, 2], 4).init(&device);
        for (frames, height, width, expected) in
            [(8, 32, 32, [4, 1, 1]), (6, 64, 40, [3, 2, 2]), (1, 32, 96, [1, 1, 3])]
        {
            let tokens = net.forward(Tensor::zeros([2, 3, frames, height, width], &device));
            let [batch, frames, height, width, channels] = tokens.patches.dims();
            assert_eq!([frames, height, width], expected);
            assert_eq!([batch, channels], [2, 8]);
            assert_eq!(tokens.class.unwrap().dims(), [2, 1, 8]);
        }
    }
}
