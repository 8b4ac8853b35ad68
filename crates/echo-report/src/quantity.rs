//! What is predicted, in words: every label of tables and plots comes from here.

use serde::Serialize;

use crate::DataRecord;

/// A target and its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quantity {
    /// `EF`, `EDV`.
    pub name: String,
    /// `%`, `ml`; may be empty.
    pub unit: String,
}

impl Quantity {
    /// What a record's cell predicted.
    pub fn of(data: &DataRecord) -> Self {
        Self { name: data.target.clone(), unit: data.unit.clone() }
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

    /// Whether values lie between 0 and 100, so that all plots can have the same axes.
    pub(crate) fn is_percentage(&self) -> bool {
        self.unit == "%"
    }
}

/// What is predicted, for captions.
pub fn target_in_words(name: &str, unit: &str) -> String {
    match (name, unit) {
        ("EF", "%") => "LVEF in percent".to_owned(),
        _ => format!("{name} in {unit}"),
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self { name: "EF".to_owned(), unit: "%".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_percentages_is_in_points() {
        let of = |name: &str, unit: &str| Quantity { name: name.to_owned(), unit: unit.to_owned() };
        assert_eq!(
            (of("EF", "%").values("true"), of("EF", "%").differences()),
            ("true EF (%)".into(), "EF points".into())
        );
        assert_eq!(
            (of("EDV", "ml").values("true"), of("EDV", "ml").differences()),
            ("true EDV (ml)".into(), "ml".into())
        );
        assert_eq!((of("NYHA", "").values("true"), of("NYHA", "").differences()), ("true NYHA".into(), "NYHA".into()));
    }
}
