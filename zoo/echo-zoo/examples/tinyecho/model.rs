//! TinyEcho: a ConvNeXt on each frame and a linear projection of the mean over frames.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Preset, Projection, Steps, TextEncoder};
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
    pub const fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Full => Self { frames: ConvNextConfig { depths: [1, 1, 2, 1], dims: [24, 48, 96, 160] }, dim: 128 },
            Preset::Nano => Self { frames: ConvNextConfig { depths: [0, 1, 1, 1], dims: [8, 16, 32, 96] }, dim: 64 },
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

    /// One step per frame: the spatial mean of its last feature map.
    fn steps(&self, clip: Tensor<5>) -> Steps {
        let [batch, channels, frames, height, width] = clip.dims();
        let images = clip.swap_dims(1, 2).reshape([batch * frames, channels, height, width]);
        let maps = self.frames.forward(images);
        let [images, height, width, channels] = maps.dims();
        let pooled = maps.reshape([images, height * width, channels]).mean_dim(1);
        Steps { steps: pooled.reshape([batch, frames, channels]) }
    }

    fn project(&self, steps: Tensor<3>) -> Tensor<3> {
        self.projection.forward(self.norm.forward(steps))
    }

    fn projection(&self) -> Projection {
        Projection {
            norm_weight: Some(self.norm.gamma.val()),
            norm_bias: self.norm.beta.as_ref().map(|beta| beta.val()),
            norm_epsilon: EPSILON,
            weight: Some(self.projection.weight.val()),
            bias: None,
            unit_length: false,
        }
    }

    fn pool(&self, tokens: Tensor<3>) -> Tensor<2> {
        tokens.mean_dim(1).squeeze_dim(1)
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        None
    }
}

impl Pretrained for TinyEcho {
    const CARD: &'static Card = &CARD;

    fn init(preset: Preset, device: &Device) -> Self {
        TinyEchoConfig::preset(preset).init(device)
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }
}
