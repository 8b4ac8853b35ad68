//! What callers can get wrong.

use std::path::{Path, PathBuf};

/// An input for which no honest number exists.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An empty input.
    #[error("there are no {what}; give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },

    /// Sizes that disagree.
    #[error("`{what}` holds {got} values, but {want} are needed: {why}")]
    Length {
        /// The name of the input.
        what: &'static str,
        /// Its length.
        got: usize,
        /// What its length should be.
        want: usize,
        /// Where that number comes from.
        why: String,
    },

    /// Values that do not make up whole rows.
    #[error("`{what}` holds {got} values, which are no whole rows of {width}")]
    Rows {
        /// The name of the input.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The length of a row.
        width: usize,
    },

    /// A value that is NaN or infinite.
    #[error("`{what}[{index}]` is {value}; values must be finite")]
    NotFinite {
        /// The name of the input.
        what: &'static str,
        /// Where in the input.
        index: usize,
        /// The value.
        value: f64,
    },

    /// A similarity that is no cosine.
    #[error(
        "the similarity of frame {frame} to prompt {prompt} is {value}; cosines lie between -1 and 1 \
         (normalise both embeddings and leave out the logit scale)"
    )]
    Cosine {
        /// The frame's row.
        frame: usize,
        /// The prompt's column.
        prompt: usize,
        /// The value.
        value: f32,
    },

    /// A file that is not the expected JSON.
    #[error("{what} cannot be read as JSON: {source}")]
    Json {
        /// Which file.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },

    /// A file that is not the expected table.
    #[error("{what} cannot be read as CSV: {source}")]
    Csv {
        /// Which file.
        what: &'static str,
        /// Why.
        source: csv::Error,
    },

    /// A table with an invalid name or number.
    #[error("{what}: {reason}")]
    Table {
        /// Which file.
        what: &'static str,
        /// What is wrong, and where.
        reason: String,
    },

    /// An invalid task.
    #[error("task `{task}`: {reason}")]
    Task {
        /// The task's name.
        task: String,
        /// What is wrong.
        reason: String,
    },

    /// An unknown task.
    #[error("there is no task `{task}`; known are {known}")]
    UnknownTask {
        /// What was asked for.
        task: String,
        /// The known names.
        known: String,
    },

    /// Labels that are all positive or all negative, from which no threshold can be chosen and no area computed.
    #[error("there is no {side} label; give both positive and negative ones")]
    OneSided {
        /// The missing side: `positive` or `negative`.
        side: &'static str,
    },

    /// A view that the table of weights does not have.
    #[error("clip {clip} has the view {view}, but the table has {views} views, counted from 0")]
    View {
        /// Which clip.
        clip: usize,
        /// Its view.
        view: usize,
        /// How many views there are.
        views: usize,
    },

    /// A section without weights.
    #[error("there are no weights for the section `{section}`; known are {known}")]
    UnknownSection {
        /// What was asked for.
        section: String,
        /// The known names.
        known: String,
    },

    /// A phenotype without labels.
    #[error("there are no labels of `{phenotype}`; known are {known}")]
    UnknownPhenotype {
        /// What was asked for.
        phenotype: String,
        /// The known names.
        known: String,
    },

    /// No neighbours, or more than there are candidates.
    #[error("{asked} nearest candidates were asked for; give 1 to {candidates}, as many as there are")]
    Neighbours {
        /// The number asked for.
        asked: usize,
        /// How many there are.
        candidates: usize,
    },

    /// An unknown phrase.
    #[error("there is no phrase {phrase} in section {section}; this list of phrases does not belong to the reports")]
    Phrase {
        /// The section's number.
        section: usize,
        /// The phrase's number in it.
        phrase: usize,
    },

    /// A correct item that was not ranked.
    #[error("the correct item of query {query} is {item}, which is not among the {items} that were ranked for it")]
    Missing {
        /// Which query.
        query: usize,
        /// Its correct item.
        item: usize,
        /// How many items were ranked.
        items: usize,
    },

    /// Recall among the first 0 items.
    #[error("recall at 0 is not defined; count from 1")]
    RecallAtZero,

    /// A similarity of a pair that is no cosine.
    #[error("the similarity of pair {pair} is {value}; cosines lie between -1 and 1")]
    PairCosine {
        /// Which pair.
        pair: usize,
        /// Its similarity.
        value: f32,
    },

    /// What echo-metrics refuses.
    #[error(transparent)]
    Metrics(#[from] echo_metrics::Error),

    /// A file or folder of an index that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A folder without an index.
    #[error("there is no index in {}; make one first", folder.display())]
    NoIndex {
        /// The folder.
        folder: PathBuf,
    },

    /// A file of an index that is not what was written.
    #[error("{}: {reason}; restore the file, or rebuild the index", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// An index whose embeddings are made in another way.
    #[error(
        "the index {} was made with {index} as `{setting}`, not with {asked}; name another folder, or rebuild the index",
        folder.display()
    )]
    Setting {
        /// The folder.
        folder: PathBuf,
        /// The setting's name.
        setting: String,
        /// Its value in the index.
        index: String,
        /// Its value here.
        asked: String,
    },

    /// An index that is being written.
    #[error("another process writes the index {}; wait for it, or name another folder", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },

    /// A row that an index does not have.
    #[error("there is no row {row}; the index has {rows}, counted from 0")]
    NoRow {
        /// Which one.
        row: usize,
        /// How many there are.
        rows: usize,
    },

    /// An embedding of no or too many numbers.
    #[error("embeddings of {dim} numbers cannot be indexed; 1 to {most} are possible")]
    Dim {
        /// How many they have.
        dim: usize,
        /// How many they may have.
        most: usize,
    },

    /// An embedding that cannot be compared with others.
    #[error("the embedding of {of} {reason}")]
    Embedding {
        /// Of what.
        of: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A name or a warning that is too long for an index.
    #[error("`{}` has {} bytes; names and warnings have at most {most}", echo_files::excerpt(text), text.len())]
    Text {
        /// The whole text.
        text: String,
        /// How many bytes it may have.
        most: usize,
    },
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// Refuses NaN and infinities.
pub(crate) fn check_finite(what: &'static str, values: &[f32]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { what, index, value: f64::from(values[index]) }),
        None => Ok(()),
    }
}

/// Refuses an empty matrix, and values that are no whole rows of `width`; returns the number of rows.
pub(crate) fn check_rows(what: &'static str, values: usize, width: usize) -> Result<usize, Error> {
    match values {
        0 => Err(Error::Empty { what }),
        _ if width == 0 || !values.is_multiple_of(width) => Err(Error::Rows { what, got: values, width }),
        _ => Ok(values / width),
    }
}

/// Names as a message lists them.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_input_the_place_and_the_value() {
        let error = check_finite("embeddings", &[0.5, f32::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "`embeddings[1]` is NaN; values must be finite");
        assert!(check_finite("embeddings", &[0.5, f32::MAX]).is_ok());
        let error = check_rows("similarities", 7, 3).unwrap_err();
        assert_eq!(error.to_string(), "`similarities` holds 7 values, which are no whole rows of 3");
        assert_eq!(
            check_rows("similarities", 0, 3).unwrap_err().to_string(),
            "there are no similarities; give at least one"
        );
        assert!(check_rows("similarities", 6, 0).is_err());
        assert_eq!(check_rows("similarities", 6, 3).ok(), Some(2));
    }
}
