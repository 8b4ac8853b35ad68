//! Pearson's correlation coefficient between truth and prediction.
//!
//! It is undefined when either side is constant, so a constant predictor has none.

use super::{Better, Definition, Of};
use crate::{
    scored::{Kind, Sample},
    values::is_constant,
};

pub(super) const PEARSON: Definition = Definition {
    key: "pearson",
    label: "Pearson r",
    kinds: &[Kind::Regression],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(pearson),
};

fn pearson(sample: &Sample<'_>) -> Option<f64> {
    let values = sample.values()?;
    correlation(|| values.rows().map(|(truth, prediction, count)| (truth, prediction, f64::from(count))))
}

/// Of pairs with their weight.
pub(super) fn correlation<I: Iterator<Item = (f64, f64, f64)>>(pairs: impl Fn() -> I) -> Option<f64> {
    if is_constant(pairs().map(|(x, _, weight)| (x, weight))) || is_constant(pairs().map(|(_, y, weight)| (y, weight)))
    {
        return None;
    }
    let mean_x = mean(pairs(), |x, _| x);
    let mean_y = mean(pairs(), |_, y| y);
    let deviation_x = mean(pairs(), |x, _| (x - mean_x).powi(2)).sqrt();
    let deviation_y = mean(pairs(), |_, y| (y - mean_y).powi(2)).sqrt();
    let covariance = mean(pairs(), |x, y| (x - mean_x) * (y - mean_y));
    // Two divisions: the product of two tiny deviations could underflow. Rounding may leave [-1, 1] by an ulp.
    let r = covariance / deviation_x / deviation_y;
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

fn mean(pairs: impl Iterator<Item = (f64, f64, f64)>, of: impl Fn(f64, f64) -> f64) -> f64 {
    let add = |(sum, weights): (f64, f64), (x, y, weight): (f64, f64, f64)| (sum + weight * of(x, y), weights + weight);
    let (sum, weights) = pairs.fold((0.0, 0.0), add);
    sum / weights
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn scale_and_offset_do_not_matter_but_direction_does() -> Result<(), Error> {
        let truth = [30.0, 40.0, 55.0, 60.0];
        // Exact up to rounding in the two standard deviations.
        let r = |slope: f64| of_values("pearson", &truth, &truth.map(|ef| slope * ef + 7.0));
        assert!(r(0.3)?.is_some_and(|r| (r - 1.0).abs() < 1e-15), "{:?}", r(0.3));
        assert!(r(-2.0)?.is_some_and(|r| (r + 1.0).abs() < 1e-15), "{:?}", r(-2.0));
        Ok(())
    }

    #[test]
    fn a_constant_side_leaves_it_undefined() -> Result<(), Error> {
        assert_eq!(of_values("pearson", &[30.0, 40.0, 50.0], &[0.1; 3])?, None);
        assert_eq!(of_values("pearson", &[0.1; 3], &[30.0, 40.0, 50.0])?, None);
        assert_eq!(of_values("pearson", &[0.0, 1e-200], &[30.0, 40.0])?, None);
        Ok(())
    }
}
