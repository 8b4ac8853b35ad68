//! Attention, a block of queries at a time: scores of a block, their softmax and the weighted sum of values stay in cache, so no
//! matrix of all scores exists.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::math::exp;
use crate::memory::{filled, uninit};
use crate::processor::vectors;
use crate::product::{Block, Finish, Packed};

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
    pub(crate) fn vector(&self, item: usize, head: usize, token: usize) -> &'a [f32] {
        let [of_item, of_head, of_token] = self.strides;
        &self.values[item * of_item + head * of_head + token * of_token..][..self.width]
    }
}

/// Which places a query must not see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hidden<'a> {
    pub(crate) values: &'a [bool],
    /// From one of the batch, head, query and place to the next; 0 where it holds for all.
    pub(crate) strides: [usize; 4],
}

/// `softmax(scale * query x key) x value` of every head: `[batch, tokens, heads * width]`.
pub(crate) fn attention(
    [batch, heads]: [usize; 2],
    [query, key, value]: [Heads<'_>; 3],
    scale: f32,
    hidden: Option<Hidden<'_>>,
) -> Vec<f32> {
    let width = heads * value.width;
    let mut out = uninit(batch * query.tokens * width);
    let packed: Vec<[Packed; 2]> = (0..batch * heads)
        .into_par_iter()
        .map(|index| {
            let (item, head) = (index / heads, index % heads);
            let keys = Packed::transposed(key.width, key.tokens, |place| key.vector(item, head, place));
            [keys, Packed::of_rows(value.tokens, value.width, |place| value.vector(item, head, place))]
        })
        .collect();
    out.par_chunks_mut((query.tokens * width).max(1)).enumerate().for_each(|(item, out)| {
        out.par_chunks_mut(QUERIES * width).enumerate().for_each_init(Room::default, |room, (block, out)| {
            let first = block * QUERIES;
            for head in 0..heads {
                let [keys, values] = &packed[item * heads + head];
                let hidden = hidden.map(|hidden| {
                    let [of_item, of_head, ..] = hidden.strides;
                    Hidden { values: &hidden.values[item * of_item + head * of_head..], ..hidden }
                });
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
        let totals = vectors().dispatch(Softmax { scores, places: keys.columns(), first, hidden });
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
    let length = rows * right.columns();
    out.clear();
    out.reserve(length);
    let spare = &mut out.spare_capacity_mut()[..length];
    vectors().dispatch(Block { left, right, bias: None, finish: Finish::Plain, packed, out: spare });
    // SAFETY: the block wrote all of it.
    unsafe { out.set_len(length) };
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
                let x = exp(simd, simd.sub_f32s(simd.partial_load_f32s(rest), most));
                simd.partial_store_f32s(rest, x);
                of_row += rest.iter().sum::<f32>();
            }
            totals[row] = of_row;
        }
        totals
    }
}
