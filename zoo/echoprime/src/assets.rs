//! What EchoPrime's inference reads beside its weights: an archive of studies, and tables.
//!
//! A study is described by what is known of the most similar studies of the archive, its candidates. This module reads
//! the files; [`echo_clinical::study`] has the method.
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
//! - `roc_thresholds.csv`: from which mean label on a phenotype is present.
//!
//! Files marked † were not inspected.

mod embeddings;
mod error;
mod files;
mod labels;
mod reports;
mod sections;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use echo_clinical::study::{
    Candidates, Compat, MilWeights, Phenotype, PhenotypeOptions, Phrases, ReportSection, SectionPhenotypes, Study,
    generate_report, phenotype_thresholds, predict_phenotypes,
};

pub use error::AssetsError;
pub use reports::Reports;

use files::Files;

/// The files' content, checked against each other.
#[derive(Clone, Debug)]
pub struct Assets {
    /// Embeddings of the candidates, `[candidates, dim]` row by row. Upstream does not normalise them.
    pub embeddings: Vec<f32>,
    /// Length of an embedding: that of the encoder that embedded the candidates, 512 in upstream's files.
    pub dim: usize,
    /// For each phenotype of a section the labels of the candidates; NaN where there is none. Labels are 0 or 1, but
    /// per cent for `ejection_fraction` and mmHg for `pulmonary_artery_pressure_continuous`.
    pub labels: BTreeMap<String, Vec<f32>>,
    /// Reports of the candidates.
    pub reports: Reports,
    /// Sections with their phenotypes, in the order of the file: upstream numbers sections by it.
    pub sections: Vec<SectionPhenotypes>,
    /// Weights of views, which are [`VIEWS`](crate::VIEWS), in sections.
    pub weights: MilWeights,
    /// Phrases of reports.
    pub phrases: Phrases,
    /// From which mean label on a phenotype is present.
    pub thresholds: BTreeMap<String, f64>,
}

impl Assets {
    /// Reads the files in `folder`: a checkout of upstream's repository with the release unpacked in it (`assets`,
    /// `model_data/candidates_data`), its folder `model_data`, or all files in one folder.
    ///
    /// Pickles are read as data, nothing in them is executed. The embeddings of the whole release take 2.5 GB of memory.
    ///
    /// # Errors
    /// A file is missing, damaged or of another kind, or two files do not belong together: they differ in how many
    /// candidates there are, or one names a section, view, phrase, phenotype or study that the other has not.
    pub fn open(folder: &Path) -> Result<Self, AssetsError> {
        let files = Files::find(folder)?;
        let weights = sections::weights(&files.mil_weights)?;
        let phrases = Phrases::from_json(&text(&files.phrases)?).map_err(AssetsError::of_clinical(&files.phrases))?;
        let thresholds =
            phenotype_thresholds(&text(&files.thresholds)?).map_err(AssetsError::of_clinical(&files.thresholds))?;
        let sections = sections::phenotypes(&files, &weights)?;
        let studies = labels::studies(&files.studies, &text(&files.studies)?)?;
        let reports = Reports::read(&files, &phrases)?;
        if reports.len() != studies.len() {
            let reason = format!("it has {} reports, the other {} studies", reports.len(), studies.len());
            return Err(AssetsError::disagree(&files.reports, &files.studies, reason));
        }
        let labels = labels::read(&files, &sections, &studies)?;
        let (embeddings, dim) = embeddings::read(&files, studies.len())?;
        Ok(Self { embeddings, dim, labels, reports, sections, weights, phrases, thresholds })
    }

    /// Number of candidates.
    pub fn candidates(&self) -> usize {
        self.reports.len()
    }

    /// The phenotypes of a study of clips, each by the mean label of its most similar candidates.
    ///
    /// # Errors
    /// See [`predict_phenotypes`].
    pub fn phenotypes(
        &self,
        study: &Study<'_>,
        options: &PhenotypeOptions,
    ) -> Result<Vec<Phenotype>, echo_clinical::Error> {
        let candidates = Candidates::new(&self.embeddings, self.dim)?;
        predict_phenotypes(study, &self.weights, &candidates, &self.sections, &self.labels, options)
    }

    /// The report of a study of clips, each section from that of the most similar candidate that has it.
    ///
    /// # Errors
    /// See [`generate_report`].
    pub fn report(&self, study: &Study<'_>, compat: Compat) -> Result<Vec<ReportSection>, echo_clinical::Error> {
        let candidates = Candidates::new(&self.embeddings, self.dim)?;
        let text = |candidate| {
            let phrases = self.reports.get(candidate).into_iter().flatten();
            Cow::Owned(self.phrases.decode(phrases).expect("phrases that were checked when reports were read"))
        };
        generate_report(study, &self.weights, &candidates, text, compat)
    }
}

fn text(path: &Path) -> Result<String, AssetsError> {
    echo_weights::read_text(path).map_err(|source| AssetsError::Io { path: path.to_owned(), source })
}
