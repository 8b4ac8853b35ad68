//! An encoder with something learnable on it.

use burn::module::Module;
use echo_core::{Adapter, AnyEncoder, Features, Prediction, RankSpec, Stage};

use crate::PromptHead;

/// A frozen encoder with a prompt head on its clip embeddings.
#[derive(Module, Debug)]
pub struct Adapted {
    /// Frozen; here for its text tower, through which gradients flow to the prompts.
    encoder: AnyEncoder,
    head: PromptHead,
}

impl Adapted {
    /// `encoder`, frozen, under `head`.
    pub fn new(encoder: AnyEncoder, head: PromptHead) -> Self {
        Self { encoder: encoder.freeze(), head }
    }

    /// The same with nothing learnable: what the adapter starts from.
    pub fn frozen(self) -> Self {
        Self { encoder: self.encoder, head: self.head.freeze() }
    }
}

impl Adapter for Adapted {
    fn stage(&self) -> Stage {
        Stage::Embedding
    }

    fn ranks(&self) -> Option<&RankSpec> {
        Some(self.head.ranks())
    }

    fn forward(&self, features: Features) -> Prediction {
        let Features::Embedding(embedding) = features else {
            panic!("a prompt head consumes clip embeddings, not {features:?}");
        };
        let text = self.encoder.text().expect("the head was built with this encoder's text tower");
        self.head.forward(embedding, text)
    }
}
