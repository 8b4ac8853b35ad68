//! Decomposed relative positions of pooling attention (Li et al., "MViTv2: Improved multiscale vision transformers for
//! classification and detection", CVPR 2022).
//!
//! They are not added to the scores. A query's scores of every frame, row and column stand behind its numbers, and behind each
//! key's stand ones for its own frame, row and column; the product of both is the sum. No matrix of scores need exist.

use std::mem::MaybeUninit;
use std::ops::{Deref, Range};

use burn::tensor::{Device, Tensor, TensorData};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::attention::{Heads, attention, gradients};
use crate::interleave::interleave;
use crate::matrix::tile_columns;
use crate::memory::{filled, load, put, store, uninit};
use crate::precision::Precision;
use crate::processor::vectors;
use crate::product::lanes;

/// Tokens whose scores are computed together.
const TOKENS: usize = 4;

/// Tokens of a task.
const PART: usize = 64;

/// Grids of frames, rows and columns, and the vectors that stand for each pair of a query's and a key's place on an axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions<'a> {
    /// `[query's places, key's places, width]` of each axis.
    tables: [&'a [f32]; 3],
    query: [usize; 3],
    key: [usize; 3],
    width: usize,
}

/// The place on each axis of a grid's token, not counting the class token.
fn places([_, rows, columns]: [usize; 3], token: usize) -> [usize; 3] {
    [token / (rows * columns), token / columns % rows, token % columns]
}

/// Where the scores of a key's frames, rows and columns stand, the first at `start`.
fn columns(start: usize, [frames, rows, columns]: [usize; 3]) -> [Range<usize>; 3] {
    let [second, third] = [start + frames, start + frames + rows];
    [start..second, second..third, third..third + columns]
}

/// Queries with the scores of their places behind them, and keys with ones behind them.
pub(crate) struct Placed {
    queries: Vec<f32>,
    keys: Vec<f32>,
    sizes: [usize; 2],
    scale: f32,
}

impl Placed {
    /// Queries are multiplied by `scale` for the keys; for the scores of places they are not.
    pub(crate) fn new(sizes: [usize; 2], [query, key]: [Heads<'_>; 2], positions: Positions<'_>, scale: f32) -> Self {
        Self { queries: positions.queries(sizes, query, scale), keys: positions.keys(sizes, key), sizes, scale }
    }

    /// Queries with their scores, and keys with their ones.
    fn heads(&self, positions: Positions<'_>) -> [Heads<'_>; 2] {
        let heads = |values, grid: [usize; 3]| {
            Heads::contiguous(values, self.sizes[1], 1 + grid.iter().product::<usize>(), positions.row())
        };
        [heads(&self.queries, positions.query), heads(&self.keys, positions.key)]
    }

    /// What every token attends to, and for all but the class token its query: `[batch, 1 + tokens, heads * width]`.
    pub(crate) fn attend(
        &self,
        query: Heads<'_>,
        value: Heads<'_>,
        positions: Positions<'_>,
        precision: Precision,
    ) -> Vec<f32> {
        let [queries, keys] = self.heads(positions);
        let mut out = attention(self.sizes, [queries, keys, value], 1.0, precision);
        let width = self.sizes[1] * positions.width;
        out.par_chunks_mut((query.tokens * width).max(1)).enumerate().for_each(|(item, out)| {
            out.par_chunks_mut(width).enumerate().skip(1).for_each(|(token, out)| {
                for (head, out) in out.chunks_exact_mut(positions.width).enumerate() {
                    out.iter_mut().zip(query.vector(item, head, token)).for_each(|(out, x)| *out += x);
                }
            });
        });
        out
    }

    /// Gradients of queries, keys, values and the tables of the three axes.
    pub(crate) fn gradients(
        &self,
        query: Heads<'_>,
        value: Heads<'_>,
        positions: Positions<'_>,
        gradient: &[f32],
    ) -> [Vec<f32>; 6] {
        let [queries, keys] = self.heads(positions);
        let [of_queries, of_keys, of_values] = gradients(self.sizes, [queries, keys, value], (1.0, false), gradient);
        let row = positions.row();
        let of_keys = of_keys.chunks_exact(row).flat_map(|of_key| &of_key[..positions.width]).copied().collect();
        let [of_frames, of_rows, of_columns] = positions.table_gradients(self.sizes, query, &of_queries);
        let of_queries = positions.query_gradient(self.sizes, query.tokens, &of_queries, gradient, self.scale);
        [of_queries, of_keys, of_values, of_frames, of_rows, of_columns]
    }
}

impl<'a> Positions<'a> {
    /// Of the queries' grid and the keys'.
    pub(crate) fn new(
        tables: &'a [impl Deref<Target = [f32]>; 3],
        [query, key]: [[usize; 3]; 2],
        width: usize,
    ) -> Self {
        Self { tables: tables.each_ref().map(|table| &**table), query, key, width }
    }

