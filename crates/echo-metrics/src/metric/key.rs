//! What a metric is called in files and on the command line, and which it is by that.

use std::{cmp::Ordering, fmt, str::FromStr};

use super::{Definition, Metric, Of, Parameter, Threshold, definitions};
use crate::error::Error;

impl Metric {
    /// The name in files and on the command line, such as `auc_below_40`.
    pub fn key(&self) -> String {
        let key = self.definition.key;
        match &self.parameter {
            Parameter::None => key.to_owned(),
            Parameter::Below(threshold) => format!("{key}_{threshold}"),
            Parameter::Within(rank) => format!("{key}_{rank}"),
            Parameter::Class(class) => format!("{key}_{class}"),
        }
    }

    /// The place of its definition among all.
    fn place(&self) -> usize {
        definitions().take_while(|definition| definition.key != self.definition.key).count()
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.definition.key == other.definition.key && self.parameter == other.parameter
    }
}

impl Eq for Metric {}

impl PartialOrd for Metric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Metric {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place()).then_with(|| self.parameter.cmp(&other.parameter))
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
        let of = |definition: &'static Definition| {
            let rest = || text.strip_prefix(definition.key)?.strip_prefix('_').filter(|rest| !rest.is_empty());
            let parameter = match definition.of {
                Of::Sample(_) | Of::Ranks(_) => (text == definition.key).then_some(Parameter::None),
                Of::Below(_) => rest().and_then(|rest| Some(Parameter::Below(Threshold(rest.parse().ok()?)))),
                Of::Within(_) => rest().and_then(|rest| Some(Parameter::Within(rest.parse().ok()?))),
                Of::Class(_) => rest().map(|class| Parameter::Class(class.to_owned())),
            };
            Some(Self { definition, parameter: parameter? })
        };
        definitions().find_map(of).ok_or_else(|| Error::UnknownMetric { text: text.to_owned(), known: known() })
    }
}

/// The keys, with what they go on with.
fn known() -> String {
    let key = |definition: &Definition| match definition.of {
        Of::Sample(_) | Of::Ranks(_) => definition.key.to_owned(),
        Of::Below(_) => format!("{}_N", definition.key),
        Of::Within(_) => format!("{}_RANK", definition.key),
        Of::Class(_) => format!("{}_CLASS", definition.key),
    };
    definitions().map(key).collect::<Vec<_>>().join(", ")
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
