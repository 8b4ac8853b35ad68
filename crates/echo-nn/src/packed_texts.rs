//! Packed texts: the tokens of texts of different lengths, without the padding that makes them equally long.

use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_kernels as kernels;

use crate::attention::in_heads;

/// How texts in padded rows are packed, and which token of each is pooled: stands for its text at the end.
///
/// All layers but attention treat tokens one by one. So a transformer is given the tokens of all texts one after the other,
/// `[1, all tokens, width]`, and its last layer computes the pooled ones alone, each of which sees all of its text.
#[derive(Clone, Debug)]
pub(crate) struct PackedTexts {
    /// Texts, and tokens of each with its padding.
    padded: [usize; 2],
    lengths: Vec<usize>,
    /// A query for each text.
    single: Vec<usize>,
    /// Where each token lies in the padded rows; `None` if no row is padded.
    tokens: Option<Tensor<1, Int>>,
    /// Where each token lies in its text.
    positions: Tensor<1, Int>,
    /// Which of all tokens are pooled.
    pooled: Tensor<1, Int>,
    is_causal: bool,
}

/// The tokens that a layer computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Queries {
    All,
    /// The one of each text that is pooled.
    Pooled,
}

impl PackedTexts {
    /// Texts of which no token sees a later one, and the last is pooled.
    ///
    /// - padded: texts, and tokens of each with its padding
    /// - lengths: tokens of each without
    ///
    /// # Panics
    /// When `lengths` has not one entry for each text, each in `1..=tokens`.
    pub(crate) fn causal(padded: [usize; 2], lengths: &[usize], device: &Device) -> Self {
        Self { is_causal: true, ..Self::new(padded, lengths, &last_tokens(padded, lengths), device) }
    }

    /// Texts of which every token sees every other.
    ///
    /// - pooled: which token of each is pooled
    ///
    /// # Panics
    /// As [`causal`](Self::causal), and when a text has no such token.
    pub(crate) fn new(padded: [usize; 2], lengths: &[usize], pooled: &[usize], device: &Device) -> Self {
        check_lengths(padded, lengths);
        assert!(
            pooled.len() == lengths.len() && pooled.iter().zip(lengths).all(|(pooled, length)| pooled < length),
            "tokens {pooled:?} of texts of {lengths:?} tokens"
        );
        let [_, tokens] = padded;
        let index = |places: &mut dyn Iterator<Item = usize>| {
            let places: Vec<i64> = places.map(|place| place as i64).collect();
            Tensor::<1, Int>::from_data(TensorData::from(places.as_slice()), device)
        };
        let is_padded = lengths.iter().any(|&length| length < tokens);
        let rows = || lengths.iter().enumerate();
        let starts = lengths.iter().scan(0, |end, length| Some(std::mem::replace(end, *end + length)));
        Self {
            padded,
            lengths: lengths.to_vec(),
            single: vec![1; lengths.len()],
            tokens: is_padded.then(|| index(&mut rows().flat_map(|(row, length)| row * tokens..row * tokens + length))),
            positions: index(&mut lengths.iter().flat_map(|&length| 0..length)),
            pooled: index(&mut starts.zip(pooled).map(|(start, pooled)| start + pooled)),
            is_causal: false,
        }
    }

    /// Their tokens: `[batch, tokens, width]` -> `[1, all tokens, width]`.
    pub(crate) fn pack(&self, rows: Tensor<3>) -> Tensor<3> {
        let [batch, tokens] = self.padded;
        let [_, _, width] = rows.dims();
        let rows = rows.reshape([1, batch * tokens, width]);
        match &self.tokens {
            Some(tokens) => rows.select(1, tokens.clone()),
            None => rows,
        }
    }

    /// The row of each token's position in a table `[context, width]`: `[1, all tokens, width]`.
    pub(crate) fn at_positions(&self, table: Tensor<2>) -> Tensor<3> {
        table.select(0, self.positions.clone()).unsqueeze()
    }

    /// Those of `[1, all tokens, width]` that a layer computes.
    pub(crate) fn select(&self, queries: Queries, x: Tensor<3>) -> Tensor<3> {
        match queries {
            Queries::All => x,
            Queries::Pooled => x.select(1, self.pooled.clone()),
        }
    }

    /// Attention within each text, in `heads` heads, each on its own slice of the width.
    ///
    /// - query: `[1, queries, width]`
    /// - key, value: `[1, all tokens, width]`
    /// - output: `[1, queries, width]`
    pub(crate) fn attend(&self, queries: Queries, vectors: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
        let (counts, is_causal) = match queries {
            Queries::All => (&self.lengths, self.is_causal),
            Queries::Pooled => (&self.single, false),
        };
        let ([query, key, value], scale) = in_heads(vectors, heads);
        kernels::attention_within(query, key, value, [counts, &self.lengths], scale, is_causal)
    }
}

/// The last token of each text.
///
/// # Panics
/// As [`PackedTexts::causal`].
pub(crate) fn last_tokens(padded: [usize; 2], lengths: &[usize]) -> Vec<usize> {
    check_lengths(padded, lengths);
    lengths.iter().map(|length| length - 1).collect()
}

fn check_lengths([batch, tokens]: [usize; 2], lengths: &[usize]) {
    assert!(
        lengths.len() == batch && lengths.iter().all(|length| (1..=tokens).contains(length)),
        "one length in 1..={tokens} for each of {batch} texts, not {lengths:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: Tensor<3>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn padding_is_left_out_and_one_token_of_each_text_is_pooled() {
        let device = Device::flex();
        let rows = Tensor::<3>::from_floats([[[1.], [2.], [9.]], [[3.], [4.], [5.]], [[6.], [9.], [9.]]], &device);
        let texts = PackedTexts::new([3, 3], &[2, 3, 1], &[0, 2, 0], &device);
        let tokens = texts.pack(rows.clone());
        assert_eq!(values(tokens.clone()), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(values(texts.select(Queries::Pooled, tokens.clone())), [1., 5., 6.]);
        assert_eq!(values(texts.select(Queries::All, tokens)), [1., 2., 3., 4., 5., 6.]);
        let table = Tensor::<2>::from_floats([[10.], [20.], [30.], [40.]], &device);
        assert_eq!(values(texts.at_positions(table)), [10., 20., 10., 20., 30., 10.]);
        // Where nothing is padded, all rows follow each other.
        let texts = PackedTexts::causal([3, 3], &[3; 3], &device);
        assert_eq!(values(texts.pack(rows.clone())), values(rows.clone()));
        assert_eq!(values(texts.select(Queries::Pooled, texts.pack(rows))), [9., 5., 9.]);
    }

    #[test]
    #[should_panic(expected = "one length in 1..=3 for each of 2 texts, not [1, 4]")]
    fn a_text_longer_than_its_row_is_refused() {
        PackedTexts::causal([2, 3], &[1, 4], &Device::flex());
    }
}
