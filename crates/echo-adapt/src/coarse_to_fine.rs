//! Coarse to fine: wrong ranks weigh by their distance, and ranks' values are refined by a small network that looks at
//! the logits (Du et al., "Teach CLIP to develop a number sense for ordinal regression", ECCV 2024).

use serde::Deserialize;

use crate::parts::Parts;
use crate::refinement::RefinedValues;
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "coarse-to-fine",
    summary: "ordinal weights and refined values for a head of prompts; joins coop and others (Du et al. 2024)",
    recipe: include_str!("../../../configs/adapters/coarse-to-fine.toml"),
    trains: true,
    source: Source::Part(add),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    ordinal: bool,
    refine: bool,
    values: RefinedValues,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { ordinal, refine, values } = settings(ENTRY.name, table)?;
    parts.ordinal = ordinal;
    parts.refine = refine.then_some(values);
    parts.needs_prompts = Some(ENTRY.name);
    Ok(())
}
