//! An encoder from outside the workspace, through the public API alone: `cargo run --example tinyecho -- list` is the
//! whole program with one more encoder.
//!
//! `cargo xtask new-encoder NAME` starts a crate of the zoo from the same three files.

mod card;
mod keys;
mod model;

pub use card::CARD;
pub use keys::KEYS;
pub use model::{TinyEcho, TinyEchoConfig};

use std::process::ExitCode;

use echo_zoo::{Entry, ZOO, cli};

fn main() -> ExitCode {
    let mut entries = ZOO.to_vec();
    entries.push(Entry::of::<TinyEcho>());
    cli(&entries)
}
