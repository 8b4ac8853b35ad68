//! For tests: a module's outputs against those of the original module, which a reference script in Python has written
//! with every parameter randomised.
//!
//! Every comparison prints a line that begins with [`MARK`]; `cargo xtask parity` gathers them into its table.

mod compare;
mod full_size;
mod golden;

pub use compare::{MARK, compare};
pub use full_size::{folder, load_full, round_trip};
pub use golden::Golden;
