//! Ways of adapting an encoder with few labels, one file each.
//!
//! [`ADAPTERS`] lists them; help, `echozoo list` and the benchmark derive from it. [`Joined`] is one of them, or several whose
//! names are joined by `+`: parts of one adapter, each of which says what of the encoder trains, what stands between its frame
//! features and an embedding, or the head. With a recipe (TOML) it says what it [`Needs`] of an encoder, and builds
//! [`Adapted`], a Burn module that `echo-train` fits. An adapter of another crate is any module that is [`FromRecipe`].

mod adapted;
mod build;
mod class_prompts;
mod coarse_to_fine;
mod coop;
mod echozoom;
mod error;
mod expected_prompts;
mod full;
mod head;
mod linear;
mod linear_head;
mod logistic;
mod lora;
mod mfl;
mod native_head;
mod parts;
mod plan;
mod prompt_head;
mod quirks;
mod ranked_prompts;
mod refinement;
mod registry;
mod ridge;
mod start;
mod statistics;
mod trunk;
mod zero_shot;

pub use adapted::{Adapted, Borrowed, zoom_frames};
pub use class_prompts::ClassPrompts;
pub use coop::{CoOpConfig, ContextInit, Position};
pub use error::AdaptError;
pub use expected_prompts::ExpectedPrompts;
pub use head::Head;
pub use linear_head::{LinearHead, LinearStart};
pub use native_head::NativeHead;
pub use prompt_head::PromptHead;
pub use ranked_prompts::RankedPrompts;
pub use refinement::Refinement;
pub use registry::{ADAPTERS, AdapterEntry, BuildContext, FromRecipe, Joined, Needs, Tables};
