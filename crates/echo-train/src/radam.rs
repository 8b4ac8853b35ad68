//! RAdam: Adam whose step is rectified while its variance is estimated from few gradients.
//!
//! Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020; arithmetic and defaults are those
//! of PyTorch's `torch.optim.RAdam`: betas 0.9 and 0.999, epsilon 1e-8 outside the root, decay added to the gradient.

use burn::optim::{AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The variance is used once its estimate has as many degrees of freedom.
const TRACTABLE: f64 = 5.0;

/// RAdam.
#[derive(Clone, Debug)]
pub(crate) struct RAdam {
    pub(crate) weight_decay: f64,
}

impl Optimizer for RAdam {
    /// What Adam remembers.
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let grad = if self.weight_decay > 0.0 { grad + tensor.clone() * self.weight_decay } else { grad };
        let (time, mean, square) = match state {
            Some(state) => (state.time + 1, state.moment_1, state.moment_2),
            None => (1, grad.zeros_like(), grad.zeros_like()),
        };
        let mean = mean * BETA_1 + grad.clone() * (1.0 - BETA_1);
        let square = square * BETA_2 + grad.square() * (1.0 - BETA_2);

        let steps = time as f64;
        let decayed = BETA_2.powf(steps);
        let most = 2.0 / (1.0 - BETA_2) - 1.0;
        let freedom = most - 2.0 * steps * decayed / (1.0 - decayed);
        let corrected = mean.clone() / (1.0 - BETA_1.powf(steps));
        let update = if freedom > TRACTABLE {
            let rectified = ((freedom - 4.0) * (freedom - 2.0) * most / ((most - 4.0) * (most - 2.0) * freedom)).sqrt();
            corrected * (rectified * (1.0 - decayed).sqrt()) / (square.clone().sqrt() + EPSILON)
        } else {
            corrected
        };
        (tensor - update * lr, Some(AdaptiveMomentumState::new(time, mean, square)))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quadratic bowl of two parameters, twelve steps: the first five are not rectified.
    ///
    /// The numbers are torch 2's: `p = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))`,
    /// `opt = torch.optim.RAdam([p], lr=0.1, weight_decay=0.01)`, loss `(p * p * torch.tensor([1.0, 3.0])).sum()`.
    #[test]
    fn every_step_is_that_of_torch() {
        let device = Device::flex();
        let radam = RAdam { weight_decay: 0.01 };
        let scale = Tensor::<1>::from_floats([2.0, 6.0], &device);
        let mut tensor = Tensor::<1>::from_floats([1.0, -2.0], &device);
        let mut state = None;
        for (index, expected) in TORCH.iter().enumerate() {
            let grad = tensor.clone() * scale.clone();
            (tensor, state) = radam.step(0.1, tensor, grad, state);
            let found: Vec<f32> = tensor.to_data().iter::<f32>().collect();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-6, "step {}: {found} instead of {expected}", index + 1);
            }
        }
    }

    const TORCH: [[f32; 2]; 12] = [
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
