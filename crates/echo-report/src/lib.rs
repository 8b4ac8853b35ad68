//! Records of cells to tables and pages.
//!
//! A benchmark leaves in its output folder
//!
//! - `runs.jsonl`: one line per cell with everything needed to repeat it, appended when the cell ends;
//! - `cells/<key>.csv`: its prediction for every test video, and `predictions.csv`: all of them; with an external test set
//!   also `cells/<key>.external.csv` and `external_predictions.csv`;
//! - `curves.csv`: losses per epoch;
//! - `excluded.csv`: every video that could not be used, with the reason.
//!
//! [`Report`] makes of it
//!
//! - `leaderboard.md`, `.csv`, `.tex` and `.json`: means over seeds beside the constant predictors, ranked by the primary
//!   metric of the task;
//! - `report.html`: the same with plots, the worst videos and the settings; every plot is a file in `figures` too.
//!
//! [`Page`] is the frame of every page, also of those that other crates write.
//!
//! [`merge`] makes both again from any set of output folders, for which `constants.csv` and `bench.toml` are there too.
//! A record carries what its cell's files hold, so that what was changed or cut since is known.

mod error;
mod leaderboard;
mod merge;
mod page;
mod quantity;
mod reference;
mod sample_unit;
mod scoring;
mod store;
mod text_table;

pub use error::ReportError;
pub use leaderboard::{
    Bins, Cell, Constant, External, Leaderboard, LeaderboardRow, Sources, Standing, TestSet, TestVideo, Value, VsBest,
    groups, means, weights_caution,
};
pub use merge::{Merged, merge};
pub use page::{Page, PageSection, Report, Thumbnails, jpeg_address};
pub use quantity::Quantity;
pub use reference::Reference;
pub use sample_unit::SampleUnit;
pub use scoring::{UNCHOSEN_THRESHOLD, ranks_up_to, scores, weighted_scores};
pub use store::{
    AloneRecord, BestRecord, CellRecord, CellStatus, DataRecord, EncoderRecord, Excluded, ExternalRecord, FileRecord,
    Keeping, Machine, Outputs, ParameterCounts, PredictionRow, Predictions, Runs, Seconds, Truth, read_runs,
};
pub use text_table::text_table;
