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
use crate::matrix::{Matrix, Packed};
use crate::memory::written;
use crate::precision::Precision;
use crate::processor::vectors;
use crate::product::{Block, Finish, FinishRows, Left, Onto, WithTiles};

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
pub(crate) const PANEL: usize = 32;

impl Matrix<'_> {
    /// In panels, in so many bits.
    pub(crate) fn reduced(&self, precision: Precision) -> Packed {
        let (depth, columns) = (self.depth, self.columns);
        match precision {
            Precision::F32 => self.packed(),
            // A product over nothing needs no bits.
            _ if depth == 0 => self.packed(),
            Precision::Bf16 => bf16_packed(&self.rows(), depth, columns, has_words(precision)),
            // Sums of more products of 8 bits need more than 32.
            Precision::Int8 if depth > 1 << 16 => self.reduced(Precision::Bf16),
            Precision::Int8 => int8_packed(&self.rows(), depth, columns, has_words(precision)),
        }
    }
}

/// Whether the processor multiplies numbers of so many bits, and may.
pub(crate) fn has_words(precision: Precision) -> bool {
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
        return Packed { reduced: Some(reduced), ..Matrix::of_rows(&rounded, depth, columns).packed() };
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
    Packed { reduced: reduced(sums, false), ..Matrix::of_rows(&whole, depth, columns).packed() }
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
pub(crate) fn bf16(x: f32) -> u32 {
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
pub(crate) struct RowScale {
    pub(crate) scale: f32,
    inverse: f32,
    pub(crate) zero: f32,
}

impl RowScale {
    /// From the least to the greatest of a row, with zero among them, which is exact.
    #[inline(always)]
    pub(crate) fn of(row: &[f32]) -> Self {
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
    pub(crate) fn whole(self, x: f32) -> u8 {
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
            crate::words::run(&self.rounding, left, right, packed, &mut *out);
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
        vectors().dispatch(WithTiles(Block { left, right, bias, finish, packed, onto, out: &mut *out }));
        // SAFETY: the block wrote all of it.
        let out = unsafe { written(out) };
        if let Rounding::Int8 { scales, .. } = &self.rounding {
            for (row, factor) in out.chunks_exact_mut(columns).zip(factors) {
                row.iter_mut().zip(scales).for_each(|(out, scale)| *out *= factor * scale);
            }
        }
    }
}
