//! The threshold of a score that is no probability.

use serde::Serialize;

use crate::error::Error;

/// A threshold and how good it is on the scores that it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct F1Threshold {
    /// A score from here upwards is positive.
    pub threshold: f64,
    /// F1 there, 0 to 1.
    pub f1: f64,
}

/// The threshold of the highest F1; of equally good ones the highest, which raises the fewest alarms. It lies midway between
/// the two scores that it parts, or at the lowest score where it parts none, as that of `echo_metrics::youden`.
///
/// Choose it on validation data. Upstream's threshold for pacemakers, 0.298, was chosen on its test set.
///
/// # Errors
/// When labels and scores differ in number, a score is not finite, or all labels are the same.
pub fn best_f1_threshold(truth: &[bool], scores: &[f64]) -> Result<F1Threshold, Error> {
    if truth.len() != scores.len() {
        let why = format!("one for each of {} labels", truth.len());
        return Err(Error::Length { what: "scores", got: scores.len(), want: truth.len(), why });
    }
    if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::NotFinite { what: "scores", index, value: scores[index] });
    }
    let positives = truth.iter().filter(|&&positive| positive).count() as u128;
    if positives == 0 || positives == truth.len() as u128 {
        return Err(Error::OneSided { side: if positives == 0 { "positive" } else { "negative" } });
    }
    let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(truth.iter().copied()).collect();
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut found = 0;
    let mut best = F1Threshold { threshold: f64::INFINITY, f1: 0.0 };
    // F1 is 2 found / (called + positives); compared in whole numbers, so that equally good ones are equal.
    let (mut best_found, mut best_sum) = (0, 1);
    for (place, &(score, positive)) in rows.iter().enumerate() {
        found += u128::from(positive);
        let next = rows.get(place + 1).map(|row| row.0);
        // A threshold does not part rows of one score.
        if next == Some(score) {
            continue;
        }
        let sum = place as u128 + 1 + positives;
        if found * best_sum > best_found * sum {
            (best_found, best_sum) = (found, sum);
            // Between neighbours no number may fit.
            let midway = next.map(|next| next / 2.0 + score / 2.0).filter(|&midway| Some(midway) > next);
            best = F1Threshold { threshold: midway.unwrap_or(score), f1: 2.0 * found as f64 / sum as f64 };
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_where_f1_is_highest_and_midway_between_the_scores_it_parts() -> Result<(), Error> {
        // F1: 2/4 at 0.4, 2/5 at 0.3, 4/6 at 0.2, 4/7 at 0.1, 6/8 at 0.
        let truth = [false, false, true, false, true, true];
        let best = best_f1_threshold(&truth, &[0.1, 0.3, 0.4, -0.1, 0.2, 0.0])?;
        assert_eq!(best, F1Threshold { threshold: -0.05, f1: 0.75 });
        Ok(())
    }

    #[test]
    fn of_equally_good_thresholds_the_highest_is_taken_and_ties_are_not_parted() -> Result<(), Error> {
        // F1 is 2/3 at 0.5 (1 of 1 found, 1 called) and 2 * 2 / (4 + 2) at 0.2.
        let best = best_f1_threshold(&[true, false, false, true], &[0.5, 0.4, 0.3, 0.2])?;
        assert_eq!((best.threshold, best.f1), (0.45, 2.0 / 3.0));
        // The same the other way round in the rows; a positive and a negative share 0.5.
        let best = best_f1_threshold(&[false, true, true, false], &[0.5, 0.5, 0.25, 0.125])?;
        assert_eq!((best.threshold, best.f1), (0.1875, 0.8));
        assert_eq!(best_f1_threshold(&[false, true], &[0.0, -0.0])?.threshold, 0.0);
        let next = 0.5f64.next_up();
        assert_eq!(best_f1_threshold(&[false, true], &[0.5, next])?.threshold, next, "no number lies between");
        Ok(())
    }

    #[test]
    fn labels_of_one_kind_and_scores_that_are_none_are_refused() {
        let refused = |truth: &[bool], scores: &[f64]| best_f1_threshold(truth, scores).unwrap_err().to_string();
        assert!(refused(&[true, true], &[0.1, 0.2]).starts_with("there is no negative label"));
        assert!(refused(&[false], &[0.1]).starts_with("there is no positive label"));
        assert!(refused(&[], &[]).starts_with("there is no positive label"));
        assert!(refused(&[true, false], &[0.1]).starts_with("`scores` holds 1 values, but 2 are needed"));
        assert!(refused(&[true, false], &[0.1, f64::NAN]).starts_with("`scores[1]` is NaN"));
    }
}
