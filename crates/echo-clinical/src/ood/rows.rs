//! A matrix of one row per sample.

use crate::Error;
use crate::error::check_rows;

/// Finite numbers `[rows, width]`, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f64>,
    width: usize,
}

impl Rows {
    /// `values` row by row; `what` names them in errors.
    ///
    /// # Errors
    /// When there is no row, the last one is not whole, or a value is not finite.
    pub fn new(what: &'static str, values: Vec<f64>, width: usize) -> Result<Self, Error> {
        check_rows(what, values.len(), width)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(Error::NotFinite { what, index, value: values[index] }),
            None => Ok(Self { values, width }),
        }
    }

    /// How many rows there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always a row")]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// How many values a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The same for several threads.
    pub(super) fn par_iter(&self) -> impl rayon::iter::IndexedParallelIterator<Item = &[f64]> {
        use rayon::slice::ParallelSlice;
        self.values.par_chunks_exact(self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_matrix_of_numbers_is_refused() {
        let refused = |values: &[f64], width| Rows::new("logits", values.to_vec(), width).unwrap_err().to_string();
        assert_eq!(refused(&[], 2), "there are no logits; give at least one");
        assert!(refused(&[1.0; 5], 2).contains("no whole rows of 2") && refused(&[1.0], 0).contains("rows of 0"));
        assert!(refused(&[1.0, f64::NAN], 2).starts_with("`logits[1]` is NaN"));
        let rows = Rows::new("logits", vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).expect("two rows");
        assert_eq!((rows.len(), rows.width()), (2, 3));
        assert_eq!(rows.iter().collect::<Vec<_>>(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    }
}
