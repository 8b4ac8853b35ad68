//! Texts of different lengths in a transformer, without the padding that makes them equally long.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use echo_kernels as kernels;

use crate::attention::in_heads;

/// Where the tokens of texts lie in rows with padding, and which one of each text is read at the end.
///
/// All layers but attention treat tokens one by one. So the tokens of all texts go through a transformer one after the other,
/// `[1, all tokens, width]`, and its last layer computes those alone that are read: one of each text, which sees all of it.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    rows: [usize; 2],
    lengths: Vec<usize>,
    /// One for each text.
    ones: Vec<usize>,
    /// Where in the rows the tokens lie; nowhere else than in order where there is no padding.
    places: Option<Tensor<1, Int>>,
    /// Which of all tokens are read.
    read: Tensor<1, Int>,
    /// `[1, 1, longest, longest]`, true where a token must not see another of its text.
    mask: Option<Tensor<4, Bool>>,
}

/// The tokens that a layer computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    All,
    /// Those that are read.
    Read,
}

impl Texts {
    /// Texts of which no token sees a later one, and the last is read.
    ///
    /// - rows: texts, and tokens of each with its padding
    /// - lengths: tokens of each without
    ///
    /// # Panics
    /// When `lengths` has not one entry for each text, each in `1..=tokens`.
    pub(crate) fn causal(rows: [usize; 2], lengths: &[usize], device: &Device) -> Self {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        // True above the diagonal.
        let mask = Tensor::<2, Bool>::tril_mask([longest; 2], 0, device).unsqueeze();
        Self { mask: Some(mask), ..Self::new(rows, lengths, &last(lengths), device) }
    }

    /// Texts of which every token sees every other.
    ///
    /// - read: which token of each is read
    ///
    /// # Panics
    /// As [`causal`](Self::causal), and when a text has no such token.
    pub(crate) fn new(rows: [usize; 2], lengths: &[usize], read: &[usize], device: &Device) -> Self {
        let [batch, tokens] = rows;
        assert!(
            lengths.len() == batch && lengths.iter().all(|length| (1..=tokens).contains(length)),
            "one length in 1..={tokens} for each of {batch} rows, not {lengths:?}"
        );
        assert!(
            read.len() == batch && read.iter().zip(lengths).all(|(read, length)| read < length),
            "tokens {read:?} of texts of {lengths:?} tokens"
        );
        let index = |places: Vec<i64>| {
            let count = places.len();
            Tensor::<1, Int>::from_data(TensorData::new(places, [count]), device)
        };
        let is_padded = lengths.iter().any(|&length| length < tokens);
        let places = || lengths.iter().enumerate().flat_map(|(row, length)| row * tokens..row * tokens + length);
        let starts = lengths.iter().scan(0, |end, length| Some(std::mem::replace(end, *end + length)));
        Self {
            rows,
            lengths: lengths.to_vec(),
            ones: vec![1; batch],
            places: is_padded.then(|| index(places().map(|place| place as i64).collect())),
            read: index(starts.zip(read).map(|(start, read)| (start + read) as i64).collect()),
            mask: None,
        }
    }

    /// Their tokens: `[batch, tokens, width]` -> `[1, all tokens, width]`.
    pub(crate) fn tokens(&self, rows: Tensor<3>) -> Tensor<3> {
        let [batch, tokens] = self.rows;
        let [_, _, width] = rows.dims();
        let rows = rows.reshape([1, batch * tokens, width]);
        match &self.places {
            Some(places) => rows.select(1, places.clone()),
            None => rows,
        }
    }

    /// Of `[1, all tokens, width]`, those that are wanted.
    pub(crate) fn wanted(&self, wanted: Wanted, x: Tensor<3>) -> Tensor<3> {
        match wanted {
            Wanted::All => x,
            Wanted::Read => x.select(1, self.read.clone()),
        }
    }

    /// Attention of the wanted tokens within their texts, in `heads` heads, each on its own slice of the width.
    ///
    /// - query: `[1, wanted, width]`
    /// - key, value: `[1, all tokens, width]`
    /// - output: `[1, wanted, width]`
    pub(crate) fn attend(&self, wanted: Wanted, vectors: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
        let (queries, mask) = match wanted {
            Wanted::All => (&self.lengths, self.mask.clone()),
            Wanted::Read => (&self.ones, None),
        };
        let ([query, key, value], scale) = in_heads(vectors, heads);
        kernels::attention_within(query, key, value, [queries, &self.lengths], scale, mask)
    }
}

/// Which token of each text is its last.
pub(crate) fn last(lengths: &[usize]) -> Vec<usize> {
    lengths.iter().map(|length| length.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: Tensor<3>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn padding_is_left_out_and_one_token_of_each_text_is_read() {
        let device = Device::flex();
        let rows = Tensor::<3>::from_floats([[[1.], [2.], [9.]], [[3.], [4.], [5.]], [[6.], [9.], [9.]]], &device);
        let texts = Texts::new([3, 3], &[2, 3, 1], &[0, 2, 0], &device);
        let tokens = texts.tokens(rows.clone());
        assert_eq!(values(tokens.clone()), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(values(texts.wanted(Wanted::Read, tokens.clone())), [1., 5., 6.]);
        assert_eq!(values(texts.wanted(Wanted::All, tokens)), [1., 2., 3., 4., 5., 6.]);
        // Where nothing is padded, all rows follow each other.
        let texts = Texts::causal([3, 3], &[3; 3], &device);
        assert_eq!(values(texts.tokens(rows.clone())), values(rows.clone()));
        assert_eq!(values(texts.wanted(Wanted::Read, texts.tokens(rows))), [9., 5., 9.]);
    }

    #[test]
    #[should_panic(expected = "one length in 1..=3 for each of 2 rows, not [1, 4]")]
    fn a_text_longer_than_its_row_is_refused() {
        Texts::causal([2, 3], &[1, 4], &Device::flex());
    }
}
