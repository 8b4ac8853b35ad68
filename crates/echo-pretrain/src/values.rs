//! Prompts of every value: what a clip embedding is compared with to read a measurement from it.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use echo_core::{TextEncoder, padded_ids};
use echo_random::Stream;

use crate::PretrainError;
use crate::captions::PLACE;
use crate::contrastive::similarities;

/// Token ids of templates with every value in them.
#[derive(Clone, Debug)]
pub(crate) struct ValuePrompts {
    /// By template, then by value.
    ids: Vec<Vec<Vec<u32>>>,
    values: Vec<f32>,
}

impl ValuePrompts {
    pub(crate) fn new(
        templates: &[impl AsRef<str>],
        values: &[u32],
        text: &dyn TextEncoder,
    ) -> Result<Self, PretrainError> {
        let of_template = |template: &str| -> Result<Vec<Vec<u32>>, echo_core::Error> {
            values.iter().map(|value| text.tokenize(&template.replace(PLACE, &value.to_string()))).collect()
        };
        let ids = templates.iter().map(|template| of_template(template.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { ids, values: values.iter().map(|&value| value as f32).collect() })
    }

    /// Some of the values, with the prompts of one template: every `stride`-th, beginning anywhere.
    pub(crate) fn draw(&self, stride: usize, stream: &mut Stream) -> (usize, Vec<usize>) {
        let template = stream.below(self.templates());
        (template, (stream.below(stride)..self.values.len()).step_by(stride).collect())
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn templates(&self) -> usize {
        self.ids.len()
    }

    /// Embeddings of one template's prompts for the values `which`, `[values, dim]`.
    pub(crate) fn encode(
        &self,
        template: usize,
        which: &[usize],
        text: &dyn TextEncoder,
        device: &Device,
    ) -> Tensor<2> {
        let ids: Vec<&Vec<u32>> = which.iter().map(|&value| &self.ids[template][value]).collect();
        encode_texts(&ids, text, device)
    }

    /// The value that each of `embedding` `[batch, dim]` is expected to have: the mean over a softmax of its
    /// similarities to all values, averaged over templates.
    pub(crate) fn read(&self, embedding: Tensor<2>, text: &dyn TextEncoder) -> Vec<f32> {
        let device = embedding.device();
        let [batch, _] = embedding.dims();
        let all: Vec<usize> = (0..self.values.len()).collect();
        let mut sum = vec![0.0; batch];
        for template in 0..self.templates() {
            let prompts = self.encode(template, &all, text, &device);
            let weights = softmax(similarities(embedding.clone(), prompts, text.logit_scale()), 1);
            let values = Tensor::<1>::from_floats(self.values.as_slice(), &device);
            let expected = (weights * values.unsqueeze()).sum_dim(1);
            sum.iter_mut().zip(expected.into_data().iter::<f32>()).for_each(|(sum, value)| *sum += value);
        }
        sum.into_iter().map(|sum| sum / self.templates() as f32).collect()
    }
}

/// Embeddings of tokenized texts, `[texts, dim]`.
pub(crate) fn encode_texts(ids: &[impl AsRef<[u32]>], text: &dyn TextEncoder, device: &Device) -> Tensor<2> {
    let (ids, lengths) = padded_ids(ids, device);
    text.encode_words(text.words(ids), &lengths)
}
