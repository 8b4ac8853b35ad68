//! A checkpoint's tensors into a module's parameters.

use std::fmt;

use burn::module::Module;
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::{Applier, FloatCastAdapter, ModuleAdapter, PyTorchToBurnAdapter, bridge};
use burn::tensor::{DType, Shape, TensorData};

use crate::key_table::KeyTable;
use crate::{Checkpoint, WeightsError};

/// How many names an error lists.
const LISTED: usize = 10;

/// What became of every tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that took their value from the checkpoint.
    pub applied: Vec<String>,
    /// Tensors of the checkpoint left out on purpose, by the key table.
    pub ignored: Vec<String>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors loaded, {} left out on purpose", self.applied.len(), self.ignored.len())
    }
}

/// Fills every parameter of `module` from `checkpoint`, as 32-bit floats.
///
/// PyTorch's layouts are converted: linear weights are transposed, norms' `weight` and `bias` are Burn's `gamma` and
/// `beta`, and scalars become vectors of length one.
///
/// # Errors
/// [`WeightsError::Mismatch`] when a parameter has no tensor, a tensor no parameter, or a shape differs.
pub fn load<M: Module>(
    module: M,
    name: &str,
    checkpoint: &Checkpoint,
    keys: &KeyTable,
) -> Result<(M, LoadReport), WeightsError> {
    let keys = keys.compile();
    let mut ignored = Vec::new();
    let mut tensors = Vec::with_capacity(checkpoint.tensors().len());
    for (key, tensor) in checkpoint.tensors() {
        match keys.path(key) {
            Some(path) => tensors.push(scalar_to_vector(tensor.clone(), path)),
            None => ignored.push(key.clone()),
        }
    }
    let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
    let mut applier = Applier::new(tensors, None, Some(Box::new(adapter)), false);
    let module = module.map(&mut applier);
    let result = applier.into_result();

    let missing: Vec<String> = result.missing.into_iter().map(|(path, _)| path).collect();
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    let problems = [
        list("missing", &missing),
        list("unexpected", &result.unused),
        list("unusable", &errors),
    ];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    if !problems.is_empty() {
        return Err(WeightsError::Mismatch {
            path: checkpoint.path().to_owned(),
            module: name.to_owned(),
            problems: problems.join("; "),
        });
    }
    Ok((module, LoadReport { applied: result.applied, ignored }))
}

fn list(what: &str, names: &[String]) -> Option<String> {
    let more = names.len().saturating_sub(LISTED);
    let shown = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match (names.len(), more) {
        (0, _) => None,
        (count, 0) => Some(format!("{count} {what}: {shown}")),
        (count, more) => Some(format!("{count} {what}: {shown} and {more} more")),
    }
}

/// `tensor` under the name `path`; a scalar as a vector of length one, since Burn's tensors have at least one axis.
fn scalar_to_vector(mut tensor: StoredTensor, path: String) -> StoredTensor {
    if !tensor.shape.to_vec().is_empty() {
        tensor.name = path;
        return tensor;
    }
    let (dtype, shape) = (tensor.dtype, Shape::new([1]));
    bridge::map_data(tensor, path, dtype, shape.clone(), move |data| {
        let (bytes, _, dtype) = data.into_parts();
        TensorData::from_bytes(bytes, shape.clone(), dtype)
    })
}
