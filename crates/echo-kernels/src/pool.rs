//! The pool of pooling attention: a depthwise 3 x 3 x 3 convolution over a grid of tokens, and the norm that follows it.

use std::mem::MaybeUninit;

use burn::nn::conv::Conv3d;
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::attention::Heads;
use crate::memory::{filled, load, put, store, uninit, written};
use crate::norm::{Norm, in_place, norm_in_place};
use crate::processor::vectors;
use crate::product::lanes;
use crate::taps::{by_tap, sum_by_channel};

/// Side of the kernel on every axis.
pub(crate) const SIDE: usize = 3;
/// Weights of a channel.
const TAPS: usize = SIDE * SIDE * SIDE;
/// Neighbouring places whose sums stay in registers.
const PLACES: usize = 4;

/// Frames, rows and columns of a grid whose rows and columns are pooled with this stride.
pub fn pooled([frames, rows, columns]: [usize; 3], stride: usize) -> [usize; 3] {
    [frames, rows.div_ceil(stride), columns.div_ceil(stride)]
}

/// `[batch, heads, 1 + pooled tokens, width]`: the class token as it is, then the grid of frames, rows and columns, convolved with
/// zeros around it, of which every `stride`-th row and column is kept; all of it normed, where there is a norm.
///
/// - tokens: the class token, then the grid's
/// - weights: `[width, 3, 3, 3]`
pub(crate) fn pool(
    tokens: Heads<'_>,
    [batch, heads]: [usize; 2],
    grid: [usize; 3],
    stride: usize,
    weights: &[f32],
    norm: Option<Norm<'_>>,
) -> Vec<f32> {
    let taps = by_tap(weights, tokens.width);
    let pooled = pooled(grid, stride);
    let norm_class = |class: &mut [f32]| {
        if let Some(norm) = norm {
            norm_in_place(class, norm);
        }
    };
    grids(tokens, [batch, heads], pooled, norm_class, |[item, head], [frame, row], out| {
        out.fill(MaybeUninit::new(0.0));
        // SAFETY: all of it was written just now.
        let out = unsafe { written(out) };
        let place = [frame, row * stride];
        vectors().dispatch(Line { tokens, item, head, grid, stride, taps: &taps, norm, place, out });
    })
}

/// `[batch, heads, 1 + grid's tokens, width]`: `from`'s class tokens, finished, and the grids' rows as `line` writes them, all of
/// each. It is told the item and head, and the frame and row.
fn grids(
    from: Heads<'_>,
    [batch, heads]: [usize; 2],
    [frames, rows, columns]: [usize; 3],
    finish_class: impl Fn(&mut [f32]) + Sync,
    line: impl Fn([usize; 2], [usize; 2], &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    let width = from.width;
    let count = 1 + frames * rows * columns;
    let mut out = uninit(batch * heads * count * width);
    out.par_chunks_mut((count * width).max(1)).enumerate().for_each(|(index, out)| {
        let of = [index / heads, index % heads];
        let (class, patches) = out.split_at_mut(width);
        finish_class(class.write_copy_of_slice(from.vector(of[0], of[1], 0)));
        let lines = patches.par_chunks_mut((columns * width).max(1)).enumerate();
        lines.for_each(|(index, out)| line(of, [index / rows, index % rows], out));
    });
    // SAFETY: the class tokens have been copied, and every line has been written.
    unsafe { filled(out) }
}

/// A row of the output's grid.
struct Line<'a> {
    tokens: Heads<'a>,
    item: usize,
    head: usize,
    grid: [usize; 3],
    stride: usize,
    taps: &'a [f32],
    norm: Option<Norm<'a>>,
    /// Its frame and row in the input's grid.
    place: [usize; 2],
    out: &'a mut [f32],
}

impl WithSimd for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tokens, item, head, grid: [frames, height, columns], stride, taps, norm, place: [frame, row], out } =
            self;
        let width = tokens.width;
        let lanes = lanes::<S>();
        for channel in (0..width).step_by(lanes) {
            let part = channel..(channel + lanes).min(width);
            for (index, out) in out.chunks_mut(PLACES * width).enumerate() {
                let mut sums = [simd.splat_f32s(0.0); PLACES];
                for tap in 0..TAPS {
                    let (kt, ky, kx) = (tap / (SIDE * SIDE), tap / SIDE % SIDE, tap % SIDE);
                    let at = |place: usize, tap: usize, limit: usize| {
                        (place + tap).checked_sub(1).filter(|&place| place < limit)
                    };
                    let (Some(t), Some(y)) = (at(frame, kt, frames), at(row, ky, height)) else { continue };
                    let weight = load(simd, &taps[tap * width..][part.clone()]);
                    for (place, sum) in sums.iter_mut().enumerate() {
                        let Some(x) = at((index * PLACES + place) * stride, kx, columns) else { continue };
                        let token = tokens.vector(item, head, 1 + (t * height + y) * columns + x);
                        *sum = simd.mul_add_f32s(load(simd, &token[part.clone()]), weight, *sum);
                    }
                }
                for (out, &sum) in out.chunks_exact_mut(width).zip(&sums) {
                    put(simd, &mut out[part.clone()], sum);
                }
            }
        }
        if let Some(norm) = norm {
            out.chunks_exact_mut(width).for_each(|token| in_place(simd, token, norm));
        }
    }
}

