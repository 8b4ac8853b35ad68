//! Every kind of task against scikit-learn and SciPy, by way of `reference/kinds.py`.

use std::error::Error;

use echo_metrics::{BootstrapOptions, Metric, Parameters, Patients, Scored, metrics, score, youden};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Rows {
    Regression { truth: Vec<f64>, prediction: Vec<f64> },
    Binary { truth: Vec<bool>, probability: Vec<f64>, threshold: f64 },
    SingleLabel { truth: Vec<usize>, probabilities: Vec<Vec<f64>>, classes: Vec<String> },
    Ordinal { truth: Vec<usize>, probabilities: Vec<Vec<f64>>, classes: Vec<String> },
    MultiLabel { truth: Vec<Vec<Option<bool>>>, probabilities: Vec<Vec<f64>>, classes: Vec<String> },
}

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    rows: Rows,
    patients: Option<Vec<Option<String>>>,
    values: Map<String, Value>,
    youden: Option<f64>,
    by_patient: Option<[f64; 3]>,
}

fn cases() -> Result<Vec<Case>, serde_json::Error> {
    serde_json::from_str(include_str!("../reference/kinds.json"))
}

fn scored(rows: &Rows) -> Result<Scored, echo_metrics::Error> {
    match rows {
        Rows::Regression { truth, prediction } => Scored::regression(truth, prediction, &[]),
        Rows::Binary { truth, probability, threshold } => Scored::binary(truth, probability, *threshold),
        Rows::SingleLabel { truth, probabilities, classes } => Scored::single_label(truth, probabilities, classes),
        Rows::Ordinal { truth, probabilities, classes } => Scored::ordinal(truth, probabilities, classes),
        Rows::MultiLabel { truth, probabilities, classes } => Scored::multi_label(truth, probabilities, classes),
    }
}

#[test]
fn values_are_those_of_scikit_learn_and_scipy() -> Result<(), Box<dyn Error>> {
    let mut undefined = 0;
    let cases = cases()?;
    assert_eq!(cases.len(), 17);
    for (at, case) in cases.iter().enumerate() {
        let scored = scored(&case.rows)?;
        for (key, expected) in &case.values {
            let ours = key.parse::<Metric>()?.of(&scored)?;
            undefined += usize::from(ours.is_none());
            // Rounding of sums in another order.
            let same = match (ours, expected.as_f64()) {
                (Some(ours), Some(expected)) => (ours - expected).abs() < 1e-12,
                (ours, expected) => ours.is_none() && expected.is_none(),
            };
            assert!(same, "{key} of case {at}: {ours:?}, expected {expected}");
        }
        // The reference has every metric of the kind but those of a regression's thresholds and limits, which
        // `golden.json` has.
        let listed = metrics(scored.kind(), &Parameters { classes: scored.classes(), ..Parameters::default() });
        let missing = listed.iter().filter(|metric| !case.values.contains_key(&metric.key()));
        assert!(missing.clone().all(|metric| ["bias", "lower_limit", "upper_limit"].contains(&metric.key().as_str())));
    }
    assert_eq!(undefined, 12, "the cases lack classes and sides");
    Ok(())
}

#[test]
fn the_threshold_is_that_of_scikit_learns_roc_curve() -> Result<(), Box<dyn Error>> {
    let mut seen = 0;
    for case in cases()? {
        if let (Rows::Binary { truth, probability, .. }, Some(expected)) = (&case.rows, case.youden) {
            let ours = youden(truth, probability)?;
            assert!((ours - expected).abs() < 1e-12, "{ours}, expected {expected}");
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
    Ok(())
}

#[test]
fn intervals_by_patient_are_those_of_patients_drawn_with_all_rows() -> Result<(), Box<dyn Error>> {
    let case = cases()?.into_iter().find(|case| case.by_patient.is_some()).ok_or("no case has patients")?;
    let ([low, high, deviation], Some(names)) = (case.by_patient.unwrap_or_default(), &case.patients) else {
        return Err("the case has no patients".into());
    };
    let auroc: Metric = "auroc".parse()?;
    let of = |scored: &Scored| -> Result<(f64, f64), Box<dyn Error>> {
        let scores = score(scored, std::slice::from_ref(&auroc), &BootstrapOptions::default())?;
        let interval = scores.get(&auroc).ok_or("no interval")?;
        Ok((interval.low, interval.high))
    };
    let each = scored(&case.rows)?;
    let by_patient = of(&each.clone().with_patients(&Patients::named(names))?)?;
    // Monte-Carlo error, as in `golden.rs`.
    let near = |(a, b): (f64, f64)| (a - low).abs() < 0.2 * deviation && (b - high).abs() < 0.2 * deviation;
    assert!(near(by_patient), "{by_patient:?}, expected {low} to {high}");
    let by_row = of(&each)?;
    assert!(by_row.1 - by_row.0 < 0.8 * (high - low), "rows drawn alone promise too much: {by_row:?}");
    Ok(())
}
