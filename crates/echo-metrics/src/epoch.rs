//! A point of a learning curve.

use serde::{Deserialize, Serialize};

/// Mean losses of one epoch of training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weighted sum of the losses.
    pub loss: f64,
    /// Cross-entropy, where there are ranks or classes.
    pub cross_entropy: f64,
    /// Divergence, where there are ranks.
    pub kl: f64,
    /// Absolute error of values.
    pub l1: f64,
    /// Of the samples that are watched, if any are: what training lowers, or in a report the task's primary metric.
    #[serde(default)]
    pub watched: Option<f64>,
}
