//! PanEcho: view-agnostic video encoder for echocardiography with forty tasks of its own.
//!
//! Holste et al., "Complete AI-enabled echocardiography interpretation with multitask deep learning", JAMA 2025.
//! A ConvNeXt-Tiny on each image of a clip, fixed positions, a temporal transformer, and a linear head per task on
//! the mean of its outputs; written from that architecture. What an "image" is, is the released weights' own quirk:
//! see [`PanEcho`].

mod card;
mod heads;
mod keys;
mod model;
mod tasks;

pub use card::CARD;
pub use heads::Heads;
pub use keys::KEYS;
pub use model::{ImageEncoder, PanEcho, PanEchoConfig};
pub use tasks::{TASKS, task};
