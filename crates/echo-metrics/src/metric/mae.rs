//! Mean absolute error, in the target's unit.

use super::{Better, Definition, Of};
use crate::scored::{Kind, Sample};

pub(super) const MAE: Definition = Definition {
    key: "mae",
    label: "MAE",
    kinds: &[Kind::Regression],
    better: Better::Lower,
    in_unit: true,
    of: Of::Sample(mae),
};

pub(super) fn mae(sample: &Sample<'_>) -> Option<f64> {
    Some(sample.values()?.mean_of(|truth, prediction| (prediction - truth).abs()))
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn errors_of_both_signs_add_up() -> Result<(), Error> {
        assert_eq!(of_values("mae", &[50.0, 60.0, 40.0], &[53.0, 54.0, 40.0])?, Some(3.0));
        Ok(())
    }
}
