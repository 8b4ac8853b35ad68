//! NumCLIP's refinement of ranks' values: `v_k / (1 + delta_k)` with `delta = tanh(W2 relu(W1 logits))`.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use echo_core::RankSpec;
use echo_nn::linear;
use serde::Deserialize;

use crate::start::random_linear;

/// The network is as many times wider than there are ranks.
const WIDENING: usize = 2;

/// What is refined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RefinedValues {
    /// Where each rank begins, as in the paper: the first begins at zero, which no factor moves.
    Starts,
    /// The ranks' own values.
    Middles,
}

/// The refinement.
#[derive(Module, Debug)]
pub struct Refinement {
    first: Linear,
    /// Zero at first, so that values start as they are.
    second: Linear,
    /// `[ranks]`
    values: Tensor<1>,
}

impl Refinement {
    pub(crate) fn new(ranks: &RankSpec, values: RefinedValues, seed: u64, device: &Device) -> Self {
        let count = ranks.ranks.len();
        let starts = std::iter::once(0.0).chain(ranks.ranks.iter().map(|rank| rank.up_to as f32 + 1.0)).take(count);
        let values: Vec<f32> = match values {
            RefinedValues::Starts => starts.collect(),
            RefinedValues::Middles => ranks.values(),
        };
        Self {
            first: random_linear(count, WIDENING * count, seed, "adapt/refinement", device),
            second: zero(linear(WIDENING * count, count, device)),
            values: Tensor::from_floats(values.as_slice(), device),
        }
    }

    /// `[batch, ranks]` -> each rank's value, `[batch, ranks]`
    pub(crate) fn forward(&self, logits: Tensor<2>) -> Tensor<2> {
        let delta = self.second.forward(relu(self.first.forward(logits))).tanh();
        self.values.clone().unsqueeze() / (delta + 1.0)
    }
}

fn zero(layer: Linear) -> Linear {
    Linear {
        weight: layer.weight.map(|weight| weight.zeros_like()),
        bias: layer.bias.map(|bias| bias.map(|bias| bias.zeros_like())),
    }
}

#[cfg(test)]
mod tests {
    use echo_core::Rank;

    use super::*;

    #[test]
    fn values_are_divided_by_one_more_than_delta() {
        let device = Device::flex();
        let rank = |up_to, value| Rank { up_to, value, prompt: "a".to_owned() };
        let ranks = RankSpec { ranks: vec![rank(30, 15.0), rank(100, 60.0)] };
        let logits = Tensor::<2>::from_floats([[1.0, -2.0]], &device);
        let values = |refinement: &Refinement| -> Vec<f32> {
            refinement.forward(logits.clone()).into_data().iter::<f32>().collect()
        };
        let mut refinement = Refinement::new(&ranks, RefinedValues::Starts, 1, &device);
        assert_eq!(values(&refinement), [0.0, 31.0]);
        refinement = Refinement::new(&ranks, RefinedValues::Middles, 1, &device);
        assert_eq!(values(&refinement), [15.0, 60.0]);
        refinement.second.bias = refinement.second.bias.map(|bias| bias.map(|bias| bias + 0.5f32.atanh()));
        let refined = values(&refinement);
        assert!((refined[0] - 10.0).abs() < 1e-4 && (refined[1] - 40.0).abs() < 1e-4, "{refined:?}");
    }
}
