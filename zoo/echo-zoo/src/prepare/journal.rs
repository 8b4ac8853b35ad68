//! What became of every file, line by line, so that a run that was stopped goes on.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::CliError;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// Below the folder.
    pub(super) source: String,
    /// Bytes, and when it was last changed, in nanoseconds.
    pub(super) version: (u64, u128),
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Written(Video),
    /// No loop: what it is instead.
    Skipped {
        study: String,
        reason: String,
    },
    /// It cannot be read.
    Failed {
        study: String,
        reason: String,
    },
}

impl Outcome {
    pub(super) fn is_written(&self) -> bool {
        matches!(self, Self::Written(_))
    }

    /// Videos by their new names, then all others.
    pub(super) fn order(&self) -> (&str, &str) {
        match self {
            Self::Written(video) => ("", &video.name),
            Self::Skipped { study, reason } | Self::Failed { study, reason } => (study, reason),
        }
    }
}

/// A video that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Video {
    pub(super) name: String,
    /// The same of two files that hold the same object.
    pub(super) object: Option<String>,
    pub(super) patient: String,
    pub(super) study: String,
    pub(super) fps: f64,
    pub(super) frames: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Centimetres between rows and between columns.
    pub(super) spacing: Option<[f64; 2]>,
    pub(super) warning: String,
}

impl Video {
    /// Its file in the folder of videos.
    pub(super) fn path(&self, videos: &Path) -> PathBuf {
        videos.join(format!("{}.avi", self.name))
    }
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    settings: String,
}

/// The file, and what it held when it was opened.
pub(super) struct Journal {
    path: PathBuf,
    known: HashMap<String, Done>,
    adding: Mutex<()>,
}

impl Journal {
    /// # Errors
    /// It cannot be read, or is of a run with other settings.
    pub(super) fn open(path: &Path, settings: &str) -> Result<Self, CliError> {
        let mut known = HashMap::new();
        match fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                append(path, &Header { settings: settings.to_owned() })?;
            }
            Err(error) => return Err(CliError::file(path)(error)),
            Ok(file) => {
                let mut lines = BufReader::new(file).lines().filter(|line| !line.as_ref().is_ok_and(String::is_empty));
                let first = lines.next().transpose().map_err(CliError::file(path))?.unwrap_or_default();
                let header: Header = serde_json::from_str(&first).map_err(CliError::file(path))?;
                if header.settings != settings {
                    return Err(CliError::Usage(format!(
                        "{}: this folder was written with other settings ({}; now {settings}): choose another --out, or the \
                         same settings",
                        path.display(),
                        header.settings
                    )));
                }
                for line in lines {
                    // Of half a line the file is done again.
                    if let Ok(done) = serde_json::from_str::<Done>(&line.map_err(CliError::file(path))?) {
                        known.insert(done.source.clone(), done);
                    }
                }
            }
        }
        Ok(Self { path: path.to_owned(), known, adding: Mutex::new(()) })
    }

    /// What became of a file that has not changed since, unless it is to be tried again: what failed, since a disk may be
    /// back, and what is no longer among the `videos`.
    pub(super) fn known(&self, file: &Path, below: &Path, videos: &Path) -> Option<Done> {
        let done = self.known.get(&*below.to_string_lossy())?;
        let is_there = match &done.outcome {
            Outcome::Written(video) => video.path(videos).exists(),
            Outcome::Skipped { .. } => true,
            Outcome::Failed { .. } => false,
        };
        (is_there && version(file) == Some(done.version)).then(|| done.clone())
    }

    /// Whether an earlier run has left it as it is.
    pub(super) fn has(&self, done: &Done) -> bool {
        self.known.get(&done.source) == Some(done)
    }

    pub(super) fn add(&self, done: &Done) -> Result<(), CliError> {
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        append(&self.path, done)
    }
}

fn append(path: &Path, line: &impl Serialize) -> Result<(), CliError> {
    // Before the line, not behind it: what a kill leaves of the last line ends there.
    let text = format!("\n{}", serde_json::to_string(line).map_err(CliError::file(path))?);
    let mut file = echo_files::append(path).map_err(CliError::file(path))?;
    file.write_all(text.as_bytes()).map_err(CliError::file(path))
}

/// A file's bytes, and when it was last changed.
pub(super) fn version(file: &Path) -> Option<(u64, u128)> {
    let found = fs::metadata(file).ok()?;
    let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((found.len(), changed.as_nanos()))
}
