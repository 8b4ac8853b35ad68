//! Tables in plain text: for a terminal, and as Markdown.

use comfy_table::Table;
use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use echo_files::printable;

/// Rows as columns aligned to the left, two spaces apart, each cell [`printable`].
pub fn text_table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_rows(rows.iter().map(|row| row.as_ref().iter().map(|cell| printable(cell))));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if rows.is_empty() { String::new() } else { table.trim_fmt() + "\n" }
}

/// The same as Markdown, whose rows and columns no cell can add to.
pub(crate) fn markdown_table(header: &[impl AsRef<str>], rows: &[Vec<String>]) -> String {
    let plain = |cell: &str| markdown(cell).replace('|', "\\|");
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header.iter().map(|cell| plain(cell.as_ref())));
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| plain(cell))));
    table.to_string() + "\n"
}

/// Text of a paragraph or a cell without a meaning to Markdown or HTML, on one line; what stands between backticks stays
/// code.
pub(crate) fn markdown(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let plain = |text: &str| {
        let mut escaped = String::with_capacity(text.len());
        let mut before = ' ';
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                // An interval's brackets are no link.
                '(' | '[' | ':' if before == ']' => escaped.extend(['\\', character]),
                '\\' | '`' | '*' | '_' | '#' | '$' | '~' => escaped.extend(['\\', character]),
                character => escaped.push(character),
            }
            before = character;
        }
        escaped
    };
    with_code(&text, plain, |code| format!("`{code}`"))
}

/// The text with `plain` of what stands outside backticks, and `code` of what stands between two of them. Backticks that
/// are not in pairs are plain.
pub(crate) fn with_code(text: &str, plain: impl Fn(&str) -> String, code: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) || text.contains("``") {
        return plain(text);
    }
    let part = |(place, part): (usize, &&str)| if place % 2 == 1 { code(part) } else { plain(part) };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_it_looks_and_a_cell_stays_on_its_line() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["name", "b", ""]), row(["\u{4e2d}\u{4e2d}\u{4e2d}", "1 ± 2", ""]), row(["a\nb", "", "c"])];
        let text = text_table(&rows);
        assert_eq!(text, "name    b\n\u{4e2d}\u{4e2d}\u{4e2d}  1 ± 2\na\\nb           c\n");
        assert_eq!(text_table::<Vec<String>>(&[]), "");
        let long = "x".repeat(1 << 17);
        assert!(text_table(&[row([&long, "b", ""])]).contains("b"));
        let text = markdown_table(&["a", "b"], &[vec!["x|y\nz".to_owned(), String::new()]]);
        assert_eq!(text, "| a      | b |\n|--------|---|\n| x\\|y z |   |\n");
    }
}
