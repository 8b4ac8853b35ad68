//! What is predicted, and how it is called: every label of tables and plots comes from here.

use echo_files::{counted, printable};
use echo_metrics::{Kind, Metric, Parameters, metrics};
use serde::{Deserialize, Serialize};

use crate::SampleUnit;
use crate::leaderboard::digits;

/// Names that a caption lists.
const LISTED: usize = 6;

/// A task: its name, its kind, and the names of its classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// `EF`, `view`.
    pub name: String,
    /// `%`, `ml`; may be empty, and is for classes.
    pub unit: String,
    /// What a prediction is.
    pub kind: Kind,
    /// Names of the classes, grades or labels in their order; of a binary task the negative and the positive one; of a
    /// regression none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What it is predicted of.
    #[serde(default, skip_serializing_if = "SampleUnit::is_video")]
    pub samples: SampleUnit,
}

impl Quantity {
    /// A number.
    pub fn regression(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            kind: Kind::Regression,
            classes: Vec::new(),
            samples: SampleUnit::Video,
        }
    }

    /// The metric that ranks rows, and selects on validation.
    pub fn primary(&self) -> Metric {
        let of_kind = metrics(self.kind, &Parameters { classes: self.metric_classes(), ..Parameters::default() });
        of_kind.into_iter().next().expect("every kind has a metric")
    }

    /// The classes that have metrics of their own: a binary task has one question, not two.
    pub fn metric_classes(&self) -> &[String] {
        if self.kind == Kind::Binary { &[] } else { &self.classes }
    }

    /// How many numbers a prediction has.
    pub fn outputs(&self) -> usize {
        match self.kind {
            Kind::Regression | Kind::Binary => 1,
            Kind::SingleLabel | Kind::Ordinal | Kind::MultiLabel => self.classes.len(),
        }
    }

    /// Why it is no task that can be scored.
    pub fn complaint(&self) -> Option<String> {
        let (name, count) = (printable(&self.name), self.classes.len());
        let (fits, wanted) = match self.kind {
            Kind::Regression => (count == 0, "no classes"),
            Kind::Binary => (count == 2, "two classes, the negative and the positive one"),
            Kind::SingleLabel | Kind::Ordinal => (count >= 2, "at least two classes"),
            Kind::MultiLabel => (count >= 1, "at least one label"),
        };
        if !fits {
            return Some(format!("the task {name} has {}; a {} has {wanted}", counted(count, "class"), self.kind));
        }
        let is_wrong =
            |(place, class): (usize, &String)| class.trim().is_empty() || self.classes[..place].contains(class);
        let wrong = self.classes.iter().enumerate().any(is_wrong);
        wrong.then(|| format!("the task {name} has two classes of one name, or one without a name"))
    }

    /// For an axis or a heading: `true EF (%)` where `what` is `true`.
    pub(crate) fn values(&self, what: &str) -> String {
        match self.unit.as_str() {
            "" => format!("{what} {}", self.name),
            unit => format!("{what} {} ({unit})", self.name),
        }
    }

    /// The unit of a difference: points of a percentage, else the unit itself.
    pub(crate) fn differences(&self) -> String {
        match self.unit.as_str() {
            "" => self.name.clone(),
            "%" => format!("{} points", self.name),
            unit => unit.to_owned(),
        }
    }

    /// A metric with the unit of its values, for sentences: `MAE in EF points`, `AUROC`.
    pub(crate) fn measured(&self, metric: &Metric) -> String {
        let label = metric.label(&self.name);
        if metric.in_unit() { format!("{label} in {}", self.differences()) } else { label }
    }

    /// What the primary metric came to, for people: `MAE 4.20`, `AUROC 0.913`, `AUROC undefined`.
    pub fn scored(&self, value: Option<f64>) -> String {
        let primary = self.primary();
        let value = value.map_or("undefined".to_owned(), |value| format!("{value:.*}", digits(&primary)));
        format!("{} {value}", primary.label(&self.name))
    }

    /// The same for an axis: `MAE (EF points)`.
    pub(crate) fn axis(&self, metric: &Metric) -> String {
        let label = metric.label(&self.name);
        if metric.in_unit() { format!("{label} ({})", self.differences()) } else { label }
    }

    /// Whether values lie between 0 and 100, so that all plots can have the same axes.
    pub(crate) fn is_percentage(&self) -> bool {
        self.unit == "%"
    }

    /// What few-shot draws take samples from: `3 of 4 bins of EF`.
    pub(crate) fn groups(&self) -> String {
        let groups = match self.kind {
            Kind::Regression => "bins",
            Kind::Binary | Kind::SingleLabel => "classes",
            Kind::Ordinal => "grades",
            Kind::MultiLabel => "labels",
        };
        format!("{groups} of {}", printable(&self.name))
    }

    /// The heading of what a draw gave: `training videos`.
    pub(crate) fn training(&self) -> String {
        format!("training {}", self.samples.many())
    }

    /// What the macro MAE is.
    pub(crate) fn macro_mae(&self) -> String {
        format!(
            "macro MAE: mean of the MAE within each range of {}, so that rare values weigh as much as common ones.",
            self.name
        )
    }

    /// What a shot is one of.
    pub(crate) fn shot(&self) -> String {
        match self.kind {
            Kind::Regression if self.is_percentage() => format!("{} point", self.name),
            Kind::Regression => format!("bin of {}", self.name),
            Kind::Binary | Kind::SingleLabel => "class".to_owned(),
            Kind::Ordinal => "grade".to_owned(),
            Kind::MultiLabel => "label".to_owned(),
        }
    }

    /// What is predicted and of what, for messages: `LVEF in percent of studies`.
    pub fn of_samples(&self) -> String {
        format!("{} of {}", self.in_words(), self.samples.many())
    }

    /// What is predicted, for captions.
    pub fn in_words(&self) -> String {
        let name = printable(&self.name);
        match (self.kind, self.name.as_str(), self.unit.as_str(), self.classes.as_slice()) {
            (Kind::Regression, "EF", "%", _) => "LVEF in percent".to_owned(),
            (Kind::Regression, _, "", _) => name.into_owned(),
            (Kind::Regression, _, unit, _) => format!("{name} in {}", printable(unit)),
            (Kind::Binary, _, _, [negative, positive]) => {
                format!("{name} ({} against {})", printable(positive), printable(negative))
            }
            (_, _, _, classes) => {
                let listed: Vec<_> = classes.iter().take(LISTED).map(|class| printable(class)).collect();
                let more = match classes.len().saturating_sub(LISTED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{name} ({}{more})", listed.join(", "))
            }
        }
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::regression("EF", "%")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn task(kind: Kind, classes: &[&str]) -> Quantity {
        let classes = classes.iter().map(|&class| class.to_owned()).collect();
        Quantity { name: "task".to_owned(), unit: String::new(), kind, classes, samples: SampleUnit::Video }
    }

    #[test]
    fn a_difference_of_percentages_is_in_points() {
        let of = |name: &str, unit: &str| {
            let quantity = Quantity::regression(name, unit);
            (quantity.values("true"), quantity.differences(), quantity.in_words())
        };
        assert_eq!(of("EF", "%"), ("true EF (%)".into(), "EF points".into(), "LVEF in percent".into()));
        assert_eq!(of("EDV", "ml"), ("true EDV (ml)".into(), "ml".into(), "EDV in ml".into()));
        assert_eq!(of("NYHA", ""), ("true NYHA".into(), "NYHA".into(), "NYHA".into()));
    }

    #[test]
    fn every_kind_has_its_primary_metric_and_as_many_outputs_as_it_needs() {
        let of = |kind, classes: &[&str]| {
            let task = task(kind, classes);
            (task.primary().key(), task.outputs(), task.measured(&task.primary()))
        };
        assert_eq!(of(Kind::Binary, &["no", "yes"]), ("auroc".into(), 1, "AUROC".into()));
        assert_eq!(of(Kind::SingleLabel, &["a", "b", "c"]).0, "balanced_accuracy");
        assert_eq!(of(Kind::Ordinal, &["low", "high"]).0, "quadratic_kappa");
        let binary = task(Kind::Binary, &["no", "yes"]);
        assert_eq!([Some(0.9125), None].map(|value| binary.scored(value)), ["AUROC 0.912", "AUROC undefined"]);
        assert_eq!(Quantity::default().scored(Some(4.2)), "MAE 4.20");
        assert_eq!(of(Kind::MultiLabel, &["a", "b", "c"]), ("mean_auroc".into(), 3, "Mean AUROC".into()));
        let ef = Quantity::default();
        assert_eq!(
            (ef.primary(), ef.outputs(), ef.measured(&ef.primary())),
            (Metric::MAE, 1, "MAE in EF points".into())
        );
    }

    #[test]
    fn classes_that_cannot_be_told_apart_or_are_too_few_are_refused() {
        let refused = |kind, classes: &[&str]| task(kind, classes).complaint().is_some();
        assert!(refused(Kind::Regression, &["a"]) && refused(Kind::Binary, &["a"]) && refused(Kind::MultiLabel, &[]));
        assert!(refused(Kind::Ordinal, &["a", "a"]) && refused(Kind::SingleLabel, &["a", " "]));
        assert!(!refused(Kind::Binary, &["no", "yes"]) && !refused(Kind::MultiLabel, &["a"]));
        let words = task(Kind::SingleLabel, &["a", "b", "c", "d", "e", "f", "g"]).in_words();
        assert_eq!(words, "task (a, b, c, d, e, f and 1 more)");
        assert_eq!(task(Kind::Binary, &["no", "yes"]).in_words(), "task (yes against no)");
    }
}
