//! What can go wrong between a path and its frames.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate. Every message names the file and the cause, and the way out where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// No bytes at all.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The bytes belong to no video container.
    #[error("{}: not a video: {cause}", path.display())]
    NotAVideo {
        /// The file.
        path: PathBuf,
        /// What its bytes look like.
        cause: String,
    },
    /// A sound file of another kind, such as a structured report among the loops of a study.
    #[error("{}: not a video: {cause}", path.display())]
    NoPicture {
        /// The file.
        path: PathBuf,
        /// What it is.
        cause: String,
    },
    /// A kind of file that is known but not read.
    #[error("{}: {cause}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported.
        cause: String,
    },
    /// The container contradicts itself or its file.
    #[error("{}: malformed: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        cause: String,
    },
    /// Part of the video is missing; [`OpenOptions::allow_truncated`](crate::OpenOptions) reads the rest.
    #[error("{}: truncated: {cause} (with --allow-truncated the frames that are there are used)", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        cause: String,
    },
    /// Larger than the limits in [`OpenOptions`](crate::OpenOptions).
    #[error("{}: too large: {cause}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size and the limit that it exceeds.
        cause: String,
    },
    /// One frame cannot be decoded.
    #[error("{}: frame {frame}: {cause}", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// Its number, from 0.
        frame: usize,
        /// Why.
        cause: String,
    },
    /// Nothing outside of the ultrasound sector is to be shown, and no sector is found.
    #[error("{}: no ultrasound sector is found: {cause}; --mask none takes the frames as they are, text included", path.display())]
    NoSector {
        /// The file.
        path: PathBuf,
        /// What was seen instead.
        cause: String,
    },
    /// A frame was asked for that does not exist.
    #[error("{}: frame {frame} does not exist, the video has {frames} frames", path.display())]
    NoSuchFrame {
        /// The file.
        path: PathBuf,
        /// The number asked for, from 0.
        frame: usize,
        /// How many frames there are.
        frames: usize,
    },
    /// The file needs ffmpeg and there is none.
    #[error(
        "{}: {what} is decoded by ffmpeg, which cannot be started ({source}); \
         install it (Debian/Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg) and have it on PATH",
        path.display()
    )]
    FfmpegMissing {
        /// The file.
        path: PathBuf,
        /// What kind of file it is.
        what: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// ffmpeg ran and failed.
    #[error("{}: ffmpeg: {cause}", path.display())]
    Ffmpeg {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: String,
    },
    /// A frame or a header value cannot be written to an AVI.
    #[error("{}: cannot write: {cause}", path.display())]
    Write {
        /// The file being written.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

impl VideoError {
    /// Whether the machine failed and not the file, which may be readable in a moment.
    pub fn is_of_machine(&self) -> bool {
        matches!(self, Self::Io { source, .. } if echo_files::is_of_machine(source))
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &Path, cause: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), cause: cause.into() }
    }

    pub(crate) fn too_large(path: &Path, cause: impl Into<String>) -> Self {
        Self::TooLarge { path: path.to_owned(), cause: cause.into() }
    }

    pub(crate) fn write(path: &Path, cause: impl Into<String>) -> Self {
        Self::Write { path: path.to_owned(), cause: cause.into() }
    }
}
