//! Classification without training: sentences for every class or label, and the clip is of those it is most similar to
//! (Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::{Error, Prediction, Task, TextEncoder, embed_sentences, l2_normalize};

use crate::expected_prompts::LARGEST_SCALE;
use crate::prompt_head::Meaning;

/// Sentences of all classes or labels.
#[derive(Module, Debug)]
pub struct ClassPrompts {
    /// The mean of each class's sentences, at length one, `[classes, dim]`; of labels those that hold, then those that do
    /// not.
    prompts: Tensor<2>,
    /// Factor on similarities, `[1]`.
    scale: Tensor<1>,
    #[module(skip)]
    meaning: Meaning,
}

impl ClassPrompts {
    /// The sentences of a task's classes or labels.
    ///
    /// # Errors
    /// A sentence is too long for the text encoder.
    pub fn new(task: &Task, text: &dyn TextEncoder, device: &Device) -> Result<Self, Error> {
        let (meaning, wordings) = Meaning::of(task);
        let mut rows = Vec::with_capacity(wordings.len());
        for sentences in wordings {
            let embedded = embed_sentences(&sentences, text, device)?;
            rows.push(l2_normalize(embedded.mean_dim(0)));
        }
        let scale = text.logit_scale().clamp_max(LARGEST_SCALE).exp();
        Ok(Self { prompts: Tensor::cat(rows, 0), scale, meaning })
    }

    /// The mean of each class's sentences, at length one, `[classes, dim]`; of labels those that hold, then those that do not.
    pub fn prompts(&self) -> Tensor<2> {
        self.prompts.clone()
    }

    /// `[samples, clips, dim]` -> logits, each the mean over a sample's clips
    pub(crate) fn forward(&self, embedding: Tensor<3>) -> Prediction {
        let [samples, clips, dim] = embedding.dims();
        let rows = l2_normalize(embedding.reshape([samples * clips, dim]));
        let logits = rows.matmul(self.prompts.clone().transpose()) * self.scale.clone().unsqueeze();
        let read = self.meaning.read(logits, clips);
        match self.meaning {
            Meaning::Labels => Prediction::Labels(read),
            Meaning::Classes | Meaning::Ranks(_) => Prediction::Classes(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two samples of two clips each. With factor 2, similarities 1 and 0 in one clip and 0 and 1 in the other cancel.
    #[test]
    fn logits_are_means_over_clips_and_labels_are_differences() {
        let device = Device::flex();
        let clips = Tensor::<3>::from_floats([[[3.0, 0.0], [0.0, 5.0]], [[2.0, 0.0], [1.0, 0.0]]], &device);
        let head = |meaning| ClassPrompts {
            prompts: Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device),
            scale: Tensor::from_floats([2.0], &device),
            meaning,
        };
        let numbers = |prediction| match prediction {
            Prediction::Classes(logits) | Prediction::Labels(logits) => {
                logits.into_data().iter::<f32>().collect::<Vec<_>>()
            }
            Prediction::Values { .. } => Vec::new(),
        };
        assert_eq!(numbers(head(Meaning::Classes).forward(clips.clone())), [1.0, 1.0, 2.0, 0.0]);
        assert_eq!(numbers(head(Meaning::Labels).forward(clips)), [0.0, 2.0]);
    }
}
