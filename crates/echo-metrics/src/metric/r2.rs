//! Coefficient of determination: one minus the squared error over the squared error of the true mean.
//!
//! It is zero for the mean as constant prediction and negative for worse ones, and not the square of Pearson's r.
//! It is undefined when all true values are the same (scikit-learn answers 0 or 1 there by convention).

use super::{Better, Definition, Of};
use crate::{
    scored::{Kind, Sample},
    values::is_constant,
};

pub(super) const R2: Definition = Definition {
    key: "r2",
    label: "R2",
    kinds: &[Kind::Regression],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(r2),
};

fn r2(sample: &Sample<'_>) -> Option<f64> {
    let values = sample.values()?;
    if is_constant(values.rows().map(|(truth, _, count)| (truth, f64::from(count)))) {
        return None;
    }
    let mean = values.mean_of(|truth, _| truth);
    let variance = values.mean_of(|truth, _| (truth - mean).powi(2));
    let error = values.mean_of(|truth, prediction| (truth - prediction).powi(2));
    // Differences below 1e-154 square to zero, and a large error over a tiny variance overflows.
    Some(1.0 - error / variance).filter(|r2| r2.is_finite())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn the_true_mean_scores_zero_and_the_reverse_scores_below() -> Result<(), Error> {
        let truth = [40.0, 50.0, 60.0];
        assert_eq!(of_values("r2", &truth, &[50.0; 3])?, Some(0.0));
        assert_eq!(of_values("r2", &truth, &truth)?, Some(1.0));
        assert_eq!(of_values("r2", &truth, &[60.0, 50.0, 40.0])?, Some(-3.0));
        Ok(())
    }

    #[test]
    fn equal_truths_leave_it_undefined() -> Result<(), Error> {
        // The mean of three times 0.1 is not 0.1, so the variance alone would look positive.
        assert_eq!(of_values("r2", &[0.1; 3], &[0.1, 0.2, 0.3])?, None);
        assert_eq!(of_values("r2", &[50.0], &[40.0])?, None);
        assert_eq!(of_values("r2", &[0.0, 1e-200], &[40.0, 50.0])?, None);
        Ok(())
    }
}
