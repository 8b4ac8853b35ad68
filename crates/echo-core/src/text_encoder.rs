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
    /// Tokens of a batch with their padding: many enough to be quick, few enough to need little memory.
    const TOKENS: usize = 2048;
    let ids: Vec<Vec<u32>> =
        sentences.iter().map(|sentence| text.tokenize(sentence.as_ref())).collect::<Result<_, _>>()?;
    let (mut embedded, mut rest) = (Vec::new(), &ids[..]);
    while !rest.is_empty() {
        let longest = rest.iter().scan(0, |longest, ids| {
            *longest = ids.len().max(*longest);
            Some(*longest)
        });
        let fitting = longest.zip(1..).take_while(|(longest, count)| longest * count <= TOKENS).count();
        let (batch, others) = rest.split_at(fitting.max(1));
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

    /// Of "300 7", 300 tokens of id 7; its embedding is their number and the id.
    #[derive(Debug)]
    struct Counting;

    impl TextEncoder for Counting {
        fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error> {
            let (count, id) = text.split_once(' ').unwrap();
            Ok(vec![id.parse().unwrap(); count.parse().unwrap()])
        }

        fn context_length(&self) -> usize {
            usize::MAX
        }

        fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
            ids.float().unsqueeze_dim(2)
        }

        fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
            let [texts, tokens, _] = words.dims();
            assert!(texts == 1 || texts * tokens <= 2048, "{texts} texts of {tokens} tokens");
            let lengths = TensorData::new(lengths.iter().map(|&length| length as f32).collect(), [texts, 1]);
            let lengths = Tensor::from_data(lengths, &words.device());
            Tensor::cat(vec![lengths, words.narrow(1, 0, 1).squeeze_dim(2)], 1)
        }

        fn logit_scale(&self) -> Tensor<1> {
            Tensor::zeros([1], &Device::flex())
        }

        fn network(&self) -> &dyn Any {
            self
        }
    }

    #[test]
    fn sentences_are_embedded_in_their_order_in_batches_of_bounded_size() {
        let texts = ["1 4", "2 3", "1000 1", "3000 2", "1 9", "1500 5", "600 6", "7 8"];
        let found = embed_sentences(&texts, &Counting, &Device::flex()).unwrap();
        let found = found.into_data().try_to_vec::<f32>().unwrap();
        for (text, found) in texts.iter().zip(found.chunks(2)) {
            let (count, id) = text.split_once(' ').unwrap();
            let ratio = count.parse::<f32>().unwrap() / id.parse::<f32>().unwrap();
            assert!((found[0] / found[1] / ratio - 1.0).abs() < 1e-5, "{text}: {found:?}");
        }
    }
}
