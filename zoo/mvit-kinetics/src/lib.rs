//! MViTv2-S with the weights that torchvision publishes, trained to name actions in Kinetics-400.
//!
//! Li et al., "MViTv2: Improved multiscale vision transformers for classification and detection", CVPR 2022. The video tower of
//! EchoPrime has this architecture: beside it, this encoder says what pretraining on echocardiograms is worth.

mod card;
mod keys;
mod model;

pub use card::CARD;
pub use keys::KEYS;
pub use model::{MvitKinetics, config};
