//! The quality head of EchoViewCLIP (Song et al., MICCAI 2025): grades of a video from what it shows, what it does not, and how
//! otherwise attention goes over its frames where it is asked for one and for the other.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::layers::linear;

/// Sizes of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityHeadConfig {
    /// Length of an embedding.
    pub dim: usize,
    /// Frames of a clip.
    pub frames: usize,
    /// Grades.
    pub grades: usize,
}

impl QualityHeadConfig {
    /// The head with constant parameters.
    pub fn init(&self, device: &Device) -> QualityHead {
        QualityHead {
            projector: linear(2 * self.dim + self.frames, self.dim, device),
            classifier: linear(self.dim, self.grades, device),
        }
    }
}

/// Two linear layers, with nothing between them.
#[derive(Module, Debug)]
pub struct QualityHead {
    /// `2 * dim + frames -> dim`
    pub projector: Linear,
    /// `dim -> grades`
    pub classifier: Linear,
}

impl QualityHead {
    /// Logits of the grades, `[batch, grades]`.
    ///
    /// - embeddings: what a clip shows, and what it does not, `[batch, dim]` each, of any length
    /// - weights: of the frames, for each of the two, `[batch, frames]`; of more or fewer frames than the head was built for, those
    ///   in the middle of as many equal parts
    pub fn forward(&self, embeddings: [Tensor<2>; 2], weights: [Tensor<2>; 2]) -> Tensor<2> {
        let ([shown, not_shown], [to_shown, to_not_shown]) = (embeddings, weights);
        let [_, dim] = shown.dims();
        let [inputs, _] = self.projector.weight.dims();
        let change = softmax(nearest(to_not_shown - to_shown, inputs - 2 * dim), 1);
        self.classifier.forward(self.projector.forward(Tensor::cat(vec![shown, not_shown, change], 1)))
    }
}

/// The columns in the middle of `count` equal parts: `[batch, frames]` -> `[batch, count]`
fn nearest(x: Tensor<2>, count: usize) -> Tensor<2> {
    let [_, frames] = x.dims();
    if frames == count {
        return x;
    }
    let middles: Vec<i64> = (0..count).map(|part| ((2 * part + 1) * frames / (2 * count)) as i64).collect();
    let middles = Tensor::<1, Int>::from_data(TensorData::new(middles, [count]), &x.device());
    x.select(1, middles)
}

#[cfg(test)]
mod tests {
    use burn::module::Param;

    use super::*;

    #[test]
    fn the_head_sees_both_embeddings_and_the_change_of_attention() {
        let device = Device::flex();
        let mut head = QualityHeadConfig { dim: 1, frames: 2, grades: 1 }.init(&device);
        head.projector.weight = Param::from_data([[100.0], [10.0], [0.0], [1.0]], &device);
        head.classifier.weight = Param::from_data([[1.0]], &device);
        let row = |values: &[f32]| Tensor::<1>::from_floats(values, &device).unsqueeze::<2>();
        let logits = head.forward([row(&[2.0]), row(&[3.0])], [row(&[0.75, 0.25]), row(&[0.25, 0.75])]);
        // 200 + 30 + the second of softmax(-1/2, 1/2), which is 1 / (1 + exp(-1)).
        assert!((logits.into_scalar::<f32>() - 230.731_06).abs() < 1e-3);
        // The middles of two parts of four frames are the second and the fourth.
        let (shown, not_shown) = (row(&[0.0, 0.75, 0.0, 0.25]), row(&[0.0, 0.25, 0.0, 0.75]));
        let logits = head.forward([row(&[2.0]), row(&[3.0])], [shown, not_shown]);
        assert!((logits.into_scalar::<f32>() - 230.731_06).abs() < 1e-3);
    }
}
