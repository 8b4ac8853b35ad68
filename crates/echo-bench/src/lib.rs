//! The benchmark: a grid of cells, each an adapter fitted on a few labelled videos and scored on the test split.
//!
//! [`run`] takes a [`BenchConfig`] and a [`Zoo`] to get encoders from, and leaves in its output folder
//!
//! - `runs.jsonl`: one line per cell with everything needed to repeat it, appended when the cell ends;
//! - `cells/<key>.csv`: its prediction for every test video, and `predictions.csv`: all of them; with a second test set
//!   also `cells/<key>.external.csv` and `external_predictions.csv`;
//! - `curves.csv`: losses per epoch;
//! - `leaderboard.md`, `.csv`, `.tex` and `.json`: means over seeds beside the constant predictors;
//! - `report.html`: the same with plots, the worst videos and the settings; [`merge`] makes it again from any set of
//!   output folders, for which `constants.csv` and `bench.toml` are there too;
//! - `excluded.csv`: every video that could not be used, with the reason.
//!
//! A cell's key is a hash of all that can change its result, so a rerun skips what is done, whatever ended the last
//! run. Its record carries what its files hold, and a cell whose files hold something else runs again. A folder is of one
//! data set under one set of limits. This crate alone reads the test split.

mod absolute_errors;
mod adapter_file;
mod caution;
mod cell;
mod clip_change;
mod clip_samples;
mod config;
mod constant;
mod csv_file;
mod dry_run;
mod error;
mod features;
mod leaderboard;
mod leakage;
mod machine;
mod memory;
mod outputs;
mod plan;
mod privacy;
mod probe;
mod progress;
mod prompts_file;
mod quantity;
mod random_prompts;
mod recipe;
mod reference;
mod report;
mod run;
mod runs;
mod seen;
mod shots;
mod twins;
mod video_set;
mod view;
mod vs_best;
mod work_off;

pub use adapter_file::{AdapterFile, AdapterRecord, predict_clips};
pub use caution::weights_caution;
pub use clip_change::ClipChange;
pub use config::{BenchConfig, Limits, Selection};
pub use dry_run::{DryRun, ToBeMade};
pub use error::BenchError;
pub use features::NUMERICS;
pub use leaderboard::{External, Leaderboard, LeaderboardRow};
pub use progress::Progress;
pub use quantity::Quantity;
pub use recipe::Recipe;
pub use reference::Reference;
pub use report::{Merged, merge};
pub use run::{Environment, Outcome, PairParameters, Zoo, dry_run, pair_parameters, run};
pub use runs::{CellRecord, CellStatus, DataRecord, EncoderRecord, ExternalRecord, FileRecord, read_runs};
pub use video_set::{Excluded, VideoSet};
pub use view::{Augmented, View};
pub use vs_best::{Standing, VsBest};
