use super::*;

/// Of a regression without ranges of true values.
pub(super) fn of_values(key: &str, truth: &[f64], prediction: &[f64]) -> Result<Option<f64>, Error> {
    key.parse::<Metric>()?.of(&Scored::regression(truth, prediction, &[])?)
}

/// At a threshold of one half.
pub(super) fn of_binary(key: &str, truth: &[bool], probability: &[f64]) -> Result<Option<f64>, Error> {
    key.parse::<Metric>()?.of(&Scored::binary(truth, probability, 0.5)?)
}

/// Of three classes, `0` to `2`, that are predicted without doubt.
pub(super) fn of_classes(key: &str, truth: &[usize], predicted: &[usize]) -> Result<Option<f64>, Error> {
    key.parse::<Metric>()?.of(&Scored::single_label(truth, &certain(predicted), &names(3))?)
}

pub(super) fn of_grades(key: &str, truth: &[usize], predicted: &[usize]) -> Result<Option<f64>, Error> {
    key.parse::<Metric>()?.of(&Scored::ordinal(truth, &certain(predicted), &names(3))?)
}

pub(super) fn names(count: usize) -> Vec<String> {
    (0..count).map(|name| name.to_string()).collect()
}

fn certain(predicted: &[usize]) -> Vec<[f64; 3]> {
    predicted.iter().map(|&predicted| [0, 1, 2].map(|class| f64::from(u8::from(class == predicted)))).collect()
}

const KINDS: [Kind; 5] = [Kind::Regression, Kind::Binary, Kind::SingleLabel, Kind::Ordinal, Kind::MultiLabel];

fn all(kind: Kind) -> Vec<Metric> {
    let ranks = ["0-30", "31-45", "71+"].map(|rank| rank.parse().expect("a rank"));
    let thresholds = [35, 40, 50].map(Threshold);
    metrics(kind, &Parameters { thresholds: &thresholds, ranks: &ranks, classes: &names(3) })
}

#[test]
fn every_metric_is_of_some_kind_and_no_key_or_label_repeats_within_one() {
    for kind in KINDS {
        let of_kind = all(kind);
        assert!(of_kind.is_sorted() && of_kind.len() > 2, "{kind}");
        for (at, metric) in of_kind.iter().enumerate() {
            assert_eq!(metric.key().parse().as_ref(), Ok(metric));
            assert_eq!(serde_json::to_value(metric).ok(), Some(serde_json::Value::String(metric.key())));
            assert!(of_kind[..at].iter().all(|other| other.label("EF") != metric.label("EF")), "{metric} twice");
        }
    }
    let keys: Vec<&str> = ALL.iter().map(|definition| definition.key).collect();
    let distinct: std::collections::BTreeSet<&str> = definitions().map(|definition| definition.key).collect();
    assert_eq!(distinct.len(), definitions().count(), "a key twice");
    let of_some_kind =
        |key: &&str| KINDS.iter().flat_map(|&kind| all(kind)).any(|metric| metric.definition.key == *key);
    assert!(keys.iter().all(of_some_kind), "{keys:?}");
}

#[test]
fn keys_of_written_records_stay() {
    let keys = |kind| all(kind).iter().map(Metric::key).collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(Kind::Regression),
        "mae nmae macro_mae rmse r2 pearson spearman auc_below_35 auc_below_40 auc_below_50 bias lower_limit upper_limit \
         mae_within_0-30 mae_within_31-45 mae_within_71+"
    );
    assert_eq!(keys(Kind::Binary), "auroc auprc sensitivity specificity ppv npv f1 brier ece");
    assert_eq!(keys(Kind::SingleLabel), "balanced_accuracy accuracy macro_f1 macro_auroc recall_0 recall_1 recall_2");
    assert_eq!(keys(Kind::Ordinal), "quadratic_kappa accuracy within_one");
    assert_eq!(keys(Kind::MultiLabel), "mean_auroc label_auroc_0 label_auroc_1 label_auroc_2");
    let plain = metrics(Kind::Regression, &Parameters::default());
    assert!(!plain.contains(&Metric::MACRO_MAE), "there is nothing to average over");
}

#[test]
fn what_tables_do_not_hold_is_had_by_its_key() {
    for metric in [Metric::FPR95, Metric::AUPRC_NEGATIVES] {
        assert!(!all(Kind::Binary).contains(&metric));
        assert_eq!(metric.key().parse().as_ref(), Ok(&metric));
        assert!(Metric::AUROC < metric, "it stands behind those of tables");
    }
}

#[test]
fn an_unknown_key_is_answered_with_the_known_ones() {
    for key in ["auc_below_high", "auc_below", "mae_within_", "recall", "recall_", "mae_", "", "MAE"] {
        let error = key.parse::<Metric>().expect_err(key).to_string();
        assert!(error.contains(&format!("`{key}`")) && error.contains("mae, nmae, macro_mae, rmse"), "{error}");
        assert!(error.contains("auc_below_N") && error.contains("recall_CLASS"), "{error}");
    }
}

