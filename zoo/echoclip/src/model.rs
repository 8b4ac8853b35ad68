//! Both towers of EchoCLIP (open_clip's CLIP with a timm ConvNeXt), written from that architecture.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Device, Int, Tensor};
use echo_core::{Card, EchoEncoder, Error, Preset, Projection, Steps, TextEncoder, l2_normalize};
use echo_nn::{ClipText, ClipTextConfig, ConvNext, ConvNextConfig, layer_norm, linear_no_bias};
use echo_weights::{KeyTable, Pretrained};

use crate::{CARD, ClipTokenizer, KEYS};

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
    /// The sizes of a preset.
    pub const fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Full => Self { visual: ConvNextConfig::base(), text: ClipTextConfig::base() },
            Preset::Nano => Self {
                visual: ConvNextConfig { depths: [0, 1, 1, 1], dims: [8, 16, 40, 128] },
                text: ClipTextConfig { vocabulary: 4096, context: 77, width: 96, heads: 4, layers: 3, dim: 96 },
            },
        }
    }

    /// The model with constant parameters.
    pub fn init(&self, tokenizer: ClipTokenizer, device: &Device) -> EchoClip {
        let width = self.visual.width();
        EchoClip {
            visual: Visual {
                trunk: self.visual.init(device),
                head: VisualHead {
                    norm: layer_norm(width, HEAD_EPSILON, device),
                    proj: linear_no_bias(width, self.text.dim, device),
                },
            },
            text: TextTower {
                net: self.text.init(device),
                // CLIP's starting value, ln(1 / 0.07).
                logit_scale: Initializer::Constant { value: (1.0f64 / 0.07).ln() }.init([1], device),
                tokenizer,
            },
        }
    }
}

/// EchoCLIP.
#[derive(Module, Debug)]
pub struct EchoClip {
    visual: Visual,
    text: TextTower,
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

#[derive(Module, Debug)]
struct TextTower {
    net: ClipText,
    /// Natural logarithm, `[1]`.
    logit_scale: Param<Tensor<1>>,
    #[module(skip)]
    tokenizer: ClipTokenizer,
}

impl EchoClip {
    /// Embeddings of single frames as open_clip's `encode_image` gives them.
    ///
    /// - frames: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`, not normalised
    pub fn encode_frames(&self, frames: Tensor<4>) -> Tensor<2> {
        self.head(self.pooled(frames))
    }

    /// `[batch, 3, height, width]` -> spatial mean of the last feature map, `[batch, width]`
    fn pooled(&self, frames: Tensor<4>) -> Tensor<2> {
        let maps = self.visual.trunk.forward(frames);
        let [batch, height, width, channels] = maps.dims();
        maps.reshape([batch, height * width, channels]).mean_dim(1).squeeze_dim(1)
    }

    /// The norm and projection: `[..., width]` -> `[..., dim]`
    fn head<const D: usize>(&self, pooled: Tensor<D>) -> Tensor<D> {
        self.visual.head.proj.forward(self.visual.head.norm.forward(pooled))
    }
}

impl EchoEncoder for EchoClip {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn steps(&self, clip: Tensor<5>) -> Steps {
        let [batch, channels, frames, height, width] = clip.dims();
        let images = clip.swap_dims(1, 2).reshape([batch * frames, channels, height, width]);
        let pooled = self.pooled(images);
        let [_, step_width] = pooled.dims();
        Steps { steps: pooled.reshape([batch, frames, step_width]), maps: None }
    }

    fn project(&self, steps: Tensor<3>) -> Tensor<3> {
        l2_normalize(self.head(steps))
    }

    fn projection(&self) -> Projection {
        let VisualHead { norm, proj } = &self.visual.head;
        Projection {
            norm_weight: Some(norm.gamma.val()),
            norm_bias: norm.beta.as_ref().map(|beta| beta.val()),
            norm_epsilon: HEAD_EPSILON,
            weight: Some(proj.weight.val()),
            bias: None,
            unit_length: true,
        }
    }

    fn pool(&self, tokens: Tensor<3>) -> Tensor<2> {
        l2_normalize(tokens.mean_dim(1).squeeze_dim(1))
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        Some(&self.text)
    }
}

impl TextEncoder for TextTower {
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error> {
        let ids = self.tokenizer.encode(text);
        match ids.len() <= self.net.context() {
            true => Ok(ids),
            false => Err(Error::TextTooLong { tokens: ids.len(), limit: self.net.context(), text: text.to_owned() }),
        }
    }

    fn context_length(&self) -> usize {
        self.net.context()
    }

    fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.net.words(ids)
    }

    fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        self.net.encode_words(words, lengths)
    }

    fn logit_scale(&self) -> Tensor<1> {
        self.logit_scale.val()
    }
}

impl Pretrained for EchoClip {
    const CARD: &'static Card = &CARD;

    fn init(preset: Preset, device: &Device) -> Self {
        let tokenizer = match preset {
            Preset::Full => ClipTokenizer::full(),
            Preset::Nano => ClipTokenizer::nano(),
        };
        EchoClipConfig::preset(preset).init(tokenizer, device)
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }
}
