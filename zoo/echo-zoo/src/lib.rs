//! The registry of encoders and the `echozoo` command line.
//!
//! [`ZOO`] lists the encoders of this workspace; [`cli`] is the whole program over any list of encoders and adapters, so an
//! outside crate makes its own binary with one more entry:
//!
//! ```no_run
//! use echo_adapt::ADAPTERS;
//! use echo_zoo::{Entry, ZOO, cli};
//! # use echoclip::EchoClip as MyEncoder;
//! fn main() -> std::process::ExitCode {
//!     let mut encoders = ZOO.to_vec();
//!     encoders.push(Entry::of::<MyEncoder>());
//!     cli(&encoders, ADAPTERS)
//! }
//! ```
//!
//! As a library, [`build`] gives an encoder, which takes the clips that `echo_data::load_clip` makes: `examples/encode.rs`.
//! [`Embedder`] and [`bench`] are what the commands `embed` and `bench` compute, for other programs: the Python package is one.

mod allocator;
mod archive;
mod array_file;
mod bench;
mod cache;
mod cli;
mod clip_args;
mod contact_sheet;
mod convert;
mod device;
mod doctor;
mod embed;
mod embedder;
mod encoder_args;
mod entry;
mod error;
mod explain;
mod fetch;
mod find_videos;
mod findings;
mod flags;
mod heat;
mod home;
mod inspect;
mod interrupt;
mod labels;
mod launch;
mod list;
mod manual;
mod names;
mod ood;
mod output;
mod phantom;
mod predict;
mod prepare;
mod pretrain;
mod progress;
mod recognition;
mod report;
mod results;
mod retrieve;
mod speed;
mod study;
mod study_args;
mod table;
mod text_rows;
mod views;
mod warnings;
mod zero_shot;

pub use allocator::keep_free_memory;
pub use bench::{Benchmark, bench};
pub use cli::cli;
pub use clip_args::LeftOut;
pub use device::DeviceChoice;
pub use echo_bench::Observer;
pub use embedder::{Embedder, Embeddings};
pub use entry::{Entry, ZOO, build, find};
pub use error::CliError;
pub use progress::Display;
