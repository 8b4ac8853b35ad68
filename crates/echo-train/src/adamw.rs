//! AdamW with the arithmetic and defaults of PyTorch's `torch.optim.AdamW`: betas 0.9 and 0.999, epsilon 1e-8 (Burn's is
//! 1e-5).

use burn::optim::{AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor};
use echo_kernels::{AdamWStep, adamw};

/// AdamW.
#[derive(Clone, Debug)]
pub(crate) struct AdamW {
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
        let step = AdamWStep { lr, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: self.weight_decay, time };
        let (tensor, [mean, square]) = adamw(tensor, grad, moments, step);
        (tensor, Some(AdamWState::new(AdaptiveMomentumState::new(time, mean, square))))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quadratic bowl of two parameters.
    ///
    /// The numbers are torch 2's: `p = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))`,
    /// `opt = torch.optim.AdamW([p], lr=0.1, weight_decay=0.01)`, loss `(p * p * torch.tensor([1.0, 3.0])).sum()`.
    #[test]
    fn every_step_is_that_of_torch() {
        let device = Device::flex();
        let optimizer = AdamW { weight_decay: 0.01 };
        let scale = Tensor::<1>::from_floats([2.0, 6.0], &device);
        let mut tensor = Tensor::<1>::from_floats([1.0, -2.0], &device);
        let mut state = None;
        for (index, expected) in TORCH.iter().enumerate() {
            let grad = tensor.clone() * scale.clone();
            (tensor, state) = optimizer.step(0.1, tensor, grad, state);
            let found: Vec<f32> = tensor.to_data().iter::<f32>().collect();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-6, "step {}: {found} instead of {expected}", index + 1);
            }
        }
    }

    const TORCH: [[f32; 2]; 6] = [
        [0.899, -1.898],
        [0.798519, -1.796273],
        [0.6989112, -1.694945],
        [0.6005986, -1.594153],
        [0.5040801, -1.494046],
        [0.4099384, -1.394782],
    ];
}
