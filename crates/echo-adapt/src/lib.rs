//! Ways of adapting an encoder with few labels, one file each.
//!
//! [`ADAPTERS`] lists them; help, `echozoo list` and the benchmark derive from it. An adapter is built for an encoder
//! from a recipe (TOML) and comes out as [`Adapted`], a Burn module that `echo-train` fits.

mod adapted;
mod coop;
mod error;
mod prompt_head;
mod registry;

pub use adapted::Adapted;
pub use coop::{CoOpConfig, ContextInit, Position};
pub use error::AdaptError;
pub use prompt_head::PromptHead;
pub use registry::{ADAPTERS, AdapterEntry, BuildContext, adapter};
