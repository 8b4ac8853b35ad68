//! Convolutions over time, rows and columns of channels-last volumes: what the kernel sees of a volume is gathered for a block of
//! places at a time, and multiplied while it is in cache.
//!
//! The gradient of the volume is computed in the same way: for every place of it the results that saw it are gathered.

use burn::tensor::Tensor;
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use rayon::prelude::*;

use crate::matrix::Matrix;
use crate::memory::{filled, uninit};
use crate::precision::Precision;
use crate::product::{Block, Finish, Left, Onto, add_product_of_columns, block_rows, column_sums};

/// Time, rows and columns.
pub(crate) type Axes3 = [usize; 3];

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub(crate) batch: usize,
    /// Of the volume.
    pub(crate) grid: Axes3,
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    pub(crate) kernel: Axes3,
    pub(crate) stride: Axes3,
    /// Zeros before and behind each axis.
    pub(crate) padding: Axes3,
}

impl Convolution {
    /// Time, rows and columns of the result.
    ///
    /// # Panics
    /// When the kernel is larger than the volume with its padding.
    pub(crate) fn result_grid(&self) -> Axes3 {
        std::array::from_fn(|axis| {
            let room = (self.grid[axis] + 2 * self.padding[axis]).checked_sub(self.kernel[axis]);
            room.expect("a kernel that fits into the padded volume") / self.stride[axis] + 1
        })
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// What each place of the result sees of the volume.
    fn forward(&self) -> Gather {
        let to = self.result_grid();
        let axis = |axis: usize| {
            let (stride, padding, length) = (self.stride[axis], self.padding[axis], self.grid[axis]);
            Axis::new(to[axis], self.kernel[axis], |place, tap| {
                (place * stride + tap).checked_sub(padding).filter(|at| *at < length)
            })
        };
        Gather { from: self.grid, to, axes: [axis(0), axis(1), axis(2)], channels: self.channels }
    }

    /// By which places of the result each place of the volume is seen.
    fn backward(&self) -> Gather {
        let from = self.result_grid();
        let axis = |axis: usize| {
            let (stride, padding, length) = (self.stride[axis], self.padding[axis], from[axis]);
            Axis::new(self.grid[axis], self.kernel[axis], |place, tap| {
                let at = (place + padding).checked_sub(tap).filter(|at| at.is_multiple_of(stride))? / stride;
                (at < length).then_some(at)
            })
        };
        Gather { from, to: self.grid, axes: [axis(0), axis(1), axis(2)], channels: self.filters }
    }

    /// `[batch, time, rows, columns, filters]`
    ///
    /// - weights: `[filters, channels, time, rows, columns]`
    pub(crate) fn run(&self, volume: &[f32], weights: &[f32], bias: Option<&[f32]>, precision: Precision) -> Vec<f32> {
        let (taps, channels, filters) = (self.taps(), self.channels, self.filters);
        // Of the weights, taps before channels: as the volume lies.
        let mut matrix = vec![0.0; taps * channels * filters];
        matrix.par_chunks_mut((channels * filters).max(1)).enumerate().for_each(|(tap, out)| {
            for (channel, row) in out.chunks_exact_mut(filters).enumerate() {
                let weights = weights[channel * taps + tap..].iter().step_by(channels * taps);
                row.iter_mut().zip(weights).for_each(|(out, &x)| *out = x);
            }
        });
        let matrix = Matrix::of_rows(&matrix, taps * channels, filters);
        self.forward().product(self.batch, volume, matrix, bias, precision)
    }

    /// Gradients of the volume, the weights and the bias from that of the result, those that are asked for.
    pub(crate) fn gradients(
        &self,
        volume: &[f32],
        weights: &[f32],
        gradient: &[f32],
        [of_volume, of_weights, of_bias]: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let (taps, channels, filters) = (self.taps(), self.channels, self.filters);
        let d_volume = of_volume.then(|| {
            let mut matrix = vec![0.0; taps * filters * channels];
            matrix.par_chunks_mut((filters * channels).max(1)).enumerate().for_each(|(tap, out)| {
                for (filter, row) in out.chunks_exact_mut(channels).enumerate() {
                    let weights = weights[filter * channels * taps + tap..].iter().step_by(taps);
                    row.iter_mut().zip(weights).for_each(|(out, &x)| *out = x);
                }
            });
            let matrix = Matrix::of_rows(&matrix, taps * filters, channels);
            self.backward().product(self.batch, gradient, matrix, None, Precision::F32)
        });
        let d_weights = of_weights.then(|| {
            let depth = taps * channels;
            let mut matrix = vec![0.0; filters * depth];
            let gather = self.forward();
            let mut seen = Vec::new();
            for (part, gradient) in gradient.chunks((SLAB * filters).max(1)).enumerate() {
                let rows = gradient.len() / filters;
                seen.resize(rows * depth, 0.0);
                seen.par_chunks_mut((GATHERED * depth).max(1)).enumerate().for_each(|(index, out)| {
                    gather.write(volume, part * SLAB + index * GATHERED, out);
                });
                add_product_of_columns(gradient, filters, &seen, depth, &mut matrix);
            }
            let mut out = vec![0.0; filters * depth];
            for (out, row) in out.chunks_exact_mut(depth).zip(matrix.chunks_exact(depth)) {
                for (tap, row) in row.chunks_exact(channels).enumerate() {
                    out.iter_mut().skip(tap).step_by(taps).zip(row).for_each(|(out, &x)| *out = x);
                }
            }
            out
        });
        [d_volume, d_weights, of_bias.then(|| column_sums(gradient, filters))]
    }
}

/// Places of the result whose surroundings are gathered at a time for the gradient of the weights, and by one task.
const SLAB: usize = 4096;
const GATHERED: usize = 64;

/// Which places of a volume are gathered for each place of another.
struct Gather {
    from: Axes3,
    to: Axes3,
    axes: [Axis; 3],
    /// Numbers at a place.
    channels: usize,
}

/// The same along one axis.
struct Axis {
    taps: usize,
    /// `[places, taps]`, nothing beyond the edges.
    seen: Vec<Option<usize>>,
}

impl Axis {
    fn new(places: usize, taps: usize, at: impl Fn(usize, usize) -> Option<usize>) -> Self {
        let seen = (0..places).flat_map(|place| (0..taps).map(move |tap| (place, tap)));
        Self { taps, seen: seen.map(|(place, tap)| at(place, tap)).collect() }
    }

