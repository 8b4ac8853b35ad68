//! Bland-Altman agreement: the mean of prediction minus truth, and the limits between which about 95 % of the
//! differences lie, `bias +- 1.96 sd` with the sample standard deviation (Bland and Altman, Lancet 1986).
//!
//! The limits are those of the 1986 paper whatever the bootstrap's confidence level, and need two videos.

use super::{Better, Definition, Of};
use crate::{
    scored::{Kind, Sample},
    values::CountedValues,
};

pub(super) const BIAS: Definition = Definition {
    key: "bias",
    label: "Bias",
    kinds: &[Kind::Regression],
    better: Better::NearZero,
    in_unit: true,
    of: Of::Sample(|sample| Some(bias(&sample.values()?))),
};

pub(super) const LOWER_LIMIT: Definition = Definition {
    key: "lower_limit",
    label: "Lower limit",
    kinds: &[Kind::Regression],
    better: Better::NearZero,
    in_unit: true,
    of: Of::Sample(|sample| limit(sample, -LIMIT)),
};

pub(super) const UPPER_LIMIT: Definition = Definition {
    key: "upper_limit",
    label: "Upper limit",
    kinds: &[Kind::Regression],
    better: Better::NearZero,
    in_unit: true,
    of: Of::Sample(|sample| limit(sample, LIMIT)),
};

/// The 97.5th percentile of the normal distribution as the method's authors round it.
const LIMIT: f64 = 1.96;

fn bias(values: &CountedValues<'_>) -> f64 {
    values.mean_of(|truth, prediction| prediction - truth)
}

fn limit(sample: &Sample<'_>, deviations: f64) -> Option<f64> {
    let values = sample.values()?;
    Some(bias(&values) + deviations * deviation(&values)?)
}

fn deviation(values: &CountedValues<'_>) -> Option<f64> {
    let bias = bias(values);
    let variance = values.mean_of(|truth, prediction| (prediction - truth - bias).powi(2));
    let rows = values.len;
    (rows > 1.0).then(|| (variance * (rows / (rows - 1.0))).sqrt())
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn too_high_predictions_have_a_positive_bias_inside_the_limits() -> Result<(), Error> {
        // Differences 1, 3, 5: mean 3, sample standard deviation 2.
        let (truth, prediction) = ([50.0, 60.0, 40.0], [51.0, 63.0, 45.0]);
        assert_eq!(of_values("bias", &truth, &prediction)?, Some(3.0));
        assert_eq!(of_values("lower_limit", &truth, &prediction)?, Some(3.0 - 1.96 * 2.0));
        assert_eq!(of_values("upper_limit", &truth, &prediction)?, Some(3.0 + 1.96 * 2.0));
        Ok(())
    }

    #[test]
    fn one_video_has_a_bias_but_no_limits() -> Result<(), Error> {
        assert_eq!(of_values("bias", &[50.0], &[47.0])?, Some(-3.0));
        assert_eq!(of_values("lower_limit", &[50.0], &[47.0])?, None);
        assert_eq!(of_values("upper_limit", &[50.0], &[47.0])?, None);
        Ok(())
    }
}
