//! Root mean squared error, in the target's unit.

use super::{Better, Definition, Of};
use crate::scored::{Kind, Sample};

pub(super) const RMSE: Definition = Definition {
    key: "rmse",
    label: "RMSE",
    kinds: &[Kind::Regression],
    better: Better::Lower,
    in_unit: true,
    of: Of::Sample(rmse),
};

fn rmse(sample: &Sample<'_>) -> Option<f64> {
    Some(sample.values()?.mean_of(|truth, prediction| (prediction - truth).powi(2)).sqrt())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn the_mean_is_over_videos_and_taken_before_the_root() -> Result<(), Error> {
        assert_eq!(of_values("rmse", &[50.0, 60.0, 40.0, 30.0], &[53.0, 55.0, 41.0, 31.0])?, Some(3.0));
        Ok(())
    }
}
