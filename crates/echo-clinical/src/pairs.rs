//! Whether the similarity of two embeddings tells pairs of studies apart.
//!
//! Both tasks are EchoCLIP-R's (Christensen et al., Nature Medicine 2024; arXiv 2308.15670). Its repository says that the model
//! is for them, but has no code of either; this is what the paper says.
//!
//! - **Identity** ([`same_patient`]): is a pair of one patient? The more similar, the more likely. Upstream compares videos of
//!   one study, of several studies of one patient, and of different patients, and reports an AUROC of 0.86. It does not say
//!   whether pairs within a study are among its positives. Pairs of different studies are the honest question: videos of
//!   one study share the machine, its settings and the day.
//! - **Transition** ([`changed`]): does an event, such as a heart transplant or cardiac surgery, lie between the two? The less
//!   similar, the more likely. Upstream takes the studies of a patient from 200 days before the event to 200 days after it,
//!   compares each with the earliest of them, and reports AUROCs of 0.79 (transplant) and 0.77 (surgery) for being after
//!   the event. Two rules are ours: the earliest study is not compared with itself, and a patient whose earliest study is
//!   after the event is left out, since nothing lies between.
//!
//! How pairs are chosen is the caller's. What counts is their order, so that the AUROC needs no threshold.
//!
//! Intervals are percentile bootstraps by patient ([`echo_metrics::BootstrapOptions`]). Upstream draws 1,000 samples and does not
//! say of what. A pair of two patients goes by the one that the caller names: name that of the study that is searched for. That
//! the other patient may be in more pairs widens no interval.

use echo_metrics::{BootstrapOptions, Interval, Metric, Patients, Scored, score};

use crate::error::Error;

/// AUROC of a higher similarity for pairs of one patient, and its interval; no interval where no resample has pairs of both
/// kinds.
///
/// `similarities` are cosines, `same` says whether a pair is of one patient, `patients` is the patient of each pair.
///
/// # Errors
/// When there is no pair, or none of a kind; sizes disagree, a similarity is no cosine, or the options make no sense.
pub fn same_patient(
    similarities: &[f32],
    same: &[bool],
    patients: &Patients,
    options: &BootstrapOptions,
) -> Result<Option<Interval>, Error> {
    auroc(similarities, 1.0, same, patients, options)
}

/// AUROC of a lower similarity for pairs with an event between them, and its interval; no interval where no resample has
/// pairs of both kinds.
///
/// `similarities` are cosines, `changed` says whether the event lies between, `patients` is the patient of each pair.
///
/// # Errors
/// As [`same_patient`].
pub fn changed(
    similarities: &[f32],
    changed: &[bool],
    patients: &Patients,
    options: &BootstrapOptions,
) -> Result<Option<Interval>, Error> {
    auroc(similarities, -1.0, changed, patients, options)
}

