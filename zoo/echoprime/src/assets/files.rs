//! Where upstream's files are, and where they come from.

use std::path::{Path, PathBuf};

use super::AssetsError;

/// Where some of the files lie.
struct Origin {
    /// Folders that may hold them, the first one first.
    places: [&'static str; 3],
    /// Where upstream has them.
    source: &'static str,
}

const REPOSITORY: Origin = Origin {
    places: ["assets", "../assets", ""],
    source: "in the folder assets of https://github.com/echonet/EchoPrime",
};

/// Those that the archive of the release holds.
const ARCHIVE: Origin = Origin {
    places: ["model_data/candidates_data", "candidates_data", ""],
    source: "in https://github.com/echonet/EchoPrime/releases/download/v1.0.0/model_data.zip",
};

/// Those beside that archive, which were too large for it.
const RELEASE: Origin =
    Origin { source: "of https://github.com/echonet/EchoPrime/releases/tag/v1.0.0", places: ARCHIVE.places };

/// Paths of the files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) embeddings: [PathBuf; 2],
    pub(super) studies: PathBuf,
    pub(super) reports: PathBuf,
    pub(super) labels: PathBuf,
    pub(super) section_phenotypes: PathBuf,
    pub(super) mil_weights: PathBuf,
    pub(super) phrases: PathBuf,
    pub(super) thresholds: PathBuf,
}

impl Files {
    /// # Errors
    /// Not all of them are there; the message lists those that are missing.
    pub(super) fn find(folder: &Path) -> Result<Self, AssetsError> {
        let mut missing = Vec::new();
        let mut find = |name: &str, origin: &Origin| {
            let paths = origin.places.iter().map(|place| folder.join(place).join(name));
            paths.into_iter().find(|path| path.is_file()).unwrap_or_else(|| {
                missing.push(format!("{name} ({})", origin.source));
                PathBuf::new()
            })
        };
        let files = Self {
            embeddings: ["candidate_embeddings_p1.pt", "candidate_embeddings_p2.pt"].map(|name| find(name, &RELEASE)),
            studies: find("candidate_studies.csv", &ARCHIVE),
            reports: find("candidate_reports.pkl", &ARCHIVE),
            labels: find("candidate_labels.pkl", &ARCHIVE),
            section_phenotypes: find("section_to_phenotypes.pkl", &REPOSITORY),
            mil_weights: find("MIL_weights.csv", &REPOSITORY),
            phrases: find("all_phr.json", &REPOSITORY),
            thresholds: find("roc_thresholds.csv", &REPOSITORY),
        };
        match missing.is_empty() {
            true => Ok(files),
            false => Err(AssetsError::Missing { folder: folder.to_owned(), missing: missing.join(", ") }),
        }
    }
}
