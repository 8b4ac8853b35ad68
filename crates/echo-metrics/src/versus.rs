//! Whether sets of predictions on the same videos differ in mean absolute error: the paired bootstrap.
//!
//! The sets are resampled together, so what makes a video hard for all cancels. The p-value is the inversion of
//! the percentile interval: twice the smaller tail beyond zero, where one is added to both counts so that p is
//! never zero (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 4.2).

use serde::{Deserialize, Serialize};

use crate::{
    bootstrap::{BootstrapOptions, Interval},
    error::{Error, check_pair},
};

/// The outcome of [`compare`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// MAE of the first set minus MAE of the second, in the target's unit: negative where the first is better.
    pub difference: Interval,
    /// Two-sided: how readily a difference of either sign at least this clear arises when there is none.
    pub p: f64,
    /// Whether zero lies inside the interval, so that the data do not say which of the two is better.
    pub tied: bool,
    /// How many videos were compared.
    pub videos: usize,
    /// How the interval was drawn.
    pub bootstrap: BootstrapOptions,
}

/// Compares two sets of predictions by their mean absolute error on the same videos.
///
/// All rows are in the target's unit, one value per video in the same order.
///
/// # Errors
/// When the rows are empty, differ in length or hold a value that is not finite, or the options make no sense.
pub fn compare(truth: &[f64], first: &[f64], second: &[f64], options: &BootstrapOptions) -> Result<Comparison, Error> {
    options.check()?;
    check_pair(truth, "first", first)?;
    check_pair(truth, "second", second)?;
    let differences = truth.iter().zip(first).zip(second).map(|((t, a), b)| (a - t).abs() - (b - t).abs()).collect();
    let mut comparisons = compare_differences(&[differences], AT_ONCE, options)?;
    // Never reached: one set of differences has one comparison.
    comparisons.pop().ok_or(Error::Samples { samples: options.samples })
}

/// Compares several sets of absolute errors with those of `reference`, all from the same resamples: for errors that
/// are means over seeds, whose mean is the MAE that a table shows. A [`Comparison::difference`] is a set's error minus
/// the reference's, positive where the reference is better.
///
/// # Errors
/// As for [`compare`]; a set is called `errors`, the reference `truth`.
pub fn compare_errors(
    reference: &[f64],
    sets: &[&[f64]],
    options: &BootstrapOptions,
) -> Result<Vec<Comparison>, Error> {
    options.check()?;
    sets.iter().try_for_each(|errors| check_pair(reference, "errors", errors))?;
    let differences = |errors: &&[f64]| errors.iter().zip(reference).map(|(error, other)| error - other).collect();
    compare_differences(&sets.iter().map(differences).collect::<Vec<_>>(), AT_ONCE, options)
}

/// Resampled means that are held at once; more sets are compared one part after another.
const AT_ONCE: usize = 1 << 24;

