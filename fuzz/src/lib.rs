//! Hostile input for every reader of files from outside: [`TARGETS`] are the readers, [`mutate`] makes inputs of valid files.
//!
//! A reader may refuse an input or read it. It must not panic, must name the file in its message, and keeps to the limits of
//! [`limits`]. The binary `fuzz` draws inputs by seed; `libfuzzer/` hands the same targets to cargo-fuzz.

#![warn(missing_docs)]

pub mod limits;
mod mutate;
mod place;
mod targets;

pub use mutate::{MAX_LENGTH, mutate};
pub use place::Place;
use targets::scratch;
pub use targets::{TARGETS, Target};
