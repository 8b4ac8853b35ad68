//! CLIP ViT-B/16: OpenAI's image-text encoder, which knows photographs and no echocardiograms.
//!
//! Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021. A vision
//! transformer on each frame and CLIP's text transformer, as open_clip's `ViT-B-16-quickgelu` builds them; written from
//! that architecture. A clip's embedding is the L2-normalised mean of its L2-normalised frame embeddings.

mod activation;
mod card;
mod keys;
mod model;

pub use card::{CARD, PARTS};
pub use keys::KEYS;
pub use model::{Clip, ClipConfig};
