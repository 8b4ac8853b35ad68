//! Ridge regression with an intercept that is not shrunk, its strength chosen by leaving one sample out.
//!
//! For linear smoothers the error of every left-out sample follows from the fit to all: `e_i / (1 - h_ii)` (Allen,
//! "The relationship between variable selection and data augmentation", Technometrics 1974).

/// Strengths that are tried, in units of the mean squared feature times the number of samples.
const STRENGTHS: [f64; 13] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0];

/// The strength on features that are not to be shrunk, which keeps the equations solvable.
const FREE: f64 = 1e-9;

/// A fit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ridge {
    pub(crate) weights: Vec<f64>,
    pub(crate) intercept: f64,
    /// The chosen strength.
    pub(crate) strength: f64,
    /// Root mean square error of the left-out samples at that strength.
    pub(crate) error: f64,
}

/// Fits `targets` by rows of `dim` features each, of which the first `free` are not shrunk either.
///
/// # Panics
/// When `rows` does not hold `dim` features for each target, or there is no target.
pub(crate) fn ridge(rows: &[f64], dim: usize, free: usize, targets: &[f64]) -> Ridge {
    let count = targets.len();
    assert!(count > 0 && rows.len() == count * dim, "{} features for {count} targets of {dim}", rows.len());
    let mean: Vec<f64> = (0..dim).map(|j| (0..count).map(|i| rows[i * dim + j]).sum::<f64>() / count as f64).collect();
    let target_mean = targets.iter().sum::<f64>() / count as f64;
    let centred: Vec<f64> = rows.iter().enumerate().map(|(index, value)| value - mean[index % dim]).collect();
    let residual: Vec<f64> = targets.iter().map(|target| target - target_mean).collect();

    let mut gram = vec![0.0; dim * dim];
    for row in centred.chunks_exact(dim) {
        for (j, &value) in row.iter().enumerate() {
            for (entry, &other) in gram[j * dim..=j * dim + j].iter_mut().zip(row) {
                *entry += value * other;
            }
        }
    }
    let moment: Vec<f64> =
        (0..dim).map(|j| centred.chunks_exact(dim).zip(&residual).map(|(row, r)| row[j] * r).sum()).collect();
    let scale = (free..dim).map(|j| gram[j * dim + j]).sum::<f64>() / (dim - free) as f64;

    let mut best: Option<Ridge> = None;
    for strength in STRENGTHS {
        let mut factor = gram.clone();
        // Features that are all equal leave nothing to fit, whatever the strength.
        let unit = if scale > 0.0 { scale } else { 1.0 };
        (0..dim).for_each(|j| factor[j * dim + j] += unit * if j < free { FREE } else { strength });
        cholesky(&mut factor, dim);
        let weights = solve_upper(&factor, dim, solve_lower(&factor, dim, moment.clone()));
        let mut squares = 0.0;
        for (row, r) in centred.chunks_exact(dim).zip(&residual) {
            let predicted: f64 = row.iter().zip(&weights).map(|(x, w)| x * w).sum();
            // h_ii = 1/n + x' (X'X + s)^-1 x, and the last term is the squared length of L^-1 x.
            let leverage: f64 = solve_lower(&factor, dim, row.to_vec()).iter().map(|x| x * x).sum();
            let kept = (1.0 - 1.0 / count as f64 - leverage).max(1e-9);
            squares += ((r - predicted) / kept).powi(2);
        }
        let error = (squares / count as f64).sqrt();
        if best.as_ref().is_none_or(|best| error < best.error) {
            let intercept = target_mean - mean.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
            best = Some(Ridge { weights, intercept, strength, error });
        }
    }
    best.expect("some strength is tried")
}

/// The lower factor of a symmetric positive definite matrix, of which the lower half is read.
fn cholesky(matrix: &mut [f64], dim: usize) {
    for j in 0..dim {
        for i in j..dim {
            let dot: f64 = (0..j).map(|k| matrix[i * dim + k] * matrix[j * dim + k]).sum();
            let value = matrix[i * dim + j] - dot;
            matrix[i * dim + j] =
                if i == j { value.max(f64::MIN_POSITIVE).sqrt() } else { value / matrix[j * dim + j] };
        }
    }
}

/// `L x = b`
fn solve_lower(factor: &[f64], dim: usize, mut b: Vec<f64>) -> Vec<f64> {
    for i in 0..dim {
        let dot: f64 = factor[i * dim..i * dim + i].iter().zip(&b).map(|(l, x)| l * x).sum();
        b[i] = (b[i] - dot) / factor[i * dim + i];
    }
    b
}

