//! A module's parameters into a safetensors file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleStore, SafetensorsStore};
use burn::tensor::{DType, Tensor};

use crate::load::list;
use crate::{LoadReport, WeightsError};

/// Metadata entry of a safetensors file whose tensors bear the module's own names.
pub(crate) const OWN_NAMES: &str = "echozoo.own_names";

/// What is beyond this is rounded to infinity as a 16-bit float.
const LARGEST_HALF: f32 = 65519.0;

/// What is not beyond this, half of the smallest 16-bit float, is rounded to zero.
const NOTHING_HALF: f32 = 2.980_232_2e-8;

/// How parameters are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats: exact.
    Full,
    /// 16-bit floats: half the size.
    Half,
}

/// Writes `module` to `path` under its own names, in PyTorch's layouts, so that [`load`](crate::load) with
/// [`KeyTable::IDENTITY`](crate::KeyTable::IDENTITY) reads it back. The file appears whole or not at all, and the same
/// parameters are the same bytes.
///
/// # Errors
/// The file cannot be written, a value is not finite, one is beyond what `precision` can hold, or a tensor would become
/// zero.
pub fn save<M: Module>(module: &M, path: &Path, precision: Precision) -> Result<(), WeightsError> {
    save_loaded(module, &LoadReport::default(), path, precision)
}

/// [`save`] for a module that was loaded from a file: errors call its tensors as that file does, by the report of its
/// loading.
///
/// # Errors
/// As [`save`].
pub fn save_loaded<M: Module>(
    module: &M,
    report: &LoadReport,
    path: &Path,
    precision: Precision,
) -> Result<(), WeightsError> {
    let mut extremes = Extremes::default();
    module.visit(&mut extremes);
    let largest = if precision == Precision::Half { LARGEST_HALF } else { f32::MAX };
    let of = |is_meant: &dyn Fn(f32) -> bool| {
        let meant = extremes.found.iter().filter(|(_, most)| is_meant(*most)).map(|(path, _)| path);
        let names = meant.map(|path| report.applied.get(path).unwrap_or(path).clone());
        let tensors = list("tensors", &names.collect::<Vec<_>>())?;
        Some(echo_files::printable(&tensors).into_owned())
    };
    if let Some(tensors) = of(&|most| most > f32::MAX) {
        return Err(WeightsError::NotFinite { path: path.to_owned(), tensors });
    }
    if let Some(tensors) = of(&|most| most > largest) {
        return Err(WeightsError::Overflow { path: path.to_owned(), tensors });
    }
    if let Some(tensors) = of(&|most| precision == Precision::Half && most > 0.0 && most <= NOTHING_HALF) {
        return Err(WeightsError::Underflow { path: path.to_owned(), tensors });
    }
    let dtype = match precision {
        Precision::Full => DType::F32,
        Precision::Half => DType::F16,
    };
    echo_files::check_place(path).map_err(|source| WeightsError::Io { path: path.to_owned(), source })?;
    let mut store = SafetensorsStore::from_bytes(None)
        .metadata(OWN_NAMES, "true")
        .with_to_adapter(BurnToPyTorchAdapter.chain(FloatCastAdapter::to(dtype)));
    let wrong = |reason: String| WeightsError::Write { path: path.to_owned(), reason };
    store.collect_from(module).map_err(|error| wrong(error.to_string()))?;
    let bytes = store.get_bytes().map_err(|error| wrong(error.to_string()))?;
    let (header, tensors) = sorted_header(&bytes).map_err(wrong)?;
    let written = echo_files::write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        file.write_all(tensors)
    });
    written.map_err(|source| WeightsError::Io { path: path.to_owned(), source })
}

/// The header of a safetensors file with its entries in the order of their names, and what follows it: entries are written in any
/// order, and the same weights should be the same bytes.
fn sorted_header(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let parts = bytes.split_at_checked(8).and_then(|(length, rest)| {
        let length = u64::from_le_bytes(length.try_into().ok()?);
        rest.split_at_checked(usize::try_from(length).ok()?)
    });
    let (header, tensors) = parts.ok_or("it has no header")?;
    let entries: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let mut sorted = serde_json::to_vec(&entries).map_err(|error| error.to_string())?;
    sorted.resize(sorted.len().next_multiple_of(8), b' ');
    Ok((sorted, tensors))
}

/// The largest magnitude in each parameter, infinite where a value is not finite.
#[derive(Default)]
struct Extremes {
    path: Vec<String>,
    found: Vec<(String, f32)>,
}

impl ModuleVisitor for Extremes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let magnitude = |value: f32| if value.is_finite() { value.abs() } else { f32::INFINITY };
        let most = param.val().into_data().iter::<f32>().map(magnitude).fold(0.0, f32::max);
        self.found.push((self.path.join("."), most));
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Net {
        good: Linear,
        bad: Linear,
    }

    fn saved(value: f32, precision: Precision) -> (bool, Result<(), WeightsError>) {
        let device = Device::flex();
        let linear = || LinearConfig::new(2, 2).init(&device);
        let mut net = Net { good: linear(), bad: linear() };
        net.bad.weight = net.bad.weight.map(|weight| weight * 0.0 + value);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        let saved = save(&net, &path, precision);
        (path.exists(), saved)
    }

    #[test]
    fn what_a_half_cannot_hold_is_named_and_nothing_is_written() {
        for value in [1e5, -65520.0] {
            let (written, saved) = saved(value, Precision::Half);
            let message = saved.unwrap_err().to_string();
            assert!(
                message.contains("1 tensors: bad.weight hold") && message.contains("leave out --half"),
                "{message}"
            );
            assert!(!written);
        }
        for (value, precision) in [(65519.0, Precision::Half), (1e5, Precision::Full)] {
            assert!(matches!(saved(value, precision), (true, Ok(()))), "{value}");
        }
    }

    #[test]
    fn a_tensor_that_would_be_zero_is_named_and_nothing_is_written() {
        let (written, saved) = saved(NOTHING_HALF, Precision::Half);
        assert!(matches!(saved, Err(WeightsError::Underflow { tensors, .. }) if tensors.contains("bad.weight")));
        assert!(!written);
        for (value, precision) in [(6e-8, Precision::Half), (0.0, Precision::Half), (1e-20, Precision::Full)] {
            assert!(matches!(self::saved(value, precision), (true, Ok(()))), "{value}");
        }
    }

    #[test]
    fn no_file_is_written_of_values_that_are_not_finite() {
        for value in [f32::NAN, f32::INFINITY] {
            let (written, saved) = saved(value, Precision::Full);
            assert!(matches!(saved, Err(WeightsError::NotFinite { tensors, .. }) if tensors.contains("bad.weight")));
            assert!(!written);
        }
    }
}
