//! The table's columns: their headings, and what stands in them.

use echo_metrics::{Kind, Metric};

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
    /// A metric with its heading, and whether it is the primary one.
    Metric(Metric, String, bool),
    /// The difference from the best row, of the primary metric.
    VsBest(Metric),
    /// The primary metric on an external test set, by its heading and the set's hash.
    External(Metric, String, String),
}

/// Which metrics have a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that most papers give.
    Main,
    /// All but those of a range, a threshold or a class, for a page that has tables of these.
    OfAll,
    /// Every metric that some row has.
    Every,
}

/// How much of a number is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Mean, deviation and interval of every number.
    Full,
    /// Of the primary metric alone: a terminal is not wide.
    Primary,
}

impl Leaderboard {
    pub(crate) fn columns(&self, extent: Extent) -> Vec<Column> {
        use Column::{Adapter, Encoder, Seeds, Shots, Train, VsBest, Weights};
        let primary = self.target.primary();
        let heading = primary.label(&self.target.name);
        let score = |metric: Metric| {
            let heading = if metric == Metric::PEARSON { "r".to_owned() } else { metric.label(&self.target.name) };
            let is_primary = metric == primary;
            Column::Metric(metric, heading, is_primary)
        };
        let start = [Encoder, Weights, Adapter, Shots, Train, Seeds, score(primary.clone()), VsBest(primary.clone())];
        let metrics = self.metrics();
        // Ranks below zero have none.
        let over_ranks = metrics.get(&Metric::MACRO_MAE).cloned();
        let external =
            |(title, hash): (String, String)| Column::External(primary.clone(), format!("{heading} on {title}"), hash);
        let externals = self.externals().into_iter().map(external);
        let others: Vec<Metric> = match self.target.kind {
            Kind::Regression if extent == Extent::Main => vec![Metric::RMSE, Metric::R2, Metric::PEARSON],
            _ => {
                let is_wanted = |metric: &Metric| extent == Extent::Every || metric.is_of_all();
                let is_before = |metric: &Metric| *metric == primary || Some(metric) == over_ranks.as_ref();
                metrics.into_iter().filter(|metric| is_wanted(metric) && !is_before(metric)).collect()
            }
        };
        start.into_iter().chain(over_ranks.map(score)).chain(externals).chain(others.into_iter().map(score)).collect()
    }
}

/// Digits of a value in a table: errors have a unit, and pure numbers are at most about 1.
pub(crate) fn digits(metric: &Metric) -> usize {
    if metric.in_unit() { 2 } else { 3 }
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
            Self::Metric(_, heading, _) | Self::External(_, heading, _) => heading.clone(),
            Self::VsBest(_) => "vs best".to_owned(),
        }
    }

    /// Whether it holds measured numbers.
    pub(crate) fn is_score(&self) -> bool {
        matches!(self, Self::Metric(..) | Self::VsBest(_) | Self::External(..))
    }

    pub(crate) fn text(&self, row: &LeaderboardRow, detail: Detail) -> String {
        match self {
            Self::Encoder => row.encoder.clone(),
            Self::Weights => match (row.preset.as_str(), row.weights.as_str()) {
                ("", _) => String::new(),
                (preset, "shipped") => preset.to_owned(),
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
            Self::VsBest(metric) => row.vs_best.map_or("-".to_owned(), |standing| standing.text(metric)),
            Self::Metric(metric, _, false) if detail == Detail::Primary => {
                self.cell(row).map_or("-".to_owned(), |cell| format!("{:.*}", digits(metric), cell.mean))
            }
            Self::Metric(metric, ..) | Self::External(metric, ..) => {
                self.cell(row).map_or("-".to_owned(), |cell| cell.text(digits(metric)))
            }
        }
    }

    /// What rows are sorted by; nothing where it is a text, or missing.
    pub(crate) fn value(&self, row: &LeaderboardRow) -> Option<f64> {
        match self {
            Self::VsBest(_) => row.vs_best.map(|standing| standing.difference),
            _ => self.cell(row).map(|cell| cell.mean),
        }
    }

    fn cell(&self, row: &LeaderboardRow) -> Option<Cell> {
        match self {
            Self::Metric(metric, ..) => row.get(metric),
            Self::External(metric, _, hash) => {
                let external = row.externals.iter().find(|external| external.hash == *hash)?;
                external.metrics.get(&metric.key()).copied()
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
