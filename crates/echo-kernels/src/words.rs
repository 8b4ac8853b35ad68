//! Products of words (see [`reduced`](crate::reduced)), by AVX-512.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use pulp::bytemuck;

use crate::matrix::Packed;
use crate::memory::{LINE, fetch};
use crate::product::{BLOCK, DEPTH};
use crate::reduced::{PANEL, Rounding, RowScale, bf16};

/// Rows of a tile.
const ROWS: usize = 14;
/// Words from a row of a block to the next. Not a power of two, which would put a column of rows into few sets of the cache.
const STRIDE: usize = DEPTH + 16;

/// Instructions that multiply words. What they need is there where their caller says so.
trait Words: Copy {
    /// Numbers in a word.
    const NUMBERS: usize;
    type Sum: Copy;
    /// What the product of a row and of the 16 columns from `column` on begins with.
    unsafe fn start(self, row: usize, column: usize, is_first: bool) -> Self::Sum;
    /// Adds the product of two words.
    unsafe fn add(sum: Self::Sum, left: __m512i, right: __m512i) -> Self::Sum;
    /// A sum as numbers.
    unsafe fn numbers(sum: Self::Sum) -> __m512;
    /// What a row's finished sums become.
    unsafe fn finished(self, sum: __m512, row: usize, column: usize) -> __m512;
    /// Rounds a part of a row.
    fn round(self, row: usize, from: &[f32], to: &mut [u32; STRIDE]);
}

#[derive(Clone, Copy)]
struct Bf16;

impl Words for Bf16 {
    const NUMBERS: usize = 2;
    type Sum = __m512;

    #[inline(always)]
    unsafe fn start(self, _: usize, _: usize, _: bool) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn add(sum: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: the caller has AVX-512 BF16; vectors of the same 512 bits.
        unsafe {
            let [left, right] = [left, right].map(|word| std::mem::transmute::<__m512i, __m512bh>(word));
            _mm512_dpbf16_ps(sum, left, right)
        }
    }

    #[inline(always)]
    unsafe fn numbers(sum: __m512) -> __m512 {
        sum
    }

    #[inline(always)]
    unsafe fn finished(self, sum: __m512, _: usize, _: usize) -> __m512 {
        sum
    }

    #[inline(always)]
    fn round(self, _: usize, from: &[f32], to: &mut [u32; STRIDE]) {
        let to: &mut [u16] = bytemuck::cast_slice_mut(to);
        to.iter_mut().zip(from).for_each(|(to, &x)| *to = bf16(x) as u16);
        // The second number of the last word: nothing times infinity is no number.
        to[from.len()] = 0;
    }
}

#[derive(Clone, Copy)]
struct Int8<'a> {
    rows: &'a [RowScale; BLOCK],
    scales: &'a [f32],
    sums: &'a [i32],
}

impl Words for Int8<'_> {
    const NUMBERS: usize = 4;
    type Sum = __m512i;

    #[inline(always)]
    unsafe fn start(self, row: usize, column: usize, is_first: bool) -> __m512i {
        let sums = &self.sums[column..][..16];
        // SAFETY: the caller has AVX-512; a vector of 16 whole numbers is there.
        unsafe {
            if !is_first {
                return _mm512_setzero_si512();
            }
            // The row's zero stands in every product of it.
            let zero = _mm512_set1_epi32(-(self.rows[row].zero as i32));
            _mm512_mullo_epi32(zero, _mm512_loadu_si512(sums.as_ptr().cast()))
        }
    }

    #[inline(always)]
    unsafe fn add(sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, left, right) }
    }

    #[inline(always)]
    unsafe fn numbers(sum: __m512i) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_cvtepi32_ps(sum) }
    }

    #[inline(always)]
    unsafe fn finished(self, sum: __m512, row: usize, column: usize) -> __m512 {
        let scales = &self.scales[column..][..16];
        // SAFETY: the caller has AVX-512; a vector of 16 scales is there.
        unsafe {
            let factor = _mm512_set1_ps(self.rows[row].scale);
            _mm512_mul_ps(sum, _mm512_mul_ps(factor, _mm512_loadu_ps(scales.as_ptr())))
        }
    }

    #[inline(always)]
    fn round(self, row: usize, from: &[f32], to: &mut [u32; STRIDE]) {
        let to: &mut [u8] = bytemuck::cast_slice_mut(to);
        let of_row = self.rows[row];
        // What is left of the last word meets weights that are zero.
        to.iter_mut().zip(from).for_each(|(to, &x)| *to = of_row.whole(x));
    }
}

