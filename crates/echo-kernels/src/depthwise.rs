//! Depthwise convolution of channels-last maps, and the norm that follows it.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::memory::{filled, load, put, uninit, written};
use crate::norm::{Norm, in_place};
use crate::processor::vectors;
use crate::product::lanes;
use crate::taps::{by_tap, sum_by_channel};

/// Side of the kernel.
pub(crate) const SIDE: usize = 7;
/// Zeros around a map.
const PADDING: usize = SIDE / 2;
/// Neighbouring places whose sums stay in registers.
const PLACES: usize = 8;

/// Maps `[images, height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maps<'a> {
    values: &'a [f32],
    height: usize,
    width: usize,
    channels: usize,
}

impl<'a> Maps<'a> {
    pub(crate) fn new(values: &'a [f32], [height, width, channels]: [usize; 3]) -> Self {
        Self { values, height, width, channels }
    }
}

/// A 7 x 7 convolution of each channel by itself, stride 1, the map's size kept; `norm` over the channels of each place.
///
/// - weights: `[channels, 7, 7]`
pub(crate) fn depthwise(maps: Maps<'_>, weights: &[f32], bias: Option<&[f32]>, norm: Option<Norm<'_>>) -> Vec<f32> {
    let Maps { values, height, width, channels } = maps;
    let taps = by_tap(weights, channels);
    let mut out = uninit(values.len());
    let row = (width * channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        out.fill(std::mem::MaybeUninit::new(0.0));
        // SAFETY: all of it was written just now.
        let out = unsafe { written(out) };
        let (image, y) = (index / height, index % height);
        let image = &values[image * height * row..][..height * row];
        vectors().dispatch(Row { image, y, width, channels, taps: &taps, bias, norm, out });
    });
    // SAFETY: every row has been filled.
    unsafe { filled(out) }
}

/// A row of the output.
struct Row<'a> {
    image: &'a [f32],
    y: usize,
    width: usize,
    channels: usize,
    taps: &'a [f32],
    bias: Option<&'a [f32]>,
    norm: Option<Norm<'a>>,
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { width, channels, norm, .. } = self;
        let lanes = lanes::<S>();
        let out = self.out;
        for channel in (0..channels).step_by(lanes) {
            for x in (0..width).step_by(PLACES) {
                let part = Part { channel, count: lanes.min(channels - channel), x };
                // Whole vectors and few places at an edge are the rule.
                if part.count == lanes {
                    part.run::<S, true>(simd, self.image, self.y, [width, channels], self.taps, self.bias, out);
                } else {
                    part.run::<S, false>(simd, self.image, self.y, [width, channels], self.taps, self.bias, out);
                }
            }
        }
        if let Some(norm) = norm {
            out.chunks_exact_mut(channels).for_each(|place| in_place(simd, place, norm));
        }
    }
}

/// Neighbouring places and channels of a row.
struct Part {
    channel: usize,
    count: usize,
    x: usize,
}

impl Part {
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn run<S: Simd, const WHOLE: bool>(
        &self,
        simd: S,
        image: &[f32],
        y: usize,
        [width, channels]: [usize; 2],
        taps: &[f32],
        bias: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let load = |from: &[f32]| match WHOLE {
            true => S::as_simd_f32s(&from[..lanes::<S>()]).0[0],
            false => load(simd, &from[..self.count]),
        };
        let row = width * channels;
        let height = image.len() / row;
        let start = bias.map_or(simd.splat_f32s(0.0), |bias| load(&bias[self.channel..]));
        let mut sums = [start; PLACES];
        for ky in 0..SIDE {
            let Some(from) = (y + ky).checked_sub(PADDING).filter(|&from| from < height) else { continue };
            let from = &image[from * row..][..row];
            let taps = &taps[ky * SIDE * channels..];
            let taps: [S::f32s; SIDE] = std::array::from_fn(|kx| load(&taps[kx * channels + self.channel..]));
            for step in 0..PLACES + SIDE - 1 {
                let Some(at) = (self.x + step).checked_sub(PADDING).filter(|&at| at < width) else { continue };
                let value = load(&from[at * channels + self.channel..]);
                for place in 0..PLACES {
                    if place <= step && step - place < SIDE {
                        sums[place] = simd.mul_add_f32s(value, taps[step - place], sums[place]);
                    }
                }
            }
        }
        for (place, &sum) in sums.iter().enumerate().take(width - self.x) {
            let out = &mut out[(self.x + place) * channels + self.channel..][..self.count];
            put(simd, out, sum);
        }
    }
}

