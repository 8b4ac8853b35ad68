//! A setting of the allocator of the binary and of the Python package.

/// Large arrays come and go with every layer. The allocator, mimalloc, gives their pages back to the system after a second, which
/// clears them before they come again: a fifth of a training step's time. So it keeps them for a minute.
///
/// To be called before a second thread allocates.
#[allow(unsafe_code)]
pub fn keep_free_memory() {
    use libmimalloc_sys::{mi_option_get, mi_option_set};
    /// `mi_option_purge_delay`, in milliseconds, which the bindings do not name.
    const PURGE_DELAY: i32 = 15;
    // SAFETY: options may be read and set at any time while there is one thread.
    unsafe {
        // Only if it is the option that it is taken for: this is its value at first.
        if mi_option_get(PURGE_DELAY) == 1000 {
            mi_option_set(PURGE_DELAY, 60_000);
        }
    }
}
