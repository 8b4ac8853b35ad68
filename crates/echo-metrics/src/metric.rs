//! The registry: which metrics there are, what they are called, and which file computes them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    auc::{Threshold, auc},
    bland_altman::{bias, lower_limit, upper_limit},
    error::Error,
    macro_mae::macro_mae,
    mae::mae,
    pearson::pearson,
    r2::r2,
    rank::{Rank, mae_within, videos_within},
    rmse::rmse,
    sample::{Sample, Videos},
};

/// One number that says how well predictions agree with the truth. As text, and in files, its [`key`](Self::key).
/// The order is that of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Metric {
    /// Mean absolute error.
    Mae,
    /// Mean of the mean absolute errors within ranks, each of which weighs the same however many videos it holds. The
    /// ranks are those of every [`MaeWithin`](Self::MaeWithin) that is asked for beside it; undefined when none of them
    /// holds a video.
    MacroMae,
    /// Root mean squared error.
    Rmse,
    /// Coefficient of determination; undefined when all true values are equal.
    R2,
    /// Pearson's correlation; undefined when one side is constant.
    Pearson,
    /// Area under the ROC curve for a true value below the threshold; undefined when all videos are on one side of it.
    Auc {
        /// Truly lower values are to be found.
        below: Threshold,
    },
    /// Mean of prediction minus truth.
    Bias,
    /// Bland-Altman's lower limit of agreement; undefined for a single video.
    LowerLimit,
    /// Bland-Altman's upper limit of agreement; undefined for a single video.
    UpperLimit,
    /// Mean absolute error on the videos of one rank; undefined when it is empty.
    MaeWithin {
        /// The rank of the true value.
        rank: Rank,
    },
}

/// Every metric that needs nothing but the data, in the order of tables. Ranks are the caller's: see
/// [`score_metrics`](crate::score_metrics).
pub const METRICS: &[Metric] = &[
    Metric::Mae,
    Metric::Rmse,
    Metric::R2,
    Metric::Pearson,
    Metric::Auc { below: Threshold(35) },
    Metric::Auc { below: Threshold(40) },
    Metric::Auc { below: Threshold(50) },
    Metric::Bias,
    Metric::LowerLimit,
    Metric::UpperLimit,
];

/// Which of two values of a metric is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// The one nearer to zero.
    NearZero,
}

impl Metric {
    /// The name in files and on the command line, such as `auc_below_40`.
    pub fn key(self) -> String {
        match self {
            Self::Mae => "mae".into(),
            Self::MacroMae => "macro_mae".into(),
            Self::Rmse => "rmse".into(),
            Self::R2 => "r2".into(),
            Self::Pearson => "pearson".into(),
            Self::Auc { below } => format!("auc_below_{below}"),
            Self::Bias => "bias".into(),
            Self::LowerLimit => "lower_limit".into(),
            Self::UpperLimit => "upper_limit".into(),
            Self::MaeWithin { rank } => format!("mae_within_{rank}"),
        }
    }

    /// The heading in tables, such as `AUC EF<40` for the target `EF`.
    pub fn label(self, target: &str) -> String {
        match self {
            Self::Mae => "MAE".into(),
            Self::MacroMae => "macro MAE".into(),
            Self::Rmse => "RMSE".into(),
            Self::R2 => "R2".into(),
            Self::Pearson => "Pearson r".into(),
            Self::Auc { below } => format!("AUC {target}<{below}"),
            Self::Bias => "Bias".into(),
            Self::LowerLimit => "Lower limit".into(),
            Self::UpperLimit => "Upper limit".into(),
            Self::MaeWithin { rank } => format!("MAE {target} {rank}"),
        }
    }

    /// Which way is up.
    pub fn better(self) -> Better {
        match self {
            Self::Mae | Self::MacroMae | Self::Rmse | Self::MaeWithin { .. } => Better::Lower,
            Self::R2 | Self::Pearson | Self::Auc { .. } => Better::Higher,
            Self::Bias | Self::LowerLimit | Self::UpperLimit => Better::NearZero,
        }
    }

    /// Whether the value is in the target's unit, EF points for one; otherwise it is a pure number of at most one.
    pub fn in_unit(self) -> bool {
        !matches!(self, Self::R2 | Self::Pearson | Self::Auc { .. })
    }

