//! Layer norm of rows.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::memory::{filled, uninit, written};
use crate::processor::vectors;
use crate::product::lanes;

/// A norm's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm<'a> {
    pub(crate) gamma: &'a [f32],
    pub(crate) beta: &'a [f32],
    pub(crate) epsilon: f32,
}

/// Rows of a task, so that a task is worth its while.
const ROWS: usize = 64;

/// Every row of `[rows, channels]`, normed.
pub(crate) fn norm_rows(x: &[f32], norm: Norm<'_>) -> Vec<f32> {
    let channels = norm.gamma.len();
    let mut out = uninit(x.len());
    let part = ROWS * channels.max(1);
    out.par_chunks_mut(part).zip(x.par_chunks(part)).for_each(|(out, x)| {
        for (out, &x) in out.iter_mut().zip(x) {
            out.write(x);
        }
        // SAFETY: all of it was written just now.
        let out = unsafe { written(out) };
        vectors().dispatch(Rows { norm, rows: out });
    });
    // SAFETY: the parts cover all rows, and each was copied.
    unsafe { filled(out) }
}

struct Rows<'a> {
    norm: Norm<'a>,
    rows: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.rows.chunks_exact_mut(self.norm.gamma.len()).for_each(|row| in_place(simd, row, self.norm));
    }
}

/// Norms a row: mean, then the mean square of what is left, as it should be for 32 bits.
#[inline(always)]
pub(crate) fn in_place<S: Simd>(simd: S, row: &mut [f32], norm: Norm<'_>) {
    let count = row.len() as f32;
    let lanes = lanes::<S>();
    let zero = simd.splat_f32s(0.0);
    let mean = {
        let (vectors, rest) = S::as_simd_f32s(row);
        let sum = vectors.iter().fold(zero, |sum, &x| simd.add_f32s(sum, x));
        (simd.reduce_sum_f32s(sum) + rest.iter().sum::<f32>()) / count
    };
    let square = {
        let (vectors, rest) = S::as_simd_f32s(row);
        let shift = simd.splat_f32s(mean);
        let sum = vectors.iter().fold(zero, |sum, &x| {
            let x = simd.sub_f32s(x, shift);
            simd.mul_add_f32s(x, x, sum)
        });
        (simd.reduce_sum_f32s(sum) + rest.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>()) / count
    };
    let scale = 1.0 / (square + norm.epsilon).sqrt();
    let (factor, shift) = (simd.splat_f32s(scale), simd.splat_f32s(mean));
    let parameters = norm.gamma.chunks(lanes).zip(norm.beta.chunks(lanes));
    for (row, (gamma, beta)) in row.chunks_mut(lanes).zip(parameters) {
        let x = simd.mul_f32s(simd.sub_f32s(simd.partial_load_f32s(row), shift), factor);
        let x = simd.mul_add_f32s(x, simd.partial_load_f32s(gamma), simd.partial_load_f32s(beta));
        simd.partial_store_f32s(row, x);
    }
}
