//! PIL's `BICUBIC` on u8, to the last bit.
//!
//! Keys' cubic convolution (1981) with a = -0.5, widened by the scale when shrinking, so that it is antialiased. The
//! weights are normalised at the border, where the filter is cut off, and rounded to 22 bits; the pixels are rounded to
//! u8 after the rows and again after the columns. (Source: Pillow, `src/libImaging/Resample.c`, MIT-CMU.)

use crate::resize::{Image, Size};

/// Bits behind the point of a weight: what 32 bits leave beside 8 bits of pixel and 2 of overshoot.
const WEIGHT_BITS: u32 = 32 - 8 - 2;
/// Input pixels on either side of the centre that the filter reaches, when not widened.
const SUPPORT: f64 = 2.0;

/// The input pixels that one output pixel is made of.
#[derive(Clone, Debug)]
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The weights for one pair of sizes.
#[derive(Clone, Debug)]
pub(crate) struct PilBicubic {
    /// `None` when the width stays: PIL then leaves out this pass.
    columns: Option<Vec<Taps>>,
    /// `None` when the height stays.
    rows: Option<Vec<Taps>>,
}

impl PilBicubic {
    pub(crate) fn new(from: Size, to: Size) -> Self {
        let axis = |from, to| (from != to).then(|| taps(from, to));
        Self { columns: axis(from.width, to.width), rows: axis(from.height, to.height) }
    }

    pub(crate) fn run(&self, image: Image<'_>, out: &mut [u8]) {
        let Size { height, width } = image.size();
        let out_len = self.columns.as_ref().map_or(width, Vec::len) * 3;
        let Some(rows) = &self.rows else {
            (0..height).zip(out.chunks_exact_mut(out_len)).for_each(|(y, out)| self.filter_row(image.row(y), out));
            return;
        };
        let mut filtered = vec![0; height * out_len];
        for (y, out) in filtered.chunks_exact_mut(out_len).enumerate() {
            self.filter_row(image.row(y), out);
        }
        let mut sums = vec![0; out_len];
        for (taps, out) in rows.iter().zip(out.chunks_exact_mut(out_len)) {
            sums.fill(1i32 << (WEIGHT_BITS - 1));
            for (row, &weight) in filtered[taps.first * out_len..].chunks_exact(out_len).zip(&taps.weights) {
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += i32::from(value) * weight);
            }
            out.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = to_u8(sum));
        }
    }

    fn filter_row(&self, row: &[u8], out: &mut [u8]) {
        let Some(columns) = &self.columns else {
            out.copy_from_slice(row);
            return;
        };
        let pixels = row.as_chunks::<3>().0;
        for (taps, out) in columns.iter().zip(out.as_chunks_mut::<3>().0) {
            let mut sum = [1i32 << (WEIGHT_BITS - 1); 3];
            for (pixel, &weight) in pixels[taps.first..].iter().zip(&taps.weights) {
                (0..3).for_each(|channel| sum[channel] += i32::from(pixel[channel]) * weight);
            }
            *out = sum.map(to_u8);
        }
    }
}

fn to_u8(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let widening = scale.max(1.0);
    let support = SUPPORT * widening;
    let tap = |i: usize| {
        let center = (i as f64 + 0.5) * scale;
        // Casts cut towards zero, and to 0 below it.
        let first = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end).map(|x| cubic((x as f64 - center + 0.5) * (1.0 / widening))).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| {
            let weight = if sum != 0.0 { weight * (1.0 / sum) } else { weight };
            (weight * f64::from(1 << WEIGHT_BITS)).round() as i32
        };
        Taps { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(tap).collect()
}

/// Keys' kernel with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_widens_the_filter_and_enlarging_does_not() {
        // Halving: the centre of output pixel 8 is 17.0, with two widened pixels of two on either side.
        let halving = &taps(64, 32)[8];
        assert_eq!((halving.first, halving.weights.len()), (13, 8));
        let doubling = &taps(32, 64)[16];
        assert_eq!((doubling.first, doubling.weights.len()), (6, 4));
    }

    #[test]
    fn weights_are_normalised_also_where_the_border_cuts_the_filter() {
        for (from, to) in [(112, 64), (90, 224), (5, 224), (640, 3)] {
            for taps in taps(from, to) {
                let sum: i32 = taps.weights.iter().sum();
                // Every weight is rounded by at most half a unit.
                assert!((sum - (1 << WEIGHT_BITS)).unsigned_abs() as usize <= taps.weights.len(), "{from} to {to}");
            }
        }
    }
}
