//! Macro-averaged mean absolute error (Baccianella et al., ISDA 2009): the mean of the errors within ranks, so that the
//! few failing hearts weigh as much as the many normal ones.
//!
//! Who predicts what is usual does well by the overall error and badly by this one. A few-shot draw that is flat in the
//! target teaches as if all values were equally usual, so methods that know the usual ones and methods that do not can
//! only be told apart by both.

use crate::{
    rank::{Rank, mae_within},
    sample::Sample,
};

/// Over the `ranks` that hold a video of the sample.
pub(crate) fn macro_mae(sample: &Sample<'_>, ranks: &[Rank]) -> Option<f64> {
    let (mut sum, mut held) = (0.0, 0.0);
    for error in ranks.iter().filter_map(|&rank| mae_within(sample, rank)) {
        sum += error;
        held += 1.0;
    }
    (held > 0.0).then(|| sum / held)
}

#[cfg(test)]
mod tests {
    use crate::{BootstrapOptions, Error, Metric, Rank, score_metrics};

    #[test]
    fn ranks_weigh_the_same_however_many_videos_they_hold_and_empty_ones_nothing() -> Result<(), Error> {
        let (truth, prediction) = ([20.0, 50.0, 51.0, 52.0], [30.0, 51.0, 50.0, 53.0]);
        let with = |ranks: &[&str]| -> Result<Option<f64>, Error> {
            let within = ranks.iter().map(|rank| Ok(Metric::MaeWithin { rank: rank.parse::<Rank>()? }));
            let metrics = std::iter::once(Ok(Metric::MacroMae)).chain(within).collect::<Result<Vec<_>, Error>>()?;
            Ok(score_metrics(&truth, &prediction, &metrics, &BootstrapOptions::default())?.value(Metric::MacroMae))
        };
        assert_eq!(with(&["0-30", "31-70"])?, Some(5.5));
        assert_eq!(with(&["0-30", "31-45", "46-70", "71+"])?, Some(5.5));
        assert_eq!(with(&["31-45"])?, None);
        assert_eq!(with(&[])?, None);
        Ok(())
    }
}
