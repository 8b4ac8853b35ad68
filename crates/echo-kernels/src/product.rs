//! Matrix products whose result is finished in cache: bias, GELU, or layer scale and residual are applied to a tile as soon as
//! it is there.
//!
//! Rows of the left matrix are cut into blocks, one a task. A block is packed so that a step of the inner loop reads `MR` rows'
//! elements one after the other, and the right matrix, packed once per call, gives two vectors for it: `2 MR` products of a
//! vector and a number, whose sums stay in registers. Of a few rows, columns are cut instead ([`few_rows`](crate::few_rows)).

use std::mem::MaybeUninit;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::activation::Activation;
use crate::few_rows;
use crate::interleave::interleave;
use crate::matrix::{Matrix, Packed, Right};
use crate::memory::{LINE, fetch, filled, load, put, uninit, written};
use crate::processor::vectors;

/// Depth of a packed block: a tile's columns of the right matrix stay in the first-level cache.
pub(crate) const DEPTH: usize = 512;

/// Rows of a block at most, a multiple of every tile's rows.
pub(crate) const BLOCK: usize = 84;

/// What becomes of a row of a product after its bias.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish<'a> {
    /// Nothing.
    Plain,
    /// The activation.
    Activate(Activation),
    /// It is multiplied by a scale of the columns, where there is one, and added to the row of this matrix.
    AddTo { residual: &'a [f32], scale: Option<&'a [f32]> },
}

impl<'a> Finish<'a> {
    /// For the rows from `first` on of a product with `columns`.
    pub(crate) fn at_row(self, first: usize, columns: usize) -> Self {
        match self {
            Self::AddTo { residual, scale } => Self::AddTo { residual: &residual[first * columns..], scale },
            other => other,
        }
    }
}

/// Numbers in a vector.
pub(crate) const fn lanes<S: Simd>() -> usize {
    size_of::<S::f32s>() / size_of::<f32>()
}

/// Rows of a block: whole tiles, and about as many blocks for one thread as for another.
pub(crate) fn block_rows(rows: usize) -> usize {
    let threads = rayon::current_num_threads();
    let blocks = threads * rows.div_ceil(threads * BLOCK).max(1);
    rows.div_ceil(blocks).next_multiple_of(14).clamp(14, BLOCK)
}

/// The left matrix of a block of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left<'a> {
    /// `[rows, depth]`, one row after the other.
    Rows(&'a [f32]),
    /// `[depth, width]`, of which the columns from `first` on are the block's rows.
    Columns { values: &'a [f32], width: usize, first: usize },
}

/// What a block is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onto {
    /// Nothing: what is there may be anything.
    Nothing,
    /// The numbers that are there: [`add_block`] alone may say so, whose output is one of numbers.
    Numbers,
}

/// `[rows, depth] x [depth, columns] + bias`, finished.
pub(crate) fn product(left: &[f32], right: &Right<'_>, bias: Option<&[f32]>, finish: Finish<'_>) -> Vec<f32> {
    let right = match right {
        Right::InPlace(right) => return few_rows::product(left, *right, bias, finish),
        Right::Packed(right) => right,
    };
    let Packed { depth, columns, .. } = *right;
    let rows = left.len() / depth;
    let mut out = uninit(rows * columns);
    let block = block_rows(rows);
    out.par_chunks_mut((block * columns).max(1)).enumerate().for_each_init(Vec::new, |packed, (index, out)| {
        let first = index * block;
        let rows = out.len() / columns;
        let left = Left::Rows(&left[first * depth..][..rows * depth]);
        let finish = finish.at_row(first, columns);
        Block { left, right, bias, finish, packed, onto: Onto::Nothing, out }.run();
    });
    // SAFETY: blocks cover all rows, and each writes all of its own.
    unsafe { filled(out) }
}

/// `[depth, rows]^T x [depth, columns]`, as of a layer's inputs and its results' gradients, added to `out`.
pub(crate) fn add_product_of_columns(left: &[f32], rows: usize, right: &[f32], columns: usize, out: &mut [f32]) {
    /// Depth that is packed at a time.
    const SLAB: usize = 8 * DEPTH;
    let parts = left.chunks((SLAB * rows).max(1)).zip(right.chunks((SLAB * columns).max(1)));
    for (left, right) in parts {
        let right = Matrix::of_rows(right, right.len() / columns, columns).packed();
        let block = block_rows(rows);
        out.par_chunks_mut((block * columns).max(1)).enumerate().for_each_init(Vec::new, |packed, (index, out)| {
            let left = Left::Columns { values: left, width: rows, first: index * block };
            add_block(left, &right, packed, out);
        });
    }
}

/// Adds the product of a block to what is there.
pub(crate) fn add_block(left: Left<'_>, right: &Packed, packed: &mut Vec<f32>, out: &mut [f32]) {
    // SAFETY: a block writes numbers alone.
    let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<f32>]) };
    Block { left, right, bias: None, finish: Finish::Plain, packed, onto: Onto::Numbers, out }.run();
}