/// Writes the product of rows with a matrix of words, which the processor must be able to multiply.
pub(crate) fn run(
    rounding: &Rounding,
    left: &[f32],
    right: &Packed,
    room: &mut Vec<f32>,
    out: &mut [MaybeUninit<f32>],
) {
    // SAFETY: a matrix is of words only where `has_words` found the instructions.
    unsafe {
        match rounding {
            Rounding::Bf16 => bf16_block(left, right, room, out),
            Rounding::Int8 { scales, sums } => int8_block((scales, sums), left, right, room, out),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn bf16_block(left: &[f32], right: &Packed, room: &mut Vec<f32>, out: &mut [MaybeUninit<f32>]) {
    // SAFETY: this function has the features.
    unsafe { block(Bf16, left, right, room, out) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn int8_block(
    (scales, sums): (&[f32], &[i32]),
    left: &[f32],
    right: &Packed,
    room: &mut Vec<f32>,
    out: &mut [MaybeUninit<f32>],
) {
    let mut rows = [RowScale::default(); BLOCK];
    for (of_row, row) in rows.iter_mut().zip(left.chunks_exact(right.depth)) {
        *of_row = RowScale::of(row);
    }
    // SAFETY: this function has the features.
    unsafe { block(Int8 { rows: &rows, scales, sums }, left, right, room, out) }
}

/// # Safety
/// The caller has the features of the words' instructions.
#[inline(always)]
unsafe fn block<W: Words>(words: W, left: &[f32], right: &Packed, room: &mut Vec<f32>, out: &mut [MaybeUninit<f32>]) {
    let (depth, columns) = (right.depth, right.columns);
    let rows = out.len() / columns;
    let tiles = rows.div_ceil(ROWS);
    let all = depth.div_ceil(W::NUMBERS);
    let panels: &[u32] = bytemuck::cast_slice(&right.panels);
    let (panels, _) = panels.as_chunks::<PANEL>();
    room.resize(tiles * ROWS * STRIDE, 0.0);
    let room: &mut [u32] = bytemuck::cast_slice_mut(room);
    let (room, _) = room.as_chunks_mut::<STRIDE>();
    for start in (0..all).step_by(DEPTH) {
        let part = DEPTH.min(all - start);
        let numbers = start * W::NUMBERS..depth.min((start + part) * W::NUMBERS);
        for (row, (from, to)) in left.chunks_exact(depth).zip(room.iter_mut()).enumerate() {
            words.round(row, &from[numbers.clone()], to);
        }
        let (is_first, is_last) = (start == 0, start + part == all);
        for (panel, column) in panels.chunks_exact(all).zip((0..columns).step_by(PANEL)) {
            let panel = &panel[start..][..part];
            // As in a product of 32 bits.
            let next = panel.as_ptr().cast::<f32>().wrapping_add(all * PANEL);
            for (tile, left) in room.as_chunks::<ROWS>().0.iter().enumerate().take(tiles) {
                let first = tile * ROWS;
                let ahead = next.wrapping_add(tile % 2 * part * LINE);
                // SAFETY: as here.
                let sums = unsafe { tile_of(words, (first, column, is_first), left, panel, ahead) };
                for (row, sums) in (first..rows).zip(sums) {
                    for (half, sum) in sums.into_iter().enumerate() {
                        let column = column + 16 * half;
                        let count = columns.saturating_sub(column).min(16);
                        let out = &mut out[row * columns..][..columns][column.min(columns)..];
                        let mask = ((1u32 << count) - 1) as __mmask16;
                        // SAFETY: as here; so many numbers have room, and were written by the part before.
                        unsafe {
                            let out = out.as_mut_ptr().cast::<f32>();
                            let mut sum = W::numbers(sum);
                            if !is_first {
                                sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, out));
                            }
                            if is_last {
                                sum = words.finished(sum, row, column);
                            }
                            _mm512_mask_storeu_ps(out, mask, sum);
                        }
                    }
                }
            }
        }
    }
}

/// The product of a tile's rows, of which `first` is the first, and of a panel's columns.
///
/// # Safety
/// The caller has the features of the words' instructions.
#[inline(always)]
unsafe fn tile_of<W: Words>(
    words: W,
    (first, column, is_first): (usize, usize, bool),
    left: &[[u32; STRIDE]; ROWS],
    panel: &[[u32; PANEL]],
    ahead: *const f32,
) -> [[W::Sum; 2]; ROWS] {
    // SAFETY: the caller has the features, and two vectors lie in a panel's row.
    unsafe {
        let mut sums = [[words.start(first, column, is_first); 2]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            sums[0] = words.start(first + row, column, is_first);
            sums[1] = words.start(first + row, column + 16, is_first);
        }
        for (word, right) in panel[..panel.len().min(STRIDE)].iter().enumerate() {
            fetch(ahead.wrapping_add(word * LINE));
            let right = right.as_ptr().cast::<__m512i>();
            let (one, other) = (right.read_unaligned(), right.add(1).read_unaligned());
            for row in 0..ROWS {
                let left = _mm512_set1_epi32(left[row][word] as i32);
                sums[row] = [W::add(sums[row][0], left, one), W::add(sums[row][1], left, other)];
            }
        }
        sums
    }
}
