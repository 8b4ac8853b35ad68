//! Mean absolute error, in the target's unit.

use crate::sample::Sample;

pub(crate) fn mae(sample: &Sample<'_>) -> f64 {
    sample.mean_of(|truth, prediction| (prediction - truth).abs())
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric};

    #[test]
    fn errors_of_both_signs_add_up() -> Result<(), Error> {
        assert_eq!(Metric::Mae.of(&[50.0, 60.0, 40.0], &[53.0, 54.0, 40.0])?, Some(3.0));
        Ok(())
    }
}
