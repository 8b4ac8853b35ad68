//! The view classifier: torchvision's `convnext_base` on one frame.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use echo_core::Tokens;
use echo_nn::{ConvNext, ConvNextConfig, layer_norm, linear};

/// Epsilon of the norm between pooling and classifier.
const EPSILON: f64 = 1e-6;

/// The views that it tells apart, in the order of its outputs.
pub const VIEWS: [&str; 11] = [
    "A2C",
    "A3C",
    "A4C",
    "A5C",
    "Apical_Doppler",
    "Doppler_Parasternal_Long",
    "Doppler_Parasternal_Short",
    "Parasternal_Long",
    "Parasternal_Short",
    "SSN",
    "Subcostal",
];

/// A ConvNeXt with a linear classifier.
#[derive(Module, Debug)]
pub struct ViewClassifier {
    trunk: ConvNext,
    norm: LayerNorm,
    classifier: Linear,
}

impl ViewClassifier {
    pub(crate) fn new(trunk: &ConvNextConfig, device: &Device) -> Self {
        Self {
            trunk: trunk.init(device),
            norm: layer_norm(trunk.width(), EPSILON, device),
            classifier: linear(trunk.width(), VIEWS.len(), device),
        }
    }

    /// `[batch, 3, height, width]` -> logits over [`VIEWS`], `[batch, 11]`
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<2> {
        let [batch, ..] = frames.dims();
        let pooled = Tokens::of_maps(self.trunk.forward(frames), batch).spatial_mean().squeeze_dim(1);
        self.classifier.forward(self.norm.forward(pooled))
    }
}
