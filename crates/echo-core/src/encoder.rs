//! What a foundation model for echocardiography must offer.

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::{AnyEncoder, Card, Head, Negation, Projection, TextEncoder, Tokens};

/// A clip encoder.
///
/// The seam for adapters is [`frame_features`](Self::frame_features), one vector per time step *before* the
/// [`projection`](Self::projection); averaging them uniformly gives the encoder's own embedding.
pub trait EchoEncoder: Send + Sync + Debug {
    /// The encoder's facts.
    fn card(&self) -> &'static Card;

    /// What the backbone makes of clips.
    ///
    /// - clip: `[batch, 3, frames, height, width]`, prepared as the card's `ClipSpec` says
    fn tokens(&self, clip: Tensor<5>) -> Tokens;

    /// The same tokens, made of what `watch` gives back of the last values that have places and on which all of the embedding
    /// depends, `[batch, time, rows, columns, width]`: what saliency maps weigh. They are the patches. In a transformer whose
    /// class token alone makes the embedding they are what its last attention sees, and then the patches, on which frame
    /// features depend beside the class token.
    fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        let Tokens { class, patches } = self.tokens(clip);
        Tokens { class, patches: watch(patches) }
    }

    /// Which of `steps` time steps of the tokens show a frame of a clip of so many `frames`.
    fn steps_of_frame(&self, frame: usize, frames: usize, steps: usize) -> Vec<usize> {
        vec![frame * steps / frames]
    }

    /// One vector per time step before the projection: `[batch, time, width]`.
    fn frame_features(&self, tokens: &Tokens) -> Tensor<3>;

    /// Paths of the parameters that stand between tokens and frame features begin with one of these, such as those of a network
    /// over time: what looks at tokens does not depend on them.
    fn behind_tokens(&self) -> &'static [&'static str] {
        &[]
    }

    /// Length of a frame feature.
    fn width(&self) -> usize;

    /// Length of a token.
    fn token_width(&self) -> usize {
        self.width()
    }

    /// The pretrained norm and projection.
    fn projection(&self) -> Projection;

    /// Length of an embedding.
    fn dim(&self) -> usize {
        match self.projection().linear {
            Some(linear) => linear.weight.lazy_shape()[1],
            None => self.width(),
        }
    }

    /// The clip embedding, `[batch, dim]`.
    fn embed(&self, tokens: &Tokens) -> Tensor<2> {
        let projection = self.projection();
        projection.pool(projection.apply(self.frame_features(tokens)))
    }

    /// The clip embedding: `[batch, 3, frames, height, width]` -> `[batch, dim]`.
    fn encode(&self, clip: Tensor<5>) -> Tensor<2> {
        self.embed(&self.tokens(clip))
    }

    /// The text encoder, where there is one.
    fn text(&self) -> Option<&dyn TextEncoder>;

    /// What the model's own heads report of clip embeddings `[batch, dim]`: each `[batch, outputs]`, see
    /// [`Head::activate`].
    fn heads(&self, _embedding: Tensor<2>) -> Vec<(&'static Head, Tensor<2>)> {
        Vec::new()
    }

    /// Whether it has a classifier of views, as some weights do.
    fn has_views(&self) -> bool {
        false
    }

    /// Logits over the views of [`Capabilities::views`](crate::Capabilities::views):
    /// `[batch, 3, frames, height, width]` -> `[batch, views]`.
    fn view_logits(&self, _clip: Tensor<5>) -> Option<Tensor<2>> {
        None
    }

    /// The second branch, where the architecture has one and the weights hold it.
    fn negation(&self) -> Option<&dyn Negation> {
        None
    }

    /// The same encoder with a second branch that begins as a copy of its own, where the architecture has one; `released` as
    /// [`Negation::is_released`] will say of it.
    fn with_negation(&self, _released: bool) -> Option<AnyEncoder> {
        None
    }
}
