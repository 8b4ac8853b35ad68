//! Distance to the k-th nearest labelled sample (Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML
//! 2022), negated.

use rayon::prelude::*;

use super::Embeddings;

/// Of embeddings that are compared as they are; the paper brings them to length one.
pub(super) fn scores(embeddings: &Embeddings<'_>) -> Vec<f64> {
    let Embeddings { train, samples, neighbours, .. } = embeddings;
    let score = |sample: &[f64]| {
        let square = |row: &[f64]| row.iter().zip(sample).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let mut squares: Vec<f64> = train.iter().map(square).collect();
        let (_, kth, _) = squares.select_nth_unstable_by(neighbours - 1, f64::total_cmp);
        -kth.sqrt()
    };
    samples.par_iter().map(score).collect()
}

#[cfg(test)]
mod tests {
    use echo_random::Stream;

    use super::*;
    use crate::Error;
    use crate::ood::Rows;

    #[test]
    fn the_kth_distance_is_that_of_sorting_all() -> Result<(), Error> {
        let mut stream = Stream::new(5, "test/ood", 0);
        let mut draw = |rows: usize| (0..rows * 4).map(|_| stream.normal()).collect::<Vec<f64>>();
        let (labelled, others) = (draw(11), draw(6));
        let (train, samples) = (Rows::new("train", labelled, 4)?, Rows::new("samples", others, 4)?);
        for k in [1, 2, 5, 11] {
            let found = scores(&Embeddings::new(&train, &[0; 11], &samples, k)?);
            for (sample, score) in samples.iter().zip(found) {
                let distance = |row: &[f64]| {
                    ((row[0] - sample[0]).powi(2)
                        + (row[1] - sample[1]).powi(2)
                        + (row[2] - sample[2]).powi(2)
                        + (row[3] - sample[3]).powi(2))
                    .sqrt()
                };
                let mut all: Vec<f64> = train.iter().map(distance).collect();
                all.sort_by(f64::total_cmp);
                assert!((score + all[k - 1]).abs() < 1e-12, "{k}: {score} {all:?}");
            }
        }
        Ok(())
    }
}
