//! Tests over the whole zoo: every encoder, and every adapter on every encoder. Encoders are nano with random weights.

#![allow(missing_docs)]

/// As in the binary: times of the tests are then the binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod adapter_saliency;
mod adapters;
mod backends;
mod batches;
mod bench;
mod cardiacclip;
mod cards;
mod clip_changes;
mod coop;
mod counting;
mod encoders;
mod fitted;
mod fixtures;
mod frozen_once;
mod gradients;
mod leakage;
mod learning;
mod negation;
mod own_data;
mod preprocessing;
mod saliency;
mod shipped;
mod stopping;
mod tasks;
mod tinyecho;
