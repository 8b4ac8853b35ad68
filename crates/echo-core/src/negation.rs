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
pub trait Negation: Send + Sync + Debug {
    /// What both branches make of clips `[batch, 3, frames, height, width]`.
    fn branches(&self, clip: Tensor<5>) -> BothBranches;

    /// Text embeddings of sentences that there is one of `names`, `[names, dim]`, of any length.
    ///
    /// # Errors
    /// [`Error::TextTooLong`].
    fn shown(&self, names: &[&str]) -> Result<Tensor<2>, Error>;

    /// Those of sentences that there is none, by the second branch.
    ///
    /// # Errors
    /// As [`shown`](Self::shown).
    fn denied(&self, names: &[&str]) -> Result<Tensor<2>, Error>;

    /// Whether the second branch is trained as the code is that the method was released with, where that departs from the
    /// method: what it says of clips and sentences is of the same kind.
    fn is_released(&self) -> bool;

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
}

/// What is added under the root of [`opposition`], so that its slope is finite where two sentences are one.
const ROOT: f64 = 1e-4;

/// How alike sentences and their denials are, `[1]`: two minus the distance of their embeddings `[classes, dim]`, both of length
/// one; the mean over classes. What a second branch descends beside telling classes apart.
pub fn opposition(shown: Tensor<2>, denied: Tensor<2>) -> Tensor<1> {
    let cosine: Tensor<1> = (shown * denied).sum_dim(1).squeeze_dim(1);
    let distance = (cosine * -2.0 + (2.0 + ROOT)).sqrt();
    (distance.neg() + 2.0).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn sentences_are_opposed_when_they_point_away_from_each_other() {
        let device = Device::flex();
        let rows = |rows: [[f32; 2]; 1]| Tensor::<2>::from_floats(rows, &device);
        let of = |a, b| opposition(rows([a]), rows([b])).into_scalar::<f32>();
        // The distance of opposites is 2, of right angles the root of 2; that of equals is what keeps the slope finite.
        assert!((of([1.0, 0.0], [-1.0, 0.0]) - (2.0 - 4.0001f32.sqrt())).abs() < 1e-6);
        assert!((of([1.0, 0.0], [0.0, 1.0]) - (2.0 - 2.0001f32.sqrt())).abs() < 1e-6);
        assert!((of([0.6, 0.8], [0.6, 0.8]) - 1.99).abs() < 1e-4);
    }
}
