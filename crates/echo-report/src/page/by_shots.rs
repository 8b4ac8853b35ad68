//! Plots of errors against shots, beside constant predictors and published figures.

use std::collections::BTreeSet;

use super::Report;
use super::entry::Entry;
use super::escape::escape;
use super::html::figure;
use super::plots::{self, Line, Panel, Point, Published};
use super::table::table;
use crate::{Constant, LeaderboardRow, Reference};

/// One panel per adapter, one line per encoder.
pub(super) fn by_shots(report: &Report<'_>, entries: &[Entry<'_>]) -> String {
    let target = &report.leaderboard.target;
    let primary = target.primary();
    let key = primary.key();
    let rows = || entries.iter().flat_map(|entry| entry.rows).filter(|row| row.metrics.contains_key(&key));
    let mut encoders: Vec<&str> = Vec::new();
    let mut adapters: Vec<&str> = Vec::new();
    for row in rows() {
        if !encoders.contains(&row.encoder.as_str()) {
            encoders.push(&row.encoder);
        }
        if !adapters.contains(&row.adapter.as_str()) {
            adapters.push(&row.adapter);
        }
    }
    if adapters.is_empty() {
        return format!("<p>No cell ended with a score.</p>\n{}", published(&report.leaderboard.references));
    }
    let places: BTreeSet<(usize, String)> =
        rows().map(|row| (row.shots.parse().unwrap_or(usize::MAX), row.shots.clone())).collect();
    let places: Vec<String> = places.into_iter().map(|(_, shots)| shots).collect();
    let place = |row: &LeaderboardRow| places.iter().position(|shots| *shots == row.shots);
    let mae = |row: &LeaderboardRow| row.get(&primary);
    let references = Published::of(&report.leaderboard.references, &places);
    // With several sets of test videos every set has its own, under a longer name: none is right for all plots.
    let constants = report
        .leaderboard
        .rows
        .iter()
        .filter(|row| row.adapter.is_empty() && row.encoder == Constant::of_training(target.kind));
    let constant: Vec<(usize, f64)> = constants.filter_map(|row| Some((place(row)?, mae(row)?.mean))).collect();
    let highest_of = |adapter: &str| {
        rows().filter(|row| row.adapter == adapter).filter_map(|row| Some(mae(row)?.high)).fold(1.0, f64::max)
    };
    // A single adapter that fails would flatten all other plots.
    let mut ends: Vec<f64> = adapters.iter().map(|adapter| highest_of(adapter)).collect();
    ends.sort_by(f64::total_cmp);
    let usual = 2.0 * ends[ends.len() / 2];
    let others = constant.iter().map(|(_, value)| *value).chain(references.iter().flat_map(Published::values));
    let common = ends.iter().copied().chain(others).filter(|end| *end <= usual).fold(1.0, f64::max);
    let known = (!constant.is_empty()).then_some(Constant::of_training(target.kind));
    let mut text = format!(
        "<p>Mean over seeds of the {} with its 95 % interval over test videos. The axis is the same in all plots \
         but those of far greater errors.</p>\n{}<div class=\"plots\">\n",
        escape(&target.measured(&primary)),
        plots::legend(&encoders, known, &references)
    );
    // No bar is higher than the greatest error that a value between 0 and 100 can have.
    let most = if target.is_percentage() { 100.0 } else { f64::MAX };
    for adapter in adapters {
        let line = |(series, encoder): (usize, &&str)| {
            let of_line = rows().filter(|row| row.adapter == adapter && row.encoder == *encoder);
            let mut points: Vec<(usize, Point)> = of_line
                .filter_map(|row| {
                    let cell = mae(row)?;
                    Some((place(row)?, Point { mean: cell.mean, low: cell.low, high: cell.high }))
                })
                .collect();
            points.sort_by_key(|(place, _)| *place);
            (!points.is_empty()).then(|| Line { series, name: (*encoder).to_owned(), points })
        };
        let mut lines: Vec<Line> = encoders.iter().enumerate().filter_map(line).collect();
        let mut constant = constant.clone();
        let mut references = references.clone();
        let mut shots = places.as_slice();
        let first = lines.iter().flat_map(|line| &line.points).map(|(place, _)| *place).min().unwrap_or(0);
        // What trains has nothing to show at 0 shots.
        if first > 0 && places[0] == "0" {
            shots = &places[1..];
            lines.iter_mut().flat_map(|line| &mut line.points).for_each(|(place, _)| *place -= 1);
            constant.retain(|(place, _)| *place > 0);
            constant.iter_mut().for_each(|(place, _)| *place -= 1);
            references.iter_mut().for_each(Published::without_first_place);
        }
        let highest = (highest_of(adapter).max(common) * 1.05).min(most);
        let panel = Panel { name: adapter.to_owned(), quantity: target, shots, lines, constant, references, highest };
        text.push_str(&figure(adapter, &plots::shots(&panel)));
    }
    text.push_str("</div>\n");
    text.push_str(&published(&report.leaderboard.references));
    text
}

/// A table of the published figures, where there are any.
fn published(references: &[Reference]) -> String {
    let rows: Vec<Vec<String>> = references.iter().map(|reference| reference.cells().to_vec()).collect();
    match rows.is_empty() {
        true => String::new(),
        false => table(Reference::CAPTION, &Reference::HEADINGS, &rows),
    }
}
