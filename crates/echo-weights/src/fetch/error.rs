//! What can go wrong in getting weights from their authors' servers.

use std::path::{Path, PathBuf};

/// Name of the list of checksums beside the files.
pub(super) const MANIFEST: &str = "weights.json";
/// Name of the file whose lock keeps other processes out.
pub(super) const LOCK: &str = "weights.lock";

/// An error of [`fetch`](crate::fetch()). Every variant names the file or address and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file cannot be read, written, renamed or locked.
    #[error("cannot access {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that is not a plain file name.
    #[error("{name:?} cannot be the name of a file of weights; a plain name without folders is, but for {MANIFEST}")]
    Name {
        /// The name.
        name: String,
    },
    /// Another process downloads into the folder.
    #[error("another process is downloading to {dir}; run this again when it is done", dir = dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
    },
    /// Not there.
    #[error("{path} is not there; download it first (`echozoo fetch`, without --offline)", path = path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// Present, but not from here.
    #[error(
        "{path} is there, but {MANIFEST} says nothing of it, so it was not downloaded by this program; move it away, \
         or use it as it is with --weights",
        path = path.display()
    )]
    Unrecorded {
        /// The file.
        path: PathBuf,
    },
    /// Downloaded from another place than the one wanted.
    #[error(
        "{path} was downloaded from {recorded}, wanted is {wanted}; take another folder, or delete the file and its \
         entry in {MANIFEST}",
        path = path.display()
    )]
    Origin {
        /// The file.
        path: PathBuf,
        /// Where it came from.
        recorded: String,
        /// Where it should come from.
        wanted: String,
    },
    /// The bytes are not those of the first download.
    #[error(
        "{path} is not what was first downloaded: its BLAKE3 is {found}, {MANIFEST} has {recorded}; {fix}",
        path = path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The sum recorded when the file was first seen.
        recorded: String,
        /// The sum of the bytes at hand.
        found: String,
        /// What to do.
        fix: &'static str,
    },
    /// The server cannot be reached, stalls, breaks off or is overloaded, each time that it was tried.
    #[error("cannot download {url}: {reason}; what has arrived is kept, run the same command again to go on")]
    Network {
        /// The address.
        url: String,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The answer cannot be used, and asking again would not help.
    #[error("cannot use what {url} sends: {reason}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong with the answer, and the fix.
        reason: String,
    },
    /// The list of checksums cannot be read.
    #[error(
        "{path} is not a list of checksums ({reason}); restore it, or delete it and the files beside it",
        path = path.display()
    )]
    Manifest {
        /// The list.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl FetchError {
    /// For `map_err` on file operations.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn answer(url: &str, reason: impl ToString) -> Self {
        Self::Answer { url: url.to_owned(), reason: reason.to_string() }
    }
}
