//! What can go wrong when an adapter is built.

/// An error of building an adapter for an encoder.
#[derive(Debug, thiserror::Error)]
pub enum AdaptError {
    /// The adapter's name, a prompt or the ranks do not fit.
    #[error(transparent)]
    Core(#[from] echo_core::Error),
    /// The recipe has a wrong entry.
    #[error("recipe of {adapter}: {source}")]
    Recipe {
        /// The adapter's name.
        adapter: &'static str,
        /// Which entry, and what would be right.
        source: toml::de::Error,
    },
    /// CoOp without anything to learn.
    #[error("recipe of coop: the context is empty; set `context` to 1 or more, or `init` to some words")]
    EmptyContext,
    /// A setting of a recipe that cannot be used.
    #[error("recipe of {adapter}: {complaint}")]
    Setting {
        /// The adapter's name.
        adapter: &'static str,
        /// What would be right.
        complaint: String,
    },
    /// A task names heads or classes that an encoder lacks.
    #[error("{0}")]
    Heads(String),
    /// Two of the joined names each decide what one alone can.
    #[error("{first} and {second} cannot be joined: both decide {what}")]
    BothDecide {
        /// The name that came first.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// What they decide.
        what: &'static str,
    },
    /// An adapter that is no part among others.
    #[error("{0} is an adapter of its own and cannot be joined to another")]
    Whole(&'static str),
    /// The adapter cannot be put on this encoder.
    #[error("{adapter} cannot adapt {encoder}: {reason}")]
    Incompatible {
        /// The adapter's name.
        adapter: &'static str,
        /// The encoder's name.
        encoder: &'static str,
        /// Why, and what can be done.
        reason: String,
    },
}
