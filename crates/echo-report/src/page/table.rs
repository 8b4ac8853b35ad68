//! The leaderboard as a table that a script can sort and filter, and plain tables.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::Leaderboard;
use crate::leaderboard::{Detail, Extent};

/// A table that is moved sideways where it is wider than the window.
pub(super) fn framed(caption: &str, table: &Markup) -> Markup {
    html! { div.wide tabindex="0" role="region" aria-label=(caption) { (table) } }
}

/// A heading of a column; those of numbers stand to the right, as numbers do.
pub(super) fn column(heading: &str, is_number: bool) -> Markup {
    html! { th scope="col" class=[is_number.then_some("number")] { (heading) } }
}

/// A table with headings of columns; the first cell of a row is its heading.
pub(super) fn table(caption: &str, headings: &[impl AsRef<str>], rows: &[Vec<String>]) -> Markup {
    let is_number = |index: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(index)).filter(|cell| *cell != "-").peekable();
        index > 0 && cells.peek().is_some() && cells.all(|cell| is_measured(cell))
    };
    let table = html! {
        table {
            caption { (caption) }
            thead { tr { @for (index, heading) in headings.iter().enumerate() { (column(heading.as_ref(), is_number(index))) } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (index, cell) in row.iter().enumerate() {
                            @if index == 0 { th scope="row" { (cell) } }
                            @else if is_measured(cell) { td.number { (interval_below(cell)) } }
                            @else { td { (cell) } }
                        }
                    }
                }
            }
        }
    };
    framed(caption, &table)
}

/// The leaderboard; rows for which `anchors` has one link to their section.
pub(super) fn leaderboard(board: &Leaderboard, anchors: &[Option<String>]) -> Markup {
    let filters = [
        ("encoder", unique(board.rows.iter().map(|row| row.encoder.as_str()))),
        ("adapter", unique(board.rows.iter().map(|row| row.adapter.as_str()))),
        ("shots", unique(board.rows.iter().map(|row| row.shots.as_str()))),
    ];
    let columns = board.columns(Extent::OfAll);
    let table = html! {
        table id="leaderboard" {
            caption { "Leaderboard" }
            thead { tr { @for one in &columns { (column(&one.heading(), one.is_score())) } } }
            tbody {
                @for (index, row) in board.rows.iter().enumerate() {
                    tr id=(format!("row-{index}")) data-encoder=(row.encoder) data-adapter=(row.adapter) data-shots=(row.shots) {
                        @for (place, column) in columns.iter().enumerate() {
                            @let cell = column.text(row, Detail::Full);
                            @if place == 0 {
                                th scope="row" {
                                    @if let Some(Some(anchor)) = anchors.get(index) { a href={ "#" (anchor) } { (cell) } }
                                    @else { (cell) }
                                }
                            } @else if column.is_score() {
                                @let value = column.value(row).map_or(String::new(), |value| value.to_string());
                                td.number data-value=(value) { (interval_below(&cell)) }
                            } @else { td { (cell) } }
                        }
                    }
                }
            }
        }
    };
    html! {
        form id="filters" hidden {
            @for (name, values) in &filters {
                label {
                    (name) " "
                    select name=(name) {
                        option value="" { "all" }
                        @for value in values { option { (value) } }
                    }
                }
            }
            output id="shown" aria-live="polite" {}
        }
        (framed("Leaderboard", &table))
    }
}

/// Whether a cell is a number, alone or with its interval.
fn is_measured(cell: &str) -> bool {
    let (number, rest) = cell.split_once(' ').unwrap_or((cell, "]"));
    rest.ends_with(']') && number.parse::<f64>().is_ok()
}

/// The interval of a number below it, since columns are narrow.
fn interval_below(cell: &str) -> Markup {
    match cell.split_once(" [") {
        Some((number, interval)) => html! { (number) " " span.interval { "[" (interval) } },
        None => html! { (cell) },
    }
}

/// What there is, shots in their order; the constant predictors' empty names are left to `all`.
fn unique<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let values: BTreeSet<(usize, &str)> =
        values.filter(|value| !value.is_empty()).map(|value| (value.parse().unwrap_or(usize::MAX), value)).collect();
    values.into_iter().map(|(_, value)| value).collect()
}
