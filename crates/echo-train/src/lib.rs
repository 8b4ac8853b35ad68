//! Fitting an adapter: samples, losses, schedules, optimizers and the loop.
//!
//! [`fit`] is generic over [`echo_core::Adapter`] and knows neither encoders nor files. It is the only place that
//! turns autodiff on: whatever an adapter keeps frozen stays without a graph.

mod config;
mod error;
mod fit;
mod losses;
mod parameters;
mod samples;
mod schedule;

pub use config::{LossWeights, OptimizerConfig, ScheduleConfig, TrainConfig};
pub use error::TrainError;
pub use fit::{Epoch, Fitted, fit, predict};
pub use losses::{cross_entropy, l1, ordinal_kl};
pub use parameters::{Parameter, parameters};
pub use samples::{FeatureTable, Samples};
pub use schedule::learning_rate;