/// Sums of the columns of `[rows, columns]`: of a layer's results' gradients, the gradient of its bias.
pub(crate) fn column_sums(matrix: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    add_column_sums(matrix, &mut sums);
    sums
}

/// The same, added to `out`.
pub(crate) fn add_column_sums(matrix: &[f32], out: &mut [f32]) {
    /// Rows whose sum is one term: the same whatever the number of threads.
    const ROWS: usize = 256;
    let columns = out.len();
    let parts: Vec<Vec<f32>> = matrix
        .par_chunks((ROWS * columns).max(1))
        .map(|rows| {
            let mut sums = vec![0.0; columns];
            for row in rows.chunks_exact(columns) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            sums
        })
        .collect();
    for part in parts {
        out.iter_mut().zip(part).for_each(|(out, x)| *out += x);
    }
}

/// A block of rows of a product.
pub(crate) struct Block<'a> {
    pub(crate) left: Left<'a>,
    pub(crate) right: &'a Packed,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) finish: Finish<'a>,
    /// Room for a packed part of the left matrix.
    pub(crate) packed: &'a mut Vec<f32>,
    pub(crate) onto: Onto,
    pub(crate) out: &'a mut [MaybeUninit<f32>],
}

/// Work on tiles of `MR` rows.
pub(crate) trait Tiled {
    fn run_with<S: Simd, const MR: usize>(self, simd: S);
}

/// Such work, with as many rows to a tile as this processor's registers hold sums of.
pub(crate) struct WithTiles<T>(pub(crate) T);

impl<T: Tiled> WithSimd for WithTiles<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::REGISTER_COUNT {
            32.. => self.0.run_with::<S, 14>(simd),
            _ => self.0.run_with::<S, 6>(simd),
        }
    }
}

impl Block<'_> {
    /// Writes all of it.
    pub(crate) fn run(self) {
        match &self.right.reduced {
            Some(reduced) => reduced.run(self),
            None => vectors().dispatch(WithTiles(self)),
        }
    }
}

impl Tiled for Block<'_> {
    #[inline(always)]
    fn run_with<S: Simd, const MR: usize>(self, simd: S) {
        let Self { left, right, bias, finish, packed, onto, out } = self;
        let Packed { depth, columns, ref panels, .. } = *right;
        let width = 2 * lanes::<S>();
        if depth == 0 && onto == Onto::Nothing {
            out.fill(MaybeUninit::new(0.0));
        }
        let rows = out.len() / columns;
        let tiles = rows.div_ceil(MR);
        for start in (0..depth).step_by(DEPTH) {
            let part = DEPTH.min(depth - start);
            match left {
                Left::Rows(values) => pack::<MR>(values, depth, start..start + part, packed),
                Left::Columns { values, width, first } => {
                    pack_columns::<MR>(&values[start * width..][..part * width], width, first..first + rows, packed);
                }
            }
            let is_first = start == 0 && onto == Onto::Nothing;
            for (panel, columns_of) in panels.chunks(depth * width).zip((0..columns).step_by(width)) {
                let panel = &panel[start * width..][..part * width];
                // The same part of the next panel: it lies in a farther cache than the time of a tile hides.
                let next = panel.as_ptr().wrapping_add(depth * width);
                let (panel, _) = S::as_simd_f32s(panel);
                let (panel, _) = panel.as_chunks::<2>();
                for tile in 0..tiles {
                    let (left, _) = packed[tile * part * MR..][..part * MR].as_chunks::<MR>();
                    let here = Place { row: tile * MR, column: columns_of, rows, columns };
                    // A line of it for each step of the depth, and of the next tile those that are left.
                    let ahead = next.wrapping_add(tile % width.div_ceil(LINE) * part * LINE);
                    here.run::<S, MR>(simd, left, panel, ahead, is_first, out);
                }
            }
        }
        // SAFETY: every tile has been written.
        let out = unsafe { written(out) };
        finish_rows(simd, out, columns, bias, finish);
    }
}

/// Packs the columns `part` of the rows: for every tile, its rows' elements of a column one after the other. Rows beyond the
/// last are zeros.
#[inline(always)]
pub(crate) fn pack<const MR: usize>(left: &[f32], depth: usize, part: Range<usize>, packed: &mut Vec<f32>) {
    let rows = left.len() / depth;
    let length = part.len();
    let all = rows.div_ceil(MR) * MR * length;
    packed.clear();
    packed.reserve(all);
    let room = &mut packed.spare_capacity_mut()[..all];
    for (out, first) in room.chunks_exact_mut(MR * length).zip((0..rows).step_by(MR)) {
        let row = |row: usize| &left[(first + row) * depth..][part.clone()];
        interleave(row, MR.min(rows - first), MR, out);
    }
    // SAFETY: every tile has been written.
    unsafe { packed.set_len(all) };
}