/// `L' x = b`
fn solve_upper(factor: &[f64], dim: usize, mut b: Vec<f64>) -> Vec<f64> {
    for i in (0..dim).rev() {
        let dot: f64 = (i + 1..dim).map(|k| factor[k * dim + i] * b[k]).sum();
        b[i] = (b[i] - dot) / factor[i * dim + i];
    }
    b
}

#[cfg(test)]
mod tests {
    use echo_random::Stream;

    use super::*;

    fn problem(count: usize, dim: usize, noise: f64) -> (Vec<f64>, Vec<f64>) {
        let mut stream = Stream::new(1, "test/ridge", 0);
        let rows: Vec<f64> = (0..count * dim).map(|_| stream.normal()).collect();
        let target = |row: &[f64]| 3.0 + 2.0 * row[0] - row[1];
        let targets = rows.chunks_exact(dim).map(|row| target(row) + noise * stream.normal()).collect();
        (rows, targets)
    }

    #[test]
    fn a_linear_law_is_found_also_with_more_features_than_samples() {
        let (rows, targets) = problem(200, 5, 0.0);
        let fit = ridge(&rows, 5, 0, &targets);
        assert!((fit.weights[0] - 2.0).abs() < 1e-3 && (fit.intercept - 3.0).abs() < 1e-3, "{fit:?}");
        let (rows, targets) = problem(20, 40, 0.5);
        let fit = ridge(&rows, 40, 0, &targets);
        assert!(fit.weights.iter().all(|weight| weight.is_finite()) && fit.strength > STRENGTHS[0], "{fit:?}");
    }

    /// Features that say nothing beside a first one that says all: shrunk, it would lose some of its weight.
    #[test]
    fn what_is_free_keeps_its_weight_under_any_strength() {
        let (rows, _) = problem(30, 20, 0.0);
        let mut stream = Stream::new(2, "test/ridge", 0);
        let targets: Vec<f64> = rows.chunks_exact(20).map(|row| 4.0 * row[0] + 0.8 * stream.normal()).collect();
        let (shrunk, free) = (ridge(&rows, 20, 0, &targets), ridge(&rows, 20, 1, &targets));
        assert!(free.strength >= 10.0 && (free.weights[0] - 4.0).abs() < 0.4, "{free:?}");
        assert!(free.error < shrunk.error, "{} {}", free.error, shrunk.error);
        // Where it never changes, it is no worse than left out.
        let constant: Vec<f64> = rows.chunks_exact(20).flat_map(|row| [&[1.5], &row[1..]].concat()).collect();
        let fit = ridge(&constant, 20, 1, &targets);
        assert!(fit.error.is_finite() && fit.weights.iter().all(|weight| weight.is_finite()), "{fit:?}");
    }

    /// The shortcut against what it stands for: fits to all samples but one.
    #[test]
    fn the_left_one_out_error_is_that_of_fits_without_the_sample() {
        let (rows, targets) = problem(12, 3, 1.0);
        let fit = ridge(&rows, 3, 0, &targets);
        let mean = |j: usize| (0..12).map(|i| rows[i * 3 + j]).sum::<f64>() / 12.0;
        let scale =
            (0..3).map(|j| (0..12).map(|i| (rows[i * 3 + j] - mean(j)).powi(2)).sum::<f64>()).sum::<f64>() / 3.0;
        let mut squares = 0.0;
        for left_out in 0..12 {
            // Normal equations of the others with an intercept, by Gauss's elimination.
            let others: Vec<usize> = (0..12).filter(|&i| i != left_out).collect();
            let x = |i: usize, j: usize| if j == 3 { 1.0 } else { rows[i * 3 + j] };
            let mut system = vec![vec![0.0; 5]; 4];
            for (a, equation) in system.iter_mut().enumerate() {
                for (b, entry) in equation.iter_mut().enumerate().take(4) {
                    *entry = others.iter().map(|&i| x(i, a) * x(i, b)).sum();
                    if a == b && a < 3 {
                        *entry += fit.strength * scale;
                    }
                }
                equation[4] = others.iter().map(|&i| x(i, a) * targets[i]).sum();
            }
            for pivot in 0..4 {
                for other in 0..4 {
                    if other != pivot {
                        let factor = system[other][pivot] / system[pivot][pivot];
                        let row = system[pivot].clone();
                        system[other].iter_mut().zip(row).for_each(|(entry, value)| *entry -= factor * value);
                    }
                }
            }
            let predicted: f64 = (0..4).map(|j| system[j][4] / system[j][j] * x(left_out, j)).sum();
            squares += (targets[left_out] - predicted).powi(2);
        }
        assert!((fit.error - (squares / 12.0).sqrt()).abs() < 1e-9, "{} {}", fit.error, (squares / 12.0).sqrt());
    }
}
