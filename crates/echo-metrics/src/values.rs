//! True and predicted values of a regression.

use crate::{
    error::{Error, check_pair},
    rank::Rank,
    ranking::Ranking,
};

/// In ascending order of the prediction, so that sums and areas read memory forwards.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub(crate) truth: Vec<f64>,
    pub(crate) prediction: Vec<f64>,
    pub(crate) by_truth: Ranking,
    pub(crate) by_prediction: Ranking,
    pub(crate) ranks: Vec<Rank>,
}

impl Values {
    /// The values, and the rows of the input in the order in which they are kept. Fails on rows that are empty, differ
    /// in length or hold a value that is not finite.
    pub(crate) fn new(truth: &[f64], prediction: &[f64], ranks: &[Rank]) -> Result<(Self, Vec<usize>), Error> {
        check_pair(truth, "prediction", prediction)?;
        let order = Ranking::of(prediction).rows().to_vec();
        let truth: Vec<f64> = order.iter().map(|&row| truth[row]).collect();
        let prediction: Vec<f64> = order.iter().map(|&row| prediction[row]).collect();
        let (by_truth, by_prediction) = (Ranking::of(&truth), Ranking::of(&prediction));
        Ok((Self { truth, prediction, by_truth, by_prediction, ranks: ranks.to_vec() }, order))
    }

    /// As often as `counts` says.
    pub(crate) fn counted<'a>(&'a self, counts: &'a [u32]) -> CountedValues<'a> {
        CountedValues { values: self, counts, len: counts.iter().map(|&count| u64::from(count)).sum::<u64>() as f64 }
    }
}

/// The values as measured, or one resample of them: `counts` says how often each row occurs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountedValues<'a> {
    pub(crate) values: &'a Values,
    pub(crate) counts: &'a [u32],
    /// The number of rows, each as often as it was drawn.
    pub(crate) len: f64,
}

impl CountedValues<'_> {
    /// Truth, prediction and count in ascending order of the prediction, also of rows that were not drawn.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (f64, f64, u32)> {
        let Values { truth, prediction, .. } = self.values;
        truth.iter().zip(prediction).zip(self.counts).map(|((&truth, &prediction), &count)| (truth, prediction, count))
    }

    /// The mean of a function of truth and prediction.
    pub(crate) fn mean_of(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let sum: f64 = self.rows().map(|(truth, prediction, count)| f64::from(count) * of(truth, prediction)).sum();
        sum / self.len
    }
}

/// Whether all values that count are the same. The mean's rounding gives such values a variance near 1e-30 instead of
/// zero, so the variance cannot tell.
pub(crate) fn is_constant(values: impl Iterator<Item = (f64, f64)>) -> bool {
    let mut drawn = values.filter(|&(_, weight)| weight > 0.0).map(|(value, _)| value);
    drawn.next().is_none_or(|first| drawn.all(|value| value == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_of_the_prediction() -> Result<(), Error> {
        let (values, order) = Values::new(&[10.0, 20.0, 30.0], &[3.0, 1.0, 2.0], &[])?;
        assert_eq!(order, [1, 2, 0]);
        let rows: Vec<_> = values.counted(&[0, 1, 2]).rows().collect();
        assert_eq!(rows, [(20.0, 1.0, 0), (30.0, 2.0, 1), (10.0, 3.0, 2)]);
        Ok(())
    }

    #[test]
    fn constancy_is_that_of_the_values_that_count() {
        let constant = |weights: [f64; 3]| is_constant([0.1, 0.1, 0.3].into_iter().zip(weights));
        assert!(constant([1.0, 2.0, 0.0]));
        assert!(constant([0.0, 0.0, 3.0]));
        assert!(!constant([1.0, 1.0, 1.0]));
    }
}
