//! EchoZoom: the encoder also sees the clip enlarged, in parts (Du et al., "CardiacCLIP", MICCAI 2025). It starts as
//! the encoder's own projection of the usual scale: see [`echo_nn::ZoomProjection`].

use serde::Deserialize;

use crate::parts::{PartInit, Parts, TrunkChoice, ZoomNorm};
use crate::quirks::{Compat, Quirk};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "echozoom",
    summary: "a projection of two scales, the larger cut into four parts, encoder frozen (Du et al. 2025)",
    recipe: include_str!("../../../configs/adapters/echozoom.toml"),
    trains: true,
    source: Source::Part(add),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trunk: TrunkChoice,
    init: PartInit,
    norm: ZoomNorm,
    #[serde(default)]
    compat: Compat,
    #[serde(default)]
    quirks: Vec<Quirk>,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { trunk, init, norm, compat, quirks } = settings(ENTRY.name, table)?;
    parts.zoom = Some((init.under(compat), norm));
    parts.tune(trunk);
    parts.add_quirks(ENTRY.name, quirks);
    if compat == Compat::CardiacClip {
        parts.add_quirks(ENTRY.name, Quirk::OF_SCALES);
        parts.add_quirks(ENTRY.name, Quirk::OF_VIDEOS);
    }
    Ok(())
}
