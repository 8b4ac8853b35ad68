//! The table at the end: means over seeds, beside the predictors that know nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use echo_metrics::{Metric, Scores, Spread};
use serde::Serialize;

use crate::clip_change::ClipChange;
use crate::{BenchError, CellRecord, CellStatus};

/// A metric's column.
pub(crate) const COLUMNS: [(Metric, &str, usize); 4] =
    [(Metric::Mae, "MAE", 2), (Metric::Rmse, "RMSE", 2), (Metric::R2, "R2", 3), (Metric::Pearson, "r", 3)];

/// A mean over seeds with the mean of its bootstrap intervals' ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Mean over seeds.
    pub mean: f64,
    /// Mean lower end.
    pub low: f64,
    /// Mean upper end.
    pub high: f64,
    /// Sample standard deviation over seeds, for two seeds and more.
    pub deviation: Option<f64>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeaderboardRow {
    /// The encoder, or the constant predictor.
    pub encoder: String,
    /// Its preset; empty for constant predictors.
    pub preset: String,
    /// What kind of weights; empty for constant predictors.
    pub weights: String,
    /// The adapter; empty for constant predictors.
    pub adapter: String,
    /// Training videos per EF bin, `split` for a split file's, empty where there are none.
    pub shots: String,
    /// Seeds that ended well.
    pub seeds: usize,
    /// Cells that failed.
    pub failed: usize,
    /// By the metric's key; metrics that are undefined for the row are missing.
    pub metrics: BTreeMap<String, Cell>,
    /// The first failed cell's error.
    pub error: Option<String>,
}

/// The rows, and what stands above them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leaderboard {
    /// What was measured and how.
    pub caption: String,
    /// Constant predictors first, then the grid in its order.
    pub rows: Vec<LeaderboardRow>,
    /// What else was found.
    pub notes: Vec<String>,
}

impl LeaderboardRow {
    /// A constant predictor's row, from one set of scores per seed.
    pub(crate) fn constant(name: &str, shots: String, scores: &[Scores]) -> Result<Self, BenchError> {
        Ok(Self {
            encoder: name.to_owned(),
            preset: String::new(),
            weights: String::new(),
            adapter: String::new(),
            shots,
            seeds: scores.len(),
            failed: 0,
            metrics: means(&scores.iter().collect::<Vec<_>>())?,
            error: None,
        })
    }

    /// The rows of cells that differ in their seed alone: after the last epoch and, where it was asked for, after the
    /// one that was best on the validation split.
    pub(crate) fn of_cells(cells: &[&CellRecord]) -> Result<Vec<Self>, BenchError> {
        let Some(first) = cells.first() else { return Ok(Vec::new()) };
        let done: Vec<&CellRecord> = cells.iter().copied().filter(|cell| cell.status == CellStatus::Done).collect();
        let row = |epoch: Option<&'static str>, scores: &[&Scores]| -> Result<Self, BenchError> {
            let text = first.text.as_ref().map(|text| format!("text of {}, {}", text.name, text.weights));
            let prompts = first.random_prompts.then(|| "random prompts".to_owned());
            let reading = first.config.get("reading").and_then(|reading| reading.as_str()).map(str::to_owned);
            let clips = ClipChange::recorded(first).map(|change| change.to_string());
            let remarks = reading.into_iter().chain(text).chain(prompts).chain(clips);
            let remarks: Vec<String> = remarks.chain(epoch.map(str::to_owned)).collect();
            Ok(Self {
                encoder: first.encoder.name.clone(),
                preset: first.encoder.preset.clone(),
                weights: first.encoder.weights.to_string(),
                adapter: match remarks.is_empty() {
                    true => first.adapter.clone(),
                    false => format!("{} ({})", first.adapter, remarks.join("; ")),
                },
                shots: first.shots.map_or("split".to_owned(), |shots| shots.to_string()),
                seeds: done.len(),
                failed: cells.len() - done.len(),
                metrics: means(scores)?,
                error: cells.iter().find_map(|cell| cell.error.clone()),
            })
        };
        let last: Vec<&Scores> = done.iter().filter_map(|cell| cell.scores.as_ref()).collect();
        let best: Vec<&Scores> = done.iter().filter_map(|cell| Some(&cell.best.as_ref()?.scores)).collect();
        let mut rows = vec![row(None, &last)?];
        if !best.is_empty() {
            rows.push(row(Some("best validation epoch"), &best)?);
        }
        Ok(rows)
    }
}

