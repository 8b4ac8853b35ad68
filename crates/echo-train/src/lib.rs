//! Fitting an adapter: samples, losses, schedules, optimizers and the loop.
//!
//! [`fit`] takes any [`echo_core::Adapter`] and knows neither encoders nor files. It is the only place that
//! turns autodiff on: whatever an adapter keeps frozen stays without a graph.

mod adamw;
mod blend;
mod checkpoint;
mod config;
mod descent;
mod error;
mod fit;
mod gradients;
mod losses;
mod objective;
mod optimizer;
mod parameters;
mod radam;
mod saliency;
mod samples;
mod schedule;
mod tensor_file;
mod values;

pub use checkpoint::Checkpoints;
pub use config::{AugmentConfig, LossWeights, OptimizerConfig, RateFactors, ScheduleConfig, SoftTargets, TrainConfig};
pub use descent::Descent;
pub use echo_metrics::Epoch;
pub use error::TrainError;
pub use fit::{Best, FitContext, Fitted, Watched, fit, predict};
pub use losses::{cross_entropy, l1};
pub use parameters::{Parameter, parameters};
pub use saliency::{adapter_saliency, saliency};
pub use samples::{FeatureTable, Samples};
pub use tensor_file::{read_tensors, write_tensors};
pub use values::{values, with_values};
