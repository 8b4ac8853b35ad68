//! Scores of logits.
//!
//! - The largest probability (Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution examples in
//!   neural networks", ICLR 2017), of a classifier's logits.
//! - The same of cosines to prompts, as they are, is maximum concept matching, MCM, at its temperature of one (Ming et al.,
//!   "Delving into out-of-distribution detection with vision-language representations", NeurIPS 2022).
//! - The negative free energy at temperature one (Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020).

use super::Rows;

/// Probabilities of the classes.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let sum = log_sum_exp(logits);
    logits.iter().map(|logit| (logit - sum).exp()).collect()
}

/// The largest probability of each row.
pub(super) fn largest(logits: &Rows) -> Vec<f64> {
    let of = |row: &[f64]| {
        let most = most(row);
        1.0 / row.iter().map(|logit| (logit - most).exp()).sum::<f64>()
    };
    logits.iter().map(of).collect()
}

/// The logarithm of the sum of each row's exponentials.
pub(super) fn energy(logits: &Rows) -> Vec<f64> {
    logits.iter().map(log_sum_exp).collect()
}

fn most(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

pub(super) fn log_sum_exp(row: &[f64]) -> f64 {
    let most = most(row);
    most + row.iter().map(|logit| (logit - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_energies_are_those_of_the_definitions() {
        let of = |values: &[f64]| Rows::new("logits", values.to_vec(), 3).expect("rows of three");
        let logits = of(&[0.0, 1.0, 2.0, 5.0, 5.0, 5.0]);
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
        };
        // exp(2) / (1 + e + exp(2)) and the logarithm of that sum.
        let sum = 1.0 + 1f64.exp() + 2f64.exp();
        near(largest(&logits), [2f64.exp() / sum, 1.0 / 3.0]);
        near(energy(&logits), [sum.ln(), 5.0 + 3f64.ln()]);
        assert!((softmax(&[0.0, 1.0, 2.0]).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn large_logits_neither_overflow_nor_vanish() {
        let logits = Rows::new("logits", vec![1000.0, 0.0, -2000.0, -2000.0], 2).expect("two rows");
        assert_eq!((largest(&logits), energy(&logits)[0]), (vec![1.0, 0.5], 1000.0));
    }
}
