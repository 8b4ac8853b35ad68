//! The threshold of a binary classification.

use crate::{
    column::Column,
    error::{Error, check_length},
};

/// The threshold that is best by Youden's J (Cancer 1950), sensitivity plus specificity minus one; of equally good ones the
/// highest, which raises the fewest alarms. It lies midway between the probabilities of the rows that it parts, so that
/// another row need not reach the very probability of one of these; where it parts none, at the lowest.
///
/// Chosen on the validation split: chosen on test rows, it would have seen the answers.
///
/// # Errors
/// When the rows are empty or differ in length, a probability is none, or all rows are of one side.
pub fn youden(truth: &[bool], probability: &[f64]) -> Result<f64, Error> {
    check_length("probability", probability.len(), truth.len())?;
    let column = Column::new(truth.iter().copied().map(Some).collect(), probability.to_vec())?;
    let counts = vec![1; truth.len()];
    let [negatives, positives] = column.sides(&counts);
    if negatives == 0 || positives == 0 {
        return Err(Error::OneSided { side: if negatives == 0 { "negative" } else { "positive" } });
    }
    // J times both numbers, which is exact.
    let gain = |[wrong, right]: [u64; 2]| {
        i128::from(right) * i128::from(negatives) - i128::from(wrong) * i128::from(positives)
    };
    let thresholds: Vec<(f64, [u64; 2])> = column.thresholds(&counts).collect();
    let mut best = (i128::MIN, 0);
    for (place, (_, found)) in thresholds.iter().enumerate() {
        if gain(*found) > best.0 {
            best = (gain(*found), place);
        }
    }
    let (lowest, below) = (thresholds[best.1].0, thresholds.get(best.1 + 1).map(|next| next.0));
    // Between neighbours no number may fit.
    let midway = below.map(|below| below + (lowest - below) / 2.0).filter(|&midway| Some(midway) > below);
    Ok(midway.unwrap_or(lowest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_where_sensitivity_and_specificity_are_largest_together() -> Result<(), Error> {
        let truth = [false, false, true, false, true, true];
        // J: 1/3 at 0.9, 2/3 at 0.8, 1/3 at 0.6, 2/3 at 0.4.
        let probability = [0.1, 0.2, 0.4, 0.6, 0.8, 0.9];
        assert_eq!(youden(&truth, &probability)?, 0.7);
        assert_eq!(youden(&truth, &[0.3; 6])?, 0.3);
        // The wrong way round, everything is called positive.
        assert_eq!(youden(&truth, &probability.map(|p| 1.0 - p))?, 1.0 - 0.9);
        Ok(())
    }

    #[test]
    fn it_lies_midway_between_the_rows_that_it_parts() -> Result<(), Error> {
        assert_eq!(youden(&[false, false, true], &[0.25, 0.5, 0.75])?, 0.625);
        let next = 0.5f64.next_up();
        assert_eq!(youden(&[false, true], &[0.5, next])?, next, "no number lies between");
        Ok(())
    }

    #[test]
    fn one_side_alone_has_no_threshold() {
        assert_eq!(youden(&[true, true], &[0.1, 0.9]), Err(Error::OneSided { side: "negative" }));
        assert_eq!(youden(&[false], &[0.1]), Err(Error::OneSided { side: "positive" }));
    }
}
