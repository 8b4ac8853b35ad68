//! The registry: which metrics there are, and what is asked of each. A metric is one file and one line of [`ALL`], or of
//! [`ON_REQUEST`] where no table of its kind holds it unasked.

mod accuracy;
mod auc_below;
mod auprc;
mod auprc_negatives;
mod auroc;
mod balanced_accuracy;
mod bland_altman;
mod brier;
mod ece;
mod fpr95;
mod key;
mod label_auroc;
mod macro_auroc;
mod macro_f1;
mod macro_mae;
mod mae;
mod mae_within;
mod nmae;
mod pearson;
mod quadratic_kappa;
mod r2;
mod recall;
mod rmse;
mod spearman;
mod thresholded;
mod within_one;

use serde::{Deserialize, Serialize};

pub use auc_below::Threshold;

use crate::{
    error::Error,
    rank::Rank,
    scored::{Kind, Sample, Scored},
};

/// Every metric, in the order of tables. The first of a kind is its primary one: it ranks, and selects on validation.
const ALL: &[Definition] = &[
    mae::MAE,
    nmae::NMAE,
    macro_mae::MACRO_MAE,
    rmse::RMSE,
    r2::R2,
    pearson::PEARSON,
    spearman::SPEARMAN,
    auc_below::AUC_BELOW,
    bland_altman::BIAS,
    bland_altman::LOWER_LIMIT,
    bland_altman::UPPER_LIMIT,
    mae_within::MAE_WITHIN,
    auroc::AUROC,
    auprc::AUPRC,
    thresholded::SENSITIVITY,
    thresholded::SPECIFICITY,
    thresholded::PPV,
    thresholded::NPV,
    thresholded::F1,
    brier::BRIER,
    ece::ECE,
    quadratic_kappa::QUADRATIC_KAPPA,
    balanced_accuracy::BALANCED_ACCURACY,
    accuracy::ACCURACY,
    within_one::WITHIN_ONE,
    macro_f1::MACRO_F1,
    macro_auroc::MACRO_AUROC,
    recall::RECALL,
    label_auroc::MEAN_AUROC,
    label_auroc::LABEL_AUROC,
];

/// Metrics that are no part of the tables of their kind. They are had by their names, such as
/// [`Metric::FPR95`].
const ON_REQUEST: &[Definition] = &[auprc_negatives::AUPRC_NEGATIVES, fpr95::FPR95];

/// All definitions, those of tables first.
fn definitions() -> impl Iterator<Item = &'static Definition> {
    ALL.iter().chain(ON_REQUEST)
}

/// What a metric's file says of it.
#[derive(Debug)]
struct Definition {
    /// The name in files and on the command line. One with a parameter, such as `auc_below`, goes on with `_` and that.
    key: &'static str,
    /// The heading in tables.
    label: &'static str,
    kinds: &'static [Kind],
    better: Better,
    /// Whether the value is in the target's unit; otherwise it is a pure number.
    in_unit: bool,
    of: Of,
}

