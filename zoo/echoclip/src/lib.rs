//! EchoCLIP: image-text encoder for echocardiography.
//!
//! Christensen et al., "Vision-language foundation model for echocardiogram interpretation", Nature Medicine 2024.
//! A ConvNeXt-Base image tower and CLIP's text transformer, as open_clip's `convnext_base` builds them; written from
//! that architecture. A clip's embedding is the L2-normalised mean of its L2-normalised frame embeddings.
//!
//! EchoCLIP-R, its variant for whole reports, is the same network with another tokenizer; which of the two a checkpoint
//! is, its token embedding tells.

mod card;
mod keys;
mod model;
mod template_tokenizer;
mod text;

pub use card::CARD;
pub use echo_nn::ClipTokenizer;
pub use keys::KEYS;
pub use model::{EchoClip, EchoClipConfig};
pub use template_tokenizer::TemplateTokenizer;
pub use text::TextTokenizer;
