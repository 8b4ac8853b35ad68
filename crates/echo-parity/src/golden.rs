//! A safetensors file of inputs or expected outputs.

use std::path::Path;

use burn::tensor::{Bytes, DType, Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

/// Named tensors that a reference script has written.
#[derive(Debug)]
pub struct Golden {
    bytes: Vec<u8>,
    name: String,
}

impl Golden {
    /// # Panics
    /// When there is no such file.
    pub fn read(path: &Path) -> Self {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { bytes, name }
    }

    fn data(&self, name: &str) -> TensorData {
        let file = SafeTensors::deserialize(&self.bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{}: {name}: {error}", self.name));
        let dtype = match view.dtype() {
            Dtype::F16 => DType::F16,
            Dtype::F32 => DType::F32,
            Dtype::I64 => DType::I64,
            other => panic!("{}: {name} is {other:?}", self.name),
        };
        // A scalar of the file is a vector of length one here.
        let shape = if view.shape().is_empty() { vec![1] } else { view.shape().to_vec() };
        TensorData::from_bytes(Bytes::from_bytes_vec(view.data().to_vec()), shape, dtype)
    }

    /// The floats called `name`.
    ///
    /// # Panics
    /// When they are not there.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(name).convert::<f32>(), device)
    }

    /// The whole numbers called `name`, also when they are stored as floats.
    ///
    /// # Panics
    /// When they are not there.
    pub fn ids(&self, name: &str, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(self.data(name).convert::<i64>(), device)
    }
}
