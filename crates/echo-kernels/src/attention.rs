//! Attention, a block of queries at a time: scores of a block, their softmax and the weighted sum of values stay in cache, so no
//! matrix of all scores exists.

use std::mem::MaybeUninit;
use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::module::attention as fused_attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
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

    /// Some of the tokens.
    fn span(self, tokens: Range<usize>) -> Self {
        Self { values: &self.values[tokens.start * self.strides[2]..], tokens: tokens.len(), ..self }
    }

    pub(crate) fn vector(&self, item: usize, head: usize, token: usize) -> &'a [f32] {
        let [of_item, of_head, of_token] = self.strides;
        &self.values[item * of_item + head * of_head + token * of_token..][..self.width]
    }
}

/// `softmax(scale * query x key) x value` of every head: `[batch, tokens, heads * width]`.
pub(crate) fn attention(sizes: [usize; 2], vectors: [Heads<'_>; 3], scale: f32, precision: Precision) -> Vec<f32> {
    let [batch, heads] = sizes;
    let mut out = uninit(batch * vectors[0].tokens * heads * vectors[2].width);
    attend(sizes, vectors, (scale, false), precision, &mut out);
    // SAFETY: that wrote all of it.
    unsafe { filled(out) }
}

/// The same of one item, within spans of its tokens that lie one after the other; `is_causal`: no query sees a key behind its place.
pub(crate) fn attention_within(
    spans: [&[usize]; 2],
    heads: usize,
    vectors: [Heads<'_>; 3],
    (scale, is_causal): (f32, bool),
    precision: Precision,
) -> Vec<f32> {
    let width = heads * vectors[2].width;
    let mut out = uninit(vectors[0].tokens * width);
    let mut rest = &mut out[..];
    let mut tasks = Vec::with_capacity(spans[0].len());
    for vectors in within(spans, vectors) {
        let (of_span, others) = std::mem::take(&mut rest).split_at_mut(vectors[0].tokens * width);
        tasks.push((vectors, of_span));
        rest = others;
    }
    assert!(rest.is_empty(), "spans of {spans:?} tokens cover all queries");
    tasks.into_par_iter().for_each(|(vectors, out)| attend([1, heads], vectors, (scale, is_causal), precision, out));
    // SAFETY: spans cover all queries, and each wrote all of its own.
    unsafe { filled(out) }
}

/// Queries, keys and values of each span.
fn within<'a>(
    [queries, keys]: [&[usize]; 2],
    [query, key, value]: [Heads<'a>; 3],
) -> impl Iterator<Item = [Heads<'a>; 3]> {
    ranges(queries)
        .zip(ranges(keys))
        .map(move |(queries, keys)| [query.span(queries), key.span(keys.clone()), value.span(keys)])
}

/// Where spans of so many tokens lie.
fn ranges(lengths: &[usize]) -> impl Iterator<Item = Range<usize>> {
    lengths.iter().scan(0, |end, length| {
        let start = *end;
        *end += length;
        Some(start..*end)
    })
}

/// Writes all of `[batch, tokens, heads * width]`.
fn attend(
    [batch, heads]: [usize; 2],
    [query, key, value]: [Heads<'_>; 3],
    (scale, is_causal): (f32, bool),
    precision: Precision,
    out: &mut [MaybeUninit<f32>],
) {
    let width = heads * value.width;
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
                let query = |token: usize| query.vector(item, head, first + token);
                let columns = head * value.width..(head + 1) * value.width;
                room.run(keys, values, (first, scale, is_causal), query, out, (width, columns));
            }
        });
    });
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
        (first, scale, is_causal): (usize, f32, bool),
        query: impl Fn(usize) -> &'a [f32],
        out: &mut [MaybeUninit<f32>],
        (width, columns): (usize, Range<usize>),
    ) {
        let Self { queries, scores, sums, packed } = self;
        let rows = out.len() / width;
        queries.clear();
        (0..rows).for_each(|row| queries.extend(query(row).iter().map(|x| x * scale)));
        product_into(queries, keys, packed, scores, rows);
        let totals = vectors().dispatch(Softmax { scores, places: keys.columns, first, is_causal });
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
    (scale, is_causal): (f32, bool),
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
                room.run(&packed[of_head], (first, scale, is_causal), &mut out);
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

/// The same of [`attention_within`].
pub(crate) fn gradients_within(
    spans: [&[usize]; 2],
    heads: usize,
    vectors: [Heads<'_>; 3],
    (scale, is_causal): (f32, bool),
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let row = heads * vectors[2].width;
    let tasks: Vec<_> = within(spans, vectors).zip(ranges(spans[0])).collect();
    let of_spans: Vec<[Vec<f32>; 3]> = tasks
        .into_par_iter()
        .map(|(vectors, queries)| {
            let gradient = &gradient[queries.start * row..queries.end * row];
            gradients([1, heads], vectors, (scale, is_causal), gradient)
        })
        .collect();
    // From the heads of each span to all spans of each head.
    std::array::from_fn(|part| {
        let Heads { tokens, width, .. } = vectors[part];
        let mut out = Vec::with_capacity(heads * tokens * width);
        for head in 0..heads {
            for of_span in &of_spans {
                let size = of_span[part].len() / heads;
                out.extend_from_slice(&of_span[part][head * size..][..size]);
            }
        }
        out
    })
}

/// By Burn's operations.
pub(crate) fn composed(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, scale: f64) -> Tensor<3> {
    let [batch, heads, tokens, _] = query.dims();
    let [.., width] = value.dims();
    // No matrix of all scores need exist.
    let options = AttentionModuleOptions { scale: Some(scale), ..Default::default() };
    let attended = fused_attention(query, key, value, None, None, options);
    attended.swap_dims(1, 2).reshape([batch, tokens, heads * width])
}

/// The same within spans: as one batch whose spans are as long as the longest, for few large operations and not many small ones.
pub(crate) fn composed_within(
    spans: [&[usize]; 2],
    [query, key, value]: [Tensor<4>; 3],
    scale: f64,
    is_causal: bool,
) -> Tensor<3> {
    let device = query.device();
    let [_, heads, tokens, _] = query.dims();
    let [.., width] = value.dims();
    let count = spans[0].len();
    let longest = spans.map(|lengths| lengths.iter().copied().max().unwrap_or(0));
    // Behind a span's end its first token stands in.
    let padded = |x: Tensor<4>, side: usize| {
        let [_, heads, _, width] = x.dims();
        let places = ranges(spans[side]).flat_map(|span| {
            (0..longest[side]).map(move |at| if at < span.len() { span.start + at } else { span.start } as i64)
        });
        let x = x.select(2, index(places, &device));
        x.reshape([heads, count, longest[side], width]).swap_dims(0, 1)
    };
    let hidden = spans[1].iter().flat_map(|&keys| {
        (0..longest[0] * longest[1]).map(move |at| {
            let (query, key) = (at / longest[1], at % longest[1]);
            key >= keys || is_causal && key > query
        })
    });
    let hidden = TensorData::new(hidden.collect::<Vec<_>>(), [count, 1, longest[0], longest[1]]);
    let hidden = Tensor::<4, Bool>::from_data(hidden, &device).expand([count, heads, longest[0], longest[1]]);
    let scores = padded(query, 0).matmul(padded(key, 1).transpose()) * scale;
    let attended = softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 3).matmul(padded(value, 1));
    let real = spans[0]
        .iter()
        .enumerate()
        .flat_map(|(span, &length)| (0..length).map(move |at| (span * longest[0] + at) as i64));
    let attended = attended.swap_dims(1, 2).reshape([1, count * longest[0], heads * width]);
    attended.select(1, index(real, &device)).reshape([1, tokens, heads * width])
}

fn index(places: impl Iterator<Item = i64>, device: &Device) -> Tensor<1, Int> {
    let places: Vec<i64> = places.collect();
    Tensor::from_data(TensorData::from(places.as_slice()), device)
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
        (first, scale, is_causal): (usize, f32, bool),
        [of_queries, of_keys, of_values]: &mut [Vec<f32>; 3],
    ) {
        let Self { queries, gradient, scores, slopes, sums, packed } = self;
        let (depth, width, places) = (keys.depth, values.depth, keys.columns);
        let rows = queries.len() / depth;
        product_into(queries, keys, packed, scores, rows);
        let totals = vectors().dispatch(Softmax { scores, places, first, is_causal });
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
    /// Whether a query sees no place behind its own.
    is_causal: bool,
}

impl WithSimd for Softmax<'_> {
    type Output = [f32; QUERIES];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f32; QUERIES] {
        let mut totals = [0.0; QUERIES];
        for (row, scores) in self.scores.chunks_exact_mut(self.places.max(1)).enumerate() {
            if self.is_causal {
                scores.iter_mut().skip(self.first + row + 1).for_each(|score| *score = f32::NEG_INFINITY);
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

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn spans_by_burns_operations_are_as_by_the_kernel() {
        let device = Device::flex();
        for (queries, keys) in [(&[5, 1, 3][..], &[5, 1, 3][..]), (&[1, 1, 1], &[4, 1, 9])] {
            let [tokens, places]: [usize; 2] = [queries, keys].map(|lengths| lengths.iter().sum());
            let random = |count, width| Tensor::<4>::random([1, 2, count, width], Distribution::Default, &device);
            let vectors = [random(tokens, 4), random(places, 4), random(places, 3)];
            for is_causal in [false, true] {
                let [query, key, value] = vectors.clone();
                let expected = crate::attention_within(query, key, value, [queries, keys], 0.3, is_causal);
                let found = composed_within([queries, keys], vectors.clone(), 0.3, is_causal);
                let worst = (found - expected).abs().max().into_scalar::<f32>();
                assert!(worst < 1e-6, "{queries:?} {keys:?}, causal {is_causal}: {worst}");
            }
        }
    }
}
