//! No training at all: the encoder's own reading of the target.

use serde::Deserialize;

use crate::parts::{HeadChoice, Parts};
use crate::registry::settings;
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "zero-shot",
    summary: "no training: the encoder's own head, else prompts for every value",
    recipe: include_str!("../../../configs/adapters/zero-shot.toml"),
    trains: false,
    add,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Prompts with `<#>` where the value goes.
    templates: Vec<String>,
    reading: Reading,
}

/// How a value is read from similarities to prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reading {
    /// Ranked in every frame, the median of the best fifth.
    Ranks,
    /// The mean that a softmax over the clip embedding's similarities expects.
    Expectation,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { templates, reading } = settings(ENTRY.name, table)?;
    check_templates(ENTRY.name, &templates)?;
    parts.set_head(HeadChoice::Own { templates, reading }, ENTRY.name)
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
