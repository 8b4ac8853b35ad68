//! Layer norm of rows.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::memory::{filled, load, put, store, uninit, written};
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
        norm_in_place(out, norm);
    });
    // SAFETY: the parts cover all rows, and each was copied.
    unsafe { filled(out) }
}

/// Norms rows where they lie.
pub(crate) fn norm_in_place(rows: &mut [f32], norm: Norm<'_>) {
    vectors().dispatch(Rows { norm, rows });
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

/// Gradients of the rows, and of gamma and beta, from those of the normed rows.
pub(crate) fn gradients(x: &[f32], norm: Norm<'_>, gradient: &[f32]) -> [Vec<f32>; 3] {
    let channels = norm.gamma.len();
    let mut out = uninit(x.len());
    let part = ROWS * channels.max(1);
    let parts = out.par_chunks_mut(part).zip(x.par_chunks(part)).zip(gradient.par_chunks(part));
    let parameters: Vec<Vec<f32>> = parts
        .map(|((out, x), gradient)| {
            let mut sums = vec![0.0; 2 * channels];
            vectors().dispatch(RowGradients { x, norm, gradient, out, sums: &mut sums });
            sums
        })
        .collect();
    let mut sums = vec![0.0; 2 * channels];
    for part in parameters {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    let beta = sums.split_off(channels);
    // SAFETY: the parts cover all rows, and each writes all of its own.
    [unsafe { filled(out) }, sums, beta]
}

struct RowGradients<'a> {
    x: &'a [f32],
    norm: Norm<'a>,
    gradient: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
    /// Of gamma, then of beta.
    sums: &'a mut [f32],
}

impl WithSimd for RowGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, norm, gradient, out, sums } = self;
        let channels = norm.gamma.len();
        let lanes = lanes::<S>();
        let zero = simd.splat_f32s(0.0);
        let (of_gamma, of_beta) = sums.split_at_mut(channels);
        let load = |from: &[f32]| load(simd, from);
        let rows = x.chunks_exact(channels).zip(gradient.chunks_exact(channels)).zip(out.chunks_exact_mut(channels));
        for ((x, gradient), out) in rows {
            let [mean, scale] = moments(simd, x, norm.epsilon);
            let (shift, factor) = (simd.splat_f32s(mean), simd.splat_f32s(scale));
            let (mut total, mut along) = (zero, zero);
            let parts = x.chunks(lanes).zip(gradient.chunks(lanes)).zip(norm.gamma.chunks(lanes));
            let sums = of_gamma.chunks_mut(lanes).zip(of_beta.chunks_mut(lanes));
            for (((x, dy), gamma), (of_gamma, of_beta)) in parts.clone().zip(sums) {
                // Beyond the last channel the gradient is zero, and with it every product.
                let normed = simd.mul_f32s(simd.sub_f32s(load(x), shift), factor);
                let dy = load(dy);
                let inner = simd.mul_f32s(dy, load(gamma));
                total = simd.add_f32s(total, inner);
                along = simd.mul_add_f32s(inner, normed, along);
                let sum = simd.mul_add_f32s(dy, normed, load(of_gamma));
                put(simd, of_gamma, sum);
                let sum = simd.add_f32s(dy, load(of_beta));
                put(simd, of_beta, sum);
            }
            let count = channels as f32;
            let total = simd.splat_f32s(simd.reduce_sum_f32s(total) / count);
            let along = simd.splat_f32s(simd.reduce_sum_f32s(along) / count);
            for (((x, dy), gamma), out) in parts.zip(out.chunks_mut(lanes)) {
                let normed = simd.mul_f32s(simd.sub_f32s(load(x), shift), factor);
                let inner = simd.sub_f32s(simd.mul_f32s(load(dy), load(gamma)), total);
                let inner = simd.sub_f32s(inner, simd.mul_f32s(normed, along));
                store::<S>(out, simd.mul_f32s(inner, factor));
            }
        }
    }
}

/// Mean, then one over the root of the mean square of what is left, as it should be for 32 bits.
#[inline(always)]
fn moments<S: Simd>(simd: S, row: &[f32], epsilon: f32) -> [f32; 2] {
    let count = row.len() as f32;
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
    [mean, 1.0 / (square + epsilon).sqrt()]
}

/// Norms a row.
#[inline(always)]
pub(crate) fn in_place<S: Simd>(simd: S, row: &mut [f32], norm: Norm<'_>) {
    let lanes = lanes::<S>();
    let [mean, scale] = moments(simd, row, norm.epsilon);
    let (factor, shift) = (simd.splat_f32s(scale), simd.splat_f32s(mean));
    let parameters = norm.gamma.chunks(lanes).zip(norm.beta.chunks(lanes));
    for (row, (gamma, beta)) in row.chunks_mut(lanes).zip(parameters) {
        let x = simd.mul_f32s(simd.sub_f32s(load(simd, row), shift), factor);
        let x = simd.mul_add_f32s(x, load(simd, gamma), load(simd, beta));
        put(simd, row, x);
    }
}
