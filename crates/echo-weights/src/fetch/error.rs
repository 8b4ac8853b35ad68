//! What can go wrong in getting weights from their authors' servers.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// An error of [`fetch`](super::fetch()). Every variant names the file or address and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file cannot be read, written, renamed or locked.
    #[error("cannot access {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// The disk or the user's quota is full.
    #[error(
        "no space left for {path} ({written} bytes written); free some or choose another folder, then run the same \
         command again: a download goes on from what has arrived",
        path = path.display()
    )]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
        /// Its size when the disk was full.
        written: u64,
    },
    /// A name that is not a plain file name.
    #[error("{name:?} cannot be the name of a file of weights; give a plain name without folders, not {MANIFEST}")]
    Name {
        /// The name.
        name: String,
    },
    /// Absent, and the network is off.
    #[error("{path} is not there and --offline keeps from downloading it; run without --offline", path = path.display())]
    Offline {
        /// The file.
        path: PathBuf,
    },
    /// Present, but nothing is known that it could be checked against.
    #[error(
        "{path} is there but {manifest} has no checksum of it; run once without --offline to record it",
        path = path.display(), manifest = manifest.display()
    )]
    Unrecorded {
        /// The file.
        path: PathBuf,
        /// The list of checksums.
        manifest: PathBuf,
    },
    /// The server refuses.
    #[error("{url} answers {status}: {hint}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status code.
        status: u16,
        /// What that means here.
        hint: &'static str,
    },
    /// The server cannot be reached, stalls or breaks off.
    #[error("cannot download {url}: {reason}; what has arrived is kept, run the same command again to go on")]
    Network {
        /// The address.
        url: String,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The body ends before the length that was announced.
    #[error("{url} breaks off after {received} of {stated} bytes; run the same command again to go on")]
    Short {
        /// The address.
        url: String,
        /// Bytes that have arrived, over all attempts.
        received: u64,
        /// Bytes announced.
        stated: u64,
    },
    /// The answer cannot be used, and asking again would not help.
    #[error("{url} cannot be downloaded: {reason}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong with the answer, and the fix.
        reason: String,
    },
    /// A file is larger than allowed.
    #[error("{what} is larger than the {limit} bytes allowed for it; weights are not that large, so it was refused")]
    TooLarge {
        /// The file or address.
        what: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The bytes are not those of the first download.
    #[error("{path}: BLAKE3 is {found}, recorded is {recorded} in {manifest}; {fix}",
            path = path.display(), manifest = manifest.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The list of checksums.
        manifest: PathBuf,
        /// The sum recorded when the file was first seen.
        recorded: String,
        /// The sum of the bytes at hand.
        found: String,
        /// What to do.
        fix: &'static str,
    },
    /// An archive is damaged, unsafe, or not what the card says.
    #[error("{url} cannot be unpacked: {reason}")]
    Archive {
        /// Where the archive comes from.
        url: String,
        /// What is wrong, and the fix.
        reason: String,
    },
    /// The list of checksums cannot be read.
    #[error(
        "{path} is not a list of checksums ({reason}); restore it, or delete it to record the files as they are now",
        path = path.display()
    )]
    Manifest {
        /// The list.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Name of the list of checksums beside the files.
pub(super) const MANIFEST: &str = "weights.json";

impl FetchError {
    /// For `map_err` on file operations.
    pub(super) fn io(path: &Path) -> impl FnOnce(Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// For `map_err` on writes to a file of `written` bytes.
    pub(super) fn write(path: &Path, written: u64) -> impl FnOnce(Error) -> Self + '_ {
        move |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path: path.to_owned(), written },
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}
