//! The benchmark: a grid of cells, each an adapter fitted on a few labelled videos and scored on the test split.
//!
//! [`run`] takes a [`BenchConfig`] and a [`Zoo`] to get encoders from, and leaves records and the files of its cells in its
//! output folder, of which [`echo_report`] makes tables and a page.
//!
//! A cell's key is a hash of all that can change its result, so a rerun skips what is done, whatever ended the last
//! run. Its record carries what its files hold, and a cell whose files hold something else runs again. A folder is of one
//! data set under one set of limits. This crate alone reads the test split.

mod adapter_file;
mod cell;
mod clip_change;
mod clip_samples;
mod config;
mod constant;
mod dry_run;
mod error;
mod features;
mod leakage;
mod memory;
mod plan;
mod privacy;
mod progress;
mod prompts_file;
mod random_prompts;
mod recipe;
mod run;
mod seen;
mod thumbnails;
mod video_set;
mod view;
mod work_off;

pub use adapter_file::{AdapterFile, AdapterRecord, predict_clips};
pub use clip_change::ClipChange;
pub use config::{BenchConfig, Limits, Selection};
pub use dry_run::DryRun;
pub use error::BenchError;
pub use features::NUMERICS;
pub use progress::Progress;
pub use recipe::Recipe;
pub use run::{Environment, Outcome, PairParameters, Zoo, dry_run, pair_parameters, run};
pub use video_set::VideoSet;
pub use view::{Augmented, View};
