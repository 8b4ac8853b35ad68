//! Mahalanobis distance to the nearest class mean, squared, under one covariance of all classes (Lee et al., "A simple unified
//! framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS 2018), negated. The covariance is
//! [shrunk](super::covariance).

use rayon::prelude::*;

use super::Embeddings;
use super::covariance::{Whitening, class_means};

pub(super) fn scores(embeddings: &Embeddings<'_>) -> Vec<f64> {
    let Embeddings { train, classes, samples, .. } = embeddings;
    let means = class_means(train, classes);
    let whitening = Whitening::within_classes(train, classes, &means);
    let means: Vec<Vec<f64>> = means.iter().map(|(_, mean)| whitening.apply(mean)).collect();
    let score = |sample: &[f64]| {
        let white = whitening.apply(sample);
        let square = |mean: &Vec<f64>| white.iter().zip(mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        -means.iter().map(square).fold(f64::INFINITY, f64::min)
    };
    samples.par_iter().map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::ood::Rows;

    /// The same numbers as in `tests/reference/mahalanobis.py`.
    fn numbers(rows: usize, shift: usize) -> Vec<f64> {
        let number = |place: usize| {
            let linear = (place % 4 * (place / 4 % 5)) as f64;
            ((place * 7 + shift) * (place + 3) % 23) as f64 / 11.0 + linear - 1.0
        };
        (0..rows * 4).map(number).collect()
    }

    #[test]
    fn distances_are_those_of_numpy() -> Result<(), Error> {
        let (train, samples) = (Rows::new("train", numbers(19, 1), 4)?, Rows::new("samples", numbers(3, 5), 4)?);
        let classes: Vec<usize> = (0..19).map(|row| row % 3).collect();
        let found = scores(&Embeddings::new(&train, &classes, &samples, 1)?);
        for (found, expected) in found.iter().zip(REFERENCE) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        Ok(())
    }

    #[test]
    fn with_one_sample_a_class_it_is_the_distance_to_the_nearest() -> Result<(), Error> {
        let (train, samples) = (Rows::new("train", numbers(3, 1), 4)?, Rows::new("samples", numbers(5, 5), 4)?);
        let embeddings = Embeddings::new(&train, &[4, 0, 2], &samples, 1)?;
        for (square, distance) in scores(&embeddings).iter().zip(super::super::nearest::scores(&embeddings)) {
            assert!((square + distance * distance).abs() < 1e-9, "{square} {distance}");
        }
        Ok(())
    }

    #[test]
    fn directions_in_which_classes_vary_count_less() -> Result<(), Error> {
        // Both classes vary along the first axis alone; so do samples that are as far from the first mean.
        let along = [-2.0, -1.0, 1.0, 2.0].map(|x| [x, 0.0]).concat();
        let other = [-2.0, -1.0, 1.0, 2.0].map(|x| [x, 9.0]).concat();
        let (train, samples) =
            (Rows::new("train", [along, other].concat(), 2)?, Rows::new("samples", vec![3.0, 0.0, 0.0, -3.0], 2)?);
        let found = scores(&Embeddings::new(&train, &[0, 0, 0, 0, 1, 1, 1, 1], &samples, 1)?);
        assert!(found[0] > 2.0 * found[1], "{found:?}");
        Ok(())
    }

    const REFERENCE: [f64; 3] = [-3.01558259864424, -1.1022145735253763, -0.38497145120738163];
}
