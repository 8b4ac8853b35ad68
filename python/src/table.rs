//! `echozoo.bench`.

use echo_adapt::ADAPTERS;
use echo_report::Value;
use echo_zoo::ZOO;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::call::released;
use crate::flags::flags;
use crate::messages::{exception, warn};

/// Runs a benchmark. Takes the flags of `echozoo bench`, with underscores; gives the columns of `leaderboard.csv`.
///
/// Those that most need: `encoder` and `adapter` (one or several, `encoders()` and `adapters()` name all), `preset` ("nano" has
/// weights), `weights` (a file, or a dictionary by encoder), `task`, `data` (a folder; phantoms without it), `shots` (numbers of
/// videos of each class), `seeds` (which draws: [1, 2, 3]), `limit`, `out` (the folder of results), `precision`, `device`.
///
/// What frozen encoders compute is kept in `~/.cache/echozoo`, or where the environment's `ECHOZOO_HOME` says.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn bench<'py>(py: Python<'py>, options: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyDict>> {
    let flags = flags(options)?;
    let benchmark = released(py, |observer| echo_zoo::bench(flags, ZOO, ADAPTERS, observer))?;
    let excluded = benchmark.excluded().join("\n");
    let excluded = (!excluded.is_empty()).then_some(&excluded);
    benchmark.outcome.leaderboard.warnings.iter().chain(excluded).try_for_each(|text| warn(py, text))?;
    let (columns, rows) = benchmark.into_leaderboard().map_err(|error| exception(&error))?.values();
    let table = PyDict::new(py);
    for (index, column) in columns.iter().enumerate() {
        let values = rows.iter().map(|row| value(py, &row[index])).collect::<PyResult<Vec<_>>>()?;
        table.set_item(column, PyList::new(py, values)?)?;
    }
    Ok(table)
}

fn value<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Text(text) => text.into_pyobject(py)?.into_any(),
        Value::Number(number) => number.into_pyobject(py)?.into_any(),
        Value::Count(count) => count.into_pyobject(py)?.into_any(),
        Value::Flag(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Missing => py.None().into_bound(py),
    })
}