/// A perfect prediction is at least as good as any other, on the side that `better` names.
#[test]
fn better_points_towards_the_perfect_prediction() -> Result<(), Error> {
    let (classes, poor_classes) = ([0, 0, 1, 1, 2, 2], [1, 0, 2, 0, 0, 2]);
    let (truth, poor) = ([20.0, 34.0, 38.0, 45.0, 55.0, 71.0], [41.0, 33.0, 52.0, 38.0, 40.0, 60.0]);
    let ranks = ["0-30", "31-45", "71+"].map(|rank| rank.parse().expect("a rank"));
    let positive = classes.map(|class| class == 2);
    let known: Vec<[Option<bool>; 3]> = classes.iter().map(|&class| [0, 1, 2].map(|one| Some(one == class))).collect();
    let pairs = [
        (Scored::regression(&truth, &truth, &ranks)?, Scored::regression(&truth, &poor, &ranks)?),
        (
            Scored::binary(&positive, &positive.map(|one| f64::from(u8::from(one))), 0.5)?,
            Scored::binary(&positive, &[0.8, 0.1, 0.9, 0.2, 0.3, 0.7], 0.5)?,
        ),
        (
            Scored::single_label(&classes, &certain(&classes), &names(3))?,
            Scored::single_label(&classes, &certain(&poor_classes), &names(3))?,
        ),
        (
            Scored::ordinal(&classes, &certain(&classes), &names(3))?,
            Scored::ordinal(&classes, &certain(&poor_classes), &names(3))?,
        ),
        (
            Scored::multi_label(&known, &certain(&classes), &names(3))?,
            Scored::multi_label(&known, &certain(&poor_classes), &names(3))?,
        ),
    ];
    for (perfect, poor) in pairs {
        for metric in all(perfect.kind()) {
            let (Some(best), Some(other)) = (metric.of(&perfect)?, metric.of(&poor)?) else {
                panic!("{metric} is undefined");
            };
            match metric.better() {
                Better::Lower => assert!(best < other, "{metric}"),
                Better::Higher => assert!(best > other, "{metric}"),
                Better::NearZero => assert!(best.abs() < other.abs(), "{metric}"),
            }
            assert!(metric.in_unit() || other.abs() <= 1.0, "{metric}");
        }
    }
    Ok(())
}

#[test]
fn a_metric_of_another_kind_is_an_error_that_names_both() -> Result<(), Error> {
    let error = Metric::MAE.of(&Scored::binary(&[true], &[0.5], 0.5)?).expect_err("MAE of yes and no").to_string();
    assert_eq!(error, "`mae` is not defined for a binary classification");
    Ok(())
}

/// The bootstrap counts rows instead of copying them.
#[test]
fn rows_that_count_twice_are_rows_written_twice() -> Result<(), Error> {
    const ROWS: usize = 40;
    let fraction = |row: usize, factor: f64| (row as f64 * factor).fract();
    let counts: Vec<u32> = (0..ROWS).map(|row| (4.0 * fraction(row, 0.7548776662466927)) as u32).collect();
    let written: Vec<usize> = (0..ROWS).flat_map(|row| vec![row; counts[row] as usize]).collect();
    let ranks = ["0-30", "31-45", "71+"].map(|rank| rank.parse().expect("a rank"));
    let scored = |kind: Kind, rows: &[usize]| -> Result<Scored, Error> {
        // Ties in all of them.
        let truth: Vec<f64> = rows.iter().map(|&row| (20.0 + 65.0 * fraction(row, 0.618034)).floor()).collect();
        let predicted: Vec<f64> =
            rows.iter().map(|&row| (30.0 + 50.0 * fraction(row, 0.618034 + 0.01)).floor()).collect();
        let probability: Vec<f64> = predicted.iter().map(|ef| (ef - 30.0) / 64.0).collect();
        let classes: Vec<usize> = rows.iter().map(|&row| (3.0 * fraction(row, 0.618034)) as usize).collect();
        let probabilities: Vec<[f64; 3]> = probability.iter().map(|p| [1.0 - p, p * p, p - p * p]).collect();
        let labels: Vec<[Option<bool>; 3]> = rows
            .iter()
            .zip(&classes)
            .map(|(row, class)| [0, 1, 2].map(|label| (row % 4 != label).then_some(label == *class)))
            .collect();
        match kind {
            Kind::Regression => Scored::regression(&truth, &predicted, &ranks),
            Kind::Binary => Scored::binary(&truth.iter().map(|ef| *ef > 50.0).collect::<Vec<_>>(), &probability, 0.4),
            Kind::SingleLabel => Scored::single_label(&classes, &probabilities, &names(3)),
            Kind::Ordinal => Scored::ordinal(&classes, &probabilities, &names(3)),
            Kind::MultiLabel => Scored::multi_label(&labels, &probabilities, &names(3)),
        }
    };
    for kind in KINDS {
        let (once, copied) = (scored(kind, &(0..ROWS).collect::<Vec<_>>())?, scored(kind, &written)?);
        // Each row is a patient.
        let by_place = once.patients().tally(&written);
        let on_request = ON_REQUEST.iter().filter(|definition| definition.kinds.contains(&kind));
        for metric in all(kind).into_iter().chain(on_request.map(Metric::plain)) {
            let counted = metric.on(&once.sample(&by_place));
            let near = |copied: f64| counted.is_some_and(|counted| (counted - copied).abs() < 1e-12);
            assert!(metric.of(&copied)?.is_some_and(near), "{metric}: {counted:?}, {:?}", metric.of(&copied)?);
            assert_eq!(metric.rows(&once.sample(&by_place)), metric.rows(&copied.sample(&copied.once())), "{metric}");
        }
    }
    Ok(())
}
