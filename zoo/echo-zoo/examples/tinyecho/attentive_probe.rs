//! An adapter from outside the workspace: an attentive probe, as video models are often judged by (Bardes et al., "Revisiting
//! feature prediction for learning visual representations from video", TMLR 2024), reduced to one query.
//!
//! The encoder is frozen. A learnt score weighs the frames of all clips of a sample, and a linear map reads their mean.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use echo_adapt::{AdaptError, BuildContext, FromRecipe};
use echo_core::{Adapter, Answer, Features, Kind, Prediction, Stage};
use echo_nn::{layer_norm, linear};
use serde::Deserialize;

/// The probe. Its parameters train; the encoder, which is no part of it, is frozen and its frame features are kept.
#[derive(Module, Debug)]
pub struct AttentiveProbe {
    norm: LayerNorm,
    /// From a frame's features to its score.
    score: Linear,
    /// From the weighed mean to a value, or to a logit for every class or label.
    head: Linear,
    #[module(skip)]
    reads: Reads,
}

/// What the head's outputs mean.
#[derive(Clone, Debug)]
enum Reads {
    /// A value: so many units from the middle.
    Value {
        middle: f32,
        unit: f32,
    },
    Classes,
    Labels,
}

/// The table `[adapter]` of its recipe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Values, in the task's unit, that one step of the head's output stands for.
    unit: f32,
}

impl FromRecipe for AttentiveProbe {
    const NAME: &'static str = "attentive-probe";
    const SUMMARY: &'static str = "one learnt query over the frames, encoder frozen (an example from outside)";
    const RECIPE: &'static str = include_str!("attentive_probe.toml");
    type Settings = Settings;

    fn build(Settings { unit }: Settings, context: &BuildContext<'_>) -> Result<Self, AdaptError> {
        let BuildContext { encoder, task, .. } = context;
        let (reads, outputs) = match &task.answer {
            Answer::Value(regression) => {
                let values = regression.ranks.values();
                (Reads::Value { middle: values.iter().sum::<f32>() / values.len() as f32, unit }, 1)
            }
            Answer::Classes(classes) if classes.kind == Kind::MultiLabel => (Reads::Labels, classes.classes.len()),
            Answer::Classes(classes) => (Reads::Classes, classes.classes.len()),
        };
        let device = context.device();
        // Layers of `echo-nn` begin with zeros: all frames weigh the same, and the head says the middle.
        Ok(Self {
            norm: layer_norm(encoder.width(), 1e-6, &device),
            score: linear(encoder.width(), 1, &device),
            head: linear(encoder.width(), outputs, &device),
            reads,
        })
    }
}

impl AttentiveProbe {
    /// Frames `[samples, clips, time, width]` normed, all of a sample after each other, and what each weighs:
    /// `[samples, clips * time, width]` and `[samples, clips * time, 1]`
    fn weigh(&self, frames: Tensor<4>) -> (Tensor<3>, Tensor<3>) {
        let [samples, clips, time, width] = frames.dims();
        let frames = self.norm.forward(frames.reshape([samples, clips * time, width]));
        let weights = softmax(self.score.forward(frames.clone()), 1);
        (frames, weights)
    }
}

impl Adapter for AttentiveProbe {
    fn stage(&self) -> Stage {
        Stage::Frames
    }

    fn zero_gradient_reason(&self, path: &str) -> Option<&'static str> {
        match path {
            "score.bias" => Some("a softmax over frames does not change when all scores move"),
            path if path.starts_with("score.") || path.starts_with("norm.") => Some("the head is zero at first"),
            _ => None,
        }
    }

    fn forward(&self, features: Features) -> Prediction {
        let Features::Frames(frames) = features else { unreachable!("its stage is frames") };
        let (frames, weights) = self.weigh(frames);
        let outputs = self.head.forward((frames * weights).sum_dim(1).squeeze_dim::<2>(1));
        match self.reads {
            Reads::Value { middle, unit } => {
                Prediction::Values { value: outputs.squeeze_dim(1) * unit + middle, ranks: None }
            }
            Reads::Classes => Prediction::Classes(outputs),
            Reads::Labels => Prediction::Labels(outputs),
        }
    }
    fn frame_attention(&self, features: &dyn Fn() -> Features) -> Option<Tensor<2>> {
        let Features::Frames(frames) = features() else { unreachable!("its stage is frames") };
        let (_, weights) = self.weigh(frames);
        Some(weights.squeeze_dim(2))
    }
}
