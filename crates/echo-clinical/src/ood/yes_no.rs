//! Scores of a model that says for each class how much speaks for it and how much against it (Wang et al., "CLIPN for zero-shot
//! OOD detection: teaching CLIP to say no", ICCV 2023).
//!
//! With `p` the softmax of yes over classes and `q_j = exp(yes_j) / (exp(yes_j) + exp(no_j))`, competing to win is `q` of the
//! class whose `p` is largest, and agreeing to differ is the sum of `p_j q_j`. The paper's scores are one minus these. Here the
//! first is the logarithm of `q / (1 - q)` and the second minus that of one minus the sum, which rank alike: similarities times
//! a hundred make numbers so near one that they would all be the same.

use super::YesNo;
use super::softmax::log_sum_exp;

/// The logit of `q` of the likeliest class; of equally likely ones the first.
pub(super) fn competing_to_win(evidence: &YesNo<'_>) -> Vec<f64> {
    each(evidence, |yes, no| {
        let best = (1..yes.len()).fold(0, |best, class| if yes[class] > yes[best] { class } else { best });
        yes[best] - no[best]
    })
}

/// Minus the logarithm of the mean of `1 - q` over classes, each as likely as it is.
pub(super) fn agreeing_to_differ(evidence: &YesNo<'_>) -> Vec<f64> {
    each(evidence, |yes, no| {
        let against = yes.iter().zip(no).map(|(&yes, &no)| yes - ln_1p_exp(yes - no)).collect::<Vec<_>>();
        log_sum_exp(yes) - log_sum_exp(&against)
    })
}

fn each(evidence: &YesNo<'_>, of: impl Fn(&[f64], &[f64]) -> f64) -> Vec<f64> {
    evidence.yes.iter().zip(evidence.no.iter()).map(|(yes, no)| of(yes, no)).collect()
}

/// `ln(1 + exp(x))`, of which minus is the logarithm of the share of no against a yes that is `x` more.
fn ln_1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::ood::Rows;

    #[test]
    fn both_scores_are_those_of_the_definitions() -> Result<(), Error> {
        let logarithms = |values: [f64; 4]| Rows::new("logits", values.map(f64::ln).to_vec(), 2);
        // p = (3/4, 1/4) and q = (3/4, 1/3); then p = (1/2, 1/2) and q = (1/5, 1/2).
        let (yes, no) = (logarithms([3.0, 1.0, 1.0, 1.0])?, logarithms([1.0, 2.0, 4.0, 1.0])?);
        let evidence = YesNo::new(&yes, &no)?;
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
        };
        near(competing_to_win(&evidence), [0.75f64, 0.2].map(|q| (q / (1.0 - q)).ln()));
        near(agreeing_to_differ(&evidence), [9.0 / 16.0 + 1.0 / 12.0, 0.1 + 0.25f64].map(|sum| -(1.0 - sum).ln()));
        Ok(())
    }

    #[test]
    fn what_is_surer_ranks_above_what_is_sure() -> Result<(), Error> {
        let (yes, no) = (Rows::new("logits", vec![30.0, 0.0, 40.0, 0.0], 2)?, Rows::new("logits", vec![-30.0; 4], 2)?);
        let evidence = YesNo::new(&yes, &no)?;
        for scores in [competing_to_win(&evidence), agreeing_to_differ(&evidence)] {
            assert!(scores[1] > scores[0] && scores.iter().all(|score| score.is_finite()), "{scores:?}");
        }
        Ok(())
    }
}
