//! The text tower: BERT and a projection of its class token.

use std::any::Any;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};
use echo_core::{Error, TextEncoder};
use echo_nn::{Bert, BertConfig, linear, linear_no_bias};

use crate::{CARD, WordPiece};

/// CLIP's starting value, ln(1 / 0.07): the released files hold no temperature.
const LOGIT_SCALE: f32 = 2.659_26;

/// BERT with the projection into the space of clip embeddings.
#[derive(Module, Debug)]
pub struct TextTower {
    bert: Bert,
    text_projection: Linear,
    /// Or why there is none: everything but [`TextEncoder::tokenize`] works without.
    #[module(skip)]
    tokenizer: Result<WordPiece, String>,
}

impl TextTower {
    /// The tower with constant parameters.
    ///
    /// - bias: whether the projection has one
    pub(crate) fn new(
        bert: &BertConfig,
        dim: usize,
        bias: bool,
        tokenizer: Result<WordPiece, String>,
        device: &Device,
    ) -> Self {
        let fits = tokenizer.and_then(|tokenizer| match tokenizer.vocabulary_size() <= bert.vocabulary {
            true => Ok(tokenizer),
            false => Err(format!(
                "the vocabulary has {} tokens, the weights have {}: give the one that belongs to them",
                tokenizer.vocabulary_size(),
                bert.vocabulary
            )),
        });
        Self {
            bert: bert.init(device),
            text_projection: match bias {
                true => linear(bert.width, dim, device),
                false => linear_no_bias(bert.width, dim, device),
            },
            tokenizer: fits,
        }
    }
}

impl TextEncoder for TextTower {
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error> {
        let unsupported = |reason: &String| Error::Unsupported {
            encoder: CARD.name.to_owned(),
            reason: format!("cannot read text: {reason}"),
        };
        let ids = self.tokenizer.as_ref().map_err(unsupported)?.encode(text);
        match ids.len() <= self.bert.context() {
            true => Ok(ids),
            false => Err(Error::TextTooLong {
                tokens: ids.len(),
                context: 0,
                limit: self.bert.context(),
                text: text.to_owned(),
            }),
        }
    }

    fn context_length(&self) -> usize {
        self.bert.context()
    }

    fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.bert.words(ids)
    }

    fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        self.text_projection.forward(self.bert.class_tokens(words, lengths))
    }

    fn logit_scale(&self) -> Tensor<1> {
        Tensor::from_floats([LOGIT_SCALE], &self.text_projection.weight.val().device())
    }

    fn network(&self) -> &dyn Any {
        &self.bert
    }
}
