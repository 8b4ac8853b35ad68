//! The benchmark: a grid of cells, each an adapter fitted on a few labelled videos and scored on the test split.
//!
//! [`run`] takes a [`BenchConfig`] and a [`Zoo`] to get encoders from, and leaves records and the files of its cells in its
//! output folder, of which [`echo_report`] makes tables and a page.
//!
//! A cell's key is a hash of all that can change its result, so a rerun skips what is done, whatever ended the last
//! run. Its record carries what its files hold, and a cell whose files hold something else runs again. A folder is of one
//! data set under one set of limits. This crate alone reads the test split.
//!
//! [`ood()`] is the benchmark of out-of-distribution detection: from the same draws and the same cached embeddings, which test
//! videos are of the drawn classes at all.

mod cell;
mod config;
mod data;
mod error;
mod observer;
mod ood;
mod run;

pub use cell::adapter_file::{AdapterFile, AdapterRecord, clip_features, predict_clips};
pub use cell::view::{Augmented, View};
pub use config::clip_change::ClipChange;
pub use config::recipe::Recipe;
pub use config::weight_files::WeightFiles;
pub use config::{BenchConfig, Limits, Samples, Selection};
pub use data::video_set::VideoSet;
pub use error::BenchError;
pub use observer::Observer;
pub use ood::{OodConfig, OodEnvironment, OodOutcome, OodRow, Outside, ood};
pub use run::forecast::DryRun;
pub use run::{Environment, Outcome, PairParameters, RunPart, Zoo, dry_run, pair_parameters, run, with_recipes};
