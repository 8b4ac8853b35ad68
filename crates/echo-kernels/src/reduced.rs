//! Products of numbers with fewer bits than 32.
//!
//! Two numbers of 16 bits, or four of 8, that follow each other along the depth of a product lie in one word of 32 bits, and an
//! instruction multiplies two words number by number and adds all products to a sum of 32 bits. So a product is that of
//! [`product`](crate::product) with half or a quarter of the depth. Where the processor has no such instruction, rounded numbers
//! are multiplied in 32 bits.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::math::MAGIC;
use crate::memory::written;
use crate::precision::Precision;
use crate::processor::vectors;
use crate::product::{Block, Finish, FinishRows, Left, Onto, Packed};

/// How numbers were rounded.
#[derive(Debug)]
pub(crate) enum Rounding {
    /// To bfloat16.
    Bf16,
    /// Columns to whole numbers from -127 to 127.
    Int8 {
        /// Of each column: what a one of it stands for.
        scales: Vec<f32>,
        /// Of each column: the sum of its whole numbers.
        #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
        sums: Vec<i32>,
    },
}

/// A right matrix of fewer bits.
#[derive(Debug)]
pub(crate) struct Reduced {
    rounding: Rounding,
    /// Whether its numbers lie in words. Otherwise each is one of 32 bits.
    is_words: bool,
}

/// Columns that are rounded at a time: those of a tile with AVX-512.
const PANEL: usize = 32;

/// `[depth, columns]` in fewer bits.
pub(crate) fn reduced(precision: Precision, matrix: &[f32], depth: usize, columns: usize) -> Packed {
    match precision {
        // A product over nothing needs no bits.
        _ if depth == 0 => Packed::new(matrix, depth, columns),
        Precision::F32 => Packed::new(matrix, depth, columns),
        Precision::Bf16 => bf16_packed(matrix, depth, columns, has_words(precision)),
        // Sums of more products of 8 bits need more than 32.
        Precision::Int8 if depth > 1 << 16 => reduced(Precision::Bf16, matrix, depth, columns),
        Precision::Int8 => int8_packed(matrix, depth, columns, has_words(precision)),
    }
}

/// `[depth, columns]` in fewer bits, of its columns one after the other.
pub(crate) fn reduced_transposed(precision: Precision, depth: usize, columns: usize, transposed: &[f32]) -> Packed {
    match precision {
        Precision::F32 => Packed::transposed(depth, columns, |column| &transposed[column * depth..]),
        _ => {
            let mut matrix = vec![0.0; depth * columns];
            for (column, values) in transposed.chunks_exact(depth.max(1)).enumerate() {
                let out = matrix.iter_mut().skip(column).step_by(columns);
                out.zip(values).for_each(|(out, &x)| *out = x);
            }
            reduced(precision, &matrix, depth, columns)
        }
    }
}

/// Whether the processor multiplies numbers of so many bits, and may.
fn has_words(precision: Precision) -> bool {
    #[cfg(target_arch = "x86_64")]
    if matches!(vectors(), pulp::Arch::V4(_)) {
        return match precision {
            Precision::F32 => false,
            Precision::Bf16 => is_x86_feature_detected!("avx512bf16"),
            Precision::Int8 => is_x86_feature_detected!("avx512vnni"),
        };
    }
    let _ = precision;
    false
}

/// A row of a matrix, those of its columns that are a panel's, with zeros beyond its last row and column.
#[inline(always)]
fn panel_row(matrix: &[f32], columns: usize, row: usize, panel: usize) -> [f32; PANEL] {
    let start = panel * PANEL;
    let Some(row) = matrix.get(row * columns..(row + 1) * columns) else { return [0.0; PANEL] };
    match row[start..].first_chunk::<PANEL>() {
        Some(row) => *row,
        None => {
            let mut out = [0.0; PANEL];
            out[..columns - start].copy_from_slice(&row[start..]);
            out
        }
    }
}

fn bf16_packed(matrix: &[f32], depth: usize, columns: usize, is_words: bool) -> Packed {
    let reduced = Reduced { rounding: Rounding::Bf16, is_words };
    if !is_words {
        let rounded: Vec<f32> = matrix.iter().map(|&x| f32::from_bits(bf16(x) << 16)).collect();
        return Packed { reduced: Some(reduced), ..Packed::new(&rounded, depth, columns) };
    }
    let words = depth.div_ceil(2);
    let mut panels = vec![0u32; columns.div_ceil(PANEL) * words * PANEL];
    panels.par_chunks_mut((words * PANEL).max(1)).enumerate().for_each(|(panel, out)| {
        vectors().dispatch(Bf16Panel { matrix, columns, panel, out });
    });
    Packed { panels: pulp::bytemuck::cast_vec(panels), depth, columns, reduced: Some(reduced) }
}

