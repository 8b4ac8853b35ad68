//! The encoder's own head for the target.

use burn::module::Module;
use burn::tensor::Tensor;
use echo_core::{AnyEncoder, Prediction};

/// Reads one head of the encoder.
#[derive(Module, Debug)]
pub struct NativeHead {
    #[module(skip)]
    name: String,
}

impl NativeHead {
    /// The head called `name`.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// `[videos, clips, dim]` -> `[videos]`
    pub(crate) fn forward(&self, embedding: Tensor<3>, encoder: &AnyEncoder) -> Prediction {
        let [videos, clips, dim] = embedding.dims();
        let reported = encoder.heads(embedding.reshape([videos * clips, dim]));
        let (_, values) = reported
            .into_iter()
            .find(|(head, _)| head.name == self.name)
            .expect("the adapter was built with this head");
        Prediction { value: values.reshape([videos, clips]).mean_dim(1).squeeze_dim(1), logits: None }
    }
}
