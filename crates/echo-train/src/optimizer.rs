//! From a recipe's optimizer to one that steps a module, with a learning rate for each group of parameters.
//!
//! Burn's own `ModuleOptimizer` keeps its states under parameter ids, which differ from process to process, and restores
//! them on the default device; this one keeps them under paths and restores them where the parameters are.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{DynOptimizer, DynState, GradientsParams, Optimizer, Sgd, SgdConfig, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use echo_core::ParameterRole;
use serde::{Deserialize, Serialize};

use crate::adamw::AdamW;
use crate::radam::RAdam;
use crate::{OptimizerConfig, Parameter, RateFactors};

enum Kind {
    Sgd(Sgd),
    AdamW(AdamW),
    RAdam(RAdam),
}

/// An optimizer with what it remembers of every parameter.
pub(crate) struct Stepper {
    kind: Kind,
    /// By path: factor on the learning rate.
    factors: BTreeMap<String, f64>,
    /// By path.
    states: BTreeMap<String, DynState>,
}

/// What an optimizer remembers, as data.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Paths with the number of axes of their parameters.
    ranks: BTreeMap<String, usize>,
    counters: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(crate) tensors: Vec<(String, TensorData)>,
}

impl Stepper {
    /// For the parameters `trainable`, each with a factor on its learning rate.
    pub(crate) fn new(config: &OptimizerConfig, trainable: &[Parameter], factor: impl Fn(&str) -> f64) -> Self {
        let factors = trainable.iter().map(|parameter| (parameter.path.clone(), factor(&parameter.path))).collect();
        Self { kind: kind(config), factors, states: BTreeMap::new() }
    }

    /// One step of the parameters that have a gradient.
    pub(crate) fn step<M: Module>(&mut self, lr: f64, module: M, gradients: GradientsParams) -> M {
        let Self { kind, factors, states } = self;
        let step = Step { lr, factors, states, gradients, path: Vec::new(), optimizer: () };
        match kind {
            Kind::Sgd(optimizer) => module.map(&mut step.with(optimizer)),
            Kind::AdamW(optimizer) => module.map(&mut step.with(optimizer)),
            Kind::RAdam(optimizer) => module.map(&mut step.with(optimizer)),
        }
    }

    fn dynamic(&self) -> &dyn DynOptimizer {
        match &self.kind {
            Kind::Sgd(optimizer) => optimizer,
            Kind::AdamW(optimizer) => optimizer,
            Kind::RAdam(optimizer) => optimizer,
        }
    }

    /// What it remembers.
    pub(crate) fn memory(&self) -> Memory {
        let mut sink = StateSink::default();
        for (path, state) in &self.states {
            self.dynamic().state_flatten(path, state, &mut sink);
        }
        let counter = |(name, value)| Some((name, u64::try_from(value).ok()?));
        Memory {
            ranks: self.states.iter().map(|(path, state)| (path.clone(), state.rank())).collect(),
            counters: sink.scalars.into_iter().filter_map(counter).collect(),
            tensors: sink.tensors,
        }
    }

    /// Remembers what another one did.
    ///
    /// # Errors
    /// The path of a parameter for which something is missing.
    pub(crate) fn remember(&mut self, memory: Memory, device: &Device) -> Result<(), String> {
        let counters = memory.counters.into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut source = StateSource::new(counters);
        memory.tensors.into_iter().for_each(|(name, data)| source.insert_tensor(name, data));
        let mut states = BTreeMap::new();
        for (path, rank) in memory.ranks {
            let state = self.dynamic().state_unflatten(rank, &path, &mut source, device);
            let state = state.ok_or_else(|| format!("the optimizer's state of {path} is incomplete"))?;
            states.insert(path, state);
        }
        self.states = states;
        Ok(())
    }
}

struct Step<'a, O> {
    optimizer: O,
    lr: f64,
    factors: &'a BTreeMap<String, f64>,
    states: &'a mut BTreeMap<String, DynState>,
    gradients: GradientsParams,
    path: Vec<String>,
}

impl<'a> Step<'a, ()> {
    fn with<O: Optimizer>(self, optimizer: &'a O) -> Step<'a, &'a O> {
        let Step { lr, factors, states, gradients, path, .. } = self;
        Step { optimizer, lr, factors, states, gradients, path }
    }
}

