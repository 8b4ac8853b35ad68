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
