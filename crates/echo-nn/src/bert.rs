//! BERT (Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding", NAACL
//! 2019), without pooler and language-model head.
//!
//! Fields are named as in Hugging Face's `BertModel` where those are legal. Norms come after the residual sums, the
//! activation is the exact GELU, and every token is of type 0.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, Linear};
use burn::tensor::{Device, Int, Tensor};
use echo_kernels::{self as kernels, Activation};

use crate::attention::check_heads;
use crate::layers::{layer_norm, linear};
use crate::packed_texts::{PackedTexts, Queries};

/// Epsilon of every norm.
const EPSILON: f64 = 1e-12;

/// Token types that the embedding table has rows for; only the first is used.
const TOKEN_TYPES: usize = 2;

/// Sizes of a BERT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BertConfig {
    /// Token ids.
    pub vocabulary: usize,
    /// The most tokens that it takes.
    pub context: usize,
    /// Length of a token's vector.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Width inside the feed-forward networks.
    pub intermediate: usize,
}

impl BertConfig {
    /// BERT-Base with the vocabulary's size of the uncased original, which BiomedBERT shares.
    pub const fn base() -> Self {
        Self { vocabulary: 30_522, context: 512, width: 768, heads: 12, layers: 12, intermediate: 3072 }
    }

    /// The network with constant parameters.
    ///
    /// # Panics
    /// When `heads` does not divide `width`.
    pub fn init(&self, device: &Device) -> Bert {
        let Self { width, heads, .. } = *self;
        check_heads(width, heads);
        let table = |rows| EmbeddingConfig::new(rows, width).with_initializer(Initializer::Zeros).init(device);
        Bert {
            embeddings: Embeddings {
                word_embeddings: table(self.vocabulary),
                position_embeddings: table(self.context),
                token_type_embeddings: table(TOKEN_TYPES),
                norm: layer_norm(width, EPSILON, device),
            },
            layers: (0..self.layers).map(|_| Layer::new(width, self.intermediate, heads, device)).collect(),
        }
    }
}

/// A bidirectional transformer.
#[derive(Module, Debug)]
pub struct Bert {
    embeddings: Embeddings,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    intermediate: Linear,
    output: Output,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Output,
    #[module(skip)]
    heads: usize,
}

/// A projection whose sum with the residual is normalised.
#[derive(Module, Debug)]
struct Output {
    dense: Linear,
    norm: LayerNorm,
}

impl Bert {
    /// The most tokens that it takes.
    pub fn context(&self) -> usize {
        self.embeddings.position_embeddings.weight.lazy_shape()[0]
    }

    /// Token ids.
    pub fn vocabulary(&self) -> usize {
        self.embeddings.word_embeddings.weight.lazy_shape()[0]
    }

    /// `[batch, tokens]` -> `[batch, tokens, width]`, without positions and token types.
    pub fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.embeddings.word_embeddings.forward(ids)
    }

    /// The last layer's output at each row's first token, which stands for the whole text.
    ///
    /// - words: `[batch, tokens, width]`, `tokens` at most the context
    /// - lengths: tokens of each row; what follows them is never attended to
    /// - output: `[batch, width]`
    ///
    /// # Panics
    /// When `lengths` has not one entry per row, each in `1..=tokens`, or there are more tokens than the context.
    pub fn class_tokens(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        let [batch, tokens, width] = words.dims();
        assert!(tokens <= self.context(), "{tokens} tokens, at most {} fit", self.context());
        let texts = PackedTexts::new([batch, tokens], lengths, &vec![0; batch], &words.device());
        let positions = texts.at_positions(self.embeddings.position_embeddings.weight.val());
        let token_type = self.embeddings.token_type_embeddings.weight.val().narrow(0, 0, 1).reshape([1, 1, width]);
        let x = self.embeddings.norm.forward(texts.pack(words) + positions + token_type);
        let (last, others) = self.layers.split_last().expect("a BERT has a layer");
        let x = others.iter().fold(x, |x, layer| layer.forward(x, texts.clone(), Queries::All));
        last.forward(x, texts, Queries::Pooled).squeeze_dim(0)
    }
}

impl Layer {
    fn new(width: usize, intermediate: usize, heads: usize, device: &Device) -> Self {
        let output = |input| Output { dense: linear(input, width, device), norm: layer_norm(width, EPSILON, device) };
        Self {
            attention: Attention {
                query: linear(width, width, device),
                key: linear(width, width, device),
                value: linear(width, width, device),
                output: output(width),
                heads,
            },
            intermediate: linear(width, intermediate, device),
            output: output(intermediate),
        }
    }

    /// `[1, all tokens, width]` -> `[1, queries, width]`
    fn forward(&self, x: Tensor<3>, texts: PackedTexts, queries: Queries) -> Tensor<3> {
        kernels::recomputed(self, x, move |layer, x| {
            let x = layer.attention.forward(x, &texts, queries);
            let Output { dense, norm } = &layer.output;
            kernels::layer_norm(
                kernels::feed_forward(x.clone(), [&layer.intermediate, dense], Activation::Gelu, None, x),
                norm,
                EPSILON,
            )
        })
    }
}

impl Attention {
    /// As [`Layer::forward`].
    fn forward(&self, x: Tensor<3>, texts: &PackedTexts, queries: Queries) -> Tensor<3> {
        let [key, value] = [&self.key, &self.value].map(|layer| kernels::linear(x.clone(), layer));
        let x = texts.select(queries, x);
        let query = kernels::linear(x.clone(), &self.query);
        self.output.forward(texts.attend(queries, [query, key, value], self.heads), x)
    }
}

impl Output {
    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        kernels::layer_norm(kernels::linear(x, &self.dense) + residual, &self.norm, EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_has_the_parameters_of_bert_base() {
        // Hugging Face's BertModel(add_pooling_layer=False) of the uncased base model.
        assert_eq!(BertConfig::base().init(&Device::flex()).num_params(), 108_891_648);
    }
}
