//! A linear map from an embedding to the target.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{Fitting, Prediction, RankSpec, l2_normalize};

use crate::ridge::ridge;

/// `value = centre + spread * (w . x + b)`, with `x` the embedding at a length of `sqrt(dim)`, or statistics over steps
/// as they are.
///
/// The embedding's length is left out because encoders differ in it by orders of magnitude; centre and spread bring
/// the weights to order one, whatever the target's unit.
#[derive(Module, Debug)]
pub struct LinearHead {
    /// `[dim, 1]`
    weight: Param<Tensor<2>>,
    /// `[1]`
    bias: Param<Tensor<1>>,
    #[module(skip)]
    centre: f64,
    #[module(skip)]
    spread: f64,
    #[module(skip)]
    start: LinearStart,
    /// Whether it stands on statistics, whose length means something, and how many values before them are not shrunk.
    #[module(skip)]
    on_statistics: Option<usize>,
}

/// How a linear head comes to its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearStart {
    /// At once, for good.
    Solved,
    /// At once, and by descent from there.
    SolvedFirst,
    /// By descent from zero.
    Zero,
}

impl LinearHead {
    /// A head that predicts the middle of the ranks' values, to be fitted as `start` says.
    pub fn new(dim: usize, ranks: &RankSpec, start: LinearStart, device: &Device) -> Self {
        let values: Vec<f64> = ranks.values().into_iter().map(f64::from).collect();
        let centre = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64;
        Self {
            weight: Param::from_tensor(Tensor::zeros([dim, 1], device)),
            bias: Param::from_tensor(Tensor::zeros([1], device)),
            centre,
            spread: variance.sqrt(),
            start,
            on_statistics: None,
        }
    }

    /// The same on statistics over steps, which are of order one already, behind `free` values that ridge regression does
    /// not shrink.
    pub(crate) fn on_statistics(self, free: usize) -> Self {
        Self { on_statistics: Some(free), ..self }
    }

    pub(crate) fn fitting(&self) -> Fitting {
        if self.start == LinearStart::Solved { Fitting::ClosedForm } else { Fitting::Gradient }
    }

    pub(crate) fn solves_first(&self) -> bool {
        self.start == LinearStart::SolvedFirst
    }

    /// Ridge regression of the targets on the mean of each video's clips.
    pub(crate) fn solve(self, embeddings: &[Tensor<3>], targets: &[f32]) -> Self {
        let device = self.weight.val().device();
        let [dim, _] = self.weight.val().dims();
        let rows: Vec<f64> = embeddings
            .iter()
            .flat_map(|batch| self.scaled(batch.clone()).mean_dim(1).into_data().iter::<f32>().collect::<Vec<_>>())
            .map(f64::from)
            .collect();
        let targets: Vec<f64> = targets.iter().map(|&target| (f64::from(target) - self.centre) / self.spread).collect();
        let fitted = ridge(&rows, dim, self.on_statistics.unwrap_or(0), &targets);
        let weight: Vec<f32> = fitted.weights.iter().map(|&weight| weight as f32).collect();
        tracing::debug!("ridge: strength {:.2e}, left-one-out error {:.3}", fitted.strength, fitted.error);
        Self {
            // Not new parameters: those that are to train go on being so.
            weight: self.weight.map(|_| Tensor::from_data(TensorData::new(weight, [dim, 1]), &device)),
            bias: self.bias.map(|_| Tensor::from_floats([fitted.intercept as f32], &device)),
            ..self
        }
    }

    /// `[videos, clips, dim]` -> `[videos]`
    pub(crate) fn forward(&self, embedding: Tensor<3>) -> Prediction {
        let [videos, clips, dim] = embedding.dims();
        let rows = self.scaled(embedding).reshape([videos * clips, dim]);
        let linear = rows.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        let value = linear * self.spread as f32 + self.centre as f32;
        Prediction { value: value.reshape([videos, clips]).mean_dim(1).squeeze_dim(1), logits: None }
    }

    /// Embeddings at a length of `sqrt(dim)`: values of order one.
    fn scaled(&self, embedding: Tensor<3>) -> Tensor<3> {
        let [_, _, dim] = embedding.dims();
        if self.on_statistics.is_some() { embedding } else { l2_normalize(embedding) * (dim as f32).sqrt() }
    }
}