/// The gradient of the tokens, contiguous, from that of the pooled ones before their norm.
pub(crate) fn token_gradient(
    gradient: Heads<'_>,
    [batch, heads]: [usize; 2],
    grid: [usize; 3],
    stride: usize,
    weights: &[f32],
) -> Vec<f32> {
    let taps = by_tap(weights, gradient.width);
    grids(
        gradient,
        [batch, heads],
        grid,
        |_| (),
        |[item, head], place, out| {
            vectors().dispatch(BackLine { gradient, item, head, grid, stride, taps: &taps, place, out });
        },
    )
}

/// A row of the grid whose gradient is sought.
struct BackLine<'a> {
    gradient: Heads<'a>,
    item: usize,
    head: usize,
    grid: [usize; 3],
    stride: usize,
    taps: &'a [f32],
    /// Its frame and row.
    place: [usize; 2],
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for BackLine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gradient, item, head, grid, stride, taps, place: [frame, row], out } = self;
        let (width, lanes) = (gradient.width, lanes::<S>());
        let [frames, rows, columns] = pooled(grid, stride);
        // The place whose `tap`-th neighbour this one was.
        let at = |place: usize, tap: usize, stride: usize, limit: usize| {
            (place + 1)
                .checked_sub(tap)
                .filter(|at| at.is_multiple_of(stride) && at / stride < limit)
                .map(|at| at / stride)
        };
        for (x, out) in out.chunks_exact_mut(width).enumerate() {
            for (channel, out) in (0..width).step_by(lanes).zip(out.chunks_mut(lanes)) {
                let part = channel..channel + out.len();
                let mut sum = simd.splat_f32s(0.0);
                for kt in 0..SIDE {
                    let Some(t) = at(frame, kt, 1, frames) else { continue };
                    for ky in 0..SIDE {
                        let Some(y) = at(row, ky, stride, rows) else { continue };
                        for kx in 0..SIDE {
                            let Some(x) = at(x, kx, stride, columns) else { continue };
                            let token = gradient.vector(item, head, 1 + (t * rows + y) * columns + x);
                            let tap = (kt * SIDE + ky) * SIDE + kx;
                            let weight = load(simd, &taps[tap * width..][part.clone()]);
                            sum = simd.mul_add_f32s(load(simd, &token[part.clone()]), weight, sum);
                        }
                    }
                }
                store::<S>(out, sum);
            }
        }
    }
}

/// The gradient of the weights `[width, 3, 3, 3]` from that of the pooled tokens before their norm.
pub(crate) fn weight_gradient(
    tokens: Heads<'_>,
    gradient: Heads<'_>,
    [batch, heads]: [usize; 2],
    grid: [usize; 3],
    stride: usize,
) -> Vec<f32> {
    /// Parts of a grid whose sums are kept apart: the same whatever the number of threads.
    const PARTS: usize = 16;
    let width = tokens.width;
    let [frames, rows, _] = pooled(grid, stride);
    let part = (frames * rows).div_ceil(PARTS).max(1);
    let parts = (frames * rows).div_ceil(part);
    let sums: Vec<Vec<f32>> = (0..batch * heads * parts)
        .into_par_iter()
        .map(|index| {
            let (item, head) = (index / parts / heads, index / parts % heads);
            let start = index % parts * part;
            let lines = start..(start + part).min(frames * rows);
            let mut sums = vec![0.0; TAPS * width];
            vectors().dispatch(Taps { tokens, gradient, item, head, grid, stride, lines, sums: &mut sums });
            sums
        })
        .collect();
    sum_by_channel(&sums, width, TAPS)
}

/// Of rows of the pooled grid, the sums for every tap and channel.
struct Taps<'a> {
    tokens: Heads<'a>,
    gradient: Heads<'a>,
    item: usize,
    head: usize,
    grid: [usize; 3],
    stride: usize,
    lines: std::ops::Range<usize>,
    /// `[3, 3, 3, width]`
    sums: &'a mut [f32],
}