    fn of(&self, place: usize) -> &[Option<usize>] {
        &self.seen[place * self.taps..][..self.taps]
    }
}

impl Gather {
    fn depth(&self) -> usize {
        self.axes.iter().map(|axis| axis.taps).product::<usize>() * self.channels
    }

    /// `[rows, taps * channels]`: what the places from `first` on see, zeros beyond the edges.
    fn write(&self, volume: &[f32], first: usize, out: &mut [f32]) {
        let [frames, rows, columns] = self.to;
        let [of_frames, of_rows, of_columns] = self.from;
        let channels = self.channels;
        for (index, out) in out.chunks_exact_mut(self.depth()).enumerate() {
            let place = first + index;
            let (line, column) = (place / columns, place % columns);
            let (frame, row) = (line / rows, line % rows);
            let (item, frame) = (frame / frames, frame % frames);
            let mut out = out.chunks_exact_mut(channels);
            for &frame in self.axes[0].of(frame) {
                for &row in self.axes[1].of(row) {
                    let line = frame.zip(row).map(|(frame, row)| (item * of_frames + frame) * of_rows + row);
                    for (&column, out) in self.axes[2].of(column).iter().zip(&mut out) {
                        match line.zip(column) {
                            Some((line, column)) => {
                                out.copy_from_slice(&volume[(line * of_columns + column) * channels..][..channels]);
                            }
                            None => out.fill(0.0),
                        }
                    }
                }
            }
        }
    }

