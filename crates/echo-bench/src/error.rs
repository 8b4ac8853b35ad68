//! What can stop a benchmark. A cell that fails does not: it becomes a row with its error.

use std::path::{Path, PathBuf};

/// An error that ends the benchmark.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file of the output folder cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting that cannot be used.
    #[error("{0}")]
    Config(String),
    /// A TOML file that cannot be read.
    #[error("{what}: {source}")]
    Toml {
        /// Which file or recipe.
        what: String,
        /// Which entry.
        source: toml::de::Error,
    },
    /// The data set cannot be used.
    #[error(transparent)]
    Data(#[from] echo_data::DataError),
    /// The machine could not read a video that may be whole.
    #[error(
        "{0}; this is a failure of the machine and not of the video, without which results would be of other data: run again \
         when it can be read"
    )]
    Machine(String),
    /// Patients or files in two splits.
    #[error("{}", leakage(.0))]
    Leakage(Vec<String>),
    /// What tells phantoms from patients cannot be read.
    #[error(transparent)]
    Phantom(#[from] echo_phantom::PhantomError),
    /// An unknown name, or ranks that do not fit.
    #[error(transparent)]
    Core(#[from] echo_core::Error),
    /// An encoder's weights cannot be used.
    #[error(transparent)]
    Weights(#[from] echo_weights::WeightsError),
    /// The adapter cannot be built.
    #[error(transparent)]
    Adapt(#[from] echo_adapt::AdaptError),
    /// Fitting failed.
    #[error(transparent)]
    Train(#[from] echo_train::TrainError),
    /// Results cannot be read or written.
    #[error(transparent)]
    Report(#[from] echo_report::ReportError),
    /// A method of echo-clinical cannot be applied.
    #[error(transparent)]
    Clinical(#[from] echo_clinical::Error),
    /// Its observer stopped it.
    #[error("stopped; what is done is kept")]
    Stopped,
    /// There is no honest number.
    #[error(transparent)]
    Metrics(#[from] echo_metrics::Error),
    /// Nothing is left on one side of a detection.
    #[error("none of the {videos} {side} can be used; {first}")]
    OneSide {
        /// Which side.
        side: &'static str,
        /// Its samples.
        videos: usize,
        /// The first reason.
        first: String,
    },
    /// A fitted adapter's file cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    AdapterFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No video of a split can be used.
    #[error("none of the {videos} {split} videos of {data} can be used; {first}; every reason stands in excluded.csv")]
    NothingUsable {
        /// Which split.
        split: &'static str,
        /// The data set's name.
        data: String,
        /// Videos that it lists.
        videos: usize,
        /// The first of them, and its reason.
        first: String,
    },
}

/// Leaks that the message shows.
const LEAKS_SHOWN: usize = 20;

fn leakage(leaks: &[String]) -> String {
    let shown: Vec<_> = leaks.iter().take(LEAKS_SHOWN).map(|leak| echo_files::printable(leak)).collect();
    let more = match leaks.len() - shown.len() {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    format!(
        "labels would leak between splits; mend the splits, or go on with --allow-leakage, which the results will say:\n  {}{more}",
        shown.join("\n  ")
    )
}

impl BenchError {
    /// For `map_err` on file operations.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
