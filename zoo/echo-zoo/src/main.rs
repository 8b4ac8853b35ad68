//! The `echozoo` binary.

use std::process::ExitCode;

/// The system's allocator makes large matrix products 1.5 times slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    echo_zoo::keep_free_memory();
    echo_zoo::cli(echo_zoo::ZOO, echo_adapt::ADAPTERS)
}
