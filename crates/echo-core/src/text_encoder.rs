//! What the text tower of a foundation model must offer.

use std::any::Any;
use std::fmt::Debug;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{Error, l2_normalize};

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

/// Token ids of several texts as one batch, `[texts, tokens of the longest]`, the others padded with zeros, and how many tokens each
/// has: what [`TextEncoder::words`] and [`TextEncoder::encode_words`] take.
pub fn padded_ids<T: AsRef<[u32]>>(texts: &[T], device: &Device) -> (Tensor<2, Int>, Vec<usize>) {
    let lengths: Vec<usize> = texts.iter().map(|ids| ids.as_ref().len()).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let padded = texts.iter().flat_map(|ids| {
        let ids = ids.as_ref();
        (0..longest).map(move |place| ids.get(place).map_or(0, |&id| i64::from(id)))
    });
    let padded = TensorData::new(padded.collect::<Vec<i64>>(), [texts.len(), longest]);
    (Tensor::from_data(padded, device), lengths)
}

/// Embeddings of sentences, each of length one: `[sentences, dim]`.
///
/// # Errors
/// A sentence is too long for the text encoder, or it cannot read it.
///
/// # Panics
/// When there is no sentence.
pub fn embed_sentences(
    sentences: &[impl AsRef<str>],
    text: &dyn TextEncoder,
    device: &Device,
) -> Result<Tensor<2>, Error> {
    /// Tokens of a batch: many enough to be quick, few enough to need little memory.
    const TOKENS: usize = 2048;
    let ids: Vec<Vec<u32>> =
        sentences.iter().map(|sentence| text.tokenize(sentence.as_ref())).collect::<Result<_, _>>()?;
    let (mut embedded, mut rest) = (Vec::new(), &ids[..]);
    while !rest.is_empty() {
        let tokens = rest.iter().scan(0, |sum, ids| {
            *sum += ids.len();
            Some(*sum)
        });
        let (batch, others) = rest.split_at(tokens.take_while(|&sum| sum <= TOKENS).count().max(1));
        let (padded, lengths) = padded_ids(batch, device);
        embedded.push(l2_normalize(text.encode_words(text.words(padded), &lengths)));
        rest = others;
    }
    Ok(Tensor::cat(embedded, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_texts_are_padded_with_zeros() {
        let (ids, lengths) = padded_ids(&[vec![5, 6, 7], vec![8]], &Device::flex());
        assert_eq!((ids.dims(), lengths), ([2, 3], vec![3, 1]));
        assert_eq!(ids.into_data().iter::<i64>().collect::<Vec<_>>(), [5, 6, 7, 8, 0, 0]);
    }
}
