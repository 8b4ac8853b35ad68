//! The text tower: CLIP's transformer, and one of two tokenizers.

use std::any::Any;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};
use echo_core::{Error, TextEncoder};
use echo_nn::{ClipText, ClipTextConfig};

use crate::{CARD, ClipTokenizer, TemplateTokenizer};

/// Characters of a text that an error quotes.
const QUOTED: usize = 60;

/// From text to token ids: what tells EchoCLIP from EchoCLIP-R.
#[derive(Clone, Debug)]
pub enum TextTokenizer {
    /// EchoCLIP's: any text.
    BytePairs(ClipTokenizer),
    /// EchoCLIP-R's: reports made of template phrases.
    Templates(TemplateTokenizer),
}

impl From<ClipTokenizer> for TextTokenizer {
    fn from(tokenizer: ClipTokenizer) -> Self {
        Self::BytePairs(tokenizer)
    }
}

impl From<TemplateTokenizer> for TextTokenizer {
    fn from(tokenizer: TemplateTokenizer) -> Self {
        Self::Templates(tokenizer)
    }
}

#[derive(Module, Debug)]
pub(crate) struct TextTower {
    net: ClipText,
    /// Natural logarithm, `[1]`.
    logit_scale: Param<Tensor<1>>,
    #[module(skip)]
    tokenizer: TextTokenizer,
}

impl TextTower {
    /// The tower with constant parameters.
    pub(crate) fn new(config: &ClipTextConfig, tokenizer: TextTokenizer, device: &Device) -> Self {
        Self {
            net: config.init(device),
            // CLIP's starting value, ln(1 / 0.07).
            logit_scale: Initializer::Constant { value: (1.0f64 / 0.07).ln() }.init([1], device),
            tokenizer,
        }
    }
}

impl TextEncoder for TextTower {
    /// A report for template phrases is cut where the context ends, as upstream does; any other text is not.
    ///
    /// # Errors
    /// The text is too long; or only template phrases are read, and it holds none.
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error> {
        let context = self.net.context();
        match &self.tokenizer {
            TextTokenizer::BytePairs(tokenizer) => {
                let ids = tokenizer.encode(text);
                match ids.len() <= context {
                    true => Ok(ids),
                    false => Err(Error::TextTooLong { tokens: ids.len(), limit: context, text: text.to_owned() }),
                }
            }
            TextTokenizer::Templates(tokenizer) => {
                let ids = tokenizer.encode_within(text, context);
                // No text at all is still its start and end.
                match ids.len() > 2 || text.trim().is_empty() {
                    true => Ok(ids),
                    false => Err(no_template(text)),
                }
            }
        }
    }

    fn context_length(&self) -> usize {
        self.net.context()
    }

    fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.net.words(ids)
    }

    fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        self.net.encode_words(words, lengths)
    }

    fn logit_scale(&self) -> Tensor<1> {
        self.logit_scale.val()
    }

    fn network(&self) -> &dyn Any {
        &self.net
    }
}

fn no_template(text: &str) -> Error {
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    Error::Unsupported {
        encoder: CARD.name.to_owned(),
        reason: format!(
            "has the weights of EchoCLIP-R, whose text tower reads reports made of template phrases and finds none of \
             them in {quoted:?}; it is not for prompts, for which there are EchoCLIP's own weights"
        ),
    }
}
