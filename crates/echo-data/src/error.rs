//! What can go wrong between files, frames and clips.

use std::path::PathBuf;

use crate::split::Split;

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
    /// Videos of the list that are not in the folder. The message gives up to 100 names, the field all.
    #[error("{} of the listed videos are not in {}: {}", names.len(), dir.display(), some_of(names))]
    MissingVideos {
        /// The folder.
        dir: PathBuf,
        /// The missing videos.
        names: Vec<String>,
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
    /// A patient in two splits.
    #[error(
        "{}: patient {patient:?} is in two splits, {} on line {} and {} on line {}; labels would leak", path.display(),
        first.1, first.0, second.1, second.0
    )]
    Leak {
        /// The list.
        path: PathBuf,
        /// The patient.
        patient: String,
        /// A line, and what it says.
        first: (u64, Split),
        /// Another.
        second: (u64, Split),
    },
    /// A clip specification that describes no clip.
    #[error("clip specification: {0}")]
    ClipSpec(String),
    /// Frames that no clip can be made of.
    #[error("frames: {0}")]
    Frames(String),
}

fn some_of(names: &[String]) -> String {
    let shown = names.len().min(100);
    let rest = names.len() - shown;
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    names[..shown].join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_videos_are_all_named_until_there_are_too_many() {
        let error = |count| {
            let names = (0..count).map(|i| format!("v{i}")).collect();
            DataError::MissingVideos { dir: "data/Videos".into(), names }.to_string()
        };
        assert_eq!(error(3), "3 of the listed videos are not in data/Videos: v0, v1, v2");
        assert!(error(102).ends_with(", v99 and 2 more"), "{}", error(102));
    }
}
