//! What an encoder's backbone makes of a clip, before anything is averaged over place or time.

use burn::tensor::Tensor;

use crate::AnyEncoder;

/// Makes tokens of clips with an encoder, as [`EchoEncoder::tokens`](crate::EchoEncoder::tokens) does; what explains a
/// prediction looks at them on their way.
///
/// The number says how many clips lie side by side in a picture, and as many below each other: 1 where a clip is all of it; with 2,
/// four clips after each other are the parts of one, row by row.
pub type MakeTokens<'a> = &'a mut dyn FnMut(&AnyEncoder, Tensor<5>, usize) -> Tokens;

/// The backbone's last tokens of a batch of clips: what pooling, attentive probes and saliency maps start from. They are as
/// wide as the backbone, which frame features need not be.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The class tokens, `[batch, time, width]`, where the architecture has any: one of each image for an encoder of single
    /// frames, one of all for a video transformer.
    pub class: Option<Tensor<3>>,
    /// One token for every place: `[batch, time, rows, columns, width]`. For an encoder of single frames, `time` counts
    /// frames and the rest is a frame's last feature map; for a video transformer, it is the grid of its last block.
    pub patches: Tensor<5>,
}

impl Tokens {
    /// Feature maps of images as the tokens of clips, without a class token.
    ///
    /// - maps: `[batch * time, rows, columns, width]`, the images of a clip one after the other
    pub fn of_maps(maps: Tensor<4>, batch: usize) -> Self {
        let [images, rows, columns, width] = maps.dims();
        Self { class: None, patches: maps.reshape([batch, images / batch, rows, columns, width]) }
    }

    /// All tokens of a clip after each other, class tokens first: `[batch, tokens, width]`.
    pub fn rows(&self) -> Tensor<3> {
        let [batch, time, rows, columns, width] = self.patches.dims();
        let patches = self.patches.clone().reshape([batch, time * rows * columns, width]);
        match &self.class {
            Some(class) => Tensor::cat(vec![class.clone(), patches], 1),
            None => patches,
        }
    }

    /// At time `t`, the class token of the clip plus what the mean of the patches at `t` has over the mean of all patches:
    /// `[batch, time, width]`. So the mean over time is the class token. Where there is none, it counts as zero.
    pub fn steps_around_class(&self) -> Tensor<3> {
        let means = self.spatial_mean();
        let centred = means.clone() - means.mean_dim(1);
        match &self.class {
            Some(class) => class.clone() + centred,
            None => centred,
        }
    }

    /// Patches averaged over rows and columns: `[batch, time, width]`.
    pub fn spatial_mean(&self) -> Tensor<3> {
        let [batch, time, rows, columns, width] = self.patches.dims();
        let places = self.patches.clone().reshape([batch * time, rows * columns, width]);
        places.mean_dim(1).reshape([batch, time, width])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn maps_stay_with_their_clip_and_their_time() {
        // Two clips of three images of 1 x 2 places and 1 channel, numbered through.
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let maps = Tensor::from_data(TensorData::new(values, [6, 1, 2, 1]), &Device::flex());
        let tokens = Tokens::of_maps(maps, 2);
        assert_eq!(tokens.patches.dims(), [2, 3, 1, 2, 1]);
        let means = tokens.spatial_mean();
        assert_eq!(means.dims(), [2, 3, 1]);
        assert_eq!(means.into_data().try_to_vec::<f32>().unwrap(), [0.5, 2.5, 4.5, 6.5, 8.5, 10.5]);
    }

    #[test]
    fn class_tokens_come_before_the_patches_of_their_clip() {
        let numbers = |first: usize, count: usize| (first..first + count).map(|value| value as f32).collect::<Vec<_>>();
        let device = Device::flex();
        // Two clips of two images with 1 x 2 places and 1 channel.
        let patches = Tensor::from_data(TensorData::new(numbers(0, 8), [2, 2, 1, 2, 1]), &device);
        let class = Tensor::from_data(TensorData::new(numbers(10, 4), [2, 2, 1]), &device);
        let rows = Tokens { class: Some(class), patches: patches.clone() }.rows();
        assert_eq!(rows.dims(), [2, 6, 1]);
        let values = |rows: Tensor<3>| rows.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(values(rows), [10.0, 11.0, 0.0, 1.0, 2.0, 3.0, 12.0, 13.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(values(Tokens { class: None, patches }.rows()), numbers(0, 8));
    }
}
