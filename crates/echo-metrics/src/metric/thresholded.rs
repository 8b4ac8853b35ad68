//! What a binary classification does at its threshold: sensitivity (recall of positives), specificity (recall of negatives),
//! positive and negative predictive value, and F1. Each is undefined where its denominator is empty, F1 also without a
//! positive row.

use super::{Better, Definition, Of};
use crate::scored::Kind;

pub(super) const SENSITIVITY: Definition = Definition {
    key: "sensitivity",
    label: "Sensitivity",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| sample.confusion()?.recall(1)),
};

pub(super) const SPECIFICITY: Definition = Definition {
    key: "specificity",
    label: "Specificity",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| sample.confusion()?.recall(0)),
};

pub(super) const PPV: Definition = Definition {
    key: "ppv",
    label: "PPV",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| sample.confusion()?.precision(1)),
};

pub(super) const NPV: Definition = Definition {
    key: "npv",
    label: "NPV",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| sample.confusion()?.precision(0)),
};

pub(super) const F1: Definition = Definition {
    key: "f1",
    label: "F1",
    kinds: &[Kind::Binary],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(|sample| sample.confusion()?.f1(1)),
};

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    #[test]
    fn the_threshold_itself_is_positive_and_empty_denominators_are_undefined() -> Result<(), Error> {
        // At 0.5: 2 of 3 positives found, 1 of 2 negatives cleared.
        let (truth, probability) = ([true, true, true, false, false], [0.9, 0.5, 0.4, 0.6, 0.1]);
        let of = |key| of_binary(key, &truth, &probability);
        assert_eq!((of("sensitivity")?, of("specificity")?), (Some(2.0 / 3.0), Some(0.5)));
        assert_eq!((of("ppv")?, of("npv")?, of("f1")?), (Some(2.0 / 3.0), Some(0.5), Some(4.0 / 6.0)));
        assert_eq!(of_binary("ppv", &truth, &[0.1; 5])?, None);
        assert_eq!(of_binary("f1", &truth, &[0.1; 5])?, Some(0.0));
        assert_eq!(of_binary("f1", &[false; 5], &[0.9; 5])?, None);
        Ok(())
    }
}
