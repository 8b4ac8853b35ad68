//! A row of `cells/<key>.curve.csv`.

use serde::{Deserialize, Serialize};

/// Mean losses of one epoch of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weighted sum of the losses.
    pub loss: f64,
    /// Cross-entropy, where there are ranks.
    pub cross_entropy: f64,
    /// Divergence, where there are ranks.
    pub kl: f64,
    /// Absolute error.
    pub l1: f64,
    /// The primary metric on what is watched, if anything is.
    #[serde(default)]
    pub watched: Option<f64>,
}
