//! What is descended: a contrastive loss with captions of hearts or pictures, classes of moving pictures, or the encoder's own heads.

use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, TextEncoder};
use echo_phantom::{Cavity, Findings, Purpose};
use echo_random::Stream;

use crate::captions::{BREADTH_WORDS, EDV_WORDS, ESV_WORDS, FILLED_WORDS};
use crate::clips::{ClipBatch, Subject};
use crate::contrastive::{info_nce, near, pair_targets, similarities, soft_cross_entropy};
use crate::movements::MovementClasses;
use crate::pictures::{BREADTHS, Picture, SHAPE_BREADTH_WORDS};
use crate::values::{ValuePrompts, encode_texts};
use crate::views::ViewWords;
use crate::{Captions, MultiTask, PretrainError};

/// Percent of ejection fraction within which captions are hardly told apart.
const EF_WIDTH: f32 = 2.0;

/// A step sees every third value, beginning anywhere: the text tower is most of the work.
const STRIDE: usize = 3;

/// Weights beside telling the captions of a batch apart: of telling all values apart, and of two wordings of the same
/// value being alike. The latter teaches a text tower that starts at random what numbers are, before clips mean anything.
const VALUE_WEIGHT: f32 = 1.0;
const WORDING_WEIGHT: f32 = 0.5;

/// Weight of telling each measurement that the ejection fraction follows from: they are seen in every clip, but said in
/// few captions or none.
const MEASURE_WEIGHT: f32 = 0.5;

/// Ratio of neighbouring volumes that have a prompt, and the deviation in ln(ml) within which they are hardly told apart.
const VOLUME_STEP: f64 = 1.1;
const VOLUME_WIDTH: f32 = 0.08;

/// Percent of the picture's width, and of the stroke volume, within which a frame's prompts are hardly told apart.
const BREADTH_WIDTH: f32 = 0.8;
const FILLED_WIDTH: f32 = 6.0;

/// What an encoder is pretrained on.
#[derive(Debug)]
pub enum Objective {
    /// Clips and captions: for encoders with a text tower.
    Contrastive(Box<Contrastive>),
    /// Pictures and captions: for encoders with a text tower that are to know no heart.
    Pictures(Box<PictureWords>),
    /// Moving pictures: for encoders without a text tower and heads that are to know no heart.
    Movements(MovementClasses),
    /// Standard views by sentences, denials and grades: for encoders with a second branch.
    Views(Box<ViewWords>),
    /// The encoder's own heads.
    MultiTask(MultiTask),
}

impl Objective {
    /// What clips have to show.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Pictures(_) => Subject::Pictures,
            Self::Movements(_) => Subject::Movements,
            Self::Views(_) => Subject::Views,
            Self::Contrastive(_) | Self::MultiTask(_) => Subject::Phantoms,
        }
    }

    /// What is read from clips that are watched; its error is in percent.
    pub fn reads(&self) -> &'static str {
        match self {
            Self::Pictures(_) => "breadth",
            Self::Movements(_) => "movement",
            Self::Views(_) => "view",
            Self::Contrastive(_) | Self::MultiTask(_) => "EF",
        }
    }

    /// The loss of a batch.
    pub(crate) fn loss(
        &self,
        encoder: &AnyEncoder,
        batch: &ClipBatch,
        purpose: Purpose,
        device: &Device,
    ) -> Result<Tensor<1>, PretrainError> {
        let encoded = || encode(encoder, batch, device);
        match self {
            Self::Contrastive(contrastive) => contrastive.loss(encoder, encoded(), batch, purpose),
            Self::Pictures(pictures) => pictures.loss(encoder, encoded().1, batch, purpose),
            Self::Movements(classes) => Ok(classes.loss(encoded().1, &batch.pictures)),
            Self::Views(views) => views.loss(encoder, batch, purpose, device),
            Self::MultiTask(tasks) => Ok(tasks.loss(encoder, encoded().1, &batch.findings)),
        }
    }

    /// How far off is what is read from each clip of a batch, percent: of ejection fractions and breadths the distance, of
    /// views and movements 100 where it is another.
    pub(crate) fn errors(
        &self,
        encoder: &AnyEncoder,
        batch: &ClipBatch,
        device: &Device,
    ) -> Result<Vec<f64>, PretrainError> {
        let embedding = || encode(encoder, batch, device).1;
        let ef = |findings: &Findings| findings.ef;
        let (read, truths): (Vec<f32>, Vec<f64>) = match self {
            Self::Views(views) => return views.errors(encoder, batch, device),
            Self::Movements(classes) => return Ok(classes.errors(embedding(), &batch.pictures)),
            Self::Contrastive(contrastive) => {
                (contrastive.prompts.read(embedding(), text_of(encoder)), batch.findings.iter().map(ef).collect())
            }
            Self::Pictures(pictures) => (
                pictures.breadth.prompts.read(embedding(), text_of(encoder)),
                batch.pictures.iter().map(Picture::breadth).collect(),
            ),
            Self::MultiTask(tasks) => (tasks.read(encoder, embedding()), batch.findings.iter().map(ef).collect()),
        };
        Ok(read.into_iter().zip(truths).map(|(value, truth)| (f64::from(value) - truth).abs()).collect())
    }

    /// The encoder as it is used after training.
    pub(crate) fn finish(&self, encoder: AnyEncoder) -> Result<AnyEncoder, PretrainError> {
        match self {
            Self::Contrastive(_) | Self::Pictures(_) | Self::Movements(_) | Self::Views(_) => Ok(encoder),
            Self::MultiTask(tasks) => tasks.finish(encoder),
        }
    }
}