/// The settings that a row's cells share: those of the record, without the random prompts that each seed draws anew.
pub(crate) fn settings(cell: &CellRecord) -> serde_json::Value {
    let mut settings = cell.config.clone();
    if let Some(settings) = settings.as_object_mut().filter(|_| cell.random_prompts) {
        settings.remove("ranks");
    }
    settings
}

/// Whether two cells differ in their seed alone, and so in the draw that follows from it.
pub(crate) fn same_row(one: &CellRecord, other: &CellRecord) -> bool {
    let of = |cell: &CellRecord| (cell.adapter.clone(), cell.shots, cell.random_prompts, cell.data.name.clone());
    (&one.encoder, &one.text, one.data.test) == (&other.encoder, &other.text, other.data.test)
        && of(one) == of(other)
        && settings(one) == settings(other)
}

/// The cells of every row, in the order of their first ones.
pub(crate) fn groups(records: &[CellRecord]) -> Vec<Vec<&CellRecord>> {
    let mut groups: Vec<Vec<&CellRecord>> = Vec::new();
    for record in records {
        // A row's cells and those of its twin with random prompts alternate.
        match groups.iter_mut().rev().find(|group| same_row(group[0], record)) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups
}

fn means(scores: &[&Scores]) -> Result<BTreeMap<String, Cell>, BenchError> {
    let mut metrics = BTreeMap::new();
    for (metric, ..) in COLUMNS {
        let intervals: Vec<_> = scores.iter().filter_map(|scores| scores.get(metric)).collect();
        // A metric that some seed does not have would be a mean over other videos than its neighbours'.
        if intervals.is_empty() || intervals.len() < scores.len() {
            continue;
        }
        let count = intervals.len() as f64;
        let spread = Spread::of(&intervals.iter().map(|interval| interval.value).collect::<Vec<_>>())?;
        let cell = Cell {
            mean: spread.mean,
            low: intervals.iter().map(|interval| interval.low).sum::<f64>() / count,
            high: intervals.iter().map(|interval| interval.high).sum::<f64>() / count,
            deviation: spread.deviation,
        };
        metrics.insert(metric.key(), cell);
    }
    Ok(metrics)
}

impl Leaderboard {
    pub(crate) fn header() -> Vec<&'static str> {
        ["encoder", "weights", "adapter", "shots", "seeds"]
            .into_iter()
            .chain(COLUMNS.map(|(_, name, _)| name))
            .collect()
    }

    pub(crate) fn cells(row: &LeaderboardRow) -> Vec<String> {
        let weights = match (row.preset.as_str(), row.weights.as_str()) {
            ("", _) => String::new(),
            (preset, weights) if preset == weights => preset.to_owned(),
            (preset, weights) => format!("{preset}, {weights}"),
        };
        let seeds = match row.failed {
            0 => row.seeds.to_string(),
            failed => format!("{} ({failed} failed)", row.seeds),
        };
        let start = [row.encoder.clone(), weights, row.adapter.clone(), row.shots.clone(), seeds];
        let metrics = COLUMNS.iter().map(|&(metric, _, digits)| match row.metrics.get(&metric.key()) {
            None => "-".to_owned(),
            Some(Cell { mean, low, high, deviation }) => {
                let spread = deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.digits$}"));
                format!("{mean:.digits$}{spread} [{low:.digits$}, {high:.digits$}]")
            }
        });
        start.into_iter().chain(metrics).collect()
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("{}\n\n| {} |\n|{}\n", self.caption, Self::header().join(" | "), " --- |".repeat(9));
        for row in &self.rows {
            let cells = Self::cells(row).into_iter().map(|cell| cell.replace('|', "\\|").replace(['\n', '\r'], " "));
            let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        for row in self.rows.iter().filter(|row| row.error.is_some()) {
            let error = row.error.as_deref().unwrap_or_default();
            let _ = writeln!(text, "\n{} + {}, {} shots failed: {error}", row.encoder, row.adapter, row.shots);
        }
        text
    }

    /// As an aligned table for the terminal.
    pub fn to_table(&self) -> String {
        let lines: Vec<Vec<String>> = std::iter::once(Self::header().into_iter().map(str::to_owned).collect())
            .chain(self.rows.iter().map(Self::cells))
            .collect();
        let widths: Vec<usize> =
            (0..9).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
        let mut text = format!("{}\n\n", self.caption);
        for line in lines {
            let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }

    /// As CSV, one line per row and metric values in columns of their own.
    pub fn to_csv(&self) -> String {
        let mut text = "encoder,preset,weights,adapter,shots,seeds,failed".to_owned();
        for (metric, ..) in COLUMNS {
            let key = metric.key();
            let _ = write!(text, ",{key},{key}_low,{key}_high,{key}_sd");
        }
        text.push('\n');
        for row in &self.rows {
            let LeaderboardRow { encoder, preset, weights, adapter, shots, seeds, failed, metrics, .. } = row;
            let adapter = adapter.replace('"', "\"\"");
            let [encoder, preset, weights, shots] = [encoder, preset, weights, shots].map(|text| csv_field(text));
            let _ = write!(text, "{encoder},{preset},{weights},\"{adapter}\",{shots},{seeds},{failed}");
            for (metric, ..) in COLUMNS {
                match metrics.get(&metric.key()) {
                    None => text.push_str(",,,,"),
                    Some(cell) => {
                        let deviation = cell.deviation.map_or(String::new(), |deviation| deviation.to_string());
                        let _ = write!(text, ",{},{},{},{deviation}", cell.mean, cell.low, cell.high);
                    }
                }
            }
            text.push('\n');
        }
        text
    }

    /// As a LaTeX table for the package `booktabs`.
    pub fn to_latex(&self) -> String {
        let line = |cells: &[String]| cells.iter().map(|cell| latex(cell)).collect::<Vec<_>>().join(" & ") + " \\\\\n";
        let header: Vec<String> = Self::header().into_iter().map(str::to_owned).collect();
        let mut text = String::from("% \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
        let _ = writeln!(text, "\\caption{{{}}}", latex(&self.caption));
        let _ = write!(text, "\\begin{{tabular}}{{lllrr{}}}\n\\toprule\n", "l".repeat(COLUMNS.len()));
        text.push_str(&line(&header));
        text.push_str("\\midrule\n");
        let mut constant = self.rows.first().is_some_and(|row| row.adapter.is_empty());
        for row in &self.rows {
            if constant && !row.adapter.is_empty() {
                text.push_str("\\midrule\n");
                constant = false;
            }
            text.push_str(&line(&Self::cells(row)));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n");
        for note in &self.notes {
            let _ = writeln!(text, "\n{}", latex(note));
        }
        text.push_str("\\end{table}\n");
        text
    }
}

/// Quoted where it must be.
fn csv_field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Text without a meaning to LaTeX.
fn latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
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
    use super::*;

    fn board(encoder: &str) -> Leaderboard {
        let cell = Cell { mean: 7.0, low: 6.0, high: 8.5, deviation: Some(0.5) };
        let row = LeaderboardRow {
            encoder: encoder.to_owned(),
            preset: "nano".to_owned(),
            weights: "nano".to_owned(),
            adapter: "coop".to_owned(),
            shots: "1".to_owned(),
            seeds: 2,
            failed: 0,
            metrics: BTreeMap::from([("mae".to_owned(), cell)]),
            error: None,
        };
        Leaderboard { caption: "95 % of A_B".to_owned(), rows: vec![row], notes: Vec::new() }
    }

    #[test]
    fn latex_has_as_many_columns_as_it_says_and_no_command_comes_from_a_name() {
        let text = board(r"a_b & \input{x} 5% #1 $x$").to_latex();
        let row = text.lines().find(|line| line.starts_with("a")).unwrap();
        assert!(row.starts_with(r"a\_b \& \textbackslash{}input\{x\} 5\% \#1 \$x\$ & nano & coop & 1 & 2 & "), "{row}");
        assert!(row.contains(r"7.00 $\pm$ 0.50 {[}6.00, 8.50]") && row.ends_with(r" \\"), "{row}");
        assert_eq!(row.replace(r"\&", "").matches('&').count(), Leaderboard::header().len() - 1);
        assert!(text.contains(r"\begin{tabular}{lllrrllll}") && text.contains(r"\caption{95 \% of A\_B}"), "{text}");
    }

    #[test]
    fn a_name_cannot_add_a_column() {
        let board = board("a|b,\"c\"\nd");
        let row = board.to_markdown().lines().find(|line| line.starts_with("| a")).unwrap().to_owned();
        assert!(row.starts_with(r#"| a\|b,"c" d | nano |"#), "{row}");
        let mut reader = csv::Reader::from_reader(std::io::Cursor::new(board.to_csv()));
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!((&row[0], &row[3]), ("a|b,\"c\"\nd", "coop"));
    }
}
