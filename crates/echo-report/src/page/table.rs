//! The leaderboard as a table that a script can sort and filter, and plain tables.

use std::collections::BTreeSet;

use super::escape::escape;
use crate::Leaderboard;
use crate::leaderboard::Detail;

/// A table with headings of columns; the first cell of a row is its heading.
pub(super) fn table(caption: &str, headings: &[&str], rows: &[Vec<String>]) -> String {
    let caption = escape(caption);
    let mut text = format!("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>");
    text.push_str(&format!("<caption>{caption}</caption><thead><tr>"));
    for (index, heading) in headings.iter().enumerate() {
        let mut cells = rows.iter().filter_map(|row| row.get(index)).filter(|cell| *cell != "-").peekable();
        let numbers = index > 0 && cells.peek().is_some() && cells.all(|cell| is_measured(cell));
        let class = if numbers { " class=\"number\"" } else { "" };
        text.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(heading)));
    }
    text.push_str("</tr></thead><tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let cell_text = escape(cell);
            match index {
                0 => text.push_str(&format!("<th scope=\"row\">{cell_text}</th>")),
                _ if is_measured(cell) => {
                    text.push_str(&format!("<td class=\"number\">{}</td>", interval_below(&cell_text)));
                }
                _ => text.push_str(&format!("<td>{cell_text}</td>")),
            }
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
}

/// The leaderboard; rows for which `anchors` has one link to their section.
pub(super) fn leaderboard(board: &Leaderboard, anchors: &[Option<String>]) -> String {
    let mut text = String::from("<form id=\"filters\" hidden>");
    for (name, values) in [
        ("encoder", unique(board.rows.iter().map(|row| row.encoder.as_str()))),
        ("adapter", unique(board.rows.iter().map(|row| row.adapter.as_str()))),
        ("shots", unique(board.rows.iter().map(|row| row.shots.as_str()))),
    ] {
        text.push_str(&format!("<label>{name} <select name=\"{name}\"><option value=\"\">all</option>"));
        for value in values {
            text.push_str(&format!("<option>{}</option>", escape(value)));
        }
        text.push_str("</select></label>\n");
    }
    text.push_str("<output id=\"shown\" aria-live=\"polite\"></output></form>\n");
    text.push_str("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Leaderboard\">");
    text.push_str("<table id=\"leaderboard\"><caption>Leaderboard</caption><thead><tr>");
    let columns = board.columns();
    for column in &columns {
        let class = if column.is_score() { " class=\"number\"" } else { "" };
        text.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(&column.heading())));
    }
    text.push_str("</tr></thead><tbody>\n");
    for (index, row) in board.rows.iter().enumerate() {
        let attributes = [("encoder", &row.encoder), ("adapter", &row.adapter), ("shots", &row.shots)]
            .map(|(name, value)| format!(" data-{name}=\"{}\"", escape(value)));
        text.push_str(&format!("<tr id=\"row-{index}\"{}>", attributes.concat()));
        for (place, column) in columns.iter().enumerate() {
            let cell = escape(&column.text(row, Detail::Full));
            match (place, anchors.get(index).and_then(Option::as_ref)) {
                (0, Some(anchor)) => text.push_str(&format!("<th scope=\"row\"><a href=\"#{anchor}\">{cell}</a></th>")),
                (0, None) => text.push_str(&format!("<th scope=\"row\">{cell}</th>")),
                _ if column.is_score() => {
                    let value = column.value(row).map_or(String::new(), |value| value.to_string());
                    let cell = interval_below(&cell);
                    text.push_str(&format!("<td class=\"number\" data-value=\"{value}\">{cell}</td>"));
                }
                _ => text.push_str(&format!("<td>{cell}</td>")),
            }
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    text
}

/// Whether a cell is a number, alone or with its interval.
fn is_measured(cell: &str) -> bool {
    let (number, rest) = cell.split_once(' ').unwrap_or((cell, "]"));
    rest.ends_with(']') && number.parse::<f64>().is_ok()
}

/// The interval of a number below it, since columns are narrow.
fn interval_below(cell: &str) -> String {
    cell.replace(" [", " <span class=\"interval\">[").replace(']', "]</span>")
}

/// What there is, shots in their order; the constant predictors' empty names are left to `all`.
fn unique<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let values: BTreeSet<(usize, &str)> =
        values.filter(|value| !value.is_empty()).map(|value| (value.parse().unwrap_or(usize::MAX), value)).collect();
    values.into_iter().map(|(_, value)| value).collect()
}
