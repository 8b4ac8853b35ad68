//! What can go wrong with upstream's files.

use std::path::{Path, PathBuf};

use echo_weights::{DataFileError, PickledValue};

/// An error of reading upstream's files. Every variant names the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssetsError {
    /// There are not all files.
    #[error("{folder} lacks files of EchoPrime: {missing}", folder = folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The files, and where each one is from.
        missing: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A pickle or tensor cannot be read.
    #[error(transparent)]
    Data(#[from] DataFileError),
    /// A file holds something else than upstream's.
    #[error("cannot use {path}: {reason}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Two files do not belong together.
    #[error("{path} does not belong to {other}: {reason}", path = path.display(), other = other.display())]
    Disagree {
        /// The file.
        path: PathBuf,
        /// The other file.
        other: PathBuf,
        /// In what they disagree.
        reason: String,
    },
}

impl AssetsError {
    pub(super) fn content(path: &Path, reason: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.to_string() }
    }

    /// A value of a pickle that is of another kind than expected.
    pub(super) fn kind(path: &Path, value: PickledValue<'_>, expected: &str) -> Self {
        Self::content(path, format!("it holds {} where {expected} is expected", value.kind()))
    }

    /// For `map_err` on what the method refuses of a file.
    pub(super) fn of_clinical(path: &Path) -> impl FnOnce(echo_clinical::Error) -> Self + '_ {
        move |error| Self::content(path, error)
    }

    pub(super) fn disagree(path: &Path, other: &Path, reason: impl ToString) -> Self {
        Self::Disagree { path: path.to_owned(), other: other.to_owned(), reason: reason.to_string() }
    }
}
