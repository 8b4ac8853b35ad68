//! The `echozoo` binary.

use std::process::ExitCode;

/// The system's allocator makes large matrix products 1.5 times slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Large arrays come and go with every layer. The allocator gives their pages back to the system after a second, which clears
/// them before they come again: a fifth of a training step's time. So it keeps them for a minute.
#[allow(unsafe_code)]
fn keep_what_is_free() {
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

fn main() -> ExitCode {
    keep_what_is_free();
    echo_zoo::cli(echo_zoo::ZOO, echo_adapt::ADAPTERS)
}
