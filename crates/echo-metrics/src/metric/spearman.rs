//! Spearman's rank correlation: Pearson's between mean ranks, so that any monotone relation is a perfect one.
//!
//! It is undefined when either side is constant.

use super::{Better, Definition, Of, pearson::correlation};
use crate::scored::{Kind, Sample};

pub(super) const SPEARMAN: Definition = Definition {
    key: "spearman",
    label: "Spearman rho",
    kinds: &[Kind::Regression],
    better: Better::Higher,
    in_unit: false,
    of: Of::Sample(spearman),
};

fn spearman(sample: &Sample<'_>) -> Option<f64> {
    let values = sample.values()?;
    let truth = values.values.by_truth.mean_ranks(values.counts);
    let prediction = values.values.by_prediction.mean_ranks(values.counts);
    let rows = truth.iter().zip(&prediction).zip(values.counts);
    correlation(|| rows.clone().map(|((&truth, &prediction), &count)| (truth, prediction, f64::from(count))))
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn only_the_order_matters() -> Result<(), Error> {
        assert_eq!(of_values("spearman", &[10.0, 20.0, 30.0], &[1.0, 2.0, 900.0])?, Some(1.0));
        assert_eq!(of_values("spearman", &[10.0, 20.0, 30.0], &[3.0, 2.0, -900.0])?, Some(-1.0));
        assert_eq!(of_values("spearman", &[10.0, 20.0, 30.0], &[5.0; 3])?, None);
        Ok(())
    }
}
