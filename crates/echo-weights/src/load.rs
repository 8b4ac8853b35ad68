//! A checkpoint's tensors into a module's parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::burn_pack::Tensor as StoredTensor;
use burn::store::{Applier, ApplyError, FloatCastAdapter, ModuleAdapter, PyTorchToBurnAdapter, bridge};
use burn::tensor::{DType, Shape, Tensor, TensorData};

use crate::checkpoint::Stored;
use crate::file_names::FileNames;
use crate::joined::Joined;
use crate::key_table::KeyTable;
use crate::{Checkpoint, WeightsError};

/// How many names an error lists.
pub(crate) const LISTED: usize = 10;

/// What became of every tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that took their value from the checkpoint, each with the tensor's name in the file.
    pub applied: BTreeMap<String, String>,
    /// Tensors of the checkpoint left out on purpose, by the key table.
    pub ignored: Vec<String>,
    /// Tensors that lie beside the model in the file (an optimizer's, for instance).
    pub others: Vec<String>,
    /// What holds the same model again, and which entry was taken.
    pub copies: Vec<String>,
}

impl LoadReport {
    /// What lies beside the model in the file, if anything does.
    pub fn others(&self) -> Option<String> {
        let parts: Vec<String> = self.copies.iter().cloned().chain(list("beside the model", &self.others)).collect();
        let others = (!parts.is_empty()).then(|| parts.join("; "))?;
        Some(echo_files::printable(&others).into_owned())
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors loaded, {} left out on purpose", self.applied.len(), self.ignored.len())?;
        match self.others() {
            Some(others) => write!(f, ", {others}"),
            None => Ok(()),
        }
    }
}

