//! The Python package `echozoo`: what the commands `embed` and `bench` compute, as NumPy arrays and dictionaries.
//!
//! Keyword arguments become the commands' flags, and `echo-zoo` does the rest: nothing is decided here. `echozoo.pyi` says what
//! there is, for people and for type checkers.

#![warn(missing_docs)]

mod array;
mod call;
mod encoder;
mod flags;
mod messages;
mod table;

use pyo3::prelude::*;

/// As in the binary: the system's allocator makes large matrix products 1.5 times slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Foundation models for echocardiography. Research software, not for clinical use.
#[pymodule(name = "echozoo")]
mod module {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::encoder::{Encoder, embed};
    #[pymodule_export]
    use crate::messages::{EchoZooError, EchoZooWarning};
    #[pymodule_export]
    use crate::table::bench;

    /// The names of all encoders.
    #[pyfunction]
    fn encoders() -> Vec<&'static str> {
        echo_zoo::ZOO.iter().map(|entry| entry.card.name).collect()
    }

    /// The names of all adapters.
    #[pyfunction]
    fn adapters() -> Vec<&'static str> {
        echo_adapt::ADAPTERS.iter().map(|adapter| adapter.name).collect()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        echo_zoo::keep_free_memory();
        crate::messages::listen();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