    /// The value on these videos, without an interval, or `None` where the metric is undefined, as
    /// [`MacroMae`](Self::MacroMae) is without ranks beside it.
    ///
    /// # Errors
    /// When the rows are empty, differ in length or hold a value that is not finite.
    pub fn of(self, truth: &[f64], prediction: &[f64]) -> Result<Option<f64>, Error> {
        let videos = Videos::new(truth, prediction)?;
        Ok(self.on(&Sample::new(&videos, &videos.once()), &[]))
    }

    /// With the `ranks` that are asked for beside it.
    pub(crate) fn on(self, sample: &Sample<'_>, ranks: &[Rank]) -> Option<f64> {
        match self {
            Self::Mae => Some(mae(sample)),
            Self::MacroMae => macro_mae(sample, ranks),
            Self::Rmse => Some(rmse(sample)),
            Self::R2 => r2(sample),
            Self::Pearson => pearson(sample),
            Self::Auc { below } => auc(sample, below),
            Self::Bias => Some(bias(sample)),
            Self::LowerLimit => lower_limit(sample),
            Self::UpperLimit => upper_limit(sample),
            Self::MaeWithin { rank } => mae_within(sample, rank),
        }
    }

    /// On how many of the sample's videos the value rests.
    pub(crate) fn videos(self, sample: &Sample<'_>) -> usize {
        match self {
            Self::MaeWithin { rank } => videos_within(sample, rank),
            _ => sample.len(),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.key())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let listed = || METRICS.iter().copied().find(|metric| metric.key() == text);
        let below = || Some(Self::Auc { below: Threshold(text.strip_prefix("auc_below_")?.parse().ok()?) });
        let macro_mae = || (text == "macro_mae").then_some(Self::MacroMae);
        let within = || Some(Self::MaeWithin { rank: text.strip_prefix("mae_within_")?.parse().ok()? });
        listed().or_else(macro_mae).or_else(below).or_else(within).ok_or_else(|| Error::UnknownMetric {
            text: text.to_owned(),
            known: METRICS.iter().map(|metric| metric.key()).collect::<Vec<_>>().join(", "),
        })
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.key()
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_leads_back_to_its_metric_and_no_label_repeats() -> Result<(), Error> {
        let mut all = METRICS.to_vec();
        all.insert(1, Metric::MacroMae);
        all.push(Metric::Auc { below: Threshold(45) });
        all.push(Metric::MaeWithin { rank: "31-45".parse()? });
        all.push(Metric::MaeWithin { rank: "71+".parse()? });
        for (at, metric) in all.iter().enumerate() {
            assert_eq!(metric.key().parse(), Ok(*metric));
            assert!(
                all[..at].iter().all(|other| other < metric) || at == METRICS.len() + 1,
                "{metric} is out of order"
            );
            assert!(all[..at].iter().all(|other| other.label("EF") != metric.label("EF")), "{metric} twice");
        }
        Ok(())
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_known_ones() {
        let error = "auc_below_high".parse::<Metric>().unwrap_err().to_string();
        assert!(error.contains("`auc_below_high`") && error.contains("mae, rmse, r2, pearson"), "{error}");
    }

    /// A perfect prediction is at least as good as any other, on the side that `better` names.
    #[test]
    fn better_points_towards_the_perfect_prediction() -> Result<(), Error> {
        let truth = [20.0, 34.0, 38.0, 45.0, 55.0, 62.0, 71.0];
        let poor = [41.0, 33.0, 52.0, 38.0, 57.0, 50.0, 60.0];
        for &metric in METRICS {
            let (Some(best), Some(other)) = (metric.of(&truth, &truth)?, metric.of(&truth, &poor)?) else {
                panic!("{metric} is undefined");
            };
            match metric.better() {
                Better::Lower => assert!(best < other, "{metric}"),
                Better::Higher => assert!(best > other, "{metric}"),
                Better::NearZero => assert!(best.abs() < other.abs(), "{metric}"),
            }
            assert!(metric.in_unit() || other.abs() <= 1.0, "{metric}");
        }
        Ok(())
    }
}
