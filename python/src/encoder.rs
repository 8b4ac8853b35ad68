//! `echozoo.Encoder` and `echozoo.embed`.

use std::ffi::OsString;
use std::path::PathBuf;

use echo_core::Sampling;
use echo_zoo::{Embedder, Embeddings, ZOO};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict};

use crate::array::{of_numpy, to_numpy};
use crate::call::released;
use crate::flags::flags;
use crate::messages::{exception, warn};

/// An encoder with weights, on a device.
#[pyclass(module = "echozoo", frozen)]
pub(crate) struct Encoder(Embedder);

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (name, weights=None, preset=None, **options))]
    fn new(
        py: Python<'_>,
        name: &str,
        weights: Option<PathBuf>,
        preset: Option<&str>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let named = PyDict::new(py);
        named.set_item("encoder", name)?;
        named.set_item("weights", weights)?;
        named.set_item("preset", preset)?;
        let given = [flags(Some(&named))?, flags(options)?].concat();
        Ok(Self(released(py, |_| Embedder::new(given, ZOO))?))
    }

    /// Embeds videos, and those in folders, to an array [videos, dim].
    #[pyo3(signature = (paths, *, allow_truncated=false, mask=None, skip_unreadable=false))]
    fn embed<'py>(
        &self,
        py: Python<'py>,
        paths: &Bound<'py, PyAny>,
        allow_truncated: bool,
        mask: Option<&str>,
        skip_unreadable: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = self.videos(py, paths, (allow_truncated, mask), skip_unreadable)?;
        to_numpy(py, &found.values, found.dim)
    }

    /// The same with each video's name, and what makes its embedding doubtful: the columns `name`, `warning` and `embedding`.
    #[pyo3(signature = (paths, *, allow_truncated=false, mask=None, skip_unreadable=false))]
    fn embed_table<'py>(
        &self,
        py: Python<'py>,
        paths: &Bound<'py, PyAny>,
        allow_truncated: bool,
        mask: Option<&str>,
        skip_unreadable: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let found = self.videos(py, paths, (allow_truncated, mask), skip_unreadable)?;
        let table = PyDict::new(py);
        table.set_item("embedding", to_numpy(py, &found.values, found.dim)?)?;
        table.set_item("name", found.names)?;
        table.set_item("warning", found.warnings)?;
        Ok(table)
    }

    /// Embeds texts to an array [texts, dim]; each embedding has length one.
    fn embed_text<'py>(&self, py: Python<'py>, texts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let texts: Vec<String> = one_or_more("texts: a text or several", texts)?;
        let found = released(py, |observer| self.0.embed_texts(&texts, &*observer))?;
        told(py, &found, false)?;
        to_numpy(py, &found.values, found.dim)
    }

    /// Embeds clips [batch, 3, frames, height, width] that are ready for the encoder (`card["clip"]`), to an array [batch, dim].
    fn encode<'py>(&self, py: Python<'py>, clips: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (shape, values) = of_numpy(clips)?;
        let found = released(py, |observer| self.0.embed_ready(&shape, &values, &*observer))?;
        told(py, &found, false)?;
        to_numpy(py, &found.values, found.dim)
    }

    /// The name on the command line.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.built().encoder.card().name
    }

    /// The preset.
    #[getter]
    fn preset(&self) -> &'static str {
        self.0.built().preset.name
    }

    /// What kind of weights it has.
    #[getter]
    fn weights(&self) -> String {
        self.0.built().kind.to_string()
    }

    /// Length of an embedding.
    #[getter]
    fn dim(&self) -> usize {
        self.0.built().preset.dim
    }

    /// The facts: sources, licences, sizes, and the clips that it wants to see.
    #[getter]
    fn card<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (card, preset) = (self.0.built().encoder.card(), self.0.built().preset);
        let (facts, clip) = (PyDict::new(py), PyDict::new(py));
        clip.set_item("frames", preset.clip.frames)?;
        clip.set_item("stride", preset.clip.stride)?;
        let sampling = match preset.clip.sampling {
            Sampling::Strided => "strided",
            Sampling::Segments => "segments",
        };
        clip.set_item("sampling", sampling)?;
        clip.set_item("size", preset.clip.size)?;
        clip.set_item("scale", preset.clip.scale)?;
        clip.set_item("mean", preset.clip.mean)?;
        clip.set_item("std", preset.clip.std)?;
        for (key, text) in [
            ("name", card.name),
            ("title", card.title),
            ("summary", card.summary),
            ("paper", card.paper),
            ("paper_url", card.paper_url),
            ("code_url", card.code_url),
            ("code_license", card.code_license),
            ("preset", preset.name),
            ("weights_license", preset.weights_license),
        ] {
            facts.set_item(key, text)?;
        }
        facts.set_item("weights", self.weights())?;
        facts.set_item("weights_hash", &self.0.built().hash)?;
        facts.set_item("published", preset.published)?;
        facts.set_item("has_text", card.capabilities.text)?;
        facts.set_item("parameters", preset.parameters)?;
        facts.set_item("dim", preset.dim)?;
        facts.set_item("clip", clip)?;
        facts.set_item("quirks", card.quirks)?;
        Ok(facts)
    }

    fn __repr__(&self) -> String {
        let Self(embedder) = self;
        let preset = embedder.built().preset;
        format!(
            "Encoder({:?}, preset={:?}, weights={:?}, dim={})",
            self.name(),
            preset.name,
            self.weights(),
            preset.dim
        )
    }
}

