//! Both towers of EchoCLIP (open_clip's CLIP with a timm ConvNeXt), written from that architecture.

use std::path::Path;

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{Activation, ClipTextConfig, ClipTextTower, ConvNext, ConvNextConfig, layer_norm, linear_no_bias};
use echo_weights::{Checkpoint, KeyTable, Pretrained, WeightsError};

use crate::{CARD, ClipTokenizer, KEYS, TemplateTokenizer, TextTokenizer};

/// Epsilon of the norm between pooling and projection.
const HEAD_EPSILON: f64 = 1e-6;

/// Sizes of both towers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoClipConfig {
    /// The image tower.
    pub visual: ConvNextConfig,
    /// The text tower; its `dim` is the embeddings' length.
    pub text: ClipTextConfig,
}

impl EchoClipConfig {
    /// The published sizes.
    pub const fn full() -> Self {
        Self { visual: ConvNextConfig::base(), text: ClipTextConfig::base() }
    }

    /// Small ones.
    pub const fn nano() -> Self {
        Self {
            visual: ConvNextConfig { depths: [0, 1, 1, 1], dims: [8, 16, 40, 128] },
            text: ClipTextConfig {
                vocabulary: 4096,
                context: 77,
                width: 96,
                heads: 4,
                layers: 3,
                dim: 96,
                activation: Activation::Gelu,
            },
        }
    }

    /// Those of a preset: variants have the published ones.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self::nano(),
            _ => Self::full(),
        }
    }

    /// These sizes with the vocabulary and the context of a checkpoint, where its text tower has their width.
    pub fn for_checkpoint(mut self, checkpoint: &Checkpoint) -> Self {
        let rows = |table: &str| {
            // Upstream's name, or the module's own.
            let shape = ["", "text.net."].iter().find_map(|tower| checkpoint.shape(&format!("{tower}{table}")))?;
            match *shape.as_slice() {
                [rows, width] if width == self.text.width && rows > 0 => Some(rows),
                _ => None,
            }
        };
        let vocabulary = rows("token_embedding.weight").unwrap_or(self.text.vocabulary);
        let context = rows("positional_embedding").unwrap_or(self.text.context);
        (self.text.vocabulary, self.text.context) = (vocabulary, context);
        self
    }

    /// The model with constant parameters.
    pub fn init(&self, tokenizer: impl Into<TextTokenizer>, device: &Device) -> EchoClip {
        let width = self.visual.width();
        EchoClip {
            visual: Visual {
                trunk: self.visual.init(device),
                head: VisualHead {
                    norm: layer_norm(width, HEAD_EPSILON, device),
                    proj: linear_no_bias(width, self.text.dim, device),
                },
            },
            text: ClipTextTower::new(&self.text, tokenizer.into(), device),
        }
    }
}

/// EchoCLIP.
#[derive(Module, Debug)]
pub struct EchoClip {
    visual: Visual,
    text: ClipTextTower,
}

#[derive(Module, Debug)]
struct Visual {
    trunk: ConvNext,
    head: VisualHead,
}

#[derive(Module, Debug)]
struct VisualHead {
    norm: LayerNorm,
    proj: Linear,
}

impl EchoEncoder for EchoClip {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        let [batch, channels, frames, height, width] = clip.dims();
        let images = clip.swap_dims(1, 2).reshape([batch * frames, channels, height, width]);
        Tokens::of_maps(self.visual.trunk.forward(images), batch)
    }

    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        tokens.spatial_mean()
    }

    fn width(&self) -> usize {
        self.visual.head.norm.gamma.lazy_shape()[0]
    }

    fn projection(&self) -> Projection {
        let VisualHead { norm, proj } = &self.visual.head;
        Projection { norm: Some(norm.clone()), linear: Some(proj.clone()), unit_length: true }
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        Some(&self.text)
    }
}

/// EchoCLIP's tokenizer at a preset.
fn byte_pairs(preset: &Preset) -> ClipTokenizer {
    match preset.name {
        Preset::NANO => ClipTokenizer::nano(),
        _ => ClipTokenizer::full(),
    }
}

/// EchoCLIP-R's tokenizer for `checkpoint`, whose token embedding has `rows` rows: its vocabulary lies beside it.
fn templates(checkpoint: &Checkpoint, rows: usize) -> Result<TemplateTokenizer, WeightsError> {
    let path = checkpoint.path().parent().unwrap_or(Path::new("")).join(TemplateTokenizer::FILE);
    let tokenizer = TemplateTokenizer::open(&path)?;
    match tokenizer.vocabulary_size() <= rows {
        true => Ok(tokenizer),
        false => Err(WeightsError::Companion {
            path,
            reason: format!(
                "it makes {} ids, {} knows {rows}; give the one that belongs to the weights",
                tokenizer.vocabulary_size(),
                checkpoint.path().display()
            ),
        }),
    }
}

impl Pretrained for EchoClip {
    const CARD: &'static Card = &CARD;

    fn init(preset: &Preset, device: &Device) -> Self {
        EchoClipConfig::of(preset).init(byte_pairs(preset), device)
    }

    /// With another number of token ids than EchoCLIP's, a checkpoint is EchoCLIP-R's, whatever its preset is called: both
    /// are the same network.
    fn init_for(preset: &Preset, checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        let config = EchoClipConfig::of(preset).for_checkpoint(checkpoint);
        let tokenizer = byte_pairs(preset);
        match config.text.vocabulary == tokenizer.vocabulary_size() {
            true => Ok(config.init(tokenizer, device)),
            false => Ok(config.init(templates(checkpoint, config.text.vocabulary)?, device)),
        }
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}
