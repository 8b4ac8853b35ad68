//! What the commands say on standard error, as exceptions, warnings and records of the logger `echozoo`.

use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};

use echo_zoo::CliError;
use pyo3::exceptions::{PyException, PyUserWarning};
use pyo3::prelude::*;
use pyo3::types::PyType;

pyo3::create_exception!(echozoo, EchoZooError, PyException, "What ends a command of echozoo, in the same words.");
pyo3::create_exception!(echozoo, EchoZooWarning, PyUserWarning, "What makes results of echozoo doubtful.");

/// How a message begins that is a warning.
const WARNING: &str = "warning: ";

/// What was said since somebody could be told last: whoever says it may hold a lock that a thread of Python's waits for.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn said() -> MutexGuard<'static, Vec<String>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on nothing is said on standard error.
pub(crate) fn listen() {
    echo_files::hand_messages_to(|text| said().push(text.to_owned()));
}

/// Hands over what was said: all to the logger `echozoo`, at the level `INFO`, and warnings as such.
pub(crate) fn hand_over(py: Python<'_>) -> PyResult<()> {
    let said = std::mem::take(&mut *said());
    if said.is_empty() {
        return Ok(());
    }
    let logger = py.import("logging")?.call_method1("getLogger", ("echozoo",))?;
    for text in &said {
        logger.call_method1("info", ("%s", text))?;
    }
    said.iter().filter_map(|text| text.strip_prefix(WARNING)).try_for_each(|text| warn(py, text))
}

/// A warning at the line that called the package.
pub(crate) fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let category: Bound<'_, PyType> = py.get_type::<EchoZooWarning>();
    PyErr::warn(py, &category, &CString::new(text.replace('\0', "\\0"))?, 1)
}

/// The exception for an error.
pub(crate) fn exception(error: &CliError) -> PyErr {
    EchoZooError::new_err(error.full_text())
}
