//! What the text tower of a foundation model must offer.

use std::any::Any;
use std::fmt::Debug;

use burn::tensor::{Int, Tensor};

use crate::Error;

/// A text encoder whose embeddings lie in the same space as its clip encoder's.
pub trait TextEncoder: Send + Sync + Debug {
    /// Token ids with start and end, not padded.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] when they exceed [`context_length`](Self::context_length).
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error>;

    /// The most tokens that it takes, start and end included.
    fn context_length(&self) -> usize;

    /// `[batch, tokens]` -> word embeddings `[batch, tokens, width]` before positions are added: where prompt
    /// learning inserts its context.
    fn words(&self, ids: Tensor<2, Int>) -> Tensor<3>;

    /// `[batch, tokens, width]` and each row's true length -> text embeddings `[batch, dim]`, not normalised.
    ///
    /// Positions at or past a row's length do not change its embedding.
    fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2>;

    /// Natural logarithm of the factor on cosine similarities, `[1]`.
    fn logit_scale(&self) -> Tensor<1>;

    /// The network inside, for what only its architecture has: see [`downcast_ref`](dyn Any::downcast_ref).
    fn network(&self) -> &dyn Any;
}
