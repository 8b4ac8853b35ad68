//! Pearson's correlation coefficient between truth and prediction.
//!
//! It is undefined when either side is constant, so a constant predictor has none.

use crate::sample::Sample;

pub(crate) fn pearson(sample: &Sample<'_>) -> Option<f64> {
    if sample.is_constant(|truth, _| truth) || sample.is_constant(|_, prediction| prediction) {
        return None;
    }
    let mean_truth = sample.mean_of(|truth, _| truth);
    let mean_prediction = sample.mean_of(|_, prediction| prediction);
    let deviation_truth = sample.mean_of(|truth, _| (truth - mean_truth).powi(2)).sqrt();
    let deviation_prediction = sample.mean_of(|_, prediction| (prediction - mean_prediction).powi(2)).sqrt();
    let covariance = sample.mean_of(|truth, prediction| (truth - mean_truth) * (prediction - mean_prediction));
    // Two divisions: the product of two tiny deviations could underflow. Rounding may leave [-1, 1] by an ulp.
    let r = covariance / deviation_truth / deviation_prediction;
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric};

    #[test]
    fn scale_and_offset_do_not_matter_but_direction_does() -> Result<(), Error> {
        let truth = [30.0, 40.0, 55.0, 60.0];
        // Exact up to rounding in the two standard deviations.
        let r = |slope: f64| Metric::Pearson.of(&truth, &truth.map(|ef| slope * ef + 7.0));
        assert!(r(0.3)?.is_some_and(|r| (r - 1.0).abs() < 1e-15), "{:?}", r(0.3));
        assert!(r(-2.0)?.is_some_and(|r| (r + 1.0).abs() < 1e-15), "{:?}", r(-2.0));
        Ok(())
    }

    #[test]
    fn a_constant_side_leaves_it_undefined() -> Result<(), Error> {
        assert_eq!(Metric::Pearson.of(&[30.0, 40.0, 50.0], &[0.1; 3])?, None);
        assert_eq!(Metric::Pearson.of(&[0.1; 3], &[30.0, 40.0, 50.0])?, None);
        assert_eq!(Metric::Pearson.of(&[0.0, 1e-200], &[30.0, 40.0])?, None);
        Ok(())
    }
}
