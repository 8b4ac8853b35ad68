//! torchvision's MViTv2-S without its classifier, written from that architecture.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{Mvit, MvitConfig};
use echo_weights::{Checkpoint, KeyTable, Pretrained, WeightsError};

use crate::{CARD, KEYS};

/// Classes of Kinetics-400, which the head of the published weights tells apart.
const ACTIONS: usize = 400;

/// The head's name, maybe behind that of a wrapper.
const HEAD: &str = "head.1.weight";

/// The sizes of a preset: those of EchoPrime's video tower.
pub fn config(preset: &Preset) -> MvitConfig {
    match preset.name {
        Preset::NANO => MvitConfig::nano(),
        _ => MvitConfig::small(),
    }
}

/// MViTv2-S. A clip's embedding is its class token after the last norm, which torchvision's classifier reads.
#[derive(Module, Debug)]
pub struct MvitKinetics {
    video: Mvit,
}

impl MvitKinetics {
    /// The model with constant parameters.
    pub fn new(config: &MvitConfig, device: &Device) -> Self {
        Self { video: config.init(device) }
    }
}

impl EchoEncoder for MvitKinetics {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        self.video.forward(clip)
    }

    /// What the last block's attention sees, and then the last patches, by which frames differ.
    fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        let Tokens { class, patches } = self.video.forward_watched(clip, watch);
        Tokens { class, patches: watch(patches) }
    }

    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        tokens.steps_around_class()
    }

    fn width(&self) -> usize {
        self.video.width()
    }

    /// The classifier followed the class token as it is.
    fn projection(&self) -> Projection {
        Projection::default()
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        None
    }
}

impl Pretrained for MvitKinetics {
    const CARD: &'static Card = &CARD;

    fn init(preset: &Preset, device: &Device) -> Self {
        Self::new(&config(preset), device)
    }

    /// EchoPrime's video tower has the same names and shapes, but for its head.
    fn init_for(preset: &Preset, checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        let is_head =
            |name: &&str| *name == HEAD || name.strip_suffix(HEAD).is_some_and(|before| before.ends_with('.'));
        let head = checkpoint.names().find(is_head);
        let outputs = head.and_then(|name| checkpoint.shape(name)?.first().copied());
        match outputs {
            Some(outputs) if outputs != ACTIONS => Err(WeightsError::Format {
                path: checkpoint.path().to_owned(),
                reason: format!(
                    "its head has {outputs} outputs and not the {ACTIONS} actions of Kinetics: these are no weights of \
                     torchvision's mvit_v2_s; if they are EchoPrime's, whose head has 512, use --encoder echoprime"
                ),
            }),
            _ => Ok(Self::init(preset, device)),
        }
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}
