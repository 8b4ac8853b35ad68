//! An encoder and an adapter from outside the workspace, through the public API alone: `cargo run --example tinyecho -- list`
//! is the whole program with one more of each.
//!
//! `cargo xtask new-encoder NAME` starts a crate of the zoo from `card.rs`, `keys.rs` and `model.rs`.

mod attentive_probe;
mod card;
mod keys;
mod model;

pub use attentive_probe::AttentiveProbe;
pub use card::CARD;
pub use keys::KEYS;
pub use model::{TinyEcho, TinyEchoConfig};

use std::process::ExitCode;

use echo_adapt::{ADAPTERS, AdapterEntry};
use echo_zoo::{Entry, ZOO, cli};

fn main() -> ExitCode {
    let mut encoders = ZOO.to_vec();
    encoders.push(Entry::of::<TinyEcho>());
    let mut adapters = ADAPTERS.to_vec();
    adapters.push(AdapterEntry::of::<AttentiveProbe>());
    cli(&encoders, &adapters)
}
