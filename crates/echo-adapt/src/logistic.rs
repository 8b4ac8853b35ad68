//! Multinomial logistic regression with a penalty on the weights, its strength chosen by cross-validation.
//!
//! What is minimised is the mean cross-entropy plus `strength * scale / 2` times the squared weights, with `scale` the mean
//! squared feature about its mean; intercepts are not shrunk. scikit-learn's `C` is `1 / (samples * strength * scale)`.

use std::collections::VecDeque;

/// Strengths that are tried, strongest first: each fit starts from the one before.
const STRENGTHS: [f64; 11] = [10.0, 3.0, 1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4];

/// The strength where some class has a single sample, so that none can be left out.
const WITHOUT_VALIDATION: f64 = 0.1;

/// The most parts of a cross-validation.
const FOLDS: usize = 5;

/// Steps that L-BFGS remembers, and takes at most.
const MEMORY: usize = 10;
const MOST_STEPS: usize = 300;

/// Weights `[dim, classes]` and intercepts that fit rows of `dim` features to `classes` classes, by a penalty on the weights whose
/// strength cross-validation chooses.
///
/// A class of which there is no sample is as unlikely as half a sample would make it.
///
/// # Panics
/// When `rows` does not hold `dim` features for each sample, or a truth is no class.
pub fn logistic(rows: &[f64], dim: usize, truths: &[usize], classes: usize) -> (Vec<f64>, Vec<f64>) {
    let count = truths.len();
    assert!(count > 0 && rows.len() == count * dim, "{} features for {count} samples of {dim}", rows.len());
    let mut samples = vec![0usize; classes];
    truths.iter().for_each(|&class| samples[class] += 1);
    let present: Vec<usize> = (0..classes).filter(|&class| samples[class] > 0).collect();
    let place = |class: usize| present.iter().position(|&other| other == class).expect("a class with a sample");
    let problem = Problem::new(rows, dim, truths.iter().map(|&class| place(class)).collect(), present.len());
    let fitted = problem.fit_by_validation();

    let mut weights = vec![0.0; dim * classes];
    let mut intercepts = vec![-(2.0 * count as f64).ln(); classes];
    for (column, &class) in present.iter().enumerate() {
        let of_class = |row: usize| fitted[row * present.len() + column];
        (0..dim).for_each(|row| weights[row * classes + class] = of_class(row));
        intercepts[class] = of_class(dim) - (0..dim).map(|row| of_class(row) * problem.mean[row]).sum::<f64>();
    }
    (weights, intercepts)
}

/// The same for labels of which any number may hold: one logit each, `[dim, labels]`, fitted to the samples where the label
/// is known. One that is known from one side only gets its prevalence.
pub(crate) fn logistic_of_labels(rows: &[f64], dim: usize, truths: &[&[Option<bool>]]) -> (Vec<f64>, Vec<f64>) {
    let labels = truths.first().map_or(0, |labels| labels.len());
    let (mut weights, mut intercepts) = (vec![0.0; dim * labels], vec![0.0; labels]);
    for label in 0..labels {
        let known: Vec<(usize, bool)> =
            truths.iter().enumerate().filter_map(|(sample, labels)| Some((sample, labels[label]?))).collect();
        let positives = known.iter().filter(|(_, holds)| *holds).count();
        let negatives = known.len() - positives;
        if positives == 0 || negatives == 0 {
            intercepts[label] = ((positives as f64 + 0.5) / (negatives as f64 + 0.5)).ln();
            continue;
        }
        let of_known: Vec<f64> =
            known.iter().flat_map(|&(sample, _)| &rows[sample * dim..(sample + 1) * dim]).copied().collect();
        let classes: Vec<usize> = known.iter().map(|&(_, holds)| usize::from(holds)).collect();
        let (pair, pair_intercepts) = logistic(&of_known, dim, &classes, 2);
        (0..dim).for_each(|row| weights[row * labels + label] = pair[2 * row + 1] - pair[2 * row]);
        intercepts[label] = pair_intercepts[1] - pair_intercepts[0];
    }
    (weights, intercepts)
}

/// Samples to fit; parameters are `[dim + 1, classes]`, the last row intercepts.
struct Problem {
    /// About the mean.
    rows: Vec<f64>,
    mean: Vec<f64>,
    dim: usize,
    truths: Vec<usize>,
    classes: usize,
    /// Mean squared feature.
    scale: f64,
}

impl Problem {
    fn new(rows: &[f64], dim: usize, truths: Vec<usize>, classes: usize) -> Self {
        let count = truths.len() as f64;
        let mean: Vec<f64> = (0..dim).map(|j| rows.iter().skip(j).step_by(dim).sum::<f64>() / count).collect();
        let rows: Vec<f64> = rows.iter().enumerate().map(|(index, value)| value - mean[index % dim]).collect();
        let squares = rows.iter().map(|value| value * value).sum::<f64>() / rows.len() as f64;
        let scale = if squares > 0.0 { squares } else { 1.0 };
        Self { rows, mean, dim, truths, classes, scale }
    }

