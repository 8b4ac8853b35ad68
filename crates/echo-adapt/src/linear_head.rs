//! A linear map from an embedding to a value, or to the logits of classes or labels.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{Answer, Fitting, Kind, Prediction, Task, Truth, l2_normalize};

use crate::logistic::{logistic, logistic_of_labels};
use crate::ridge::ridge;

/// `value = centre + spread * (w . x + b)`, with `x` the embedding at a length of `sqrt(dim)`, or statistics over steps
/// as they are. Logits of classes and labels have centre 0 and spread 1.
///
/// The embedding's length is left out because encoders differ in it by orders of magnitude; centre and spread bring
/// the weights to order one, whatever the target's unit.
#[derive(Module, Debug)]
pub struct LinearHead {
    /// `[dim, outputs]`
    weight: Param<Tensor<2>>,
    /// `[outputs]`
    bias: Param<Tensor<1>>,
    #[module(skip)]
    kind: Kind,
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
    /// A head that predicts the middle of the ranks' values, or all classes alike, to be fitted as `start` says.
    pub fn new(dim: usize, task: &Task, start: LinearStart, device: &Device) -> Self {
        let (centre, spread) = match &task.answer {
            Answer::Classes(_) => (0.0, 1.0),
            Answer::Value(regression) => {
                let values: Vec<f64> = regression.ranks.values().into_iter().map(f64::from).collect();
                let centre = values.iter().sum::<f64>() / values.len() as f64;
                let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64;
                (centre, variance.sqrt())
            }
        };
        let outputs = task.outputs();
        Self {
            weight: Param::from_tensor(Tensor::zeros([dim, outputs], device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
            kind: task.kind(),
            centre,
            spread,
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

    /// Ridge regression of values, or logistic regression of classes and labels, on the mean of each sample's clips.
    ///
    /// # Panics
    /// When the truths are of another kind than the task.
    pub(crate) fn solve(self, embeddings: &[Tensor<3>], truths: &[Truth]) -> Self {
        let device = self.weight.val().device();
        let [dim, outputs] = self.weight.val().dims();
        let rows: Vec<f64> = embeddings
            .iter()
            .flat_map(|batch| self.scaled(batch.clone()).mean_dim(1).into_data().iter::<f32>().collect::<Vec<_>>())
            .map(f64::from)
            .collect();
        let (weight, bias) = match self.kind {
            Kind::Regression => {
                let values = truths.iter().map(|truth| f64::from(truth.value().expect("a value")));
                let targets: Vec<f64> = values.map(|value| (value - self.centre) / self.spread).collect();
                let fitted = ridge(&rows, dim, self.on_statistics.unwrap_or(0), &targets);
                tracing::debug!("ridge: strength {:.2e}, left-one-out error {:.3}", fitted.strength, fitted.error);
                (fitted.weights, vec![fitted.intercept])
            }
            Kind::MultiLabel => {
                let labels: Vec<&[Option<bool>]> = truths.iter().map(|truth| truth.labels().expect("labels")).collect();
                logistic_of_labels(&rows, dim, &labels)
            }
            Kind::Binary | Kind::SingleLabel | Kind::Ordinal => {
                let classes: Vec<usize> = truths.iter().map(|truth| truth.class().expect("a class")).collect();
                logistic(&rows, dim, &classes, outputs)
            }
        };
        let narrow = |numbers: Vec<f64>| numbers.into_iter().map(|number| number as f32).collect::<Vec<f32>>();
        Self {
            // Not new parameters: those that are to train go on being so.
            weight: self.weight.map(|_| Tensor::from_data(TensorData::new(narrow(weight), [dim, outputs]), &device)),
            bias: self.bias.map(|_| Tensor::from_data(TensorData::new(narrow(bias), [outputs]), &device)),
            ..self
        }
    }

    /// `[samples, clips, dim]` -> predictions, each the mean over a sample's clips
    pub(crate) fn forward(&self, embedding: Tensor<3>) -> Prediction {
        let [samples, clips, dim] = embedding.dims();
        let [_, outputs] = self.weight.val().dims();
        let rows = self.scaled(embedding).reshape([samples * clips, dim]);
        let linear = rows.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        let mean = |linear: Tensor<2>| linear.reshape([samples, clips, outputs]).mean_dim(1).squeeze_dim::<2>(1);
        match self.kind {
            Kind::Regression => {
                let value = linear * self.spread as f32 + self.centre as f32;
                let value = value.reshape([samples, clips]).mean_dim(1).squeeze_dim(1);
                Prediction::Values { value, ranks: None }
            }
            Kind::MultiLabel => Prediction::Labels(mean(linear)),
            Kind::Binary | Kind::SingleLabel | Kind::Ordinal => Prediction::Classes(mean(linear)),
        }
    }

    /// Embeddings at a length of `sqrt(dim)`: values of order one.
    fn scaled(&self, embedding: Tensor<3>) -> Tensor<3> {
        let [_, _, dim] = embedding.dims();
        if self.on_statistics.is_some() { embedding } else { l2_normalize(embedding) * (dim as f32).sqrt() }
    }
}
