//! Area under the precision-recall curve of finding the negative rows, by low probabilities: average precision with the sides
//! exchanged (see [`auprc`](super::auprc)). Where an in-distribution sample is a positive, this is AUPR-out.
//!
//! A predictor without skill has the share of negatives. It is undefined without a negative row.

use super::{Better, Definition, Of};
use crate::{column::Column, scored::Kind};

pub(super) const AUPRC_NEGATIVES: Definition = Definition {
    key: "auprc_negatives",
    label: "AUPRC of negatives",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| average_precision(sample.binary()?, sample.counts)),
};

/// From the lowest probability up: what is at or below it.
fn average_precision(column: &Column, counts: &[u32]) -> Option<f64> {
    let [negatives, positives] = column.sides(counts);
    // What is at or below a probability is what is not at or above the next one.
    let above: Vec<[u64; 2]> = column.thresholds(counts).map(|(_, found)| found).collect();
    let (mut sum, mut found) = (0.0, 0);
    for next in above.iter().rev().skip(1).chain(&[[0, 0]]) {
        let [right, wrong] = [negatives - next[0], positives - next[1]];
        sum += (right - found) as f64 * right as f64 / (right + wrong) as f64;
        found = right;
    }
    (found > 0).then(|| sum / found as f64)
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    #[test]
    fn it_is_the_auprc_of_the_sides_exchanged() -> Result<(), Error> {
        let truth = [true, false, true, false, false, true, false];
        let probability = [0.9, 0.6, 0.6, 0.3, 0.2, 0.3, 0.95];
        let (other, below) = (truth.map(|one| !one), probability.map(|one| 1.0 - one));
        let (found, expected) =
            (of_binary("auprc_negatives", &truth, &probability)?, of_binary("auprc", &other, &below)?);
        assert!(found.zip(expected).is_some_and(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
        // At 0.2: 1 of 1; at 0.3: 2 of 3; at 0.6: 3 of 5; at 0.9 no more; at 0.95: 4 of 7.
        assert!(found.is_some_and(|value| (value - (1.0 + 2.0 / 3.0 + 3.0 / 5.0 + 4.0 / 7.0) / 4.0).abs() < 1e-12));
        Ok(())
    }

    #[test]
    fn without_a_negative_row_there_is_none() -> Result<(), Error> {
        assert_eq!(of_binary("auprc_negatives", &[true; 2], &[0.1, 0.2])?, None);
        assert_eq!(of_binary("auprc_negatives", &[false; 2], &[0.1, 0.2])?, Some(1.0));
        Ok(())
    }
}
