//! EchoViewCLIP: views of echocardiograms by image and text, what a video does not show, and its quality.
//!
//! Song et al., "EchoViewCLIP: advancing video quality control through high-performance view recognition of
//! echocardiography", MICCAI 2025. CLIP ViT-B/16 on 16 frames, and a pooling of them; a second branch that learns what videos
//! and sentences are not, and grades of quality from both. Written from that architecture and from `zoo/clip`: the released
//! code has no licence, and nothing of it is here.

mod card;
mod checkpoint;
mod keys;
mod model;
mod negation;
mod views;

pub use card::{CARD, PARTS};
pub use keys::KEYS;
pub use model::{EchoViewClip, EchoViewClipConfig};
pub use negation::{NoBranch, NoBranchConfig};
pub use views::VIEWS;
