//! Training settings: the `[train]` table of a recipe.

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// How an adapter is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples in a step; the last step of an epoch may have fewer.
    pub batch: usize,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// Weights of the losses.
    pub loss: LossWeights,
}

/// An optimizer and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent as PyTorch's: momentum without dampening, decay added to the gradient.
    Sgd {
        /// Peak learning rate.
        lr: f64,
        /// Momentum; 0 for none.
        momentum: f64,
        /// Weight decay; 0 for none.
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    AdamW {
        /// Peak learning rate.
        lr: f64,
        /// Weight decay; 0 for none.
        weight_decay: f64,
    },
}

impl OptimizerConfig {
    /// Peak learning rate.
    pub fn lr(&self) -> f64 {
        match self {
            OptimizerConfig::Sgd { lr, .. } | OptimizerConfig::AdamW { lr, .. } => *lr,
        }
    }
}

/// The learning rate over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// The peak throughout.
    Constant,
    /// A constant `warmup_lr` for `warmup_epochs`, then half a cosine from the peak to zero at the end.
    Cosine {
        /// Epochs of warm-up.
        warmup_epochs: usize,
        /// Learning rate during warm-up.
        warmup_lr: f64,
    },
}

/// Weights of the losses in their sum; 0 leaves one out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Cross-entropy of the rank logits.
    pub cross_entropy: f64,
    /// OrdinalCLIP's text-to-image divergence of the rank logits.
    pub kl: f64,
    /// Absolute error of the predicted value.
    pub l1: f64,
}

impl TrainConfig {
    /// # Errors
    /// A setting with which training cannot run.
    pub fn validate(&self) -> Result<(), TrainError> {
        let LossWeights { cross_entropy, kl, l1 } = self.loss;
        let complaint = if self.epochs == 0 {
            "epochs must be 1 or more"
        } else if self.batch == 0 {
            "batch must be 1 or more"
        } else if !(self.optimizer.lr().is_finite() && self.optimizer.lr() > 0.0) {
            "optimizer.lr must be positive"
        } else if [cross_entropy, kl, l1].iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            "loss weights must not be negative"
        } else if cross_entropy + kl + l1 == 0.0 {
            "at least one loss must have a weight"
        } else {
            return Ok(());
        };
        Err(TrainError::Config(complaint.to_owned()))
    }
}
