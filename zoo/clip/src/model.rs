//! Both towers of OpenAI's CLIP ViT-B/16 (open_clip's CLIP with QuickGELU), written from that architecture.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{Activation, ClipTextConfig, ClipTextTower, ClipTokenizer, ClipVision, ClipVisionConfig};
use echo_weights::{Checkpoint, KeyTable, Part, Pretrained, WeightsError};

use crate::{CARD, KEYS, PARTS, activation};

/// OpenAI's, in both towers.
const ACTIVATION: Activation = Activation::QuickGelu;

/// Sizes of both towers, whose embeddings have one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipConfig {
    /// The image tower.
    pub visual: ClipVisionConfig,
    /// The text tower.
    pub text: ClipTextConfig,
}

impl ClipConfig {
    /// The published sizes.
    pub const fn full() -> Self {
        let text = ClipTextConfig { activation: ACTIVATION, ..ClipTextConfig::base() };
        Self { visual: ClipVisionConfig::base_16(), text }
    }

    /// Small ones.
    pub const fn nano() -> Self {
        let (width, heads, dim, activation) = (96, 4, 96, ACTIVATION);
        Self {
            visual: ClipVisionConfig { image: [64; 2], patch: 16, width, heads, layers: 3, dim, activation },
            text: ClipTextConfig { vocabulary: 4096, context: 77, width, heads, layers: 3, dim, activation },
        }
    }

    /// Those of a preset.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self::nano(),
            _ => Self::full(),
        }
    }

    /// The model with constant parameters.
    pub fn init(&self, tokenizer: ClipTokenizer, device: &Device) -> Clip {
        Clip { visual: self.visual.init(device), text: ClipTextTower::new(&self.text, tokenizer, device) }
    }
}

/// CLIP.
#[derive(Module, Debug)]
pub struct Clip {
    visual: ClipVision,
    text: ClipTextTower,
}

impl EchoEncoder for Clip {
    fn card(&self) -> &'static Card {
        &CARD
    }

    /// Before the last norm.
    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        self.visual.tokens(clip)
    }

    fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        self.visual.tokens_watched(clip, watch)
    }

    /// The class token of every frame.
    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        tokens.class.clone().unwrap_or_else(|| tokens.spatial_mean())
    }

    fn width(&self) -> usize {
        self.visual.width()
    }

    fn projection(&self) -> Projection {
        let (norm, linear) = self.visual.head();
        Projection { norm: Some(norm), linear: Some(linear), unit_length: true }
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        Some(&self.text)
    }
}

impl Pretrained for Clip {
    const CARD: &'static Card = &CARD;

    const PARTS: &'static [Part] = PARTS;

    fn init(preset: &Preset, device: &Device) -> Self {
        let tokenizer = match preset.name {
            Preset::NANO => ClipTokenizer::nano(),
            _ => ClipTokenizer::full(),
        };
        ClipConfig::of(preset).init(tokenizer, device)
    }

    /// # Errors
    /// A file beside the weights says that they were trained with another activation.
    fn init_for(preset: &Preset, checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        // What this program has written was checked when it was read.
        if !checkpoint.has_own_names() {
            activation::check(checkpoint.path())?;
        }
        Ok(Self::init(preset, device))
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}
