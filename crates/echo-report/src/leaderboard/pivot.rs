//! The table for the terminal: shots side by side, narrow enough to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use echo_files::counted;
use echo_metrics::Metric;

use super::columns::digits;
use super::external::ALONE;
use super::{Cell, Leaderboard, LeaderboardRow};
use crate::text_table::text_table;

/// Columns of a terminal.
const WIDTH: usize = 100;

/// Characters of a data set's name that stand in a heading.
const SHORT: usize = 7;

/// The heading of the macro MAE.
const MACRO: &str = "macro";

/// What stands in the column of shots that a row has not.
const NOTHING: &str = "";

/// The table with shots side by side, before it is set: headings, training samples below them, and a line for every encoder
/// and adapter.
pub(super) struct Pivot {
    pub(super) headings: Vec<String>,
    pub(super) videos: Vec<String>,
    pub(super) lines: Vec<Vec<String>>,
    /// How many columns of shots follow the names.
    shots: usize,
    /// How many of the first lines are constant predictors'.
    pub(super) constants: usize,
    /// Remarks on adapters, by their number.
    pub(super) remarks: Vec<String>,
    /// What the columns of external test sets are.
    pub(super) externals: Vec<String>,
}

impl Leaderboard {
    /// One line for every encoder and adapter, with the primary metric at each number of shots, in the last column with its
    /// interval; of a row's most shots the errors over ranks and on the external test sets. Below the shots stand the training
    /// samples that they are.
    pub(super) fn pivot(&self) -> Pivot {
        let shots: BTreeSet<Shots> = self.rows.iter().map(|row| Shots::of(&row.shots)).collect();
        let shots: Vec<Shots> = shots.into_iter().filter(|shots| *shots != Shots::None).collect();
        let externals = self.externals();
        let primary = self.target.primary();
        let over_ranks = self.metrics().contains(&Metric::MACRO_MAE);
        // By its name where that is short, as `home` is.
        let is_short = |title: &str| title.chars().count() <= SHORT;
        let others = externals.iter().filter(|(title, _)| title != ALONE).count();
        let heading_of = |place: usize| match &externals[place].0 {
            title if title == ALONE => "by video".to_owned(),
            title if is_short(title) => format!("on {title}"),
            _ if others == 1 => "external".to_owned(),
            _ => format!("external {}", place + 1),
        };
        let mut headings = vec!["encoder".to_owned(), "adapter".to_owned()];
        // Said once, it holds for the columns that follow.
        headings.extend(shots.iter().enumerate().map(|(place, shots)| match shots {
            Shots::Number(count) if place > 0 => count.to_string(),
            shots => shots.to_string(),
        }));
        headings.extend(over_ranks.then(|| MACRO.to_owned()));
        headings.extend((0..externals.len()).map(heading_of));
        // Where the heading does not say it.
        let numbered_sets = externals.iter().enumerate().filter(|(_, (title, _))| !is_short(title));
        let sets = numbered_sets.map(|(place, (title, _))| {
            format!("{}: {} on {title}", heading_of(place), primary.label(&self.target.name))
        });
        let mut pivot = Pivot {
            headings,
            videos: self.videos(&shots),
            lines: Vec::new(),
            shots: shots.len(),
            constants: 0,
            remarks: Vec::new(),
            externals: sets.collect(),
        };
        let mut before = String::new();
        for rows in self.by_name() {
            let most = rows.iter().max_by_key(|row| Shots::of(&row.shots)).expect("a name has a row");
            // A constant's name is as long as an encoder's and an adapter's together.
            let (encoder, adapter) = match most.encoder.split_once(' ') {
                Some((first, rest)) if most.is_constant() => (first.to_owned(), rest.to_owned()),
                _ => (most.encoder.clone(), numbered(&most.adapter, &mut pivot.remarks)),
            };
            pivot.constants += usize::from(most.is_constant());
            let name = if encoder == before { String::new() } else { encoder.clone() };
            before = encoder;
            let mut line = vec![name, adapter];
            // A constant of no shots is the same at each.
            line.extend(shots.iter().enumerate().map(|(place, column)| {
                let row = rows.iter().find(|row| Shots::of(&row.shots) == *column);
                let row = row.or(rows.iter().find(|row| place == 0 && Shots::of(&row.shots) == Shots::None));
                // Without shots there is no room for it beside those that have some.
                let of_most = |row: &LeaderboardRow| {
                    let is_own = place > 0 && Shots::of(&row.shots) == *column;
                    place + 1 == shots.len() || (is_own && row.shots == most.shots)
                };
                row.map_or(NOTHING.to_owned(), |row| value(row, &primary, of_most(row)))
            }));
            line.extend(over_ranks.then(|| mean(&primary, most.get(&Metric::MACRO_MAE))));
            line.extend(externals.iter().map(|(_, hash)| {
                let external = most.externals.iter().find(|external| external.hash == *hash);
                mean(&primary, external.and_then(|external| external.metrics.get(&primary.key()).copied()))
            }));
            pivot.lines.push(line);
        }
        pivot
    }

