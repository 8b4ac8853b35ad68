//! Coefficient of determination: one minus the squared error over the squared error of the true mean.
//!
//! It is zero for the mean as constant prediction and negative for worse ones, and not the square of Pearson's r.
//! It is undefined when all true values are the same (scikit-learn answers 0 or 1 there by convention).

use crate::sample::Sample;

pub(crate) fn r2(sample: &Sample<'_>) -> Option<f64> {
    if sample.is_constant(|truth, _| truth) {
        return None;
    }
    let mean = sample.mean_of(|truth, _| truth);
    let variance = sample.mean_of(|truth, _| (truth - mean).powi(2));
    let error = sample.mean_of(|truth, prediction| (truth - prediction).powi(2));
    // Differences below 1e-154 square to zero, and a large error over a tiny variance overflows.
    Some(1.0 - error / variance).filter(|r2| r2.is_finite())
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric};

    #[test]
    fn the_true_mean_scores_zero_and_the_reverse_scores_below() -> Result<(), Error> {
        let truth = [40.0, 50.0, 60.0];
        assert_eq!(Metric::R2.of(&truth, &[50.0; 3])?, Some(0.0));
        assert_eq!(Metric::R2.of(&truth, &truth)?, Some(1.0));
        assert_eq!(Metric::R2.of(&truth, &[60.0, 50.0, 40.0])?, Some(-3.0));
        Ok(())
    }

    #[test]
    fn equal_truths_leave_it_undefined() -> Result<(), Error> {
        // The mean of three times 0.1 is not 0.1, so the variance alone would look positive.
        assert_eq!(Metric::R2.of(&[0.1; 3], &[0.1, 0.2, 0.3])?, None);
        assert_eq!(Metric::R2.of(&[50.0], &[40.0])?, None);
        assert_eq!(Metric::R2.of(&[0.0, 1e-200], &[40.0, 50.0])?, None);
        Ok(())
    }
}