impl<O: Optimizer> ModuleMapper for Step<'_, &O> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let path = self.path.join(".");
        let factor = self.factors.get(&path).copied().unwrap_or(0.0);
        let gradient = self.gradients.remove::<D>(id).filter(|_| factor > 0.0);
        let tensor = match gradient {
            None => tensor,
            Some(gradient) => {
                let state = self.states.remove(&path).map(DynState::downcast::<O::State<D>>);
                let (updated, state) = self.optimizer.step(self.lr * factor, tensor.inner(), gradient, state);
                if let Some(state) = state {
                    self.states.insert(path, DynState::create(state, D));
                }
                Tensor::from_inner(updated).require_grad()
            }
        };
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// The factor on the learning rate of parameters with this role.
pub(crate) fn factor(rates: &RateFactors, role: ParameterRole) -> f64 {
    match role {
        ParameterRole::Encoder => rates.encoder,
        ParameterRole::Text => rates.text,
        ParameterRole::Head => rates.head,
    }
}

fn kind(config: &OptimizerConfig) -> Kind {
    match *config {
        OptimizerConfig::Sgd { momentum, weight_decay, .. } => {
            let mut sgd = SgdConfig::new();
            if momentum > 0.0 {
                let momentum = MomentumConfig { momentum, dampening: 0.0, nesterov: false };
                sgd = sgd.with_momentum(Some(momentum));
            }
            if weight_decay > 0.0 {
                sgd = sgd.with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)));
            }
            Kind::Sgd(sgd.build())
        }
        OptimizerConfig::AdamW { weight_decay, betas, .. } => Kind::AdamW(AdamW { betas, weight_decay }),
        OptimizerConfig::RAdam { weight_decay, .. } => Kind::RAdam(RAdam { weight_decay }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds an optimizer's steps at a rate of 0.1 in a quadratic bowl of two parameters against those of torch 2 on
    /// `p = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))`, loss `(p * p * torch.tensor([1.0, 3.0])).sum()`.
    fn assert_steps(optimizer: &impl Optimizer, torch: &[[f32; 2]]) {
        let device = Device::flex();
        let scale = Tensor::<1>::from_floats([2.0, 6.0], &device);
        let mut tensor = Tensor::<1>::from_floats([1.0, -2.0], &device);
        let mut state = None;
        for (index, expected) in torch.iter().enumerate() {
            let grad = tensor.clone() * scale.clone();
            (tensor, state) = optimizer.step(0.1, tensor, grad, state);
            let found: Vec<f32> = tensor.to_data().iter::<f32>().collect();
            for (found, expected) in found.iter().zip(expected) {
                // Sums in 32 bits.
                assert!((found - expected).abs() < 2e-6, "step {}: {found} instead of {expected}", index + 1);
            }
        }
    }

    /// By `torch.optim.AdamW([p], lr=0.1, weight_decay=0.01)`, and with `betas=(0.9, 0.98)`.
    #[test]
    fn every_step_of_adamw_is_that_of_torch() {
        assert_steps(&AdamW { betas: OptimizerConfig::BETAS, weight_decay: 0.01 }, &ADAMW);
        assert_steps(&AdamW { betas: [0.9, 0.98], weight_decay: 0.01 }, &ADAMW_OF_OTHER_BETAS);
    }

    /// By `torch.optim.RAdam([p], lr=0.1, weight_decay=0.01)`: the first five of twelve steps are not rectified.
    #[test]
    fn every_step_of_radam_is_that_of_torch() {
        assert_steps(&RAdam { weight_decay: 0.01 }, &RADAM);
    }

    const ADAMW: [[f32; 2]; 6] = [
        [0.899, -1.898],
        [0.798519, -1.796273],
        [0.6989112, -1.694945],
        [0.6005986, -1.594153],
        [0.5040801, -1.494046],
        [0.4099384, -1.394782],
    ];

    const ADAMW_OF_OTHER_BETAS: [[f32; 2]; 6] = [
        [0.899, -1.898],
        [0.7984683, -1.7962475],
        [0.69872, -1.6948512],
        [0.6001364, -1.5939293],
        [0.5031755, -1.4936103],
        [0.4083841, -1.3940333],
    ];

    const RADAM: [[f32; 2]; 12] = [
        [0.799_000, -0.798_000],
        [0.619_263_7, 0.023_788_42],
        [0.459_920_1, 0.537_058_3],
        [0.320_029_75, 0.807_222_06],
        [0.198_591_78, 0.892_944_9],
        [0.196_466_1, 0.892_748_4],
        [0.193_921_24, 0.891_989_5],
        [0.191_048_7, 0.890_630_4],
        [0.187_904_92, 0.888_670_4],
        [0.184_528_1, 0.886_125_1],
        [0.180_945_88, 0.883_017_3],
        [0.177_179_29, 0.879_372_4],
    ];
}