/// Fills every parameter of `module` from `checkpoint`, as 32-bit floats.
///
/// PyTorch's layouts are converted: linear weights are transposed, norms' `weight` and `bias` are Burn's `gamma` and
/// `beta`, scalars become vectors of length one, and what is stored with singleton axes around a vector's values
/// (torchvision's layer scale, `[channels, 1, 1]`) becomes that vector. The kernel of a convolution, `[filters, channels, ...]`,
/// becomes a matrix `[filters, ...]` where the parameter is one. What the table joins is stacked, and what it transposes is
/// turned.
///
/// # Errors
/// [`WeightsError::Mismatch`] when a parameter has no tensor, a tensor no parameter, or a shape differs;
/// [`WeightsError::NotFinite`] when values are no numbers. Both name tensors as the file does.
pub fn load<M: Module>(
    module: M,
    name: &str,
    checkpoint: &Checkpoint,
    keys: &KeyTable,
) -> Result<(M, LoadReport), WeightsError> {
    let keys = keys.compile();
    let names = FileNames::new(&keys, checkpoint);
    let mut shapes = Shapes::default();
    module.visit(&mut shapes);
    let (mut ignored, mut unusable, mut in_file) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut tensors = Vec::with_capacity(checkpoint.tensors.len());
    let not_finite = Arc::new(Mutex::new(Vec::new()));
    let readable = |key: &str, stored: &Stored| -> Result<StoredTensor, String> {
        let tensor = stored.tensor.as_ref().map_err(|reason| format!("{} ({reason})", stored.in_file))?;
        let tensor = watched(tensor.clone(), stored.in_file.clone(), not_finite.clone());
        Ok(if keys.is_transposed(key) { transposed(tensor) } else { tensor })
    };
    let mut wholes: BTreeMap<String, Joined<'_>> = BTreeMap::new();
    for (key, stored) in &checkpoint.tensors {
        let Some(path) = keys.path(key) else {
            ignored.push(stored.in_file.clone());
            continue;
        };
        if let Some(part) = keys.part(key) {
            wholes.entry(path).or_default().put(part, key, stored);
            continue;
        }
        if let Some(other) = in_file.insert(path.clone(), stored.in_file.as_str()) {
            unusable.push(format!("{} and {other} are the same parameter", stored.in_file));
        }
        match readable(key, stored) {
            Ok(tensor) => tensors.push(shaped(tensor, path, &shapes.found)),
            Err(reason) => unusable.push(reason),
        }
    }
    let mut lacking = Vec::new();
    for (path, whole) in &wholes {
        if let Some(other) = in_file.get(path) {
            unusable.push(format!("{} and {other} are the same parameter", whole.names()));
        }
        let missing = whole.missing();
        if missing.is_empty() {
            match whole.tensor(path, readable) {
                Ok(tensor) => tensors.push(tensor),
                Err(reason) => unusable.push(reason),
            }
        }
        lacking.extend(missing);
    }
    let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
    let mut applier = Applier::new(tensors, None, Some(Box::new(adapter)), false);
    let module = module.map(&mut applier);
    let result = applier.into_result();

    let named = |path: &str| match wholes.get(path) {
        Some(whole) => whole.names(),
        None => names.of(path).unwrap_or(path).to_owned(),
    };
    let missing = result.missing.iter().filter(|(path, _)| names.of(path).is_none());
    let missing = missing.map(|(path, container)| names.missing(path, container)).chain(lacking).collect::<Vec<_>>();
    let missing = list("missing", &missing);
    let unexpected = list_with("unexpected", &result.unused, |path| named(path));
    unusable.extend(result.errors.iter().map(|error| of_apply(error, &named, checkpoint)));
    let problems = [missing, unexpected, list("unusable", &unusable)];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    let path = checkpoint.path().to_owned();
    if !problems.is_empty() {
        let problems = echo_files::printable(&problems.join("; ")).into_owned();
        return Err(WeightsError::Mismatch { path, module: name.to_owned(), problems });
    }
    let not_finite = std::mem::take(&mut *not_finite.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(tensors) = list("tensors", &not_finite) {
        return Err(WeightsError::NotFinite { path, tensors: echo_files::printable(&tensors).into_owned() });
    }
    let applied = result.applied.into_iter().map(|path| (path.clone(), named(&path))).collect();
    let (others, copies) = (checkpoint.others.iter().cloned().collect(), checkpoint.copies.clone());
    Ok((module, LoadReport { applied, ignored, others, copies }))
}

/// What is wrong with a tensor, by its name and shape in the file.
fn of_apply(error: &ApplyError, named: &dyn Fn(&str) -> String, checkpoint: &Checkpoint) -> String {
    let (ApplyError::ShapeMismatch { path, .. }
    | ApplyError::DTypeMismatch { path, .. }
    | ApplyError::AdapterError { path, .. }
    | ApplyError::LoadError { path, .. }) = error;
    let name = named(path);
    match error {
        ApplyError::ShapeMismatch { expected, found, .. } => {
            let (mut expected, mut found) = (expected.to_vec(), found.to_vec());
            // Linear weights have been transposed.
            let stored = checkpoint.tensors.values().find(|stored| stored.in_file == name);
            let stored = stored.and_then(|stored| Some(stored.tensor.as_ref().ok()?.shape.to_vec()));
            if let ([.., _, _], Some(shape)) = (found.as_slice(), stored)
                && shape != found
            {
                expected.reverse();
                found = shape;
            }
            format!("{name} (shape {found:?}, expected {expected:?})")
        }
        ApplyError::DTypeMismatch { expected, found, .. } => format!("{name} ({found:?}, expected {expected:?})"),
        ApplyError::AdapterError { message, .. } | ApplyError::LoadError { message, .. } => {
            format!("{name} ({message})")
        }
    }
}

/// The other way round, as 32-bit floats; what is no matrix stays, for the error of its shape.
fn transposed(tensor: StoredTensor) -> StoredTensor {
    let &[rows, columns] = tensor.shape.to_vec().as_slice() else { return tensor };
    let name = tensor.name.clone();
    bridge::map_data(tensor, name, DType::F32, Shape::new([columns, rows]), move |data| {
        let values: Vec<f32> = data.iter::<f32>().collect();
        let turned = (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).copied());
        TensorData::new(turned.collect::<Vec<f32>>(), [columns, rows])
    })
}

