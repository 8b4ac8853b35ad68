//! An encoder with something learnable on it.

use std::collections::BTreeSet;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use echo_core::{
    Adapter, AnyEncoder, Features, Fitting, MakeTokens, ParameterRole, Prediction, Projection, RankSpec, Stage, Tokens,
    Truth,
};
use echo_nn::{
    AttentionPool, AttentiveProbe, SCALE, ZoomProjection, merge_parts, merge_parts_on_channel_grid, zoom_parts,
};

use crate::head::Head;
use crate::quirks::{ClipQuirks, Quirk, TESTED_TOGETHER};
use crate::statistics::{reading, statistics};

/// An encoder, what stands between its frame features and a clip's embedding, and a head on that.
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
    /// In place of the encoder's pooling, [`statistics`] over a clip's frames.
    #[module(skip)]
    pub(crate) statistics: bool,
    /// In place of frame features, projection and pooling, a query that attends to all tokens.
    pub(crate) probe: Option<AttentiveProbe>,
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
    /// Embeddings of clips, or of whole videos where frames of all clips are pooled together.
    ///
    /// - output: `[videos, clips or 1, dim]`, or what the head takes instead of `dim`: both scales beside each other,
    ///   mean and deviation beside each other, what is read without training before them
    pub fn embed(&self, features: Features) -> Tensor<3> {
        let features = match features {
            Features::Embedding(embedding) => return embedding,
            Features::Frames(features) | Features::ZoomFrames(features) => features,
            Features::Tokens(tokens) => return self.probed(tokens),
            Features::Clip(clip, clips) if self.probe.is_some() => {
                return self.probed(self.token_rows(clip, clips, &mut usual_tokens));
            }
            Features::Clip(clip, clips) => self.frame_features(clip, clips, &mut usual_tokens),
        };
        let [videos, clips, time, width] = features.dims();
        if self.beside {
            let of_scale = |index: usize| {
                let features = features.clone().narrow(3, index * width / 2, width / 2);
                self.projection().apply(features.reshape([videos * clips, time, width / 2]))
            };
            let (usual, enlarged) = (of_scale(0), of_scale(1));
            let both = Tensor::cat(vec![self.pool(usual.clone(), videos), self.pool(enlarged, videos)], 2);
            return self.behind_reading(both, usual);
        }
        let frames = self.project(features.reshape([videos * clips, time, width]));
        self.behind_reading(self.pool(frames.clone(), videos), frames)
    }

    /// What the query finds among all tokens of a sample: `[samples, clips, tokens, width]` -> `[samples, 1, width]`
    fn probed(&self, tokens: Tensor<4>) -> Tensor<3> {
        self.probe.as_ref().expect("tokens are for a probe").forward(tokens).unsqueeze_dim(1)
    }

    /// `[samples * clips, 3, frames, height, width]` -> all tokens, `[samples, clips, tokens, width]`
    fn token_rows(&self, clip: Tensor<5>, clips: usize, tokens: MakeTokens<'_>) -> Tensor<4> {
        let rows = tokens(&self.encoder, clip, 1).rows();
        let [all, count, width] = rows.dims();
        rows.reshape([all / clips, clips, count, width])
    }

    /// `[videos, clips, values]`, what was pooled from `frames` `[videos * clips, time, dim]`, with one more value before.
    fn behind_reading(&self, pooled: Tensor<3>, frames: Tensor<3>) -> Tensor<3> {
        let Some(head) = &self.reading else { return pooled };
        let [videos, clips, _] = pooled.dims();
        Tensor::cat(vec![reading(head, &self.encoder, frames).reshape([videos, clips, 1]), pooled], 2)
    }

    /// Frame embeddings `[videos * clips, time, dim]` -> `[videos, clips or 1, dim]`
    fn pool(&self, frames: Tensor<3>, videos: usize) -> Tensor<3> {
        let [all, time, dim] = frames.dims();
        let clips = all / videos;
        match &self.pool {
            None if self.statistics => statistics(frames).reshape([videos, clips, 2 * dim]),
            None => self.encoder.projection().pool(frames).reshape([videos, clips, dim]),
            Some(pool) => {
                let pooled = pool.forward(frames.reshape([videos, clips * time, dim]));
                // What the encoder does to a mean of frames is done to this one too.
                self.encoder.projection().finish(pooled).unsqueeze_dim(1)
            }
        }
    }

    /// `[samples * clips, 3, frames, height, width]` -> frame features `[samples, clips, time, width]`, with those of the
    /// enlarged clip beside them where both are used.
    fn frame_features(&self, clip: Tensor<5>, clips: usize, tokens: MakeTokens<'_>) -> Tensor<4> {
        let clip = match &self.clip_quirks {
            Some(quirks) => quirks.apply(clip),
            None => clip,
        };
        let merge = if self.quirks.contains(&Quirk::ChannelGrid) { merge_parts_on_channel_grid } else { merge_parts };
        let usual = self.encoder.frame_features(&tokens(&self.encoder, clip.clone(), 1));
        let features = match self.zoom.is_some() || self.beside {
            false => usual,
            true => both_scales(&self.encoder, usual, clip, merge, tokens),
        };
        let [all, time, width] = features.dims();
        features.reshape([all / clips, clips, time, width])
    }

    /// `[samples, clips, values]` -> predictions
    fn read(&self, embedding: Tensor<3>) -> Prediction {
        match &self.borrowed {
            None => self.head.forward(embedding, &self.encoder),
            Some(Borrowed { encoder, bridge }) => self.head.forward(bridge.forward(embedding), encoder),
        }
    }

    /// Frame features of one scale or both -> frame embeddings, `[batch, time, dim]`
    fn project(&self, features: Tensor<3>) -> Tensor<3> {
        let projection = self.projection();
        let Some(zoom) = &self.zoom else { return projection.apply(features) };
        projection.finish(match zoom.norms_jointly() {
            true => zoom.forward_both(features),
            false => {
                let [_, _, both] = features.dims();
                let scale = |index: usize| projection.normalize(features.clone().narrow(2, index * both / 2, both / 2));
                zoom.forward(scale(0), scale(1))
            }
        })
    }

    /// The encoder's own projection, of frames.
    fn projection(&self) -> Projection {
        let projection = self.encoder.projection();
        let any_length = self.quirks.contains(&Quirk::AnyLength);
        Projection { unit_length: projection.unit_length && !any_length, ..projection }
    }

    /// Whether features of this stage can be adapted.
    fn expects(&self, features: &Features) -> bool {
        let stage = match features {
            Features::Embedding(_) => Stage::Embedding,
            Features::Frames(_) => Stage::Frames,
            Features::ZoomFrames(_) => Stage::ZoomFrames,
            Features::Tokens(_) => Stage::Tokens,
            Features::Clip(..) => Stage::Clip,
        };
        stage == self.stage
    }
}

