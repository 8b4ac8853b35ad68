//! Sections of a report: their phenotypes, and the table of their weights.

use std::path::Path;

use echo_weights::{PickledData, PickledValue};

use super::AssetsError;
use super::files::Files;
use crate::VIEWS;

/// Sections with their phenotypes, as the file has them: a dict of lists of texts.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Vec<String>)>, AssetsError> {
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
        found.push((name(section)?, phenotypes.iter().map(name).collect::<Result<Vec<_>, _>>()?));
    }
    match found.iter().all(|(_, phenotypes)| phenotypes.is_empty()) {
        true => Err(AssetsError::content(path, "it names no phenotype")),
        false => Ok(found),
    }
}

/// Refuses a table of weights whose columns are not the views of the view classifier in its order, or that has not all
/// sections with phenotypes.
pub(super) fn check_weights(files: &Files, table: &str, sections: &[(String, Vec<String>)]) -> Result<(), AssetsError> {
    let path = &files.mil_weights;
    let unreadable = |error| AssetsError::content(path, format!("it is no table: {error}"));
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table.as_bytes());
    let header = rows.headers().map_err(unreadable)?;
    if !header.iter().skip(1).eq(VIEWS) {
        let views = header.iter().skip(1).collect::<Vec<_>>().join(", ");
        let reason =
            format!("its views are {views}, where those of the view classifier are expected: {}", VIEWS.join(", "));
        return Err(AssetsError::content(path, reason));
    }
    let rows: Vec<csv::StringRecord> = rows.records().collect::<Result<_, _>>().map_err(unreadable)?;
    for (section, _) in sections {
        if !rows.iter().any(|row| row.get(0) == Some(section)) {
            let reason = format!("it has no weights of the section {section}");
            return Err(AssetsError::disagree(path, &files.section_phenotypes, reason));
        }
    }
    Ok(())
}
