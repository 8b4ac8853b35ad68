//! Which parameters an adapter has and which of them train.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// One parameter tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its place in the module, joined by dots.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it trains.
    pub trainable: bool,
    pub(crate) id: ParamId,
}

impl Parameter {
    /// Number of values.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// All floating-point parameters of `module`, in its order.
pub fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    // Only on an autodiff device do tensors say whether they require gradients.
    let mut lister = Lister { path: Vec::new(), found: Vec::new() };
    module.clone().train().visit(&mut lister);
    lister.found
}

struct Lister {
    path: Vec<String>,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push(Parameter {
            path: self.path.join("."),
            shape: param.lazy_shape().to_vec(),
            trainable: param.is_require_grad(),
            id: param.id,
        });
    }
}
