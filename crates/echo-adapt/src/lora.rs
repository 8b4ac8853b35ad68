//! LoRA: low-rank additions to the video tower's matrices, which themselves stay as they are (Hu et al., "LoRA: low-rank
//! adaptation of large language models", ICLR 2022). The arithmetic is Burn's.

use serde::Deserialize;

use crate::parts::{HeadChoice, Parts};
use crate::registry::{Source, settings};
use crate::trunk::{LowRank, Trunk};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "lora",
    summary: "low-rank additions to the video tower's matrices and a regression head or, joined to coop, prompts",
    recipe: include_str!("../../../configs/adapters/lora.toml"),
    trains: true,
    source: Source::Part(add),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    rank: usize,
    alpha: f64,
    /// Only matrices whose path contains one of these; all where there are none.
    targets: Vec<String>,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { rank, alpha, targets } = settings(ENTRY.name, table)?;
    if rank == 0 || !(alpha.is_finite() && alpha > 0.0) {
        return Err(AdaptError::Setting {
            adapter: ENTRY.name,
            complaint: "rank and alpha must be positive".to_owned(),
        });
    }
    parts.set_trunk(Trunk::LowRank(LowRank { rank, alpha, targets }), ENTRY.name)?;
    parts.prefer_head(HeadChoice::Regression);
    Ok(())
}
