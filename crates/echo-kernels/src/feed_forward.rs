//! The feed-forward part of a block: two products with an activation between them.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::activation::Activation;
use crate::cpu::Values;
use crate::graph::Given;
use crate::matrix::{Matrix, Packed, Right};
use crate::memory::{filled, load, put, store, uninit, written};
use crate::precision::Precision;
use crate::processor::vectors;
use crate::product::{Block, Finish, Left, Onto, add_column_sums, add_product_of_columns, block_rows, lanes, product};

/// Numbers of a task, where each becomes another one: a part of the second-level cache.
const PART: usize = 1 << 14;

/// `activation(left x first + bias) x second + bias`, finished; `keep` gives `left x first + bias`, too.
pub(crate) fn feed_forward(
    left: &[f32],
    weights: &[Right<'_>; 2],
    biases: [Option<&[f32]>; 2],
    activation: Activation,
    finish: Finish<'_>,
    keep: bool,
) -> (Vec<f32>, Option<Vec<f32>>) {
    if let [Right::Packed(first), Right::Packed(second)] = weights {
        return in_cache(left, [first, second], biases, activation, finish, keep);
    }
    let [first, second] = weights;
    let of = |finish| product(left, first, biases[0], finish);
    let (between, kept) = match keep {
        true => {
            let before = of(Finish::Plain);
            let mut out = uninit(before.len());
            let parts = before.par_chunks(PART).zip(out.par_chunks_mut(PART));
            parts.for_each(|(x, out)| vectors().dispatch(Activate { activation, x, out }));
            // SAFETY: all of it has been written.
            (unsafe { filled(out) }, Some(before))
        }
        false => (of(Finish::Activate(activation)), None),
    };
    (product(&between, second, biases[1], finish), kept)
}

/// The same, of blocks of rows, of which what lies between the two products stays in cache.
fn in_cache(
    left: &[f32],
    [first, second]: [&Packed; 2],
    biases: [Option<&[f32]>; 2],
    activation: Activation,
    finish: Finish<'_>,
    keep: bool,
) -> (Vec<f32>, Option<Vec<f32>>) {
    let (depth, hidden, columns) = (first.depth, first.columns, second.columns);
    let rows = left.len() / depth;
    let mut out = uninit(rows * columns);
    // Half of a second-level cache for what lies between.
    let block = block_rows(rows).min((131_072 / hidden.max(1)).next_multiple_of(14)).max(14);
    let mut kept = keep.then(|| uninit(rows * hidden));
    let parts: Vec<Option<&mut [MaybeUninit<f32>]>> = match &mut kept {
        Some(kept) => kept.chunks_mut((block * hidden).max(1)).map(Some).collect(),
        None => (0..rows.div_ceil(block)).map(|_| None).collect(),
    };
    let blocks = out.par_chunks_mut((block * columns).max(1)).zip(parts);
    blocks.enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(packed, between), (index, (out, kept))| {
            let start = index * block;
            let rows = out.len() / columns;
            let left = Left::Rows(&left[start * depth..][..rows * depth]);
            between.clear();
            between.reserve(rows * hidden);
            let spare = &mut between.spare_capacity_mut()[..rows * hidden];
            let bias = biases[0];
            let of = |finish, packed, out| Block { left, right: first, bias, finish, packed, onto: Onto::Nothing, out };
            match kept {
                Some(kept) => {
                    of(Finish::Plain, &mut *packed, &mut *kept).run();
                    // SAFETY: the block wrote all of its output.
                    vectors().dispatch(Activate { activation, x: unsafe { written(kept) }, out: spare });
                }
                None => of(Finish::Activate(activation), &mut *packed, spare).run(),
            }
            // SAFETY: all of it has been written, either way.
            unsafe { between.set_len(rows * hidden) };
            let finish = finish.at_row(start, columns);
            let (left, bias, onto) = (Left::Rows(between), biases[1], Onto::Nothing);
            Block { left, right: second, bias, finish, packed, onto, out }.run();
        },
    );
    // SAFETY: blocks cover all rows, and each writes all of its own.
    unsafe { (filled(out), kept.map(|kept| filled(kept))) }
}

/// What the gradients of `residual + scale * (activation(x first + bias) second + bias)` rest on.
pub(crate) struct Kept {
    pub(crate) x: Values,
    /// `x first + bias`, of `[rows, hidden]`.
    pub(crate) between: Vec<f32>,
    pub(crate) weights: [Values; 2],
    /// The second's bias.
    pub(crate) bias: Option<Values>,
    pub(crate) scale: Option<Values>,
    pub(crate) activation: Activation,
    pub(crate) widths: [usize; 3],
}