    fn fit_by_validation(&self) -> Vec<f64> {
        let zero = vec![0.0; (self.dim + 1) * self.classes];
        let all: Vec<usize> = (0..self.truths.len()).collect();
        let fewest = (0..self.classes).map(|class| self.truths.iter().filter(|&&truth| truth == class).count()).min();
        let folds = fewest.unwrap_or(0).min(FOLDS);
        let strength =
            if folds < 2 || self.classes < 2 { WITHOUT_VALIDATION } else { self.best_strength(folds, &zero) };
        tracing::debug!("logistic regression: strength {strength:.0e}");
        self.minimise(&all, strength, zero)
    }

    /// The strength with the least cross-entropy of samples that were left out. Every part holds its share of each class.
    fn best_strength(&self, folds: usize, zero: &[f64]) -> f64 {
        let mut seen = vec![0; self.classes];
        let fold_of: Vec<usize> = self
            .truths
            .iter()
            .map(|&class| {
                seen[class] += 1;
                (seen[class] - 1) % folds
            })
            .collect();
        let mut losses = [0.0; STRENGTHS.len()];
        for fold in 0..folds {
            let (left_out, kept): (Vec<usize>, Vec<usize>) =
                (0..self.truths.len()).partition(|&sample| fold_of[sample] == fold);
            let mut parameters = zero.to_vec();
            for (loss, strength) in losses.iter_mut().zip(STRENGTHS) {
                parameters = self.minimise(&kept, strength, parameters);
                *loss += left_out.iter().map(|&sample| self.cross_entropy(sample, &parameters, None)).sum::<f64>();
            }
        }
        let best = (0..STRENGTHS.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        STRENGTHS[best.expect("some strength is tried")]
    }

    /// Of one sample; adds its gradient, times the factor, to `gradient`.
    fn cross_entropy(&self, sample: usize, parameters: &[f64], gradient: Option<(&mut [f64], f64)>) -> f64 {
        let (dim, classes) = (self.dim, self.classes);
        let row = &self.rows[sample * dim..(sample + 1) * dim];
        let mut logits = parameters[dim * classes..].to_vec();
        for (value, weights) in row.iter().zip(parameters.chunks_exact(classes)) {
            logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += value * weight);
        }
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = most + logits.iter().map(|logit| (logit - most).exp()).sum::<f64>().ln();
        let truth = self.truths[sample];
        let loss = log_sum - logits[truth];
        if let Some((gradient, factor)) = gradient {
            let mut error: Vec<f64> = logits.iter().map(|logit| (logit - log_sum).exp() * factor).collect();
            error[truth] -= factor;
            for (value, slopes) in row.iter().chain(&[1.0]).zip(gradient.chunks_exact_mut(classes)) {
                slopes.iter_mut().zip(&error).for_each(|(slope, error)| *slope += value * error);
            }
        }
        loss
    }

    /// The penalised mean cross-entropy of `samples`, and its gradient.
    fn objective(&self, samples: &[usize], strength: f64, parameters: &[f64]) -> (f64, Vec<f64>) {
        let penalty = strength * self.scale;
        let shrunk = self.dim * self.classes;
        let mut gradient: Vec<f64> = parameters.iter().map(|parameter| penalty * parameter).collect();
        gradient[shrunk..].fill(0.0);
        let share = 1.0 / samples.len() as f64;
        let squares: f64 = parameters[..shrunk].iter().map(|parameter| parameter * parameter).sum();
        let losses = samples.iter().map(|&sample| self.cross_entropy(sample, parameters, Some((&mut gradient, share))));
        let loss = losses.sum::<f64>() * share + penalty / 2.0 * squares;
        (loss, gradient)
    }

    /// L-BFGS (Liu and Nocedal, 1989) with halved steps. The objective is convex.
    fn minimise(&self, samples: &[usize], strength: f64, mut parameters: Vec<f64>) -> Vec<f64> {
        let (mut loss, mut gradient) = self.objective(samples, strength, &parameters);
        let mut steps: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
        for _ in 0..MOST_STEPS {
            if dot(&gradient, &gradient) < 1e-16 {
                break;
            }
            let direction = direction(&gradient, &steps);
            let slope = dot(&direction, &gradient);
            let mut length = if steps.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
            let next = loop {
                let moved: Vec<f64> = parameters.iter().zip(&direction).map(|(p, d)| p + length * d).collect();
                let (at, slopes) = self.objective(samples, strength, &moved);
                if at <= loss + 1e-4 * length * slope {
                    break Some((moved, at, slopes));
                }
                length /= 2.0;
                if length < 1e-12 {
                    break None;
                }
            };
            let Some((moved, at, slopes)) = next else { break };
            let step: Vec<f64> = moved.iter().zip(&parameters).map(|(a, b)| a - b).collect();
            let change: Vec<f64> = slopes.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            if dot(&step, &change) > 1e-18 {
                steps.push_back((step, change));
                if steps.len() > MEMORY {
                    steps.pop_front();
                }
            }
            (parameters, loss, gradient) = (moved, at, slopes);
        }
        parameters
    }
}

