//! The list of adapters.

use echo_core::{AnyEncoder, Error, RankSpec};

use crate::{AdaptError, Adapted, coop};

/// What an adapter is built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The encoder to adapt.
    pub encoder: &'a AnyEncoder,
    /// The target's ranks, for adapters with a prompt head.
    pub ranks: &'a RankSpec,
    /// Seed of what the adapter starts from.
    pub seed: u64,
}

/// One way of adapting.
#[derive(Debug)]
pub struct AdapterEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its default recipe, the text of `configs/adapters/<name>.toml`.
    pub recipe: &'static str,
    /// Builds it from the adapter's own table of a recipe.
    pub build: fn(&toml::Table, &BuildContext<'_>) -> Result<Adapted, AdaptError>,
}

/// Every adapter.
pub const ADAPTERS: &[AdapterEntry] = &[coop::ENTRY];

/// The adapter called `name`.
///
/// # Errors
/// No adapter has this name; the error lists them and suggests the nearest.
pub fn adapter(name: &str) -> Result<&'static AdapterEntry, Error> {
    let known: Vec<&str> = ADAPTERS.iter().map(|entry| entry.name).collect();
    ADAPTERS.iter().find(|entry| entry.name == name).ok_or_else(|| Error::unknown_name("adapter", name, &known))
}
