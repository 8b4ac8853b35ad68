//! No training at all: the encoder's own reading of the task, in two ways.

use serde::Deserialize;

use crate::parts::{HeadChoice, Parts};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "zero-shot",
    summary: "no training: the encoder's own heads, else prompts of every value or class",
    recipe: include_str!("../../../configs/adapters/zero-shot.toml"),
    trains: false,
    source: Source::Part(|table, parts| add(ENTRY.name, Reading::Expectation, table, parts)),
};

pub(crate) const BY_RANKS: AdapterEntry = AdapterEntry {
    name: "zero-shot-ranks",
    summary: "no training: prompts of every value, ranked in every frame; the median of the best fifth",
    recipe: include_str!("../../../configs/adapters/zero-shot-ranks.toml"),
    trains: false,
    source: Source::Part(|table, parts| add(BY_RANKS.name, Reading::Ranks, table, parts)),
};

/// How a value is read from similarities to prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Ranked in every frame, the median of the best fifth.
    Ranks,
    /// By the encoder's own heads, or what a softmax over the clip embedding's similarities expects.
    Expectation,
}

fn add(name: &'static str, reading: Reading, table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings {} = settings(name, table)?;
    parts.set_head(HeadChoice::Own(reading), name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}
