//! Moving pictures by classes and numbers: for encoders without a text tower and without heads that are to know no heart.

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::AnyEncoder;
use echo_random::Stream;

use crate::contrastive::soft_cross_entropy;
use crate::pictures::{MOVEMENTS, Picture, SHAPES};

/// Weights beside telling movements apart: of telling shapes apart, and of where and how broad they are.
const SHAPE_WEIGHT: f32 = 0.5;
const PLACE_WEIGHT: f32 = 0.5;

/// Numbers that are read beside the classes: two of the place and one of the breadth.
const NUMBERS: usize = 3;

/// A readout of embeddings that is drawn once and never trained: what is read can only be learnt by the encoder (Hoffer, Hubara and
/// Soudry, "Fix your classifier", ICLR 2018).
#[derive(Debug)]
pub struct MovementClasses {
    /// `[dim, outputs]`
    readout: Vec<f32>,
    dim: usize,
}

impl MovementClasses {
    /// For an encoder.
    pub fn new(encoder: &AnyEncoder, seed: u64) -> Self {
        let dim = encoder.dim();
        let mut stream = Stream::new(seed, "pretrain/readout", 0);
        let scale = 1.0 / (dim as f64).sqrt();
        let outputs = MOVEMENTS.len() + SHAPES.len() + NUMBERS;
        let readout = (0..dim * outputs).map(|_| (stream.normal() * scale) as f32).collect();
        Self { readout, dim }
    }

    /// Logits of movements and of shapes, and the numbers: `[clips, dim]` -> `[clips, classes]` each.
    fn read(&self, embedding: Tensor<2>) -> [Tensor<2>; 3] {
        let outputs = self.readout.len() / self.dim;
        let readout = TensorData::new(self.readout.clone(), [self.dim, outputs]);
        let read = embedding.clone().matmul(Tensor::from_data(readout, &embedding.device()));
        let (shapes, numbers) = (MOVEMENTS.len(), MOVEMENTS.len() + SHAPES.len());
        [
            read.clone().narrow(1, 0, shapes),
            read.clone().narrow(1, shapes, SHAPES.len()),
            read.narrow(1, numbers, NUMBERS),
        ]
    }

    /// The loss of embeddings `[clips, dim]` of clips of these pictures.
    pub(crate) fn loss(&self, embedding: Tensor<2>, pictures: &[Picture]) -> Tensor<1> {
        let device = embedding.device();
        let [movements, shapes, numbers] = self.read(embedding);
        let one_hot = |label: fn(&Picture) -> usize, classes: usize| -> Vec<f32> {
            pictures
                .iter()
                .flat_map(|picture| (0..classes).map(move |class| f32::from(u8::from(class == label(picture)))))
                .collect()
        };
        let of_movements = soft_cross_entropy(movements, &one_hot(Picture::movement, MOVEMENTS.len()));
        let of_shapes = soft_cross_entropy(shapes, &one_hot(Picture::shape, SHAPES.len()));
        let of_numbers = (numbers - truths(pictures, &device)).powf_scalar(2.0).mean();
        of_movements + of_shapes * SHAPE_WEIGHT + of_numbers * PLACE_WEIGHT
    }

    /// For each picture 100 where another movement is read than it has, else 0.
    pub(crate) fn errors(&self, embedding: Tensor<2>, pictures: &[Picture]) -> Vec<f64> {
        let [movements, ..] = self.read(embedding);
        let read = movements.argmax(1).into_data();
        let wrong = |(read, picture): (i64, &Picture)| 100.0 * f64::from(u8::from(read as usize != picture.movement()));
        read.iter::<i64>().zip(pictures).map(wrong).collect()
    }
}

/// Place and breadth of the middle of each clip, about as far from zero as one: `[clips, 3]`
fn truths(pictures: &[Picture], device: &Device) -> Tensor<2> {
    let rows: Vec<f32> = pictures.iter().flat_map(Picture::numbers).collect();
    Tensor::from_data(TensorData::new(rows, [pictures.len(), NUMBERS]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A readout that is the identity reads what stands in the embedding.
    #[test]
    fn what_is_read_rightly_has_no_error_and_the_least_loss() {
        let pictures: Vec<Picture> = (0..8).map(|i| Picture::draw(&mut Stream::new(2, "test/movements", i))).collect();
        let outputs = MOVEMENTS.len() + SHAPES.len() + NUMBERS;
        let identity = (0..outputs * outputs).map(|i| f32::from(u8::from(i / outputs == i % outputs))).collect();
        let classes = MovementClasses { readout: identity, dim: outputs };
        let embedding = |right: bool| {
            let row = |picture: &Picture| {
                let mut row = vec![0.0; outputs];
                let other = usize::from(!right);
                row[(picture.movement() + other) % MOVEMENTS.len()] = 20.0;
                row[MOVEMENTS.len() + (picture.shape() + other) % SHAPES.len()] = 20.0;
                let numbers = picture.numbers();
                for (place, number) in row[MOVEMENTS.len() + SHAPES.len()..].iter_mut().zip(numbers) {
                    *place = number + other as f32;
                }
                row
            };
            let rows: Vec<f32> = pictures.iter().flat_map(row).collect();
            Tensor::<2>::from_data(TensorData::new(rows, [pictures.len(), outputs]), &Device::flex())
        };
        let loss = |right| classes.loss(embedding(right), &pictures).into_scalar::<f32>();
        assert!(loss(true) < 1e-4, "{}", loss(true));
        // Two cross-entropies of 20 and a squared distance of 1.
        assert!((loss(false) - (20.0 + SHAPE_WEIGHT * 20.0 + PLACE_WEIGHT)).abs() < 1e-3, "{}", loss(false));
        assert_eq!(classes.errors(embedding(true), &pictures), [0.0; 8]);
        assert_eq!(classes.errors(embedding(false), &pictures), [100.0; 8]);
    }
}