    /// Numbers of a query with its scores, or of a key with its ones.
    fn row(&self) -> usize {
        self.width + self.key.iter().sum::<usize>()
    }

    /// Where the scores of each axis stand in a row.
    fn columns(&self) -> [Range<usize>; 3] {
        columns(self.width, self.key)
    }

    /// The vector of a place of the query and one of the key on an axis.
    fn vector(&self, axis: usize, query: usize, key: usize) -> &[f32] {
        &self.tables[axis][(query * self.key[axis] + key) * self.width..][..self.width]
    }

    /// `[batch, heads, 1 + tokens, row]`: each query times `scale`, and the scores of its places; none for the class token.
    fn queries(&self, [batch, heads]: [usize; 2], query: Heads<'_>, scale: f32) -> Vec<f32> {
        let row = self.row();
        let lanes = tile_columns() / 2;
        // By axis `[query's places, width, key's places]`, with zeros up to a whole vector.
        let tables = [0, 1, 2].map(|axis| {
            let (keys, padded) = (self.key[axis], self.key[axis].next_multiple_of(lanes));
            let mut out = uninit(self.query[axis] * self.width * padded);
            for (place, out) in out.chunks_exact_mut((self.width * padded).max(1)).enumerate() {
                interleave(|key| self.vector(axis, place, key), keys, padded, out);
            }
            // SAFETY: every place has been written.
            unsafe { filled(out) }
        });
        let mut out = uninit(batch * heads * query.tokens * row);
        out.par_chunks_mut(query.tokens * row).enumerate().for_each(|(index, out)| {
            let of = [index / heads, index % heads];
            let (class, patches) = out.split_at_mut(row);
            let (numbers, scores) = class.split_at_mut(self.width);
            numbers.iter_mut().zip(query.vector(of[0], of[1], 0)).for_each(|(out, x)| _ = out.write(x * scale));
            scores.fill(MaybeUninit::new(0.0));
            patches.par_chunks_mut(PART * row).enumerate().for_each(|(part, out)| {
                let first = part * PART;
                vectors().dispatch(Scores { positions: self, tables: &tables, query, of, scale, first, out });
            });
        });
        // SAFETY: the class tokens have been written above, and each part writes all of its own.
        unsafe { filled(out) }
    }

    /// `[batch, heads, 1 + tokens, row]`: each key, and ones for its frame, row and column; none for the class token.
    fn keys(&self, [batch, heads]: [usize; 2], key: Heads<'_>) -> Vec<f32> {
        let (row, columns) = (self.row(), self.columns());
        let mut out = vec![0.0; batch * heads * key.tokens * row];
        out.par_chunks_mut(key.tokens * row).enumerate().for_each(|(index, out)| {
            for (token, out) in out.chunks_exact_mut(row).enumerate() {
                out[..self.width].copy_from_slice(key.vector(index / heads, index % heads, token));
                if let Some(patch) = token.checked_sub(1) {
                    let places = places(self.key, patch);
                    columns.iter().zip(places).for_each(|(columns, place)| out[columns.start + place] = 1.0);
                }
            }
        });
        out
    }

