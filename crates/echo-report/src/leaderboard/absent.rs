//! Classes without a test video, and metrics that resamples leave undefined: said, and never a number.

use std::collections::{BTreeMap, BTreeSet};

use echo_files::{counted, printable};
use echo_metrics::{Kind, Metric, Patients};

use super::columns::{Column, Extent};
use super::constants::Externals;
use super::{Leaderboard, TestSet, TestVideo};
use crate::scoring::scored;
use crate::{PredictionRow, Quantity, ReportError};

/// A share of undefined resamples that is worth a sentence: below it an interval hardly moves.
const NOTICEABLE: f64 = 0.01;

/// A sentence for every test set that lacks a class.
pub(super) fn notes(task: &Quantity, test: &TestSet, externals: &Externals) -> Result<Vec<String>, ReportError> {
    let own = std::iter::once((test.data.as_str(), test.videos.as_slice()));
    let others = externals.0.iter().map(|(set, videos)| (set.name.as_str(), videos.as_slice()));
    let mut notes = Vec::new();
    for (name, videos) in own.chain(others).filter(|(_, videos)| !videos.is_empty()) {
        // What is true of them says it all, whatever is predicted.
        let any = vec![1.0 / task.outputs().max(1) as f32; task.outputs()];
        let rows: Vec<PredictionRow> = videos.iter().map(|video: &TestVideo| video.predicted(&any)).collect();
        let absent = scored(task, &rows, &[], None)?.absent();
        if !absent.is_empty() {
            notes.push(format!(
                "Test {} of {}: {}. What is undefined without it is a dash, and means over classes are over the others.",
                task.samples.many(),
                printable(name),
                absent.join("; ")
            ));
        }
    }
    Ok(notes)
}

/// Of a mean over classes, labels or ranges, the beginning of its parts' keys.
fn parts(metric: &Metric) -> Option<&'static str> {
    match metric.key().as_str() {
        "mean_auroc" => Some("label_auroc_"),
        "balanced_accuracy" | "macro_f1" | "macro_auroc" => Some("recall_"),
        "macro_mae" => Some("mae_within_"),
        _ => None,
    }
}

/// A sentence for the means in columns of whose parts many resamples lack some.
pub(super) fn incomplete_means(board: &Leaderboard) -> Option<String> {
    let (mut most, mut headings) = (0.0f64, BTreeSet::new());
    for column in board.columns(Extent::OfAll) {
        let Column::Metric(metric, heading, _) = column else { continue };
        let Some(parts) = parts(&metric) else { continue };
        let of_parts = board.rows.iter().flat_map(|row| &row.metrics).filter(|(key, _)| key.starts_with(parts));
        let largest = of_parts.map(|(_, cell)| cell.undefined).fold(0.0, f64::max);
        if largest > NOTICEABLE {
            most = most.max(largest);
            headings.insert(heading);
        }
    }
    let headings: Vec<String> = headings.into_iter().collect();
    (!headings.is_empty()).then(|| {
        let what = if board.target.kind == Kind::Regression { "range" } else { "class" };
        format!(
            "Up to {:.0} % of the resamples hold no {} of some {what}; on these, {} is the mean over the others, and its interval \
             the wider or narrower for it.",
            100.0 * most,
            board.target.samples.one(),
            headings.join(", ")
        )
    })
}

/// A sentence for the metrics of columns that many resamples leave undefined.
pub(super) fn undefined_resamples(board: &Leaderboard) -> Vec<String> {
    let one = board.target.samples.one();
    let mut reasons: BTreeMap<String, (f64, BTreeSet<String>)> = BTreeMap::new();
    for column in board.columns(Extent::OfAll) {
        let Column::Metric(metric, heading, _) = column else { continue };
        let shares = board.rows.iter().filter_map(|row| row.get(&metric)).map(|cell| cell.undefined);
        let largest = shares.fold(0.0, f64::max);
        if largest > NOTICEABLE {
            let (most, labels) = reasons.entry(reason(&metric, board.target.kind, one)).or_default();
            *most = largest.max(*most);
            labels.insert(heading);
        }
    }
    let note = |(reason, (most, labels)): (String, (f64, BTreeSet<String>))| {
        let labels: Vec<String> = labels.into_iter().collect();
        let labels = labels.join(", ");
        format!("Up to {:.0} % of the resamples {reason}; the intervals of {labels} leave them out.", 100.0 * most)
    };
    reasons.into_iter().map(note).collect()
}

