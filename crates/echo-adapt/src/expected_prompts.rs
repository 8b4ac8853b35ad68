//! Regression without training from the clip's embedding: a prompt for every value, and the mean of the values that a
//! softmax over similarities expects.
//!
//! Where [`RankedPrompts`](crate::ranked_prompts::RankedPrompts) look at frames one by one, this looks at what the encoder makes of them
//! together, so a value that no single frame shows can be read.

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use echo_core::{Error, Prediction, Regression, TextEncoder, l2_normalize};

use crate::ranked_prompts::value_prompts;

/// CLIP's limit on the factor on similarities, 100, as its natural logarithm.
pub(crate) const LARGEST_SCALE: f64 = 4.605_170_185_988_092;

/// Prompts of all values, in one or more wordings.
#[derive(Module, Debug)]
pub struct ExpectedPrompts {
    /// Embeddings of length one, one wording after the other, `[wordings * values, dim]`.
    prompts: Tensor<2>,
    /// Factor on similarities, `[1]`.
    scale: Tensor<1>,
    #[module(skip)]
    values: Vec<f32>,
}

impl ExpectedPrompts {
    /// The templates of `regression` with each whole number of its range.
    ///
    /// # Errors
    /// A prompt is too long for the text encoder.
    pub fn new(regression: &Regression, text: &dyn TextEncoder, device: &Device) -> Result<Self, Error> {
        let (prompts, values) = value_prompts(regression, text, device)?;
        let scale = text.logit_scale().clamp_max(LARGEST_SCALE).exp();
        Ok(Self { prompts, scale, values: values[..values.len() / regression.templates.len().max(1)].to_vec() })
    }

    /// `[videos, clips, dim]` -> `value` `[videos]`, the mean over wordings and over a video's clips
    pub(crate) fn forward(&self, embedding: Tensor<3>) -> Prediction {
        let [videos, clips, dim] = embedding.dims();
        let [prompts, _] = self.prompts.dims();
        let wordings = prompts / self.values.len();
        let rows = l2_normalize(embedding.reshape([videos * clips, dim]));
        let logits = rows.matmul(self.prompts.clone().transpose()) * self.scale.clone().unsqueeze();
        let weights = softmax(logits.reshape([videos * clips, wordings, self.values.len()]), 2);
        let values = Tensor::<1>::from_floats(self.values.as_slice(), &weights.device());
        let expected = (weights * values.unsqueeze()).sum_dim(2).reshape([videos, clips * wordings]);
        Prediction::Values { value: expected.mean_dim(1).squeeze_dim(1), ranks: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values 0 and 10 in two wordings. With factor ln 3 and similarities 1 and 0, the first wording expects 3/4 of 0
    /// and 1/4 of 10; the second, which has its prompts exchanged, the opposite; the second clip is at right angles to
    /// all but the last prompt of the second wording.
    #[test]
    fn the_value_is_the_mean_that_a_softmax_over_values_expects() {
        let device = Device::flex();
        let prompts =
            Tensor::from_floats([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], &device);
        let scale = Tensor::from_floats([3f32.ln()], &device);
        let head = ExpectedPrompts { prompts: prompts.clone(), scale: scale.clone(), values: vec![0.0, 10.0] };
        let value = |head: &ExpectedPrompts, embedding: Tensor<3>| -> Vec<f32> {
            head.forward(embedding).into_values().unwrap().into_data().iter::<f32>().collect()
        };
        // Its length does not matter.
        let along = Tensor::<3>::from_floats([[[7.0, 0.0, 0.0]]], &device);
        assert!((value(&head, along.clone())[0] - 5.0).abs() < 1e-5);
        let first = ExpectedPrompts { prompts: prompts.narrow(0, 0, 2), scale, values: vec![0.0, 10.0] };
        assert!((value(&first, along)[0] - 2.5).abs() < 1e-5);
        // Two videos of two clips: 2.5 and 7.5, then 5 (at right angles) twice.
        let videos = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]];
        let found = value(&first, Tensor::from_floats(videos, &device));
        assert!((found[0] - 5.0).abs() < 1e-5 && (found[1] - 5.0).abs() < 1e-5, "{found:?}");
        let videos = [[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]];
        let found = value(&first, Tensor::from_floats(videos, &device));
        assert!((found[0] - 2.5).abs() < 1e-5 && (found[1] - 6.25).abs() < 1e-5, "{found:?}");
    }
}
