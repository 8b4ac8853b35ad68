//! Ways of adapting an encoder with few labels, one file each.
//!
//! [`ADAPTERS`] lists them; help, `echozoo list` and the benchmark derive from it. [`Joined`] is one of them, or several whose
//! names are joined by `+`: parts of one adapter, each of which says what of the encoder trains, what stands between its frame
//! features and an embedding, or the head. With a recipe (TOML) it says what it [`Needs`] of an encoder, and builds
//! [`Adapted`], a Burn module that `echo-train` fits. An adapter of another crate is any module that is [`FromRecipe`].

mod adapted;
mod attentive;
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
mod negation;
mod parts;
mod plan;
mod prompt_head;
mod quality;
mod quirks;
mod ranked_prompts;
mod refinement;
mod registry;
mod ridge;
mod start;
mod statistics;
mod trunk;
mod zero_shot;

pub use adapted::{Adapted, zoom_frames};
pub use class_prompts::ClassPrompts;
pub use error::AdaptError;
pub use logistic::logistic;
pub use negation::NegationAdapter;
pub use quality::QualityAdapter;
pub use registry::{ADAPTERS, AdapterEntry, BuildContext, FromRecipe, Joined, Needs, Tables};
