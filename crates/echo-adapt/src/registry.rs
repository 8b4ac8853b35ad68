//! The list of adapters.

use echo_core::Error;
use serde::de::DeserializeOwned;

use crate::parts::Parts;
use crate::{AdaptError, coarse_to_fine, coop, echozoom, full, linear, lora, mfl, statistics, zero_shot};

/// One way of adapting.
#[derive(Debug)]
pub struct AdapterEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its default recipe, the text of `configs/adapters/<name>.toml`.
    pub recipe: &'static str,
    /// Whether it looks at training videos at all.
    pub trains: bool,
    /// Adds what it stands for, with its own table of a recipe, to the parts of an adapter.
    pub(crate) add: fn(&toml::Table, &mut Parts) -> Result<(), AdaptError>,
}

/// Every adapter.
pub const ADAPTERS: &[AdapterEntry] = &[
    zero_shot::ENTRY,
    zero_shot::BY_RANKS,
    linear::ENTRY,
    statistics::ENTRY,
    coop::ENTRY,
    coarse_to_fine::ENTRY,
    mfl::ENTRY,
    echozoom::ENTRY,
    lora::ENTRY,
    full::ENTRY,
];

/// The adapters that `name` joins by `+`, in its order: one, in most cases.
///
/// # Errors
/// A name that no adapter has, with the nearest as a suggestion, or one that stands there twice.
pub fn adapters(name: &str) -> Result<Vec<&'static AdapterEntry>, Error> {
    let known: Vec<&str> = ADAPTERS.iter().map(|entry| entry.name).collect();
    let mut found: Vec<&'static AdapterEntry> = Vec::new();
    for part in name.split('+') {
        let entry = ADAPTERS
            .iter()
            .find(|entry| entry.name == part)
            .ok_or_else(|| Error::unknown_name("adapter", part, &known))?;
        if found.iter().any(|other| other.name == part) {
            let reason = format!("stands twice in {name}");
            return Err(Error::Unsupported { encoder: format!("adapter {part}"), reason });
        }
        found.push(entry);
    }
    Ok(found)
}

/// An adapter's own settings out of its table of a recipe.
pub(crate) fn settings<T: DeserializeOwned>(adapter: &'static str, table: &toml::Table) -> Result<T, AdaptError> {
    table.clone().try_into().map_err(|source| AdaptError::Recipe { adapter, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_by_plus_and_checked_one_by_one() {
        let names = |name: &str| adapters(name).map(|found| found.iter().map(|entry| entry.name).collect::<Vec<_>>());
        assert_eq!(names("coop").unwrap(), ["coop"]);
        assert_eq!(names("mfl+echozoom").unwrap(), ["mfl", "echozoom"]);
        assert!(names("mfl+echozom").unwrap_err().to_string().contains("did you mean \"echozoom\""));
        assert!(names("mfl+mfl").unwrap_err().to_string().contains("twice"));
        assert!(names("").is_err());
    }
}
