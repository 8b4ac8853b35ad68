//! Studies of an archive, which others are compared with.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::Study;
use crate::error::{Error, check_rows};

/// Embeddings of the candidates.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    embeddings: &'a [f32],
    dim: usize,
    count: usize,
}

impl<'a> Candidates<'a> {
    /// `embeddings` is `[candidates, dim]`, row by row. They are compared by dot products, so that similarities are cosines
    /// where they have length one.
    ///
    /// # Errors
    /// When there is no candidate, or the last row is not whole.
    pub fn new(embeddings: &'a [f32], dim: usize) -> Result<Self, Error> {
        let count = check_rows("embeddings of candidates", embeddings.len(), dim)?;
        Ok(Self { embeddings, dim, count })
    }

    /// Number of candidates.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Refuses clips of another encoder.
    pub(super) fn check_dim(&self, study: &Study<'_>) -> Result<(), Error> {
        if study.dim() == self.dim {
            return Ok(());
        }
        let why = "as many as a candidate's; take the encoder that embedded the candidates".to_owned();
        Err(Error::Length { what: "a clip's embedding", got: study.dim(), want: self.dim, why })
    }

    /// All candidates and their similarity to `query`, the most similar first and the first of equally similar ones first. They
    /// are sorted as they are asked for.
    pub(super) fn nearest(&self, query: &[f32]) -> Result<impl Iterator<Item = Neighbour> + use<>, Error> {
        let of_row = |(candidate, row)| Neighbour { candidate, similarity: dot(query, row) };
        let all: Vec<Neighbour> = self.embeddings.par_chunks_exact(self.dim).enumerate().map(of_row).collect();
        if let Some(Neighbour { candidate, similarity }) = all.iter().find(|near| !near.similarity.is_finite()) {
            return Err(Error::NotFinite { what: "similarity of candidates", index: *candidate, value: *similarity });
        }
        let mut heap = BinaryHeap::from(all);
        Ok(std::iter::from_fn(move || heap.pop()))
    }
}

/// A candidate and how similar it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbour {
    pub(super) candidate: usize,
    pub(super) similarity: f64,
}

impl Ord for Neighbour {
    /// The greatest is the most similar one, and of these the first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity.total_cmp(&other.similarity).then(other.candidate.cmp(&self.candidate))
    }
}

impl PartialOrd for Neighbour {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Neighbour {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Neighbour {}

/// In double precision, and eight sums at a time, which the compiler turns into vectors.
fn dot(one: &[f32], other: &[f32]) -> f64 {
    const LANES: usize = 8;
    let (one, one_rest) = one.as_chunks::<LANES>();
    let (other, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [0.0f64; LANES];
    for (one, other) in one.iter().zip(other) {
        for lane in 0..LANES {
            sums[lane] += f64::from(one[lane]) * f64::from(other[lane]);
        }
    }
    let rest: f64 = one_rest.iter().zip(other_rest).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    // Never minus zero, which would be ranked below zero: the sums begin with zero.
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_comes_first_and_of_equal_ones_the_first() -> Result<(), Error> {
        let rows = [[0.0, 1.0], [3.0, 0.0], [-1.0, 5.0], [3.0, 9.0], [-0.0, 2.0]];
        let candidates = Candidates::new(rows.as_flattened(), 2)?;
        let order: Vec<_> = candidates.nearest(&[1.0, 0.0])?.map(|near| (near.candidate, near.similarity)).collect();
        assert_eq!(order, [(1, 3.0), (3, 3.0), (0, 0.0), (4, 0.0), (2, -1.0)]);
        assert_eq!(candidates.count(), 5);
        Ok(())
    }

    #[test]
    fn a_product_has_all_its_terms() {
        let one: Vec<f32> = (1..=19).map(|value| value as f32).collect();
        // The sum of the squares of 1 to 19.
        assert_eq!(dot(&one, &one), 2470.0);
        assert_eq!(dot(&one[..3], &one[..3]), 14.0);
    }

    #[test]
    fn candidates_that_cannot_be_compared_are_refused() -> Result<(), Error> {
        let refused = |rows: &[f32], dim| Candidates::new(rows, dim).unwrap_err().to_string();
        assert_eq!(refused(&[], 2), "there are no embeddings of candidates; give at least one");
        assert!(refused(&[1.0; 3], 2).contains("holds 3 values, which are no whole rows of 2"));
        let error = Candidates::new(&[1.0, 0.0, f32::NAN, 0.0], 2)?.nearest(&[1.0, 0.0]).err().expect("NaN");
        assert_eq!(error.to_string(), "`similarity of candidates[1]` is NaN; values must be finite");
        let error = Candidates::new(&[1.0; 4], 2)?.check_dim(&Study::new(&[1.0; 3], 3, &[0])?).unwrap_err();
        assert!(error.to_string().starts_with("`a clip's embedding` holds 3 values, but 2 are needed"), "{error}");
        Ok(())
    }
}
