//! Keys of the candidates, and their labels.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use echo_clinical::study::SectionPhenotypes;
use echo_weights::{PickledData, PickledDict, PickledValue};

use super::AssetsError;
use super::files::Files;

/// The column of keys.
const COLUMN: &str = "Study";

/// The key of each candidate. A study may have several candidates.
pub(super) fn studies(path: &Path, table: &str) -> Result<Vec<String>, AssetsError> {
    let unreadable = |error| AssetsError::content(path, format!("it is no table: {error}"));
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let column = rows.headers().map_err(unreadable)?.iter().position(|name| name == COLUMN);
    let column = column.ok_or_else(|| AssetsError::content(path, format!("it has no column {COLUMN}")))?;
    let mut studies = Vec::new();
    for row in rows.records() {
        match row.map_err(unreadable)?.get(column) {
            Some(study) if !study.is_empty() => studies.push(study.to_owned()),
            _ => return Err(AssetsError::content(path, format!("its row {} names no study", studies.len() + 1))),
        }
    }
    match studies.is_empty() {
        true => Err(AssetsError::content(path, "it names no study")),
        false => Ok(studies),
    }
}

/// For each phenotype of `sections` a label for each of `studies`; NaN where there is none. Labels of other phenotypes
/// and studies are left out.
pub(super) fn read(
    files: &Files,
    sections: &[SectionPhenotypes],
    studies: &[String],
) -> Result<BTreeMap<String, Vec<f32>>, AssetsError> {
    let path = &files.labels;
    let data = PickledData::open(path)?;
    let PickledValue::Dict(all) = data.root() else {
        return Err(AssetsError::kind(path, data.root(), "a dict of phenotypes"));
    };
    let named = |(name, labels)| match name {
        PickledValue::Text(name) => Some((name, labels)),
        _ => None,
    };
    let all: HashMap<&str, PickledValue<'_>> = all.iter().filter_map(named).collect();
    // Candidates of the same study have the same label.
    let mut numbers = HashMap::new();
    let of_candidates: Vec<usize> = studies
        .iter()
        .map(|study| {
            let next = numbers.len();
            *numbers.entry(study.as_str()).or_insert(next)
        })
        .collect();
    let mut found = BTreeMap::new();
    for phenotype in sections.iter().flat_map(|section| &section.phenotypes) {
        let labels = match all.get(phenotype.as_str()) {
            Some(PickledValue::Dict(labels)) => labels,
            Some(other) => return Err(AssetsError::kind(path, *other, "a dict from study to label")),
            None => {
                let reason = format!("it has no labels of {phenotype}");
                return Err(AssetsError::disagree(path, &files.section_phenotypes, reason));
            }
        };
        let by_study = by_study(path, phenotype, *labels, &numbers)?;
        found.insert(phenotype.clone(), of_candidates.iter().map(|&study| by_study[study]).collect());
    }
    if found.values().flatten().all(|label: &f32| label.is_nan()) {
        return Err(AssetsError::disagree(path, &files.studies, "no study of the other has a label"));
    }
    Ok(found)
}

/// The label of each study, by its number.
fn by_study(
    path: &Path,
    phenotype: &str,
    labels: PickledDict<'_>,
    numbers: &HashMap<&str, usize>,
) -> Result<Vec<f32>, AssetsError> {
    let mut of_studies = vec![f32::NAN; numbers.len()];
    for (study, label) in labels.iter() {
        let number = match study {
            PickledValue::Text(study) => numbers.get(study),
            PickledValue::Int(study) => numbers.get(study.to_string().as_str()),
            other => return Err(AssetsError::kind(path, other, "the key of a study")),
        };
        let label = match label {
            PickledValue::None => f32::NAN,
            PickledValue::Bool(label) => f32::from(u8::from(label)),
            PickledValue::Int(label) => label as f32,
            PickledValue::Float32(label) => label,
            PickledValue::Float(label) => label as f32,
            other => return Err(AssetsError::kind(path, other, "a label")),
        };
        if label.is_infinite() {
            return Err(AssetsError::content(path, format!("a label of {phenotype} is infinite")));
        }
        if let Some(&number) = number {
            of_studies[number] = label;
        }
    }
    Ok(of_studies)
}