    /// The table for a terminal.
    pub fn to_pivot(&self) -> String {
        let mut pivot = self.pivot();
        let left_out = pivot.fit();
        let lines = pivot.table();
        let mut text = String::new();
        for warning in &self.warnings {
            let _ = writeln!(text, "{}\n", wrap(&format!("WARNING: {warning}"), WIDTH));
        }
        let _ = writeln!(text, "{}\n\n{}", wrap(&self.heading(), WIDTH), text_table(&lines).trim_end());
        for (index, remark) in pivot.remarks.iter().enumerate() {
            let line = format!("[{}] {remark}", index + 1);
            let _ = writeln!(text, "{}{}", if index == 0 { "\n" } else { "" }, wrap(&line, WIDTH));
        }
        let externals: String = pivot.externals.iter().map(|external| format!(" {external}.")).collect();
        let has_macro = pivot.headings.iter().any(|heading| heading == MACRO);
        let over_ranges = if has_macro { format!(" {}", self.target.macro_mae()) } else { String::new() };
        let caption = format!(
            "{}: mean over seeds, at the most shots with the 95 % bootstrap interval over test {}.{over_ranges}{externals} \
             {left_out}All numbers: --format wide. Not for clinical use.",
            self.target.measured(&self.target.primary()),
            self.resampled(),
        );
        let _ = writeln!(text, "\n{}", wrap(&caption, WIDTH));
        for note in &self.notes {
            let _ = writeln!(text, "\n{}", wrap(note, WIDTH));
        }
        for row in self.rows.iter().filter(|row| row.failed > 0) {
            let error = row.error.as_deref().unwrap_or_default();
            let line = format!("{}: {} failed: {error}", row.name(), counted(row.failed, "cell"));
            let _ = writeln!(text, "\n{}", wrap(&line, WIDTH));
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

    /// The training samples of each number of shots, over all rows.
    fn videos(&self, shots: &[Shots]) -> Vec<String> {
        let of = |column: &Shots| {
            let rows = self.rows.iter().filter(|row| Shots::of(&row.shots) == *column);
            let counts: Vec<_> = rows.filter_map(|row| row.train).collect();
            let (least, most) =
                (counts.iter().map(|train| train.least).min(), counts.iter().map(|train| train.most).max());
            match least.zip(most) {
                None | Some((0, 0)) => NOTHING.to_owned(),
                Some((least, most)) if least == most => most.to_string(),
                Some((least, most)) => format!("{least}-{most}"),
            }
        };
        [NOTHING.to_owned(), self.target.training()].into_iter().chain(shots.iter().map(of)).collect()
    }
}

impl Pivot {
    fn table(&self) -> Vec<Vec<String>> {
        [&self.headings, &self.videos].into_iter().chain(&self.lines).cloned().collect()
    }

    fn width(&self) -> usize {
        text_table(&self.table()).lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    /// Leaves out what is needed least until a terminal holds the table, and says what: shots between the fewest and the
    /// most, then the last columns. Names that are too long all the same are cut.
    fn fit(&mut self) -> String {
        let mut left_out: Vec<String> = Vec::new();
        while self.width() > WIDTH {
            let place = match self.shots {
                3.. => 2 + self.shots / 2,
                shots if self.headings.len() > 2 + shots => self.headings.len() - 1,
                _ => break,
            };
            let heading = self.headings.remove(place);
            let is_shots = place < 2 + self.shots;
            left_out.push(if is_shots { format!("{heading} shots") } else { heading });
            self.shots -= usize::from(is_shots);
            for line in self.lines.iter_mut().chain([&mut self.videos]).filter(|line| line.len() > place) {
                line.remove(place);
            }
        }
        // The second row is no name, but its cell stands among the names.
        while self.width() > WIDTH {
            let longest = |column: usize| self.lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
            let (column, length) =
                [0, 1].map(|column| (column, longest(column))).into_iter().max_by_key(|one| one.1).unwrap_or((0, 0));
            let kept = length.saturating_sub((self.width() - WIDTH).max(1) + 1);
            if kept < 4 {
                break;
            }
            for line in self.lines.iter_mut().filter(|line| line[column].chars().count() > kept) {
                line[column] = line[column].chars().take(kept).chain(['…']).collect();
            }
        }
        match left_out.is_empty() {
            true => String::new(),
            false => format!("Left out for lack of room: {}. ", left_out.join(", ")),
        }
    }
}

/// A column of shots, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shots {
    /// Of what sees no training samples and is no zero-shot reading.
    None,
    Number(usize),
    /// A split file's own training samples.
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
            Self::Number(count) => f.write_str(&counted(*count, "shot")),
            Self::Split => f.write_str("split"),
        }
    }
}

