//! A report of a study, of sections that were written for others.

use std::borrow::Cow;

use serde::Serialize;

use super::phrases::SECTION_END;
use super::{Candidates, Compat, MilWeights, Study};
use crate::error::Error;

/// A section of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportSection {
    /// Its name.
    pub section: String,
    /// Its text. `None` where no clip counts in the section, or no candidate has it.
    pub retrieved: Option<RetrievedText>,
}

/// A section's text and where it is from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetrievedText {
    /// The text, without the section's name.
    pub text: String,
    /// The candidate whose report it is from.
    pub candidate: usize,
    /// How similar that candidate is, in this section.
    pub similarity: f64,
}

/// For each section of `weights`, its text in the report of the most similar candidate that has it. `report` gives a candidate's
/// report, which [`section_text`] can read; it is asked for few of them.
///
/// # Errors
/// When sizes disagree, a clip has a view that the table has not, or a similarity is not finite.
pub fn generate_report<'r>(
    study: &Study<'_>,
    weights: &MilWeights,
    candidates: &Candidates<'_>,
    report: impl Fn(usize) -> Cow<'r, str>,
    compat: Compat,
) -> Result<Vec<ReportSection>, Error> {
    candidates.check_dim(study)?;
    let retrieve = |(place, section): (usize, &String)| {
        let retrieved = match study.section_embedding(weights, place)? {
            Some(query) => candidates.nearest(&query)?.find_map(|near| {
                let text = section_text(&report(near.candidate), section, compat)?.to_owned();
                Some(RetrievedText { text, candidate: near.candidate, similarity: near.similarity })
            }),
            None => None,
        };
        Ok(ReportSection { section: section.clone(), retrieved })
    };
    weights.sections().iter().enumerate().map(retrieve).collect()
}

/// The text of a section of a report, without its name; `None` where the report does not have it, or it is empty.
///
/// A section begins with its name and a colon, and ends with `[SEP]`, which may be missing at the end of the report. With
/// [`Compat::Upstream`] it begins at the first occurrence of its name, even within a phrase of another section, and must
/// end with `[SEP]` on the same line.
pub fn section_text<'r>(report: &'r str, section: &str, compat: Compat) -> Option<&'r str> {
    let text = match compat {
        Compat::None => {
            report.split(SECTION_END).find_map(|part| part.trim_start().strip_prefix(section)?.strip_prefix(':'))
        }
        Compat::Upstream => report.match_indices(section).find_map(|(start, _)| {
            let line = report[start + section.len()..].split('\n').next()?;
            let text = &line[..line.find(SECTION_END)?];
            Some(text.strip_prefix(':').unwrap_or(text))
        }),
    };
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str =
        "Pericardium: The IVC is dilated. [SEP] IVC: Normal. Collapses. [SEP] Aorta: [SEP] Left Atrium: Large.";

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let text = |section| section_text(REPORT, section, Compat::None);
        assert_eq!(text("Pericardium"), Some("The IVC is dilated."));
        assert_eq!(text("IVC"), Some("Normal. Collapses."));
        assert_eq!(text("Left Atrium"), Some("Large."));
        assert_eq!((text("Aorta"), text("Left"), text("Mitral Valve")), (None, None, None));
    }

    #[test]
    fn upstream_begins_a_section_at_the_first_occurrence_of_its_name() {
        let text = |section| section_text(REPORT, section, Compat::Upstream);
        assert_eq!((text("Pericardium"), text("IVC")), (Some("The IVC is dilated."), Some("is dilated.")));
        assert_eq!((text("Left Atrium"), text("Mitral Valve")), (None, None));
        assert_eq!(section_text("IVC: Nor\nmal. [SEP] IVC: Wide. [SEP]", "IVC", Compat::Upstream), Some("Wide."));
    }

    #[test]
    fn each_section_is_from_the_most_similar_candidate_that_has_it() -> Result<(), Error> {
        let weights = MilWeights::from_csv("Section,A2C,A4C\nHeart,0,1\nMotion,1,0\nAorta,0,0\nIVC,1,1\n")?;
        let study = Study::new(&[0.0, 3.0, 2.0, 0.0], 2, &[0, 1])?;
        let candidates = Candidates::new(&[1.0, 0.0, 0.5, 0.5, 0.25, 1.0], 2)?;
        let reports = ["Aorta: Wide. [SEP]", "Heart: Large. [SEP] Aorta: Normal. [SEP]", "Motion: Weak. [SEP]"];
        let sections = generate_report(&study, &weights, &candidates, |index| reports[index].into(), Compat::None)?;
        let found: Vec<_> = sections
            .iter()
            .map(|of| (of.section.as_str(), of.retrieved.as_ref().map(|text| (text.text.as_str(), text.candidate))))
            .collect();
        assert_eq!(
            found,
            [("Heart", Some(("Large.", 1))), ("Motion", Some(("Weak.", 2))), ("Aorta", None), ("IVC", None)]
        );
        assert_eq!(sections[0].retrieved.as_ref().map(|text| text.similarity), Some(0.5));
        Ok(())
    }
}
