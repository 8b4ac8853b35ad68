//! The covariance within classes, shrunk, since a few labelled samples span little of the space.
//!
//! The shrinkage is the oracle approximating one (Chen, Wiesel, Eldar and Hero, "Shrinkage algorithms for MMSE covariance
//! estimation", IEEE Transactions on Signal Processing 58, 2010, equation 23), towards the identity times the mean variance. Its
//! number of samples is that of the degrees of freedom, samples less classes, by which the scatter about class means is divided.
//! With one sample a class nothing is known of the scatter, and the identity takes its place; with one degree of freedom the
//! shrinkage is whole, which is the same.

use super::Rows;

/// The lower factor of a covariance, by which vectors are whitened.
#[derive(Clone, Debug)]
pub(super) struct Whitening {
    /// Row by row, `[dim, dim]`; what is above the diagonal is not read.
    factor: Vec<f64>,
    dim: usize,
}

/// Means of the classes of which there is a sample.
pub(super) fn class_means(train: &Rows, classes: &[usize]) -> Vec<(usize, Vec<f64>)> {
    let mut present = classes.to_vec();
    present.sort_unstable();
    present.dedup();
    let mean = |class: usize| {
        let mut sum = vec![0.0; train.width()];
        let mut count = 0;
        for (row, _) in train.iter().zip(classes).filter(|(_, of)| **of == class) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            count += 1;
        }
        sum.iter_mut().for_each(|sum| *sum /= f64::from(count));
        (class, sum)
    };
    present.into_iter().map(mean).collect()
}

impl Whitening {
    /// By the covariance of `train` about these means of its classes.
    pub(super) fn within_classes(train: &Rows, classes: &[usize], means: &[(usize, Vec<f64>)]) -> Self {
        let dim = train.width();
        let degrees = train.len() - means.len();
        let mut covariance = vec![0.0; dim * dim];
        for (row, class) in train.iter().zip(classes) {
            let Some((_, mean)) = means.iter().find(|(of, _)| of == class) else { continue };
            let residual: Vec<f64> = row.iter().zip(mean).map(|(value, mean)| value - mean).collect();
            for (row, one) in covariance.chunks_exact_mut(dim).zip(&residual) {
                row.iter_mut().zip(&residual).for_each(|(sum, other)| *sum += one * other);
            }
        }
        covariance.iter_mut().for_each(|sum| *sum /= degrees.max(1) as f64);
        shrink(&mut covariance, dim, degrees);
        Self { factor: cholesky(covariance, dim), dim }
    }

    /// What has the identity as its covariance where `vector` has this one.
    pub(super) fn apply(&self, vector: &[f64]) -> Vec<f64> {
        let mut white: Vec<f64> = Vec::with_capacity(self.dim);
        for (place, (row, value)) in self.factor.chunks_exact(self.dim).zip(vector).enumerate() {
            let known: f64 = row.iter().zip(&white).map(|(factor, white)| factor * white).sum();
            white.push((value - known) / row[place]);
        }
        white
    }
}

/// Moves a covariance with so many degrees of freedom towards the identity times its mean variance. Gives how far, from 0 to 1.
fn shrink(covariance: &mut [f64], dim: usize, degrees: usize) -> f64 {
    let trace: f64 = (0..dim).map(|place| covariance[place * dim + place]).sum();
    let squares: f64 = covariance.iter().map(|value| value * value).sum();
    let (width, samples) = (dim as f64, degrees as f64);
    let above = (1.0 - 2.0 / width) * squares + trace * trace;
    let below = (samples + 1.0 - 2.0 / width) * (squares - trace * trace / width);
    // Where all directions vary alike, there is nowhere to go.
    let shrinkage = if below > 0.0 { (above / below).min(1.0) } else { 1.0 };
    let mean = if trace > 0.0 { trace / width } else { 1.0 };
    covariance.iter_mut().for_each(|value| *value *= 1.0 - shrinkage);
    (0..dim).for_each(|place| covariance[place * dim + place] += shrinkage * mean);
    shrinkage
}

/// The lower factor, in place. Shrunk covariances are positive definite.
fn cholesky(mut matrix: Vec<f64>, dim: usize) -> Vec<f64> {
    for row in 0..dim {
        let (above, here) = matrix.split_at_mut(row * dim);
        for column in 0..row {
            let other = &above[column * dim..(column + 1) * dim];
            let known: f64 = here[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            here[column] = (here[column] - known) / other[column];
        }
        let known: f64 = here[..row].iter().map(|value| value * value).sum();
        // Rounding alone can bring it to zero.
        here[row] = (here[row] - known).max(f64::MIN_POSITIVE).sqrt();
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_itself_is_the_matrix_and_whitens() {
        let matrix = vec![4.0, 2.0, 0.4, 2.0, 5.0, 1.0, 0.4, 1.0, 3.0];
        let factor = cholesky(matrix.clone(), 3);
        for row in 0..3 {
            for column in 0..=row {
                let product: f64 = (0..=column).map(|k| factor[row * 3 + k] * factor[column * 3 + k]).sum();
                assert!((product - matrix[row * 3 + column]).abs() < 1e-12, "{factor:?}");
            }
        }
        // The squared length of what is whitened is the product with the inverse: of the first column, its first entry.
        let white = Whitening { factor, dim: 3 }.apply(&[4.0, 2.0, 0.4]);
        assert!((white.iter().map(|value| value * value).sum::<f64>() - 4.0).abs() < 1e-12, "{white:?}");
    }

    #[test]
    fn what_is_known_of_no_or_one_direction_is_shrunk_to_the_identity() {
        let mut nothing = vec![0.0; 4];
        assert_eq!((shrink(&mut nothing, 2, 0), nothing), (1.0, vec![1.0, 0.0, 0.0, 1.0]));
        let direction = [1.0, 2.0, 2.0];
        let mut one: Vec<f64> = direction.iter().flat_map(|a| direction.map(|b| a * b)).collect();
        assert_eq!(shrink(&mut one, 3, 1), 1.0);
        assert_eq!(one, [3.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 3.0]);
        // With many samples what was measured stays.
        let measured = [2.0, 0.5, 0.5, 1.0];
        let mut many = measured.to_vec();
        let shrinkage = shrink(&mut many, 2, 1_000_000);
        assert!(shrinkage < 1e-4 && many.iter().zip(measured).all(|(a, b)| (a - b).abs() < 1e-4), "{many:?}");
    }
}
