//! R(2+1)D-18: torchvision's video ResNet and its linear layer, written from that architecture.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Head, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{VideoResNet, VideoResNetConfig, linear};
use echo_weights::{KeyTable, Pretrained};

use crate::{CARD, KEYS, KINETICS};

/// Sizes of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2Plus1dConfig {
    /// The network.
    pub backbone: VideoResNetConfig,
    /// Outputs of the last layer: one is the ejection fraction, more are classes of another task, which are not reported.
    pub outputs: usize,
}

impl R2Plus1dConfig {
    /// The published sizes, as EchoNet-Dynamic trained them.
    pub const fn full() -> Self {
        Self { backbone: VideoResNetConfig::r18(), outputs: 1 }
    }

    /// The published sizes with torchvision's classifier of actions.
    pub const fn kinetics() -> Self {
        Self { outputs: 400, ..Self::full() }
    }

    /// Small ones.
    pub const fn nano() -> Self {
        // No blocks at the finest resolution: they would cost as much as all the rest.
        let backbone = VideoResNetConfig { stem: 16, depths: [0, 1, 1, 1], widths: [8, 16, 48, 128] };
        Self { backbone, outputs: 1 }
    }

    /// Those of a preset.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self::nano(),
            KINETICS => Self::kinetics(),
            _ => Self::full(),
        }
    }

    /// The model with constant parameters.
    pub fn init(&self, device: &Device) -> R2Plus1d {
        R2Plus1d { backbone: self.backbone.init(device), fc: linear(self.backbone.width(), self.outputs, device) }
    }
}

/// R(2+1)D-18.
///
/// A token is a place of the last feature map: of 32 frames of 112 x 112 there are 4 x 7 x 7. A frame feature is the mean over
/// the places of one of the 4 time steps, and the embedding is their mean: global average pooling.
#[derive(Module, Debug)]
pub struct R2Plus1d {
    backbone: VideoResNet,
    fc: Linear,
}

impl EchoEncoder for R2Plus1d {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        Tokens { class: None, patches: self.backbone.forward(clip) }
    }

    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        tokens.spatial_mean()
    }

    fn width(&self) -> usize {
        self.fc.weight.lazy_shape()[0]
    }

    /// The head follows the pooled features as they are.
    fn projection(&self) -> Projection {
        Projection::default()
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        None
    }

    fn heads(&self, embedding: Tensor<2>) -> Vec<(&'static Head, Tensor<2>)> {
        let [_, outputs] = self.fc.weight.dims();
        let heads = CARD.capabilities.heads.iter().filter(|head| head.outputs() == outputs);
        heads.map(|head| (head, head.activate(self.fc.forward(embedding.clone())))).collect()
    }
}

impl Pretrained for R2Plus1d {
    const CARD: &'static Card = &CARD;

    fn init(preset: &Preset, device: &Device) -> Self {
        R2Plus1dConfig::of(preset).init(device)
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}
