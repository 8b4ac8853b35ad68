//! A value from prompts of every value.

/// One over the share of the ranks whose median is the answer.
pub(super) const FIFTH: usize = 5;

/// A value from prompts of every value: the lower median of the best fifth of `values`, ranked in every frame by similarity
/// and averaged over frames. Each of `frames` has the similarities to the prompts, of which `values` has the meanings: at
/// least five.
///
/// # Panics
/// When there are fewer values, or a frame has fewer similarities.
pub fn ranked_value<'a>(frames: impl Iterator<Item = &'a [f32]>, values: &[f64]) -> f64 {
    let mut count = 0;
    let mut sums = vec![0.0; values.len()];
    let mut order: Vec<usize> = Vec::with_capacity(values.len());
    for frame in frames {
        count += 1;
        order.clear();
        order.extend(0..values.len());
        // Stable: prompts of one similarity keep their order.
        order.sort_by(|&a, &b| frame[b].total_cmp(&frame[a]));
        sums.iter_mut().zip(&order).for_each(|(sum, &prompt)| *sum += values[prompt]);
    }
    // Rounds down, as upstream's `int(0.2 * n)` does.
    let best = &mut sums[..values.len() / FIFTH];
    best.sort_by(f64::total_cmp);
    best[(best.len() - 1) / 2] / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::zero_shot::Similarities;

    fn of(frames: &[[f32; 20]]) -> Result<f64, Error> {
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        Ok(ranked_value(Similarities::new(frames.concat(), 20)?.rows(), &values))
    }

    #[test]
    fn ranks_are_averaged_over_frames_and_the_lower_median_of_the_best_fifth_counts() -> Result<(), Error> {
        let rising = std::array::from_fn(|prompt| prompt as f32 / 100.0);
        let falling = rising.map(|similarity| -similarity);
        // 19, 18, 17, 16: the lower middle one is 17. With 0, 1, 2, 3 every position has the mean 9.5.
        assert_eq!((of(&[rising])?, of(&[falling])?, of(&[rising, falling])?), (17.0, 1.0, 9.5));
        // Sums of 38, 37, 36 and 35 over three frames.
        assert_eq!(of(&[rising, rising, falling])?, 12.0);
        Ok(())
    }

    #[test]
    fn equally_similar_prompts_keep_their_order() -> Result<(), Error> {
        assert_eq!(of(&[[0.25; 20]])?, 1.0);
        // Minus zero is not less similar.
        let mut zeros = [0.0; 20];
        zeros[1] = -0.0;
        assert_eq!(of(&[zeros])?, 1.0);
        Ok(())
    }

    #[test]
    fn of_five_prompts_the_best_counts() {
        let similarities = Similarities::new(vec![0.1, 0.2, 0.5, 0.4, 0.3], 5).expect("cosines");
        assert_eq!(ranked_value(similarities.rows(), &[10.0, 20.0, 30.0, 40.0, 50.0]), 30.0);
    }
}
