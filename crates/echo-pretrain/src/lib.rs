//! Pretraining on phantoms: where the weights of small presets come from.
//!
//! Clips of phantoms that no benchmark uses are rendered while they are trained on, none of them twice. An
//! [`Objective`] says what is descended: [`Contrastive`] compares clips with [`Captions`] in our own words,
//! [`PictureWords`] does so with pictures that show no heart, [`MovementClasses`] reads how their shapes move,
//! [`ViewWords`] is of views, what is denied of them and grades, and [`MultiTask`] trains an encoder's own heads on what phantoms
//! know. [`pretrain`] is the loop, and [`ceiling`] says what the best reader of such clips could reach.

mod captions;
mod ceiling;
mod clips;
mod contrastive;
mod error;
mod movements;
mod multitask;
mod objective;
mod pictures;
mod pretrain;
mod values;
mod views;

pub use captions::Captions;
pub use ceiling::{Ceiling, ceiling};
pub use clips::{ClipBatch, ClipSource, ClipStream, Subject};
pub use contrastive::{near, similarities};
pub use error::PretrainError;
pub use movements::MovementClasses;
pub use multitask::{MultiTask, Task, Truth};
pub use objective::{Contrastive, Objective, PictureWords};
pub use pictures::{Picture, shape_names};
pub use pretrain::{Point, PretrainConfig, Pretrained, StepReport, pretrain, seconds_per_step};
pub use views::{ViewNames, ViewWords};
