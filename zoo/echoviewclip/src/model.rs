//! CLIP's two towers with a pooling over frames, and what is learnt after them, written from that architecture.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::{
    AnyEncoder, Card, EchoEncoder, Error, Negation, Preset, Projection, TextEncoder, Tokens, l2_normalize, padded_ids,
};
use echo_nn::{
    Activation, ClipTextConfig, ClipTextTower, ClipTokenizer, ClipVision, ClipVisionConfig, FramePool, FramePoolConfig,
    QualityHead, QualityHeadConfig, Tokenize,
};
use echo_weights::{Checkpoint, KeyTable, Part, Pretrained, WeightsError};

use crate::checkpoint::check_parts;
use crate::negation::{NoBranch, NoBranchConfig};
use crate::views::{SHOWN, VIEWS, sentences};
use crate::{CARD, KEYS, PARTS};

/// CLIP's, in all towers.
const ACTIVATION: Activation = Activation::QuickGelu;

/// Frames that the quality head weighs, and grades that it tells apart.
pub(crate) const FRAMES: usize = 16;
pub(crate) const GRADES: usize = 3;

/// Sizes of the towers, whose embeddings have one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoViewClipConfig {
    /// The image tower.
    pub visual: ClipVisionConfig,
    /// The text tower.
    pub text: ClipTextConfig,
    /// Width of what weighs frames.
    pub hidden: usize,
    /// The second branch, where the weights have one.
    pub no: Option<NoBranchConfig>,
    /// The quality head, where the weights have one.
    pub quality: Option<QualityHeadConfig>,
}

impl EchoViewClipConfig {
    /// The published sizes, with everything that is learnt in three stages.
    pub const fn full() -> Self {
        Self {
            visual: ClipVisionConfig::base_16(),
            text: ClipTextConfig { activation: ACTIVATION, ..ClipTextConfig::base() },
            hidden: 128,
            no: Some(NoBranchConfig { blocks: 4, context: None }),
            quality: Some(QualityHeadConfig { dim: 512, frames: FRAMES, grades: GRADES }),
        }
    }

    /// Small ones, as after the first stage.
    pub const fn nano() -> Self {
        let (width, heads, dim, activation) = (64, 4, 64, ACTIVATION);
        Self {
            visual: ClipVisionConfig { image: [64; 2], patch: 16, width, heads, layers: 4, dim, activation },
            text: ClipTextConfig { vocabulary: 4096, context: 77, width, heads, layers: 3, dim, activation },
            hidden: 32,
            no: None,
            quality: None,
        }
    }

    /// Those of a preset.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self::nano(),
            _ => Self::full(),
        }
    }

    /// These sizes without what a checkpoint lacks: those of the first stage have no second branch, and those of the first two
    /// no quality head. Words in which the second branch denies are as many as this program's file has: upstream's were never
    /// trained.
    pub fn for_checkpoint(mut self, checkpoint: &Checkpoint) -> Self {
        let ends = |name: &str| checkpoint.names().find(|known| *known == name || known.ends_with(&format!(".{name}")));
        // Words of another width than the sentences', or more of them than a sentence has, are a mismatch when they load.
        let vectors = ends("no.context").and_then(|name| match checkpoint.shape(name)?.as_slice() {
            &[vectors, _] => Some(vectors),
            _ => None,
        });
        let context = vectors
            .filter(|vectors| (1..=self.text.context).contains(vectors))
            .map(|vectors| [vectors, self.text.width]);
        // Upstream's names, then the module's own.
        let has_no = ends("projector_no.weight").or_else(|| ends("no.pool.projector.weight")).is_some();
        let has_quality = ends("projector_sqc.weight").or_else(|| ends("quality.projector.weight")).is_some();
        let blocks = self.no.map_or(self.visual.layers.div_ceil(3), |no| no.blocks);
        self.no = has_no.then_some(NoBranchConfig { blocks, context });
        let whole = QualityHeadConfig { dim: self.visual.dim, frames: FRAMES, grades: GRADES };
        self.quality = has_quality.then_some(self.quality.unwrap_or(whole));
        self
    }

    /// The model with constant parameters.
    pub fn init(&self, tokenizer: impl Tokenize + 'static, device: &Device) -> EchoViewClip {
        let visual = self.visual.init(device);
        let text = ClipTextTower::new(&self.text, tokenizer, device);
        let pool = FramePoolConfig { dim: self.visual.dim, hidden: self.hidden }.init(device);
        let no = self.no.map(|config| config.init(&visual, &text, &pool, device));
        EchoViewClip { visual, text, pool, no, quality: self.quality.map(|config| config.init(device)) }
    }
}

