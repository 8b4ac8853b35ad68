//! Values and intervals against scikit-learn and SciPy, by way of `reference/metrics.py`.

use echo_metrics::{
    BootstrapOptions, Error, Interval, Kind, Metric, Parameters, Patients, Rank, Scored, Scores, Threshold, compare,
    compare_errors, metrics, score,
};
use serde_json::Value;

const RANKS: [&str; 5] = ["0-30", "31-45", "46-55", "56-70", "71+"];

/// The formula of `rows` in `reference/metrics.py`: truth and two sets of predictions.
fn rows(videos: usize) -> [Vec<f64>; 3] {
    let fraction = |x: f64| x - x.floor();
    let half = |x: f64| (2.0 * x).floor() / 2.0;
    let mut rows = [const { Vec::new() }; 3];
    for i in (0..videos).map(|i| i as f64) {
        let ef = 15.0 + 65.0 * fraction(0.6180339887498949 * i);
        rows[0].push(ef);
        rows[1].push(half(20.0 + 0.7 * ef + 24.0 * (fraction(0.7548776662466927 * i) - 0.5)));
        rows[2].push(half(18.0 + 0.7 * ef + 26.0 * (fraction(0.5698402909980532 * i) - 0.5)));
    }
    rows
}

fn golden() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("../reference/golden.json")).expect("golden.json is JSON");
    let cases = golden.as_array().expect("golden.json is a list").clone();
    assert_eq!(cases.len(), 3);
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn videos(case: &Value) -> usize {
    number(&case["videos"]) as usize
}

/// Those of `reference/metrics.py`; `reference/kinds.py` has the others.
fn all_metrics() -> Vec<Metric> {
    let thresholds = [35, 40, 50].map(Threshold);
    let parameters = Parameters { thresholds: &thresholds, ranks: &ranks(), classes: &[] };
    let mut all = metrics(Kind::Regression, &parameters);
    all.retain(|metric| !["nmae", "spearman"].contains(&metric.key().as_str()));
    all
}

fn ranks() -> [Rank; 5] {
    RANKS.map(|rank| rank.parse().expect("a rank"))
}

fn scored(truth: &[f64], prediction: &[f64], options: &BootstrapOptions) -> Result<Scores, Error> {
    score(&Scored::regression(truth, prediction, &ranks())?, &all_metrics(), options)
}

/// Both ends within Monte-Carlo error. The standard error of a 2.5 % quantile of B normal draws with deviation s is
/// s sqrt(0.025 * 0.975 / B) / 0.0584, which is 0.0267 s for our 10,000 (and 0.0085 s for the reference's 100,000).
/// Skewed tails are up to half as dense again as that; five such errors of both together are 0.2 s.
fn assert_interval(name: &str, ours: Interval, reference: &Value) {
    let [low, high, deviation] = [0, 1, 2].map(|at| number(&reference[at]));
    assert!((ours.low - low).abs() < 0.2 * deviation, "{name}: {ours:?} against {reference}");
    assert!((ours.high - high).abs() < 0.2 * deviation, "{name}: {ours:?} against {reference}");
    assert_eq!(ours.degenerate, 0, "{name}");
}

#[test]
fn values_are_those_of_scikit_learn_and_scipy() -> Result<(), Error> {
    for case in golden() {
        let [truth, prediction, _] = rows(videos(&case));
        let expected = case["values"].as_object().expect("values by key");
        let scores = scored(&truth, &prediction, &BootstrapOptions::default())?;
        assert_eq!(scores.scores.len(), expected.len());
        for metric in all_metrics() {
            let (ours, theirs) = (scores.value(&metric), number(&expected[&metric.key()]));
            assert_eq!(metric.of(&Scored::regression(&truth, &prediction, &ranks())?)?, ours);
            // Rounding of 1,277 sums in another order, of values up to 25.
            assert!(
                ours.is_some_and(|ours| (ours - theirs).abs() < 1e-11),
                "{metric} of {} videos: {ours:?}, expected {theirs}",
                truth.len()
            );
        }
    }
    Ok(())
}

