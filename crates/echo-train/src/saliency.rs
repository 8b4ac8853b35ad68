//! What of a clip speaks for a score.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use echo_core::{AnyEncoder, Tokens};

/// A map of what speaks for a score, `[batch, time, rows, columns]`, not negative; `time` counts the steps of the encoder's
/// tokens.
///
/// Feature maps are weighed as in Grad-CAM (Selvaraju et al., ICCV 2017): each channel by the mean of its gradient over an image.
/// The tokens of a transformer with a class token are weighed each by its own gradient (as in HiResCAM, Draelos and Carin 2020):
/// attention treats every place by itself.
///
/// - clip: `[batch, 3, frames, height, width]`
/// - score: from the encoder, which passes gradients on, and its tokens to `[batch]`
pub fn saliency(
    encoder: &AnyEncoder,
    clip: Tensor<5>,
    score: impl FnOnce(&AnyEncoder, &Tokens) -> Tensor<1>,
) -> Tensor<4> {
    // Frozen, it builds no graph before what is watched.
    let encoder = encoder.clone().freeze().train();
    let mut seen = None;
    let tokens = encoder.tokens_watched(clip.autodiff(), &mut |values| {
        let values = values.detach().require_grad();
        seen.insert(values).clone()
    });
    let seen = seen.expect("an encoder shows what it is asked for");
    let gradients = score(&encoder, &tokens).sum().backward();
    let values = seen.clone().inner();
    // None where the score depends on nothing that is seen.
    let gradient = seen.grad(&gradients).unwrap_or_else(|| values.zeros_like());
    let weights = if tokens.class.is_some() { gradient } else { gradient.mean_dim(2).mean_dim(3) };
    relu((weights * values).sum_dim(4).squeeze_dim(4))
}