/// Of `sign * similarity`.
fn auroc(
    similarities: &[f32],
    sign: f64,
    positive: &[bool],
    patients: &Patients,
    options: &BootstrapOptions,
) -> Result<Option<Interval>, Error> {
    let pairs = similarities.len();
    if pairs == 0 {
        return Err(Error::Empty { what: "pairs" });
    }
    for (what, got) in [("labels of pairs", positive.len()), ("patients of pairs", patients.rows())] {
        if got != pairs {
            return Err(Error::Length { what, got, want: pairs, why: "one for each pair".to_owned() });
        }
    }
    // Those of rounded vectors may lie a little beyond 1. NaN is not in the range.
    let is_cosine = |value: &f32| (-1.01..=1.01).contains(value);
    if let Some(pair) = similarities.iter().position(|value| !is_cosine(value)) {
        return Err(Error::PairCosine { pair, value: similarities[pair] });
    }
    for (side, label) in [("positive", true), ("negative", false)] {
        if !positive.contains(&label) {
            return Err(Error::OneSided { side });
        }
    }
    // In the same order, between 0 and 1.
    let probability: Vec<f64> = similarities.iter().map(|&value| 0.5 + sign * f64::from(value) / 4.0).collect();
    let scored = Scored::binary(positive, &probability, 0.5)?.with_patients(patients)?;
    let auroc: Metric = "auroc".parse()?;
    Ok(score(&scored, std::slice::from_ref(&auroc), options)?.get(&auroc))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BootstrapOptions = BootstrapOptions { samples: 500, seed: 1, level: 0.95 };

    #[test]
    fn similar_pairs_are_of_one_patient_and_dissimilar_ones_have_the_event_between() -> Result<(), Error> {
        let similarities = [0.9, -0.2, 0.5, 0.4, 0.5];
        let labels = [true, false, true, false, false];
        let patients = Patients::each(5);
        // Of six pairs of a positive and a negative, five in the right order and one tied.
        let same = same_patient(&similarities, &labels, &patients, &OPTIONS)?.expect("an interval");
        assert!((same.value - 5.5 / 6.0).abs() < 1e-12);
        assert!(same.low <= same.value && same.value <= same.high && same.low < same.high);
        let changed = changed(&similarities, &labels, &patients, &OPTIONS)?.expect("an interval");
        assert!((changed.value - 0.5 / 6.0).abs() < 1e-12);
        Ok(())
    }

    #[test]
    fn similarities_that_hardly_differ_keep_their_order() -> Result<(), Error> {
        let (low, high) = (0.123_456_7_f32, f32::from_bits(0.123_456_7_f32.to_bits() + 1));
        let options = BootstrapOptions { samples: 1, ..OPTIONS };
        let of = |similarities: &[f32]| same_patient(similarities, &[true, false], &Patients::each(2), &options);
        let values = [of(&[high, low])?, of(&[low, high])?, of(&[1.000_5, 1.0])?, of(&[low, low])?];
        // The one resample may lack a side, whatever the similarities.
        let values: Vec<f64> = values.into_iter().flatten().map(|interval| interval.value).collect();
        assert!(values.is_empty() || values == [1.0, 0.0, 1.0, 0.5], "{values:?}");
        Ok(())
    }

    /// Ten equal pairs of each patient are no more than one.
    #[test]
    fn intervals_are_by_patient() -> Result<(), Error> {
        let similarities: Vec<f32> = (0..10).map(|pair| (pair * 7 % 10) as f32 / 10.0).collect();
        let labels: Vec<bool> = (0..10).map(|pair| pair < 5).collect();
        let names: Vec<Option<String>> = (0..100).map(|pair| Some((pair % 10).to_string())).collect();
        let ends = |pairs: usize, patients: &Patients| -> Result<_, Error> {
            let of = same_patient(&similarities.repeat(pairs), &labels.repeat(pairs), patients, &OPTIONS)?;
            Ok(of.map(|interval| (interval.low, interval.high)))
        };
        assert_eq!(ends(10, &Patients::named(&names))?, ends(1, &Patients::each(10))?);
        assert_ne!(ends(10, &Patients::each(100))?, ends(1, &Patients::each(10))?);
        Ok(())
    }

    #[test]
    fn pairs_that_cannot_be_scored_are_refused() {
        let refused = |similarities: &[f32], labels: &[bool], patients: usize| {
            let refused = same_patient(similarities, labels, &Patients::each(patients), &OPTIONS);
            refused.unwrap_err().to_string()
        };
        assert_eq!(refused(&[], &[], 0), "there are no pairs; give at least one");
        assert_eq!(
            refused(&[0.1, 0.2], &[true], 2),
            "`labels of pairs` holds 1 values, but 2 are needed: one for each pair"
        );
        assert!(refused(&[0.1, 0.2], &[true, false], 3).starts_with("`patients of pairs` holds 3 values"));
        for value in [f32::NAN, 1.5, -20.0] {
            let message = format!("the similarity of pair 1 is {value}; cosines lie between -1 and 1");
            assert_eq!(refused(&[0.1, value], &[true, false], 2), message);
        }
        assert_eq!(refused(&[0.1], &[true], 1), "there is no negative label; give both positive and negative ones");
        assert!(refused(&[0.1], &[false], 1).contains("no positive label"));
        let none = BootstrapOptions { samples: 0, ..OPTIONS };
        assert!(changed(&[0.1, 0.2], &[true, false], &Patients::each(2), &none).is_err());
    }
}
