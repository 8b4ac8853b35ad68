//! MFL: attention over the frames of all clips of a video (Du et al., "CardiacCLIP", MICCAI 2025). It starts as the
//! encoder's own pooling: see [`echo_nn::AttentionPool`].

use serde::Deserialize;

use crate::parts::{PartInit, Parts, PoolChoice, TrunkChoice};
use crate::quirks::{Compat, Quirk};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "mfl",
    summary: "attention over the frames of a video, encoder frozen (Du et al. 2025)",
    recipe: include_str!("../../../configs/adapters/mfl.toml"),
    trains: true,
    source: Source::Part(add),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trunk: TrunkChoice,
    init: PartInit,
    #[serde(default)]
    compat: Compat,
    #[serde(default)]
    quirks: Vec<Quirk>,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { trunk, init, compat, quirks } = settings(ENTRY.name, table)?;
    parts.set_pool(PoolChoice::Attention(init.under(compat)), ENTRY.name)?;
    parts.tune(trunk);
    parts.add_quirks(ENTRY.name, quirks);
    if compat == Compat::CardiacClip {
        parts.add_quirks(ENTRY.name, Quirk::OF_VIDEOS);
    }
    Ok(())
}
