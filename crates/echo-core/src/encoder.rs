//! What a foundation model for echocardiography must offer.

use std::fmt::Debug;

use burn::tensor::{Int, Tensor};

use crate::{Card, Error, Head};

/// One vector per time step of a clip, before the encoder's projection.
#[derive(Clone, Debug)]
pub struct Steps {
    /// `[batch, steps, width]`
    pub steps: Tensor<3>,
}

/// An encoder's pretrained norm and projection as tensors: where an adapter that widens them starts from.
#[derive(Clone, Debug)]
pub struct Projection {
    /// Scale of the LayerNorm, `[width]`; `None` where the encoder has no norm.
    pub norm_weight: Option<Tensor<1>>,
    /// Shift of the LayerNorm, `[width]`.
    pub norm_bias: Option<Tensor<1>>,
    /// Added to the variance under the root.
    pub norm_epsilon: f64,
    /// `[width, dim]`; `None` where steps are embeddings already.
    pub weight: Option<Tensor<2>>,
    /// `[dim]`
    pub bias: Option<Tensor<1>>,
    /// Whether each projected step is divided by its length.
    pub unit_length: bool,
}

impl Projection {
    /// The norm alone: `[batch, steps, width]` of the same shape.
    pub fn normalize(&self, steps: Tensor<3>) -> Tensor<3> {
        let Some(weight) = &self.norm_weight else { return steps };
        let centred = steps.clone() - steps.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let scaled = centred / (variance + self.norm_epsilon).sqrt() * weight.clone().unsqueeze();
        match &self.norm_bias {
            Some(bias) => scaled + bias.clone().unsqueeze(),
            None => scaled,
        }
    }

    /// The norm and the projection, without what [`finish`](Self::finish) does: `[batch, steps, width]` ->
    /// `[batch, steps, dim]`.
    pub fn project(&self, steps: Tensor<3>) -> Tensor<3> {
        let normed = self.normalize(steps);
        let projected = match &self.weight {
            Some(weight) => normed.matmul(weight.clone().unsqueeze()),
            None => normed,
        };
        match &self.bias {
            Some(bias) => projected + bias.clone().unsqueeze(),
            None => projected,
        }
    }

    /// What is done to projected steps last: `[batch, steps, dim]` of the same shape.
    pub fn finish(&self, projected: Tensor<3>) -> Tensor<3> {
        if self.unit_length { l2_normalize(projected) } else { projected }
    }
}

/// A clip encoder.
///
/// The seam that adapters need is the encoder's vectors *before* its projection, one per time step; averaging them
/// uniformly gives the encoder's own embedding: `encode(clip) = pool(project(steps(clip)))`.
pub trait EchoEncoder: Send + Sync + Debug {
    /// The encoder's facts.
    fn card(&self) -> &'static Card;

    /// - clip: `[batch, 3, frames, height, width]`, prepared as the card's `ClipSpec` says
    /// - output: [`Steps`] with `steps` of `[batch, steps, width]`
    fn steps(&self, clip: Tensor<5>) -> Steps;

    /// The pretrained norm and projection: `[batch, steps, width]` -> `[batch, steps, dim]`.
    fn project(&self, steps: Tensor<3>) -> Tensor<3>;

    /// That norm and projection as tensors.
    fn projection(&self) -> Projection;

    /// What [`encode`](Self::encode) does over steps: `[batch, steps, dim]` -> `[batch, dim]`.
    fn pool(&self, tokens: Tensor<3>) -> Tensor<2>;

    /// The clip embedding: `[batch, 3, frames, height, width]` -> `[batch, dim]`.
    fn encode(&self, clip: Tensor<5>) -> Tensor<2> {
        self.pool(self.project(self.steps(clip).steps))
    }

    /// The text encoder, where there is one.
    fn text(&self) -> Option<&dyn TextEncoder>;

    /// What the model's own heads report of clip embeddings `[batch, dim]`: each `[batch, outputs]`, see
    /// [`Head::activate`].
    fn heads(&self, _embedding: Tensor<2>) -> Vec<(&'static Head, Tensor<2>)> {
        Vec::new()
    }

    /// Logits over the views of [`Capabilities::views`](crate::Capabilities::views):
    /// `[batch, 3, frames, height, width]` -> `[batch, views]`.
    fn view_logits(&self, _clip: Tensor<5>) -> Option<Tensor<2>> {
        None
    }
}

/// A text encoder whose embeddings lie in the same space as its clip encoder's.
pub trait TextEncoder: Send + Sync + Debug {
    /// Token ids with start and end, not padded.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] when they exceed [`context_length`](Self::context_length).
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error>;

    /// The most tokens that it takes, start and end included.
    fn context_length(&self) -> usize;

    /// `[batch, tokens]` -> word embeddings `[batch, tokens, width]` before positions are added: where prompt
    /// learning inserts its context.
    fn words(&self, ids: Tensor<2, Int>) -> Tensor<3>;

    /// `[batch, tokens, width]` and each row's true length -> text embeddings `[batch, dim]`, not normalised.
    ///
    /// Positions at or past a row's length do not change its embedding.
    fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2>;

    /// The same without the causal mask: every token attends to the whole context, which token 0 fills up. `None` where
    /// there is no causal mask to leave out. For results of code that forgets the mask.
    fn encode_words_unmasked(&self, _words: Tensor<3>, _lengths: &[usize]) -> Option<Tensor<2>> {
        None
    }

    /// Natural logarithm of the factor on cosine similarities, `[1]`.
    fn logit_scale(&self) -> Tensor<1>;
}

/// Rows of `x` divided by their Euclidean norm along the last axis, which is kept from falling below 1e-12 as in
/// PyTorch's `normalize`.
pub fn l2_normalize<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let norm = x.clone().square().sum_dim(D - 1).sqrt().clamp_min(1e-12);
    x / norm
}
