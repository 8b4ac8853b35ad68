//! Plots of scores against training samples, beside zero-shot, constant predictors and published figures.

use std::collections::{BTreeMap, BTreeSet};

use echo_metrics::{Better, Metric};
use maud::{Markup, html};

use super::Report;
use super::entry::Entry;
use super::figures::Figures;
use super::plots::{self, Line, Panel, Place, Point, Published};
use super::table::table;
use crate::leaderboard::distance;
use crate::{Constant, LeaderboardRow, Quantity, Reference};

/// One panel per adapter, in it one line per encoder.
pub(super) fn by_shots(report: &Report<'_>, entries: &[Entry<'_>], figures: &mut Figures) -> Markup {
    let board = report.leaderboard;
    let (target, primary) = (&board.target, board.target.primary());
    let published = published(target, &board.references);
    let trained: Vec<(&Entry<'_>, &LeaderboardRow)> = rows_of(entries, &primary, |shots| shots != "0");
    if trained.is_empty() {
        return html! { p { "No adapter that trains has a score." } (published) };
    }
    let series = series(&trained);
    let places = places(&trained);
    let drawn: Vec<Reference> = board.references.iter().filter(|one| one.is_primary(target)).cloned().collect();
    let references = Published::of(&drawn, &places);
    let constants = constants(board.rows.iter(), target, &primary);
    let zero_shot = zero_shot(entries, &primary, &series);
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for (place, (entry, row)) in trained.iter().enumerate() {
        let adapter = adapter(entry);
        let panel = panels.iter().position(|panel| panel.name == adapter).unwrap_or_else(|| {
            panels.push(Panel {
                name: adapter.to_owned(),
                quantity: target,
                places: &places,
                lines: Vec::new(),
                zero_shot: zero_shot.clone(),
                constants: constants.clone(),
                references: references.clone(),
                range: (0.0, 1.0),
            });
            panels.len() - 1
        });
        let lines = &mut panels[panel].lines;
        let (number, name) = (series.of_row[place], &series.names[series.of_row[place]]);
        let line = lines.iter().position(|line| line.series == number).unwrap_or_else(|| {
            lines.push(Line { series: number, name: name.clone(), points: Vec::new() });
            lines.len() - 1
        });
        let place = places.iter().position(|place| place.shots == row.shots);
        if let (Some(place), Some(cell)) = (place, row.get(&primary)) {
            lines[line].points.push((place, Point { mean: cell.mean, low: cell.low, high: cell.high }));
            lines[line].points.sort_by_key(|(place, _)| *place);
        }
    }
    let common = common_range(&panels, &primary, target);
    html! {
        p {
            (target.measured(&primary)) ": mean over seeds with the 95 % interval over test " (target.samples.many()) ". \
             Horizontal lines need no training: dotted, the best zero-shot of each encoder; dashed grey, a constant predictor."
        }
        div.plots {
            @for panel in panels {
                @let name = panel.name.clone();
                @let range = with_own(common, &panel, &primary, target);
                (figures.add(&format!("shots {name}"), &name, &plots::shots(&Panel { range, ..panel })))
            }
        }
        (published)
    }
}

/// Rows with a score whose shots are wanted.
fn rows_of<'a, 'b>(
    entries: &'b [Entry<'a>],
    primary: &Metric,
    wanted: impl Fn(&str) -> bool,
) -> Vec<(&'b Entry<'a>, &'a LeaderboardRow)> {
    let rows = entries.iter().flat_map(|entry| entry.rows.iter().map(move |row| (entry, row)));
    rows.filter(|(_, row)| row.get(primary).is_some() && wanted(&row.shots)).collect()
}

fn adapter<'a>(entry: &Entry<'a>) -> &'a str {
    entry.cells.first().map_or("", |cell| cell.adapter.as_str())
}

/// Names of lines, the same in every panel.
struct Series {
    names: Vec<String>,
    /// Of each row that trained.
    of_row: Vec<usize>,
}

