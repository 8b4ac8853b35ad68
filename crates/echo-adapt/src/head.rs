//! What turns an embedding into a prediction.

use burn::module::Module;
use burn::tensor::Tensor;
use echo_core::{AnyEncoder, Fitting, Prediction, Truth};

use crate::class_prompts::ClassPrompts;
use crate::expected_prompts::ExpectedPrompts;
use crate::linear_head::LinearHead;
use crate::native_head::NativeHead;
use crate::prompt_head::PromptHead;
use crate::ranked_prompts::RankedPrompts;

/// One of the heads.
#[derive(Module, Debug)]
// There is one head in a process at a time.
#[allow(clippy::large_enum_variant)]
pub enum Head {
    /// Ranks, classes or labels with prompts.
    Prompts(PromptHead),
    /// A linear map.
    Linear(LinearHead),
    /// The encoder's own head.
    Native(NativeHead),
    /// Prompts for every value, ranked by similarity.
    Ranked(RankedPrompts),
    /// Prompts for every value, read from the clip's embedding.
    Expected(ExpectedPrompts),
    /// Prompts for classes or labels, read from the clip's embedding.
    Classes(ClassPrompts),
}

impl Head {
    pub(crate) fn fitting(&self) -> Fitting {
        match self {
            Head::Prompts(_) => Fitting::Gradient,
            Head::Linear(head) => head.fitting(),
            Head::Native(_) | Head::Ranked(_) | Head::Expected(_) | Head::Classes(_) => Fitting::Nothing,
        }
    }

    /// Embeddings of several batches, `[samples, clips, dim]` each, with what is true of all their samples.
    pub(crate) fn solve(self, embeddings: &[Tensor<3>], truths: &[Truth]) -> Self {
        match self {
            Head::Linear(head) => Head::Linear(head.solve(embeddings, truths)),
            other => other,
        }
    }

    /// `[samples, clips, dim]` -> predictions, each the mean over a sample's clips.
    pub(crate) fn forward(&self, embedding: Tensor<3>, encoder: &AnyEncoder) -> Prediction {
        match self {
            Head::Prompts(head) => {
                let text = encoder.text().expect("the head was built with this encoder's text tower");
                head.forward(embedding, text)
            }
            Head::Linear(head) => head.forward(embedding),
            Head::Native(head) => head.forward(embedding, encoder),
            Head::Expected(head) => head.forward(embedding),
            Head::Classes(head) => head.forward(embedding),
            Head::Ranked(_) => unreachable!("ranked prompts look at frames"),
        }
    }
}
