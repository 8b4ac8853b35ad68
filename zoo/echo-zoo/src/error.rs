//! What ends a command, and with which exit code.

use std::path::{Path, PathBuf};

/// An error of the command line; the sources of its libraries are kept.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A wrong flag or combination of flags.
    #[error("{0}")]
    Usage(String),
    /// Some inputs could not be used; each was named when it happened.
    #[error("{failed} of {total} inputs could not be used")]
    Inputs {
        /// How many failed.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// Some cells of the grid failed; each was named when it happened.
    #[error("{failed} of {total} cells failed")]
    Cells {
        /// How many failed.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// Inputs could not be used, and nobody has been told which.
    #[error("{failed} of {total} inputs could not be used: {reasons}")]
    NamedInputs {
        /// How many failed.
        failed: usize,
        /// Of how many.
        total: usize,
        /// Which, and why.
        reasons: String,
    },
    /// Whoever watches it stopped it.
    #[error("stopped")]
    Stopped,
    /// No cell has a number: what was asked cannot be answered on this test set.
    #[error("no row has the metric {0}, which is undefined on this test set: see the notes below the table")]
    Undefined(String),
    /// What was found cannot be printed.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// A table cannot be put together.
    #[error("the table of results: {0}")]
    Table(#[from] csv::Error),
    /// A file cannot be read or written.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The benchmark cannot run.
    #[error(transparent)]
    Bench(#[from] echo_bench::BenchError),
    /// Results cannot be read, or no report can be made of them.
    #[error(transparent)]
    Report(#[from] echo_report::ReportError),
    /// An unknown name or an unfit text.
    #[error(transparent)]
    Core(#[from] echo_core::Error),
    /// A video cannot be decoded.
    #[error(transparent)]
    Video(#[from] echo_video::VideoError),
    /// A clip cannot be made.
    #[error(transparent)]
    Clip(#[from] echo_data::ClipError),
    /// Phantoms cannot be written.
    #[error(transparent)]
    Phantom(#[from] echo_phantom::PhantomError),
    /// Pretraining failed.
    #[error(transparent)]
    Pretrain(#[from] echo_pretrain::PretrainError),
    /// A clinical method cannot be applied.
    #[error(transparent)]
    Clinical(#[from] echo_clinical::Error),
    /// Weights cannot be used.
    #[error(transparent)]
    Weights(#[from] echo_weights::WeightsError),
}

impl CliError {
    /// The message with the chain of its causes, each once: a message that already holds its cause is not followed by it.
    pub fn full_text(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(&format!(": {cause_text}"));
            }
            source = cause.source();
        }
        text
    }

    /// For `map_err` on file operations.
    pub(crate) fn file<E: ToString>(path: &Path) -> impl FnOnce(E) -> Self + '_ {
        move |error| Self::File { path: path.to_owned(), reason: error.to_string() }
    }

    /// 2 for a mistake in what was asked, 1 for anything that went wrong in doing it.
    pub(crate) fn exit_code(&self) -> u8 {
        use echo_bench::BenchError;
        match self {
            CliError::Usage(_) | CliError::Core(_) | CliError::Report(echo_report::ReportError::Mixed(_)) => 2,
            CliError::Bench(BenchError::Config(_) | BenchError::Toml { .. } | BenchError::Core(_)) => 2,
            CliError::Clinical(echo_clinical::Error::UnknownTask { .. } | echo_clinical::Error::Task { .. }) => 2,
            // A name, or a recipe: of pairs that cannot be, a cell fails.
            CliError::Bench(BenchError::Adapt(_)) => 2,
            CliError::Weights(echo_weights::WeightsError::Encoder(_)) => 2,
            _ => 1,
        }
    }
}
