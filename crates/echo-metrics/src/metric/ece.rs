//! Expected calibration error (Naeini et al., AAAI 2015): the mean over rows of how far their reliability bin's mean
//! probability is from its share of positives. See [`reliability`](crate::reliability) for the bins.

use super::{Better, Definition, Of};
use crate::{
    reliability::bins,
    scored::{Kind, Sample},
};

pub(super) const ECE: Definition = Definition {
    key: "ece",
    label: "ECE",
    kinds: &[Kind::Binary],
    better: Better::Lower,
    in_unit: false,
    of: Of::Sample(ece),
};

fn ece(sample: &Sample<'_>) -> Option<f64> {
    let bins = bins(sample.binary()?, sample.counts);
    let rows: u64 = bins.iter().map(|bin| bin.rows).sum();
    let gaps = bins.iter().map(|bin| bin.rows as f64 * (bin.probability - bin.positives).abs());
    (rows > 0).then(|| gaps.sum::<f64>() / rows as f64)
}

#[cfg(test)]
mod tests {
    use crate::{Error, metric::tests::of_binary};

    #[test]
    fn errors_of_a_bin_cancel_and_those_of_two_bins_do_not() -> Result<(), Error> {
        assert_eq!(of_binary("ece", &[true, false], &[0.5, 0.5])?, Some(0.0));
        assert_eq!(of_binary("ece", &[true, false], &[0.25, 0.75])?, Some(0.75));
        Ok(())
    }
}
