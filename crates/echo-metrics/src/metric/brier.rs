//! Brier score: the mean squared difference of probability and outcome. It rewards calibration as well as order; the
//! prevalence as constant prediction scores prevalence times its complement.

use super::{Better, Definition, Of};
use crate::scored::{Kind, Sample};

pub(super) const BRIER: Definition = Definition {
    key: "brier",
    label: "Brier",
    kinds: &[Kind::Binary],
    better: Better::Lower,
    in_unit: false,
    of: Of::Sample(brier),
};

fn brier(sample: &Sample<'_>) -> Option<f64> {
    let (mut sum, mut rows) = (0.0, 0.0);
    for (truth, probability, count) in sample.binary()?.rows(sample.counts) {
        sum += f64::from(count) * (probability - f64::from(u8::from(truth))).powi(2);
        rows += f64::from(count);
    }
    (rows > 0.0).then(|| sum / rows)
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    #[test]
    fn confident_errors_cost_most() -> Result<(), Error> {
        assert_eq!(of_binary("brier", &[true, false], &[0.5, 1.0])?, Some(0.625));
        assert_eq!(of_binary("brier", &[true, false], &[1.0, 0.0])?, Some(0.0));
        Ok(())
    }
}
