//! What can go wrong while fitting.

/// An error of fitting an adapter.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There is nothing to train on.
    #[error("no training samples; the data set, its split or --limit leaves none")]
    NoSamples,
    /// A setting that cannot be used.
    #[error("[train]: {0}")]
    Config(String),
    /// Nothing requires gradients.
    #[error("the adapter has no trainable parameter")]
    NothingTrains,
    /// Parameters that should train have no part in the prediction.
    #[error("no gradient reaches {}: they are not part of the prediction", .0.join(", "))]
    OutsideGraph(Vec<String>),
    /// The loss is no longer a number.
    #[error(
        "the loss or its gradient became {loss} in epoch {epoch}, step {step}; lower the learning rate ({lr:e}) or clip gradients"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step within the epoch, from 1.
        step: usize,
        /// The loss.
        loss: f64,
        /// Learning rate of the step.
        lr: f64,
    },
    /// A checkpoint cannot be written or read.
    #[error("checkpoint {path}: {reason}; delete it to train from the start", path = path.display())]
    Checkpoint {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// A prediction is not a number.
    #[error("the prediction for sample {0} is not a number")]
    NotANumber(usize),
    /// A sample cannot be read.
    #[error("{0}")]
    Sample(String),
    /// Labels are not of the kind that the adapter predicts.
    #[error("the labels are of another kind than the adapter's predictions")]
    Kind,
    /// Table and labels disagree.
    #[error("{values} feature values and {samples} labels do not make rows of {row}")]
    Shape {
        /// Feature values given.
        values: usize,
        /// Labels given.
        samples: usize,
        /// Values that a row should have.
        row: usize,
    },
}
