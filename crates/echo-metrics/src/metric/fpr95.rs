//! False positive rate at a true positive rate of 95 %: the share of negative rows at or above the highest threshold that
//! keeps at least 95 % of the positive ones (Liang et al., "Enhancing the reliability of out-of-distribution image detection
//! in neural networks", ICLR 2018).
//!
//! Rows that share the threshold's score cannot be told apart, so the negative ones among them all count as false positives,
//! and nothing is interpolated. It is undefined without rows of both sides.

use super::{Better, Definition, Of};
use crate::{column::Column, scored::Kind};

pub(super) const FPR95: Definition = Definition {
    key: "fpr95",
    label: "FPR95",
    kinds: &[Kind::Binary],
    better: Better::Lower,
    in_unit: false,
    of: Of::Sample(|sample| false_positive_rate(sample.binary()?, sample.counts)),
};

/// The true positive rate as a fraction of whole numbers, so that 19 of 20 rows are 95 %.
const RATE: [u64; 2] = [19, 20];

fn false_positive_rate(column: &Column, counts: &[u32]) -> Option<f64> {
    let [negatives, positives] = column.sides(counts);
    if negatives == 0 {
        return None;
    }
    let mut thresholds = column.thresholds(counts).map(|(_, found)| found);
    let [wrong, _] = thresholds.find(|[_, right]| *right > 0 && right * RATE[1] >= positives * RATE[0])?;
    Some(wrong as f64 / negatives as f64)
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    /// scikit-learn's `roc_curve(truth, score, drop_intermediate=False)` has the same points; this is the first one whose true
    /// positive rate is at least 0.95.
    #[test]
    fn the_threshold_keeps_nineteen_of_twenty_positives() -> Result<(), Error> {
        // Positives 0.05, 0.10, .. 1; negatives between them.
        let positives: Vec<f64> = (1..=20).map(|step| f64::from(step) / 20.0).collect();
        let negatives = [0.07, 0.08, 0.12, 0.5];
        let truth: Vec<bool> = (0..24).map(|row| row < 20).collect();
        let score: Vec<f64> = positives.iter().chain(&negatives).copied().collect();
        // 19 of 20 are at or above 0.10, and so are 0.12 and 0.5.
        assert_eq!(of_binary("fpr95", &truth, &score)?, Some(0.5));
        // Of 19 positives all are needed: 18 are less than 95 %.
        assert_eq!(of_binary("fpr95", &truth[1..], &score[1..])?, Some(0.5));
        assert_eq!(
            of_binary("fpr95", &[&truth[..19], &truth[20..]].concat(), &[&score[..19], &score[20..]].concat())?,
            Some(1.0)
        );
        Ok(())
    }

    #[test]
    fn negatives_that_share_the_threshold_are_false_positives() -> Result<(), Error> {
        assert_eq!(of_binary("fpr95", &[true, true, false, false], &[0.9, 0.5, 0.5, 0.1])?, Some(0.5));
        // A score that tells nothing keeps every row.
        assert_eq!(of_binary("fpr95", &[true, true, false, false], &[0.5; 4])?, Some(1.0));
        assert_eq!(of_binary("fpr95", &[true, false], &[0.9, 0.1])?, Some(0.0));
        Ok(())
    }

    #[test]
    fn one_side_alone_has_none() -> Result<(), Error> {
        assert_eq!(of_binary("fpr95", &[true; 3], &[0.1, 0.2, 0.3])?, None);
        assert_eq!(of_binary("fpr95", &[false; 3], &[0.1, 0.2, 0.3])?, None);
        Ok(())
    }
}
