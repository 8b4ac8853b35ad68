//! `report.html`: one file that opens offline and holds all that a run found, and how to repeat it.
//!
//! It is made of records, prediction files and curves alone, so [`merge`] makes it again from any set of output
//! folders.

mod by_rank;
mod by_shots;
mod constants;
mod entry;
mod escape;
mod merge;
mod page;
mod plots;
mod table;
mod thumbnails;
mod worst;

pub(crate) use constants::{Constant, Externals, rows as constant_rows};
pub use merge::{Merged, merge};
pub(crate) use worst::VideoFiles;

use crate::outputs::Outputs;
use crate::{BenchError, CellRecord, Leaderboard};

/// The constant predictor that every draw has.
pub(crate) const TRAINING_MEDIAN: &str = "median of training";

/// What a report is made of.
pub(crate) struct Report<'a> {
    pub(crate) leaderboard: &'a Leaderboard,
    /// The cells of the rows, in the leaderboard's order.
    pub(crate) groups: &'a [Vec<&'a CellRecord>],
    pub(crate) outputs: &'a Outputs,
    /// Configurations (TOML) of the runs.
    pub(crate) configs: &'a [String],
    /// What the constant predictors predict.
    pub(crate) constants: &'a [Constant],
    /// The videos, where they are at hand.
    pub(crate) videos: Option<&'a VideoFiles>,
}

impl Report<'_> {
    /// Writes the leaderboard in every format, the page, and what [`merge`] needs to make them again.
    ///
    /// # Errors
    /// A cell's file cannot be read, or the folder cannot be written.
    pub(crate) fn write(&self) -> Result<(), BenchError> {
        let Self { leaderboard, outputs, .. } = self;
        outputs.write_text("leaderboard.md", &leaderboard.to_markdown())?;
        outputs.write_text("leaderboard.csv", &leaderboard.to_csv())?;
        outputs.write_text("leaderboard.tex", &leaderboard.to_latex())?;
        let json = serde_json::to_string_pretty(leaderboard).expect("a leaderboard is plain data");
        outputs.write_text("leaderboard.json", &json)?;
        outputs.write_constants(self.constants)?;
        if let [config] = self.configs {
            outputs.write_text("bench.toml", config)?;
        }
        outputs.write_text("report.html", &page::page(self)?)
    }
}