    /// The gradient of the queries `[batch, heads, 1 + tokens, width]`, from that of what they became and of the result.
    fn query_gradient(
        &self,
        [batch, heads]: [usize; 2],
        tokens: usize,
        of_queries: &[f32],
        of_result: &[f32],
        scale: f32,
    ) -> Vec<f32> {
        let (width, row) = (self.width, self.row());
        let mut out = uninit(batch * heads * tokens * width);
        let parts = out.par_chunks_mut(width).zip(of_queries.par_chunks(row)).enumerate().with_min_len(PART);
        parts.for_each(|(index, (out, of_query))| {
            let (item, head, token) = (index / tokens / heads, index / tokens % heads, index % tokens);
            let of_result = &of_result[((item * tokens + token) * heads + head) * width..][..width];
            vectors().dispatch(QueryGradient { positions: self, token, of_query, of_result, scale, out });
        });
        // SAFETY: every vector has been written.
        unsafe { filled(out) }
    }

    /// The gradients of the tables, from that of what queries became.
    fn table_gradients(&self, [batch, heads]: [usize; 2], query: Heads<'_>, of_queries: &[f32]) -> [Vec<f32>; 3] {
        /// Parts of all heads' tokens whose sums are kept apart: the same whatever the number of threads.
        const PARTS: usize = 16;
        let parts = PARTS.div_ceil((batch * heads).max(1));
        let patches = query.tokens - 1;
        let part = patches.div_ceil(parts).max(1);
        let parts = patches.div_ceil(part);
        let sums: Vec<[Vec<f32>; 3]> = (0..batch * heads * parts)
            .into_par_iter()
            .map(|index| {
                let (of_head, start) = (index / parts, index % parts * part);
                let mut sums = self.tables.map(|table| vec![0.0; table.len()]);
                let of = [of_head / heads, of_head % heads];
                let of_queries = &of_queries[of_head * query.tokens * self.row()..];
                let patches = start..patches.min(start + part);
                vectors().dispatch(TableGradients { positions: self, query, of, patches, of_queries, sums: &mut sums });
                sums
            })
            .collect();
        let mut out = self.tables.map(|table| vec![0.0; table.len()]);
        for part in sums {
            for (out, part) in out.iter_mut().zip(part) {
                out.iter_mut().zip(part).for_each(|(out, x)| *out += x);
            }
        }
        out
    }
}

/// Queries of a part of a grid, each with the scores of its places.
struct Scores<'a> {
    positions: &'a Positions<'a>,
    /// `[query's places, width, key's places]`, with zeros up to a whole vector.
    tables: &'a [Vec<f32>; 3],
    query: Heads<'a>,
    /// Item and head.
    of: [usize; 2],
    scale: f32,
    /// The first token, not counting the class token.
    first: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { positions, tables, query, of: [item, head], scale, first, out } = self;
        let (lanes, width, row) = (lanes::<S>(), positions.width, positions.row());
        let columns = positions.columns();
        for (index, out) in out.chunks_mut(TOKENS * row).enumerate() {
            let count = out.len() / row;
            // The last stands in for those that are missing.
            let tokens: [usize; TOKENS] = std::array::from_fn(|at| first + index * TOKENS + at.min(count - 1));
            let queries = tokens.map(|token| query.vector(item, head, 1 + token));
            let places = tokens.map(|token| places(positions.query, token));
            for (out, query) in out.chunks_exact_mut(row).zip(queries) {
                let factor = simd.splat_f32s(scale);
                for (out, x) in out[..width].chunks_mut(lanes).zip(query.chunks(lanes)) {
                    store::<S>(out, simd.mul_f32s(load(simd, x), factor));
                }
            }
            for (axis, columns) in columns.iter().enumerate() {
                let padded = columns.len().next_multiple_of(lanes);
                let size = width * padded;
                let tables = places.map(|places| &tables[axis][places[axis] * size..][..size]);
                for start in (0..columns.len()).step_by(lanes) {
                    let mut sums = [simd.splat_f32s(0.0); TOKENS];
                    for channel in 0..width {
                        for at in 0..TOKENS {
                            let table = load(simd, &tables[at][channel * padded + start..][..lanes]);
                            sums[at] = simd.mul_add_f32s(simd.splat_f32s(queries[at][channel]), table, sums[at]);
                        }
                    }
                    let here = columns.start + start..columns.end.min(columns.start + start + lanes);
                    for (out, sum) in out.chunks_exact_mut(row).zip(sums) {
                        store::<S>(&mut out[here.clone()], sum);
                    }
                }
            }
        }
    }
}

