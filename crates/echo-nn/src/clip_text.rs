//! The text transformer of CLIP (Radford et al., "Learning transferable visual models from natural language
//! supervision", ICML 2021).
//!
//! Fields are named as in open_clip.

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm};
use burn::tensor::{Device, Int, Tensor};
use echo_kernels::Activation;

use crate::clip_transformer::{ClipTransformer, ClipTransformerConfig, EPSILON};
use crate::layers::layer_norm;
use crate::packed_texts::{PackedTexts, last_tokens};

/// Sizes of a CLIP text transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipTextConfig {
    /// Token ids.
    pub vocabulary: usize,
    /// The most tokens that it takes.
    pub context: usize,
    /// Length of a token's vector.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Length of a text embedding.
    pub dim: usize,
    /// The activation.
    pub activation: Activation,
}

impl ClipTextConfig {
    /// The text tower of CLIP ViT-B and of open_clip's `convnext_base`, with open_clip's activation: OpenAI's own
    /// weights have the other one.
    pub const fn base() -> Self {
        let activation = Activation::Gelu;
        Self { vocabulary: 49_408, context: 77, width: 512, heads: 8, layers: 12, dim: 512, activation }
    }

    /// The network with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`.
    pub fn init(&self, device: &Device) -> ClipText {
        let Self { width, heads, layers, activation, .. } = *self;
        ClipText {
            token_embedding: EmbeddingConfig::new(self.vocabulary, width)
                .with_initializer(Initializer::Zeros)
                .init(device),
            positional_embedding: Initializer::Zeros.init([self.context, width], device),
            transformer: ClipTransformerConfig { width, heads, layers, activation }.init(device),
            ln_final: layer_norm(width, EPSILON, device),
            text_projection: Initializer::Zeros.init([width, self.dim], device),
        }
    }
}

/// A causal transformer whose text embedding is read at the end-of-text token.
#[derive(Module, Debug)]
pub struct ClipText {
    token_embedding: Embedding,
    /// `[context, width]`
    positional_embedding: Param<Tensor<2>>,
    transformer: ClipTransformer,
    ln_final: LayerNorm,
    /// `[width, dim]`
    text_projection: Param<Tensor<2>>,
}

impl ClipText {
    /// The most tokens that it takes.
    pub fn context(&self) -> usize {
        self.positional_embedding.lazy_shape()[0]
    }

    /// `[batch, tokens]` -> `[batch, tokens, width]`, without positions.
    pub fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.token_embedding.forward(ids)
    }

    /// Text embeddings, read at each row's last token.
    ///
    /// - words: `[batch, tokens, width]`, `tokens` at most the context
    /// - lengths: tokens of each row, end-of-text included; what follows them is never attended to
    /// - output: `[batch, dim]`, not normalised
    ///
    /// # Panics
    /// When `lengths` has not one entry per row, each in `1..=tokens`.
    pub fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [batch, tokens, _] = words.dims();
        let texts = PackedTexts::causal([batch, tokens], lengths, &words.device());
        self.encode(words, texts)
    }

    /// The same without the causal mask: every token attends to the whole context, which token 0 fills up.
    ///
    /// # Panics
    /// As [`encode_words`](Self::encode_words).
    pub fn encode_words_unmasked(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [batch, tokens, _] = words.dims();
        let missing = self.context().saturating_sub(tokens);
        let filling = Tensor::<2, Int>::zeros([batch, missing], &words.device());
        let words = if missing > 0 { Tensor::cat(vec![words, self.words(filling)], 1) } else { words };
        let pooled = last_tokens([batch, tokens], lengths);
        let [_, all, _] = words.dims();
        let texts = PackedTexts::new([batch, all], &vec![all; batch], &pooled, &words.device());
        self.encode(words, texts)
    }

    fn encode(&self, words: Tensor<3>, texts: PackedTexts) -> Tensor<2> {
        let x = texts.pack(words) + texts.at_positions(self.positional_embedding.val());
        let x = self.transformer.forward_texts(x, texts);
        self.ln_final.forward(x).matmul(self.text_projection.val())
    }

    /// A second transformer over the same words, with this one's values.
    pub fn branch(&self) -> ClipTextBranch {
        ClipTextBranch {
            positional_embedding: self.positional_embedding.clone(),
            transformer: self.transformer.clone(),
            ln_final: self.ln_final.clone(),
            text_projection: self.text_projection.clone(),
        }
    }
}

/// All of a CLIP text transformer but its table of words.
#[derive(Module, Debug)]
pub struct ClipTextBranch {
    /// `[context, width]`
    positional_embedding: Param<Tensor<2>>,
    transformer: ClipTransformer,
    ln_final: LayerNorm,
    /// `[width, dim]`
    text_projection: Param<Tensor<2>>,
}

impl ClipTextBranch {
    /// As [`ClipText::encode_words`].
    ///
    /// # Panics
    /// When `lengths` has not one entry per row, each in `1..=tokens`.
    pub fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [batch, tokens, _] = words.dims();
        let texts = PackedTexts::causal([batch, tokens], lengths, &words.device());
        let x = texts.pack(words) + texts.at_positions(self.positional_embedding.val());
        let x = self.transformer.forward_texts(x, texts);
        self.ln_final.forward(x).matmul(self.text_projection.val())
    }
}