impl Kept {
    /// Those of input, first weights and bias, second weights and bias, scale, residual.
    pub(crate) fn gradients(&self, gradient: &Values, wanted: [bool; 7]) -> Given<7> {
        /// Numbers of what lies between that are computed anew at a time, so that they stay near.
        const SLAB: usize = 1 << 20;
        let [of_x, of_first, of_first_bias, of_second, of_second_bias, of_scale, _] = wanted;
        let [width, hidden, columns] = self.widths;
        let [first, second] = &self.weights;
        let scale = self.scale.as_deref();
        let scaled = scale.map(|_| {
            let mut scaled = second.to_vec();
            scale_columns(&mut scaled, scale);
            scaled
        });
        let rows_of_second = scaled.as_deref().unwrap_or(second);
        let rows = self.x.len() / width;
        let back = Matrix::of_columns(rows_of_second, columns, hidden).for_rows(rows, Precision::F32);
        let further = of_x.then(|| Matrix::of_columns(first, hidden, width).for_rows(rows, Precision::F32));
        let mut dx = of_x.then(|| Vec::with_capacity(self.x.len()));
        let mut d_first = of_first.then(|| vec![0.0; width * hidden]);
        let mut d_first_bias = of_first_bias.then(|| vec![0.0; hidden]);
        // Of weights and bias before they were scaled.
        let mut d_second = (of_second || of_scale).then(|| vec![0.0; hidden * columns]);
        let mut d_second_bias = (of_second_bias || of_scale).then(|| vec![0.0; columns]);
        let slab = (SLAB / hidden.max(1)).clamp(512, 4096);
        let before = self.between.chunks((slab * hidden).max(1));
        let rows = gradient.chunks((slab * columns).max(1)).zip(self.x.chunks((slab * width).max(1))).zip(before);
        for ((dy, x), before) in rows {
            let (activated, slope) = gradients_between(self.activation, before, dy, &back, [hidden, columns]);
            if let Some(out) = &mut d_second {
                add_product_of_columns(&activated, hidden, dy, columns, out);
            }
            if let Some(out) = &mut d_second_bias {
                add_column_sums(dy, out);
            }
            if let Some(out) = &mut d_first {
                add_product_of_columns(x, width, &slope, hidden, out);
            }
            if let Some(out) = &mut d_first_bias {
                add_column_sums(&slope, out);
            }
            if let (Some(dx), Some(further)) = (&mut dx, &further) {
                dx.extend(product(&slope, further, None, Finish::Plain));
            }
        }
        let d_scale = of_scale.then(|| {
            let mut sums = vec![0.0; columns];
            let products = |(d, x): (&Vec<f32>, &[f32])| d.iter().zip(x).map(|(d, x)| d * x).collect::<Vec<_>>();
            for (gradient, values) in [(&d_second, Some(&second[..])), (&d_second_bias, self.bias.as_deref())] {
                gradient.as_ref().zip(values).iter().for_each(|&pair| add_column_sums(&products(pair), &mut sums));
            }
            sums
        });
        let with_scale = |values: Option<Vec<f32>>| {
            values.map(|mut values| {
                scale_columns(&mut values, scale);
                Values::from(values)
            })
        };
        [
            dx.map(Values::from),
            d_first.map(Values::from),
            d_first_bias.map(Values::from),
            with_scale(d_second),
            with_scale(d_second_bias),
            d_scale.map(Values::from),
            Some(gradient.clone()),
        ]
    }
}

/// Multiplies the columns of a matrix by a scale, where there is one.
fn scale_columns(matrix: &mut [f32], scale: Option<&[f32]>) {
    if let Some(scale) = scale {
        matrix.par_chunks_mut(scale.len()).for_each(|row| row.iter_mut().zip(scale).for_each(|(x, scale)| *x *= scale));
    }
}

/// `activation(before)`, and the gradient of `before` from that of the result, which `back` brings back to the activation.
fn gradients_between(
    activation: Activation,
    before: &[f32],
    gradient: &[f32],
    back: &Right<'_>,
    [hidden, columns]: [usize; 2],
) -> (Vec<f32>, Vec<f32>) {
    let back = match back {
        Right::Packed(back) => back,
        Right::InPlace(_) => {
            let (mut activated, mut slope) = (uninit(before.len()), product(gradient, back, None, Finish::Plain));
            let parts = activated.par_chunks_mut(PART).zip(slope.par_chunks_mut(PART));
            parts.zip(before.par_chunks(PART)).for_each(|((activated, slope), before)| {
                vectors().dispatch(ActivationGradient { activation, before, activated, slope });
            });
            // SAFETY: all of it has been written.
            return (unsafe { filled(activated) }, slope);
        }
    };
    let (mut activated, mut slope) = (uninit(before.len()), uninit(before.len()));
    let block = block_rows(before.len() / hidden);
    let parts = activated.par_chunks_mut(block * hidden).zip(slope.par_chunks_mut(block * hidden));
    let given = before.par_chunks(block * hidden).zip(gradient.par_chunks(block * columns));
    parts.zip(given).for_each_init(Vec::new, |packed, ((activated, slope), (before, gradient))| {
        let (left, onto) = (Left::Rows(gradient), Onto::Nothing);
        let (bias, finish) = (None, Finish::Plain);
        Block { left, right: back, bias, finish, packed, onto, out: &mut *slope }.run();
        // SAFETY: the block wrote all of its output.
        vectors().dispatch(ActivationGradient { activation, before, activated, slope: unsafe { written(slope) } });
    });
    // SAFETY: the parts cover both, and each was written.
    unsafe { (filled(activated), filled(slope)) }
}

struct Activate<'a> {
    activation: Activation,
    x: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (x, out) in self.x.chunks(lanes::<S>()).zip(self.out.chunks_mut(lanes::<S>())) {
            store::<S>(out, self.activation.of(simd, load(simd, x)));
        }
    }
}

/// `activated` becomes `activation(before)`, and `slope` is multiplied by its slope.
struct ActivationGradient<'a> {
    activation: Activation,
    before: &'a [f32],
    activated: &'a mut [MaybeUninit<f32>],
    slope: &'a mut [f32],
}

impl WithSimd for ActivationGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = lanes::<S>();
        let parts = self.activated.chunks_mut(lanes).zip(self.slope.chunks_mut(lanes));
        for (x, (activated, slope)) in self.before.chunks(lanes).zip(parts) {
            let (value, factor) = self.activation.with_slope(simd, load(simd, x));
            store::<S>(activated, value);
            put(simd, slope, simd.mul_f32s(load(simd, slope), factor));
        }
    }
}
