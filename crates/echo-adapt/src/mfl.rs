//! MFL: attention over the steps of all clips of a video (Du et al., "CardiacCLIP", MICCAI 2025). It starts as the
//! encoder's own pooling: see [`echo_nn::AttentionPool`].

use serde::Deserialize;

use crate::parts::{PartInit, Parts, TrunkChoice};
use crate::registry::settings;
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "mfl",
    summary: "attention over the steps of a video, encoder frozen (Du et al. 2025)",
    recipe: include_str!("../../../configs/adapters/mfl.toml"),
    trains: true,
    add,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trunk: TrunkChoice,
    init: PartInit,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { trunk, init } = settings(ENTRY.name, table)?;
    parts.pool = Some(init);
    parts.tune(trunk);
    Ok(())
}
