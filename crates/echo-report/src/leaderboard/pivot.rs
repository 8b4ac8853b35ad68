//! The table for the terminal: shots side by side, narrow enough to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use echo_metrics::Metric;

use super::columns::digits;
use super::{Cell, Leaderboard, LeaderboardRow};

/// What stands in the column of shots that a row has not.
const NOTHING: &str = "";

impl Leaderboard {
    /// One line for every encoder and adapter, with the primary metric at each number of shots, in the last column with its spread; of
    /// a row's most shots the errors over ranks and on the second test sets. Below the shots stand the training videos
    /// that they are.
    pub fn to_pivot(&self) -> String {
        let shots: BTreeSet<Shots> = self.rows.iter().map(|row| Shots::of(&row.shots)).collect();
        let shots: Vec<Shots> = shots.into_iter().filter(|shots| *shots != Shots::None).collect();
        let externals = self.externals();
        let primary = self.target.primary();
        let over_ranks = self.metrics().contains(&Metric::MACRO_MAE);
        let mut remarks: Vec<String> = Vec::new();
        let mut lines = vec![self.heading(&shots, over_ranks, &externals), self.videos(&shots)];
        let mut before = String::new();
        for rows in self.by_name() {
            let most = rows.iter().max_by_key(|row| Shots::of(&row.shots)).expect("a name has a row");
            let encoder = if most.encoder == before { String::new() } else { most.encoder.clone() };
            before = most.encoder.clone();
            let mut line = vec![encoder, numbered(&most.adapter, &mut remarks)];
            // A constant of no shots is the same at each.
            line.extend(shots.iter().enumerate().map(|(place, column)| {
                let row = rows.iter().find(|row| Shots::of(&row.shots) == *column);
                let row = row.or(rows.iter().find(|row| place == 0 && Shots::of(&row.shots) == Shots::None));
                row.map_or(NOTHING.to_owned(), |row| value(row, &primary, place + 1 == shots.len()))
            }));
            line.extend(over_ranks.then(|| mean(&primary, most.get(&Metric::MACRO_MAE))));
            line.extend(externals.iter().map(|(_, hash)| {
                let external = most.externals.iter().find(|external| external.hash == *hash);
                mean(&primary, external.and_then(|external| external.metrics.get(&primary.key()).copied()))
            }));
            lines.push(line);
        }
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        let mut text = String::new();
        for warning in &self.warnings {
            let _ = writeln!(text, "WARNING: {warning}\n");
        }
        let _ = writeln!(text, "{}\n", self.about);
        for line in lines {
            let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for (index, remark) in remarks.iter().enumerate() {
            let _ = writeln!(text, "{}[{}] {remark}", if index == 0 { "\n" } else { "" }, index + 1);
        }
        let _ = writeln!(
            text,
            "\n{}: means over seeds, of the most shots ± their standard deviation and [95 % bootstrap interval \
             over test videos]. Every number: --format wide. Not for clinical use.",
            self.target.measured(&primary)
        );
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        for row in self.rows.iter().filter(|row| row.failed > 0) {
            let error = row.error.as_deref().unwrap_or_default();
            let _ = writeln!(
                text,
                "\n{} + {}, {} shots: {} failed: {error}",
                row.encoder, row.adapter, row.shots, row.failed
            );
        }
        text
    }

    /// Rows of one encoder and adapter, in the order of the first of each.
    fn by_name(&self) -> Vec<Vec<&LeaderboardRow>> {
        let mut places: BTreeMap<[&str; 4], usize> = BTreeMap::new();
        let mut names: Vec<Vec<&LeaderboardRow>> = Vec::new();
        for row in &self.rows {
            let name = [&row.encoder, &row.preset, &row.weights, &row.adapter].map(String::as_str);
            match places.get(&name) {
                Some(&place) => names[place].push(row),
                None => {
                    places.insert(name, names.len());
                    names.push(vec![row]);
                }
            }
        }
        names
    }

    fn heading(&self, shots: &[Shots], over_ranks: bool, externals: &[(String, String)]) -> Vec<String> {
        let mut line = vec!["encoder".to_owned(), "adapter".to_owned()];
        line.extend(shots.iter().map(|shots| shots.to_string()));
        line.extend(over_ranks.then(|| "macro".to_owned()));
        line.extend(externals.iter().map(|(title, _)| format!("on {title}")));
        line
    }

    /// The training videos of each number of shots, over all rows.
    fn videos(&self, shots: &[Shots]) -> Vec<String> {
        let of = |column: &Shots| {
            let rows = self.rows.iter().filter(|row| Shots::of(&row.shots) == *column);
            let counts: Vec<_> = rows.filter_map(|row| row.train).collect();
            let (least, most) =
                (counts.iter().map(|train| train.least).min(), counts.iter().map(|train| train.most).max());
            match least.zip(most) {
                None | Some((0, 0)) => NOTHING.to_owned(),
                Some((least, most)) if least == most => format!("{most} videos"),
                Some((least, most)) => format!("{least}-{most} videos"),
            }
        };
        [NOTHING.to_owned(), NOTHING.to_owned()].into_iter().chain(shots.iter().map(of)).collect()
    }
}

/// A column of shots, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shots {
    /// Of what sees no training videos and is no zero-shot reading.
    None,
    Number(usize),
    /// A split file's own training videos.
    Split,
}

