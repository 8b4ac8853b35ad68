//! Published figures, which stand beside the results and are none of them.

use echo_files::printable;
use echo_metrics::{Metric, Parameters, metrics};
use serde::{Deserialize, Serialize};

use crate::Quantity;
use crate::leaderboard::digits;

/// A figure that someone published. This program did not compute it; it changes no result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Whose it is.
    pub name: String,
    /// The number of shots that it is of, where it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// Which metric, by the key that it has in records, such as `macro_f1`; the task's primary one when absent: of a regression
    /// the mean absolute error, in the target's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The figure.
    pub value: f64,
    /// How it came about: source, protocol, what differs.
    #[serde(default)]
    pub note: String,
}

impl Reference {
    /// What stands above a table of them.
    pub(crate) const CAPTION: &str = "Published figures, not computed by this program";

    /// The headings of a table of them.
    pub(crate) const HEADINGS: [&str; 5] = ["name", "shots", "metric", "value", "note"];

    /// Whether it is of the metric that plots show.
    pub(crate) fn is_primary(&self, task: &Quantity) -> bool {
        self.metric.as_ref().is_none_or(|metric| *metric == task.primary().key())
    }

    /// A row of that table.
    pub(crate) fn cells(&self, task: &Quantity) -> [String; 5] {
        let shots = self.shots.map_or("-".to_owned(), |shots| shots.to_string());
        let [name, note] = [&self.name, &self.note].map(|text| printable(text).into_owned());
        let of_kind = metrics(task.kind, &Parameters { classes: task.metric_classes(), ..Parameters::default() });
        let named = |metric: &Metric| self.metric.as_ref().is_none_or(|name| *name == metric.key());
        // Of a metric that the task has not, the name alone is known.
        let (label, places) = match (of_kind.iter().find(|metric| named(metric)), &self.metric) {
            (Some(metric), _) => (metric.label(&task.name), digits(metric)),
            (None, name) => (printable(name.as_deref().unwrap_or_default()).into_owned(), 3),
        };
        [name, shots, label, format!("{:.*}", places, self.value), note]
    }

    /// Why it cannot be used.
    pub fn complaint(&self) -> Option<String> {
        let Self { name, value, .. } = self;
        match (name.trim(), *value) {
            ("", _) => Some("a reference needs a name".to_owned()),
            (_, value) if value.is_finite() && value > 0.0 => None,
            (name, value) => Some(format!("the reference {name:?} has the value {value}: give a number above 0")),
        }
    }
}
