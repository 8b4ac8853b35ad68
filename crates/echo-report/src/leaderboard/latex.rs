//! The table for a paper: shots side by side, as narrow as one of its columns.

use std::fmt::Write;

use super::Leaderboard;
use crate::text_table::with_code;

impl Leaderboard {
    /// As a LaTeX table for the package `booktabs`.
    pub fn to_latex(&self) -> String {
        let pivot = self.pivot();
        let line =
            |cells: &[String]| cells.iter().map(|cell| cell_of(cell)).collect::<Vec<_>>().join(" & ") + " \\\\\n";
        let mut text = String::from("% \\usepackage{booktabs}\n\\begin{table}\n\\centering\\footnotesize\n");
        text.push_str("\\setlength{\\tabcolsep}{3pt}\n");
        let warnings: String = self.warnings.iter().map(|warning| format!("Warning: {warning} ")).collect();
        let externals: String = pivot.externals.iter().map(|external| format!(" {external}.")).collect();
        let _ = writeln!(
            text,
            "\\caption{{{}}}",
            latex(&format!(
                "{warnings}{}, mean over seeds, of the most shots with its 95 % bootstrap interval over test \
                 {}.{externals}",
                self.with_setting(&self.target.measured(&self.target.primary())),
                self.resampled()
            ))
        );
        let numbers = "r".repeat(pivot.headings.len() - 2);
        let _ = write!(text, "\\begin{{tabular}}{{ll{numbers}}}\n\\toprule\n");
        text.push_str(&line(&pivot.headings));
        text.push_str(&line(&pivot.videos));
        text.push_str("\\midrule\n");
        for (place, cells) in pivot.lines.iter().enumerate() {
            if place > 0 && place == pivot.constants {
                text.push_str("\\midrule\n");
            }
            text.push_str(&line(cells));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n");
        let remarks = pivot.remarks.iter().enumerate().map(|(index, remark)| format!("[{}] {remark}", index + 1));
        let about = std::iter::once(format!("{}. Not for clinical use.", self.about));
        for note in about.chain(remarks).chain(self.notes.iter().cloned()) {
            let _ = writeln!(text, "\n{}", latex(&note));
        }
        text.push_str("\\end{table}\n");
        text
    }
}

/// A cell, with its interval smaller.
fn cell_of(cell: &str) -> String {
    match cell.split_once(" [") {
        Some((value, interval)) if value.parse::<f64>().is_ok() => {
            format!("{} {{\\scriptsize {}}}", latex(value), latex(&format!("[{interval}")))
        }
        _ => latex(cell),
    }
}

/// Text without a meaning to LaTeX; what stands between backticks is set as code.
fn latex(text: &str) -> String {
    with_code(text, plain, |code| format!("\\texttt{{{}}}", plain(code).replace("--", "-{}-")))
}

fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '`' => escaped.push_str("\\textasciigrave{}"),
            '±' => escaped.push_str("$\\pm$"),
            // At a line's start an opening bracket would be an argument of the line's end before it.
            '[' => escaped.push_str("{[}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use crate::leaderboard::formats::tests::board;

    #[test]
    fn latex_has_as_many_columns_as_it_says_and_no_command_comes_from_a_name() {
        let board = board(r"a_b & \input{x} 5% #1 $x$");
        let text = board.to_latex();
        let row = text.lines().find(|line| line.starts_with("a")).unwrap();
        assert!(
            row.starts_with(
                r"a\_b \& \textbackslash{}input\{x\} 5\% \#1 \$x\$ & coop & 7.00 {\scriptsize {[}6.00, 8.50]}"
            ),
            "{row}"
        );
        assert_eq!(row.replace(r"\&", "").matches('&').count(), 3);
        assert!(
            text.contains(r"\begin{tabular}{llrr}") && text.contains("\nencoder & adapter & 1 shot & external"),
            "{text}"
        );
        assert!(text.contains(r"\caption{Warning: a\_b is wrong MAE in EF points"), "{text}");
    }

    #[test]
    fn a_command_in_a_caption_is_set_as_code() {
        let mut board = board("a`b");
        board.warnings = vec!["For those: `echozoo bench --data DIR_1`.".to_owned()];
        let text = board.to_latex();
        assert!(text.contains(r"For those: \texttt{echozoo bench -{}-data DIR\_1}."), "{text}");
        assert!(!text.contains('`') && text.contains(r"a\textasciigrave{}b"), "{text}");
    }

    #[test]
    fn a_caption_is_of_two_lines() {
        let mut board = board("echo");
        board.warnings.clear();
        let text = board.to_latex();
        let caption = text.lines().find_map(|line| line.strip_prefix("\\caption{")).unwrap();
        // A line of a page that is one column wide, or of a table of two, holds about 90 characters.
        assert!(caption.len() <= 180, "{caption}");
    }
}
