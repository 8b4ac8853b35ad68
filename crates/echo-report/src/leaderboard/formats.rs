//! The table as text: Markdown, for a wide terminal, CSV.

use std::fmt::Write;

use super::columns::{Column, Detail, Extent};
use super::pivot::numbered;
use super::{Leaderboard, Value};
use crate::Reference;
use crate::store::to_text;
use crate::text_table::{markdown, markdown_table, text_table};

impl Leaderboard {
    fn lines(&self, columns: &[Column], detail: Detail) -> Vec<Vec<String>> {
        self.rows.iter().map(|row| columns.iter().map(|column| column.text(row, detail)).collect()).collect()
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let warning = |warning: &String| format!("**Warning:** {}\n\n", markdown(warning));
        let warnings: String = self.warnings.iter().map(warning).collect();
        let columns = self.columns(Extent::Main);
        let table = markdown_table(&headings(&columns), &self.lines(&columns, Detail::Full));
        let (heading, caption) = (markdown(&self.heading()), markdown(&self.caption));
        let mut text = format!("{warnings}{heading}\n\n{table}\n{caption} Every metric: `leaderboard.csv`.\n");
        for note in &self.notes {
            let _ = writeln!(text, "\n{}", markdown(note));
        }
        for row in self.rows.iter().filter(|row| row.error.is_some()) {
            let line = format!("{} failed: {}", row.name(), row.error.as_deref().unwrap_or_default());
            let _ = writeln!(text, "\n{}", markdown(&line));
        }
        if !self.references.is_empty() {
            let rows: Vec<Vec<String>> = self.references.iter().map(|one| one.cells(&self.target).to_vec()).collect();
            let table = markdown_table(&Reference::HEADINGS.map(str::to_owned), &rows);
            let _ = write!(text, "\n{}:\n\n{table}", Reference::CAPTION);
        }
        text
    }

