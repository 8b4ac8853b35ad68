//! Published figures, which stand beside the results and are none of them.

use echo_files::printable;
use serde::{Deserialize, Serialize};

/// A figure that someone published. This program did not compute it; it changes no result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Whose it is.
    pub name: String,
    /// The number of shots that it is of, where it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shots: Option<usize>,
    /// The mean absolute error, in the target's unit.
    pub mae: f64,
    /// How it came about: source, protocol, what differs.
    #[serde(default)]
    pub note: String,
}

impl Reference {
    /// What stands above a table of them.
    pub(crate) const CAPTION: &str = "Published figures, not computed by this program";

    /// The headings of a table of them.
    pub(crate) const HEADINGS: [&str; 4] = ["name", "shots", "MAE", "note"];

    /// A row of that table.
    pub(crate) fn cells(&self) -> [String; 4] {
        let shots = self.shots.map_or("-".to_owned(), |shots| shots.to_string());
        let [name, note] = [&self.name, &self.note].map(|text| printable(text).into_owned());
        [name, shots, format!("{:.2}", self.mae), note]
    }

    /// Why it cannot be used.
    pub fn complaint(&self) -> Option<String> {
        let Self { name, mae, .. } = self;
        match (name.trim(), *mae) {
            ("", _) => Some("a reference needs a name".to_owned()),
            (_, mae) if mae.is_finite() && mae > 0.0 => None,
            (name, mae) => Some(format!("the reference {name:?} has an MAE of {mae}: give a number above 0")),
        }
    }
}
