//! The pool of pooling attention: a depthwise 3 x 3 x 3 convolution over a grid of tokens, and the norm that follows it.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::attention::Heads;
use crate::memory::{filled, uninit, written};
use crate::norm::{Norm, in_place};
use crate::processor::vectors;
use crate::product::lanes;

/// Side of the kernel on every axis.
pub(crate) const SIDE: usize = 3;
/// Neighbouring places whose sums stay in registers.
const PLACES: usize = 4;

/// `[batch, heads, 1 + pooled tokens, width]`: the class token as it is, then the grid of frames, rows and columns, convolved with
/// zeros around it, of which every `stride`-th row and column is kept; all of it normed.
///
/// - tokens: the class token, then the grid's
/// - weights: `[width, 3, 3, 3]`
pub(crate) fn pool(
    tokens: Heads<'_>,
    [batch, heads]: [usize; 2],
    grid: [usize; 3],
    stride: usize,
    weights: &[f32],
    norm: Norm<'_>,
) -> Vec<f32> {
    let width = tokens.width;
    let taps = SIDE * SIDE * SIDE;
    // Of one tap, all channels.
    let by_tap: Vec<f32> = (0..taps * width).map(|index| weights[index % width * taps + index / width]).collect();
    let pooled = [grid[0], grid[1].div_ceil(stride), grid[2].div_ceil(stride)];
    let count = 1 + pooled.iter().product::<usize>();
    let mut out = uninit(batch * heads * count * width);
    out.par_chunks_mut((count * width).max(1)).enumerate().for_each(|(index, out)| {
        let (item, head) = (index / heads, index % heads);
        let (class, patches) = out.split_at_mut(width);
        class.write_copy_of_slice(tokens.vector(item, head, 0));
        // SAFETY: all of it was written just now.
        let class = unsafe { written(class) };
        vectors().dispatch(Line { tokens, item, head, grid, stride, taps: &by_tap, norm, place: None, out: class });
        patches.par_chunks_mut((pooled[2] * width).max(1)).enumerate().for_each(|(line, out)| {
            out.fill(MaybeUninit::new(0.0));
            // SAFETY: all of it was written just now.
            let out = unsafe { written(out) };
            let place = Some([line / pooled[1], line % pooled[1] * stride]);
            vectors().dispatch(Line { tokens, item, head, grid, stride, taps: &by_tap, norm, place, out });
        });
    });
    // SAFETY: the class tokens have been copied and all lines filled.
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
    norm: Norm<'a>,
    /// Its frame and row in the input's grid; none of the class token, which is only normed.
    place: Option<[usize; 2]>,
    out: &'a mut [f32],
}

impl WithSimd for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tokens, item, head, grid: [frames, height, columns], stride, taps, norm, place, out } = self;
        let width = tokens.width;
        let lanes = lanes::<S>();
        if let Some([frame, row]) = place {
            for channel in (0..width).step_by(lanes) {
                let part = channel..(channel + lanes).min(width);
                for (index, out) in out.chunks_mut(PLACES * width).enumerate() {
                    let mut sums = [simd.splat_f32s(0.0); PLACES];
                    for tap in 0..SIDE * SIDE * SIDE {
                        let (kt, ky, kx) = (tap / (SIDE * SIDE), tap / SIDE % SIDE, tap % SIDE);
                        let at = |place: usize, tap: usize, limit: usize| {
                            (place + tap).checked_sub(1).filter(|&place| place < limit)
                        };
                        let (Some(t), Some(y)) = (at(frame, kt, frames), at(row, ky, height)) else { continue };
                        let weight = simd.partial_load_f32s(&taps[tap * width..][part.clone()]);
                        for (place, sum) in sums.iter_mut().enumerate() {
                            let Some(x) = at((index * PLACES + place) * stride, kx, columns) else { continue };
                            let token = tokens.vector(item, head, 1 + (t * height + y) * columns + x);
                            *sum = simd.mul_add_f32s(simd.partial_load_f32s(&token[part.clone()]), weight, *sum);
                        }
                    }
                    for (out, &sum) in out.chunks_exact_mut(width).zip(&sums) {
                        simd.partial_store_f32s(&mut out[part.clone()], sum);
                    }
                }
            }
        }
        out.chunks_exact_mut(width).for_each(|token| in_place(simd, token, norm));
    }
}
