//! What callers can get wrong.

use crate::{bootstrap::MAX_SAMPLES, scored::Kind};

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
    #[error("`{row}` has {got} rows but `truth` has {want}; give one per video, in the same order")]
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

    /// A number that is no probability.
    #[error(
        "row {row} has the probability {value}; probabilities lie between 0 and 1 (logits need a softmax or sigmoid)"
    )]
    Probability {
        /// Where in the rows.
        row: usize,
        /// What stands there.
        value: f64,
    },

    /// A threshold that is no probability.
    #[error("the threshold is {threshold}; it is a probability, between 0 and 1")]
    Threshold {
        /// What was given.
        threshold: f64,
    },

    /// Probabilities of classes of which one must be true.
    #[error("the probabilities of row {row} add up to {sum} instead of 1; scores need a softmax")]
    Sum {
        /// Where in the rows.
        row: usize,
        /// What they add up to.
        sum: f64,
    },

    /// A row that is too long or too short.
    #[error("row {row} of `{name}` has {got} entries; give one for each of the {want} classes or labels")]
    Width {
        /// The name of the rows.
        name: &'static str,
        /// Where in them.
        row: usize,
        /// Its entries.
        got: usize,
        /// The number of classes or labels.
        want: usize,
    },

    /// A true class that there is not.
    #[error("row {row} is of class {class}, but there are {classes} classes, counted from 0")]
    Class {
        /// Where in the rows.
        row: usize,
        /// What stands there.
        class: usize,
        /// How many there are.
        classes: usize,
    },

    /// Names of classes or labels that cannot tell them apart.
    #[error("classes or labels are `{names}`; give at least {least}, each with a name of its own")]
    Names {
        /// The names.
        names: String,
        /// How many there must be.
        least: usize,
    },

    /// A class or label that there is not.
    #[error("there is no class or label `{class}`; known are: {known}")]
    UnknownClass {
        /// What was asked for.
        class: String,
        /// What there is.
        known: String,
    },

    /// Something that another kind of prediction has.
    #[error("{what} is not defined for a {kind}")]
    Kind {
        /// A metric, a curve.
        what: String,
        /// What is predicted.
        kind: Kind,
    },

    /// Positive and negative rows are needed.
    #[error("there is no {side} row; without both positive and negative ones no threshold is better than another")]
    OneSided {
        /// Which there is not.
        side: &'static str,
    },

    /// Predictions that are not of the same rows.
    #[error("predictions can be compared only on the same rows, with the same truth, patients and order")]
    Unpaired,

    /// A text that is no rank of true values.
    #[error("`{text}` is no rank; write `first-last` or `first+` in whole numbers, such as `31-45` or `71+`")]
    Rank {
        /// The text.
        text: String,
    },

    /// A text that is no metric's key.
    #[error("`{text}` is no metric; known are {known}")]
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

/// Refuses what has not one entry for each of `want` rows, or no row at all.
pub(crate) fn check_length(row: &'static str, got: usize, want: usize) -> Result<(), Error> {
    match want {
        0 => Err(Error::Empty { row: "truth" }),
        _ if got == want => Ok(()),
        _ => Err(Error::Length { row, got, want }),
    }
}

/// Refuses what is no probability, NaN included.
pub(crate) fn check_probabilities(values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|value| !(0.0..=1.0).contains(value)) {
        Some(row) => Err(Error::Probability { row, value: values[row] }),
        None => Ok(()),
    }
}

/// Refuses a row that is not usable or does not match the truth video for video.
pub(crate) fn check_pair(truth: &[f64], row: &'static str, values: &[f64]) -> Result<(), Error> {
    check_row("truth", truth)?;
    check_length(row, values.len(), truth.len())?;
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
            "`prediction` has 2 rows but `truth` has 1; give one per video, in the same order"
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
