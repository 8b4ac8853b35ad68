//! TinyEcho: a ConvNeXt on each frame and a linear projection of the mean over frames.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{ConvNext, ConvNextConfig, layer_norm, linear_no_bias};
use echo_weights::{KeyTable, Pretrained};

use super::{CARD, KEYS};

/// Epsilon of the norm between pooling and projection.
const EPSILON: f64 = 1e-6;

/// Sizes of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TinyEchoConfig {
    /// The encoder of single frames.
    pub frames: ConvNextConfig,
    /// Length of an embedding.
    pub dim: usize,
}

impl TinyEchoConfig {
    /// The sizes of a preset.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self { frames: ConvNextConfig { depths: [0, 1, 1, 1], dims: [8, 16, 32, 96] }, dim: 64 },
            _ => Self { frames: ConvNextConfig { depths: [1, 1, 2, 1], dims: [24, 48, 96, 160] }, dim: 128 },
        }
    }

    /// The model with constant parameters: weights come from a file, or at random on request.
    pub fn init(&self, device: &Device) -> TinyEcho {
        let width = self.frames.width();
        TinyEcho {
            frames: self.frames.init(device),
            norm: layer_norm(width, EPSILON, device),
            projection: linear_no_bias(width, self.dim, device),
        }
    }
}

/// TinyEcho.
#[derive(Module, Debug)]
pub struct TinyEcho {
    frames: ConvNext,
    norm: LayerNorm,
    projection: Linear,
}

impl EchoEncoder for TinyEcho {
    fn card(&self) -> &'static Card {
        &CARD
    }

    /// The last feature map of each frame.
    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        let [batch, channels, frames, height, width] = clip.dims();
        let images = clip.swap_dims(1, 2).reshape([batch * frames, channels, height, width]);
        Tokens::of_maps(self.frames.forward(images), batch)
    }

    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        tokens.spatial_mean()
    }

    fn width(&self) -> usize {
        self.norm.gamma.lazy_shape()[0]
    }

    fn projection(&self) -> Projection {
        Projection { norm: Some(self.norm.clone()), linear: Some(self.projection.clone()), unit_length: false }
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        None
    }
}

impl Pretrained for TinyEcho {
    const CARD: &'static Card = &CARD;

    fn init(preset: &Preset, device: &Device) -> Self {
        TinyEchoConfig::of(preset).init(device)
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }
}
