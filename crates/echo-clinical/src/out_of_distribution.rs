//! Whether a clip shows any of the classes that a model knows, from what its two branches say (Wang et al., "CLIPN for
//! zero-shot OOD detection: teaching CLIP to say no", ICCV 2023).
//!
//! `yes` are scaled similarities of a clip to a sentence of each class, `no` those of the second branch to the sentences that
//! deny it. Both scores are between 0 and 1; high means that the clip is of a known class. Their thresholds are the user's to
//! choose on videos of his own.
//!
//! ```
//! use echo_clinical::out_of_distribution::{agreeing_to_differ, competing_to_win};
//! let (yes, no) = ([2.0, 0.0], [0.0, 1.0]);
//! assert!((competing_to_win(&yes, &no)? - 0.880_797).abs() < 1e-6);
//! assert!((agreeing_to_differ(&yes, &no)? - 0.807_881).abs() < 1e-6);
//! # Ok::<(), echo_clinical::Error>(())
//! ```

use crate::Error;

/// The probability that the likeliest class is not denied: `q_j` at the class `j` with the largest `yes_j`, the first of
/// equals, where `q_j = exp(yes_j) / (exp(yes_j) + exp(no_j))`.
///
/// # Errors
/// No class, not as many values of one as of the other, or a value that is not finite.
pub fn competing_to_win(yes: &[f64], no: &[f64]) -> Result<f64, Error> {
    check(yes, no)?;
    let likeliest = (0..yes.len()).fold(0, |best, class| if yes[class] > yes[best] { class } else { best });
    Ok(not_denied(yes[likeliest], no[likeliest]))
}

/// The probability that the clip's class is not denied, whichever it is: the sum over classes of `p_j q_j`, where `p` is the
/// softmax of `yes` and `q` as in [`competing_to_win`]. The rest, `1 - sum p_j q_j`, is the probability of none of the classes.
///
/// # Errors
/// As [`competing_to_win`].
pub fn agreeing_to_differ(yes: &[f64], no: &[f64]) -> Result<f64, Error> {
    check(yes, no)?;
    let most = yes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = yes.iter().map(|yes| (yes - most).exp()).collect();
    let sum: f64 = weights.iter().zip(yes).zip(no).map(|((weight, &yes), &no)| weight * not_denied(yes, no)).sum();
    Ok(sum / weights.iter().sum::<f64>())
}

/// `exp(yes) / (exp(yes) + exp(no))`
fn not_denied(yes: f64, no: f64) -> f64 {
    1.0 / (1.0 + (no - yes).exp())
}

fn check(yes: &[f64], no: &[f64]) -> Result<(), Error> {
    if yes.is_empty() {
        return Err(Error::Empty { what: "classes" });
    }
    if no.len() != yes.len() {
        let why = "one of each class, as `yes` has".to_owned();
        return Err(Error::Length { what: "no", got: no.len(), want: yes.len(), why });
    }
    for (what, values) in [("yes", yes), ("no", no)] {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what, index, value: values[index] });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logarithms of whole numbers: `yes` 1 : 3 : 2, so that p = 1/6, 1/2, 1/3; `no` so that q = 1/2, 3/4, 1/4.
    fn logits() -> [[f64; 3]; 2] {
        [[1.0, 3.0, 2.0], [1.0, 1.0, 6.0]].map(|row: [f64; 3]| row.map(f64::ln))
    }

    #[test]
    fn scores_are_those_by_hand() {
        let [yes, no] = logits();
        assert!((competing_to_win(&yes, &no).unwrap() - 0.75).abs() < 1e-12);
        // 1/12 + 3/8 + 1/12
        assert!((agreeing_to_differ(&yes, &no).unwrap() - 13.0 / 24.0).abs() < 1e-12);
        // A class that wins and is denied: one score falls, and with p near one the other too.
        let (yes, no) = ([20.0, 0.0], [25.0, -25.0]);
        let denied = 1.0 / (1.0 + 5f64.exp());
        assert!((competing_to_win(&yes, &no).unwrap() - denied).abs() < 1e-12);
        assert!((agreeing_to_differ(&yes, &no).unwrap() - denied).abs() < 1e-8);
    }

    #[test]
    fn large_logits_do_not_overflow_and_nothing_but_numbers_is_taken() {
        let (yes, no) = ([1e4, -1e4], [-1e4, 1e4]);
        assert_eq!(competing_to_win(&yes, &no).unwrap(), 1.0);
        assert_eq!(agreeing_to_differ(&yes, &no).unwrap(), 1.0);
        for (yes, no) in
            [(vec![], vec![]), (vec![1.0], vec![]), (vec![f64::NAN], vec![0.0]), (vec![0.0], vec![f64::INFINITY])]
        {
            assert!(competing_to_win(&yes, &no).is_err() && agreeing_to_differ(&yes, &no).is_err());
        }
    }
}