fn value(row: &LeaderboardRow, metric: &Metric, detailed: bool) -> String {
    let failed = if row.failed > 0 { " !" } else { "" };
    match row.get(metric) {
        None => format!("-{failed}"),
        // Of an interval two digits are enough.
        Some(Cell { low, high, .. }) if detailed => {
            format!("{} [{low:.2}, {high:.2}]{failed}", mean(metric, row.get(metric)))
        }
        Some(cell) => format!("{}{failed}", mean(metric, Some(cell))),
    }
}

fn mean(metric: &Metric, cell: Option<Cell>) -> String {
    cell.map_or("-".to_owned(), |cell| format!("{:.*}", digits(metric), cell.mean))
}

/// The text in lines of at most `width` characters, but for longer words.
fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        match column {
            0 => (),
            _ if column + 1 + length > width => {
                wrapped.push('\n');
                column = 0;
            }
            _ => {
                wrapped.push(' ');
                column += 1;
            }
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
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
                samples: crate::SampleUnit::Video,
                test: 4,
                excluded: 0,
                metrics: far,
            }],
            ..LeaderboardRow::default()
        }
    }

    #[test]
    fn shots_stand_side_by_side_over_their_videos_and_the_most_have_their_interval() {
        let mut failed = row("echo", "full", "8", 4.0, 90);
        (failed.failed, failed.error) = (1, Some("no room".to_owned()));
        let board = Leaderboard {
            target: Quantity::default(),
            by_patient: false,
            warnings: vec!["toy".to_owned()],
            setting: String::new(),
            about: "EF on 4 test videos".to_owned(),
            caption: "long".to_owned(),
            rows: vec![
                row("median of validation", "", "", 9.0, 0),
                row("echo", "zero-shot", "0", 6.0, 0),
                row("echo", "coop (text of a)", "1", 5.5, 12),
                row("echo", "coop (text of a)", "8", 5.0, 90),
                row("echo", "linear", "1", 7.0, 12),
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
        assert_eq!(lines[2], ["encoder", "adapter", "0 shots", "1", "8", "macro", "on far"]);
        assert_eq!(lines[3], ["training videos", "12", "90"]);
        assert_eq!(lines[4], ["median", "of validation", "9.00", "10.00", "11.00"]);
        assert_eq!(lines[5], ["echo", "zero-shot", "6.00", "7.00", "8.00"]);
        assert_eq!(lines[6], ["coop [1]", "5.50", "5.00 [4.00, 6.50]", "6.00", "7.00"]);
        // Its own most, though others have more.
        assert_eq!(lines[7], ["linear", "7.00 [6.00, 8.50]", "8.00", "9.00"]);
        assert_eq!(lines[8], ["full", "4.00 [3.00, 5.50] !", "5.00", "6.00"]);
        for part in
            ["[1] (text of a)", "MAE in EF points: mean", "noted", "echo + full, 8 shots: 1 cell failed: no room"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let mut elsewhere = board.clone();
        elsewhere.rows.iter_mut().for_each(|row| row.externals[0].name = "another hospital".to_owned());
        for row in &mut elsewhere.rows {
            let alone = External { name: ALONE.to_owned(), hash: "alone".to_owned(), ..row.externals[0].clone() };
            row.externals.push(alone);
        }
        let text = elsewhere.to_pivot();
        assert!(
            text.contains("  external  by video\n") && text.contains("external: MAE on another hospital."),
            "{text}"
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let shots = ["0", "1", "2", "4", "8", "16", "32", "64"];
        let mut rows: Vec<LeaderboardRow> = Vec::new();
        for adapter in ["linear", "mfl+echozoom (text of echoclip, nano)"] {
            rows.extend(shots.map(|shots| row("echoprime", adapter, shots, 12.95, 4000)));
        }
        for row in &mut rows {
            let alone = External { name: ALONE.to_owned(), hash: "alone".to_owned(), ..row.externals[0].clone() };
            row.externals.push(alone);
        }
        let mut board = crate::leaderboard::formats::tests::board("echo");
        board.rows = rows;
        let fits = |text: &str| text.lines().all(|line| line.chars().count() <= WIDTH);
        let text = board.to_pivot();
        let left_out = text.contains("Left out for lack of room: ") && text.contains(" shots. All");
        assert!(fits(&text) && left_out && text.contains("[11.95, 14.45]") && text.contains("by video"), "{text}");
        board.rows.iter_mut().for_each(|row| row.encoder = "a name ".repeat(20));
        assert!(fits(&board.to_pivot()), "{}", board.to_pivot());
    }

    /// What `bench` without arguments prints: three encoders, five numbers of shots, an external test set.
    #[test]
    fn the_default_grid_fits_a_terminal_of_a_hundred_columns() {
        let mut rows = vec![row("median of validation", "", "", 10.12, 0)];
        for shots in ["1", "2", "4", "8"] {
            rows.push(row("median of training", "", shots, 12.34, 400));
        }
        for encoder in ["echoclip", "echoprime", "panecho"] {
            rows.push(row(encoder, "zero-shot", "0", 10.95, 0));
            for shots in ["1", "2", "4", "8"] {
                rows.push(row(encoder, "mfl+echozoom (text of echoclip, nano)", shots, 12.95, 400));
            }
        }
        let board = Leaderboard {
            target: Quantity::default(),
            by_patient: false,
            warnings: vec!["long ".repeat(60)],
            setting: String::new(),
            about: "words ".repeat(40),
            caption: String::new(),
            rows,
            notes: vec!["a note of many words ".repeat(20)],
            references: Vec::new(),
        };
        let text = board.to_pivot();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let mut of_classes = board.clone();
        of_classes.target = crate::quantity::tests::task(echo_metrics::Kind::Ordinal, &["a", "b"]);
        for row in &mut of_classes.rows {
            let cell = Cell { mean: 0.5, low: 0.4, high: 0.6, deviation: None, videos: 4, undefined: 0.0 };
            row.metrics = BTreeMap::from([("quadratic_kappa".to_owned(), cell)]);
        }
        let text = of_classes.to_pivot();
        assert!(
            text.contains("0.500 [0.40, 0.60]") && text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
    }
}