/// Embeddings of the clips' frames, `[batch, time, dim]`, and of the clips, `[batch, dim]`.
fn encode(encoder: &AnyEncoder, batch: &ClipBatch, device: &Device) -> (Tensor<3>, Tensor<2>) {
    let projection = encoder.projection();
    let frames = projection.apply(encoder.frame_features(&encoder.tokens(batch.clips(device))));
    (frames.clone(), projection.pool(frames))
}

/// Symmetric InfoNCE with captions; clips against prompts of every ejection fraction and of every volume, one template a
/// step; frames against prompts of what they show of the cavity, where each step of the encoder is a frame; and InfoNCE
/// between the ejection fraction's template and another wording.
#[derive(Debug)]
pub struct Contrastive {
    captions: Captions,
    prompts: ValuePrompts,
    wordings: ValuePrompts,
    of_clips: [Measure<Findings>; 2],
    of_frames: [Measure<Cavity>; 2],
    seed: u64,
}

/// A measurement with prompts of its own.
#[derive(Debug)]
struct Measure<T> {
    prompts: ValuePrompts,
    /// In the prompts' unit.
    of: fn(&T) -> f64,
    /// Where values are compared.
    scale: fn(f32) -> f32,
    /// Deviation on that scale within which they are hardly told apart.
    width: f32,
}

impl<T> Measure<T> {
    /// Cross-entropy of telling the measurement of each of `truths` from `embedding` `[truths, dim]`.
    fn loss(&self, embedding: Tensor<2>, truths: &[T], text: &dyn TextEncoder, stream: &mut Stream) -> Tensor<1> {
        let (template, which) = self.prompts.draw(1, stream);
        let prompts = self.prompts.encode(template, &which, text, &embedding.device());
        let candidates: Vec<f32> = self.prompts.values().iter().map(|&value| (self.scale)(value)).collect();
        let truths: Vec<f32> = truths.iter().map(|truth| (self.scale)((self.of)(truth) as f32)).collect();
        let targets = near(&truths, &candidates, self.width);
        soft_cross_entropy(similarities(embedding, prompts, text.logit_scale()), &targets)
    }
}

/// Volumes from `least` to `most` ml, in steps of about a tenth.
fn volumes(least: u32, most: u32) -> Vec<u32> {
    let next = |&volume: &u32| Some((f64::from(volume) * VOLUME_STEP).round().max(f64::from(volume + 1)) as u32);
    std::iter::successors(Some(least), next).take_while(|&volume| volume <= most).collect()
}

impl Contrastive {
    /// For an encoder with a text tower.
    ///
    /// # Errors
    /// It has none, or a prompt is too long for it.
    pub fn new(encoder: &AnyEncoder, captions: Captions, seed: u64) -> Result<Self, PretrainError> {
        let text = text_tower(encoder)?;
        let percent: Vec<u32> = (0..=100).collect();
        let prompts = ValuePrompts::new(captions.templates(), &percent, text)?;
        let wordings = ValuePrompts::new(&captions.wordings(), &percent, text)?;
        let volume = |words: &[&str], (least, most), of| -> Result<_, PretrainError> {
            let prompts = ValuePrompts::new(words, &volumes(least, most), text)?;
            Ok(Measure { prompts, of, scale: |ml| ml.max(1.0).ln(), width: VOLUME_WIDTH })
        };
        let of_clips = [
            volume(&EDV_WORDS, (30, 280), |findings: &Findings| findings.edv)?,
            volume(&ESV_WORDS, (8, 240), |findings: &Findings| findings.esv)?,
        ];
        let share = |words: &[&str], values: Vec<u32>, of, width| -> Result<_, PretrainError> {
            Ok(Measure { prompts: ValuePrompts::new(words, &values, text)?, of, scale: |percent| percent, width })
        };
        let of_frames = [
            share(&BREADTH_WORDS, (10..=60).collect(), |cavity: &Cavity| 100.0 * cavity.breadth, BREADTH_WIDTH)?,
            share(
                &FILLED_WORDS,
                (0..=100).step_by(5).collect(),
                |cavity: &Cavity| 100.0 * cavity.filled,
                FILLED_WIDTH,
            )?,
        ];
        Ok(Self { captions, prompts, wordings, of_clips, of_frames, seed })
    }

