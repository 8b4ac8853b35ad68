//! R(2+1)D-18 of EchoNet-Dynamic: the supervised reference for the ejection fraction.
//!
//! Ouyang et al., "Video-based AI for beat-to-beat assessment of cardiac function", Nature 2020. A residual network for video
//! and one linear layer on the mean of its last feature map; written from the architecture of torchvision (BSD-3).

mod card;
mod keys;
mod model;

pub use card::{CARD, KINETICS};
pub use keys::KEYS;
pub use model::{R2Plus1d, R2Plus1dConfig};
