//! The percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).
//!
//! A resample draws as many patients as there are, with replacement, each with all of its rows (the cluster bootstrap of
//! Davison and Hinkley 1997, section 3.8): rows of one patient resemble each other. The interval runs between the quantiles
//! `(1 - level) / 2` and `(1 + level) / 2` of the resampled values, interpolated linearly between neighbours (type
//! 7 of Hyndman and Fan 1996, NumPy's default). It is not corrected for bias or skewness. A resample on which the
//! metric is undefined has no value; such resamples are left out of the quantiles and counted.

use std::fmt;

use echo_random::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    scored::{Sample, Scored},
};

/// More resamples than this gain no digit that means anything, and no longer surely fit into memory.
pub const MAX_SAMPLES: usize = 1_000_000;

/// How many resamples to draw, from which seed, for which confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapOptions {
    /// The number of resamples, 1 to [`MAX_SAMPLES`].
    pub samples: usize,
    /// The same seed draws the same patients by their place in the input, whatever is predicted for them.
    pub seed: u64,
    /// The probability that the interval is meant to have, between 0 and 1.
    pub level: f64,
}

impl Default for BootstrapOptions {
    /// 10,000 resamples, 95 %.
    fn default() -> Self {
        Self { samples: 10_000, seed: 0, level: 0.95 }
    }
}

impl BootstrapOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.samples == 0 || self.samples > MAX_SAMPLES {
            return Err(Error::Samples { samples: self.samples });
        }
        if self.level > 0.0 && self.level < 1.0 { Ok(()) } else { Err(Error::Level { level: self.level }) }
    }

    /// `each` of the resamples, in their order. It is given numbers of patients, as many as there are patients.
    ///
    /// Resample number i is a stream of its own, so neither the threads' number nor their order changes anything.
    pub(crate) fn resample<T: Send>(&self, patients: usize, each: impl Fn(&[usize]) -> T + Sync) -> Vec<T> {
        (0..self.samples)
            .into_par_iter()
            .map_init(
                || vec![0; patients],
                |draws, index| {
                    let mut stream = Stream::new(self.seed, "metrics/bootstrap", index as u64);
                    draws.iter_mut().for_each(|draw| *draw = stream.below(patients));
                    each(draws)
                },
            )
            .collect()
    }

    /// `each` of the resamples of the rows, in their order.
    pub(crate) fn resample_rows<T: Send>(&self, scored: &Scored, each: impl Fn(&Sample<'_>) -> T + Sync) -> Vec<T> {
        let patients = scored.patients();
        self.resample(patients.count(), |draws| each(&scored.sample(&scored.drawn(draws))))
    }

    /// The interval around `value`, given the value of each resample where it has one; `None` when none has.
    pub(crate) fn interval(&self, value: f64, resampled: impl Iterator<Item = Option<f64>>) -> Option<Interval> {
        let mut sorted: Vec<f64> = resampled.flatten().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Interval {
            value,
            low: quantile(&sorted, (1.0 - self.level) / 2.0)?,
            high: quantile(&sorted, (1.0 + self.level) / 2.0)?,
            degenerate: self.samples - sorted.len(),
        })
    }
}

/// A value and its percentile bootstrap interval.
///
/// As text `7.12 [6.80, 7.45]`, with as many decimals as the format asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// On the data themselves.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How many resamples were left out because the metric is undefined on them. With more than a few per cent
    /// of them the interval describes only the resamples that resemble the data.
    pub degenerate: usize,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        write!(f, "{:.decimals$} [{:.decimals$}, {:.decimals$}]", self.value, self.low, self.high)
    }
}

fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = sorted.len().checked_sub(1)? as f64 * q;
    let low = *sorted.get(at as usize)?;
    let high = *sorted.get(at as usize + 1).unwrap_or(&low);
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        // numpy.quantile([1, 2, 4, 8, 16], [0, 0.1, 0.5, 0.9, 1])
        let expected = [(0.0, 1.0), (0.1, 1.4), (0.5, 4.0), (0.9, 12.8), (1.0, 16.0)];
        for (q, value) in expected {
            // Rounding of one product and one sum.
            assert!(quantile(&sorted, q).is_some_and(|got| (got - value).abs() < 1e-14), "{q}");
        }
        assert_eq!(quantile(&[3.0], 0.7), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_resample_draws_every_place_equally_often_and_no_other() {
        let options = BootstrapOptions { samples: 7_000, seed: 3, level: 0.95 };
        let mut counts = [0u32; 10];
        for draws in options.resample(10, <[usize]>::to_vec) {
            assert_eq!(draws.len(), 10);
            draws.iter().for_each(|&draw| counts[draw] += 1);
        }
        // Five standard deviations of a binomial count: 5 * sqrt(70,000 * 0.1 * 0.9).
        assert!(counts.iter().all(|&count| count.abs_diff(7_000) < 397), "{counts:?}");
    }

    #[test]
    fn undefined_resamples_are_counted_and_left_out() {
        let options = BootstrapOptions { samples: 6, seed: 0, level: 0.5 };
        let interval = options.interval(2.0, [None, Some(3.0), Some(1.0), None, Some(2.0), None].into_iter());
        assert_eq!(interval, Some(Interval { value: 2.0, low: 1.5, high: 2.5, degenerate: 3 }));
        assert_eq!(interval.map(|interval| format!("{interval:.1}")).as_deref(), Some("2.0 [1.5, 2.5]"));
        assert_eq!(options.interval(2.0, [None; 6].into_iter()), None);
    }

    #[test]
    fn options_that_mean_nothing_are_refused() {
        let check = |samples, level| BootstrapOptions { samples, seed: 0, level }.check();
        assert_eq!(check(0, 0.95), Err(Error::Samples { samples: 0 }));
        assert_eq!(check(MAX_SAMPLES + 1, 0.95), Err(Error::Samples { samples: MAX_SAMPLES + 1 }));
        for level in [0.0, 1.0, -0.5, 95.0, f64::NAN] {
            assert!(matches!(check(1, level), Err(Error::Level { .. })), "{level}");
        }
        assert_eq!(check(MAX_SAMPLES, 0.999), Ok(()));
    }
}