    fn loss(
        &self,
        encoder: &AnyEncoder,
        (frames, embedding): (Tensor<3>, Tensor<2>),
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
        let mut of_measures = Tensor::zeros([1], &device);
        for measure in &self.of_clips {
            of_measures = of_measures + measure.loss(embedding.clone(), &batch.findings, text, &mut stream);
        }
        let [clips, time, dim] = frames.dims();
        if clips * time == batch.cavities.len() {
            let frames = frames.reshape([clips * time, dim]);
            for measure in &self.of_frames {
                of_measures = of_measures + measure.loss(frames.clone(), &batch.cavities, text, &mut stream);
            }
        }
        let of_values = similarities(embedding, prompts.clone(), scale.clone());
        let of_values = soft_cross_entropy(of_values, &near(&efs, &some, EF_WIDTH));
        let of_words = info_nce(similarities(prompts, reworded, scale), &near(&some, &some, EF_WIDTH));
        let of_pairs = info_nce(pairs, &pair_targets(&efs, EF_WIDTH));
        Ok(of_pairs + of_values * VALUE_WEIGHT + of_words * WORDING_WEIGHT + of_measures * MEASURE_WEIGHT)
    }
}

/// Symmetric InfoNCE with captions, and pictures against prompts of how broad their shape is.
#[derive(Debug)]
pub struct PictureWords {
    breadth: Measure<Picture>,
    seed: u64,
}

impl PictureWords {
    /// For an encoder with a text tower.
    ///
    /// # Errors
    /// It has none, or a prompt is too long for it.
    pub fn new(encoder: &AnyEncoder, seed: u64) -> Result<Self, PretrainError> {
        let prompts = ValuePrompts::new(&SHAPE_BREADTH_WORDS, &BREADTHS.collect::<Vec<_>>(), text_tower(encoder)?)?;
        Ok(Self { breadth: Measure { prompts, of: Picture::breadth, scale: |percent| percent, width: EF_WIDTH }, seed })
    }

    fn loss(
        &self,
        encoder: &AnyEncoder,
        embedding: Tensor<2>,
        batch: &ClipBatch,
        purpose: Purpose,
    ) -> Result<Tensor<1>, PretrainError> {
        let text = text_of(encoder);
        let mut stream = Stream::new(
            self.seed,
            &format!("pretrain/words/{}", purpose.name()),
            u64::from(batch.numbers.first().copied().unwrap_or(0)),
        );
        let captions: Vec<String> = batch.pictures.iter().map(|picture| picture.caption(&mut stream)).collect();
        let ids = captions.iter().map(|caption| text.tokenize(caption)).collect::<Result<Vec<_>, _>>()?;
        let encoded = encode_texts(&ids.iter().collect::<Vec<_>>(), text, &embedding.device());
        let pairs = similarities(embedding.clone(), encoded, text.logit_scale());
        let of_pairs = info_nce(pairs, &shared_targets(&captions));
        Ok(of_pairs + self.breadth.loss(embedding, &batch.pictures, text, &mut stream) * MEASURE_WEIGHT)
    }
}

/// Targets of a batch of captions, `[batch * batch]`: those that say the same share theirs.
fn shared_targets(captions: &[String]) -> Vec<f32> {
    let row = |caption: &String| {
        let alike: Vec<f32> = captions.iter().map(|other| f32::from(u8::from(other == caption))).collect();
        let count = alike.iter().sum::<f32>();
        alike.into_iter().map(move |is_alike| is_alike / count)
    };
    captions.iter().flat_map(row).collect()
}

fn text_tower(encoder: &AnyEncoder) -> Result<&dyn TextEncoder, PretrainError> {
    let unfit = || PretrainError::Unfit { encoder: encoder.card().name, reason: "it has no text tower".to_owned() };
    encoder.text().ok_or_else(unfit)
}

fn text_of(encoder: &AnyEncoder) -> &dyn TextEncoder {
    encoder.text().expect("the objective was made for an encoder with a text tower")
}
