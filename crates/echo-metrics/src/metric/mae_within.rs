//! Mean absolute error within one range of true values, such as ejection fractions of 31 to 45 EF points.
//!
//! Most hearts are normal, so the overall error hides how the few failing ones fare. It is undefined on a sample
//! without a row in the range.

use super::{Better, Definition, Of};
use crate::{rank::Rank, scored::Kind, values::CountedValues};

pub(super) const MAE_WITHIN: Definition = Definition {
    key: "mae_within",
    label: "MAE",
    kinds: &[Kind::Regression],
    better: Better::Lower,
    in_unit: true,
    of: Of::Within(|sample, rank| mae_within(&sample.values()?, rank)),
};

pub(super) fn mae_within(values: &CountedValues<'_>, rank: Rank) -> Option<f64> {
    let (mut sum, mut rows) = (0.0, 0.0);
    for (truth, prediction, count) in values.rows() {
        // Without a branch: whether the next row is in the range is a matter of chance.
        let weight = f64::from(count * u32::from(rank.holds(truth)));
        sum += weight * (prediction - truth).abs();
        rows += weight;
    }
    (rows > 0.0).then(|| sum / rows)
}

/// How many rows the range holds.
pub(super) fn rows_within(values: &CountedValues<'_>, rank: Rank) -> usize {
    values.rows().filter(|&(truth, _, _)| rank.holds(truth)).map(|(_, _, count)| count as usize).sum()
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_values};

    #[test]
    fn only_rows_in_the_range_count_and_fractions_round_down() -> Result<(), Error> {
        let (truth, prediction) = ([30.9, 31.0, 45.9, 46.0], [0.0, 33.0, 49.9, 0.0]);
        assert_eq!(of_values("mae_within_31-45", &truth, &prediction)?, Some(3.0));
        assert_eq!(of_values("mae_within_71+", &truth, &prediction)?, None);
        Ok(())
    }
}
