//! Convolutions whose stride is their kernel: a map cut into patches, and a product.

use rayon::prelude::*;

use crate::memory::{filled, uninit};
use crate::product::{Finish, Packed, product};

/// Images, by channel first or last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Images<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) images: usize,
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels_last: bool,
}

/// Channels-last maps `[images, height / side, width / side, filters]` of a convolution with kernel and stride `side`. What is
/// left over at an edge is not seen.
///
/// - weights: `[filters, channels, side, side]`
pub(crate) fn patch_product(images: Images<'_>, weights: &[f32], bias: Option<&[f32]>, side: usize) -> Vec<f32> {
    let Images { values, images: count, channels, height, width, channels_last } = images;
    let depth = channels * side * side;
    let filters = weights.len() / depth;
    let (rows, columns) = (height / side, width / side);
    let mut patches = uninit(count * rows * columns * depth);
    patches.par_chunks_mut((columns * depth).max(1)).enumerate().for_each(|(index, out)| {
        let (image, y) = (index / rows, index % rows);
        let image = &values[image * channels * height * width..][..channels * height * width];
        for (x, out) in out.chunks_exact_mut(depth).enumerate() {
            // A run of neighbouring numbers after the other.
            let run = if channels_last { side * channels } else { side };
            for (index, out) in out.chunks_exact_mut(run).enumerate() {
                let from = match channels_last {
                    true => ((y * side + index) * width + x * side) * channels,
                    false => (index / side * height + y * side + index % side) * width + x * side,
                };
                for (out, &value) in out.iter_mut().zip(&image[from..][..run]) {
                    out.write(value);
                }
            }
        }
    });
    // SAFETY: every patch has been copied.
    let patches = unsafe { filled(patches) };
    let mut matrix = vec![0.0; depth * filters];
    for (place, row) in matrix.chunks_exact_mut(filters.max(1)).enumerate() {
        let place = match channels_last {
            true => place % channels * side * side + place / channels,
            false => place,
        };
        row.iter_mut().enumerate().for_each(|(filter, value)| *value = weights[filter * depth + place]);
    }
    product(&patches, &Packed::new(&matrix, depth, filters), bias, Finish::Plain)
}