impl Shots {
    fn of(text: &str) -> Self {
        match text {
            "" => Self::None,
            text => text.parse().map_or(Self::Split, Self::Number),
        }
    }
}

impl std::fmt::Display for Shots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("-"),
            Self::Number(1) => f.write_str("1 shot"),
            Self::Number(count) => write!(f, "{count} shots"),
            Self::Split => f.write_str("split"),
        }
    }
}

fn value(row: &LeaderboardRow, metric: &Metric, detailed: bool) -> String {
    let failed = if row.failed > 0 { " !" } else { "" };
    match row.get(metric) {
        None => format!("-{failed}"),
        Some(cell) if detailed => format!("{}{failed}", cell.text(digits(metric))),
        Some(cell) => format!("{}{failed}", mean(metric, Some(cell))),
    }
}

fn mean(metric: &Metric, cell: Option<Cell>) -> String {
    cell.map_or("-".to_owned(), |cell| format!("{:.*}", digits(metric), cell.mean))
}

/// An adapter's name, with a number in place of what is remarked on it.
pub(super) fn numbered(adapter: &str, remarks: &mut Vec<String>) -> String {
    let Some((name, remark)) = adapter.split_once(' ') else { return adapter.to_owned() };
    let number = remarks.iter().position(|other| other == remark).unwrap_or_else(|| {
        remarks.push(remark.to_owned());
        remarks.len() - 1
    });
    format!("{name} [{}]", number + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::leaderboard::{External, TrainVideos};
    use crate::quantity::Quantity;

    fn row(encoder: &str, adapter: &str, shots: &str, mae: f64, train: usize) -> LeaderboardRow {
        let cell = |mean: f64| Cell {
            mean,
            low: mean - 1.0,
            high: mean + 1.5,
            deviation: Some(0.5),
            videos: 4,
            undefined: 0.0,
        };
        let far = BTreeMap::from([("mae".to_owned(), cell(mae + 2.0))]);
        let metrics = [("mae".to_owned(), cell(mae)), ("macro_mae".to_owned(), cell(mae + 1.0))];
        LeaderboardRow {
            encoder: encoder.to_owned(),
            adapter: adapter.to_owned(),
            shots: shots.to_owned(),
            train: (train > 0).then_some(TrainVideos { least: train, most: train, bins: 9, short_bins: 0 }),
            seeds: 2,
            metrics: metrics.into(),
            externals: vec![External {
                name: "far".to_owned(),
                hash: "h".to_owned(),
                test: 4,
                excluded: 0,
                metrics: far,
            }],
            ..LeaderboardRow::default()
        }
    }

    #[test]
    fn shots_stand_side_by_side_over_their_videos_and_the_most_have_their_spread() {
        let mut failed = row("echo", "full", "8", 4.0, 90);
        (failed.failed, failed.error) = (1, Some("no room".to_owned()));
        let board = Leaderboard {
            target: Quantity::default(),
            warnings: vec!["toy".to_owned()],
            about: "EF on 4 test videos".to_owned(),
            caption: "long".to_owned(),
            rows: vec![
                row("median of validation", "", "", 9.0, 0),
                row("echo", "zero-shot", "0", 6.0, 0),
                row("echo", "coop (text of a)", "1", 5.5, 12),
                row("echo", "coop (text of a)", "8", 5.0, 90),
                failed,
            ],
            notes: vec!["noted".to_owned()],
            references: Vec::new(),
        };
        let text = board.to_pivot();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!((&lines[0][..], &lines[2][..]), (&["WARNING: toy"][..], &["EF on 4 test videos"][..]));
        let lines = &lines[2..];
        assert_eq!(lines[2], ["encoder", "adapter", "0 shots", "1 shot", "8 shots", "macro", "on far"]);
        assert_eq!(lines[3], ["12 videos", "90 videos"]);
        assert_eq!(lines[4], ["median of validation", "9.00", "10.00", "11.00"]);
        assert_eq!(lines[5], ["echo", "zero-shot", "6.00", "7.00", "8.00"]);
        assert_eq!(lines[6], ["coop [1]", "5.50", "5.00 ± 0.50 [4.00, 6.50]", "6.00", "7.00"]);
        assert_eq!(lines[7], ["full", "4.00 ± 0.50 [3.00, 5.50] !", "5.00", "6.00"]);
        for part in ["[1] (text of a)", "MAE in EF points", "noted", "echo + full, 8 shots: 1 failed: no room"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.lines().take(10).all(|line| line.chars().count() <= 100), "{text}");
    }
}
