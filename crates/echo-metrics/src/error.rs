//! What callers can get wrong.

use crate::bootstrap::MAX_SAMPLES;

/// Magnitudes up to this keep every sum of squares finite for any number of values that fits into memory.
pub(crate) const MAX_MAGNITUDE: f64 = 1e100;

/// An input for which no honest number exists.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to average.
    #[error("`{row}` is empty; a metric needs at least one value")]
    Empty {
        /// The name of the row.
        row: &'static str,
    },

    /// A prediction is missing, or one too many.
    #[error("`{row}` has {got} values but `truth` has {want}; give one per video, in the same order")]
    Length {
        /// The name of the row that does not fit.
        row: &'static str,
        /// Its length.
        got: usize,
        /// The number of true values.
        want: usize,
    },

    /// A value that is NaN, infinite, or so large that its square could overflow.
    #[error("`{row}[{index}]` is {value}; values must be finite and at most {MAX_MAGNITUDE:e} in magnitude")]
    Value {
        /// The name of the row.
        row: &'static str,
        /// Where in the row.
        index: usize,
        /// What stands there.
        value: f64,
    },

    /// A number of resamples that gives no interval, or does not fit into memory.
    #[error("{samples} bootstrap samples were asked for; give 1 to {MAX_SAMPLES} (10000 is usual)")]
    Samples {
        /// The number asked for.
        samples: usize,
    },

    /// A confidence level that is not a probability.
    #[error("the confidence level is {level}; it must lie between 0 and 1, such as 0.95")]
    Level {
        /// The level asked for.
        level: f64,
    },

    /// The metric exists on the data but on none of their resamples.
    #[error("`{metric}` is undefined on every one of the {samples} bootstrap samples; draw more of them")]
    NoResample {
        /// The metric's key.
        metric: String,
        /// How many were drawn.
        samples: usize,
    },

    /// A text that is no rank of true values.
    #[error("`{text}` is no rank; write `first-last` or `first+` in whole numbers, such as `31-45` or `71+`")]
    Rank {
        /// The text.
        text: String,
    },

    /// A text that is no metric's key.
    #[error("`{text}` is no metric; known are {known}, auc_below_N and mae_within_RANK")]
    UnknownMetric {
        /// The text.
        text: String,
        /// The keys of the registry.
        known: String,
    },
}

/// Refuses an empty row and values that no metric can use.
pub(crate) fn check_row(row: &'static str, values: &[f64]) -> Result<(), Error> {
    if values.is_empty() {
        return Err(Error::Empty { row });
    }
    // Written so that NaN, which compares false with everything, is found too.
    match values.iter().position(|value| !matches!(value.abs(), 0.0..=MAX_MAGNITUDE)) {
        Some(index) => Err(Error::Value { row, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Refuses a row that is not usable or does not match the truth video for video.
pub(crate) fn check_pair(truth: &[f64], row: &'static str, values: &[f64]) -> Result<(), Error> {
    check_row("truth", truth)?;
    if values.len() != truth.len() {
        return Err(Error::Length { row, got: values.len(), want: truth.len() });
    }
    check_row(row, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_row_the_place_and_the_fix() {
        let error = check_pair(&[50.0, 60.0], "prediction", &[50.0, f64::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "`prediction[1]` is NaN; values must be finite and at most 1e100 in magnitude");
        let error = check_pair(&[50.0], "prediction", &[50.0, 51.0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`prediction` has 2 values but `truth` has 1; give one per video, in the same order"
        );
    }

    #[test]
    fn unusable_values_are_refused_in_either_row() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e100, -1.1e100] {
            let (good, bad) = ([1.0, 2.0, 3.0], [1.0, 2.0, value]);
            assert!(matches!(check_pair(&bad, "prediction", &good), Err(Error::Value { row: "truth", index: 2, .. })));
            assert!(matches!(
                check_pair(&good, "prediction", &bad),
                Err(Error::Value { row: "prediction", index: 2, .. })
            ));
        }
        assert_eq!(check_pair(&[], "prediction", &[]), Err(Error::Empty { row: "truth" }));
        assert_eq!(check_pair(&[1.0], "prediction", &[]), Err(Error::Length { row: "prediction", got: 0, want: 1 }));
        assert_eq!(check_pair(&[-0.0, 1e100], "prediction", &[0.0, -1e100]), Ok(()));
    }
}