/// Frame features of a clip beside those of the clip enlarged.
///
/// - base: the clip's own, `[batch, time, width]`
/// - clip: `[batch, 3, frames, height, width]`
/// - output: `[batch, time, 2 * width]`
pub fn zoom_frames(encoder: &AnyEncoder, base: Tensor<3>, clip: Tensor<5>) -> Tensor<3> {
    both_scales(encoder, base, clip, merge_parts, &mut usual_tokens)
}

fn both_scales(
    encoder: &AnyEncoder,
    base: Tensor<3>,
    clip: Tensor<5>,
    merge: fn(Tensor<3>) -> Tensor<3>,
    tokens: MakeTokens<'_>,
) -> Tensor<3> {
    let parts = encoder.frame_features(&tokens(encoder, zoom_parts(clip), SCALE));
    Tensor::cat(vec![base, merge(parts)], 2)
}

/// The encoder's own, when nobody looks.
fn usual_tokens(encoder: &AnyEncoder, clip: Tensor<5>, _side: usize) -> Tokens {
    encoder.tokens(clip)
}

impl Adapter for Adapted {
    fn stage(&self) -> Stage {
        self.stage
    }

    fn ranks(&self) -> Option<&RankSpec> {
        match &self.head {
            Head::Prompts(head) => head.ranks(),
            _ => None,
        }
    }

    fn fitting(&self) -> Fitting {
        self.head.fitting()
    }

    fn encoder(&self) -> Option<&AnyEncoder> {
        (self.stage == Stage::Clip).then_some(&self.encoder)
    }

    fn role(&self, path: &str) -> ParameterRole {
        let text = self.encoder.card().parameters.text;
        match path.strip_prefix("encoder.") {
            Some(path) if text.iter().any(|prefix| path.starts_with(prefix)) => ParameterRole::Text,
            Some(_) => ParameterRole::Encoder,
            None => ParameterRole::Head,
        }
    }

