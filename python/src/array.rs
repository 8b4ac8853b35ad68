//! NumPy's arrays, by what every NumPy has: 32-bit floats as bytes.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

/// An array `[rows, columns]`.
pub(crate) fn to_numpy<'py>(py: Python<'py>, values: &[f32], columns: usize) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyByteArray::new_with(py, size_of_val(values), |bytes| {
        bytes.chunks_exact_mut(4).zip(values).for_each(|(bytes, value)| bytes.copy_from_slice(&value.to_ne_bytes()));
        Ok(())
    })?;
    let flat = py.import("numpy")?.call_method1("frombuffer", (bytes, "float32"))?;
    flat.call_method1("reshape", (values.len() / columns, columns))
}

/// The shape and the values of what NumPy can make an array of.
pub(crate) fn of_numpy(array: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, Vec<f32>)> {
    let array = array.py().import("numpy")?.call_method1("asarray", (array, "float32"))?;
    let bytes = array.call_method0("tobytes")?.cast_into::<PyBytes>()?;
    let values = bytes.as_bytes().chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four")));
    Ok((array.getattr("shape")?.extract()?, values.collect()))
}
