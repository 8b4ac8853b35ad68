//! Regression without training, as EchoCLIP does it: a prompt for every value, ranked by similarity frame by frame.
//!
//! Christensen et al., Nature Medicine 2024: in every frame all prompts are ranked; the values are averaged over frames
//! rank by rank; the prediction is the median of the best fifth.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_clinical::zero_shot::ranked_value;
use echo_core::{Error, Prediction, Regression, TextEncoder, embed_sentences, l2_normalize};

/// Prompts of all values.
#[derive(Module, Debug)]
pub struct RankedPrompts {
    /// Embeddings of length one, `[prompts, dim]`.
    prompts: Tensor<2>,
    #[module(skip)]
    values: Vec<f64>,
}

impl RankedPrompts {
    /// The templates of `regression` with each whole number of its range.
    ///
    /// # Errors
    /// A prompt is too long for the text encoder.
    pub fn new(regression: &Regression, text: &dyn TextEncoder, device: &Device) -> Result<Self, Error> {
        let (prompts, values) = value_prompts(regression, text, device)?;
        Ok(Self { prompts, values: values.into_iter().map(f64::from).collect() })
    }

    /// - tokens: `[videos * clips, steps, dim]`
    /// - output: `value` `[videos]`, the mean over a video's clips
    pub(crate) fn forward(&self, tokens: Tensor<3>, clips: usize) -> Prediction {
        let device = tokens.device();
        let [all, steps, dim] = tokens.dims();
        let rows = l2_normalize(tokens.reshape([all * steps, dim]));
        let similarity: Vec<f32> = rows.matmul(self.prompts.clone().transpose()).into_data().iter::<f32>().collect();
        let per_clip = similarity.chunks(steps * self.values.len()).map(|clip| self.value(clip));
        let per_clip: Vec<f32> = per_clip.collect();
        let value = per_clip.chunks(clips).map(|clips| clips.iter().sum::<f32>() / clips.len() as f32);
        let value = Tensor::from_floats(value.collect::<Vec<f32>>().as_slice(), &device);
        Prediction::Values { value, ranks: None }
    }

    /// The prediction of one clip, from the similarities of its steps to all prompts.
    fn value(&self, similarity: &[f32]) -> f32 {
        ranked_value(similarity.chunks(self.values.len()), &self.values) as f32
    }
}

/// Embeddings of length one `[prompts, dim]` of each template with `<#>` replaced by every whole number of the range, one
/// template after the other, and those numbers.
///
/// # Errors
/// A prompt is too long for the text encoder.
pub(crate) fn value_prompts(
    regression: &Regression,
    text: &dyn TextEncoder,
    device: &Device,
) -> Result<(Tensor<2>, Vec<f32>), Error> {
    let (mut prompts, mut values) = (Vec::new(), Vec::new());
    for template in &regression.templates {
        for value in regression.whole_numbers() {
            prompts.push(template.replace("<#>", &value.to_string()));
            values.push(value as f32);
        }
    }
    Ok((embed_sentences(&prompts, text, device)?, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_clip_is_ranked() {
        let head = RankedPrompts {
            prompts: Tensor::zeros([20, 1], &Device::flex()),
            values: (0..20).map(f64::from).collect(),
        };
        let rising: Vec<f32> = (0..20).map(|value| value as f32).collect();
        let falling: Vec<f32> = rising.iter().map(|value| -value).collect();
        assert_eq!((head.value(&rising), head.value(&[rising.clone(), falling].concat())), (17.0, 9.5));
    }
}
