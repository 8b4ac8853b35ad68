//! Parameters of layers, as an operation is given them. Nothing where one of them is not of the CPU backend.

use burn::module::Param;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;

use crate::cpu::{Input, Values};
use crate::norm::Norm;

/// The input that a tensor is, if there is one; nothing if there is one that is not ours.
pub(crate) fn input_of(tensor: Option<&Tensor<1>>) -> Option<Option<Input>> {
    match tensor {
        Some(tensor) => Input::of(tensor).map(Some),
        None => Some(None),
    }
}

/// A layer's parameters.
pub(crate) struct Parameters {
    pub(crate) weight: Input,
    pub(crate) bias: Option<Input>,
}

impl Parameters {
    pub(crate) fn of<const D: usize>(weight: &Param<Tensor<D>>, bias: Option<&Param<Tensor<1>>>) -> Option<Self> {
        let bias = input_of(bias.map(Param::val).as_ref())?;
        Some(Self { weight: Input::of(&weight.val())?, bias })
    }

    pub(crate) fn of_linear(layer: &Linear) -> Option<Self> {
        let parameters = Self::of(&layer.weight, layer.bias.as_ref())?;
        let [depth, columns] = parameters.sizes();
        assert!(depth > 0 && columns > 0, "a layer of {depth} inputs and {columns} outputs");
        assert!(parameters.bias.as_ref().is_none_or(|bias| bias.shape() == [columns]), "one bias for each output");
        Some(parameters)
    }

    /// Inputs and outputs of a linear layer.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        self.weight.shape().try_into().expect("a linear layer's weights have two axes")
    }

    pub(crate) fn bias(&self) -> Option<Values> {
        self.bias.as_ref().map(Input::values)
    }
}

/// A norm's parameters.
pub(crate) struct Normed {
    pub(crate) gamma: Input,
    pub(crate) beta: Input,
    epsilon: f64,
}

/// Their numbers.
pub(crate) struct NormValues {
    gamma: Values,
    beta: Values,
    epsilon: f64,
}

impl Normed {
    pub(crate) fn of(layer: &LayerNorm, epsilon: f64, width: usize) -> Option<Self> {
        let beta = layer.beta.as_ref()?;
        let [gamma, beta] = [Input::of(&layer.gamma.val())?, Input::of(&beta.val())?];
        assert!(width > 0 && gamma.shape() == [width] && beta.shape() == [width], "a norm of rows of {width}");
        Some(Self { gamma, beta, epsilon })
    }

    pub(crate) fn values(&self) -> NormValues {
        NormValues { gamma: self.gamma.values(), beta: self.beta.values(), epsilon: self.epsilon }
    }
}

impl NormValues {
    pub(crate) fn norm(&self) -> Norm<'_> {
        Norm { gamma: &self.gamma, beta: &self.beta, epsilon: self.epsilon as f32 }
    }
}
