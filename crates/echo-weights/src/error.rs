//! What can go wrong between a checkpoint file and a module.

use std::path::PathBuf;

/// An error of reading, applying or writing weights. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or written.
    #[error("cannot access weights {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is none of the formats that are read.
    #[error("{path} is not a checkpoint that can be read: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it seems to be, and what would be right.
        reason: String,
    },
    /// Tensors do not fit the module.
    #[error("{path} does not fit {module}: {problems}", path = path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What it was loaded into.
        module: String,
        /// Missing, unexpected and misshapen tensors, up to ten of each.
        problems: String,
    },
    /// Several entries of the file hold such a model.
    #[error(
        "{path} holds this encoder's weights {count} times, as {entries}; choose with --weights-key {first}",
        path = path.display(), count = entries.split(", ").count(), first = entries.split(", ").next().unwrap_or_default()
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The entries.
        entries: String,
    },
    /// Parameters are not numbers.
    #[error(
        "{path}: {tensors} hold values that are not finite (NaN or infinity), so nothing that comes of them would be a \
         number; take another checkpoint",
        path = path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Their names in the file.
        tensors: String,
    },
    /// Parameters are too large for half precision.
    #[error(
        "{path} was not written: {tensors} hold values beyond 65504, the largest 16-bit float; leave out --half to store \
         32-bit ones",
        path = path.display()
    )]
    Overflow {
        /// The file.
        path: PathBuf,
        /// Their names in the file that they were loaded from, else in the module.
        tensors: String,
    },
    /// Parameters are too small for half precision.
    #[error(
        "{path} was not written: {tensors} hold no value that a 16-bit float tells from zero; leave out --half to store \
         32-bit ones",
        path = path.display()
    )]
    Underflow {
        /// The file.
        path: PathBuf,
        /// Their names in the file that they were loaded from, else in the module.
        tensors: String,
    },
    /// A file that the weights need beside them is missing or cannot be used.
    #[error("cannot use {path}, which the weights need: {reason}", path = path.display())]
    Companion {
        /// Where the file is, or should be.
        path: PathBuf,
        /// Why, and what it should be.
        reason: String,
    },
    /// Nobody publishes an encoder's weights for a preset.
    #[error(
        "{encoder}'s weights for preset {preset} are not released: give yours with --weights (its CARD.md says what belongs there), \
         or try the program with --preset nano"
    )]
    NotReleased {
        /// The encoder's name.
        encoder: String,
        /// The preset's.
        preset: String,
    },
    /// An encoder has no weights of its own for a preset.
    #[error(
        "{encoder} has no weights shipped for preset {preset}; run `echozoo fetch {encoder} --preset {preset}` for upstream's, or give \
         --weights FILE, or --preset nano to try the program, or --random-init to go on without"
    )]
    NotShipped {
        /// The encoder's name.
        encoder: String,
        /// The preset's name.
        preset: String,
    },
    /// Fetched weights are not what they were.
    #[error(transparent)]
    Fetch(#[from] crate::FetchError),
    /// The encoder has no such preset.
    #[error(transparent)]
    Encoder(#[from] echo_core::Error),
    /// Writing a checkpoint failed.
    #[error("cannot write {path}: {reason}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl WeightsError {
    /// The same error with `hint` after what it says of the tensors.
    #[must_use]
    pub fn with_hint(self, hint: &str) -> Self {
        match self {
            Self::Mismatch { path, module, problems } => {
                Self::Mismatch { path, module, problems: format!("{problems}. Hint: {hint}") }
            }
            other => other,
        }
    }
}
