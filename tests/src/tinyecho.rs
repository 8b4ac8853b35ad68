//! The encoder that comes from outside: the example of `echo-zoo`, held to the same contract as the zoo's own.

#[path = "../../zoo/echo-zoo/examples/tinyecho/card.rs"]
mod card;
#[path = "../../zoo/echo-zoo/examples/tinyecho/keys.rs"]
mod keys;
#[path = "../../zoo/echo-zoo/examples/tinyecho/model.rs"]
mod model;

pub use card::CARD;
pub use keys::KEYS;
pub use model::TinyEcho;
