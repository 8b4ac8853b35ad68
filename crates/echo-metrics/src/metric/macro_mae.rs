//! Macro-averaged mean absolute error (Baccianella et al., ISDA 2009): the mean of the errors within ranks, so that the
//! few failing hearts weigh as much as the many normal ones.
//!
//! Who predicts what is usual does well by the overall error and badly by this one. A few-shot draw that is flat in the
//! target teaches as if all values were equally usual, so methods that know the usual ones and methods that do not can
//! only be told apart by both.

use super::{Better, Definition, Of, mae_within::mae_within};
use crate::{
    confusion::mean_of_defined,
    scored::{Kind, Sample},
};

pub(super) const MACRO_MAE: Definition = Definition {
    key: "macro_mae",
    label: "macro MAE",
    kinds: &[Kind::Regression],
    better: Better::Lower,
    in_unit: true,
    of: Of::Ranks(macro_mae),
};

/// Over the ranges that hold a row of the sample.
fn macro_mae(sample: &Sample<'_>) -> Option<f64> {
    let values = sample.values()?;
    mean_of_defined(values.values.ranks.iter().map(|&rank| mae_within(&values, rank)))
}

#[cfg(test)]
mod tests {
    use crate::{Error, Metric, Rank, Scored};

    #[test]
    fn ranges_weigh_the_same_however_many_rows_they_hold_and_empty_ones_nothing() -> Result<(), Error> {
        let (truth, prediction) = ([20.0, 50.0, 51.0, 52.0], [30.0, 51.0, 50.0, 53.0]);
        let with = |ranks: &[&str]| -> Result<Option<f64>, Error> {
            let ranks: Vec<Rank> = ranks.iter().map(|rank| rank.parse()).collect::<Result<_, _>>()?;
            Metric::MACRO_MAE.of(&Scored::regression(&truth, &prediction, &ranks)?)
        };
        assert_eq!(with(&["0-30", "31-70"])?, Some(5.5));
        assert_eq!(with(&["0-30", "31-45", "46-70", "71+"])?, Some(5.5));
        assert_eq!(with(&["31-45"])?, None);
        assert_eq!(with(&[])?, None);
        Ok(())
    }
}
