//! Tests over the whole zoo: every encoder, and every adapter on every encoder. Encoders are nano with random weights.

#![allow(missing_docs)]

mod bench;
mod coop;
mod encoders;
mod fixtures;
