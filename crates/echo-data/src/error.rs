//! What can go wrong between files, frames and clips.

use std::path::PathBuf;

/// An error of the data pipeline; the message names the file, row or value at fault and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder that cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that is not well-formed CSV in UTF-8.
    #[error("{}: not readable as CSV in UTF-8: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The reader's reason, with the line.
        source: csv::Error,
    },
    /// A list without a column that is needed, or with that column twice.
    #[error("{}: expected one column {column:?}, found {count}; the columns are: {}", path.display(), found.join(", "))]
    Column {
        /// The list.
        path: PathBuf,
        /// The needed column.
        column: String,
        /// How many columns bear that name.
        count: usize,
        /// All columns of the list, as written.
        found: Vec<String>,
    },
    /// A row with a value that cannot be.
    #[error("{}, line {line}, video {name:?}: {reason}", path.display())]
    Row {
        /// The list.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The video's name as written.
        name: String,
        /// What is wrong with which value.
        reason: String,
    },
    /// Two rows of one list that say different things of one video.
    #[error("{}: lines {first} and {second} contradict each other on video {name:?}; keep the right one", path.display())]
    Contradiction {
        /// The list.
        path: PathBuf,
        /// The video.
        name: String,
        /// The line of the first row.
        first: u64,
        /// The line of the second row.
        second: u64,
    },
    /// A file that is no table, whatever its name.
    #[error("{}: {reason}", path.display())]
    NotCsv {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Values in another unit than the description says.
    #[error("{}: {reason}", path.display())]
    Unit {
        /// The list.
        path: PathBuf,
        /// What the values look like, and what to do.
        reason: String,
    },
    /// A list of videos of which none has a file.
    #[error(
        "{}: none of the {count} videos that it lists is in {}; tried {}; check the folder, and `videos.folder`, \
         `videos.file` and `videos.extension` of the data set's description", table.display(), folder.display(), paths(tried)
    )]
    NoVideos {
        /// The folder.
        folder: PathBuf,
        /// The list.
        table: PathBuf,
        /// How many.
        count: usize,
        /// The first paths that were tried.
        tried: Vec<PathBuf>,
    },
    /// A description of a data set, or a file of ranks, that cannot be read.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Which entry, with its line.
        source: Box<toml::de::Error>,
    },
    /// A description of a data set that makes no sense, or lacks what is asked for.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A folder of pictures that is no video.
    #[error(transparent)]
    Video(echo_video::VideoError),
    /// A clip specification that describes no clip.
    #[error("clip specification: {0}")]
    ClipSpec(String),
    /// Frames that no clip can be made of.
    #[error("frames: {0}")]
    Frames(String),
}

impl DataError {
    /// Whether the machine failed and not the file, which may be readable in a moment.
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Io { source, .. } => echo_files::is_of_machine(source),
            Self::Video(error) => error.is_of_machine(),
            _ => false,
        }
    }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
