//! Batch normalisation (Ioffe and Szegedy, ICML 2015) with its running statistics: in training as in inference.
//!
//! Few-shot batches are too small to estimate statistics, and a clip's embedding must not depend on what else is in its batch. So
//! statistics never change, and the norm is an affine map, which is folded into the convolution before it. Its weight and
//! bias train.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param, ParamId,
};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

/// Epsilon of every norm.
const EPSILON: f64 = 1e-5;

/// A batch norm whose statistics stay as they are. Fields are named as in PyTorch.
#[derive(Module, Debug)]
pub struct FrozenBatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    running_mean: Statistic,
    running_var: Statistic,
}

impl FrozenBatchNorm {
    /// A norm that changes nothing but for its epsilon.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            running_mean: Statistic::new(Tensor::zeros([channels], device)),
            running_var: Statistic::new(Tensor::ones([channels], device)),
        }
    }

    /// A convolution without bias and this norm after it, as one convolution: its weight and its bias.
    ///
    /// - weight: `[channels, inputs]`
    pub fn fold(&self, weight: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let scale = self.weight.val() / (self.running_var.value() + EPSILON).sqrt();
        let bias = self.bias.val() - self.running_mean.value() * scale.clone();
        (weight * scale.unsqueeze_dim::<2>(1), bias)
    }
}

/// A vector that is saved and loaded like a parameter and never trains.
///
/// Burn's `RunningState` shares its values with its clones: to move one to another device moves all.
#[derive(Clone, Debug)]
struct Statistic {
    id: ParamId,
    value: Tensor<1>,
}

impl Statistic {
    fn new(value: Tensor<1>) -> Self {
        Self { id: ParamId::new(), value }
    }

    fn value(&self) -> Tensor<1> {
        self.value.clone()
    }

    fn with(self, value: Tensor<1>) -> Self {
        Self { id: self.id, value }
    }
}

impl Module for Statistic {
    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        visitor.visit_float(&Param::initialized(self.id, self.value()));
    }
    /// A mapper may change the values, but not make them train.
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let (_, value, _) = mapper.map_float(Param::initialized(self.id, self.value())).consume();
        self.with(value.set_require_grad(false))
    }
    fn to_device(self, device: &Device) -> Self {
        let value = self.value().to_device(device);
        self.with(value)
    }
    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }
    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.value.device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }
    fn valid(&self) -> Self {
        let value = self.value().without_autodiff();
        self.clone().with(value)
    }
    fn train(self) -> Self {
        let value = Tensor::from_inner(self.value());
        self.with(value)
    }
    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Statistic {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"Statistic".to_owned()).optional()
    }
    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for Statistic {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values other than those it is built with.
    fn norm(device: &Device) -> FrozenBatchNorm {
        let vector = |values: [f32; 2]| Tensor::<1>::from_floats(values, device);
        FrozenBatchNorm {
            weight: Param::from_tensor(vector([2.0, -3.0])),
            bias: Param::from_tensor(vector([0.5, 1.0])),
            running_mean: Statistic::new(vector([4.0, -1.0])),
            running_var: Statistic::new(vector([0.25, 9.0])),
        }
    }

    fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    #[test]
    fn folded_it_gives_what_it_would_give_after_the_convolution() {
        let (weight, bias) = norm(&Device::flex()).fold(Tensor::from_data([[7.0], [5.0]], &Device::flex()));
        // By hand: 2 (7 - 4) / 0.5 + 0.5 and -3 (5 + 1) / 3 + 1.
        let found = numbers(weight.reshape([2]) + bias);
        assert!(found.iter().zip([12.5, -5.0]).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
    }

    #[test]
    fn statistics_are_saved_and_do_not_train() {
        let device = Device::flex().autodiff();
        let trained = norm(&device).unfreeze().train();
        let (weight, bias) = trained.fold(Tensor::ones([2, 1], &device));
        let gradients = (weight.sum() + bias.sum()).backward();
        assert!(trained.weight.grad(&gradients).is_some() && trained.bias.grad(&gradients).is_some());
        struct Trains(Vec<bool>);
        impl ModuleVisitor for Trains {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.push(param.is_require_grad());
            }
        }
        let mut trains = Trains(Vec::new());
        trained.visit(&mut trains);
        assert_eq!(trains.0, [true, true, false, false]);
    }

    #[test]
    fn a_clone_is_on_its_own() {
        struct Zeros;
        impl ModuleMapper for Zeros {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|tensor| tensor.zeros_like())
            }
        }
        let one = norm(&Device::flex());
        let other = one.clone().map(&mut Zeros);
        assert_eq!(numbers(other.running_var.value()), [0.0, 0.0]);
        assert_eq!(numbers(one.running_var.value()), [0.25, 9.0]);
    }
}
