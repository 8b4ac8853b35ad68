//! The image transformer of CLIP (Radford et al., "Learning transferable visual models from natural language
//! supervision", ICML 2021): a ViT (Dosovitskiy et al., ICLR 2021) with a norm before its blocks.
//!
//! Follows open_clip's `VisionTransformer` (MIT, 3.3.0), and names its fields so. Differs in that class tokens are given
//! before the last norm and the projection, which are there by themselves; and that images of other sizes are taken, with
//! positions resized as open_clip does when it loads a checkpoint for another size.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_core::Tokens;
use echo_kernels::{self as kernels, Activation, Axes};

use crate::clip_transformer::{Block, ClipTransformer, ClipTransformerConfig, EPSILON};
use crate::layers::layer_norm;
use crate::position_grid;

/// Sizes of a CLIP image transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipVisionConfig {
    /// Height and width in pixels of the images that it is built for.
    pub image: [usize; 2],
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Length of a token.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Length of an image embedding.
    pub dim: usize,
    /// The activation.
    pub activation: Activation,
}

impl ClipVisionConfig {
    /// OpenAI's ViT-B/16.
    pub const fn base_16() -> Self {
        let activation = Activation::QuickGelu;
        Self { image: [224; 2], patch: 16, width: 768, heads: 12, layers: 12, dim: 512, activation }
    }

    /// The network with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`, or an image holds no patch.
    pub fn init(&self, device: &Device) -> ClipVision {
        let Self { image, patch, width, heads, layers, dim, activation } = *self;
        let grid = image.map(|side| side / patch);
        let places = grid.iter().product::<usize>();
        assert!(places > 0, "an image of {image:?} pixels has no patch of {patch} x {patch}");
        ClipVision {
            conv1: Conv2dConfig::new([3, width], [patch; 2])
                .with_stride([patch; 2])
                .with_bias(false)
                .with_initializer(Initializer::Zeros)
                .init(device),
            class_embedding: Initializer::Zeros.init([width], device),
            positional_embedding: Initializer::Zeros.init([1 + places, width], device),
            ln_pre: layer_norm(width, EPSILON, device),
            transformer: ClipTransformerConfig { width, heads, layers, activation }.init(device),
            ln_post: layer_norm(width, EPSILON, device),
            proj: Initializer::Zeros.init([width, dim], device),
            grid,
        }
    }
}

/// A vision transformer whose image embedding is read at the class token.
#[derive(Module, Debug)]
pub struct ClipVision {
    conv1: Conv2d,
    /// `[width]`
    class_embedding: Param<Tensor<1>>,
    /// `[1 + places, width]`, the class token's first
    positional_embedding: Param<Tensor<2>>,
    ln_pre: LayerNorm,
    transformer: ClipTransformer,
    ln_post: LayerNorm,
    /// `[width, dim]`
    proj: Param<Tensor<2>>,
    /// Rows and columns of patches that there are positions for.
    #[module(skip)]
    grid: [usize; 2],
}

/// What a second way through a [`ClipVision`] has of its own.
#[derive(Module, Debug)]
pub struct ClipVisionBranch {
    /// `[width]`
    class_embedding: Param<Tensor<1>>,
    /// `[1 + places, width]`, the class token's first
    positional_embedding: Param<Tensor<2>>,
    resblocks: Vec<Block>,
    ln_post: LayerNorm,
    /// `[width, dim]`
    proj: Param<Tensor<2>>,
}

impl ClipVision {
    /// Images `[batch, 3, height, width]` -> class tokens `[batch, channels]` and patches
    /// `[batch, rows, columns, channels]`, both before the last norm.
    ///
    /// # Panics
    /// When images hold no patch.
    pub fn forward(&self, images: Tensor<4>) -> (Tensor<2>, Tensor<4>) {
        let (x, grid) = self.embedded(images, &self.class_embedding, &self.positional_embedding);
        apart(self.transformer.forward(x), grid)
    }

