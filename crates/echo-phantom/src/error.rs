//! What can go wrong while drawing or writing phantoms.

use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhantomError {
    /// The wanted ejection fraction cannot be drawn.
    #[error("an ejection fraction of {0} % cannot be drawn; give one from 5 to 85")]
    EjectionFraction(f64),
    /// The output folder holds something already.
    #[error("{} is not empty; give a new or an empty folder for the phantoms", .0.display())]
    NotEmpty(PathBuf),
    /// Another process made the folder while this one waited to make it.
    #[error("{} has been made by another process meanwhile; this one has written nothing", .0.display())]
    MadeMeanwhile(PathBuf),
    /// The caller ended it.
    #[error("{}: stopped before it was complete; what was made of it is removed", .0.display())]
    Stopped(PathBuf),
    /// The output path is not a folder that can be created.
    #[error("{} is not usable as an output folder: it has no name or is a file", .0.display())]
    NotAFolder(PathBuf),
    /// A data set without videos.
    #[error("the data set has no videos; ask for at least one")]
    NoVideos,
    /// More videos than anyone can mean.
    #[error("the data set would have {0} videos; ask for at most {1}")]
    TooManyVideos(usize, usize),
    /// A file or folder could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A table could not be written.
    #[error("{}: {source}", .path.display())]
    Csv {
        /// The table.
        path: PathBuf,
        /// The reason.
        source: csv::Error,
    },
    /// A data set of which nobody knows how its videos are rendered.
    #[error("{}: {reason}; remove the folder of that data set, and it is made anew", .path.display())]
    Recipe {
        /// Where it should stand.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A frame could not be compressed.
    #[error("a frame could not be compressed as JPEG: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// A video could not be written.
    #[error("{}: {source}", .path.display())]
    Video {
        /// The video.
        path: PathBuf,
        /// The reason.
        source: echo_video::VideoError,
    },
}

impl PhantomError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn csv(path: &Path) -> impl FnOnce(csv::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Csv { path, source }
    }
}