impl WithSimd for Taps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tokens, gradient, item, head, grid, stride, lines, sums } = self;
        let (width, lanes) = (tokens.width, lanes::<S>());
        let [_, rows, columns] = pooled(grid, stride);
        let at = |place: usize, tap: usize, limit: usize| (place + tap).checked_sub(1).filter(|&place| place < limit);
        for channel in (0..width).step_by(lanes) {
            let part = channel..(channel + lanes).min(width);
            for (kt, ky) in (0..SIDE * SIDE).map(|tap| (tap / SIDE, tap % SIDE)) {
                let mut taps = [simd.splat_f32s(0.0); SIDE];
                for line in lines.clone() {
                    let place = [at(line / rows, kt, grid[0]), at(line % rows * stride, ky, grid[1])];
                    let [Some(t), Some(y)] = place else { continue };
                    for x in 0..columns {
                        let dy = &gradient.vector(item, head, 1 + line * columns + x)[part.clone()];
                        let dy = load(simd, dy);
                        for (kx, tap) in taps.iter_mut().enumerate() {
                            let Some(x) = at(x * stride, kx, grid[2]) else { continue };
                            let token = tokens.vector(item, head, 1 + (t * grid[1] + y) * grid[2] + x);
                            *tap = simd.mul_add_f32s(load(simd, &token[part.clone()]), dy, *tap);
                        }
                    }
                }
                for (kx, &sum) in taps.iter().enumerate() {
                    let tap = (kt * SIDE + ky) * SIDE + kx;
                    put(simd, &mut sums[tap * width..][part.clone()], sum);
                }
            }
        }
    }
}

/// The convolution as the sum of three two-dimensional ones, one for each frame that the kernel spans: Burn's backends have no
/// fast path for depthwise kernels with a third axis.
///
/// `[batch, heads, tokens, channels]` -> `[batch, heads, pooled tokens, channels]`
pub(crate) fn composed_patches(patches: Tensor<4>, grid: [usize; 3], pooled: [usize; 3], conv: &Conv3d) -> Tensor<4> {
    let [batch, heads, _, channels] = patches.dims();
    let [frames, height, width] = grid;
    let [_, pooled_height, pooled_width] = pooled;
    let [_, stride, _] = conv.stride;
    let options = ConvOptions::new([stride; 2], [1, 1], [1, 1], channels);
    let kernel = conv.weight.val();
    let x = patches.reshape([batch, heads, frames, height, width, channels]).permute([0, 2, 1, 5, 3, 4]);
    let x = x.reshape([batch, frames, heads * channels * height * width]);
    let tap = |index: usize, start: usize, frames: usize| {
        let images = x.clone().narrow(1, start, frames).reshape([batch * frames * heads, channels, height, width]);
        let y = conv2d(images, kernel.clone().narrow(2, index, 1).squeeze_dim(2), None, options.clone());
        y.reshape([batch, frames, heads * channels * pooled_height * pooled_width])
    };
    let mut sum = tap(1, 0, frames);
    if frames > 1 {
        let zeros = sum.clone().narrow(1, 0, 1).zeros_like();
        let before = Tensor::cat(vec![zeros.clone(), tap(0, 0, frames - 1)], 1);
        let after = Tensor::cat(vec![tap(2, 1, frames - 1), zeros], 1);
        sum = sum + before + after;
    }
    sum.reshape([batch, frames, heads, channels, pooled_height, pooled_width]).permute([0, 2, 1, 4, 5, 3]).reshape([
        batch,
        heads,
        frames * pooled_height * pooled_width,
        channels,
    ])
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::PaddingConfig3d;
    use burn::nn::conv::Conv3dConfig;
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// What stands in for the kernel on other backends.
    #[test]
    fn three_convolutions_of_frames_are_the_one_in_three_axes() {
        let values =
            |count: usize| (1..=count).map(|i| (i as f64 * 1.618_033_988_75).fract() as f32 - 0.5).collect::<Vec<_>>();
        for (stride, frames) in [(1, 3), (2, 4), (4, 1)] {
            let [batch, heads, channels, height, width] = [2, 3, 4, 6, 9];
            let mut conv = Conv3dConfig::new([channels, channels], [3; 3])
                .with_stride([1, stride, stride])
                .with_padding(PaddingConfig3d::Explicit(1, 1, 1))
                .with_groups(channels)
                .with_bias(false)
                .init(&Device::flex());
            let weight = TensorData::new(values(channels * 27), [channels, 1, 3, 3, 3]);
            conv.weight = Param::from_tensor(Tensor::from_data(weight, &Device::flex()));
            let shape = [batch, heads, frames * height * width, channels];
            let x = Tensor::<4>::from_data(TensorData::new(values(shape.iter().product()), shape), &Device::flex());
            let volumes = x.clone().swap_dims(2, 3).reshape([batch * heads, channels, frames, height, width]);
            let expected = conv.forward(volumes);
            let [_, _, _, rows, columns] = expected.dims();
            let expected = expected.reshape([batch, heads, channels, frames * rows * columns]).swap_dims(2, 3);
            let ours = composed_patches(x, [frames, height, width], [frames, rows, columns], &conv);
            // 27 products of order one in another order: a few units of 2^-23.
            let error = (ours - expected).abs().max().into_scalar::<f32>();
            assert!(error < 2e-6, "stride {stride}, {frames} frames: {error}");
        }
    }
}
