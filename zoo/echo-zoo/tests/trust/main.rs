//! What the program says beside numbers that may mean nothing, and that neither they nor its messages get lost.

#![allow(missing_docs)]

mod memory;
mod numbers;
mod place;
mod printing;
