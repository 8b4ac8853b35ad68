//! Root mean squared error, in the target's unit.

use crate::sample::Sample;

pub(crate) fn rmse(sample: &Sample<'_>) -> f64 {
    sample.mean_of(|truth, prediction| (prediction - truth).powi(2)).sqrt()
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric};

    #[test]
    fn the_mean_is_over_videos_and_taken_before_the_root() -> Result<(), Error> {
        assert_eq!(Metric::Rmse.of(&[50.0, 60.0, 40.0, 30.0], &[53.0, 55.0, 41.0, 31.0])?, Some(3.0));
        Ok(())
    }
}
