//! Products of a few rows, whose right matrix has far more numbers than there are results.
//!
//! A task takes a few panels of columns that lie side by side: it packs them where they lie, a part that fits the second-level
//! cache at a time, and multiplies each with all rows. So the matrix is read once, and never written to memory in panels.

use std::mem::MaybeUninit;

use pulp::Simd;
use rayon::prelude::*;

use crate::matrix::{Matrix, PANELS, tile_columns};
use crate::memory::{filled, uninit, written};
use crate::processor::vectors;
use crate::product::{BLOCK, DEPTH, Finish, FinishRows, Place, Tiled, WithTiles, lanes, pack};

/// `[rows, depth] x [depth, columns] + bias`, finished: number for number what the same product of many rows gives.
pub(crate) fn product(left: &[f32], right: Matrix<'_>, bias: Option<&[f32]>, finish: Finish<'_>) -> Vec<f32> {
    let Matrix { depth, columns, .. } = right;
    let rows = left.len() / depth;
    let mut packed = Vec::new();
    vectors().dispatch(WithTiles(PackRows { left, depth, packed: &mut packed }));
    let width = tile_columns();
    let mut panels = uninit(columns.div_ceil(width) * rows * width);
    panels.par_chunks_mut((PANELS * rows * width).max(1)).enumerate().for_each_init(Vec::new, |room, (task, out)| {
        let first = task * PANELS * width;
        vectors().dispatch(WithTiles(Panels { left: &packed, rows, right, first, room, out }));
    });
    // SAFETY: every panel has been written.
    let panels = unsafe { filled(panels) };
    let mut out = uninit(rows * columns);
    out.par_chunks_mut((BLOCK * columns).max(1)).enumerate().for_each(|(block, out)| {
        let first = block * BLOCK;
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            for (out, panel) in out.chunks_mut(width).zip(panels.chunks_exact(rows * width)) {
                out.write_copy_of_slice(&panel[(first + row) * width..][..out.len()]);
            }
        }
        // SAFETY: every row has been copied.
        let out = unsafe { written(out) };
        vectors().dispatch(FinishRows { out, columns, bias, finish: finish.at_row(first, columns) });
    });
    // SAFETY: blocks cover all rows.
    unsafe { filled(out) }
}

/// Packs all rows, over their whole depth.
struct PackRows<'a> {
    left: &'a [f32],
    depth: usize,
    packed: &'a mut Vec<f32>,
}

impl Tiled for PackRows<'_> {
    #[inline(always)]
    fn run_with<S: Simd, const MR: usize>(self, _: S) {
        pack::<MR>(self.left, self.depth, 0..self.depth, self.packed);
    }
}

/// Panels of the result, `[panels, rows, tile's columns]`.
struct Panels<'a> {
    /// Packed over the whole depth.
    left: &'a [f32],
    rows: usize,
    right: Matrix<'a>,
    /// The first column.
    first: usize,
    /// For parts of the right matrix's panels.
    room: &'a mut Vec<f32>,
    out: &'a mut [MaybeUninit<f32>],
}

impl Tiled for Panels<'_> {
    #[inline(always)]
    fn run_with<S: Simd, const MR: usize>(self, simd: S) {
        let Self { left, rows, right, first, room, out } = self;
        let (width, depth) = (2 * lanes::<S>(), right.depth);
        let panels = out.len() / (rows * width);
        for start in (0..depth).step_by(DEPTH) {
            let part = DEPTH.min(depth - start);
            let numbers = panels * part * width;
            room.clear();
            room.reserve(numbers);
            right.pack_panels(simd, first, start..start + part, &mut room.spare_capacity_mut()[..numbers]);
            // SAFETY: the panels have been written.
            unsafe { room.set_len(numbers) };
            for (panel, out) in room.chunks_exact(part * width).zip(out.chunks_exact_mut(rows * width)) {
                let next = panel.as_ptr().wrapping_add(part * width);
                let (panel, _) = S::as_simd_f32s(panel).0.as_chunks::<2>();
                for (tile, left) in left.chunks_exact(depth * MR).enumerate() {
                    let (left, _) = left[start * MR..][..part * MR].as_chunks::<MR>();
                    let here = Place { row: tile * MR, column: 0, rows, columns: width };
                    here.run::<S, MR>(simd, left, panel, next, start == 0, out);
                }
            }
        }
    }
}
