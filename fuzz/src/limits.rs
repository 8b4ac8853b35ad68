//! What reading one input may cost.

use std::time::Duration;

/// The most time, on a machine that does nothing else.
pub const TIME: Duration = Duration::from_secs(1);

/// The most memory in bytes beside what was held before, for an input of `length` bytes.
pub fn memory(length: usize) -> usize {
    2 * length + (64 << 20)
}
