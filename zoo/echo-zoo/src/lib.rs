//! The registry of encoders and the `echozoo` command line.
//!
//! [`ZOO`] lists the encoders of this workspace; [`cli`] is the whole program over any list, so an outside crate makes
//! its own binary with one more entry:
//!
//! ```no_run
//! use echo_zoo::{Entry, ZOO, cli};
//! # use echoclip::EchoClip as MyEncoder;
//! fn main() -> std::process::ExitCode {
//!     let mut entries = ZOO.to_vec();
//!     entries.push(Entry::of::<MyEncoder>());
//!     cli(&entries)
//! }
//! ```

mod array_file;
mod bench;
mod cache;
mod cli;
mod clip_args;
mod convert;
mod device;
mod embed;
mod encoder_args;
mod entry;
mod error;
mod fetch;
mod find_videos;
mod home;
mod inspect;
mod interrupt;
mod list;
mod output;
mod phantom;
mod predict;
mod pretrain;
mod report;
mod speed;
mod table;
mod warnings;

pub use cli::cli;
pub use device::DeviceChoice;
pub use entry::{Entry, ZOO, build, find};
pub use error::CliError;
