//! Convolutions whose stride is their kernel: a map cut into patches, and a product.

use rayon::prelude::*;

use crate::matrix::Matrix;
use crate::memory::{filled, uninit};
use crate::precision::Precision;
use crate::product::{Finish, add_product_of_columns, column_sums, product};

/// Images, by channel first or last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Images<'a> {
    values: &'a [f32],
    images: usize,
    channels: usize,
    height: usize,
    width: usize,
    channels_last: bool,
}

impl<'a> Images<'a> {
    pub(crate) fn new(values: &'a [f32], [images, channels, height, width]: [usize; 4], channels_last: bool) -> Self {
        Self { values, images, channels, height, width, channels_last }
    }

    /// Rows and columns of patches.
    fn grid(&self, side: usize) -> [usize; 2] {
        [self.height / side, self.width / side]
    }

    /// Numbers of a patch that lie side by side in an image.
    fn run(&self, side: usize) -> usize {
        if self.channels_last { side * self.channels } else { side }
    }

    /// Where the `index`-th run of a patch lies in its image.
    fn place(&self, [y, x]: [usize; 2], side: usize, index: usize) -> usize {
        match self.channels_last {
            true => ((y * side + index) * self.width + x * side) * self.channels,
            false => (index / side * self.height + y * side + index % side) * self.width + x * side,
        }
    }

    /// Its patches, `[images * rows * columns, numbers of a patch]`.
    fn patches(&self, side: usize) -> Vec<f32> {
        let [rows, columns] = self.grid(side);
        let depth = self.channels * side * side;
        let size = self.channels * self.height * self.width;
        let mut patches = uninit(self.images * rows * columns * depth);
        patches.par_chunks_mut((columns * depth).max(1)).enumerate().for_each(|(index, out)| {
            let (image, y) = (index / rows, index % rows);
            let image = &self.values[image * size..][..size];
            for (x, out) in out.chunks_exact_mut(depth).enumerate() {
                for (index, out) in out.chunks_exact_mut(self.run(side)).enumerate() {
                    out.write_copy_of_slice(&image[self.place([y, x], side, index)..][..out.len()]);
                }
            }
        });
        // SAFETY: every patch has been copied.
        unsafe { filled(patches) }
    }

    /// The weight of a filter for the `place`-th number of a patch, in `[channels, side, side]`.
    fn tap(&self, side: usize, place: usize) -> usize {
        match self.channels_last {
            true => place % self.channels * side * side + place / self.channels,
            false => place,
        }
    }
}

/// Channels-last maps `[images, height / side, width / side, filters]` of a convolution with kernel and stride `side`. What is
/// left over at an edge is not seen.
///
/// - weights: `[filters, channels, side, side]`
pub(crate) fn patch_product(
    images: Images<'_>,
    weights: &[f32],
    bias: Option<&[f32]>,
    side: usize,
    precision: Precision,
) -> Vec<f32> {
    let depth = images.channels * side * side;
    let filters = weights.len() / depth;
    let mut matrix = vec![0.0; depth * filters];
    for (place, row) in matrix.chunks_exact_mut(filters.max(1)).enumerate() {
        let place = images.tap(side, place);
        row.iter_mut().enumerate().for_each(|(filter, value)| *value = weights[filter * depth + place]);
    }
    let patches = images.patches(side);
    let matrix = Matrix::of_rows(&matrix, depth, filters).for_rows(patches.len() / depth, precision);
    product(&patches, &matrix, bias, Finish::Plain)
}

/// Gradients of the images, the weights and the bias from that of the maps, those that are asked for.
pub(crate) fn gradients(
    images: Images<'_>,
    weights: &[f32],
    side: usize,
    gradient: &[f32],
    [of_images, of_weights, of_bias]: [bool; 3],
) -> [Option<Vec<f32>>; 3] {
    let depth = images.channels * side * side;
    let filters = weights.len() / depth;
    let [rows, columns] = images.grid(side);
    let d_images = of_images.then(|| {
        let matrix = Matrix::of_rows(weights, filters, depth).for_rows(gradient.len() / filters, Precision::F32);
        let patches = product(gradient, &matrix, None, Finish::Plain);
        let size = images.channels * images.height * images.width;
        // What no patch has seen keeps its zero.
        let mut out = vec![0.0; images.values.len()];
        out.par_chunks_mut(size.max(1)).zip(patches.par_chunks((rows * columns * depth).max(1))).for_each(
            |(out, patches)| {
                for (index, patch) in patches.chunks_exact(depth).enumerate() {
                    let at = [index / columns, index % columns];
                    for (index, place) in (0..depth).step_by(images.run(side)).enumerate() {
                        let out = &mut out[images.place(at, side, index)..][..images.run(side)];
                        let from = out.iter_mut().enumerate();
                        from.for_each(|(at, out)| *out = patch[images.tap(side, place + at)]);
                    }
                }
            },
        );
        out
    });
    let d_weights = of_weights.then(|| {
        let mut matrix = vec![0.0; filters * depth];
        add_product_of_columns(gradient, filters, &images.patches(side), depth, &mut matrix);
        let mut out = vec![0.0; filters * depth];
        for (out, row) in out.chunks_exact_mut(depth).zip(matrix.chunks_exact(depth)) {
            row.iter().enumerate().for_each(|(place, &x)| out[images.tap(side, place)] = x);
        }
        out
    });
    [d_images, d_weights, of_bias.then(|| column_sums(gradient, filters))]
}
