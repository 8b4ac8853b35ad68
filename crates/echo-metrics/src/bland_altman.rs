//! Bland-Altman agreement: the mean of prediction minus truth, and the limits between which about 95 % of the
//! differences lie, `bias +- 1.96 sd` with the sample standard deviation (Bland and Altman, Lancet 1986).
//!
//! The limits are those of the 1986 paper whatever the bootstrap's confidence level, and need two videos.

use crate::sample::Sample;

/// The 97.5th percentile of the normal distribution as the method's authors round it.
const LIMIT: f64 = 1.96;

pub(crate) fn bias(sample: &Sample<'_>) -> f64 {
    sample.mean_of(|truth, prediction| prediction - truth)
}

pub(crate) fn lower_limit(sample: &Sample<'_>) -> Option<f64> {
    Some(bias(sample) - LIMIT * deviation(sample)?)
}

pub(crate) fn upper_limit(sample: &Sample<'_>) -> Option<f64> {
    Some(bias(sample) + LIMIT * deviation(sample)?)
}

fn deviation(sample: &Sample<'_>) -> Option<f64> {
    let bias = bias(sample);
    let variance = sample.mean_of(|truth, prediction| (prediction - truth - bias).powi(2));
    let videos = sample.len() as f64;
    (videos > 1.0).then(|| (variance * (videos / (videos - 1.0))).sqrt())
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric};

    #[test]
    fn too_high_predictions_have_a_positive_bias_inside_the_limits() -> Result<(), Error> {
        // Differences 1, 3, 5: mean 3, sample standard deviation 2.
        let (truth, prediction) = ([50.0, 60.0, 40.0], [51.0, 63.0, 45.0]);
        assert_eq!(Metric::Bias.of(&truth, &prediction)?, Some(3.0));
        assert_eq!(Metric::LowerLimit.of(&truth, &prediction)?, Some(3.0 - 1.96 * 2.0));
        assert_eq!(Metric::UpperLimit.of(&truth, &prediction)?, Some(3.0 + 1.96 * 2.0));
        Ok(())
    }

    #[test]
    fn one_video_has_a_bias_but_no_limits() -> Result<(), Error> {
        assert_eq!(Metric::Bias.of(&[50.0], &[47.0])?, Some(-3.0));
        assert_eq!(Metric::LowerLimit.of(&[50.0], &[47.0])?, None);
        assert_eq!(Metric::UpperLimit.of(&[50.0], &[47.0])?, None);
        Ok(())
    }
}