/// Whether each set's differences have a mean other than zero; every set has one for every video.
fn compare_differences(
    sets: &[Vec<f64>],
    at_once: usize,
    options: &BootstrapOptions,
) -> Result<Vec<Comparison>, Error> {
    let mut comparisons = Vec::with_capacity(sets.len());
    for part in sets.chunks((at_once / options.samples).max(1)) {
        let videos = part[0].len();
        // Video by video, so that a resample adds neighbours.
        let by_video: Vec<f64> = (0..videos).flat_map(|video| part.iter().map(move |set| set[video])).collect();
        let resampled = options.resample(videos, |draws| {
            let mut sums = vec![0.0; part.len()];
            for &video in draws {
                let of_video = &by_video[video * part.len()..(video + 1) * part.len()];
                sums.iter_mut().zip(of_video).for_each(|(sum, difference)| *sum += difference);
            }
            sums.iter_mut().for_each(|sum| *sum /= videos as f64);
            sums
        });
        for (column, set) in part.iter().enumerate() {
            let means = || resampled.iter().map(|means| means[column]);
            let interval = options.interval(set.iter().sum::<f64>() / videos as f64, means().map(Some));
            // Never reached: there is at least one resample and the mean always exists.
            let difference = interval.ok_or(Error::Samples { samples: options.samples })?;
            let tail = |beyond: fn(&f64) -> bool| means().filter(beyond).count() + 1;
            let smaller = tail(|&difference| difference <= 0.0).min(tail(|&difference| difference >= 0.0));
            let p = (2.0 * smaller as f64 / (options.samples + 1) as f64).min(1.0);
            let tied = difference.low <= 0.0 && difference.high >= 0.0;
            comparisons.push(Comparison { difference, p, tied, videos, bootstrap: options.clone() });
        }
    }
    Ok(comparisons)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BootstrapOptions = BootstrapOptions { samples: 2_000, seed: 4, level: 0.95 };
    const TRUTH: [f64; 8] = [20.0, 35.0, 41.0, 50.0, 55.0, 58.0, 63.0, 70.0];

    #[test]
    fn a_set_ties_with_itself() -> Result<(), Error> {
        let first = TRUTH.map(|ef| ef + 3.0);
        let same = compare(&TRUTH, &first, &first, &OPTIONS)?;
        assert_eq!(same.difference, Interval { value: 0.0, low: 0.0, high: 0.0, degenerate: 0 });
        assert_eq!((same.p, same.tied), (1.0, true));
        Ok(())
    }

    #[test]
    fn a_set_that_is_better_on_every_video_wins() -> Result<(), Error> {
        let (good, bad) = (TRUTH.map(|ef| ef + 1.0), TRUTH.map(|ef| ef - 0.1 * ef));
        let won = compare(&TRUTH, &good, &bad, &OPTIONS)?;
        assert!(won.difference.value < 0.0 && won.difference.high < 0.0, "{won:?}");
        // No resample beyond zero: the smallest p that 2,000 resamples can give.
        assert_eq!((won.p, won.tied), (2.0 / 2_001.0, false));
        Ok(())
    }

    #[test]
    fn swapping_the_sets_mirrors_the_answer() -> Result<(), Error> {
        let first = [22.0, 30.0, 44.0, 51.0, 50.0, 58.5, 66.0, 64.0];
        let second = [21.0, 31.0, 47.0, 46.0, 52.0, 58.0, 61.0, 69.0];
        let (there, back) = (compare(&TRUTH, &first, &second, &OPTIONS)?, compare(&TRUTH, &second, &first, &OPTIONS)?);
        assert_eq!(there.difference.value, -back.difference.value);
        assert_eq!((there.p, there.tied), (back.p, back.tied));
        // Rounding: the quantile is interpolated from the other neighbour.
        assert!((there.difference.low + back.difference.high).abs() < 1e-12, "{there:?} {back:?}");
        Ok(())
    }

    /// The difference of the means is the mean of the differences only if each resample pairs the same videos.
    #[test]
    fn the_pairing_is_kept() -> Result<(), Error> {
        let first = [10.0, 25.0, 31.0, 40.0, 45.0, 88.0, 93.0, 100.0];
        let second = [9.0, 24.0, 30.0, 39.0, 44.0, 89.0, 94.0, 101.0];
        let paired = compare(&TRUTH, &first, &second, &OPTIONS)?;
        // Each video is worse by exactly one point: resampled apart, the error's own spread would show.
        assert!((paired.difference.low + 1.0).abs() < 1e-12 && (paired.difference.high + 1.0).abs() < 1e-12);
        Ok(())
    }

    /// Sets side by side give each the bits that it has alone, also when they are too many to be held at once.
    #[test]
    fn sets_that_share_their_resamples_do_not_mix() -> Result<(), Error> {
        let sets = [TRUTH.map(|ef| ef + 2.0), TRUTH.map(|ef| 0.9 * ef), TRUTH.map(|ef| 70.0 - 0.3 * ef)];
        let reference = TRUTH.map(|ef| 1.1 * ef - 2.0);
        let errors = |set: &[f64; 8]| -> Vec<f64> { set.iter().zip(TRUTH).map(|(p, t)| (p - t).abs()).collect() };
        let of_sets: Vec<Vec<f64>> = sets.iter().map(errors).collect();
        let slices: Vec<&[f64]> = of_sets.iter().map(Vec::as_slice).collect();
        let together = compare_errors(&errors(&reference), &slices, &OPTIONS)?;
        let alone: Result<Vec<_>, _> = sets.iter().map(|set| compare(&TRUTH, set, &reference, &OPTIONS)).collect();
        assert_eq!(together, alone?);
        let reference = errors(&reference);
        let difference = |set: &Vec<f64>| set.iter().zip(&reference).map(|(error, other)| error - other).collect();
        let differences: Vec<Vec<f64>> = of_sets.iter().map(difference).collect();
        assert_eq!(together, compare_differences(&differences, 2 * OPTIONS.samples, &OPTIONS)?);
        assert_eq!(compare_errors(&reference, &[], &OPTIONS)?, []);
        Ok(())
    }

    #[test]
    fn the_row_at_fault_is_named() {
        assert_eq!(
            compare(&TRUTH, &TRUTH, &TRUTH[1..], &OPTIONS),
            Err(Error::Length { row: "second", got: 7, want: 8 })
        );
        assert!(matches!(
            compare(&TRUTH, &[f64::INFINITY; 8], &TRUTH, &OPTIONS),
            Err(Error::Value { row: "first", index: 0, .. })
        ));
        assert_eq!(compare(&[], &[], &[], &OPTIONS), Err(Error::Empty { row: "truth" }));
    }
}