/// `tensor`, noted under its name in the file when its values turn out not to be finite as 32-bit floats.
fn watched(tensor: StoredTensor, in_file: String, not_finite: Arc<Mutex<Vec<String>>>) -> StoredTensor {
    let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.clone());
    bridge::map_data(tensor, name, dtype, shape, move |data| {
        let is_finite = match dtype {
            DType::F32 => data.as_slice::<f32>().is_ok_and(|values| values.iter().all(|value| value.is_finite())),
            _ => data.iter::<f32>().all(f32::is_finite),
        };
        let mut not_finite = not_finite.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_finite && !not_finite.contains(&in_file) {
            not_finite.push(in_file.clone());
        }
        data
    })
}

pub(crate) fn list(what: &str, names: &[String]) -> Option<String> {
    list_with(what, names, String::clone)
}

/// How many there are, and the names of the first.
fn list_with<T>(what: &str, items: &[T], name: impl Fn(&T) -> String) -> Option<String> {
    let more = items.len().saturating_sub(LISTED);
    let shown = items.iter().take(LISTED).map(name).collect::<Vec<_>>().join(", ");
    match (items.len(), more) {
        (0, _) => None,
        (count, 0) => Some(format!("{count} {what}: {shown}")),
        (count, more) => Some(format!("{count} {what}: {shown} and {more} more")),
    }
}

/// `tensor` under the name `path`, in the shape of the parameter of that name where that is the same values in their order: a
/// vector that differs by singleton axes alone, and a matrix of a convolution's kernel. A scalar is a vector of length one, since
/// Burn's tensors have at least one axis.
fn shaped(mut tensor: StoredTensor, path: String, parameters: &BTreeMap<String, Vec<usize>>) -> StoredTensor {
    let stored = tensor.shape.to_vec();
    let long_axes: Vec<usize> = stored.iter().copied().filter(|&length| length != 1).collect();
    let shape = match (stored.as_slice(), parameters.get(&path).map(Vec::as_slice)) {
        ([], _) => Some(vec![1]),
        ([_], _) => None,
        (_, Some(&[length])) => (long_axes == [length] || long_axes.is_empty() && length == 1).then(|| vec![length]),
        (&[filters, _, _, ..], Some(&[rows, columns])) => {
            (filters == rows && stored[1..].iter().product::<usize>() == columns).then(|| vec![rows, columns])
        }
        _ => None,
    };
    let Some(shape) = shape else {
        tensor.name = path;
        return tensor;
    };
    let (dtype, shape) = (tensor.dtype, Shape::from(shape));
    bridge::map_data(tensor, path, dtype, shape.clone(), move |data| {
        let (bytes, _, dtype) = data.into_parts();
        TensorData::from_bytes(bytes, shape.clone(), dtype)
    })
}

/// Shapes of a module's parameters by path.
#[derive(Default)]
struct Shapes {
    path: Vec<String>,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.lazy_shape().to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_for(parameter: Option<usize>, stored: &[usize]) -> Vec<usize> {
        shape_of(parameter.map(|length| vec![length]), stored)
    }

    fn shape_of(parameter: Option<Vec<usize>>, stored: &[usize]) -> Vec<usize> {
        let values: Vec<f32> = (0..stored.iter().product()).map(|index: usize| index as f32).collect();
        let tensor = bridge::from_data(TensorData::new(values.clone(), stored.to_vec()), "stored".into(), None);
        let parameters = parameter.map(|shape| ("block.gamma".to_owned(), shape)).into_iter().collect();
        let tensor = shaped(tensor, "block.gamma".into(), &parameters);
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
    fn a_kernel_becomes_the_matrix_that_the_parameter_is() {
        assert_eq!(shape_of(Some(vec![2, 12]), &[2, 3, 1, 2, 2]), [2, 12]);
        for (parameter, stored) in [(&[2, 12], &[3, 2, 1, 2, 2][..]), (&[2, 12], &[2, 3, 3, 2]), (&[6, 2], &[2, 6])] {
            assert_eq!(shape_of(Some(parameter.to_vec()), stored), stored);
        }
    }

    #[test]
    fn shapes_that_differ_otherwise_are_left_for_the_error() {
        for (parameter, stored) in [(Some(4), &[2, 2][..]), (Some(4), &[5, 1]), (Some(4), &[1, 1]), (None, &[4, 1, 1])]
        {
            assert_eq!(shape_for(parameter, stored), stored);
        }
    }
}
