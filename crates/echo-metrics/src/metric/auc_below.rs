//! Area under the ROC curve for finding the rows whose true value lies below a threshold, such as reduced ejection
//! fractions.
//!
//! The score is the negated prediction, so the area is the chance that a row below the threshold is predicted lower than
//! one at or above it. It is undefined when all rows are on one side.

use std::fmt;

use super::{Better, Definition, Of};
use crate::scored::{Kind, Sample};

pub(super) const AUC_BELOW: Definition = Definition {
    key: "auc_below",
    label: "AUC",
    kinds: &[Kind::Regression],
    better: Better::Higher,
    in_unit: false,
    of: Of::Below(auc_below),
};

/// A true value in whole units, such as EF points, that separates low from high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(pub u8);

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn auc_below(sample: &Sample<'_>, threshold: Threshold) -> Option<f64> {
    let values = sample.values()?;
    let threshold = f64::from(threshold.0);
    values.values.by_prediction.area(values.counts, |row| {
        let is_below = values.values.truth[row] < threshold;
        [is_below, !is_below]
    })
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    fn below_50(truth: &[f64], prediction: &[f64]) -> Result<Option<f64>, Error> {
        of_values("auc_below_50", truth, prediction)
    }

    #[test]
    fn low_predictions_for_low_truths_are_right() -> Result<(), Error> {
        assert_eq!(below_50(&[60.0, 30.0, 40.0, 55.0], &[61.0, 45.0, 44.0, 50.0])?, Some(1.0));
        assert_eq!(below_50(&[60.0, 30.0, 40.0, 55.0], &[40.0, 65.0, 64.0, 50.0])?, Some(0.0));
        Ok(())
    }

    #[test]
    fn ties_count_half() -> Result<(), Error> {
        assert_eq!(below_50(&[30.0, 60.0, 40.0, 70.0], &[50.0; 4])?, Some(0.5));
        // Pairs: (45, 45) tied, (45, 50) right, (40, 45) right, (40, 50) right.
        assert_eq!(below_50(&[30.0, 60.0, 40.0, 70.0], &[45.0, 45.0, 40.0, 50.0])?, Some(0.875));
        Ok(())
    }

    #[test]
    fn the_threshold_itself_is_preserved_and_one_sided_data_have_no_area() -> Result<(), Error> {
        assert_eq!(below_50(&[50.0, 60.0], &[40.0, 50.0])?, None);
        assert_eq!(below_50(&[30.0, 49.9], &[40.0, 50.0])?, None);
        assert_eq!(below_50(&[49.9, 50.0], &[40.0, 50.0])?, Some(1.0));
        Ok(())
    }
}
