//! Normalised mean absolute error: the MAE over the mean magnitude of the true values, so that errors of targets with
//! different units can be set side by side.
//!
//! The name has several meanings. We divide by the mean and not by the range, which two outliers decide and which grows
//! with the number of videos. It is undefined when all true values are zero.

use super::{Better, Definition, Of, mae::mae};
use crate::scored::{Kind, Sample};

pub(super) const NMAE: Definition = Definition {
    key: "nmae",
    label: "NMAE",
    kinds: &[Kind::Regression],
    better: Better::Lower,
    in_unit: false,
    of: Of::Sample(nmae),
};

fn nmae(sample: &Sample<'_>) -> Option<f64> {
    let size = sample.values()?.mean_of(|truth, _| truth.abs());
    // A large error over a tiny mean overflows.
    Some(mae(sample)? / size).filter(|nmae| nmae.is_finite())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn the_unit_does_not_matter_and_signs_do_not_cancel() -> Result<(), Error> {
        assert_eq!(of_values("nmae", &[50.0, 70.0], &[56.0, 64.0])?, Some(0.1));
        assert_eq!(of_values("nmae", &[500.0, 700.0], &[560.0, 640.0])?, Some(0.1));
        assert_eq!(of_values("nmae", &[-20.0, 20.0], &[-18.0, 18.0])?, Some(0.1));
        assert_eq!(of_values("nmae", &[0.0, 0.0], &[1.0, 2.0])?, None);
        Ok(())
    }
}