/// Rounds a panel to bfloat16.
struct Bf16Panel<'a> {
    matrix: &'a [f32],
    columns: usize,
    panel: usize,
    out: &'a mut [u32],
}

impl WithSimd for Bf16Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { matrix, columns, panel, out } = self;
        for (word, out) in out.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            let one = panel_row(matrix, columns, 2 * word, panel);
            let other = panel_row(matrix, columns, 2 * word + 1, panel);
            for at in 0..PANEL {
                out[at] = bf16(one[at]) | bf16(other[at]) << 16;
            }
        }
    }
}

fn int8_packed(matrix: &[f32], depth: usize, columns: usize, is_words: bool) -> Packed {
    let words = depth.div_ceil(4);
    let panels = columns.div_ceil(PANEL);
    let mut numbers = vec![0u32; panels * words * PANEL];
    let (mut scales, mut sums) = (vec![0.0; panels * PANEL], vec![0; panels * PANEL]);
    let of_panel = scales.par_chunks_mut(PANEL).zip(sums.par_chunks_mut(PANEL));
    let parts = numbers.par_chunks_mut((words * PANEL).max(1)).zip(of_panel);
    parts.enumerate().for_each(|(panel, (out, (scales, sums)))| {
        vectors().dispatch(Int8Panel { matrix, depth, columns, panel, out, scales, sums });
    });
    let reduced = |sums, is_words| Some(Reduced { rounding: Rounding::Int8 { scales, sums }, is_words });
    if is_words {
        return Packed { panels: pulp::bytemuck::cast_vec(numbers), depth, columns, reduced: reduced(sums, true) };
    }
    let whole: Vec<f32> = (0..depth * columns)
        .map(|index| {
            let (row, column) = (index / columns, index % columns);
            let word = numbers[(column / PANEL * words + row / 4) * PANEL + column % PANEL];
            f32::from(word.to_le_bytes()[row % 4] as i8)
        })
        .collect();
    Packed { reduced: reduced(sums, false), ..Packed::new(&whole, depth, columns) }
}

/// Rounds a panel to whole numbers.
struct Int8Panel<'a> {
    matrix: &'a [f32],
    depth: usize,
    columns: usize,
    panel: usize,
    out: &'a mut [u32],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
}

impl WithSimd for Int8Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { matrix, depth, columns, panel, out, scales, sums } = self;
        let mut largest = [0.0f32; PANEL];
        // What is infinite or no number makes its column none.
        let mut waste = [0.0f32; PANEL];
        for row in 0..depth {
            let row = panel_row(matrix, columns, row, panel);
            for at in 0..PANEL {
                largest[at] = largest[at].max(row[at].abs());
                waste[at] += row[at] * 0.0;
            }
        }
        let mut inverses = [0.0; PANEL];
        for at in 0..PANEL {
            inverses[at] = inverse(127.0, largest[at]);
        }
        let mut totals = [0i32; PANEL];
        for (word, out) in out.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
            let mut words = [0; PANEL];
            for place in 0..4 {
                let row = panel_row(matrix, columns, 4 * word + place, panel);
                for at in 0..PANEL {
                    let whole = whole(row[at] * inverses[at]).clamp(-127, 127);
                    totals[at] += whole;
                    words[at] |= (whole as u32 & 0xff) << (8 * place);
                }
            }
            *out = words;
        }
        for at in 0..PANEL {
            scales[at] = largest[at] / 127.0 + waste[at];
            sums[at] = totals[at];
        }
    }
}

/// The nearest whole number, of two the even one; of numbers of less than 2^22.
#[inline(always)]
fn whole(x: f32) -> i32 {
    ((x + MAGIC).to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32)
}

/// The nearest bfloat16, of two the even one.
#[inline(always)]
fn bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // Rounding a quiet NaN up may not lead out of the NaNs.
    if x.is_nan() { bits >> 16 | 0x40 } else { rounded }
}

