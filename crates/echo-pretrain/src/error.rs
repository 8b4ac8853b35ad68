//! What can go wrong in pretraining.

/// An error of pretraining.
#[derive(Debug, thiserror::Error)]
pub enum PretrainError {
    /// A setting that cannot be used.
    #[error("pretraining: {0}")]
    Setting(String),
    /// The encoder has nothing that the objective trains.
    #[error("{encoder} cannot be pretrained this way: {reason}")]
    Unfit {
        /// The encoder's name.
        encoder: &'static str,
        /// What is missing.
        reason: String,
    },
    /// A phantom cannot be drawn.
    #[error(transparent)]
    Phantom(#[from] echo_phantom::PhantomError),
    /// A clip cannot be made.
    #[error(transparent)]
    Data(#[from] echo_data::DataError),
    /// A caption or prompt does not fit the text tower.
    #[error(transparent)]
    Core(#[from] echo_core::Error),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Train(#[from] echo_train::TrainError),
    /// The loss is no longer a number.
    #[error("the loss or its gradient became {value} at step {step}; lower the learning rate ({lr:e})")]
    Diverged {
        /// From 1.
        step: usize,
        /// What it became.
        value: f64,
        /// Learning rate of the step.
        lr: f64,
    },
    /// A thread that renders clips has ended early.
    #[error("a thread that renders clips has panicked")]
    Renderer,
}