/// The gradient of a query.
struct QueryGradient<'a> {
    positions: &'a Positions<'a>,
    token: usize,
    /// Of what it became.
    of_query: &'a [f32],
    of_result: &'a [f32],
    scale: f32,
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for QueryGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { positions, token, of_query, of_result, scale, out } = self;
        let lanes = lanes::<S>();
        let places = token.checked_sub(1).map(|patch| places(positions.query, patch));
        for (channel, out) in (0..positions.width).step_by(lanes).zip(out.chunks_mut(lanes)) {
            let part = channel..channel + out.len();
            let mut sum = simd.mul_f32s(load(simd, &of_query[part.clone()]), simd.splat_f32s(scale));
            if let Some(places) = places {
                sum = simd.add_f32s(sum, load(simd, &of_result[part.clone()]));
                for (axis, columns) in positions.columns().into_iter().enumerate() {
                    for (key, &score) in of_query[columns].iter().enumerate() {
                        let vector = &positions.vector(axis, places[axis], key)[part.clone()];
                        sum = simd.mul_add_f32s(simd.splat_f32s(score), load(simd, vector), sum);
                    }
                }
            }
            store::<S>(out, sum);
        }
    }
}

/// What some tokens add to the gradients of the tables.
struct TableGradients<'a> {
    positions: &'a Positions<'a>,
    query: Heads<'a>,
    /// Item and head.
    of: [usize; 2],
    patches: Range<usize>,
    /// Of what the head's queries became.
    of_queries: &'a [f32],
    sums: &'a mut [Vec<f32>; 3],
}

impl WithSimd for TableGradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { positions, query, of: [item, head], patches, of_queries, sums } = self;
        let (lanes, width, row) = (lanes::<S>(), positions.width, positions.row());
        let columns = positions.columns();
        for patch in patches {
            let query = query.vector(item, head, 1 + patch);
            let of_query = &of_queries[(1 + patch) * row..][..row];
            let places = places(positions.query, patch);
            for (axis, columns) in columns.iter().enumerate() {
                let sums = &mut sums[axis][places[axis] * columns.len() * width..][..columns.len() * width];
                for (sums, &score) in sums.chunks_exact_mut(width).zip(&of_query[columns.clone()]) {
                    let score = simd.splat_f32s(score);
                    for (sum, x) in sums.chunks_mut(lanes).zip(query.chunks(lanes)) {
                        put(simd, sum, simd.mul_add_f32s(score, load(simd, x), load(simd, sum)));
                    }
                }
            }
        }
    }
}

