//! Whether sets of predictions of the same rows differ: the paired bootstrap.
//!
//! The sets are resampled together, so what makes a patient hard for all cancels. The p-value is the inversion of
//! the percentile interval: twice the smaller tail beyond zero, where one is added to both counts so that p is
//! never zero (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 4.2).

use serde::{Deserialize, Serialize};

use crate::{
    bootstrap::{BootstrapOptions, Interval},
    error::{Error, check_length, check_pair},
    metric::Metric,
    patients::Patients,
    scored::Scored,
};

/// The outcome of [`compare`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The metric of a set minus that of the reference.
    pub difference: Interval,
    /// Two-sided: how readily a difference of either sign at least this clear arises when there is none.
    pub p: f64,
    /// Whether zero lies inside the interval, so that the data do not say which of the two is better.
    pub tied: bool,
    /// How many rows were compared.
    pub videos: usize,
    /// How the interval was drawn.
    pub bootstrap: BootstrapOptions,
}

impl Comparison {
    /// From the difference on the rows as measured and on each resample, where it has one; `None` when none has.
    fn of(
        value: f64,
        resampled: impl Iterator<Item = Option<f64>> + Clone,
        videos: usize,
        options: &BootstrapOptions,
    ) -> Option<Self> {
        let difference = options.interval(value, resampled.clone())?;
        let tail = |beyond: fn(&f64) -> bool| resampled.clone().flatten().filter(beyond).count() + 1;
        let smaller = tail(|&difference| difference <= 0.0).min(tail(|&difference| difference >= 0.0));
        let drawn = options.samples - difference.degenerate;
        let p = (2.0 * smaller as f64 / (drawn + 1) as f64).min(1.0);
        let tied = difference.low <= 0.0 && difference.high >= 0.0;
        Some(Self { difference, p, tied, videos, bootstrap: options.clone() })
    }
}