    /// A second way through the transformer that shares its patches and first blocks, with this one's values: the last
    /// `blocks` are its own.
    ///
    /// # Panics
    /// When there are not so many blocks.
    pub fn branch(&self, blocks: usize) -> ClipVisionBranch {
        ClipVisionBranch {
            class_embedding: self.class_embedding.clone(),
            positional_embedding: self.positional_embedding.clone(),
            resblocks: self.transformer.last(blocks),
            ln_post: self.ln_post.clone(),
            proj: self.proj.clone(),
        }
    }

    /// Embeddings of the frames of clips along a branch: `[batch, 3, frames, height, width]` -> `[batch, frames, dim]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn frames_along(&self, branch: &ClipVisionBranch, clip: Tensor<5>) -> Tensor<3> {
        let [batch, _, frames, ..] = clip.dims();
        let (x, grid) = self.embedded(images(clip), &branch.class_embedding, &branch.positional_embedding);
        let (class, _) = apart(self.transformer.forward_along(&branch.resblocks, x), grid);
        let embedded = kernels::layer_norm(class, &branch.ln_post, EPSILON).matmul(branch.proj.val());
        let [_, dim] = embedded.dims();
        embedded.reshape([batch, frames, dim])
    }

    /// What it makes of the frames of clips `[batch, 3, frames, height, width]`, each by itself.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn tokens(&self, clip: Tensor<5>) -> Tokens {
        let [batch, ..] = clip.dims();
        by_clip(self.forward(images(clip)), batch)
    }

    /// The same of what `watch` gives back: first of what the last block's attention sees, since the class token alone makes the
    /// embedding, then of the last patches, of which nothing goes on to it but at which adapters may look; each
    /// `[batch, frames, rows, columns, width]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        let [batch, _, frames, ..] = clip.dims();
        let tokens = self.forward_watched(images(clip), |patches| {
            let [count, rows, columns, width] = patches.dims();
            let patches = watch(patches.reshape([batch, frames, rows, columns, width]));
            patches.reshape([count, rows, columns, width])
        });
        let Tokens { class, patches } = by_clip(tokens, batch);
        Tokens { class, patches: watch(patches) }
    }

    /// The same of what `watch` gives back of the patches that the last block's attention sees, after its norm:
    /// `[batch, rows, columns, channels]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    fn forward_watched(&self, images: Tensor<4>, watch: impl FnOnce(Tensor<4>) -> Tensor<4>) -> (Tensor<2>, Tensor<4>) {
        let (x, grid) = self.embedded(images, &self.class_embedding, &self.positional_embedding);
        let x = self.transformer.forward_watched(x, |normed| {
            let [batch, tokens, channels] = normed.dims();
            let (class, patches) = apart(normed, grid);
            let patches = watch(patches).reshape([batch, tokens - 1, channels]);
            Tensor::cat(vec![class.unsqueeze_dim(1), patches], 1)
        });
        apart(x, grid)
    }

    /// The norm of class tokens, and their projection.
    pub fn head(&self) -> (LayerNorm, Linear) {
        (self.ln_post.clone(), Linear { weight: self.proj.clone(), bias: None })
    }

    /// Transformer blocks.
    pub fn layers(&self) -> usize {
        self.transformer.layers()
    }

    /// Length of a token.
    pub fn width(&self) -> usize {
        self.class_embedding.lazy_shape()[0]
    }

    /// Class token and patches with their positions, and rows and columns of the patches.
    fn embedded(
        &self,
        images: Tensor<4>,
        class_embedding: &Param<Tensor<1>>,
        positional_embedding: &Param<Tensor<2>>,
    ) -> (Tensor<3>, [usize; 2]) {
        let patches = kernels::patch_conv(images, Axes::ChannelsFirst, &self.conv1);
        let [batch, rows, columns, channels] = patches.dims();
        assert!(rows * columns > 0, "images of {rows} x {columns} patches");
        let class = class_embedding.val().reshape([1, 1, channels]).expand([batch, 1, channels]);
        let x = Tensor::cat(vec![class, patches.reshape([batch, rows * columns, channels])], 1);
        let positions = positional_embedding.val();
        let [tokens, _] = positions.dims();
        let of_patches = position_grid::resized(positions.clone().narrow(0, 1, tokens - 1), self.grid, [rows, columns]);
        let x = x + Tensor::cat(vec![positions.narrow(0, 0, 1), of_patches], 0).unsqueeze();
        (kernels::layer_norm(x, &self.ln_pre, EPSILON), [rows, columns])
    }
}

