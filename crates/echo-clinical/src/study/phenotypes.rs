//! Phenotypes of a study: mean labels of the most similar candidates.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Candidates, Compat, MilWeights, Study};
use crate::error::{Error, listed};

/// The phenotypes of a section of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionPhenotypes {
    /// The section, as [`MilWeights`] calls it.
    pub section: String,
    /// Its phenotypes.
    pub phenotypes: Vec<String>,
}

/// How phenotypes are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhenotypeOptions {
    /// How many of the most similar candidates are averaged over: 50 upstream.
    pub neighbours: usize,
    /// Which sections' rankings are used.
    pub compat: Compat,
}

impl Default for PhenotypeOptions {
    fn default() -> Self {
        Self { neighbours: 50, compat: Compat::None }
    }
}

/// A phenotype as it is predicted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phenotype {
    /// Its name.
    pub name: String,
    /// The section whose weights were used.
    pub section: String,
    /// The mean of the labels: the share of candidates with the finding, or a value in its unit (per cent for the ejection
    /// fraction). `None` where no candidate has a label, or no clip counts in the section.
    pub value: Option<f64>,
    /// How many of the most similar candidates have a label.
    pub labelled: usize,
}

/// The mean label of the most similar candidates, for every phenotype in the order of `sections`.
///
/// `labels` has a row for each phenotype, with a label for each candidate: NaN where there is none.
///
/// # Errors
/// When sizes disagree, a section has no weights, a phenotype has no labels, fewer candidates than neighbours exist, or a clip
/// has a view that the table has not; when a similarity is not finite or a label infinite.
pub fn predict_phenotypes(
    study: &Study<'_>,
    weights: &MilWeights,
    candidates: &Candidates<'_>,
    sections: &[SectionPhenotypes],
    labels: &BTreeMap<String, Vec<f32>>,
    options: &PhenotypeOptions,
) -> Result<Vec<Phenotype>, Error> {
    candidates.check_dim(study)?;
    if !(1..=candidates.count()).contains(&options.neighbours) {
        return Err(Error::Neighbours { asked: options.neighbours, candidates: candidates.count() });
    }
    for (phenotype, row) in labels {
        if row.len() != candidates.count() {
            let why = format!("one of `{phenotype}` for each candidate");
            return Err(Error::Length { what: "labels", got: row.len(), want: candidates.count(), why });
        }
    }
    let mut predicted = Vec::new();
    for (number, SectionPhenotypes { section, phenotypes }) in sections.iter().enumerate() {
        let section = match options.compat {
            Compat::Upstream if number < weights.sections().len() => number,
            _ => weights.section(section)?,
        };
        let nearest: Vec<usize> = match study.section_embedding(weights, section)? {
            Some(query) => candidates.nearest(&query)?.take(options.neighbours).map(|near| near.candidate).collect(),
            None => Vec::new(),
        };
        for phenotype in phenotypes {
            let unknown = || Error::UnknownPhenotype { phenotype: phenotype.clone(), known: listed(labels.keys()) };
            let row = labels.get(phenotype).ok_or_else(unknown)?;
            let (mut sum, mut labelled) = (0.0, 0);
            for &candidate in nearest.iter().filter(|&&candidate| !row[candidate].is_nan()) {
                let label = f64::from(row[candidate]);
                if label.is_infinite() {
                    return Err(Error::NotFinite { what: "labels", index: candidate, value: label });
                }
                sum += label;
                labelled += 1;
            }
            predicted.push(Phenotype {
                name: phenotype.clone(),
                section: weights.sections()[section].clone(),
                value: (labelled > 0).then(|| sum / labelled as f64),
                labelled,
            });
        }
    }
    Ok(predicted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;
    /// In the first section the A4C alone counts, in the second the A2C, in the third none.
    const WEIGHTS: &str = "Section,A2C,A4C\nHeart,0,1\nMotion,1,0\nAorta,0,0\n";
    /// Similar to the A4C clip (1, 0): 0, 1, 2; to the A2C clip (0, 1): 3, 2, 1.
    const CANDIDATES: [[f32; 2]; 4] = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]];

    fn sections(of: &[(&str, &[&str])]) -> Vec<SectionPhenotypes> {
        let owned = |&(section, phenotypes): &(&str, &[&str])| SectionPhenotypes {
            section: section.to_owned(),
            phenotypes: phenotypes.iter().map(|&name| name.to_owned()).collect(),
        };
        of.iter().map(owned).collect()
    }

    fn labels(of: &[(&str, &[f32])]) -> BTreeMap<String, Vec<f32>> {
        of.iter().map(|&(name, row)| (name.to_owned(), row.to_vec())).collect()
    }

    fn predict(
        sections: &[SectionPhenotypes],
        labels: &BTreeMap<String, Vec<f32>>,
        options: PhenotypeOptions,
    ) -> Result<Vec<Phenotype>, Error> {
        let study = Study::new(&[0.0, 3.0, 2.0, 0.0], 2, &[0, 1])?;
        let candidates = Candidates::new(CANDIDATES.as_flattened(), 2)?;
        predict_phenotypes(&study, &MilWeights::from_csv(WEIGHTS)?, &candidates, sections, labels, &options)
    }

    #[test]
    fn labels_of_the_nearest_are_averaged_where_there_are_any() -> Result<(), Error> {
        let sections = sections(&[("Motion", &["akinesis"]), ("Heart", &["ef", "lead"]), ("Aorta", &["dilation"])]);
        let labels = labels(&[
            ("ef", &[40.0, NAN, 50.0, 10.0]),
            ("lead", &[NAN, NAN, NAN, 1.0]),
            ("akinesis", &[1.0, 1.0, 0.0, 1.0]),
            ("dilation", &[1.0; 4]),
        ]);
        let options = PhenotypeOptions { neighbours: 3, ..PhenotypeOptions::default() };
        let predicted = predict(&sections, &labels, options)?;
        let found: Vec<_> = predicted.iter().map(|of| (of.name.as_str(), of.value, of.labelled)).collect();
        let expected =
            [("akinesis", Some(2.0 / 3.0), 3), ("ef", Some(45.0), 2), ("lead", None, 0), ("dilation", None, 0)];
        assert_eq!(found, expected);
        assert_eq!(PhenotypeOptions::default().neighbours, 50);
        Ok(())
    }

    #[test]
    fn upstream_numbers_sections_by_those_that_have_phenotypes() -> Result<(), Error> {
        // The second with phenotypes is the aorta, the second with weights the motion.
        let sections = sections(&[("Heart", &["ef"]), ("Aorta", &["dilation"])]);
        let labels = labels(&[("ef", &[40.0, 30.0, 50.0, 10.0]), ("dilation", &[0.0, 0.0, 0.0, 1.0])]);
        let value = |compat| -> Result<Vec<_>, Error> {
            let predicted = predict(&sections, &labels, PhenotypeOptions { neighbours: 1, compat })?;
            Ok(predicted.into_iter().map(|of| (of.section, of.value)).collect())
        };
        let heart = ("Heart".to_owned(), Some(40.0));
        assert_eq!(value(Compat::None)?, [heart.clone(), ("Aorta".to_owned(), None)]);
        assert_eq!(value(Compat::Upstream)?, [heart, ("Motion".to_owned(), Some(1.0))]);
        Ok(())
    }

    #[test]
    fn inputs_that_disagree_are_refused() {
        let (heart, ef) = (sections(&[("Heart", &["ef"])]), labels(&[("ef", &[40.0, 30.0, 50.0, 10.0])]));
        let refused = |sections: &[SectionPhenotypes], labels: &BTreeMap<String, Vec<f32>>, neighbours| {
            predict(sections, labels, PhenotypeOptions { neighbours, compat: Compat::None }).unwrap_err().to_string()
        };
        assert_eq!(refused(&heart, &ef, 5), "5 nearest candidates were asked for; give 1 to 4, as many as there are");
        assert!(refused(&heart, &ef, 0).starts_with("0 nearest candidates"));
        assert!(
            refused(&sections(&[("Liver", &["ef"])]), &ef, 1)
                .starts_with("there are no weights for the section `Liver`")
        );
        assert_eq!(refused(&sections(&[("Heart", &["lead"])]), &ef, 1), "there are no labels of `lead`; known are ef");
        assert_eq!(
            refused(&heart, &labels(&[("ef", &[40.0])]), 1),
            "`labels` holds 1 values, but 4 are needed: one of `ef` for each candidate"
        );
        assert_eq!(
            refused(&heart, &labels(&[("ef", &[f32::INFINITY; 4])]), 1),
            "`labels[0]` is inf; values must be finite"
        );
    }
}
