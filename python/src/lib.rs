//! x
use pyo3::prelude::*;
/// M
#[pymodule]
mod echozoo {}
