//! Sections of a report: their phenotypes, and the table of their weights.

use std::path::Path;

use echo_clinical::study::{MilWeights, SectionPhenotypes};
use echo_weights::{PickledData, PickledValue};

use super::files::Files;
use super::{AssetsError, text};
use crate::VIEWS;

/// Sections with their phenotypes, as the file has them: a dict of lists of texts. `weights` must have all of them.
pub(super) fn phenotypes(files: &Files, weights: &MilWeights) -> Result<Vec<SectionPhenotypes>, AssetsError> {
    let path = &files.section_phenotypes;
    let data = PickledData::open(path)?;
    let PickledValue::Dict(sections) = data.root() else {
        return Err(AssetsError::kind(path, data.root(), "a dict of sections"));
    };
    let name = |value| match value {
        PickledValue::Text(text) => Ok(text.to_owned()),
        other => Err(AssetsError::kind(path, other, "the name of a section or phenotype")),
    };
    let mut found = Vec::with_capacity(sections.len());
    for (section, phenotypes) in sections.iter() {
        let PickledValue::List(phenotypes) = phenotypes else {
            return Err(AssetsError::kind(path, phenotypes, "a list of phenotypes"));
        };
        let section = name(section)?;
        if !weights.sections().contains(&section) {
            let reason = format!("it has no weights of the section {section}");
            return Err(AssetsError::disagree(&files.mil_weights, path, reason));
        }
        found.push(SectionPhenotypes { section, phenotypes: phenotypes.iter().map(name).collect::<Result<_, _>>()? });
    }
    match found.iter().all(|section| section.phenotypes.is_empty()) {
        true => Err(AssetsError::content(path, "it names no phenotype")),
        false => Ok(found),
    }
}

/// The table of weights, whose columns must be the views of the view classifier in its order.
pub(super) fn weights(path: &Path) -> Result<MilWeights, AssetsError> {
    let weights = MilWeights::from_csv(&text(path)?).map_err(AssetsError::of_clinical(path))?;
    if weights.views() != VIEWS {
        let (views, expected) = (weights.views().join(", "), VIEWS.join(", "));
        let reason = format!("its views are {views}, where those of the view classifier are expected: {expected}");
        return Err(AssetsError::content(path, reason));
    }
    Ok(weights)
}
