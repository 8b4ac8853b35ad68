//! What a way of adapting an encoder with few labels must offer to the trainer.

use std::fmt::Debug;

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softmax};
use echo_metrics::Truth;

use crate::{AnyEncoder, MakeTokens, RankSpec};

/// The frozen stage whose output an adapter consumes. Whatever lies before it is computed once per video and view,
/// cached, and shared by all shots, seeds and adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Clip embeddings, `[videos, clips, dim]`.
    Embedding,
    /// Clip embeddings of the second branch, `[videos, clips, dim]`, of encoders that have one ([`Negation`](crate::Negation)). No
    /// adapter is fitted to them.
    SecondEmbedding,
    /// Frame features before the projection, `[videos, clips, time, width]`.
    Frames,
    /// The same beside those of the enlarged clip, `[videos, clips, time, 2 * width]`.
    ZoomFrames,
    /// Class tokens and patches of the backbone, `[videos, clips, tokens, width]`. There may be thousands of a clip, so they are
    /// kept on disk alone.
    Tokens,
    /// The clips themselves: nothing is frozen before the adapter.
    Clip,
}

impl Stage {
    /// The name in cache keys and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Embedding => "embedding",
            Stage::SecondEmbedding => "second embedding",
            Stage::Frames => "frames",
            Stage::ZoomFrames => "zoom frames",
            Stage::Tokens => "tokens",
            Stage::Clip => "clip",
        }
    }
}

/// A batch of one stage's output.
#[derive(Clone, Debug)]
pub enum Features {
    /// See [`Stage::Embedding`].
    Embedding(Tensor<3>),
    /// See [`Stage::Frames`].
    Frames(Tensor<4>),
    /// See [`Stage::ZoomFrames`].
    ZoomFrames(Tensor<4>),
    /// See [`Stage::Tokens`].
    Tokens(Tensor<4>),
    /// `[videos * clips, 3, frames, height, width]` and the number of clips per video.
    Clip(Tensor<5>, usize),
}

impl Features {
    /// The same in batches of `videos` each, the last of what is left.
    pub fn split(self, videos: usize) -> Vec<Self> {
        match self {
            Self::Embedding(x) => x.split(videos, 0).into_iter().map(Self::Embedding).collect(),
            Self::Frames(x) => x.split(videos, 0).into_iter().map(Self::Frames).collect(),
            Self::ZoomFrames(x) => x.split(videos, 0).into_iter().map(Self::ZoomFrames).collect(),
            Self::Tokens(x) => x.split(videos, 0).into_iter().map(Self::Tokens).collect(),
            Self::Clip(x, clips) => x.split(videos * clips, 0).into_iter().map(|x| Self::Clip(x, clips)).collect(),
        }
    }
}

/// What a parameter belongs to: recipes give each its own learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterRole {
    /// The video tower.
    Encoder,
    /// The text tower.
    Text,
    /// What the adapter adds.
    Head,
}

/// How an adapter comes to its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitting {
    /// By descent along gradients.
    Gradient,
    /// At once, by [`Adapter::solve`].
    ClosedForm,
    /// Not at all: it predicts as it is.
    Nothing,
}

/// What an adapter says of a batch.
#[derive(Clone, Debug)]
// Tensors are handles, and there are few predictions at a time.
#[allow(clippy::large_enum_variant)]
pub enum Prediction {
    /// Numbers.
    Values {
        /// In the task's own unit (EF in percent), `[samples]`.
        value: Tensor<1>,
        /// Scaled similarities to the ranks' prompts, `[samples, ranks]`, for adapters that have ranks.
        ranks: Option<Tensor<2>>,
    },
    /// One class of several: logits `[samples, classes]`, of which a softmax makes probabilities.
    Classes(Tensor<2>),
    /// Any number of labels: logits `[samples, labels]`, of which a sigmoid makes probabilities.
    Labels(Tensor<2>),
}

impl Prediction {
    /// For each sample its value, or the probability of every class or label.
    pub fn rows(self) -> Vec<Vec<f32>> {
        let table = match self {
            Self::Values { value, .. } => value.unsqueeze_dim(1),
            Self::Classes(logits) => softmax(logits, 1),
            Self::Labels(logits) => sigmoid(logits),
        };
        let [_, columns] = table.dims();
        let numbers: Vec<f32> = table.into_data().iter::<f32>().collect();
        numbers.chunks(columns).map(<[f32]>::to_vec).collect()
    }

    /// The values, of a regression.
    pub fn into_values(self) -> Option<Tensor<1>> {
        if let Self::Values { value, .. } = self { Some(value) } else { None }
    }
}

