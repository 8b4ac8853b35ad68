//! CLIP's text encoder: tokenizer, transformer and temperature.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};
use echo_core::{Error, TextEncoder};

use crate::clip_text::{ClipText, ClipTextBranch, ClipTextConfig};
use crate::clip_tokenizer::ClipTokenizer;

/// From a text to the ids of its tokens.
pub trait Tokenize: Debug + Send + Sync {
    /// At most `context` ids, start and end among them.
    ///
    /// # Errors
    /// The text has more, or is none that this tokenizer reads.
    fn tokenize(&self, text: &str, context: usize) -> Result<Vec<u32>, Error>;
}

impl Tokenize for ClipTokenizer {
    /// open_clip would cut what is too long without a word.
    fn tokenize(&self, text: &str, context: usize) -> Result<Vec<u32>, Error> {
        let ids = self.encode(text);
        match ids.len() <= context {
            true => Ok(ids),
            false => Err(Error::TextTooLong { tokens: ids.len(), context: 0, limit: context, text: text.to_owned() }),
        }
    }
}

/// CLIP's text encoder.
#[derive(Module, Debug)]
pub struct ClipTextTower {
    net: ClipText,
    /// Natural logarithm, `[1]`.
    logit_scale: Param<Tensor<1>>,
    #[module(skip)]
    tokenizer: Arc<dyn Tokenize>,
}

impl ClipTextTower {
    /// The tower with constant parameters.
    pub fn new(config: &ClipTextConfig, tokenizer: impl Tokenize + 'static, device: &Device) -> Self {
        Self {
            net: config.init(device),
            // CLIP's starting value, ln(1 / 0.07).
            logit_scale: Initializer::Constant { value: (1.0f64 / 0.07).ln() }.init([1], device),
            tokenizer: Arc::new(tokenizer),
        }
    }
}

impl ClipTextTower {
    /// See [`ClipText::branch`].
    pub fn branch(&self) -> ClipTextBranch {
        self.net.branch()
    }
}

impl TextEncoder for ClipTextTower {
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.tokenizer.tokenize(text, self.net.context())
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
