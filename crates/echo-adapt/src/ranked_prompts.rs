//! Regression without training, as EchoCLIP does it: a prompt for every value, ranked by similarity frame by frame.
//!
//! Christensen et al., Nature Medicine 2024: in every frame all prompts are ranked; the values are averaged over frames
//! rank by rank; the prediction is the median of the best fifth.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use echo_core::{Error, Prediction, Regression, TextEncoder, l2_normalize};

/// Share of the ranks whose median is the prediction.
const BEST: f64 = 0.2;

/// Prompts of all values.
#[derive(Module, Debug)]
pub struct RankedPrompts {
    /// Embeddings of length one, `[prompts, dim]`.
    prompts: Tensor<2>,
    #[module(skip)]
    values: Vec<f32>,
}

impl RankedPrompts {
    /// The templates of `regression` with each whole number of its range.
    ///
    /// # Errors
    /// A prompt is too long for the text encoder.
    pub fn new(regression: &Regression, text: &dyn TextEncoder, device: &Device) -> Result<Self, Error> {
        let (prompts, values) = value_prompts(regression, text, device)?;
        Ok(Self { prompts, values })
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
        let count = self.values.len();
        let steps = similarity.len() / count;
        let mut mean = vec![0.0f64; count];
        for frame in similarity.chunks(count) {
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by(|&a, &b| frame[b].total_cmp(&frame[a]));
            order.iter().zip(&mut mean).for_each(|(&index, mean)| *mean += f64::from(self.values[index]));
        }
        let mut best: Vec<f64> = mean.into_iter().take((BEST * count as f64) as usize).collect();
        best.sort_by(f64::total_cmp);
        // The lower of the two in the middle.
        (best[(best.len() - 1) / 2] / steps as f64) as f32
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
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for template in &regression.templates {
        for value in regression.whole_numbers() {
            let ids = text.tokenize(&template.replace("<#>", &value.to_string()))?;
            let length = ids.len();
            let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
            let words = text.words(Tensor::<2, Int>::from_data(TensorData::new(ids, [1, length]), device));
            rows.push(l2_normalize(text.encode_words(words, &[length])));
            values.push(value as f32);
        }
    }
    Ok((Tensor::cat(rows, 0), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_averaged_over_frames_and_the_lower_median_of_the_best_fifth_counts() {
        let values: Vec<f32> = (0..20).map(|value| value as f32).collect();
        let head = RankedPrompts { prompts: Tensor::zeros([20, 1], &Device::flex()), values };
        // Best first: 19, 18, 17, 16 in one frame and 0, 1, 2, 3 in the other: means 9.5 everywhere.
        let rising: Vec<f32> = (0..20).map(|value| value as f32).collect();
        let falling: Vec<f32> = rising.iter().map(|value| -value).collect();
        assert_eq!(head.value(&[rising.clone(), falling].concat()), 9.5);
        // 19, 18, 17, 16 alone: the lower median is 17.
        assert_eq!(head.value(&rising), 17.0);
    }
}
