//! A study's phenotypes and report, from the most similar studies of an archive.
//!
//! The method is EchoPrime's (Vukadinovic et al., arXiv 2410.09704; github.com/echonet/EchoPrime, commit 45609cd):
//!
//! 1. Each clip of a [`Study`] has an embedding, as the encoder gives it, and a view. A report has sections, and a table
//!    ([`MilWeights`]) has the weight of each view in each section.
//! 2. For each section, the embeddings are multiplied by the weights of their views, summed, and normalised.
//! 3. The dot product of this sum with the embeddings of all [`Candidates`] ranks them. Equally similar candidates keep their
//!    order.
//! 4. [`predict_phenotypes`]: the mean label of the 50 most similar candidates, over those that have a label.
//!    [`generate_report`]: the section's text in the report of the most similar candidate that has the section.
//!
//! A section in which every clip has weight zero has no answer: an apical five-chamber view alone has weight zero for the left
//! ventricle. Upstream's similarities are all zero there, and its candidates arbitrary.
//!
//! # Upstream's files
//!
//! As its code uses them. Files marked † are part of its release and were not inspected.
//!
//! - `assets/MIL_weights.csv`: a header of `Section` and 11 views, then 15 sections with a weight from 0 to 1 for each view.
//!   Views are in the order of the view classifier's outputs. See [`MilWeights::from_csv`].
//! - `assets/section_to_phenotypes.pkl`: a dict from 11 sections to lists of phenotypes, 21 in all. [`Compat::Upstream`] depends
//!   on its order. See [`SectionPhenotypes`].
//! - `assets/all_phr.json`: the phrases of 16 sections. See [`Phrases::from_json`].
//! - `assets/roc_thresholds.csv`: an index, `feature` and `threshold` of 16 phenotypes. See [`phenotype_thresholds`].
//! - `candidates_data/candidate_studies.csv` †: the column `Study` has the key of each candidate: 1,230,676 of them, by the
//!   output of its notebook. Embeddings and reports are in this order.
//! - `candidates_data/candidate_embeddings_p1.pt`, `candidate_embeddings_p2.pt` †: one tensor each, float32 (they are
//!   multiplied by float32). Concatenated on the first axis they are `[candidates, 512]`: one row per candidate, not per
//!   section. Upstream does not normalise them, nor does [`Candidates`].
//! - `candidates_data/candidate_labels.pkl` †: a mapping from phenotype to a mapping from study to a number: 0 or 1, but per
//!   cent for `ejection_fraction` and mmHg for `pulmonary_artery_pressure_continuous`. Studies may be absent or NaN;
//!   [`predict_phenotypes`] takes both as NaN.
//! - `candidates_data/candidate_reports.pkl` †: a sequence of reports, each a sequence of triples of section, phrase and value.
//!   See [`PhraseCode`].
//!
//! # Differences from upstream
//!
//! [`Compat::Upstream`] reproduces the first two.
//!
//! 1. Upstream's metrics number sections by `section_to_phenotypes.pkl`, but its rankings by `MIL_weights.csv`, which has four
//!    more. Beyond the first section, phenotypes use the ranking of another one: the right ventricle that of wall motion, the
//!    left atrium that of the right ventricle, and so on.
//! 2. In upstream's reports a section begins at the first occurrence of its name, even within a phrase. One phrase of the
//!    section "Pericardium" names the IVC, and precedes the section "IVC".
//! 3. Upstream fails on a study of one clip (it squeezes the axis of clips), and never returns if no candidate has a section.

mod candidates;
mod clips;
mod mil_weights;
mod phenotypes;
mod phrases;
mod report;
mod thresholds;

pub use candidates::Candidates;
pub use clips::{Study, most_likely_view};
pub use mil_weights::MilWeights;
pub use phenotypes::{Phenotype, PhenotypeOptions, SectionPhenotypes, predict_phenotypes};
pub use phrases::{PhraseCode, Phrases};
pub use report::{ReportSection, RetrievedText, generate_report, section_text};
pub use thresholds::phenotype_thresholds;

/// Whether to compute what the method is described as, or what the released code does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// The method.
    #[default]
    None,
    /// The released code, with the first two of its [differences](self#differences-from-upstream).
    Upstream,
}
