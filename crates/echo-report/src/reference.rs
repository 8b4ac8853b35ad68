//! Published figures, which stand beside the results and are none of them.

use echo_files::printable;
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
    /// The task's primary metric; of a regression the mean absolute error, in the target's unit.
    pub value: f64,
    /// How it came about: source, protocol, what differs.
    #[serde(default)]
    pub note: String,
}

impl Reference {
    /// What stands above a table of them.
    pub(crate) const CAPTION: &str = "Published figures, not computed by this program";

    /// The headings of a table of them.
    pub(crate) fn headings(task: &Quantity) -> [String; 4] {
        ["name", "shots", &task.primary().label(&task.name), "note"].map(str::to_owned)
    }

    /// A row of that table.
    pub(crate) fn cells(&self, task: &Quantity) -> [String; 4] {
        let shots = self.shots.map_or("-".to_owned(), |shots| shots.to_string());
        let [name, note] = [&self.name, &self.note].map(|text| printable(text).into_owned());
        [name, shots, format!("{:.*}", digits(&task.primary()), self.value), note]
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