    /// With a norm over the frames of a batch, what is said of a video depends on the others of it.
    fn predict(&self, features: Features) -> Vec<Vec<f32>> {
        let rows = |features| self.forward(features).rows();
        match self.quirks.contains(&Quirk::FrameNorm) {
            true => features.split(TESTED_TOGETHER).into_iter().flat_map(rows).collect(),
            false => rows(features),
        }
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

    fn solve(&mut self, batches: Vec<Features>, truths: &[Truth]) {
        let embeddings: Vec<Tensor<3>> = batches.into_iter().map(|features| self.embed(features)).collect();
        self.head = self.head.clone().solve(&embeddings, truths);
    }

    fn zero_gradient_reason(&self, path: &str) -> Option<&'static str> {
        match path {
            path if matches!(self.head, Head::Linear(_)) && !path.starts_with("head.") => {
                Some("the linear head's weights are zero at first")
            }
            path if matches!(self.head, Head::Linear(_)) && path.ends_with(".bias") => {
                Some("as many samples above as below, or of each class, cancel at first")
            }
            path if path.contains("refinement.first.") => Some("the layer behind it is zero at first"),
            path if path.ends_with(".lora.a") => Some("the factor behind it is zero at first"),
            // Of the adapter's pooling or the encoder's own.
            path if path.ends_with("pool.score.bias") => {
                Some("a softmax over frames does not change when all scores move")
            }
            "pool.first.weight" | "pool.first.bias" | "pool.second.weight" | "pool.second.bias" => {
                Some("the score's weights are zero at first, so that all frames weigh the same")
            }
            _ => None,
        }
    }

    fn forward(&self, features: Features) -> Prediction {
        assert!(self.expects(&features), "{:?} is not what this adapter consumes: {}", features, self.stage.name());
        if let Head::Ranked(head) = &self.head {
            let Features::Frames(features) = features else { unreachable!("ranked prompts look at frames") };
            let [videos, clips, time, width] = features.dims();
            let frames = self.encoder.projection().apply(features.reshape([videos * clips, time, width]));
            return head.forward(frames, clips);
        }
        if let (Head::Native(head), Features::Clip(clip, clips)) = (&self.head, &features) {
            return head.forward_clips(clip.clone(), *clips, &self.encoder);
        }
        self.read(self.embed(features))
    }

    /// By its own encoder, which may be another than it was, whatever the stage.
    fn forward_clips(
        &self,
        clip: Tensor<5>,
        clips: usize,
        _encoder: &AnyEncoder,
        tokens: MakeTokens<'_>,
    ) -> Result<Prediction, &'static str> {
        match &self.head {
            Head::Ranked(_) => {
                return Err("it ranks prompts and takes a median of their values, which has no gradient");
            }
            Head::Native(head) if head.reads_views() => {
                return Err(
                    "it reads the classifier of views, a network of its own that shares nothing with the encoder",
                );
            }
            _ => {}
        }
        let features = match self.stage {
            _ if self.probe.is_some() => Features::Tokens(self.token_rows(clip, clips, tokens)),
            Stage::Embedding => {
                let embedding = self.encoder.embed(&tokens(&self.encoder, clip, 1));
                let [all, dim] = embedding.dims();
                Features::Embedding(embedding.reshape([all / clips, clips, dim]))
            }
            _ => Features::Frames(self.frame_features(clip, clips, tokens)),
        };
        Ok(self.read(self.embed(features)))
    }

    fn frames_seen(&self, frame: usize, frames: usize) -> Vec<usize> {
        self.clip_quirks.map_or(vec![frame], |quirks| quirks.frames_seen(frame, frames))
    }

    fn frame_attention(&self, features: &dyn Fn() -> Features) -> Option<Tensor<2>> {
        let pool = self.pool.as_ref()?;
        let features = features();
        assert!(self.expects(&features), "{:?} is not what this adapter consumes: {}", features, self.stage.name());
        let features = match features {
            Features::Embedding(_) | Features::Tokens(_) => return None,
            Features::Frames(features) | Features::ZoomFrames(features) => features,
            Features::Clip(clip, clips) => self.frame_features(clip, clips, &mut usual_tokens),
        };
        let [samples, clips, time, width] = features.dims();
        let frames = self.project(features.reshape([samples * clips, time, width]));
        let [_, _, dim] = frames.dims();
        Some(pool.weights(frames.reshape([samples, clips * time, dim])))
    }
}