    /// As an aligned table of every metric, wider than most terminals. Of all but the primary one the mean stands alone, and
    /// remarks on adapters stand below the table, so that lines stay short.
    pub fn to_wide(&self) -> String {
        let columns = self.columns(Extent::Every);
        let mut rows = self.lines(&columns, Detail::Primary);
        let adapter = columns.iter().position(|column| *column == Column::Adapter).unwrap_or(0);
        let mut remarks: Vec<String> = Vec::new();
        for row in &mut rows {
            row[adapter] = numbered(&row[adapter], &mut remarks);
        }
        let lines: Vec<Vec<String>> = std::iter::once(headings(&columns)).chain(rows).collect();
        let warnings: String = self.warnings.iter().map(|warning| format!("WARNING: {warning}\n\n")).collect();
        let mut text = format!("{warnings}{}\n\n{}\n{}\n", self.heading(), text_table(&lines), self.caption);
        for (index, remark) in remarks.iter().enumerate() {
            let _ = writeln!(text, "{}[{}] {remark}", if index == 0 { "\n" } else { "" }, index + 1);
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        if !self.references.is_empty() {
            let _ = writeln!(text, "\n{}:", Reference::CAPTION);
        }
        for [name, shots, label, value, note] in self.references.iter().map(|one| one.cells(&self.target)) {
            let shots = if shots == "-" { String::new() } else { format!(", shots {shots}") };
            let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
            let _ = writeln!(text, "  {name}{shots}: {label} {value}{note}");
        }
        text
    }

    /// As CSV, one line per row of [`values`](Self::values).
    pub fn to_csv(&self) -> String {
        let (columns, rows) = self.values();
        let rows = rows.iter().map(|row| row.iter().map(Value::to_text).collect());
        to_text(&std::iter::once(columns).chain(rows).collect::<Vec<Vec<String>>>())
    }
}

fn headings(columns: &[Column]) -> Vec<String> {
    columns.iter().map(Column::heading).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::leaderboard::vs_best::{Standing, VsBest};
    use crate::leaderboard::{Cell, External, LeaderboardRow, TrainVideos};
    use crate::quantity::Quantity;

    pub(in super::super) fn board(encoder: &str) -> Leaderboard {
        let cell = |mean: f64| Cell {
            mean,
            low: mean - 1.0,
            high: mean + 1.5,
            deviation: Some(0.5),
            videos: 4,
            undefined: 0.0,
        };
        let mae = |mean: f64| BTreeMap::from([("mae".to_owned(), cell(mean))]);
        let metrics = ["auc_below_40", "r2", "mae_within_31-45"].map(|key| (key.to_owned(), cell(0.0)));
        let external = External {
            name: "far, off".to_owned(),
            hash: "h".to_owned(),
            samples: crate::SampleUnit::Video,
            test: 4,
            excluded: 0,
            metrics: mae(9.0),
        };
        let row = LeaderboardRow {
            encoder: encoder.to_owned(),
            preset: "nano".to_owned(),
            weights: "shipped".to_owned(),
            adapter: "coop".to_owned(),
            shots: "1".to_owned(),
            train: Some(TrainVideos { least: 40, most: 41, bins: 50, short_bins: 9 }),
            seeds: 2,
            metrics: mae(7.0).into_iter().chain(metrics).collect(),
            vs_best: Some(VsBest { standing: Standing::Worse, difference: 1.23, low: 0.8, high: 1.6 }),
            externals: vec![external],
            warning: "wrong".to_owned(),
            ..LeaderboardRow::default()
        };
        let constant = LeaderboardRow { encoder: "median".to_owned(), metrics: mae(8.0), ..LeaderboardRow::default() };
        let reference = Reference {
            name: "a|b".to_owned(),
            shots: Some(8),
            metric: None,
            value: 6.641,
            note: "one seed".to_owned(),
        };
        Leaderboard {
            target: Quantity::default(),
            by_patient: false,
            warnings: vec!["a_b is wrong".to_owned()],
            setting: String::new(),
            about: "95 % of A_B".to_owned(),
            caption: "what it means".to_owned(),
            rows: vec![constant, row],
            notes: Vec::new(),
            references: vec![reference],
        }
    }

    /// Without the spaces that align columns.
    fn squeezed(text: &str) -> String {
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_name_cannot_add_a_column() {
        let board = board("a|b,\"c\"\nd");
        let text = squeezed(&board.to_markdown());
        let row = text.lines().find(|line| line.starts_with("| a")).unwrap();
        assert!(row.starts_with(r#"| a\|b,"c" d | nano |"#), "{row}");
        assert!(
            text.contains("not computed by this program")
                && text.contains(r"| a\|b | 8 | ")
                && text.contains("| 6.64 | one seed |"),
            "{text}"
        );
        let mut reader = csv::Reader::from_reader(std::io::Cursor::new(board.to_csv()));
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((&rows[1][0], &rows[1][3]), ("a|b,\"c\"\nd", "coop"));
        let field =
            |row: usize, name: &str| rows[row][header.iter().position(|other| other == name).unwrap()].to_owned();
        assert_eq!(["train", "short_bins"].map(|name| field(1, name)), ["41", "9"]);
        let found = ["mae", "auc_below_40_low", "mae_within_31-45_high", "vs_best", "vs_best_low", "mae_on_far, off"];
        assert_eq!(found.map(|name| field(1, name)), ["7", "-1", "1.5", "worse", "0.8", "9"]);
        assert_eq!(found.map(|name| field(0, name)), ["8", "", "", "", "", ""]);
    }

    #[test]
    fn warnings_stand_before_the_numbers_in_every_format() {
        let board = board("echo");
        assert!(board.to_markdown().starts_with("**Warning:** a\\_b is wrong\n\n95 %"));
        assert!(board.to_wide().starts_with("WARNING: a_b is wrong\n\n95 %"));
        let json = serde_json::to_value(&board).unwrap();
        assert_eq!((&json["warnings"][0], &json["rows"][1]["warning"]), (&"a_b is wrong".into(), &"wrong".into()));
    }

    #[test]
    fn every_format_says_that_the_data_are_phantoms() {
        let mut board = board("echo");
        board.setting = "Phantom data, nano weights".to_owned();
        board.rows.iter_mut().for_each(|row| row.phantoms = true);
        let heading = "Phantom data, nano weights: 95 %";
        assert!(board.to_wide().contains(heading) && board.to_markdown().contains(heading));
        assert!(board.to_pivot().contains(heading), "{}", board.to_pivot());
        let tex = board.to_latex();
        let caption = tex.lines().find(|line| line.starts_with("\\caption{")).unwrap();
        assert!(caption.contains("Phantom data, nano weights: MAE in EF points"), "{caption}");
        let csv = board.to_csv();
        assert!(csv.contains(",test_hash,phantoms,") && csv.matches(",true,").count() == 2, "{csv}");
        let json = serde_json::to_value(&board).unwrap();
        assert_eq!(
            (&json["setting"], &json["rows"][1]["phantoms"]),
            (&"Phantom data, nano weights".into(), &true.into())
        );
    }

    #[test]
    fn what_comes_from_outside_is_text_in_markdown() {
        let mut board = board("echo");
        let name = "wall motion $_%<b>";
        let plain = "wall motion $\\_%&lt;b&gt;".replace('$', "\\$");
        board.target.name = name.to_owned();
        board.about = format!("{name} on [x](http://y)");
        board.notes = vec![format!("none is of class `{name}`; ``a`` <i>")];
        board.caption = format!("Errors in {name}; `--data <DIR>`");
        board.rows[1].adapter = format!("coop ({name})");
        board.rows[1].error = Some("no\n# room".to_owned());
        let text = board.to_markdown();
        assert!(
            !text.contains("<b>") && !text.contains("<i>") && !text.contains("](") && !text.contains("\n# "),
            "{text}"
        );
        assert!(squeezed(&text).contains(&format!("| coop ({plain}) |")), "{text}");
        assert!(text.contains(&format!("{plain} on [x]\\(http")) && text.contains("; `--data <DIR>`"), "{text}");
        assert!(text.contains("Every metric: `leaderboard.csv`."), "{text}");
    }

    #[test]
    fn the_terminal_shows_intervals_of_errors_alone() {
        let text = board("echo").to_wide();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        let words: Vec<String> =
            line("echo").split("  ").filter(|cell| !cell.is_empty()).map(|c| c.trim().to_owned()).collect();
        let mae =
            ["7.00 ± 0.50 [6.00, 8.50]", "+1.2 [0.8, 1.6]", "9.00 ± 0.50 [8.00, 10.50]", "0.000", "0.000", "0.00"];
        assert_eq!(words[4..6], ["40-41", "2"]);
        assert_eq!(words[6..], mae);
        assert!(line("encoder").contains("vs best") && line("encoder").contains("MAE on far, off"));
        assert!(text.contains("  a|b, shots 8: MAE 6.64 (one seed)"), "{text}");
        let mut board = board("echo");
        let remarked = |remark: &str| LeaderboardRow { adapter: format!("coop {remark}"), ..board.rows[1].clone() };
        let rows = ["(text of a, random; random prompts)", "(best)", "(best)"].map(remarked);
        board.rows.extend(rows);
        let text = board.to_wide();
        let found = ["coop  ", "coop [1]  ", "coop [2]  ", "\n[1] (text of a, random; random prompts)\n[2] (best)\n"];
        assert_eq!(found.map(|part| text.matches(part).count()), [1, 1, 2, 1], "{text}");
    }
}
