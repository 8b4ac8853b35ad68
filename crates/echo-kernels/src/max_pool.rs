//! The greatest of every window of a grid of tokens.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::processor::vectors;

/// Windows over the rows and columns of a grid, those of each frame alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) side: usize,
    pub(crate) stride: usize,
    /// Rows and columns around the grid, which are never the greatest.
    pub(crate) padding: usize,
    /// Frames, rows and columns.
    pub(crate) grid: [usize; 3],
    pub(crate) channels: usize,
}

impl Windows {
    /// Frames, rows and columns of windows.
    pub(crate) fn pooled(&self) -> [usize; 3] {
        let [frames, rows, columns] = self.grid;
        let count =
            |length: usize| (length + 2 * self.padding).checked_sub(self.side).map_or(0, |room| room / self.stride + 1);
        [frames, count(rows), count(columns)]
    }

    /// Numbers of a frame, and of a frame of windows.
    fn sizes(&self) -> [usize; 2] {
        [self.grid, self.pooled()].map(|[_, rows, columns]| rows * columns * self.channels)
    }

    /// The places in a frame that the window of a row and column sees, one after the other.
    #[inline(always)]
    fn places(self, row: usize, column: usize) -> impl Iterator<Item = usize> {
        let [_, rows, columns] = self.grid;
        let seen = move |at: usize, limit: usize| {
            let start = at * self.stride;
            start.saturating_sub(self.padding)..(start + self.side).saturating_sub(self.padding).min(limit)
        };
        seen(row, rows).flat_map(move |y| seen(column, columns).map(move |x| y * columns + x))
    }
}

/// `[batch, 1 + windows, channels]` of tokens `[batch, 1 + grid's, channels]`: the class token as it is.
pub(crate) fn max_pool(tokens: &[f32], batch: usize, windows: Windows) -> Vec<f32> {
    let channels = windows.channels;
    let [frame, pooled] = windows.sizes();
    let [of_item, of_pooled] = [frame, pooled].map(|size| channels + windows.grid[0] * size);
    let mut out = vec![0.0; batch * of_pooled];
    let items = out.par_chunks_mut(of_pooled.max(1)).zip(tokens.par_chunks(of_item.max(1)));
    items.for_each(|(out, tokens)| {
        let ((class, out), (of_class, tokens)) = (out.split_at_mut(channels), tokens.split_at(channels));
        class.copy_from_slice(of_class);
        let frames = out.par_chunks_mut(pooled.max(1)).zip(tokens.par_chunks(frame.max(1)));
        frames.for_each(|(out, tokens)| vectors().dispatch(Greatest { windows, tokens, out }));
    });
    out
}

/// The gradient of the tokens from that of the windows: it goes to the first of the greatest, or the last that is no number.
pub(crate) fn gradient(tokens: &[f32], gradient: &[f32], batch: usize, windows: Windows) -> Vec<f32> {
    let channels = windows.channels;
    let [frame, pooled] = windows.sizes();
    let [of_item, of_pooled] = [frame, pooled].map(|size| channels + windows.grid[0] * size);
    let mut out = vec![0.0; batch * of_item];
    let items = out.par_chunks_mut(of_item.max(1)).zip(tokens.par_chunks(of_item.max(1)));
    items.zip(gradient.par_chunks(of_pooled.max(1))).for_each(|((out, tokens), gradient)| {
        let ((class, out), (of_class, gradient)) = (out.split_at_mut(channels), gradient.split_at(channels));
        class.copy_from_slice(of_class);
        let frames = out.par_chunks_mut(frame.max(1)).zip(tokens[channels..].par_chunks(frame.max(1)));
        frames.zip(gradient.par_chunks(pooled.max(1))).for_each(|((out, tokens), gradient)| {
            vectors().dispatch(ToGreatest { windows, tokens, gradient, out });
        });
    });
    out
}

/// Whether `x` takes the place of the greatest so far. What is no number is greater than any.
#[inline(always)]
fn is_greater(x: f32, greatest: f32) -> bool {
    x > greatest || x.is_nan()
}

/// The windows of a frame.
struct Greatest<'a> {
    windows: Windows,
    tokens: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Greatest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { windows, tokens, out } = self;
        let (channels, [_, _, columns]) = (windows.channels, windows.pooled());
        for (index, out) in out.chunks_exact_mut(channels).enumerate() {
            out.fill(f32::NEG_INFINITY);
            for place in windows.places(index / columns, index % columns) {
                let token = &tokens[place * channels..][..channels];
                for (out, &x) in out.iter_mut().zip(token) {
                    *out = if is_greater(x, *out) { x } else { *out };
                }
            }
        }
    }
}

/// The gradient of a frame's tokens, which is nothing yet.
struct ToGreatest<'a> {
    windows: Windows,
    tokens: &'a [f32],
    gradient: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for ToGreatest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { windows, tokens, gradient, out } = self;
        let (channels, [_, _, columns]) = (windows.channels, windows.pooled());
        let (mut greatest, mut first) = (vec![0.0; channels], vec![0u32; channels]);
        for (index, gradient) in gradient.chunks_exact(channels).enumerate() {
            let places = || windows.places(index / columns, index % columns).enumerate();
            greatest.fill(f32::NEG_INFINITY);
            first.fill(0);
            for (order, place) in places() {
                let token = &tokens[place * channels..][..channels];
                for ((greatest, first), &x) in greatest.iter_mut().zip(&mut first).zip(token) {
                    let is_greater = is_greater(x, *greatest);
                    *greatest = if is_greater { x } else { *greatest };
                    *first = if is_greater { order as u32 } else { *first };
                }
            }
            for (order, place) in places() {
                let out = &mut out[place * channels..][..channels];
                for ((out, &first), &dy) in out.iter_mut().zip(&first).zip(gradient) {
                    *out += if first == order as u32 { dy } else { 0.0 };
                }
            }
        }
    }
}