#[test]
fn intervals_are_those_of_scipy_within_monte_carlo_error() -> Result<(), Error> {
    let cases = golden();
    let case = cases.iter().find(|case| case["intervals"].is_object()).expect("a case with intervals");
    let [truth, prediction, _] = rows(videos(case));
    let scores = scored(&truth, &prediction, &BootstrapOptions::default())?;
    for score in &scores.scores {
        let interval = score.interval.unwrap_or_else(|| panic!("{} is undefined", score.metric));
        assert_interval(&score.metric.key(), interval, &case["intervals"][score.metric.key()]);
    }
    let in_ranks: usize =
        scores.scores.iter().filter(|score| score.metric.rank().is_some()).map(|score| score.videos).sum();
    assert_eq!(in_ranks, truth.len(), "the ranks share out the videos");
    Ok(())
}

#[test]
fn paired_comparisons_are_those_of_scipy_within_monte_carlo_error() -> Result<(), Error> {
    let cases = golden();
    let cases: Vec<_> = cases.iter().filter(|case| case["comparison"].is_object()).collect();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let (expected, [truth, first, second]) = (&case["comparison"], rows(videos(case)));
        let [first, second] = [first, second].map(|prediction| Scored::regression(&truth, &prediction, &[]));
        let compared = compare(&Metric::MAE, &[second?], &[&[first?]], &BootstrapOptions::default())?;
        let ours = compared.into_iter().flatten().next().expect("an MAE is always defined");
        // Rounding, as above.
        assert!((ours.difference.value - number(&expected["value"])).abs() < 1e-11, "{ours:?}");
        assert_interval("difference", ours.difference, &expected["interval"]);
        // p is twice a share of 10,000: five standard deviations are at most 2 * 5 * sqrt(0.25 / 10,000), and
        // less for a small p.
        let p = number(&expected["p"]);
        let error = 10.0 * (p / 2.0 * (1.0 - p / 2.0) / 10_000.0).sqrt();
        assert!((ours.p - p).abs() < error, "{} against {p} +- {error}", ours.p);
        assert!(ours.tied, "{ours:?}");
    }
    Ok(())
}

/// The formula's half points give ties on both sides of every threshold, so that midranks are put to the test.
#[test]
fn the_rows_have_ties_across_the_thresholds() -> Result<(), Error> {
    let [truth, prediction, _] = rows(1277);
    for below in [35, 40, 50] {
        let threshold = f64::from(below);
        let tied = truth
            .iter()
            .zip(&prediction)
            .filter(|(t, _)| **t < threshold)
            .any(|(_, a)| truth.iter().zip(&prediction).any(|(t, b)| *t >= threshold && a == b));
        assert!(tied, "no tie across {below}");
        let scored = Scored::regression(&truth, &prediction, &[])?;
        assert!(Metric::auc_below(Threshold(below)).of(&scored)?.is_some());
    }
    Ok(())
}

/// `bits.json` was written before there were patients and other kinds of task: records that were written then keep their
/// numbers to the last bit when every row is its own patient.
#[test]
fn regressions_without_patients_keep_every_bit() -> Result<(), Box<dyn std::error::Error>> {
    let bits: Value = serde_json::from_str(include_str!("../reference/bits.json"))?;
    let [truth, first, second] = rows(200);
    let options = BootstrapOptions { samples: 500, seed: 9, level: 0.95 };
    assert_eq!(serde_json::to_value(scored(&truth, &first, &options)?.scores)?, bits["scores"]);
    let names: Vec<Option<String>> = (0..200).map(|row| Some(format!("patient {row}"))).collect();
    let each = Scored::regression(&truth, &first, &ranks())?.with_patients(&Patients::named(&names))?;
    assert_eq!(serde_json::to_value(score(&each, &all_metrics(), &options)?.scores)?, bits["scores"]);

    let [first, second] = [first, second].map(|prediction| -> Vec<f64> {
        truth.iter().zip(&prediction).map(|(truth, prediction)| (truth - prediction).abs()).collect()
    });
    let compared = compare_errors(&first, &[&second], &Patients::each(200), &options)?;
    assert_eq!(serde_json::to_value(compared[0].difference)?, bits["comparison"]);
    assert_eq!(compared[0].p, number(&bits["p"]));
    Ok(())
}
