//! Keyword arguments as flags of a command.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict};

/// A flag for every argument, in their order: `weights_key="model"` is `--weights-key=model`. What is `None` or `False` is not given;
/// several values are joined by commas, those of a dictionary as `KEY=VALUE`.
pub(crate) fn flags(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<OsString>> {
    let mut flags = Vec::new();
    for (name, value) in arguments.into_iter().flat_map(|arguments| arguments.iter()) {
        flags.extend(flag(&name.extract::<String>()?, &value)?);
    }
    Ok(flags)
}

/// The flag of one argument, if it is given.
fn flag(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<OsString>> {
    let mut flag = OsString::from(format!("--{}", name.replace('_', "-")));
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(is_given) = value.cast::<PyBool>() {
        return Ok(is_given.is_true().then_some(flag));
    }
    flag.push("=");
    flag.push(text(name, value)?);
    Ok(Some(flag))
}

fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<OsString> {
    // Bytes would be numbers one by one, and nothing the word None.
    if value.is_none() || value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>() {
        let kind = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{name}: text, a path, numbers, or several of them expected, not {kind}"
        )));
    }
    if let Ok(path) = value.extract::<PathBuf>() {
        return Ok(path.into_os_string());
    }
    if let Ok(entries) = value.cast::<PyDict>() {
        let entry = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            let mut entry = text(name, &key)?;
            entry.push("=");
            entry.push(text(name, &value)?);
            Ok(entry)
        };
        return Ok(joined(entries.iter().map(entry).collect::<PyResult<Vec<_>>>()?));
    }
    match value.try_iter() {
        Ok(values) => Ok(joined(values.map(|value| text(name, &value?)).collect::<PyResult<Vec<_>>>()?)),
        Err(_) => Ok(value.str()?.to_string().into()),
    }
}

fn joined(values: Vec<OsString>) -> OsString {
    values.join(&OsString::from(","))
}
