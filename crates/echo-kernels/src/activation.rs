//! What lies between the two products of a feed-forward part.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, sigmoid};
use pulp::Simd;

use crate::math;

/// An activation. Checkpoints of the two have the same names and shapes, and give wrong numbers with the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// GELU by the error function, as in PyTorch's `nn.GELU`.
    Gelu,
    /// `x * sigmoid(1.702 x)`, as in OpenAI's CLIP.
    QuickGelu,
}

impl Activation {
    #[inline(always)]
    pub(crate) fn of<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        match self {
            Self::Gelu => math::gelu(simd, x),
            Self::QuickGelu => math::quick_gelu(simd, x),
        }
    }

    /// The activation, and its slope.
    #[inline(always)]
    pub(crate) fn with_slope<S: Simd>(self, simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
        match self {
            Self::Gelu => math::gelu_and_slope(simd, x),
            Self::QuickGelu => math::quick_gelu_and_slope(simd, x),
        }
    }

    /// By Burn's own operations.
    pub(crate) fn of_tensor<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            Self::QuickGelu => x.clone() * sigmoid(x * 1.702),
        }
    }
}
