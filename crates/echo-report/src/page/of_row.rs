//! Plots of every row of the grid.

use echo_metrics::{
    BootstrapOptions, CurvePoint, Kind, Line, Scored, confusion, precision_recall, precision_recall_line, reliability,
    roc, roc_line,
};
use maud::{Markup, html};

use super::entry::Entry;
use super::figures::Figures;
use super::html::anchor;
use super::plots::{self, Band, Scale};
use crate::{Quantity, ReportError};

/// Resamples of a curve's band: it is drawn, not quoted.
const RESAMPLES: usize = 500;

/// [`roc`] or [`precision_recall`].
type CurveOf = fn(&Scored, &BootstrapOptions) -> Result<Option<Vec<CurvePoint>>, echo_metrics::Error>;
/// [`roc_line`] or [`precision_recall_line`].
type LineOf = fn(&Scored) -> Result<Option<Line>, echo_metrics::Error>;

/// A plot: what its file is called beside its row, its caption, its SVG.
type Drawn = (&'static str, String, String);

/// One fold for every row.
///
/// # Errors
/// Predictions cannot be scored.
pub(super) fn of_rows(task: &Quantity, entries: &[Entry<'_>], figures: &mut Figures) -> Result<Markup, ReportError> {
    let (one, samples) = (task.samples.one(), task.samples.many());
    let curves = format!("mean over seeds with the pointwise 95 % interval over test {samples}");
    let reliability = "predictions of all seeds in 15 bins; larger dots hold more of them";
    let about = match task.kind {
        Kind::Regression => format!(
            "Each point is a test {one} after the last epoch, its prediction averaged over seeds. The MAE in a heading and the \
             error by range are means of the seeds' own errors, as in the leaderboard."
        ),
        Kind::Binary => format!(
            "After the last epoch. Curves: {curves}. Confusion matrix: {samples}, mean over seeds, at the threshold of each \
             seed. Reliability: {reliability}."
        ),
        Kind::MultiLabel => format!(
            "After the last epoch, for each label on the {samples} where it is known. Curves: {curves}. Reliability: \
             {reliability}."
        ),
        Kind::SingleLabel | Kind::Ordinal => format!(
            "After the last epoch. Curves, each class against the rest: {curves}. Confusion matrix: {samples}, mean over seeds. \
             Reliability: {reliability}."
        ),
    };
    let primary = task.primary();
    let mut folds = Vec::new();
    for entry in entries {
        let name = entry.name();
        let score = task.scored(entry.rows[0].get(&primary).map(|cell| cell.mean));
        let mut drawn = if task.kind == Kind::Regression { of_values(task, entry) } else { of_classes(task, entry)? };
        let learning = [
            ("loss", "training loss".to_owned(), &entry.losses),
            ("validation", target_on_validation(task), &entry.watched),
        ];
        for (file, what, curves) in learning {
            let svg = plots::learning(&name, &what, curves);
            drawn.extend(svg.map(|svg| (file, format!("learning curves, {what} by seed"), svg)));
        }
        folds.push(html! {
            details id=(anchor(entry)) {
                summary { (name) ": " (score) }
                @if entry.truth.is_empty() { p { "There are no predictions." } }
                @else {
                    div.plots {
                        @for (file, caption, svg) in drawn { (figures.add(&format!("{} {file}", entry.short_name()), &caption, &svg)) }
                    }
                }
            }
        });
    }
    Ok(html! { p { (about) } @for fold in folds { (fold) } })
}

/// What epochs are selected by.
fn target_on_validation(task: &Quantity) -> String {
    format!("{} on validation", task.primary().label(&task.name))
}

/// Plots of a regression.
fn of_values(task: &Quantity, entry: &Entry<'_>) -> Vec<Drawn> {
    let (name, (truth, predictions)) = (entry.name(), entry.values());
    let scale = Scale::of(task, &truth, &predictions);
    let mut drawn = vec![
        (
            "predicted-and-true",
            format!("predicted and true {}", task.name),
            plots::scatter(&name, &scale, &truth, &predictions),
        ),
        ("bland-altman", "Bland-Altman".to_owned(), plots::bland_altman(&name, &scale, &truth, &predictions)),
    ];
    if !entry.ranks.is_empty() {
        drawn.push(("error-by-range", "error by range".to_owned(), plots::ranks(&name, &scale, &entry.ranks)));
    }
    drawn
}

/// Plots of any other kind.
fn of_classes(task: &Quantity, entry: &Entry<'_>) -> Result<Vec<Drawn>, ReportError> {
    let name = entry.name();
    // A question of yes and no for each class, or the one of a binary task.
    let mut questions: Vec<(String, Vec<Scored>)> = Vec::new();
    match task.kind {
        Kind::Binary => questions.push((task.classes[1].clone(), entry.scored.clone())),
        _ => {
            for class in &task.classes {
                // A label that is known of no video has no curve.
                let alone = entry.scored.iter().map(|seed| seed.one_vs_rest(class, 0.5)).collect::<Result<Vec<_>, _>>();
                questions.extend(alone.ok().map(|alone| (class.clone(), alone)));
            }
        }
    }
    let options = BootstrapOptions { samples: RESAMPLES, ..BootstrapOptions::default() };
    let (mut rocs, mut recalls, mut reliabilities) = (Vec::new(), Vec::new(), Vec::new());
    for (series, (class, seeds)) in questions.iter().enumerate() {
        let band = |area: &str, of: CurveOf, line: LineOf| {
            let curves = seeds.iter().map(|seed| of(seed, &options)).collect::<Result<Option<Vec<_>>, _>>()?;
            let lines = seeds.iter().map(line).collect::<Result<Option<Vec<_>>, _>>()?;
            let both = curves.zip(lines);
            Ok::<_, ReportError>(both.map(|(curves, lines)| Band::mean(series, class, area, &curves, &lines)))
        };
        rocs.extend(band("AUROC", roc, roc_line)?);
        recalls.extend(band("AUPRC", precision_recall, precision_recall_line)?);
        let bins = seeds.iter().map(reliability).collect::<Result<Vec<_>, _>>()?;
        reliabilities.push((class.clone(), bins.concat()));
    }
    let mut drawn = vec![
        ("roc", "ROC".to_owned(), plots::roc(&name, &rocs)),
        ("precision-and-recall", "precision and recall".to_owned(), plots::precision_recall(&name, &recalls)),
    ];
    if task.kind != Kind::MultiLabel {
        let matrices = entry.scored.iter().map(confusion).collect::<Result<Vec<_>, _>>()?;
        drawn.push((
            "confusion-matrix",
            "confusion matrix".to_owned(),
            plots::confusion(&name, &task.classes, &matrices),
        ));
    }
    drawn.push(("reliability", "reliability".to_owned(), plots::reliability(&name, &reliabilities)));
    Ok(drawn)
}
