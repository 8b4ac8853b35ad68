//! Between Burn's tensors and slices of numbers.

use std::ops::Deref;

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorData};

use crate::attention::Heads;

/// A tensor of the CPU backend, as an operation is given it.
pub(crate) struct Input {
    tensor: FlexTensor,
    /// The same with its place in the graph of gradients, if it is of an autodiff device.
    pub(crate) recorded: Option<FloatTensor<Autodiff<Flex>>>,
}

impl Input {
    /// Nothing of a tensor of another backend and of numbers that are not 32 bits wide.
    pub(crate) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let tensor = tensor.clone();
        let input = if tensor.is_autodiff() {
            let tensor = tensor.try_into_primitive::<Autodiff<Flex>>().ok()?;
            Self { tensor: tensor.primitive().clone(), recorded: Some(tensor) }
        } else {
            Self { tensor: tensor.try_into_primitive::<Flex>().ok()?, recorded: None }
        };
        (input.tensor.dtype() == DType::F32).then_some(input)
    }

    /// Whether its gradient is asked for.
    pub(crate) fn is_tracked(&self) -> bool {
        self.recorded.as_ref().is_some_and(|tensor| tensor.is_tracked())
    }

    /// Its numbers, one row after the other.
    pub(crate) fn values(&self) -> Values {
        Values::new(self.tensor.clone())
    }

    /// Its numbers where they lie, of vectors `[batch, heads, tokens, width]`.
    pub(crate) fn strided(&self) -> Strided {
        let strides = self.tensor.layout().strides();
        let is_fine = strides[3] == 1 && strides.iter().all(|&stride| stride > 0);
        Strided(if is_fine { self.tensor.clone() } else { self.tensor.to_contiguous() })
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.tensor.layout().shape()
    }
}

/// The numbers of a tensor, one row after the other. A clone is the same numbers.
#[derive(Clone)]
pub(crate) struct Values(FlexTensor);

impl Values {
    /// Of a tensor of 32 bits.
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        Self(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
    }

    /// As a tensor that is no part of a graph.
    pub(crate) fn tensor<const D: usize>(self, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.shaped(&shape))
    }

    /// As the backend's tensor.
    pub(crate) fn shaped(self, shape: &[usize]) -> FlexTensor {
        self.0.reshape(shape.into())
    }
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous numbers of 32 bits")
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        let shape = [values.len()];
        Self(FlexTensor::from_data(TensorData::new(values, shape)))
    }
}

/// Vectors `[batch, heads, tokens, width]` that need not follow each other, as of queries, keys and values side by side.
pub(crate) struct Strided(FlexTensor);

impl Strided {
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
