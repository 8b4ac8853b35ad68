//! Full fine-tuning: every parameter that an embedding depends on, and a head.

use serde::Deserialize;

use crate::parts::{HeadChoice, Parts, RegressionStart};
use crate::registry::{Source, settings};
use crate::trunk::Trunk;
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "full",
    summary: "full fine-tuning of the video tower with a regression head or, joined to coop, with prompts",
    recipe: include_str!("../../../configs/adapters/full.toml"),
    trains: true,
    source: Source::Part(add),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Parameters whose path begins with one of these stay as they are.
    frozen: Vec<String>,
    /// If not 0, only so many of the video tower's last blocks train, with what comes after them.
    last_blocks: usize,
    /// Whether the text tower trains too, where the head has prompts.
    text: bool,
    head: HeadKind,
    /// Where a linear head begins, where there is one. Kept adapters of older versions do not say.
    #[serde(default)]
    start: RegressionStart,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum HeadKind {
    /// A linear map.
    Regression,
    /// What another of the joined names brings, or fixed prompts where there is a text tower.
    Prompts,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { frozen, last_blocks, text, head, start } = settings(ENTRY.name, table)?;
    parts.set_trunk(Trunk::Tuned { frozen, last_blocks }, ENTRY.name)?;
    parts.text = text;
    parts.start = start;
    match head {
        HeadKind::Regression => parts.prefer_head(HeadChoice::Regression),
        HeadKind::Prompts => parts.prefer_head(HeadChoice::Automatic),
    }
    Ok(())
}
