//! Classes without a test video, and metrics that resamples leave undefined: said, and never a number.

use std::collections::BTreeSet;

use echo_files::printable;

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

/// A sentence for the metrics of columns that many resamples leave undefined.
pub(super) fn undefined_resamples(board: &Leaderboard) -> Option<String> {
    let mut labels = BTreeSet::new();
    let mut most = 0.0;
    for column in board.columns(Extent::Every) {
        let Column::Metric(metric, heading, _) = column else { continue };
        let shares = board.rows.iter().filter_map(|row| row.get(&metric)).map(|cell| cell.undefined);
        let largest = shares.fold(0.0, f64::max);
        if largest > NOTICEABLE {
            labels.insert(heading);
            most = largest.max(most);
        }
    }
    let labels: Vec<String> = labels.into_iter().collect();
    (!labels.is_empty()).then(|| {
        format!(
            "Up to {:.0} % of the resamples hold no {} of some class; the intervals of {} leave them out.",
            100.0 * most,
            board.target.samples.one(),
            labels.join(", ")
        )
    })
}
