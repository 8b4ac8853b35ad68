//! Attention, a block of queries at a time: scores of a block, their softmax and the weighted sum of values stay in cache, so no
//! matrix of all scores exists.

use std::mem::MaybeUninit;

use burn::tensor::{Bool, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::math::exp;
use crate::matrix::{Matrix, Packed};
use crate::memory::{filled, load, put, uninit};
use crate::precision::Precision;
use crate::processor::vectors;
use crate::product::{Block, Finish, Left, Onto, add_block, lanes};

/// Queries of a block: three tiles of a product.
const QUERIES: usize = 42;

/// Vectors `[batch, heads, tokens, width]`, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads<'a> {
    pub(crate) values: &'a [f32],
    /// From one of the batch, head and token to the next; a vector's numbers lie side by side.
    pub(crate) strides: [usize; 3],
    pub(crate) tokens: usize,
    pub(crate) width: usize,
}

impl<'a> Heads<'a> {
    /// Of numbers that lie one after the other.
    pub(crate) fn contiguous(values: &'a [f32], heads: usize, tokens: usize, width: usize) -> Self {
        Self { values, strides: [heads * tokens * width, tokens * width, width], tokens, width }
    }

    pub(crate) fn vector(&self, item: usize, head: usize, token: usize) -> &'a [f32] {
        let [of_item, of_head, of_token] = self.strides;
        &self.values[item * of_item + head * of_head + token * of_token..][..self.width]
    }
}

/// A mask of `[batch, heads, queries, places]`: true where a query must not see a place. Axes of length one hold for all.
pub(crate) struct Mask {
    bits: Vec<bool>,
    /// From one of the batch, head, query and place to the next.
    strides: [usize; 4],
}

impl Mask {
    pub(crate) fn of(mask: Tensor<4, Bool>) -> Self {
        let mut strides = [0; 4];
        let mut step = 1;
        for (axis, length) in mask.dims().into_iter().enumerate().rev() {
            strides[axis] = if length > 1 { step } else { 0 };
            step *= length;
        }
        Self { bits: mask.into_data().iter().collect(), strides }
    }

    pub(crate) fn hidden(&self) -> Hidden<'_> {
        Hidden { values: &self.bits, strides: self.strides }
    }
}

/// Which places a query must not see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hidden<'a> {
    pub(crate) values: &'a [bool],
    /// From one of the batch, head, query and place to the next; 0 where it holds for all.
    pub(crate) strides: [usize; 4],
}

impl Hidden<'_> {
    /// Of a head.
    fn at(self, item: usize, head: usize) -> Self {
        let [of_item, of_head, ..] = self.strides;
        Self { values: &self.values[item * of_item + head * of_head..], ..self }
    }
}