/// EchoViewCLIP.
#[derive(Module, Debug)]
pub struct EchoViewClip {
    pub(crate) visual: ClipVision,
    pub(crate) text: ClipTextTower,
    pub(crate) pool: FramePool,
    pub(crate) no: Option<NoBranch>,
    pub(crate) quality: Option<QualityHead>,
}

/// Word embeddings of texts, padded to the longest, and how long each is: `[texts, tokens, width]`
///
/// # Errors
/// A text is too long for the tower.
pub(crate) fn words(text: &dyn TextEncoder, texts: &[String]) -> Result<(Tensor<3>, Vec<usize>), Error> {
    let ids = texts.iter().map(|sentence| text.tokenize(sentence)).collect::<Result<Vec<_>, _>>()?;
    let (ids, lengths) = padded_ids(&ids, &text.logit_scale().device());
    Ok((text.words(ids), lengths))
}

impl EchoViewClip {
    /// CLIP's embedding of every frame, of any length: class tokens `[batch, time, width]` -> `[batch, time, dim]`
    pub(crate) fn frame_embeddings(&self, class: Tensor<3>) -> Tensor<3> {
        let (norm, linear) = self.visual.head();
        Projection { norm: Some(norm), linear: Some(linear), unit_length: false }.apply(class)
    }
}

impl EchoEncoder for EchoViewClip {
    fn card(&self) -> &'static Card {
        &CARD
    }

    /// CLIP's, before its last norm.
    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        self.visual.tokens(clip)
    }

    fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        self.visual.tokens_watched(clip, watch)
    }

    /// CLIP's embedding of a frame, and beside it the same as often as attention weighs the frame more than the others: the mean
    /// over time is what upstream projects.
    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        let class = tokens.class.clone().unwrap_or_else(|| tokens.spatial_mean());
        self.pool.frames(self.frame_embeddings(class))
    }

    fn width(&self) -> usize {
        self.pool.projector().weight.lazy_shape()[0]
    }

    fn token_width(&self) -> usize {
        self.visual.width()
    }

    fn behind_tokens(&self) -> &'static [&'static str] {
        &["visual.ln_post.", "visual.proj", "pool."]
    }

    /// Upstream divides by the length where clips meet texts, and not before: its quality head sees what has none.
    fn projection(&self) -> Projection {
        Projection { linear: Some(self.pool.projector().clone()), ..Projection::default() }
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        Some(&self.text)
    }

    fn has_views(&self) -> bool {
        true
    }

    /// Similarities to a sentence of each view.
    fn view_logits(&self, clip: Tensor<5>) -> Option<Tensor<2>> {
        let (words, lengths) =
            words(&self.text, &sentences(SHOWN, VIEWS)).expect("the longest of its own sentences has 20 tokens");
        let texts = l2_normalize(self.text.encode_words(words, &lengths));
        Some(l2_normalize(self.encode(clip)).matmul(texts.transpose()) * self.text.logit_scale().exp().unsqueeze())
    }

    fn negation(&self) -> Option<&dyn Negation> {
        self.no.as_ref().map(|_| self as &dyn Negation)
    }

    fn with_negation(&self, released: bool) -> Option<AnyEncoder> {
        Some(AnyEncoder::new(self.clone().with_copied_branch(released)))
    }
}

impl Pretrained for EchoViewClip {
    const CARD: &'static Card = &CARD;

    const PARTS: &'static [Part] = PARTS;

    fn init(preset: &Preset, device: &Device) -> Self {
        EchoViewClipConfig::of(preset).init(tokenizer(preset), device)
    }

    fn init_for(preset: &Preset, checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        // What this program has written was checked when it was read.
        if !checkpoint.has_own_names() {
            check_parts(checkpoint)?;
        }
        Ok(EchoViewClipConfig::of(preset).for_checkpoint(checkpoint).init(tokenizer(preset), device))
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}

fn tokenizer(preset: &Preset) -> ClipTokenizer {
    match preset.name {
        Preset::NANO => ClipTokenizer::nano(),
        _ => ClipTokenizer::full(),
    }
}