/// `[batch, 3, frames, height, width]` -> `[batch * frames, 3, height, width]`, the frames of a clip one after the other.
fn images(clip: Tensor<5>) -> Tensor<4> {
    let [batch, channels, frames, height, width] = clip.dims();
    clip.swap_dims(1, 2).reshape([batch * frames, channels, height, width])
}

/// What the transformer makes of such images, by clip.
fn by_clip((class, patches): (Tensor<2>, Tensor<4>), batch: usize) -> Tokens {
    let [images, width] = class.dims();
    Tokens { class: Some(class.reshape([batch, images / batch, width])), ..Tokens::of_maps(patches, batch) }
}

/// `[batch, 1 + places, channels]` -> `[batch, channels]` and `[batch, rows, columns, channels]`
fn apart(x: Tensor<3>, [rows, columns]: [usize; 2]) -> (Tensor<2>, Tensor<4>) {
    let [batch, tokens, channels] = x.dims();
    let patches = x.clone().narrow(1, 1, tokens - 1).reshape([batch, rows, columns, channels]);
    (x.narrow(1, 0, 1).squeeze_dim(1), patches)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;

    use super::*;

    #[test]
    fn the_base_is_openais() {
        // open_clip's 86,192,640 parameters of `visual`, its projection among them.
        assert_eq!(ClipVisionConfig::base_16().init(&Device::flex()).num_params(), 86_192_640);
    }

    #[test]
    fn wide_images_have_their_own_grid() {
        let device = Device::flex();
        let config = ClipVisionConfig { image: [8, 20], patch: 4, width: 6, heads: 2, layers: 1, dim: 5, ..base() };
        let net = config.init(&device);
        let (class, patches) = net.forward(Tensor::zeros([3, 3, 8, 20], &device));
        assert_eq!((class.dims(), patches.dims()), ([3, 6], [3, 2, 5, 6]));
    }

    #[test]
    fn a_branch_with_the_same_values_gives_the_image_embedding_and_one_of_its_own_does_not() {
        let device = Device::flex();
        let config = ClipVisionConfig { image: [8, 8], patch: 4, width: 6, heads: 2, layers: 3, dim: 5, ..base() };
        let numbered = |x: Tensor<1>| (x * 0.7).sin();
        let numbers = |count: i64| numbered(Tensor::<1, Int>::arange(0..count, &device).float());
        let mut net = config.init(&device);
        net.class_embedding = Param::from_tensor(numbers(6));
        net.proj = Param::from_tensor(numbers(30).reshape([6, 5]));
        let images = numbers(2 * 3 * 64).reshape([2, 3, 8, 8]);
        let (class, _) = net.forward(images.clone());
        let (norm, proj) = net.head();
        let difference = |branch: &ClipVisionBranch| {
            let expected = proj.forward(norm.forward(class.clone()));
            (net.frames_along(branch, images.clone().unsqueeze_dim(2)).squeeze_dim(1) - expected)
                .abs()
                .max()
                .into_scalar::<f32>()
        };
        let mut branch = net.branch(2);
        assert_eq!(branch.resblocks.len(), 2);
        assert!(difference(&branch) < 1e-6);
        branch.class_embedding = Param::from_tensor(numbers(6).flip([0]));
        assert!(difference(&branch) > 1e-2);
    }

    #[test]
    #[should_panic(expected = "0 x 2 patches")]
    fn images_without_a_patch_are_refused() {
        let config = ClipVisionConfig { image: [8, 20], patch: 4, width: 6, heads: 2, layers: 1, dim: 5, ..base() };
        config.init(&Device::flex()).forward(Tensor::zeros([1, 3, 3, 8], &Device::flex()));
    }

    fn base() -> ClipVisionConfig {
        ClipVisionConfig::base_16()
    }
}
