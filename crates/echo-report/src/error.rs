//! Why there is no report.

use std::path::{Path, PathBuf};

/// An error of reading results or writing a report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file of an output folder cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Results that do not belong into one table.
    #[error("{0}")]
    Mixed(String),
    /// A prediction is not of the task that it is to be scored for.
    #[error("{video}: {found} do not fit the task {task}")]
    Task {
        /// The video.
        video: String,
        /// What was given.
        found: String,
        /// What was wanted.
        task: String,
    },
    /// Scores cannot be computed.
    #[error(transparent)]
    Metrics(#[from] echo_metrics::Error),
    /// A line of `runs.jsonl` was written by another version.
    #[error("{path}, line {line}: written with schema {found}, this version reads {known}; use another --out", path = path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The line's schema.
        found: u32,
        /// The schema that this version reads.
        known: u32,
    },
    /// A line of `runs.jsonl` is whole, and no record of a cell.
    #[error("{path}, line {line}: not a record of a cell: {reason}; mend or remove the line, or use another --out", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

impl ReportError {
    /// For `map_err` on file operations.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
