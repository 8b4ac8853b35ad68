//! What is descended: a contrastive loss with captions, or the encoder's own heads.

use burn::tensor::Tensor;
use echo_core::{AnyEncoder, TextEncoder};
use echo_phantom::Purpose;
use echo_random::Stream;

use crate::clips::ClipBatch;
use crate::contrastive::{info_nce, near, pair_targets, similarities, soft_cross_entropy};
use crate::values::{ValuePrompts, encode_texts};
use crate::{Captions, MultiTask, PretrainError};

/// Percent of ejection fraction within which captions are hardly told apart.
const EF_WIDTH: f32 = 2.0;

/// A step sees every third value, beginning anywhere: the text tower is most of the work.
const STRIDE: usize = 3;

/// Weights beside telling the captions of a batch apart: of telling all values apart, and of two wordings of the same
/// value being alike. The latter teaches a text tower that starts at random what numbers are, before clips mean anything.
const VALUE_WEIGHT: f32 = 1.0;
const WORDING_WEIGHT: f32 = 0.5;

/// What an encoder is pretrained on.
#[derive(Debug)]
pub enum Objective {
    /// Clips and captions: for encoders with a text tower.
    Contrastive(Contrastive),
    /// The encoder's own heads.
    MultiTask(MultiTask),
}

impl Objective {
    /// The loss of clips whose embeddings are `embedding` `[batch, dim]`.
    pub(crate) fn loss(
        &self,
        encoder: &AnyEncoder,
        embedding: Tensor<2>,
        batch: &ClipBatch,
        purpose: Purpose,
    ) -> Result<Tensor<1>, PretrainError> {
        match self {
            Self::Contrastive(contrastive) => contrastive.loss(encoder, embedding, batch, purpose),
            Self::MultiTask(tasks) => Ok(tasks.loss(encoder, embedding, &batch.findings)),
        }
    }

    /// The ejection fraction in percent that the encoder reads from each of `embedding` `[batch, dim]`.
    pub(crate) fn read(&self, encoder: &AnyEncoder, embedding: Tensor<2>) -> Vec<f32> {
        match self {
            Self::Contrastive(contrastive) => contrastive.prompts.read(embedding, text_of(encoder)),
            Self::MultiTask(tasks) => tasks.read(encoder, embedding),
        }
    }

    /// The encoder as it is used after training.
    pub(crate) fn finish(&self, encoder: AnyEncoder) -> Result<AnyEncoder, PretrainError> {
        match self {
            Self::Contrastive(_) => Ok(encoder),
            Self::MultiTask(tasks) => tasks.finish(encoder),
        }
    }
}

/// Symmetric InfoNCE with captions; the same with prompts of every ejection fraction, one template a step; and the same
/// between that template and another wording.
#[derive(Debug)]
pub struct Contrastive {
    captions: Captions,
    prompts: ValuePrompts,
    wordings: ValuePrompts,
    seed: u64,
}

impl Contrastive {
    /// For an encoder with a text tower.
    ///
    /// # Errors
    /// It has none, or a prompt is too long for it.
    pub fn new(encoder: &AnyEncoder, captions: Captions, seed: u64) -> Result<Self, PretrainError> {
        let unfit = || PretrainError::Unfit { encoder: encoder.card().name, reason: "it has no text tower".to_owned() };
        let text = encoder.text().ok_or_else(unfit)?;
        let prompts = ValuePrompts::new(captions.templates(), text)?;
        let wordings = ValuePrompts::new(&captions.wordings(), text)?;
        Ok(Self { captions, prompts, wordings, seed })
    }

    fn loss(
        &self,
        encoder: &AnyEncoder,
        embedding: Tensor<2>,
        batch: &ClipBatch,
        purpose: Purpose,
    ) -> Result<Tensor<1>, PretrainError> {
        let text = text_of(encoder);
        let device = embedding.device();
        let stream = |what: &str, number: u32| {
            Stream::new(self.seed, &format!("pretrain/{what}/{}", purpose.name()), u64::from(number))
        };
        let mut ids = Vec::with_capacity(batch.numbers.len());
        for (findings, &number) in batch.findings.iter().zip(&batch.numbers) {
            ids.push(self.captions.write_for(findings, &mut stream("caption", number), text)?.1);
        }
        let efs: Vec<f32> = batch.findings.iter().map(|findings| findings.ef as f32).collect();
        let scale = text.logit_scale();
        let captions = encode_texts(&ids.iter().collect::<Vec<_>>(), text, &device);
        let pairs = similarities(embedding.clone(), captions, scale.clone());
        let first = batch.numbers.first().copied().unwrap_or(0);
        let mut stream = stream("template", first);
        let template = stream.below(self.prompts.templates());
        // Another than the template, which the wordings begin with.
        let count = self.wordings.templates();
        let wording = (template + 1 + stream.below(count - 1)) % count;
        let which: Vec<usize> = (stream.below(STRIDE)..self.prompts.values().len()).step_by(STRIDE).collect();
        let some: Vec<f32> = which.iter().map(|&value| self.prompts.values()[value]).collect();
        let prompts = self.prompts.encode(template, &which, text, &device);
        let reworded = self.wordings.encode(wording, &which, text, &device);
        let of_values = similarities(embedding, prompts.clone(), scale.clone());
        let of_values = soft_cross_entropy(of_values, &near(&efs, &some, EF_WIDTH));
        let of_words = info_nce(similarities(prompts, reworded, scale), &near(&some, &some, EF_WIDTH));
        let of_pairs = info_nce(pairs, &pair_targets(&efs, EF_WIDTH));
        Ok(of_pairs + of_values * VALUE_WEIGHT + of_words * WORDING_WEIGHT)
    }
}

fn text_of(encoder: &AnyEncoder) -> &dyn TextEncoder {
    encoder.text().expect("the objective was made for an encoder with a text tower")
}
