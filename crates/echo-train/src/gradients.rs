//! Gradients of all trainable parameters together.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use echo_core::AnyAdapter;

use crate::{Parameter, TrainError};

/// Scales gradients so that their Euclidean norm, over all parameters, is at most `limit`, as PyTorch's
/// `clip_grad_norm_`. The norm that they had comes back.
pub(crate) fn clip_norm<M: Module>(module: &M, gradients: &mut GradientsParams, limit: f64) -> f64 {
    let mut squares = Squares { gradients, sum: 0.0 };
    module.visit(&mut squares);
    let norm = squares.sum.sqrt();
    // PyTorch's epsilon.
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 {
        module.visit(&mut Scale { gradients, factor });
    }
    norm
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum += f64::from(gradient.square().sum().into_scalar::<f32>());
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}

/// Paths of trainable parameters whose gradient is all zero, unless the adapter says why.
///
/// # Errors
/// [`TrainError::OutsideGraph`] for those that have none.
pub(crate) fn check(
    adapter: &AnyAdapter,
    gradients: &GradientsParams,
    trainable: &[Parameter],
) -> Result<Vec<String>, TrainError> {
    let mut largest = Largest { gradients, found: Vec::new() };
    adapter.visit(&mut largest);
    let of = |id: ParamId| largest.found.iter().find(|(found, _)| *found == id).map(|(_, value)| *value);
    let outside: Vec<String> =
        trainable.iter().filter(|parameter| of(parameter.id).is_none()).map(|p| p.path.clone()).collect();
    if !outside.is_empty() {
        return Err(TrainError::OutsideGraph(outside));
    }
    let zero: Vec<String> = trainable
        .iter()
        .filter(|parameter| of(parameter.id) == Some(0.0) && adapter.zero_gradient_reason(&parameter.path).is_none())
        .map(|parameter| parameter.path.clone())
        .collect();
    for path in &zero {
        tracing::warn!("the gradient of {path} is zero in the first step");
    }
    Ok(zero)
}

struct Largest<'a> {
    gradients: &'a GradientsParams,
    found: Vec<(ParamId, f32)>,
}

impl ModuleVisitor for Largest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.found.push((param.id, gradient.abs().max().into_scalar::<f32>()));
        }
    }
}