/// Compares several sets of predictions with those of `reference` by a metric, all from the same resamples. A set holds
/// one or more predictions of the same rows, such as one for each seed; its metric is their mean. `None` where the metric
/// is undefined for the set or the reference.
///
/// # Errors
/// When the metric is not of this kind, predictions are not of the same rows in the same order, or the options make no
/// sense.
pub fn compare(
    metric: &Metric,
    reference: &[Scored],
    sets: &[&[Scored]],
    options: &BootstrapOptions,
) -> Result<Vec<Option<Comparison>>, Error> {
    options.check()?;
    let Some(first) = reference.first() else { return Err(Error::Empty { row: "reference" }) };
    metric.check(first)?;
    if !reference.iter().chain(sets.iter().copied().flatten()).all(|scored| first.same_rows(scored)) {
        return Err(Error::Unpaired);
    }
    let mean = |values: Vec<Option<f64>>| -> Option<f64> {
        let values: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let measured = |set: &[Scored]| mean(set.iter().map(|scored| metric.on(&scored.sample(&scored.once()))).collect());
    let resampled = |set: &[Scored]| -> Vec<Option<f64>> {
        let seeds: Vec<_> =
            set.iter().map(|scored| options.resample_rows(scored, |sample| metric.on(sample))).collect();
        (0..options.samples).map(|at| mean(seeds.iter().map(|seed| seed[at]).collect())).collect()
    };
    let (reference_measured, reference_resampled) = (measured(reference), resampled(reference));
    let minus = |(of_set, of_reference): (&Option<f64>, &Option<f64>)| Some((*of_set)? - (*of_reference)?);
    let compared = |set: &&[Scored]| {
        let value = minus((&measured(set), &reference_measured))?;
        let of_set = resampled(set);
        Comparison::of(value, of_set.iter().zip(&reference_resampled).map(minus), first.rows(), options)
    };
    Ok(sets.iter().map(compared).collect())
}

/// Compares several sets of absolute errors with those of `reference`, all from the same resamples: for errors that
/// are means over seeds, whose mean is the MAE that a table shows. One pass for all sets, and so quicker than [`compare`].
///
/// # Errors
/// When the rows are empty, differ in length or hold a value that is not finite, or the options make no sense; a set is
/// called `errors`, the reference `truth`.
pub fn compare_errors(
    reference: &[f64],
    sets: &[&[f64]],
    patients: &Patients,
    options: &BootstrapOptions,
) -> Result<Vec<Comparison>, Error> {
    options.check()?;
    sets.iter().try_for_each(|errors| check_pair(reference, "errors", errors))?;
    check_length("patients", patients.rows(), reference.len())?;
    let differences = |errors: &&[f64]| errors.iter().zip(reference).map(|(error, other)| error - other).collect();
    Ok(compare_differences(&sets.iter().map(differences).collect::<Vec<_>>(), patients, AT_ONCE, options))
}

/// Resampled means that are held at once; more sets are compared one part after another.
const AT_ONCE: usize = 1 << 24;

/// Whether each set's differences have a mean other than zero; every set has one for every row.
fn compare_differences(
    sets: &[Vec<f64>],
    patients: &Patients,
    at_once: usize,
    options: &BootstrapOptions,
) -> Vec<Comparison> {
    let mut comparisons = Vec::with_capacity(sets.len());
    let rows = patients.rows();
    let mut rows_of = vec![0usize; patients.count()];
    patients.numbers().iter().for_each(|&patient| rows_of[patient] += 1);
    for part in sets.chunks((at_once / options.samples).max(1)) {
        // Patient by patient, so that a resample adds neighbours.
        let mut by_patient = vec![0.0; patients.count() * part.len()];
        for (row, &patient) in patients.numbers().iter().enumerate() {
            let of_patient = &mut by_patient[patient * part.len()..(patient + 1) * part.len()];
            of_patient.iter_mut().zip(part).for_each(|(sum, set)| *sum += set[row]);
        }
        let resampled = options.resample(patients.count(), |draws| {
            let (mut sums, mut drawn) = (vec![0.0; part.len()], 0);
            for &patient in draws {
                let of_patient = &by_patient[patient * part.len()..(patient + 1) * part.len()];
                sums.iter_mut().zip(of_patient).for_each(|(sum, difference)| *sum += difference);
                drawn += rows_of[patient];
            }
            sums.iter_mut().for_each(|sum| *sum /= drawn as f64);
            sums
        });
        comparisons.extend(part.iter().enumerate().filter_map(|(column, set)| {
            let value = set.iter().sum::<f64>() / rows as f64;
            // Never `None`: there is at least one resample, and the mean always exists.
            Comparison::of(value, resampled.iter().map(|means| Some(means[column])), rows, options)
        }));
    }
    comparisons
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BootstrapOptions = BootstrapOptions { samples: 2_000, seed: 4, level: 0.95 };
    const TRUTH: [f64; 8] = [20.0, 35.0, 41.0, 50.0, 55.0, 58.0, 63.0, 70.0];

    fn by_mae(first: &[f64], second: &[f64]) -> Result<Comparison, Error> {
        let [first, second] = [first, second].map(|prediction| Scored::regression(&TRUTH, prediction, &[]));
        let compared = compare(&Metric::MAE, &[second?], &[&[first?]], &OPTIONS)?;
        compared.into_iter().flatten().next().ok_or(Error::Unpaired)
    }

    fn errors(prediction: &[f64; 8]) -> Vec<f64> {
        prediction.iter().zip(TRUTH).map(|(p, t)| (p - t).abs()).collect()
    }

    #[test]
    fn a_set_ties_with_itself() -> Result<(), Error> {
        let first = TRUTH.map(|ef| ef + 3.0);
        let same = by_mae(&first, &first)?;
        assert_eq!(same.difference, Interval { value: 0.0, low: 0.0, high: 0.0, degenerate: 0 });
        assert_eq!((same.p, same.tied), (1.0, true));
        Ok(())
    }

    #[test]
    fn a_set_that_is_better_on_every_video_wins() -> Result<(), Error> {
        let won = by_mae(&TRUTH.map(|ef| ef + 1.0), &TRUTH.map(|ef| ef - 0.1 * ef))?;
        assert!(won.difference.value < 0.0 && won.difference.high < 0.0, "{won:?}");
        // No resample beyond zero: the smallest p that 2,000 resamples can give.
        assert_eq!((won.p, won.tied), (2.0 / 2_001.0, false));
        Ok(())
    }

    #[test]
    fn swapping_the_sets_mirrors_the_answer() -> Result<(), Error> {
        let first = [22.0, 30.0, 44.0, 51.0, 50.0, 58.5, 66.0, 64.0];
        let second = [21.0, 31.0, 47.0, 46.0, 52.0, 58.0, 61.0, 69.0];
        let (there, back) = (by_mae(&first, &second)?, by_mae(&second, &first)?);
        assert_eq!(there.difference.value, -back.difference.value);
        assert_eq!((there.p, there.tied), (back.p, back.tied));
        // Rounding: the quantile is interpolated from the other neighbour.
        assert!((there.difference.low + back.difference.high).abs() < 1e-12, "{there:?} {back:?}");
        Ok(())
    }

    /// The difference of the means is the mean of the differences only if each resample pairs the same videos, although
    /// the rows of each set are kept in order of its own predictions.
    #[test]
    fn the_pairing_is_kept() -> Result<(), Error> {
        let first = [10.0, 25.0, 31.0, 40.0, 45.0, 88.0, 93.0, 100.0];
        let second = [9.0, 24.0, 30.0, 39.0, 44.0, 89.0, 94.0, 101.0];
        let reversed = [9.0, 24.0, 30.0, 39.0, 44.0, 27.0, 32.0, 39.0];
        for second in [second, reversed] {
            // Each video is worse by exactly one point: resampled apart, the error's own spread would show.
            let paired = by_mae(&first, &second)?.difference;
            assert!((paired.low + 1.0).abs() < 1e-12 && (paired.high + 1.0).abs() < 1e-12, "{paired:?}");
        }
        Ok(())
    }

    /// Sets side by side give each the numbers that it has alone, also when they are too many to be held at once.
    #[test]
    fn sets_that_share_their_resamples_do_not_mix() -> Result<(), Error> {
        let sets = [TRUTH.map(|ef| ef + 2.0), TRUTH.map(|ef| 0.9 * ef), TRUTH.map(|ef| 70.0 - 0.3 * ef)];
        let reference = TRUTH.map(|ef| 1.1 * ef - 2.0);
        let of_sets: Vec<Vec<f64>> = sets.iter().map(errors).collect();
        let slices: Vec<&[f64]> = of_sets.iter().map(Vec::as_slice).collect();
        let each = Patients::each(8);
        let together = compare_errors(&errors(&reference), &slices, &each, &OPTIONS)?;
        for (set, together) in sets.iter().zip(&together) {
            let alone = by_mae(set, &reference)?;
            let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
            assert!(near(alone.difference.value, together.difference.value), "{alone:?} {together:?}");
            assert!(near(alone.difference.low, together.difference.low), "{alone:?} {together:?}");
            assert!(near(alone.difference.high, together.difference.high), "{alone:?} {together:?}");
            assert_eq!((alone.p, alone.tied), (together.p, together.tied));
        }
        let reference = errors(&reference);
        let difference = |set: &Vec<f64>| set.iter().zip(&reference).map(|(error, other)| error - other).collect();
        let differences: Vec<Vec<f64>> = of_sets.iter().map(difference).collect();
        assert_eq!(together, compare_differences(&differences, &each, 2 * OPTIONS.samples, &OPTIONS));
        assert_eq!(compare_errors(&reference, &[], &each, &OPTIONS)?, []);
        Ok(())
    }

    /// Rows of a patient stay together, in either comparison.
    #[test]
    fn patients_are_drawn_whole() -> Result<(), Error> {
        let patients = Patients::named(&["a", "a", "a", "a", "b", "b", "b", "b"].map(Some));
        let first = [21.0, 36.0, 42.0, 51.0, 52.0, 55.0, 60.0, 67.0];
        let clustered = compare_errors(&errors(&TRUTH), &[&errors(&first)], &patients, &OPTIONS)?;
        let ends = |one: &Comparison| (one.difference.value, one.difference.low, one.difference.high);
        // Of two patients, a quarter of the resamples draws one alone: the interval ends at their errors, 1 and 3.
        assert_eq!(clustered.iter().map(ends).collect::<Vec<_>>(), [(2.0, 1.0, 3.0)]);
        let of = |prediction| Scored::regression(&TRUTH, prediction, &[])?.with_patients(&patients);
        let by_metric = compare(&Metric::MAE, &[of(&TRUTH)?], &[&[of(&first)?]], &OPTIONS)?;
        assert_eq!(by_metric.iter().flatten().map(ends).collect::<Vec<_>>(), [(2.0, 1.0, 3.0)]);
        Ok(())
    }

    #[test]
    fn a_set_of_seeds_has_their_mean_and_undefined_metrics_have_no_difference() -> Result<(), Error> {
        let truth = [true, false, true, false];
        let of = |probability: [f64; 4]| Scored::binary(&truth, &probability, 0.5);
        let seeds = [of([0.9, 0.1, 0.8, 0.2])?, of([0.9, 0.8, 0.7, 0.1])?];
        let auroc: Metric = "auroc".parse()?;
        let compared = compare(&auroc, &[of([0.5; 4])?], &[&seeds], &OPTIONS)?;
        let difference = compared.iter().flatten().next().map(|one| one.difference);
        // (1 + 0.75) / 2 - 0.5. A resample is one-sided with probability 2 / 2^4; five standard deviations are 74.
        assert!(
            difference.is_some_and(|one| one.value == 0.375 && one.degenerate.abs_diff(250) < 74),
            "{difference:?}"
        );
        // The smallest p that the resamples with an area can give.
        let won = compare(&auroc, &[of([0.5; 4])?], &[&seeds[..1]], &OPTIONS)?;
        let smallest = |one: &Comparison| 2.0 / (2_001 - one.difference.degenerate) as f64;
        assert!(won.iter().flatten().next().is_some_and(|one| one.p == smallest(one)), "{won:?}");
        let one_sided = [Scored::binary(&[true; 4], &[0.5; 4], 0.5)?];
        assert_eq!(compare(&auroc, &one_sided, &[&one_sided], &OPTIONS)?, [None]);
        Ok(())
    }

    #[test]
    fn predictions_of_other_rows_are_refused() -> Result<(), Error> {
        let of = |truth: &[f64]| Scored::regression(truth, &TRUTH[..truth.len()], &[]);
        let refused = |other: Scored| compare(&Metric::MAE, &[of(&TRUTH)?], &[&[other]], &OPTIONS);
        let two = Patients::named(&["a", "a", "a", "a", "b", "b", "b", "b"].map(Some));
        let mut swapped = TRUTH;
        swapped.swap(0, 1);
        for other in [of(&TRUTH[..7])?, of(&swapped)?, of(&TRUTH)?.with_patients(&two)?] {
            assert_eq!(refused(other), Err(Error::Unpaired));
        }
        assert_eq!(refused(Scored::binary(&[true], &[0.5], 0.5)?), Err(Error::Unpaired));
        Ok(())
    }

    #[test]
    fn the_row_at_fault_is_named() {
        let of = |set: &[f64]| compare_errors(&TRUTH, &[set], &Patients::each(8), &OPTIONS);
        assert_eq!(of(&TRUTH[1..]), Err(Error::Length { row: "errors", got: 7, want: 8 }));
        assert!(matches!(of(&[f64::INFINITY; 8]), Err(Error::Value { row: "errors", index: 0, .. })));
        let too_few = compare_errors(&TRUTH, &[&TRUTH], &Patients::each(7), &OPTIONS);
        assert_eq!(too_few, Err(Error::Length { row: "patients", got: 7, want: 8 }));
    }
}
