//! EchoPrime: torchvision's MViTv2-S with a projection, a BERT text tower and a view classifier, written from those
//! architectures.

use std::path::Path;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use echo_core::{Card, EchoEncoder, Preset, Projection, TextEncoder, Tokens};
use echo_nn::{BertConfig, ConvNextConfig, Mvit, MvitConfig, linear};
use echo_weights::{Checkpoint, KeyTable, Part, Pretrained, WeightsError};

use crate::text::TextTower;
use crate::view::ViewClassifier;
use crate::{CARD, KEYS, PARTS, WordPiece};

/// Sizes of the towers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EchoPrimeConfig {
    /// The video tower.
    pub video: MvitConfig,
    /// Length of an embedding.
    pub dim: usize,
    /// The text tower, unless left out.
    pub text: Option<BertConfig>,
    /// Whether the text tower's projection has a bias.
    pub text_bias: bool,
    /// The view classifier's trunk, unless left out.
    pub view: Option<ConvNextConfig>,
}

impl EchoPrimeConfig {
    /// The published sizes.
    pub fn full() -> Self {
        Self {
            video: MvitConfig::small(),
            dim: 512,
            text: Some(BertConfig::base()),
            text_bias: true,
            view: Some(ConvNextConfig::base()),
        }
    }

    /// Small ones.
    pub fn nano() -> Self {
        Self {
            video: MvitConfig::nano(),
            dim: 96,
            text: Some(BertConfig {
                vocabulary: WordPiece::nano().vocabulary_size(),
                context: 96,
                width: 96,
                heads: 4,
                layers: 2,
                intermediate: 384,
            }),
            text_bias: true,
            view: None,
        }
    }

    /// Those of a preset: variants have the published ones.
    pub fn of(preset: &Preset) -> Self {
        match preset.name {
            Preset::NANO => Self::nano(),
            _ => Self::full(),
        }
    }

    /// The model with constant parameters; `tokenizer` is the text tower's, or says why there is none.
    pub fn init(&self, tokenizer: Result<WordPiece, String>, device: &Device) -> EchoPrime {
        EchoPrime {
            video: self.video.init(device),
            head: linear(self.video.width(), self.dim, device),
            text: self.text.as_ref().map(|bert| TextTower::new(bert, self.dim, self.text_bias, tokenizer, device)),
            view: self.view.as_ref().map(|trunk| ViewClassifier::new(trunk, device)),
        }
    }

    /// These sizes with what a checkpoint says of its text tower, and without the towers that it lacks.
    pub fn for_checkpoint(mut self, checkpoint: &Checkpoint) -> Self {
        let has = |prefix: &str| checkpoint.names().any(|name| name.starts_with(prefix));
        let words = ["text.backbone.bert", "text.bert"]
            .iter()
            .find_map(|tower| checkpoint.shape(&format!("{tower}.embeddings.word_embeddings.weight")));
        if let (Some(text), Some([vocabulary, _])) = (&mut self.text, words.as_deref()) {
            text.vocabulary = *vocabulary;
        }
        self.text_bias = checkpoint.shape("text.text_projection.bias").is_some();
        self.text = self.text.filter(|_| has("text."));
        self.view = self.view.filter(|_| has("view."));
        self
    }
}

/// EchoPrime.
#[derive(Module, Debug)]
pub struct EchoPrime {
    video: Mvit,
    head: Linear,
    text: Option<TextTower>,
    view: Option<ViewClassifier>,
}

impl EchoEncoder for EchoPrime {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        self.video.forward(clip)
    }

    /// The class token alone makes the embedding, so what the last block's attention sees comes first. The last patches are what
    /// frames differ by, which adapters of frames look at.
    fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        let Tokens { class, patches } = self.video.forward_watched(clip, watch);
        Tokens { class, patches: watch(patches) }
    }

    /// Of tokens after the last norm, which treats them one by one. So the mean over time is the normed class token, and
    /// projecting it is upstream's `head(norm(class token))`. Before the norm it would not be: the norm of a mean is not
    /// the mean of norms.
    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        tokens.steps_around_class()
    }

    fn width(&self) -> usize {
        self.head.weight.lazy_shape()[0]
    }

    fn projection(&self) -> Projection {
        Projection { linear: Some(self.head.clone()), ..Projection::default() }
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        self.text.as_ref().map(|text| text as &dyn TextEncoder)
    }

    fn has_views(&self) -> bool {
        self.view.is_some()
    }

    /// The view is read off the first frame.
    fn view_logits(&self, clip: Tensor<5>) -> Option<Tensor<2>> {
        self.view.as_ref().map(|view| view.forward(clip.narrow(2, 0, 1).squeeze_dim(2)))
    }
}

impl Pretrained for EchoPrime {
    const CARD: &'static Card = &CARD;

    const PARTS: &'static [Part] = PARTS;

    fn init(preset: &Preset, device: &Device) -> Self {
        let tokenizer = match preset.name {
            Preset::NANO => Ok(WordPiece::nano()),
            _ => Err("its vocabulary comes with its weights; give --weights FOLDER".to_owned()),
        };
        EchoPrimeConfig::of(preset).init(tokenizer, device)
    }

    fn init_for(preset: &Preset, checkpoint: &Checkpoint, device: &Device) -> Result<Self, WeightsError> {
        let path = checkpoint.path();
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let tokenizer = match preset.name {
            Preset::NANO => Ok(WordPiece::nano()),
            _ => WordPiece::from_folder(folder).map_err(|error| error.to_string()),
        };
        Ok(EchoPrimeConfig::of(preset).for_checkpoint(checkpoint).init(tokenizer, device))
    }

    fn keys() -> &'static KeyTable {
        &KEYS
    }

    fn shipped(preset: &Preset) -> Option<&'static [u8]> {
        (preset.name == Preset::NANO).then_some(include_bytes!("../weights/nano.safetensors"))
    }
}