/// An encoder's rows of one adapter are one line; where they differ in a remark too, one for each.
fn series(trained: &[(&Entry<'_>, &LeaderboardRow)]) -> Series {
    let remark = |(entry, row): &(&Entry<'_>, &LeaderboardRow)| {
        row.adapter.strip_prefix(adapter(entry)).unwrap_or_default().trim().to_owned()
    };
    let mut remarks: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for one in trained {
        remarks.entry((adapter(one.0), &one.1.encoder)).or_default().insert(remark(one));
    }
    let mut series = Series { names: Vec::new(), of_row: Vec::new() };
    for one in trained {
        let (entry, row) = one;
        let several = remarks[&(adapter(entry), row.encoder.as_str())].len() > 1;
        let remark = if several { remark(one) } else { String::new() };
        let name = format!("{} {remark}", row.encoder).trim().to_owned();
        let place = series.names.iter().position(|other| *other == name).unwrap_or_else(|| {
            series.names.push(name);
            series.names.len() - 1
        });
        series.of_row.push(place);
    }
    series
}

/// Numbers of shots in their order, each with the most training samples that a row had.
fn places(trained: &[(&Entry<'_>, &LeaderboardRow)]) -> Vec<Place> {
    let shots: BTreeSet<(usize, &str)> =
        trained.iter().map(|(_, row)| (row.shots.parse().unwrap_or(usize::MAX), row.shots.as_str())).collect();
    let place = |(_, shots): (usize, &str)| {
        let of_shots = trained.iter().filter(|(_, row)| row.shots == shots);
        let videos = of_shots.filter_map(|(_, row)| row.train).map(|train| train.most).max();
        Place { shots: shots.to_owned(), videos: videos.unwrap_or(0) }
    };
    shots.into_iter().map(place).collect()
}

/// The constant predictor of validation, or else of the draws of most shots.
fn constants<'a>(
    rows: impl Iterator<Item = &'a LeaderboardRow> + Clone,
    target: &Quantity,
    primary: &Metric,
) -> Vec<(String, f64)> {
    let named =
        |name: &str| rows.clone().filter(|row| row.is_constant() && row.encoder.starts_with(name)).collect::<Vec<_>>();
    let mut found = named(Constant::of_validation(target.kind));
    if found.is_empty() {
        let of_training = named(Constant::of_training(target.kind));
        found.extend(of_training.into_iter().max_by_key(|row| row.shots.parse().unwrap_or(usize::MAX)));
    }
    found.into_iter().filter_map(|row| Some((row.encoder.clone(), row.get(primary)?.mean))).collect()
}

/// Each encoder's best row that needs no training, in the colour of its first line.
fn zero_shot(entries: &[Entry<'_>], primary: &Metric, series: &Series) -> Vec<(usize, f64)> {
    let mut best: Vec<(usize, f64)> = Vec::new();
    for (_, row) in rows_of(entries, primary, |shots| shots == "0") {
        let of_encoder = |name: &String| name.split(' ').next() == row.encoder.split(' ').next();
        let (Some(number), Some(cell)) = (series.names.iter().position(of_encoder), row.get(primary)) else { continue };
        match best.iter_mut().find(|(other, _)| *other == number) {
            Some((_, value)) if distance(primary, cell.mean) < distance(primary, *value) => *value = cell.mean,
            Some(_) => (),
            None => best.push((number, cell.mean)),
        }
    }
    best
}

/// The ends of a panel's intervals.
fn ends(panel: &Panel<'_>) -> (f64, f64) {
    let points = || panel.lines.iter().flat_map(|line| &line.points).map(|(_, point)| point);
    (
        points().map(|point| point.low).fold(f64::MAX, f64::min),
        points().map(|point| point.high).fold(f64::MIN, f64::max),
    )
}

/// The axis that holds all constants, zero-shot and published figures, and the panels that are no outliers: a single
/// adapter that fails would flatten all other plots.
fn common_range(panels: &[Panel<'_>], primary: &Metric, target: &Quantity) -> (f64, f64) {
    let mut highest: Vec<f64> = panels.iter().map(|panel| ends(panel).1).collect();
    highest.sort_by(f64::total_cmp);
    let usual = if primary.better() == Better::Lower { 2.0 * highest[highest.len() / 2] } else { f64::MAX };
    let usual_panels = panels.iter().map(ends).filter(|(_, high)| *high <= usual);
    let (mut low, mut high) = usual_panels.fold((f64::MAX, f64::MIN), |(l, h), (low, high)| (l.min(low), h.max(high)));
    for panel in panels.iter().take(1) {
        let constants = panel.constants.iter().map(|(_, value)| *value);
        let zero_shot = panel.zero_shot.iter().map(|(_, value)| *value);
        for value in constants.chain(zero_shot).chain(panel.references.iter().flat_map(Published::values)) {
            (low, high) = (low.min(value), high.max(value));
        }
    }
    margins((low, high), primary, target)
}

fn with_own(common: (f64, f64), panel: &Panel<'_>, primary: &Metric, target: &Quantity) -> (f64, f64) {
    let (low, high) = ends(panel);
    if low >= common.0 && high <= common.1 {
        return common;
    }
    margins((low.min(common.0), high.max(common.1)), primary, target)
}

/// An error begins at zero; a score ends at one, which it cannot pass.
fn margins((low, high): (f64, f64), primary: &Metric, target: &Quantity) -> (f64, f64) {
    match primary.better() {
        Better::Lower => {
            // No bar is higher than the greatest error that a value between 0 and 100 can have.
            let most = if target.is_percentage() { 100.0 } else { f64::MAX };
            (0.0, (high * 1.05).clamp(1e-6, most))
        }
        _ => {
            let margin = 0.05 * (high - low).max(0.1);
            (low - margin, (high + margin).min(1.0).max(low))
        }
    }
}

/// A table of the published figures, where there are any.
fn published(task: &Quantity, references: &[Reference]) -> Markup {
    let rows: Vec<Vec<String>> = references.iter().map(|reference| reference.cells(task).to_vec()).collect();
    let headings = Reference::HEADINGS.map(str::to_owned);
    html! { @if !rows.is_empty() { (table(Reference::CAPTION, &headings, &rows)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_errors_begins_at_zero_and_one_of_scores_ends_at_one() {
        let ef = Quantity::default();
        assert_eq!(margins((4.0, 10.0), &Metric::MAE, &ef), (0.0, 10.5));
        assert_eq!(margins((4.0, 1e30), &Metric::MAE, &ef), (0.0, 100.0));
        let auroc: Metric = "auroc".parse().unwrap();
        let (low, high) = margins((0.5, 0.99), &auroc, &ef);
        assert!((low - 0.4755).abs() < 1e-9 && high == 1.0);
        let (low, high) = margins((0.0, 0.0), &auroc, &ef);
        assert!(low < high);
    }
}
