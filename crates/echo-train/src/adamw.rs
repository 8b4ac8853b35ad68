//! AdamW with the arithmetic and defaults of PyTorch's `torch.optim.AdamW`: epsilon 1e-8 (Burn's is 1e-5).

use burn::optim::{AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor};
use echo_kernels::{AdamWStep, adamw};

/// AdamW.
#[derive(Clone, Debug)]
pub(crate) struct AdamW {
    pub(crate) betas: [f64; 2],
    pub(crate) weight_decay: f64,
}

impl Optimizer for AdamW {
    /// What Burn's own remembers.
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (time, moments) = match state {
            Some(AdamWState { momentum }) => (momentum.time + 1, [momentum.moment_1, momentum.moment_2]),
            None => (1, [grad.zeros_like(), grad.zeros_like()]),
        };
        let step = AdamWStep { lr, betas: self.betas, epsilon: 1e-8, weight_decay: self.weight_decay, time };
        let (tensor, [mean, square]) = adamw(tensor, grad, moments, step);
        (tensor, Some(AdamWState::new(AdaptiveMomentumState::new(time, mean, square))))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}