/// The same of rows that are columns of `[length, width]`.
#[inline(always)]
fn pack_columns<const MR: usize>(values: &[f32], width: usize, rows: Range<usize>, packed: &mut Vec<f32>) {
    let length = values.len() / width;
    packed.resize(rows.len().div_ceil(MR) * MR * length, 0.0);
    for (out, start) in packed.chunks_exact_mut(MR * length).zip(rows.clone().step_by(MR)) {
        let (out, _) = out.as_chunks_mut::<MR>();
        let count = MR.min(rows.end - start);
        for (out, values) in out.iter_mut().zip(values.chunks_exact(width)) {
            let values = &values[start..][..count];
            match <&[f32; MR]>::try_from(values) {
                Ok(values) => *out = *values,
                Err(_) => {
                    out[..count].copy_from_slice(values);
                    out[count..].fill(0.0);
                }
            }
        }
    }
}

/// Where a tile lies in the output of a block.
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Place {
    /// Adds the product of a packed tile of rows and of a panel to what is there, or puts it there if it is the first. Meanwhile
    /// as many lines come into the cache from `ahead` as the product is deep.
    #[inline(always)]
    pub(crate) fn run<S: Simd, const MR: usize>(
        &self,
        simd: S,
        left: &[[f32; MR]],
        panel: &[[S::f32s; 2]],
        ahead: *const f32,
        is_first: bool,
        out: &mut [MaybeUninit<f32>],
    ) {
        let mut sums = [[simd.splat_f32s(0.0); 2]; MR];
        for (place, (left, &[one, other])) in left.iter().zip(panel).enumerate() {
            fetch(ahead.wrapping_add(place * LINE));
            for row in 0..MR {
                let x = simd.splat_f32s(left[row]);
                sums[row][0] = simd.mul_add_f32s(x, one, sums[row][0]);
                sums[row][1] = simd.mul_add_f32s(x, other, sums[row][1]);
            }
        }
        let lanes = lanes::<S>();
        let whole = self.column + 2 * lanes <= self.columns;
        for row in 0..MR.min(self.rows - self.row) {
            let at = (self.row + row) * self.columns + self.column;
            if whole {
                let out = &mut out[at..][..2 * lanes];
                // SAFETY: the slice has room for two vectors, and what the first part wrote is there.
                unsafe {
                    let out = out.as_mut_ptr().cast::<[S::f32s; 2]>();
                    let [mut one, mut other] = sums[row];
                    if !is_first {
                        let [before, behind] = out.read_unaligned();
                        (one, other) = (simd.add_f32s(one, before), simd.add_f32s(other, behind));
                    }
                    out.write_unaligned([one, other]);
                }
            } else {
                let sums: &[f32] = pulp::bytemuck::cast_slice(&sums[row]);
                for (out, &sum) in out[at..][..self.columns - self.column].iter_mut().zip(sums) {
                    // SAFETY: what the first part wrote is there.
                    let before = if is_first { 0.0 } else { unsafe { out.assume_init() } };
                    out.write(before + sum);
                }
            }
        }
    }
}

/// Adds the bias and finishes rows.
pub(crate) struct FinishRows<'a> {
    pub(crate) out: &'a mut [f32],
    pub(crate) columns: usize,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) finish: Finish<'a>,
}

impl WithSimd for FinishRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        finish_rows(simd, self.out, self.columns, self.bias, self.finish);
    }
}

/// Adds the bias and finishes rows.
#[inline(always)]
fn finish_rows<S: Simd>(simd: S, out: &mut [f32], columns: usize, bias: Option<&[f32]>, finish: Finish<'_>) {
    if bias.is_none() && matches!(finish, Finish::Plain) {
        return;
    }
    for (row, out) in out.chunks_exact_mut(columns).enumerate() {
        let (residual, scale) = match finish {
            Finish::AddTo { residual, scale } => (Some(&residual[row * columns..][..columns]), scale),
            _ => (None, None),
        };
        let [bias, residual, scale] = [bias, residual, scale].map(|given| given.map(|given| &given[..columns]));
        let [whole_bias, whole_residual, whole_scale] =
            [bias, residual, scale].map(|given| given.map(|given| S::as_simd_f32s(given).0));
        let (whole, rest) = S::as_mut_simd_f32s(out);
        for (at, out) in whole.iter_mut().enumerate() {
            let given = [whole_bias, whole_residual, whole_scale].map(|given| given.map(|given| given[at]));
            *out = finished(simd, *out, given, finish);
        }
        if !rest.is_empty() {
            let from = columns - rest.len();
            let given = [bias, residual, scale].map(|given| given.map(|given| load(simd, &given[from..])));
            let x = finished(simd, load(simd, rest), given, finish);
            put(simd, rest, x);
        }
    }
}

/// A vector with its bias, finished.
#[inline(always)]
fn finished<S: Simd>(
    simd: S,
    x: S::f32s,
    [bias, residual, scale]: [Option<S::f32s>; 3],
    finish: Finish<'_>,
) -> S::f32s {
    let x = bias.map_or(x, |bias| simd.add_f32s(x, bias));
    match (finish, residual, scale) {
        (Finish::Activate(activation), ..) => activation.of(simd, x),
        (_, Some(residual), Some(scale)) => simd.mul_add_f32s(x, scale, residual),
        (_, Some(residual), None) => simd.add_f32s(x, residual),
        _ => x,
    }
}