/// How a metric is computed: from a sample, and what it is asked for. `None` is undefined.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// Nothing else.
    Sample(fn(&Sample<'_>) -> Option<f64>),
    /// A threshold of true values.
    Below(fn(&Sample<'_>, Threshold) -> Option<f64>),
    /// A range of true values.
    Within(fn(&Sample<'_>, Rank) -> Option<f64>),
    /// All ranges of true values that the task has.
    Ranks(fn(&Sample<'_>) -> Option<f64>),
    /// A class or a label, by its place.
    Class(fn(&Sample<'_>, usize) -> Option<f64>),
}

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

/// One number that says how well predictions agree with the truth. As text, and in files, its [`key`](Self::key).
/// Metrics are equal if their keys are; their order is that of tables.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Metric {
    definition: &'static Definition,
    parameter: Parameter,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Parameter {
    None,
    Below(Threshold),
    Within(Rank),
    Class(String),
}

/// What the metrics of a task are asked for beside the kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    /// True values that separate low from high, of a regression.
    pub thresholds: &'a [Threshold],
    /// Ranges of true values, of a regression.
    pub ranks: &'a [Rank],
    /// Names of the classes, grades or labels.
    pub classes: &'a [String],
}

/// The metrics of a kind of task, in the order of tables, the primary one first.
pub fn metrics(kind: Kind, parameters: &Parameters<'_>) -> Vec<Metric> {
    let of = |definition: &'static Definition| -> Vec<Metric> {
        let with = |parameter| Metric { definition, parameter };
        match definition.of {
            Of::Sample(_) => vec![with(Parameter::None)],
            Of::Ranks(_) if parameters.ranks.is_empty() => Vec::new(),
            Of::Ranks(_) => vec![with(Parameter::None)],
            Of::Below(_) => parameters.thresholds.iter().map(|&below| with(Parameter::Below(below))).collect(),
            Of::Within(_) => parameters.ranks.iter().map(|&rank| with(Parameter::Within(rank))).collect(),
            Of::Class(_) => parameters.classes.iter().map(|class| with(Parameter::Class(class.clone()))).collect(),
        }
    };
    ALL.iter().filter(|definition| definition.kinds.contains(&kind)).flat_map(of).collect()
}

impl Metric {
    /// Mean absolute error.
    pub const MAE: Self = Self::plain(&mae::MAE);
    /// The mean of the mean absolute errors within ranges of true values.
    pub const MACRO_MAE: Self = Self::plain(&macro_mae::MACRO_MAE);
    /// Root mean squared error.
    pub const RMSE: Self = Self::plain(&rmse::RMSE);
    /// Coefficient of determination.
    pub const R2: Self = Self::plain(&r2::R2);
    /// Pearson's correlation.
    pub const PEARSON: Self = Self::plain(&pearson::PEARSON);
    /// Mean of prediction minus truth.
    pub const BIAS: Self = Self::plain(&bland_altman::BIAS);
    /// Bland-Altman's lower limit of agreement.
    pub const LOWER_LIMIT: Self = Self::plain(&bland_altman::LOWER_LIMIT);
    /// Bland-Altman's upper limit of agreement.
    pub const UPPER_LIMIT: Self = Self::plain(&bland_altman::UPPER_LIMIT);

    /// Area under the ROC curve, of yes or no.
    pub const AUROC: Self = Self::plain(&auroc::AUROC);
    /// Area under the precision-recall curve.
    pub const AUPRC: Self = Self::plain(&auprc::AUPRC);
    /// The same of finding the negatives by low probabilities.
    pub const AUPRC_NEGATIVES: Self = Self::plain(&auprc_negatives::AUPRC_NEGATIVES);
    /// False positive rate where 95 % of the positives are found.
    pub const FPR95: Self = Self::plain(&fpr95::FPR95);
    /// The share of rows whose class was predicted right.
    pub const ACCURACY: Self = Self::plain(&accuracy::ACCURACY);

    const fn plain(definition: &'static Definition) -> Self {
        Self { definition, parameter: Parameter::None }
    }

    /// The area under the ROC curve for a true value below the threshold.
    pub fn auc_below(threshold: Threshold) -> Self {
        Self { definition: &auc_below::AUC_BELOW, parameter: Parameter::Below(threshold) }
    }

    /// Mean absolute error within a range of true values.
    pub fn mae_within(rank: Rank) -> Self {
        Self { definition: &mae_within::MAE_WITHIN, parameter: Parameter::Within(rank) }
    }

    /// The heading in tables, such as `AUC EF<40` for the target `EF`.
    pub fn label(&self, target: &str) -> String {
        let label = self.definition.label;
        match &self.parameter {
            Parameter::None => label.to_owned(),
            Parameter::Below(threshold) => format!("{label} {target}<{threshold}"),
            Parameter::Within(rank) => format!("{label} {target} {rank}"),
            Parameter::Class(class) => format!("{label} {class}"),
        }
    }

    /// Which way is up.
    pub fn better(&self) -> Better {
        self.definition.better
    }

    /// Whether the value is in the target's unit, EF points for one; otherwise it is a pure number.
    pub fn in_unit(&self) -> bool {
        self.definition.in_unit
    }

    /// The range of true values that it is asked for, if it is asked for one.
    pub fn rank(&self) -> Option<Rank> {
        if let Parameter::Within(rank) = self.parameter { Some(rank) } else { None }
    }

    /// The threshold of true values that it is asked for, if it is asked for one.
    pub fn threshold(&self) -> Option<Threshold> {
        if let Parameter::Below(threshold) = self.parameter { Some(threshold) } else { None }
    }

    /// The class or label that it is asked for, if it is asked for one.
    pub fn class(&self) -> Option<&str> {
        if let Parameter::Class(class) = &self.parameter { Some(class) } else { None }
    }

    /// Whether it is asked for nothing: no range, no threshold, no class.
    pub fn is_of_all(&self) -> bool {
        self.parameter == Parameter::None
    }

    /// The value on these rows, without an interval, or `None` where the metric is undefined on them.
    ///
    /// # Errors
    /// When it is no metric of this kind, or there is no such class or label.
    pub fn of(&self, scored: &Scored) -> Result<Option<f64>, Error> {
        self.check(scored)?;
        Ok(self.on(&scored.sample(&scored.once())))
    }

    pub(crate) fn check(&self, scored: &Scored) -> Result<(), Error> {
        if !self.definition.kinds.contains(&scored.kind()) {
            return Err(Error::Kind { what: format!("`{self}`"), kind: scored.kind() });
        }
        match &self.parameter {
            Parameter::Class(class) if !scored.classes().contains(class) => {
                Err(Error::UnknownClass { class: class.clone(), known: scored.classes().join(", ") })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn on(&self, sample: &Sample<'_>) -> Option<f64> {
        match (self.definition.of, &self.parameter) {
            (Of::Sample(of) | Of::Ranks(of), Parameter::None) => of(sample),
            (Of::Below(of), Parameter::Below(threshold)) => of(sample, *threshold),
            (Of::Within(of), Parameter::Within(rank)) => of(sample, *rank),
            (Of::Class(of), Parameter::Class(class)) => of(sample, place(sample, class)?),
            // A metric is made with the parameter that its definition takes.
            _ => None,
        }
    }

    /// On how many of the rows the value rests: those of the range or the class, those where the label is known, else all.
    pub(crate) fn rows(&self, sample: &Sample<'_>) -> usize {
        let all = sample.counts.iter().map(|&count| count as usize).sum();
        match &self.parameter {
            Parameter::None | Parameter::Below(_) => all,
            Parameter::Within(rank) => sample.values().map_or(0, |values| mae_within::rows_within(&values, *rank)),
            Parameter::Class(class) => place(sample, class).map_or(0, |class| {
                let [negatives, positives] = sample.columns()[class].sides(sample.counts);
                let of_label = self.definition.kinds.contains(&Kind::MultiLabel);
                (positives + if of_label { negatives } else { 0 }) as usize
            }),
        }
    }
}

fn place(sample: &Sample<'_>, class: &str) -> Option<usize> {
    sample.classes().iter().position(|name| name == class)
}

#[cfg(test)]
mod tests;