/// All of it by Burn's own operations, on tensors as [`pooled_attention`](crate::pooled_attention) takes them.
pub(crate) fn composed(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    tables: [Tensor<3>; 3],
    scale: f64,
) -> Tensor<3> {
    let [batch, heads, tokens, width] = query.dims();
    let key_grid = tables.each_ref().map(|table| table.dims()[1]);
    let own = below_zeros(query.clone().narrow(2, 1, tokens - 1));
    let out = crate::attention(placed_queries(query, tables, scale), placed_keys(key, key_grid), value, 1.0);
    out + own.swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

/// Queries with the scores of their places: `[batch, heads, 1 + tokens, row]`.
///
/// - query: `[batch, heads, 1 + tokens, width]`
/// - tables: `[query's places, key's places, width]` of each axis
fn placed_queries(query: Tensor<4>, tables: [Tensor<3>; 3], scale: f64) -> Tensor<4> {
    let [batch, heads, tokens, width] = query.dims();
    let [[frames, key_frames, _], [rows, key_rows, _], [columns, key_columns, _]] =
        tables.each_ref().map(|table| table.dims());
    let patches = query.clone().narrow(2, 1, tokens - 1);
    let by_frame = patches.clone().reshape([batch * heads, frames, rows * columns, width]);
    let by_row = patches.reshape([batch * heads * frames, rows, columns, width]);
    let by_column = by_row.clone().swap_dims(1, 2);
    let [of_frame, of_row, of_column] = tables.map(|table| table.swap_dims(1, 2).unsqueeze::<4>());
    let scores = Tensor::cat(
        vec![
            by_frame.matmul(of_frame).reshape([batch, heads, tokens - 1, key_frames]),
            by_row.matmul(of_row).reshape([batch, heads, tokens - 1, key_rows]),
            by_column.matmul(of_column).swap_dims(1, 2).reshape([batch, heads, tokens - 1, key_columns]),
        ],
        3,
    );
    Tensor::cat(vec![query * scale, below_zeros(scores)], 3)
}

/// Keys with ones for their frame, row and column.
fn placed_keys(key: Tensor<4>, grid: [usize; 3]) -> Tensor<4> {
    let [batch, heads, tokens, _] = key.dims();
    let device: Device = key.device();
    let row = grid.iter().sum::<usize>();
    let mut ones = vec![0f32; tokens * row];
    for (patch, row) in ones.chunks_exact_mut(row.max(1)).skip(1).enumerate() {
        columns(0, grid)
            .into_iter()
            .zip(places(grid, patch))
            .for_each(|(columns, place)| row[columns.start + place] = 1.0);
    }
    let ones = Tensor::<4>::from_data(TensorData::new(ones, [1, 1, tokens, row]), &device);
    Tensor::cat(vec![key, ones.expand([batch as i64, heads as i64, -1, -1])], 3)
}

/// `[batch, heads, tokens, n]` -> `[batch, heads, 1 + tokens, n]` with zeros for the class token.
fn below_zeros(patches: Tensor<4>) -> Tensor<4> {
    let [batch, heads, _, columns] = patches.dims();
    let zeros = Tensor::zeros([batch, heads, 1, columns], &patches.device());
    Tensor::cat(vec![zeros, patches], 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pooled_attention;

    /// What stands in for the kernel on other backends.
    #[test]
    fn burns_operations_give_the_kernels_results_and_gradients() {
        let device = Device::flex().autodiff();
        let values = |shape: &[usize], by: f32| {
            let values: Vec<f32> = (1..=shape.iter().product::<usize>()).map(|i| (i as f32 * by).sin()).collect();
            TensorData::new(values, shape.to_vec())
        };
        let width = 5;
        for (batch, heads, query_grid, key_grid) in
            [(1, 1, [1, 1, 1], [1, 1, 1]), (2, 3, [2, 4, 3], [2, 2, 3]), (1, 2, [3, 2, 5], [3, 2, 2])]
        {
            let [queries, keys] = [query_grid, key_grid].map(|grid: [usize; 3]| 1 + grid.iter().product::<usize>());
            let run = |is_ours: bool| {
                let of = |tokens: usize, by| {
                    Tensor::<4>::from_data(values(&[batch, heads, tokens, width], by), &device).require_grad()
                };
                let (query, key, value) = (of(queries, 0.7), of(keys, 1.3), of(keys, 0.9));
                let tables = [0, 1, 2].map(|axis| {
                    let shape = [query_grid[axis], key_grid[axis], width];
                    Tensor::<3>::from_data(values(&shape, 0.5 + axis as f32), &device).require_grad()
                });
                let given = (query.clone(), key.clone(), value.clone(), tables.clone());
                let out = match is_ours {
                    true => pooled_attention(given.0, given.1, given.2, given.3),
                    false => composed(given.0, given.1, given.2, given.3, (width as f64).sqrt().recip()),
                };
                let slopes = Tensor::<3>::from_data(values(&out.dims(), 0.3), &device);
                let gradients = (out.clone() * slopes).sum().backward();
                let mut found = vec![out.inner().into_data()];
                found.extend([&query, &key, &value].map(|x| x.grad(&gradients).unwrap().into_data()));
                found.extend(tables.each_ref().map(|x| x.grad(&gradients).unwrap().into_data()));
                found.into_iter().map(|data| data.try_to_vec::<f32>().unwrap()).collect::<Vec<_>>()
            };
            for (index, (ours, theirs)) in run(true).into_iter().zip(run(false)).enumerate() {
                assert_eq!(ours.len(), theirs.len());
                let error = ours.iter().zip(&theirs).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
                // Sums of some tens of products of order one.
                assert!(error < 1e-5, "{query_grid:?} to {key_grid:?}, {index}: {error}");
            }
        }
    }
}
