//! The confusion matrix: rows by true and predicted class.

use serde::{Deserialize, Serialize};

use crate::{error::Error, scored::Scored};

/// How many rows of each class were predicted to be of each class. Of a binary classification, class 0 is negative and
/// class 1 positive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    /// The true class's row after row.
    counts: Vec<u64>,
}

impl Confusion {
    /// From true class, predicted class and count.
    pub(crate) fn of(classes: usize, rows: impl Iterator<Item = (usize, usize, u32)>) -> Self {
        let mut counts = vec![0; classes * classes];
        rows.for_each(|(truth, predicted, count)| counts[truth * classes + predicted] += u64::from(count));
        Self { classes, counts }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows of class `truth` that were predicted as `predicted`.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn at(&self, truth: usize, predicted: usize) -> u64 {
        assert!(predicted < self.classes, "there are {} classes", self.classes);
        self.counts[truth * self.classes + predicted]
    }

    /// Rows of a class.
    pub fn of_class(&self, truth: usize) -> u64 {
        (0..self.classes).map(|predicted| self.at(truth, predicted)).sum()
    }

    /// Rows that were predicted to be of a class.
    pub fn predicted(&self, predicted: usize) -> u64 {
        (0..self.classes).map(|truth| self.at(truth, predicted)).sum()
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share of a class's rows that were predicted right; undefined without a row.
    pub(crate) fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.at(class, class), self.of_class(class))
    }

    /// The share of right rows among those predicted to be of a class; undefined without one.
    pub(crate) fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.at(class, class), self.predicted(class))
    }

    /// The harmonic mean of precision and recall, zero where both are; undefined without a row of the class.
    pub(crate) fn f1(&self, class: usize) -> Option<f64> {
        let rows = self.of_class(class);
        ratio(2 * self.at(class, class), rows + self.predicted(class)).filter(|_| rows > 0)
    }
}

/// Of the rows as measured.
///
/// # Errors
/// When a regression or several labels are predicted; see [`Scored::one_vs_rest`] for one label.
pub fn confusion(scored: &Scored) -> Result<Confusion, Error> {
    let wrong = || Error::Kind { what: "a confusion matrix".to_owned(), kind: scored.kind() };
    scored.sample(&scored.once()).confusion().ok_or_else(wrong)
}

pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean of the values that are defined.
pub(crate) fn mean_of_defined(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut defined) = (0.0, 0.0);
    for value in values.flatten() {
        sum += value;
        defined += 1.0;
    }
    (defined > 0.0).then(|| sum / defined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_matrix_are_true_classes() -> Result<(), Error> {
        let names = ["a", "b", "c"].map(str::to_owned);
        let rows = [[0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]];
        let matrix = confusion(&Scored::single_label(&[0, 0, 1, 1], &rows, &names)?)?;
        assert_eq!((matrix.at(0, 1), matrix.at(1, 0), matrix.at(1, 2), matrix.rows()), (1, 0, 1, 4));
        assert_eq!([0, 1, 2].map(|class| matrix.recall(class)), [Some(0.5), Some(0.5), None]);
        assert_eq!([0, 1, 2].map(|class| matrix.precision(class)), [Some(1.0), Some(0.5), Some(0.0)]);
        assert_eq!([0, 1, 2].map(|class| matrix.f1(class)), [Some(2.0 / 3.0), Some(0.5), None]);
        let of_binary = confusion(&Scored::binary(&[true, false, true], &[0.4, 0.7, 0.5], 0.5)?)?;
        assert_eq!([(0, 0), (0, 1), (1, 0), (1, 1)].map(|(t, p)| of_binary.at(t, p)), [0, 1, 1, 1]);
        assert!(matches!(confusion(&Scored::regression(&[1.0], &[1.0], &[])?), Err(Error::Kind { .. })));
        Ok(())
    }
}
