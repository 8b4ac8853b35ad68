//! Scores of an encoder, and maps of what speaks for them.

use std::fmt;

use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Tokens, l2_normalize};
use echo_train::saliency;
use echo_weights::Built;

use crate::CliError;
use crate::embedder::text_embeddings;
use crate::heat::enlarge;

/// What an encoder says of a clip, as one number.
pub(crate) enum Score {
    /// The cosine to a text's embedding of length one, `[1, dim]`.
    Prompt { text: Box<Tensor<2>>, prompt: String },
    /// A head's output; the class as a title calls it.
    Head { name: String, place: usize, class: String },
}

/// A map for every frame, `[frames, rows, columns]`.
pub(crate) struct Maps {
    pub(crate) values: Vec<f32>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Score {
    /// How similar a clip is to a sentence.
    ///
    /// # Errors
    /// The encoder cannot read it.
    pub(crate) fn prompt(prompt: &str, built: &Built, device: &Device) -> Result<Self, CliError> {
        let text = Box::new(text_embeddings(&[prompt.to_owned()], built, device)?);
        Ok(Self::Prompt { text, prompt: prompt.to_owned() })
    }

    /// Maps of clips `[clips, 3, frames, height, width]`.
    pub(crate) fn maps(&self, encoder: &AnyEncoder, clips: Tensor<5>, frames: usize) -> Maps {
        let map = saliency(encoder, clips, |encoder, tokens| self.of(encoder, tokens));
        Maps::of(map, frames, |frame, steps| encoder.steps_of_frame(frame, frames, steps))
    }

    /// `[clips]`
    fn of(&self, encoder: &AnyEncoder, tokens: &Tokens) -> Tensor<1> {
        let embedding = encoder.embed(tokens);
        match self {
            Self::Prompt { text, .. } => {
                let text = Tensor::clone(text).to_device(&embedding.device());
                (l2_normalize(embedding) * text).sum_dim(1).squeeze_dim(1)
            }
            Self::Head { name, place, .. } => {
                let [batch, _] = embedding.dims();
                let found = encoder.heads(embedding).into_iter().find(|(head, _)| head.name == *name);
                let (_, outputs) = found.expect("a head that these weights have");
                outputs.narrow(1, *place, 1).reshape([batch])
            }
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt { prompt, .. } => write!(f, "{prompt:?}"),
            Self::Head { name, class, .. } => write!(f, "{name}{class}"),
        }
    }
}

impl Maps {
    /// The mean of the maps of the steps that show a frame, for every frame of every clip.
    ///
    /// - map: `[clips, steps, rows, columns]`
    pub(super) fn of(map: Tensor<4>, frames: usize, steps_of: impl Fn(usize, usize) -> Vec<usize>) -> Self {
        let [clips, steps, rows, columns] = map.dims();
        let cells = rows * columns;
        let steps_of: Vec<Vec<usize>> = (0..frames).map(|frame| steps_of(frame, steps)).collect();
        let of_steps: Vec<f32> = map.into_data().iter::<f32>().collect();
        let mut values = Vec::with_capacity(clips * frames * cells);
        for of_clip in of_steps.chunks(steps * cells) {
            for of_frame in &steps_of {
                let mut mean = vec![0.0f32; cells];
                for &step in of_frame {
                    let step = &of_clip[step * cells..][..cells];
                    mean.iter_mut().zip(step).for_each(|(mean, value)| *mean += value / of_frame.len() as f32);
                }
                values.extend(mean);
            }
        }
        Self { values, rows, columns }
    }

    /// At the clips' size, the largest value of all of them 1: `[frames, size, size]`.
    pub(crate) fn heat(&self, size: usize) -> Vec<f32> {
        let Self { values, rows, columns } = self;
        let of_frame = |map: &[f32]| enlarge(map, *rows, *columns, size);
        let mut heat: Vec<f32> = values.chunks(rows * columns).flat_map(of_frame).collect();
        let most = heat.iter().copied().fold(0.0, f32::max);
        if most > 0.0 {
            heat.iter_mut().for_each(|value| *value /= most);
        }
        heat
    }
}
