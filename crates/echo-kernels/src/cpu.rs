//! Between Burn's tensors and slices of numbers.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor, TensorData};

use crate::attention::Heads;

/// The numbers of a tensor of the CPU backend, one row after the other.
pub(crate) struct Values(FlexTensor);

impl Values {
    /// Nothing of a tensor of another backend, of numbers that are not 32 bits wide, and of one whose gradients are asked for.
    pub(crate) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if tensor.is_autodiff() {
            return None;
        }
        let tensor = tensor.clone().try_into_primitive::<Flex>().ok()?;
        (tensor.dtype() == DType::F32)
            .then(|| Self(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }))
    }

    pub(crate) fn get(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous numbers of 32 bits")
    }
}

/// The same of vectors `[batch, heads, tokens, width]` that need not follow each other, as of queries, keys and values side by
/// side.
pub(crate) struct Strided(FlexTensor);

impl Strided {
    /// As [`Values::of`].
    pub(crate) fn of(tensor: &Tensor<4>) -> Option<Self> {
        if tensor.is_autodiff() {
            return None;
        }
        let tensor = tensor.clone().try_into_primitive::<Flex>().ok()?;
        let strides = tensor.layout().strides();
        let is_fine = strides[3] == 1 && strides.iter().all(|&stride| stride > 0);
        (tensor.dtype() == DType::F32).then(|| Self(if is_fine { tensor } else { tensor.to_contiguous() }))
    }

    pub(crate) fn heads(&self) -> Heads<'_> {
        let layout = self.0.layout();
        let strides = layout.strides();
        Heads {
            values: &self.0.storage::<f32>()[layout.start_offset()..],
            strides: [strides[0], strides[1], strides[2]].map(|stride| stride as usize),
            tokens: layout.shape()[2],
            width: layout.shape()[3],
        }
    }
}

/// A tensor of the CPU backend.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, shape)))
}