/// The gradient through the inverse of the curvature that the last steps met, downhill.
fn direction(gradient: &[f64], steps: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut factors = Vec::with_capacity(steps.len());
    for (step, change) in steps.iter().rev() {
        let factor = dot(step, &direction) / dot(step, change);
        direction.iter_mut().zip(change).for_each(|(d, c)| *d -= factor * c);
        factors.push(factor);
    }
    if let Some((step, change)) = steps.back() {
        let curvature = dot(step, change) / dot(change, change);
        direction.iter_mut().for_each(|d| *d *= curvature);
    }
    for ((step, change), factor) in steps.iter().zip(factors.into_iter().rev()) {
        let correction = factor - dot(change, &direction) / dot(step, change);
        direction.iter_mut().zip(step).for_each(|(d, s)| *d += correction * s);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use echo_random::Stream;

    use super::*;

    /// Twelve samples of three features in three classes.
    fn problem() -> (Vec<f64>, Vec<usize>) {
        let truths: Vec<usize> = (0..12).map(|sample| sample % 3).collect();
        let feature = |sample: usize, j: usize| {
            ((sample * 7 + j * 5) % 11) as f64 / 4.0 + (truths[sample] * (j + 1)) as f64 / 3.0
        };
        let rows = (0..36).map(|index| feature(index / 3, index % 3)).collect();
        (rows, truths)
    }

    /// Numbers of scikit-learn 1.9.1: `LogisticRegression(C=1 / (12 * 0.1 * scale), tol=1e-12, max_iter=10000)` on the same
    /// rows, of which `scale` is the mean variance.
    #[test]
    fn the_fit_is_scikit_learn_s() {
        let (rows, truths) = problem();
        let problem = Problem::new(&rows, 3, truths, 3);
        assert!((problem.scale - SCALE).abs() < 1e-12, "{}", problem.scale);
        let fitted = problem.minimise(&(0..12).collect::<Vec<_>>(), 0.1, vec![0.0; 12]);
        for (found, expected) in fitted.iter().zip(WEIGHTS) {
            assert!((found - expected).abs() < 1e-6, "{fitted:?}");
        }
    }

    #[test]
    fn classes_that_differ_are_told_apart_and_absent_ones_are_unlikely() {
        let mut stream = Stream::new(1, "test/logistic", 0);
        let truths: Vec<usize> = (0..40).map(|sample| 2 * (sample % 2)).collect();
        let rows: Vec<f64> =
            truths.iter().flat_map(|&class| [class as f64 + 0.1 * stream.normal(), stream.normal()]).collect();
        let (weights, intercepts) = logistic(&rows, 2, &truths, 3);
        let logit = |row: &[f64], class: usize| {
            intercepts[class] + row.iter().enumerate().map(|(j, x)| x * weights[3 * j + class]).sum::<f64>()
        };
        for (row, &truth) in rows.chunks(2).zip(&truths) {
            let best = (0..3).max_by(|&a, &b| logit(row, a).total_cmp(&logit(row, b)));
            assert_eq!(best, Some(truth));
        }
    }

    #[test]
    fn labels_are_fitted_where_they_are_known() {
        let rows = [-2.0, -1.0, 1.0, 2.0, 3.0];
        let truths: Vec<[Option<bool>; 2]> = vec![
            [Some(false), None],
            [Some(false), Some(true)],
            [Some(true), None],
            [Some(true), Some(true)],
            [None, None],
        ];
        let truths: Vec<&[Option<bool>]> = truths.iter().map(|labels| labels.as_slice()).collect();
        let (weights, intercepts) = logistic_of_labels(&rows, 1, &truths);
        assert!(weights[0] > 0.1 && intercepts[0].abs() < 1e-6, "{weights:?} {intercepts:?}");
        assert_eq!((weights[1], intercepts[1]), (0.0, 5f64.ln()));
    }

    const SCALE: f64 = 0.720_389_660_493_827;
    const WEIGHTS: [f64; 12] = [
        -0.068_483_788,
        0.420_159_205,
        -0.351_675_417,
        -0.980_609_029,
        0.048_652_757,
        0.931_956_272,
        -0.310_426_025,
        -0.263_333_836,
        0.573_759_861,
        -0.070_378_077,
        0.329_321_432,
        -0.258_943_356,
    ];
}
