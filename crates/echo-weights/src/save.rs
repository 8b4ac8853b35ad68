//! A module's parameters into a safetensors file.

use std::path::Path;

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleStore, SafetensorsStore};
use burn::tensor::DType;

use crate::WeightsError;

/// Metadata entry of a safetensors file whose tensors bear the module's own names.
pub(crate) const OWN_NAMES: &str = "echozoo.own_names";

/// How parameters are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats: exact.
    Full,
    /// 16-bit floats: half the size.
    Half,
}

/// Writes `module` to `path` under its own names, in PyTorch's layouts, so that [`load`](crate::load) with
/// [`KeyTable::IDENTITY`](crate::KeyTable::IDENTITY) reads it back. The file appears whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn save<M: Module>(module: &M, path: &Path, precision: Precision) -> Result<(), WeightsError> {
    let dtype = match precision {
        Precision::Full => DType::F32,
        Precision::Half => DType::F16,
    };
    let mut store = SafetensorsStore::from_file(path)
        .overwrite(true)
        .metadata(OWN_NAMES, "true")
        .with_to_adapter(BurnToPyTorchAdapter.chain(FloatCastAdapter::to(dtype)));
    store.collect_from(module).map_err(|error| WeightsError::Write { path: path.to_owned(), reason: error.to_string() })
}
