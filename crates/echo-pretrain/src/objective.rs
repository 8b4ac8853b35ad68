//! What is descended: a contrastive loss with captions, or the encoder's own heads.

use burn::tensor::Tensor;
use echo_core::{AnyEncoder, TextEncoder};
use echo_phantom::{Findings, Purpose};
use echo_random::Stream;

use crate::captions::{EDV_WORDS, ESV_WORDS};
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

/// Weight of telling each volume: what the ejection fraction follows from is seen in every clip, but said in few captions.
const VOLUME_WEIGHT: f32 = 0.5;

/// Ratio of neighbouring volumes that have a prompt, and the deviation in ln(ml) within which they are hardly told apart.
const VOLUME_STEP: f64 = 1.1;
const VOLUME_WIDTH: f32 = 0.08;

/// What an encoder is pretrained on.
#[derive(Debug)]
pub enum Objective {
    /// Clips and captions: for encoders with a text tower.
    Contrastive(Box<Contrastive>),
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

/// Symmetric InfoNCE with captions; clips against prompts of every ejection fraction and of every volume, one template a
/// step; and InfoNCE between the ejection fraction's template and another wording.
#[derive(Debug)]
pub struct Contrastive {
    captions: Captions,
    prompts: ValuePrompts,
    wordings: ValuePrompts,
    volumes: [Volume; 2],
    seed: u64,
}

/// A volume with prompts of its own.
#[derive(Debug)]
struct Volume {
    prompts: ValuePrompts,
    /// In ml.
    of: fn(&Findings) -> f64,
}

impl Volume {
    /// Prompts from `least` to `most` ml, in steps of about a tenth.
    fn new(
        (least, most): (u32, u32),
        words: &[&str],
        of: fn(&Findings) -> f64,
        text: &dyn TextEncoder,
    ) -> Result<Self, PretrainError> {
        let next = |&volume: &u32| Some((f64::from(volume) * VOLUME_STEP).round().max(f64::from(volume + 1)) as u32);
        let values: Vec<u32> = std::iter::successors(Some(least), next).take_while(|&volume| volume <= most).collect();
        Ok(Self { prompts: ValuePrompts::new(words, &values, text)?, of })
    }

    /// Cross-entropy of telling the clips' volumes.
    fn loss(
        &self,
        embedding: Tensor<2>,
        findings: &[Findings],
        text: &dyn TextEncoder,
        stream: &mut Stream,
    ) -> Tensor<1> {
        let (template, which) = self.prompts.draw(1, stream);
        let prompts = self.prompts.encode(template, &which, text, &embedding.device());
        let logarithms: Vec<f32> = self.prompts.values().iter().map(|volume| volume.ln()).collect();
        let truths: Vec<f32> = findings.iter().map(|findings| (self.of)(findings).max(1.0).ln() as f32).collect();
        let targets = near(&truths, &logarithms, VOLUME_WIDTH);
        soft_cross_entropy(similarities(embedding, prompts, text.logit_scale()), &targets)
    }
}

impl Contrastive {
    /// For an encoder with a text tower.
    ///
    /// # Errors
    /// It has none, or a prompt is too long for it.
    pub fn new(encoder: &AnyEncoder, captions: Captions, seed: u64) -> Result<Self, PretrainError> {
        let unfit = || PretrainError::Unfit { encoder: encoder.card().name, reason: "it has no text tower".to_owned() };
        let text = encoder.text().ok_or_else(unfit)?;
        let percent: Vec<u32> = (0..=100).collect();
        let prompts = ValuePrompts::new(captions.templates(), &percent, text)?;
        let wordings = ValuePrompts::new(&captions.wordings(), &percent, text)?;
        let volumes = [
            Volume::new((30, 280), &EDV_WORDS, |findings| findings.edv, text)?,
            Volume::new((8, 240), &ESV_WORDS, |findings| findings.esv, text)?,
        ];
        Ok(Self { captions, prompts, wordings, volumes, seed })
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
        let (template, which) = self.prompts.draw(STRIDE, &mut stream);
        // Another than the template, which the wordings begin with.
        let count = self.wordings.templates();
        let wording = (template + 1 + stream.below(count - 1)) % count;
        let some: Vec<f32> = which.iter().map(|&value| self.prompts.values()[value]).collect();
        let prompts = self.prompts.encode(template, &which, text, &device);
        let reworded = self.wordings.encode(wording, &which, text, &device);
        let of_volumes =
            self.volumes.each_ref().map(|volume| volume.loss(embedding.clone(), &batch.findings, text, &mut stream));
        let of_volumes = of_volumes.into_iter().reduce(|sum, loss| sum + loss).expect("there are two");
        let of_values = similarities(embedding, prompts.clone(), scale.clone());
        let of_values = soft_cross_entropy(of_values, &near(&efs, &some, EF_WIDTH));
        let of_words = info_nce(similarities(prompts, reworded, scale), &near(&some, &some, EF_WIDTH));
        let of_pairs = info_nce(pairs, &pair_targets(&efs, EF_WIDTH));
        Ok(of_pairs + of_values * VALUE_WEIGHT + of_words * WORDING_WEIGHT + of_volumes * VOLUME_WEIGHT)
    }
}

fn text_of(encoder: &AnyEncoder) -> &dyn TextEncoder {
    encoder.text().expect("the objective was made for an encoder with a text tower")
}
