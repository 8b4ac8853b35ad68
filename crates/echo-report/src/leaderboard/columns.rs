//! The table's columns: their headings, and what stands in them.

use echo_metrics::Metric;

use super::{Cell, Leaderboard, LeaderboardRow, TrainVideos};

/// A column of the table that people read; files for programs have more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Encoder,
    Weights,
    Adapter,
    Shots,
    /// Training videos that were had.
    Train,
    Seeds,
    /// A metric with its heading and digits.
    Metric(Metric, &'static str, usize),
    VsBest,
    /// MAE on a second test set, by its title and its hash.
    External(String, String),
}

/// How much of a number is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Mean, deviation and interval of every number.
    Full,
    /// Of errors alone: a terminal is not wide.
    Errors,
}

impl Leaderboard {
    pub(crate) fn columns(&self) -> Vec<Column> {
        use Column::{Adapter, Encoder, External, Metric as Score, Seeds, Shots, Train, VsBest, Weights};
        let start = [Encoder, Weights, Adapter, Shots, Train, Seeds, Score(Metric::MAE, "MAE", 2), VsBest];
        // Ranks below zero have none.
        let over_ranks = self.metrics().contains(&Metric::MACRO_MAE);
        let over_ranks = over_ranks.then_some(Score(Metric::MACRO_MAE, "macro MAE", 2));
        let externals = self.externals().into_iter().map(|(title, hash)| External(title, hash));
        let end = [Score(Metric::RMSE, "RMSE", 2), Score(Metric::R2, "R2", 3), Score(Metric::PEARSON, "r", 3)];
        start.into_iter().chain(over_ranks).chain(externals).chain(end).collect()
    }
}

impl Column {
    pub(crate) fn heading(&self) -> String {
        match self {
            Self::Encoder => "encoder".to_owned(),
            Self::Weights => "weights".to_owned(),
            Self::Adapter => "adapter".to_owned(),
            Self::Shots => "shots".to_owned(),
            Self::Train => "train".to_owned(),
            Self::Seeds => "seeds".to_owned(),
            Self::Metric(_, heading, _) => (*heading).to_owned(),
            Self::VsBest => "vs best".to_owned(),
            Self::External(title, _) => format!("MAE on {title}"),
        }
    }

    /// Whether it holds measured numbers.
    pub(crate) fn is_score(&self) -> bool {
        matches!(self, Self::Metric(..) | Self::VsBest | Self::External(..))
    }

    pub(crate) fn text(&self, row: &LeaderboardRow, detail: Detail) -> String {
        match self {
            Self::Encoder => row.encoder.clone(),
            Self::Weights => match (row.preset.as_str(), row.weights.as_str()) {
                ("", _) => String::new(),
                (preset, weights) if preset == weights => preset.to_owned(),
                (preset, weights) => format!("{preset}, {weights}"),
            },
            Self::Adapter => row.adapter.clone(),
            Self::Shots => row.shots.clone(),
            Self::Train => match row.train {
                None => String::new(),
                Some(TrainVideos { least, most, .. }) if least == most => most.to_string(),
                Some(TrainVideos { least, most, .. }) => format!("{least}-{most}"),
            },
            Self::Seeds => match row.failed {
                0 => row.seeds.to_string(),
                failed => format!("{} ({failed} failed)", row.seeds),
            },
            Self::VsBest => row.vs_best.map_or("-".to_owned(), |standing| standing.to_string()),
            Self::Metric(metric, _, digits) if detail == Detail::Errors && *metric != Metric::MAE => {
                self.cell(row).map_or("-".to_owned(), |cell| format!("{:.*}", *digits, cell.mean))
            }
            &Self::Metric(_, _, digits) => self.cell(row).map_or("-".to_owned(), |cell| cell.text(digits)),
            Self::External(..) => self.cell(row).map_or("-".to_owned(), |cell| cell.text(2)),
        }
    }

    /// What rows are sorted by; nothing where it is a text, or missing.
    pub(crate) fn value(&self, row: &LeaderboardRow) -> Option<f64> {
        match self {
            Self::VsBest => row.vs_best.map(|standing| standing.difference),
            _ => self.cell(row).map(|cell| cell.mean),
        }
    }

    fn cell(&self, row: &LeaderboardRow) -> Option<Cell> {
        match self {
            Self::Metric(metric, ..) => row.get(metric),
            Self::External(_, hash) => {
                let external = row.externals.iter().find(|external| external.hash == *hash)?;
                external.metrics.get(&Metric::MAE.key()).copied()
            }
            _ => None,
        }
    }
}

impl Cell {
    /// Mean, deviation over seeds and interval over videos.
    pub(crate) fn text(&self, digits: usize) -> String {
        let Self { mean, low, high, deviation, .. } = self;
        let spread = deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.digits$}"));
        format!("{mean:.digits$}{spread} [{low:.digits$}, {high:.digits$}]")
    }
}
