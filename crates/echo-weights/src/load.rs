//! A checkpoint's tensors into a module's parameters.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::{Applier, FloatCastAdapter, ModuleAdapter, PyTorchToBurnAdapter, bridge};
use burn::tensor::{DType, Shape, Tensor, TensorData};

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
/// `beta`, scalars become vectors of length one, and what is stored with singleton axes around a vector's values
/// (torchvision's layer scale, `[channels, 1, 1]`) becomes that vector.
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
    let mut vectors = Vectors::default();
    module.visit(&mut vectors);
    let mut ignored = Vec::new();
    let mut tensors = Vec::with_capacity(checkpoint.tensors().len());
    for (key, tensor) in checkpoint.tensors() {
        match keys.path(key) {
            Some(path) => tensors.push(to_vector(tensor.clone(), path, &vectors.lengths)),
            None => ignored.push(key.clone()),
        }
    }
    let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
    let mut applier = Applier::new(tensors, None, Some(Box::new(adapter)), false);
    let module = module.map(&mut applier);
    let result = applier.into_result();

    let missing: Vec<String> = result.missing.into_iter().map(|(path, _)| path).collect();
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    let problems = [list("missing", &missing), list("unexpected", &result.unused), list("unusable", &errors)];
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

/// `tensor` under the name `path`: as a vector if the parameter of that name is one and the tensor differs from it by
/// singleton axes alone, and if it is a scalar, since Burn's tensors have at least one axis.
fn to_vector(mut tensor: StoredTensor, path: String, vectors: &BTreeMap<String, usize>) -> StoredTensor {
    let shape = tensor.shape.to_vec();
    let long_axes: Vec<usize> = shape.iter().copied().filter(|&length| length != 1).collect();
    let length = match (long_axes.as_slice(), vectors.get(&path)) {
        _ if shape.len() == 1 => None,
        ([], _) if shape.is_empty() => Some(1),
        ([], Some(1)) => Some(1),
        (&[length], Some(&wanted)) if length == wanted => Some(length),
        _ => None,
    };
    let Some(length) = length else {
        tensor.name = path;
        return tensor;
    };
    let (dtype, shape) = (tensor.dtype, Shape::new([length]));
    bridge::map_data(tensor, path, dtype, shape.clone(), move |data| {
        let (bytes, _, dtype) = data.into_parts();
        TensorData::from_bytes(bytes, shape.clone(), dtype)
    })
}

/// Lengths of a module's vector parameters by path.
#[derive(Default)]
struct Vectors {
    path: Vec<String>,
    lengths: BTreeMap<String, usize>,
}

impl ModuleVisitor for Vectors {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 1 {
            self.lengths.insert(self.path.join("."), param.lazy_shape().num_elements());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_for(parameter: Option<usize>, stored: &[usize]) -> Vec<usize> {
        let values: Vec<f32> = (0..stored.iter().product()).map(|index: usize| index as f32).collect();
        let tensor = bridge::from_data(TensorData::new(values.clone(), stored.to_vec()), "stored".into(), None);
        let vectors = parameter.map(|length| ("block.gamma".to_owned(), length)).into_iter().collect();
        let tensor = to_vector(tensor, "block.gamma".into(), &vectors);
        assert_eq!(tensor.name, "block.gamma");
        let data = bridge::into_data(tensor).unwrap();
        assert_eq!(data.try_to_vec::<f32>().unwrap(), values);
        data.shape().to_vec()
    }

    #[test]
    fn singleton_axes_around_a_vector_are_dropped() {
        for stored in [&[4, 1, 1][..], &[1, 4], &[1, 1, 4], &[4]] {
            assert_eq!(shape_for(Some(4), stored), [4]);
        }
        assert_eq!(shape_for(Some(1), &[1, 1]), [1]);
        assert_eq!(shape_for(Some(1), &[]), [1]);
        assert_eq!(shape_for(None, &[]), [1]);
    }

    #[test]
    fn shapes_that_differ_otherwise_are_left_for_the_error() {
        for (parameter, stored) in [(Some(4), &[2, 2][..]), (Some(4), &[5, 1]), (Some(4), &[1, 1]), (None, &[4, 1, 1])]
        {
            assert_eq!(shape_for(parameter, stored), stored);
        }
    }
}