/// The gradient of the maps from that of the convolution: the same convolution, its kernel turned around.
pub(crate) fn map_gradient(maps: Maps<'_>, weights: &[f32]) -> Vec<f32> {
    let mut turned = weights.to_vec();
    turned.chunks_exact_mut(SIDE * SIDE).for_each(<[f32]>::reverse);
    depthwise(maps, &turned, None, None)
}

/// The gradient of the weights `[channels, 7, 7]` from that of the convolution.
pub(crate) fn weight_gradient(maps: Maps<'_>, gradient: &[f32]) -> Vec<f32> {
    /// Parts at most whose sums are kept apart: the same whatever the number of threads.
    const PARTS: usize = 64;
    let Maps { values, width, channels, .. } = maps;
    let rows = values.len() / (width * channels).max(1);
    let part = rows.div_ceil(PARTS).max(8);
    let parts: Vec<Vec<f32>> = (0..rows.div_ceil(part))
        .into_par_iter()
        .map(|index| {
            let mut sums = vec![0.0; SIDE * SIDE * channels];
            let rows = index * part..rows.min((index + 1) * part);
            vectors().dispatch(Taps { maps, gradient, rows, sums: &mut sums });
            sums
        })
        .collect();
    sum_by_channel(&parts, channels, SIDE * SIDE)
}

/// Of rows of the gradient, the sums for every tap and channel.
struct Taps<'a> {
    maps: Maps<'a>,
    gradient: &'a [f32],
    rows: std::ops::Range<usize>,
    /// `[7, 7, channels]`
    sums: &'a mut [f32],
}

impl WithSimd for Taps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { maps: Maps { values, height, width, channels }, gradient, rows, sums } = self;
        let (lanes, row) = (lanes::<S>(), width * channels);
        for channel in (0..channels).step_by(lanes) {
            let count = lanes.min(channels - channel);
            let load = |from: &[f32]| match count == lanes {
                true => S::as_simd_f32s(&from[..lanes]).0[0],
                false => load(simd, &from[..count]),
            };
            for ky in 0..SIDE {
                let mut taps = [simd.splat_f32s(0.0); SIDE];
                for index in rows.clone() {
                    let (image, y) = (index / height, index % height);
                    let Some(from) = (y + ky).checked_sub(PADDING).filter(|&from| from < height) else { continue };
                    let from = &values[(image * height + from) * row..][..row];
                    let gradient = &gradient[index * row..][..row];
                    for start in (0..width).step_by(PLACES) {
                        let places: [S::f32s; PLACES] = std::array::from_fn(|place| match start + place < width {
                            true => load(&gradient[(start + place) * channels + channel..]),
                            false => simd.splat_f32s(0.0),
                        });
                        for step in 0..PLACES + SIDE - 1 {
                            let Some(at) = (start + step).checked_sub(PADDING).filter(|&at| at < width) else {
                                continue;
                            };
                            let value = load(&from[at * channels + channel..]);
                            for (place, &gradient) in places.iter().enumerate() {
                                if place <= step && step - place < SIDE {
                                    taps[step - place] = simd.mul_add_f32s(value, gradient, taps[step - place]);
                                }
                            }
                        }
                    }
                }
                for (kx, &tap) in taps.iter().enumerate() {
                    let out = &mut sums[(ky * SIDE + kx) * channels + channel..][..count];
                    put(simd, out, tap);
                }
            }
        }
    }
}
