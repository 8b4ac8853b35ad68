//! What a benchmark tells while it runs. How it looks is somebody else's concern.

use std::fmt::Debug;

/// Is told, from any thread, how far a benchmark is.
pub trait Observer: Debug + Send + Sync {
    /// Something that is worth a line.
    fn line(&self, text: &str);

    /// `done` of `total` of `what` are done; `last` says which ended last, and may be empty.
    fn progress(&self, what: &str, done: usize, total: usize, last: &str);

    /// Whether nobody waits for the rest any more: no further clip is embedded, and no further cell begun.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Nobody watches.
impl Observer for () {
    fn line(&self, _: &str) {}

    fn progress(&self, _: &str, _: usize, _: usize, _: &str) {}
}
