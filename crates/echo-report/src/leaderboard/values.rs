//! The table as typed values, of which CSV is the text.

use echo_files::to_cell;

use super::{Cell, Leaderboard, LeaderboardRow};

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A name or a sentence.
    Text(String),
    /// A score or a difference.
    Number(f64),
    /// How many.
    Count(usize),
    /// Yes or no.
    Flag(bool),
    /// The row has none.
    Missing,
}

impl Value {
    /// As a cell of a spreadsheet.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => to_cell(text).into_owned(),
            Self::Number(number) => number.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Missing => String::new(),
        }
    }
}

impl Leaderboard {
    /// The columns of `leaderboard.csv`, and a value of each for every row: every metric with its interval in columns of its own.
    pub fn values(&self) -> (Vec<String>, Vec<Vec<Value>>) {
        const PARTS: [&str; 4] = ["", "_low", "_high", "_sd"];
        let metrics: Vec<String> = self.metrics().into_iter().map(|metric| metric.key()).collect();
        let externals = self.externals();
        let primary = self.target.primary().key();
        let names = ["encoder", "preset", "weights", "adapter", "shots", "train", "bins", "short_bins"];
        let mut header: Vec<String> = names
            .into_iter()
            .chain(["test_hash", "phantoms", "seeds", "failed", "warning"])
            .map(str::to_owned)
            .collect();
        header.extend(metrics.iter().flat_map(|key| PARTS.map(|part| format!("{key}{part}"))));
        header.extend(["vs_best", "vs_best_difference", "vs_best_low", "vs_best_high"].map(str::to_owned));
        header.extend(externals.iter().flat_map(|(title, _)| PARTS.map(|part| format!("{primary}_on_{title}{part}"))));
        let cell = |cell: Option<&Cell>| match cell {
            Some(Cell { mean, low, high, deviation, .. }) => [Some(*mean), Some(*low), Some(*high), *deviation]
                .map(|part| part.map_or(Value::Missing, Value::Number)),
            None => MISSING,
        };
        let line = |row: &LeaderboardRow| {
            let LeaderboardRow { encoder, preset, weights, adapter, test_hash, warning, .. } = row;
            let mut line = [encoder, preset, weights, adapter].map(|name| text(name)).to_vec();
            // A number, but for the rows of a split file.
            line.push(row.shots.parse().map_or_else(|_| text(&row.shots), Value::Count));
            let train = row.train.map(|train| [train.most, train.bins, train.short_bins].map(Value::Count));
            line.extend(train.unwrap_or([const { Value::Missing }; 3]));
            line.extend([
                text(test_hash),
                Value::Flag(row.phantoms),
                Value::Count(row.seeds),
                Value::Count(row.failed),
            ]);
            line.push(text(warning));
            line.extend(metrics.iter().flat_map(|key| cell(row.metrics.get(key))));
            line.extend(row.vs_best.map_or(MISSING, |vs| {
                let [difference, low, high] = [vs.difference, vs.low, vs.high].map(Value::Number);
                [Value::Text(vs.standing.to_string()), difference, low, high]
            }));
            line.extend(externals.iter().flat_map(|(_, hash)| {
                let external = row.externals.iter().find(|external| external.hash == *hash);
                cell(external.and_then(|external| external.metrics.get(&primary)))
            }));
            line
        };
        (header, self.rows.iter().map(line).collect())
    }
}

const MISSING: [Value; 4] = [const { Value::Missing }; 4];

/// Nothing for an empty one, as a spreadsheet has it.
fn text(text: &str) -> Value {
    if text.is_empty() { Value::Missing } else { Value::Text(text.to_owned()) }
}