/// An encoder with something learnable on it, ready to be fitted.
///
/// Object-safe: [`AnyAdapter`](crate::AnyAdapter) holds any Burn module that implements it. Parameters that require gradients
/// are what trains; everything else stays bit-identical.
pub trait Adapter: Send + Sync + Debug {
    /// What it consumes.
    fn stage(&self) -> Stage;

    /// The ranks that its logits are of, for adapters of a regression that have any.
    fn ranks(&self) -> Option<&RankSpec> {
        None
    }

    /// How it is fitted.
    fn fitting(&self) -> Fitting {
        Fitting::Gradient
    }

    /// Whether it is solved for what it starts from before it descends: a linear probe first, then fine-tuning (Kumar et
    /// al., ICLR 2022), so that a random head does not distort what was learnt before.
    fn solves_first(&self) -> bool {
        false
    }

    /// A batch's clip embeddings as they are now, for [`solve`](Self::solve) where keeping the batches would fill memory.
    fn represent(&self, features: Features) -> Features {
        features
    }

    /// Fits at once to batches of features and what is true of their samples, for [`Fitting::ClosedForm`] and for those that
    /// [solve first](Self::solves_first). Also takes what [`represent`](Self::represent) gave.
    fn solve(&mut self, _batches: Vec<Features>, _truths: &[Truth]) {}

    /// The encoder that it trains, as it is now; none where a frozen one stands before it.
    fn encoder(&self) -> Option<&AnyEncoder> {
        None
    }

    /// What the parameter at `path` belongs to.
    fn role(&self, _path: &str) -> ParameterRole {
        ParameterRole::Head
    }

    /// Whether losses weight the logits of wrong ranks or grades by their distance from the right one.
    fn weights_ordinally(&self) -> bool {
        false
    }

    /// What is added to the losses, `[1]`, that depends on parameters alone and not on samples.
    fn penalty(&self) -> Option<Tensor<1>> {
        None
    }

    /// Why the gradient of the parameter at `path` is exactly zero, for those where it is by construction, such as a
    /// bias before a softmax. Any other zero is warned of.
    fn zero_gradient_reason(&self, _path: &str) -> Option<&'static str> {
        None
    }

    /// Predictions of a batch.
    ///
    /// # Panics
    /// When `features` is not of [`stage`](Self::stage).
    fn forward(&self, features: Features) -> Prediction;

    /// What it says of each sample of a batch when nothing is being fitted: see [`Prediction::rows`].
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    fn predict(&self, features: Features) -> Vec<Vec<f32>> {
        self.forward(features).rows()
    }

    /// Predictions of clips, beginning at tokens that `tokens` makes of them: what saliency maps follow gradients through. The
    /// default puts the adapter on embeddings, frame features or tokens of `encoder`.
    ///
    /// - clip: `[samples * clips, 3, frames, height, width]`
    ///
    /// # Errors
    /// Why no gradient leads from its predictions back to tokens.
    fn forward_clips(
        &self,
        clip: Tensor<5>,
        clips: usize,
        encoder: &AnyEncoder,
        tokens: MakeTokens<'_>,
    ) -> Result<Prediction, &'static str> {
        let features = match self.stage() {
            Stage::Embedding => {
                let embedding = encoder.embed(&tokens(encoder, clip, 1));
                let [all, dim] = embedding.dims();
                Features::Embedding(embedding.reshape([all / clips, clips, dim]))
            }
            Stage::Frames => {
                let frames = encoder.frame_features(&tokens(encoder, clip, 1));
                let [all, time, width] = frames.dims();
                Features::Frames(frames.reshape([all / clips, clips, time, width]))
            }
            Stage::Tokens => {
                let rows = tokens(encoder, clip, 1).rows();
                let [all, count, width] = rows.dims();
                Features::Tokens(rows.reshape([all / clips, clips, count, width]))
            }
            Stage::SecondEmbedding | Stage::ZoomFrames | Stage::Clip => {
                return Err("it does not show how it makes tokens of clips");
            }
        };
        Ok(self.forward(features))
    }

    /// Which frames of the clip that its encoder sees show a frame of a clip of so many: others only where it mixes them.
    fn frames_seen(&self, frame: usize, _frames: usize) -> Vec<usize> {
        vec![frame]
    }

    /// How much every time step of all of a sample's clips weighs, `[samples, clips * time]`, which sum to one; `None` for
    /// adapters without attention over frames, which do not ask for features.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    fn frame_attention(&self, _features: &dyn Fn() -> Features) -> Option<Tensor<2>> {
        None
    }
}