/// `softmax(scale * query x key) x value` of every head: `[batch, tokens, heads * width]`.
pub(crate) fn attention(
    [batch, heads]: [usize; 2],
    [query, key, value]: [Heads<'_>; 3],
    scale: f32,
    hidden: Option<Hidden<'_>>,
    precision: Precision,
) -> Vec<f32> {
    let width = heads * value.width;
    let mut out = uninit(batch * query.tokens * width);
    let packed: Vec<[Packed; 2]> = (0..batch * heads)
        .into_par_iter()
        .map(|index| {
            let (item, head) = (index / heads, index % heads);
            let (key_of, value_of) = (|place| key.vector(item, head, place), |place| value.vector(item, head, place));
            match precision {
                Precision::F32 | Precision::Int8 => [
                    Packed::of_columns(key.width, key.tokens, key_of),
                    Packed::of_rows(value.tokens, value.width, value_of),
                ],
                Precision::Bf16 => {
                    let keys = (0..key.tokens).flat_map(key_of).copied().collect::<Vec<_>>();
                    let values = (0..value.tokens).flat_map(value_of).copied().collect::<Vec<_>>();
                    [
                        Matrix::of_columns(&keys, key.width, key.tokens).reduced(Precision::Bf16),
                        Matrix::of_rows(&values, value.tokens, value.width).reduced(Precision::Bf16),
                    ]
                }
            }
        })
        .collect();
    out.par_chunks_mut((query.tokens * width).max(1)).enumerate().for_each(|(item, out)| {
        out.par_chunks_mut(QUERIES * width).enumerate().for_each_init(Room::default, |room, (block, out)| {
            let first = block * QUERIES;
            for head in 0..heads {
                let [keys, values] = &packed[item * heads + head];
                let hidden = hidden.map(|hidden| hidden.at(item, head));
                let query = |token: usize| query.vector(item, head, first + token);
                let columns = head * value.width..(head + 1) * value.width;
                room.run(keys, values, (first, scale, hidden), query, out, (width, columns));
            }
        });
    });
    // SAFETY: blocks cover all queries, and each writes the columns of every head.
    unsafe { filled(out) }
}

/// Room for a block.
#[derive(Default)]
struct Room {
    queries: Vec<f32>,
    scores: Vec<f32>,
    sums: Vec<f32>,
    packed: Vec<f32>,
}

impl Room {
    /// Writes the columns of a head of a block's rows.
    fn run<'a>(
        &mut self,
        keys: &Packed,
        values: &Packed,
        (first, scale, hidden): (usize, f32, Option<Hidden<'_>>),
        query: impl Fn(usize) -> &'a [f32],
        out: &mut [MaybeUninit<f32>],
        (width, columns): (usize, std::ops::Range<usize>),
    ) {
        let Self { queries, scores, sums, packed } = self;
        let rows = out.len() / width;
        queries.clear();
        (0..rows).for_each(|row| queries.extend(query(row).iter().map(|x| x * scale)));
        product_into(queries, keys, packed, scores, rows);
        let totals = vectors().dispatch(Softmax { scores, places: keys.columns, first, hidden });
        product_into(scores, values, packed, sums, rows);
        for (row, (out, total)) in out.chunks_exact_mut(width).zip(totals).enumerate() {
            let sums = &sums[row * columns.len()..][..columns.len()];
            for (out, sum) in out[columns.clone()].iter_mut().zip(sums) {
                out.write(sum / total);
            }
        }
    }
}

/// The product of rows with `right`, in place of what was in `out`.
fn product_into(left: &[f32], right: &Packed, packed: &mut Vec<f32>, out: &mut Vec<f32>, rows: usize) {
    let length = rows * right.columns;
    out.clear();
    out.reserve(length);
    let spare = &mut out.spare_capacity_mut()[..length];
    let (left, onto) = (Left::Rows(left), Onto::Nothing);
    Block { left, right, bias: None, finish: Finish::Plain, packed, onto, out: spare }.run();
    // SAFETY: the block wrote all of it.
    unsafe { out.set_len(length) };
}

/// Gradients of queries, keys and values, contiguous, from that of the result. Scores are computed anew.
pub(crate) fn gradients(
    [batch, heads]: [usize; 2],
    [query, key, value]: [Heads<'_>; 3],
    scale: f32,
    hidden: Option<Hidden<'_>>,
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    /// Parts of all heads' queries whose sums for keys and values are kept apart: the same whatever the number of threads.
    const PARTS: usize = 16;
    let parts = PARTS.div_ceil((batch * heads).max(1));
    let part = query.tokens.div_ceil(parts).next_multiple_of(QUERIES).max(QUERIES);
    let parts = query.tokens.div_ceil(part);
    let row = heads * value.width;
    let packed: Vec<[Packed; 3]> = (0..batch * heads)
        .into_par_iter()
        .map(|index| {
            let (item, head) = (index / heads, index % heads);
            let key_of = |place: usize| key.vector(item, head, place);
            let values = Packed::of_columns(value.width, value.tokens, |place| value.vector(item, head, place));
            let keys = Packed::of_columns(key.width, key.tokens, key_of);
            [keys, Packed::of_rows(key.tokens, key.width, key_of), values]
        })
        .collect();
    let sums: Vec<[Vec<f32>; 3]> = (0..batch * heads * parts)
        .into_par_iter()
        .map_init(BackRoom::default, |room, index| {
            let of_head = index / parts;
            let (item, head) = (of_head / heads, of_head % heads);
            let start = index % parts * part;
            let mut out = [Vec::new(), vec![0.0; key.tokens * key.width], vec![0.0; value.tokens * value.width]];
            for first in (start..query.tokens.min(start + part)).step_by(QUERIES) {
                let rows = first..query.tokens.min(first + QUERIES);
                room.queries.clear();
                room.gradient.clear();
                for token in rows {
                    room.queries.extend(query.vector(item, head, token).iter().map(|x| x * scale));
                    let at = (item * query.tokens + token) * row + head * value.width;
                    room.gradient.extend_from_slice(&gradient[at..at + value.width]);
                }
                room.run(&packed[of_head], (first, scale, hidden.map(|hidden| hidden.at(item, head))), &mut out);
            }
            out
        })
        .collect();
    let mut out: [Vec<f32>; 3] = Default::default();
    for (index, [queries, keys, values]) in sums.into_iter().enumerate() {
        out[0].extend(queries);
        for (out, part) in out[1..].iter_mut().zip([keys, values]) {
            if index % parts == 0 {
                out.extend(part);
            } else {
                let start = out.len() - part.len();
                out[start..].iter_mut().zip(part).for_each(|(out, x)| *out += x);
            }
        }
    }
    out
}

/// Room for a block on the way back.
#[derive(Default)]
struct BackRoom {
    /// Times the scale.
    queries: Vec<f32>,
    /// Of the result.
    gradient: Vec<f32>,
    scores: Vec<f32>,
    slopes: Vec<f32>,
    sums: Vec<f32>,
    packed: Vec<f32>,
}

impl BackRoom {
    /// Appends the gradient of a block's queries, and adds to those of keys and values.
    fn run(
        &mut self,
        [keys, rows_of_keys, values]: &[Packed; 3],
        (first, scale, hidden): (usize, f32, Option<Hidden<'_>>),
        [of_queries, of_keys, of_values]: &mut [Vec<f32>; 3],
    ) {
        let Self { queries, gradient, scores, slopes, sums, packed } = self;
        let (depth, width, places) = (keys.depth, values.depth, keys.columns);
        let rows = queries.len() / depth;
        product_into(queries, keys, packed, scores, rows);
        let totals = vectors().dispatch(Softmax { scores, places, first, hidden });
        product_into(gradient, values, packed, slopes, rows);
        vectors().dispatch(ScoreGradients { scores, slopes, places, totals });
        product_into(slopes, rows_of_keys, packed, sums, rows);
        of_queries.extend(sums.iter().map(|x| x * scale));
        let columns = |values| Left::Columns { values, width: places, first: 0 };
        add_block(columns(slopes), &Matrix::of_rows(queries, rows, depth).packed(), packed, of_keys);
        add_block(columns(scores), &Matrix::of_rows(gradient, rows, width).packed(), packed, of_values);
    }
}

/// Exponentials of scores become their shares of the row, and gradients of shares become those of scores.
struct ScoreGradients<'a> {
    scores: &'a mut [f32],
    slopes: &'a mut [f32],
    places: usize,
    totals: [f32; QUERIES],
}

impl WithSimd for ScoreGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = lanes::<S>();
        let rows = self.scores.chunks_exact_mut(self.places).zip(self.slopes.chunks_exact_mut(self.places));
        for ((scores, slopes), total) in rows.zip(self.totals) {
            let factor = simd.splat_f32s(1.0 / total);
            let mut along = simd.splat_f32s(0.0);
            for (score, slope) in scores.chunks_mut(lanes).zip(slopes.chunks(lanes)) {
                let share = simd.mul_f32s(load(simd, score), factor);
                along = simd.mul_add_f32s(share, load(simd, slope), along);
                put(simd, score, share);
            }
            let along = simd.splat_f32s(simd.reduce_sum_f32s(along));
            for (share, slope) in scores.chunks(lanes).zip(slopes.chunks_mut(lanes)) {
                let x = simd.sub_f32s(load(simd, slope), along);
                put(simd, slope, simd.mul_f32s(x, load(simd, share)));
            }
        }
    }
}

