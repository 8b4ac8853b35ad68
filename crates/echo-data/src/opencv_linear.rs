//! OpenCV's `INTER_LINEAR` on u8, to the last bit.
//!
//! Two taps on each axis, half-pixel centres, borders replicated, no antialias. OpenCV rounds the weights to 11 bits and sums
//! exactly along the row; along the column it drops 4 bits of each sum before its weight, 16 of each product, and rounds the
//! two that are left. (Source: OpenCV, `modules/imgproc/src/resize.cpp`, Apache-2.0.)
//!
//! OpenCV's own code is meant: its wheels for x86 may hand the filter to Intel's IPP. The reference turns IPP off.

use crate::resize::{Image, Size, opencv_scale};

/// Bits behind the point of a weight.
const WEIGHT_BITS: u32 = 11;

/// Two taps on one axis.
#[derive(Clone, Copy, Debug)]
struct Taps {
    places: [usize; 2],
    weights: [i32; 2],
}

/// The weights for one pair of sizes.
#[derive(Clone, Debug)]
pub(crate) struct OpenCvLinear {
    columns: Vec<Taps>,
    rows: Vec<Taps>,
}

impl OpenCvLinear {
    pub(crate) fn new(from: Size, to: Size) -> Self {
        Self { columns: taps(from.width, to.width, true), rows: taps(from.height, to.height, false) }
    }

    pub(crate) fn run(&self, image: Image<'_>, out: &mut [u8]) {
        let out_len = self.columns.len() * 3;
        // Two neighbouring rows never share a remainder by 2, so each keeps its slot while it is needed.
        let mut slots = vec![0i32; 2 * out_len];
        let mut held = [usize::MAX; 2];
        for (taps, out) in self.rows.iter().zip(out.chunks_exact_mut(out_len)) {
            for y in taps.places {
                if held[y % 2] != y {
                    held[y % 2] = y;
                    self.filter_row(image.row(y), &mut slots[y % 2 * out_len..][..out_len]);
                }
            }
            let [above, below] = taps.places.map(|y| &slots[y % 2 * out_len..][..out_len]);
            let [a, b] = taps.weights;
            for ((out, above), below) in out.iter_mut().zip(above).zip(below) {
                *out = ((((a * (above >> 4)) >> 16) + ((b * (below >> 4)) >> 16) + 2) >> 2).clamp(0, 255) as u8;
            }
        }
    }

    fn filter_row(&self, row: &[u8], out: &mut [i32]) {
        for (taps, out) in self.columns.iter().zip(out.as_chunks_mut::<3>().0) {
            let ([left, right], [a, b]) = (taps.places.map(|place| &row[3 * place..][..3]), taps.weights);
            for (out, (left, right)) in out.iter_mut().zip(left.iter().zip(right)) {
                *out = i32::from(*left) * a + i32::from(*right) * b;
            }
        }
    }
}

/// The taps of every output pixel of one axis; f32 where OpenCV has f32. Beyond the first and the last pixel, OpenCV has one
/// tap along the row and two of the same pixel along the column, which round otherwise.
fn taps(from: usize, to: usize, along_row: bool) -> Vec<Taps> {
    let scale = opencv_scale(from, to);
    let tap = |i: usize| {
        let center = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let (floor, last) = (center.floor(), from as i64 - 1);
        let is_beyond = floor < 0.0 || floor as i64 >= last;
        let fraction = if along_row && is_beyond { 0.0 } else { center - floor };
        let places = [0, 1].map(|next| (floor as i64 + next).clamp(0, last) as usize);
        let weights =
            [1.0 - fraction, fraction].map(|weight| (weight * (1 << WEIGHT_BITS) as f32).round_ties_even() as i32);
        Taps { places, weights }
    };
    (0..to).map(tap).collect()
}
