//! Area under the precision-recall curve as average precision: the precision at each threshold, weighted by the recall that
//! it adds. Unlike the trapezoidal rule it does not interpolate, which would be too kind (Davis and Goadrich, ICML 2006).
//!
//! A predictor without skill has the prevalence. It is undefined without a positive row.

use super::{Better, Definition, Of};
use crate::{column::Column, scored::Kind};

pub(super) const AUPRC: Definition = Definition {
    key: "auprc",
    label: "AUPRC",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| average_precision(sample.binary()?, sample.counts)),
};

fn average_precision(column: &Column, counts: &[u32]) -> Option<f64> {
    let (mut sum, mut found) = (0.0, 0);
    for (_, [false_positives, true_positives]) in column.thresholds(counts) {
        let precision = true_positives as f64 / (false_positives + true_positives) as f64;
        sum += (true_positives - found) as f64 * precision;
        found = true_positives;
    }
    (found > 0).then(|| sum / found as f64)
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    #[test]
    fn precision_is_weighted_by_the_recall_that_is_added() -> Result<(), Error> {
        // Thresholds 0.9: 1 of 1, 0.6: 2 of 3 (tied), 0.3: no more found.
        let truth = [true, false, true, false];
        assert_eq!(of_binary("auprc", &truth, &[0.9, 0.6, 0.6, 0.3])?, Some(0.5 * (1.0 + 2.0 / 3.0)));
        assert_eq!(of_binary("auprc", &truth, &[0.5; 4])?, Some(0.5));
        assert_eq!(of_binary("auprc", &[false; 4], &[0.5; 4])?, None);
        Ok(())
    }
}
