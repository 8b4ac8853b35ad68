//! An encoder with something learnable on it.

use std::collections::BTreeSet;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use echo_core::{Adapter, AnyEncoder, Features, Fitting, ParameterRole, Prediction, RankSpec, Stage};
use echo_nn::{AttentionPool, ZoomProjection, merge_parts, merge_parts_on_channel_grid, zoom_parts};

use crate::head::Head;
use crate::quirks::{ClipQuirks, Quirk};
use crate::statistics::{reading, statistics};

/// Videos that CardiacCLIP's released code tests together.
const TESTED_TOGETHER: usize = 2;

/// An encoder, what stands between its steps and a clip's embedding, and a head on that.
#[derive(Module, Debug)]
pub struct Adapted {
    pub(crate) encoder: AnyEncoder,
    /// Another encoder, for its text tower, and the way from this one's embeddings to that one's.
    pub(crate) borrowed: Option<Borrowed>,
    /// One projection of both scales.
    pub(crate) zoom: Option<ZoomProjection>,
    /// Both scales are seen and each becomes an embedding of its own, one beside the other.
    #[module(skip)]
    pub(crate) beside: bool,
    pub(crate) pool: Option<AttentionPool>,
    /// In place of the encoder's pooling, [`statistics`] over a clip's steps.
    #[module(skip)]
    pub(crate) statistics: bool,
    /// What the encoder reads without training; stands before the statistics.
    pub(crate) reading: Option<Head>,
    pub(crate) head: Head,
    #[module(skip)]
    pub(crate) quirks: BTreeSet<Quirk>,
    /// What they make of clips.
    #[module(skip)]
    pub(crate) clip_quirks: Option<ClipQuirks>,
    #[module(skip)]
    pub(crate) stage: Stage,
}

/// A text tower of another encoder.
#[derive(Module, Debug)]
pub struct Borrowed {
    /// Frozen; only its text tower is used.
    pub(crate) encoder: AnyEncoder,
    /// From the adapted encoder's embeddings to the space of the borrowed one's.
    pub(crate) bridge: Linear,
}

impl Adapted {
    /// The same with nothing learnable: what the adapter starts from.
    pub fn frozen(self) -> Self {
        self.freeze()
    }

    /// Whether its prompts pass through another encoder's text tower.
    pub fn borrows_text(&self) -> bool {
        self.borrowed.is_some()
    }

    /// Embeddings of clips, or of whole videos where steps of all clips are pooled together.
    ///
    /// - output: `[videos, clips or 1, dim]`, or what the head takes instead of `dim`: both scales beside each other,
    ///   mean and deviation beside each other, what is read without training before them
    pub fn embed(&self, features: Features) -> Tensor<3> {
        let steps = match features {
            Features::Embedding(embedding) => return embedding,
            Features::Steps(steps) | Features::ZoomSteps(steps) => steps,
            Features::Clip(clip, clips) => {
                let steps = self.steps(clip);
                let [all, count, width] = steps.dims();
                steps.reshape([all / clips, clips, count, width])
            }
        };
        let [videos, clips, count, width] = steps.dims();
        if self.beside {
            let tokens = |index: usize| {
                let of_scale = steps.clone().narrow(3, index * width / 2, width / 2);
                self.own_projection(of_scale.reshape([videos * clips, count, width / 2]))
            };
            let (usual, enlarged) = (tokens(0), tokens(1));
            let both = Tensor::cat(vec![self.pool(usual.clone(), videos), self.pool(enlarged, videos)], 2);
            return self.behind_reading(both, usual);
        }
        let tokens = self.project(steps.reshape([videos * clips, count, width]));
        self.behind_reading(self.pool(tokens.clone(), videos), tokens)
    }

    /// `[videos, clips, values]`, what was pooled from `tokens` `[videos * clips, steps, dim]`, with one more value before.
    fn behind_reading(&self, pooled: Tensor<3>, tokens: Tensor<3>) -> Tensor<3> {
        let Some(head) = &self.reading else { return pooled };
        let [videos, clips, _] = pooled.dims();
        Tensor::cat(vec![reading(head, &self.encoder, tokens).reshape([videos, clips, 1]), pooled], 2)
    }

    /// `[videos * clips, steps, dim]` -> `[videos, clips or 1, dim]`
    fn pool(&self, tokens: Tensor<3>, videos: usize) -> Tensor<3> {
        let [all, count, dim] = tokens.dims();
        let clips = all / videos;
        match &self.pool {
            None if self.statistics => statistics(tokens).reshape([videos, clips, 2 * dim]),
            None => self.encoder.pool(tokens).reshape([videos, clips, dim]),
            Some(pool) => {
                let pooled = pool.forward(tokens.reshape([videos, clips * count, dim]));
                // One step is its own mean: what the encoder does to a mean is done to this one too.
                self.encoder.pool(pooled.unsqueeze_dim(1)).unsqueeze_dim(1)
            }
        }
    }

    /// `[batch, 3, frames, height, width]` -> steps, with those of the enlarged clip beside them where both are used.
    fn steps(&self, clip: Tensor<5>) -> Tensor<3> {
        let clip = match &self.clip_quirks {
            Some(quirks) => quirks.apply(clip),
            None => clip,
        };
        let merge = if self.quirks.contains(&Quirk::ChannelGrid) { merge_parts_on_channel_grid } else { merge_parts };
        match self.zoom.is_some() || self.beside {
            false => self.encoder.steps(clip).steps,
            true => both_scales(&self.encoder, self.encoder.steps(clip.clone()).steps, clip, merge),
        }
    }

