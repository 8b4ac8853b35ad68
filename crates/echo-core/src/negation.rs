//! A second branch of an encoder, which learns what clips and texts are not.

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::Error;

/// What an encoder's own branch and its second one make of clips.
#[derive(Clone, Debug)]
pub struct BothBranches {
    /// The encoder's embeddings, `[batch, dim]`, of any length.
    pub yes: Tensor<2>,
    /// The second branch's.
    pub no: Tensor<2>,
    /// How much each frame weighs in the first, `[batch, time]`, which sum to one.
    pub yes_attention: Tensor<2>,
    /// The same in the second.
    pub no_attention: Tensor<2>,
}

/// A second ("no") branch beside an encoder's own: towers of images and of texts in whose space a clip lies near sentences that
/// deny what it does not show (Wang et al., "CLIPN for zero-shot OOD detection: teaching CLIP to say no", ICCV 2023).
///
/// `released` asks for what the code that the method was released with computes, where that departs from the method.
pub trait Negation: Send + Sync + Debug {
    /// What both branches make of clips `[batch, 3, frames, height, width]`.
    fn branches(&self, clip: Tensor<5>, released: bool) -> BothBranches;

    /// Text embeddings of sentences that there is one of `names`, `[names, dim]`, of any length.
    ///
    /// # Errors
    /// [`Error::TextTooLong`].
    fn shown(&self, names: &[&str]) -> Result<Tensor<2>, Error>;

    /// Those of sentences that there is none, by the second branch.
    ///
    /// # Errors
    /// As [`shown`](Self::shown).
    fn denied(&self, names: &[&str], released: bool) -> Result<Tensor<2>, Error>;

    /// Natural logarithm of the factor on cosine similarities of both, `[1]`.
    fn logit_scale(&self) -> Tensor<1>;

    /// Logits of the grades of a quality head, `[batch, grades]`, where the weights have one.
    fn quality(&self, _branches: &BothBranches) -> Option<Tensor<2>> {
        None
    }

    /// Which parameters of the encoder are the second branch's.
    fn parameters(&self) -> NegationPaths;
}

/// What trains when a second branch learns, by the beginnings of the parameters' paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegationPaths {
    /// What its embeddings of clips depend on.
    pub video: &'static [&'static str],
    /// What those of sentences depend on.
    pub text: &'static [&'static str],
    /// Of those, learnable words in which sentences deny. What is released encodes none.
    pub context: &'static str,
}
