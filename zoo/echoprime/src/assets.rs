//! What EchoPrime's inference reads beside its weights: an archive of studies, and tables.
//!
//! A study is described by what is known of the most similar studies of the archive, its candidates. This module reads
//! the files to plain numbers and texts; it computes nothing.
//!
//! # Files
//!
//! As upstream's code uses them (github.com/echonet/EchoPrime, commit 45609cd: `echo_prime/model.py`,
//! `utils/utils.py`). Nothing comes with this crate: [`Assets::open`] says of each missing file where upstream has it.
//!
//! - `candidate_studies.csv` †: the column `Study` has the key of each candidate. The others are in this order. There
//!   are 1,230,676 by the output of upstream's notebook.
//! - `candidate_embeddings_p1.pt`, `candidate_embeddings_p2.pt` †: a tensor each. One after the other they are
//!   `[candidates, 512]`.
//! - `candidate_reports.pkl` †: a list with a report for each candidate, each a list of (section, phrase, value).
//!   Upstream's first notebook indexed it by a tensor, which a list allows and a series of pandas does not.
//! - `candidate_labels.pkl` †: a dict from phenotype to a dict from study to a number. Studies may be absent or NaN.
//! - `section_to_phenotypes.pkl`: a dict from section to a list of phenotypes.
//! - `MIL_weights.csv`: `Section`, and a weight for each view in the order of the view classifier's outputs.
//! - `all_phr.json`: sections of groups of phrases. Reports count sections, and all phrases of a section, from 0.
//! - `per_section.json`: how labels are read from the text of a report. Inference does not use it.
//! - `roc_thresholds.csv`: from which mean label on a phenotype is present.
//!
//! Files marked † were not inspected.

mod embeddings;
mod error;
mod files;
mod labels;
mod phrases;
mod reports;
mod sections;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::AssetsError;
pub use reports::{ReportPhrase, Reports};

use files::Files;

/// The files' content, checked against each other.
#[derive(Clone, Debug)]
pub struct Assets {
    /// Embeddings of the candidates, `[candidates, 512]` row by row. Upstream does not normalise them.
    pub embeddings: Vec<f32>,
    /// For each phenotype of a section the labels of the candidates; NaN where there is none. Labels are 0 or 1, but
    /// per cent for `ejection_fraction` and mmHg for `pulmonary_artery_pressure_continuous`.
    pub labels: BTreeMap<String, Vec<f32>>,
    /// Reports of the candidates.
    pub reports: Reports,
    /// Sections with their phenotypes, in the order of the file: upstream numbers sections by it.
    pub section_phenotypes: Vec<(String, Vec<String>)>,
    /// The text of `MIL_weights.csv`, whose views are [`VIEWS`](crate::VIEWS).
    pub mil_weights: String,
    /// The text of `all_phr.json`.
    pub phrases: String,
    /// The text of `per_section.json`.
    pub per_section: String,
    /// The text of `roc_thresholds.csv`.
    pub thresholds: String,
}

impl Assets {
    /// Reads the files in `folder`: a checkout of upstream's repository with the release unpacked in it (`assets`,
    /// `model_data/candidates_data`), its folder `model_data`, or all files in one folder.
    ///
    /// Pickles are read as data, nothing in them is executed. The whole release needs about 3 GB of memory.
    ///
    /// # Errors
    /// A file is missing, damaged or of another kind, or two files do not belong together: they differ in how many
    /// candidates there are, or one names a section, view, phrase, phenotype or study that the other has not.
    pub fn open(folder: &Path) -> Result<Self, AssetsError> {
        let files = Files::find(folder)?;
        let (mil_weights, phrases) = (text(&files.mil_weights)?, text(&files.phrases)?);
        let (per_section, thresholds) = (text(&files.per_section)?, text(&files.thresholds)?);
        let section_phenotypes = sections::read(&files.section_phenotypes)?;
        sections::check_weights(&files, &mil_weights, &section_phenotypes)?;
        let studies = labels::studies(&files.studies, &text(&files.studies)?)?;
        let reports = Reports::read(&files, &phrases)?;
        if reports.len() != studies.len() {
            let reason = format!("it has {} reports, the other {} studies", reports.len(), studies.len());
            return Err(AssetsError::disagree(&files.reports, &files.studies, reason));
        }
        let labels = labels::read(&files, &section_phenotypes, &studies)?;
        let embeddings = embeddings::read(&files, studies.len())?;
        Ok(Self { embeddings, labels, reports, section_phenotypes, mil_weights, phrases, per_section, thresholds })
    }

    /// Number of candidates.
    pub fn candidates(&self) -> usize {
        self.reports.len()
    }
}

fn text(path: &Path) -> Result<String, AssetsError> {
    echo_weights::read_text(path).map_err(|source| AssetsError::Io { path: path.to_owned(), source })
}