    /// `[batch, steps, width or twice that]` -> `[batch, steps, dim]`
    fn project(&self, steps: Tensor<3>) -> Tensor<3> {
        let Some(zoom) = &self.zoom else { return self.own_projection(steps) };
        let projection = self.encoder.projection();
        let projected = match zoom.norms_jointly() {
            true => zoom.forward_both(steps),
            false => {
                let [_, _, both] = steps.dims();
                let scale = |index: usize| projection.normalize(steps.clone().narrow(2, index * both / 2, both / 2));
                zoom.forward(scale(0), scale(1))
            }
        };
        match self.quirks.contains(&Quirk::AnyLength) {
            true => projected,
            false => projection.finish(projected),
        }
    }

    /// The encoder's: `[batch, steps, width]` -> `[batch, steps, dim]`.
    fn own_projection(&self, steps: Tensor<3>) -> Tensor<3> {
        match self.quirks.contains(&Quirk::AnyLength) {
            true => self.encoder.projection().project(steps),
            false => self.encoder.project(steps),
        }
    }

    /// Whether features of this stage can be adapted.
    fn expects(&self, features: &Features) -> bool {
        let stage = match features {
            Features::Embedding(_) => Stage::Embedding,
            Features::Steps(_) => Stage::Steps,
            Features::ZoomSteps(_) => Stage::ZoomSteps,
            Features::Clip(..) => Stage::Clip,
        };
        stage == self.stage
    }
}

/// Steps of a clip beside those of the clip enlarged.
///
/// - base: the clip's steps, `[batch, steps, width]`
/// - clip: `[batch, 3, frames, height, width]`
/// - output: `[batch, steps, 2 * width]`
pub fn zoom_steps(encoder: &AnyEncoder, base: Tensor<3>, clip: Tensor<5>) -> Tensor<3> {
    both_scales(encoder, base, clip, merge_parts)
}

fn both_scales(encoder: &AnyEncoder, base: Tensor<3>, clip: Tensor<5>, merge: fn(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
    Tensor::cat(vec![base, merge(encoder.steps(zoom_parts(clip)).steps)], 2)
}

impl Adapter for Adapted {
    fn stage(&self) -> Stage {
        self.stage
    }

    fn ranks(&self) -> Option<&RankSpec> {
        match &self.head {
            Head::Prompts(head) => Some(head.ranks()),
            _ => None,
        }
    }

    fn fitting(&self) -> Fitting {
        self.head.fitting()
    }

    fn role(&self, path: &str) -> ParameterRole {
        let text = self.encoder.card().parameters.text;
        match path.strip_prefix("encoder.") {
            Some(path) if text.iter().any(|prefix| path.starts_with(prefix)) => ParameterRole::Text,
            Some(_) => ParameterRole::Encoder,
            None => ParameterRole::Head,
        }
    }

    fn predicts_together(&self) -> Option<usize> {
        self.zoom.as_ref().filter(|zoom| zoom.norms_over_frames()).map(|_| TESTED_TOGETHER)
    }

    fn weights_ordinally(&self) -> bool {
        matches!(&self.head, Head::Prompts(head) if head.weights_ordinally())
    }

    fn solves_first(&self) -> bool {
        matches!(&self.head, Head::Linear(head) if head.solves_first())
    }

    fn represent(&self, features: Features) -> Features {
        Features::Embedding(self.embed(features))
    }

    fn solve(mut self, batches: Vec<Features>, targets: &[f32]) -> Self {
        let embeddings: Vec<Tensor<3>> = batches.into_iter().map(|features| self.embed(features)).collect();
        self.head = self.head.solve(&embeddings, targets);
        self
    }

    fn zero_gradient_reason(&self, path: &str) -> Option<&'static str> {
        match path {
            path if matches!(self.head, Head::Linear(_)) && !path.starts_with("head.") => {
                Some("the linear head's weights are zero at first")
            }
            path if path.contains("refinement.first.") => Some("the layer behind it is zero at first"),
            path if path.ends_with(".lora.a") => Some("the factor behind it is zero at first"),
            "pool.score.bias" => Some("a softmax over steps does not change when all scores move"),
            "pool.first.weight" | "pool.first.bias" | "pool.second.weight" | "pool.second.bias" => {
                Some("the score's weights are zero at first, so that all steps weigh the same")
            }
            _ => None,
        }
    }

    fn forward(&self, features: Features) -> Prediction {
        assert!(self.expects(&features), "{:?} is not what this adapter consumes: {}", features, self.stage.name());
        if let Head::Ranked(head) = &self.head {
            let Features::Steps(steps) = features else { unreachable!("ranked prompts look at steps") };
            let [videos, clips, count, width] = steps.dims();
            let tokens = self.encoder.project(steps.reshape([videos * clips, count, width]));
            return head.forward(tokens, clips);
        }
        let embedding = self.embed(features);
        match &self.borrowed {
            None => self.head.forward(embedding, &self.encoder),
            Some(Borrowed { encoder, bridge }) => self.head.forward(bridge.forward(embedding), encoder),
        }
    }
}
