//! No training at all: the encoder's own reading of the target, in two ways.

use serde::Deserialize;

use crate::parts::{HeadChoice, Parts};
use crate::registry::settings;
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "zero-shot",
    summary: "no training: the encoder's own head, else what prompts of every value expect",
    recipe: include_str!("../../../configs/adapters/zero-shot.toml"),
    trains: false,
    add: |table, parts| add(ENTRY.name, Reading::Expectation, table, parts),
};

pub(crate) const BY_RANKS: AdapterEntry = AdapterEntry {
    name: "zero-shot-ranks",
    summary: "no training: prompts of every value, ranked in every frame; the median of the best fifth",
    recipe: include_str!("../../../configs/adapters/zero-shot-ranks.toml"),
    trains: false,
    add: |table, parts| add(BY_RANKS.name, Reading::Ranks, table, parts),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Prompts with `<#>` where the value goes.
    templates: Vec<String>,
}

/// How a value is read from similarities to prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Ranked in every frame, the median of the best fifth.
    Ranks,
    /// The mean that a softmax over the clip embedding's similarities expects.
    Expectation,
}

fn add(name: &'static str, reading: Reading, table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { templates } = settings(name, table)?;
    check_templates(name, &templates)?;
    parts.set_head(HeadChoice::Own { templates, reading }, name)
}

/// The most templates: each is read with every value from 0 to 100.
const MAX_TEMPLATES: usize = 100;

/// # Errors
/// No template, too many, or one without a place for the value.
pub(crate) fn check_templates(adapter: &'static str, templates: &[String]) -> Result<(), AdaptError> {
    if templates.len() > MAX_TEMPLATES {
        let complaint = format!("{} templates: give {MAX_TEMPLATES} at most", templates.len());
        return Err(AdaptError::Setting { adapter, complaint });
    }
    match templates.is_empty() || templates.iter().any(|template| !template.contains("<#>")) {
        true => Err(AdaptError::Templates { adapter }),
        false => Ok(()),
    }
}