    /// `[batch * places, taps * channels] x [taps * channels, columns] + bias`
    fn product(
        &self,
        batch: usize,
        volume: &[f32],
        matrix: Matrix<'_>,
        bias: Option<&[f32]>,
        precision: Precision,
    ) -> Vec<f32> {
        let (depth, columns) = (matrix.depth, matrix.columns);
        let right = &matrix.reduced(precision);
        let rows = batch * self.to.iter().product::<usize>();
        let mut out = uninit(rows * columns);
        let block = block_rows(rows);
        out.par_chunks_mut((block * columns).max(1)).enumerate().for_each_init(
            || (Vec::new(), Vec::new()),
            |(seen, packed), (index, out)| {
                let rows = out.len() / columns;
                seen.resize(rows * depth, 0.0);
                self.write(volume, index * block, seen);
                let (left, onto) = (Left::Rows(seen), Onto::Nothing);
                Block { left, right, bias, finish: Finish::Plain, packed, onto, out }.run();
            },
        );
        // SAFETY: blocks cover all places, and each writes all of its own.
        unsafe { filled(out) }
    }
}

/// The convolution by Burn's own operations, on tensors as [`convolution`](crate::convolution) takes them. Where a stride is longer than its kernel, Burn's GPU kernel (0.22.1, `conv_transpose3d`) gives the
/// input no gradient at all: there every place is computed, and those between are left out.
pub(crate) fn composed(
    volumes: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    stride: [usize; 3],
    padding: [usize; 3],
) -> Tensor<5> {
    let [_, _, kernel @ ..] = weight.dims();
    let leaps = |axis: usize| stride[axis] > kernel[axis];
    let taken = [0, 1, 2].map(|axis| if leaps(axis) { 1 } else { stride[axis] });
    let options = ConvOptions::new(taken, padding, [1; 3], 1);
    let out = conv3d(volumes.permute([0, 4, 1, 2, 3]), weight, bias, options).permute([0, 2, 3, 4, 1]);
    (0..3).filter(|&axis| leaps(axis)).fold(out, |out, axis| {
        let places = out.dims()[axis + 1] as i64;
        let every = Tensor::arange_step(0..places, stride[axis], &out.device());
        out.select(axis + 1, every)
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// What stands in for the kernel on other backends, also where strides leap over places.
    #[test]
    fn a_convolution_whose_stride_leaps_is_the_strided_one_with_its_gradients() {
        let device = Device::flex().autodiff();
        let values = |shape: [usize; 5], by: f32| {
            let values = (1..=shape.iter().product::<usize>()).map(|i| (i as f32 * by).sin()).collect::<Vec<_>>();
            Tensor::<5>::from_data(TensorData::new(values, shape), &device).require_grad()
        };
        for (kernel, stride, padding) in [
            ([1, 1, 1], [2, 2, 2], [0, 0, 0]),
            ([1, 2, 1], [3, 3, 1], [0, 1, 0]),
            ([1, 3, 3], [1, 2, 2], [0, 1, 1]),
            ([3, 1, 1], [2, 1, 1], [1, 0, 0]),
        ] {
            let [depth, height, width] = kernel;
            let run = |ours: bool| {
                let (volumes, weight) = (values([2, 5, 7, 6, 3], 0.7), values([4, 3, depth, height, width], 1.3));
                let out = match ours {
                    true => composed(volumes.clone(), weight.clone(), None, stride, padding),
                    false => {
                        let options = ConvOptions::new(stride, padding, [1; 3], 1);
                        conv3d(volumes.clone().permute([0, 4, 1, 2, 3]), weight.clone(), None, options)
                            .permute([0, 2, 3, 4, 1])
                    }
                };
                let slopes = values(out.dims(), 0.3);
                let gradients = (out.clone() * slopes).sum().backward();
                let of = |tensor: &Tensor<5>| tensor.grad(&gradients).unwrap();
                [out.clone().inner(), of(&volumes), of(&weight)]
            };
            for (ours, theirs) in run(true).into_iter().zip(run(false)) {
                assert_eq!(ours.dims(), theirs.dims());
                // Sums of a few hundred products of order one: some units of 2^-23 of them.
                let error = (ours - theirs).abs().max().into_scalar::<f32>();
                assert!(error < 2e-5, "kernel {kernel:?}, stride {stride:?}: {error}");
            }
        }
    }
}
