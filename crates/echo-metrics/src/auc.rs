//! Area under the ROC curve for finding the videos whose true EF lies below a threshold.
//!
//! The score is the negated prediction. The area is the chance that a video below the threshold is predicted lower
//! than one at or above it, where equal predictions count half (Hanley and McNeil 1982; the Mann-Whitney U with
//! midranks). It is undefined when all videos are on one side.

use std::fmt;

use crate::sample::Sample;

/// An ejection fraction in whole EF points that separates reduced from preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(pub u8);

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

pub(crate) fn auc(sample: &Sample<'_>, below: Threshold) -> Option<f64> {
    let threshold = f64::from(below.0);
    let (mut reduced, mut preserved) = (0u64, 0u64);
    // Pairs in the right order count two and tied pairs one, so that the sum is exact.
    let mut halves = 0u64;
    for run in sample.ties() {
        let (mut reduced_here, mut preserved_here) = (0u64, 0u64);
        for (truth, count) in run {
            // Without a branch: the two sides alternate at random where predictions are close.
            let is_reduced = u64::from(truth < threshold);
            reduced_here += u64::from(count) * is_reduced;
            preserved_here += u64::from(count) * (1 - is_reduced);
        }
        halves += preserved_here * (2 * reduced + reduced_here);
        reduced += reduced_here;
        preserved += preserved_here;
    }
    let pairs = reduced * preserved;
    (pairs > 0).then(|| halves as f64 / (2.0 * pairs as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Metric};

    fn below_50(truth: &[f64], prediction: &[f64]) -> Result<Option<f64>, Error> {
        Metric::Auc { below: Threshold(50) }.of(truth, prediction)
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
