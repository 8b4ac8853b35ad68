//! A row of `excluded.csv`.

use serde::{Deserialize, Serialize};

use super::csv_file;

/// A video with something wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Excluded {
    /// The video's name.
    #[serde(with = "csv_file::text")]
    pub video: String,
    /// Whether it was used all the same.
    #[serde(with = "csv_file::truth")]
    pub used: bool,
    /// What is wrong.
    #[serde(with = "csv_file::text")]
    pub reason: String,
}