impl Encoder {
    /// Embeddings of all that can be used, which has to be all that should be but where `skip` says otherwise.
    fn videos(
        &self,
        py: Python<'_>,
        paths: &Bound<'_, PyAny>,
        (allow_truncated, mask): (bool, Option<&str>),
        skip: bool,
    ) -> PyResult<Embeddings> {
        let paths: Vec<PathBuf> = one_or_more("paths: a path or several", paths)?;
        let truncated = allow_truncated.then(|| OsString::from("--allow-truncated"));
        let mask = mask.map(|mask| OsString::from(format!("--mask={mask}")));
        let flags: Vec<OsString> = truncated.into_iter().chain(mask).collect();
        let found = released(py, |observer| self.0.embed_videos(paths, flags, observer))?;
        told(py, &found, skip)?;
        Ok(found)
    }
}

/// Raises what is wrong with files, and warns of what is doubtful.
fn told(py: Python<'_>, found: &Embeddings, skip: bool) -> PyResult<()> {
    found.check(skip).map_err(|error| exception(&error))?;
    for file in &found.left_out {
        warn(py, &format!("left out: {}", file.reason))?;
    }
    found.doubts.iter().chain(&found.caution).try_for_each(|text| warn(py, text))
}

/// One of a kind, or several: what `expected` says.
fn one_or_more<'py, T: FromPyObjectOwned<'py>>(expected: &str, values: &Bound<'py, PyAny>) -> PyResult<Vec<T>> {
    if let Ok(one) = values.extract::<T>() {
        return Ok(vec![one]);
    }
    let refused = |value: &Bound<'py, PyAny>| match value.get_type().name() {
        Ok(kind) => PyTypeError::new_err(format!("{expected} expected, not {kind}")),
        Err(error) => error,
    };
    // They would be numbers one by one.
    if values.is_instance_of::<PyBytes>() || values.is_instance_of::<PyByteArray>() {
        return Err(refused(values));
    }
    let several = values.try_iter().map_err(|_| refused(values))?;
    several
        .map(|value| {
            let value = value?;
            value.extract::<T>().map_err(|_| refused(&value))
        })
        .collect()
}

/// Embeds videos, and those in folders, with an encoder that is loaded for it, to an array [videos, dim].
#[pyfunction]
#[pyo3(signature = (
    paths, encoder="echoprime", weights=None, preset=None, *,
    allow_truncated=false, mask=None, skip_unreadable=false, **options
))]
#[expect(clippy::too_many_arguments, reason = "they are keyword arguments")]
pub(crate) fn embed<'py>(
    py: Python<'py>,
    paths: &Bound<'py, PyAny>,
    encoder: &str,
    weights: Option<PathBuf>,
    preset: Option<&str>,
    allow_truncated: bool,
    mask: Option<&str>,
    skip_unreadable: bool,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    Encoder::new(py, encoder, weights, preset, options)?.embed(py, paths, allow_truncated, mask, skip_unreadable)
}