/// Whole numbers to a one of what has this range; nothing of a range that is none, or too small for it.
#[inline(always)]
fn inverse(whole: f32, range: f32) -> f32 {
    let inverse = whole / range;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// How whole numbers from 0 to 255 stand for the numbers of a row: `number = (whole - zero) * scale`.
#[derive(Clone, Copy, Debug, Default)]
struct RowScale {
    scale: f32,
    inverse: f32,
    zero: f32,
}

impl RowScale {
    /// From the least to the greatest of a row, with zero among them, which is exact.
    #[inline(always)]
    fn of(row: &[f32]) -> Self {
        const LANES: usize = 16;
        let (mut low, mut high, mut waste) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        let (vectors, rest) = row.as_chunks::<LANES>();
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for row in vectors.iter().chain([&last]) {
            for at in 0..LANES {
                low[at] = low[at].min(row[at]);
                high[at] = high[at].max(row[at]);
                // What is infinite or no number makes the row none.
                waste[at] += row[at] * 0.0;
            }
        }
        for at in 1..LANES {
            low[0] = low[0].min(low[at]);
            high[0] = high[0].max(high[at]);
            waste[0] += waste[at];
        }
        let range = high[0] - low[0];
        let inverse = inverse(255.0, range);
        Self { scale: range / 255.0 + waste[0], inverse, zero: whole(-low[0] * inverse) as f32 }
    }

    #[inline(always)]
    fn whole(self, x: f32) -> u8 {
        whole(x * self.inverse + self.zero).clamp(0, 255) as u8
    }
}

impl Reduced {
    /// Writes a block, all of it.
    pub(crate) fn run(&self, block: Block<'_>) {
        let Block { left: Left::Rows(left), right, bias, finish, packed, onto: Onto::Nothing, out } = block else {
            unreachable!("gradients are products of 32 bits");
        };
        if self.is_words {
            #[cfg(target_arch = "x86_64")]
            words::run(&self.rounding, left, right, packed, &mut *out);
        } else {
            self.rounded(left, right, packed, &mut *out);
        }
        // SAFETY: either wrote all of it.
        let out = unsafe { written(out) };
        vectors().dispatch(FinishRows { out, columns: right.columns, bias, finish });
    }

    /// The product of rounded numbers of 32 bits.
    fn rounded(&self, left: &[f32], right: &Packed, packed: &mut Vec<f32>, out: &mut [MaybeUninit<f32>]) {
        let (depth, columns) = (right.depth, right.columns);
        let rows = left.chunks_exact(depth);
        let mut factors = Vec::new();
        let rounded: Vec<f32> = match &self.rounding {
            Rounding::Bf16 => left.iter().map(|&x| f32::from_bits(bf16(x) << 16)).collect(),
            Rounding::Int8 { .. } => rows
                .flat_map(|row| {
                    let of_row = RowScale::of(row);
                    factors.push(of_row.scale);
                    row.iter().map(move |&x| f32::from(of_row.whole(x)) - of_row.zero)
                })
                .collect(),
        };
        let left = Left::Rows(&rounded);
        let (bias, finish, onto) = (None, Finish::Plain, Onto::Nothing);
        vectors().dispatch(Block { left, right, bias, finish, packed, onto, out: &mut *out });
        // SAFETY: the block wrote all of it.
        let out = unsafe { written(out) };
        if let Rounding::Int8 { scales, .. } = &self.rounding {
            for (row, factor) in out.chunks_exact_mut(columns).zip(factors) {
                row.iter_mut().zip(scales).for_each(|(out, scale)| *out *= factor * scale);
            }
        }
    }
}

/// Products of words, by AVX-512.
#[cfg(target_arch = "x86_64")]
mod words {
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    use pulp::bytemuck;

    use super::{PANEL, Packed, Rounding, RowScale, bf16};
    use crate::product::{BLOCK, DEPTH};

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
    pub(super) fn run(
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
    unsafe fn block<W: Words>(
        words: W,
        left: &[f32],
        right: &Packed,
        room: &mut Vec<f32>,
        out: &mut [MaybeUninit<f32>],
    ) {
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
                for (tile, left) in room.as_chunks::<ROWS>().0.iter().enumerate().take(tiles) {
                    let first = tile * ROWS;
                    // SAFETY: as here.
                    let sums = unsafe { tile_of(words, (first, column, is_first), left, panel) };
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
    ) -> [[W::Sum; 2]; ROWS] {
        // SAFETY: the caller has the features, and two vectors lie in a panel's row.
        unsafe {
            let mut sums = [[words.start(first, column, is_first); 2]; ROWS];
            for (row, sums) in sums.iter_mut().enumerate() {
                sums[0] = words.start(first + row, column, is_first);
                sums[1] = words.start(first + row, column + 16, is_first);
            }
            for (word, right) in panel[..panel.len().min(STRIDE)].iter().enumerate() {
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
}