/// Rows of scores become exponentials, of which the sums are given.
struct Softmax<'a> {
    scores: &'a mut [f32],
    places: usize,
    /// The first row's query.
    first: usize,
    hidden: Option<Hidden<'a>>,
}

impl WithSimd for Softmax<'_> {
    type Output = [f32; QUERIES];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; QUERIES] {
        let mut totals = [0.0; QUERIES];
        for (row, scores) in self.scores.chunks_exact_mut(self.places.max(1)).enumerate() {
            if let Some(Hidden { values, strides: [_, _, of_query, of_place] }) = self.hidden {
                let hidden = &values[(self.first + row) * of_query..];
                for (place, score) in scores.iter_mut().enumerate() {
                    if hidden[place * of_place] {
                        *score = f32::NEG_INFINITY;
                    }
                }
            }
            let least = simd.splat_f32s(f32::NEG_INFINITY);
            let (vectors, rest) = S::as_simd_f32s(scores);
            let most = vectors.iter().fold(least, |most, &x| simd.max_f32s(most, x));
            let most = rest.iter().fold(simd.reduce_max_f32s(most), |most, &x| most.max(x));
            let most = simd.splat_f32s(most);
            let mut total = simd.splat_f32s(0.0);
            let (vectors, rest) = S::as_mut_simd_f32s(scores);
            for x in vectors {
                *x = exp(simd, simd.sub_f32s(*x, most));
                total = simd.add_f32s(total, *x);
            }
            let mut of_row = simd.reduce_sum_f32s(total);
            if !rest.is_empty() {
                let x = exp(simd, simd.sub_f32s(load(simd, rest), most));
                put(simd, rest, x);
                of_row += rest.iter().sum::<f32>();
            }
            totals[row] = of_row;
        }
        totals
    }
}