/// Why a resample has no such metric.
fn reason(metric: &Metric, kind: Kind, one: &str) -> String {
    match (metric.key().as_str(), kind) {
        ("ppv", _) => format!("hold no {one} that is predicted positive"),
        ("npv", _) => format!("hold no {one} that is predicted negative"),
        (key, Kind::Regression) if key == Metric::MACRO_MAE.key() => format!("hold no {one} of some range"),
        (_, Kind::Regression) => "hold one value alone, true or predicted".to_owned(),
        ("quadratic_kappa" | "balanced_accuracy", _) => "hold one class alone".to_owned(),
        _ => format!("hold no {one} of some class"),
    }
}

/// A warning for every test set of a single patient: resampled, it is always the same.
pub(super) fn of_one_patient(task: &Quantity, test: &TestSet, externals: &Externals) -> Vec<String> {
    let own = std::iter::once((test.data.as_str(), test.videos.as_slice()));
    let others = externals.0.iter().map(|(set, videos)| (set.name.as_str(), videos.as_slice()));
    let of_one = own.chain(others).filter(|(_, videos)| {
        let names: Vec<Option<&str>> =
            videos.iter().map(|video| Some(video.patient.as_str()).filter(|name| !name.is_empty())).collect();
        Patients::named(&names).count() == 1
    });
    let warning = |(name, videos): (&str, &[TestVideo])| {
        format!(
            "One patient gives no interval: {} of {} {} of a single one, so that every interval over them has no width.",
            counted(videos.len(), &format!("test {}", task.samples.one())),
            printable(name),
            if videos.len() == 1 { "is" } else { "are" },
        )
    };
    of_one.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Truth;
    use crate::leaderboard::formats::tests::board;

    #[test]
    fn each_metric_says_why_resamples_leave_it_undefined() {
        let mut board = board("echo");
        board.target = crate::quantity::tests::task(Kind::Binary, &["no", "yes"]);
        for row in &mut board.rows {
            let cell = crate::leaderboard::Cell { undefined: 0.12, ..row.metrics["mae"] };
            row.metrics = ["auroc", "ppv", "npv"].map(|key| (key.to_owned(), cell)).into();
        }
        let of = |what: &str, label: &str| {
            format!("Up to 12 % of the resamples hold no video {what}; the intervals of {label} leave them out.")
        };
        let expected = [
            of("of some class", "AUROC"),
            of("that is predicted negative", "NPV"),
            of("that is predicted positive", "PPV"),
        ];
        assert_eq!(undefined_resamples(&board), expected);
    }

    #[test]
    fn a_mean_some_of_whose_parts_are_missing_from_resamples_is_told() {
        let mut board = board("echo");
        board.target = crate::quantity::tests::task(Kind::MultiLabel, &["left", "right"]);
        let of = |board: &mut Leaderboard, undefined| {
            for row in &mut board.rows {
                let cell = crate::leaderboard::Cell { undefined: 0.0, ..row.metrics.values().next().copied().unwrap() };
                let part = crate::leaderboard::Cell { undefined, ..cell };
                row.metrics =
                    [("mean_auroc", cell), ("label_auroc_left", part)].map(|(key, cell)| (key.to_owned(), cell)).into();
            }
            incomplete_means(board)
        };
        let told = of(&mut board, 0.37).unwrap();
        assert!(
            told.starts_with("Up to 37 % of the resamples hold no video of some class; on these, Mean AUROC"),
            "{told}"
        );
        assert_eq!(of(&mut board, 0.001), None);
    }

    #[test]
    fn a_single_patient_is_warned_of() {
        let video = |patient: &str| TestVideo { video: "v".into(), patient: patient.into(), truth: Truth::Value(1.0) };
        let of = |patients: &[&str]| {
            let videos = patients.iter().map(|patient| video(patient)).collect();
            let test = TestSet { data: "d".to_owned(), hash: "h".to_owned(), videos };
            of_one_patient(&Quantity::default(), &test, &Externals(Vec::new()))
        };
        assert!(of(&[""])[0].starts_with("One patient gives no interval: 1 test video of d is of a single one"));
        assert!(of(&["p", "p"])[0].contains("2 test videos of d are of"));
        assert!(of(&["", ""]).is_empty() && of(&["p", "q"]).is_empty() && of(&[]).is_empty());
    }
}
