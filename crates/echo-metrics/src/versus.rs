//! Whether two sets of predictions on the same videos differ in mean absolute error: the paired bootstrap.
//!
//! Both sets are resampled together, so what makes a video hard for both cancels. The p-value is the inversion of
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
    /// MAE of the first set minus MAE of the second, in EF points: negative where the first is better.
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
/// All rows are in EF points, one value per video in the same order.
///
/// # Errors
/// When the rows are empty, differ in length or hold a value that is not finite, or the options make no sense.
pub fn compare(truth: &[f64], first: &[f64], second: &[f64], options: &BootstrapOptions) -> Result<Comparison, Error> {
    options.check()?;
    check_pair(truth, "first", first)?;
    check_pair(truth, "second", second)?;
    let videos = truth.len();
    let differences: Vec<f64> =
        truth.iter().zip(first).zip(second).map(|((t, a), b)| (a - t).abs() - (b - t).abs()).collect();
    let mean = |sum: f64| sum / videos as f64;

    let resampled = options.resample(videos, |draws| mean(draws.iter().map(|&video| differences[video]).sum()));
    let interval = options.interval(mean(differences.iter().sum()), resampled.iter().copied().map(Some));
    // Never reached: there is at least one resample and the mean always exists.
    let difference = interval.ok_or(Error::Samples { samples: options.samples })?;

    let tail = |beyond: fn(&f64) -> bool| resampled.iter().copied().filter(beyond).count() + 1;
    let smaller = tail(|&difference| difference <= 0.0).min(tail(|&difference| difference >= 0.0));
    let p = (2.0 * smaller as f64 / (options.samples + 1) as f64).min(1.0);
    let tied = difference.low <= 0.0 && difference.high >= 0.0;
    Ok(Comparison { difference, p, tied, videos, bootstrap: options.clone() })
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
