//! One of two tokenizers.

use echo_core::Error;
use echo_nn::{ClipTokenizer, Tokenize};

use crate::{CARD, TemplateTokenizer};

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

impl Tokenize for TextTokenizer {
    /// A report for template phrases is cut where the context ends, as upstream does; any other text is not.
    ///
    /// # Errors
    /// The text is too long; or only template phrases are read, and it holds none.
    fn tokenize(&self, text: &str, context: usize) -> Result<Vec<u32>, Error> {
        match self {
            Self::BytePairs(tokenizer) => tokenizer.tokenize(text, context),
            Self::Templates(tokenizer) => {
                let ids = tokenizer.encode_within(text, context);
                // No text at all is still its start and end.
                match ids.len() > 2 || text.trim().is_empty() {
                    true => Ok(ids),
                    false => Err(no_template(text)),
                }
            }
        }
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
