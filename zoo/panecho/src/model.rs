//! PanEcho (torchvision's ConvNeXt, torch's transformer encoder, linear heads), written from those architectures.

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Error, Head, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{ConvNext, ConvNextConfig, Temporal, TemporalConfig, layer_norm, sinusoidal_positions};
use echo_weights::{Checkpoint, KeyTable, Pretrained, WeightsError};

use crate::{CARD, Heads, KEYS, TASKS};

/// Epsilon of the norm after pooling an image.
const IMAGE_EPSILON: f64 = 1e-6;

/// Sizes of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanEchoConfig {
    /// The image encoder.
    pub image: ConvNextConfig,
    /// Attention heads of the temporal transformer.
    pub attention_heads: usize,
    /// Blocks of the temporal transformer, whose widths are the image encoder's.
    pub layers: usize,
}

impl PanEchoConfig {
    /// The published sizes.
    pub const fn full() -> Self {
        Self { image: ConvNextConfig::tiny(), attention_heads: 8, layers: 4 }
    }

    /// Small ones.
    pub const fn nano() -> Self {
        Self {
            // No blocks at the finest resolution: they would cost half as much again as all the rest.
            image: ConvNextConfig { depths: [0, 1, 1, 1], dims: [8, 16, 32, 160] },
            attention_heads: 4,
            layers: 2,
        }
    }

    /// Those of a preset: variants have the published ones.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self::nano(),
            _ => Self::full(),
        }
    }

    /// The model with constant parameters and the heads of `tasks`.
    pub fn init(&self, tasks: impl IntoIterator<Item = &'static Head>, device: &Device) -> PanEcho {
        let width = self.image.width();
        let transformer =
            TemporalConfig { width, heads: self.attention_heads, feed_forward: width, layers: self.layers };
        PanEcho {
            encoder: VideoEncoder {
                encoder: ImageEncoder {
                    trunk: self.image.init(device),
                    norm: layer_norm(width, IMAGE_EPSILON, device),
                },
                transformer: transformer.init(device),
            },
            heads: Heads::init(tasks, width, device),
        }
    }
}

/// PanEcho.
///
/// The released weights rely on a quirk: a clip `[batch, 3, frames, height, width]` becomes images by a *reshape* to
/// `[batch * frames, 3, height, width]`, without moving the frames' axis. An image is therefore not a frame, but three
/// consecutive planes of the sequence "channel 0 of all frames, channel 1 of all frames, channel 2 of all frames": the
/// first image holds channel 0 of frames 0, 1 and 2. Tokens are in the order of these images. Every frame still
/// reaches the encoder three times.
#[derive(Module, Debug)]
pub struct PanEcho {
    encoder: VideoEncoder,
    heads: Heads,
}

#[derive(Module, Debug)]
struct VideoEncoder {
    encoder: ImageEncoder,
    transformer: Temporal,
}

/// The image encoder: torchvision's ConvNeXt without its last linear layer.
#[derive(Module, Debug)]
pub struct ImageEncoder {
    trunk: ConvNext,
    norm: LayerNorm,
}

impl ImageEncoder {
    /// `[batch, 3, height, width]` -> `[batch, width]`: the normalised spatial mean of the last feature map
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [batch, ..] = images.dims();
        let tokens = Tokens::of_maps(self.trunk.forward(images), batch);
        self.norm.forward(tokens.spatial_mean()).squeeze_dim(1)
    }
}

impl PanEcho {
    /// The encoder of single images, for tasks without time.
    pub fn image_encoder(&self) -> &ImageEncoder {
        &self.encoder.encoder
    }

    /// The same encoder with the heads of `tasks` alone; without any, the encoder only.
    ///
    /// # Errors
    /// [`Error::UnknownName`] when there is no head of a name.
    pub fn with_tasks(self, tasks: &[&str]) -> Result<Self, Error> {
        Ok(Self { encoder: self.encoder, heads: self.heads.keep(tasks)? })
    }
}

impl EchoEncoder for PanEcho {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        let [batch, channels, frames, height, width] = clip.dims();
        // Not a permutation: see `PanEcho`.
        let images = clip.reshape([batch * frames, channels, height, width]);
        Tokens::of_maps(self.encoder.encoder.trunk.forward(images), batch)
    }

    /// An image holds three planes of the clip in the order of its memory: see [`PanEcho`].
    fn steps_of_frame(&self, frame: usize, frames: usize, _steps: usize) -> Vec<usize> {
        (0..3).map(|channel| (channel * frames + frame) / 3).collect()
    }

    fn behind_tokens(&self) -> &'static [&'static str] {
        &["encoder.encoder.norm.", "encoder.transformer."]
    }

    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        let images = self.encoder.encoder.norm.forward(tokens.spatial_mean());
        let [_, frames, width] = images.dims();
        let positions = sinusoidal_positions(frames, width, &images.device());
        self.encoder.transformer.forward(images + positions.unsqueeze())
    }

    fn width(&self) -> usize {
        self.encoder.encoder.norm.gamma.lazy_shape()[0]
    }

    /// The transformer's outputs are embeddings already.
    fn projection(&self) -> Projection {
        Projection::default()
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        None
    }

    fn heads(&self, embedding: Tensor<2>) -> Vec<(&'static Head, Tensor<2>)> {
        self.heads.report(embedding)
    }
}

impl Pretrained for PanEcho {
    const CARD: &'static Card = &CARD;

    fn init(preset: &Preset, device: &Device) -> Self {
        PanEchoConfig::of(preset).init(&TASKS, device)
    }

    /// A file saved under the module's own names has the heads that the module had; upstream's has all.
    fn init_for(preset: &Preset, checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        let upstream = checkpoint.names().any(|name| name.starts_with("encoder.encoder.model."));
        let saved = |task: &Head| checkpoint.shape(&format!("heads.{}.weight", task.name)).is_some();
        Ok(PanEchoConfig::of(preset).init(TASKS.iter().filter(|task| upstream || saved(task)), device))
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}
