//! OpenCV's `INTER_CUBIC` on u8, to the last bit.
//!
//! Keys' cubic convolution (1981) with a = -0.75, half-pixel centres, borders replicated, no antialias. OpenCV rounds
//! the weights to 11 bits, sums exactly along the row, and along the column in f32 eight values at a time, the
//! remainder of a row exactly; so a value near a half can depend on its place in the row. (Source: OpenCV,
//! `modules/imgproc/src/resize.cpp`, Apache-2.0; 4.10 and 5.0 give the same pixels.)
//!
//! OpenCV's own code is meant. Its wheels for x86 hand cubic enlarging, and some shrinking, to Intel's IPP, which keeps
//! the weights unrounded: about 5 % of the values then differ by one level. The reference turns IPP off.

use crate::resize::{Image, Size, opencv_scale, round_to_u8};

/// Bits behind the point of a weight.
const WEIGHT_BITS: u32 = 11;
/// Pixels before the first and after the last that a filter can reach.
const REACH: usize = 2;
/// Values of a row that OpenCV computes together, in f32.
const LANES: usize = 8;

/// Four taps on one axis.
#[derive(Clone, Copy, Debug)]
struct Taps {
    /// The first tap's place, counted from `REACH` pixels before the image.
    first: usize,
    weights: [i32; 4],
}

/// The weights for one pair of sizes.
#[derive(Clone, Debug)]
pub(crate) struct OpenCvCubic {
    columns: Vec<Taps>,
    rows: Vec<Taps>,
}

impl OpenCvCubic {
    pub(crate) fn new(from: Size, to: Size) -> Self {
        Self { columns: taps(from.width, to.width), rows: taps(from.height, to.height) }
    }

    pub(crate) fn run(&self, image: Image<'_>, out: &mut [u8]) {
        let Size { height, width } = image.size();
        let out_len = self.columns.len() * 3;
        let mut bordered = vec![0; (width + 2 * REACH) * 3];
        // Four neighbouring rows never share a remainder by 4, so each keeps its slot while it is needed.
        let mut slots = vec![0i32; 4 * out_len];
        let mut held = [usize::MAX; 4];
        for (taps, out) in self.rows.iter().zip(out.chunks_exact_mut(out_len)) {
            let sources: [usize; 4] = std::array::from_fn(|k| (taps.first + k).saturating_sub(REACH).min(height - 1));
            for y in sources {
                if held[y % 4] != y {
                    held[y % 4] = y;
                    replicate_border(image.row(y), &mut bordered);
                    self.filter_row(&bordered, &mut slots[y % 4 * out_len..][..out_len]);
                }
            }
            filter_column(sources.map(|y| &slots[y % 4 * out_len..][..out_len]), taps.weights, out);
        }
    }

    fn filter_row(&self, bordered: &[u8], out: &mut [i32]) {
        for (taps, out) in self.columns.iter().zip(out.as_chunks_mut::<3>().0) {
            let pixels = &bordered[taps.first * 3..][..12];
            let [a, b, c, d] = taps.weights;
            for (channel, out) in out.iter_mut().enumerate() {
                let at = |k: usize| i32::from(pixels[3 * k + channel]);
                *out = at(0) * a + at(1) * b + at(2) * c + at(3) * d;
            }
        }
    }
}

/// The taps of every output pixel of one axis; f32 where OpenCV has f32.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = opencv_scale(from, to);
    let tap = |i: usize| {
        let center = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let floor = center.floor();
        let weights = cubic(center - floor).map(|weight| (weight * (1 << WEIGHT_BITS) as f32).round_ties_even() as i32);
        // `center` is at least -0.5, so the first tap is at least -2.
        let first = (floor as i64 - 1 + REACH as i64).clamp(0, from as i64) as usize;
        Taps { first, weights }
    };
    (0..to).map(tap).collect()
}

/// Keys' kernel at distances 1 + x, x, 1 - x, 2 - x, in OpenCV's order of operations.
fn cubic(x: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let [a, b, c] = [far(x + 1.0), near(x), near(1.0 - x)];
    [a, b, c, 1.0 - a - b - c]
}

/// The row with its first and last pixel `REACH` times more.
fn replicate_border(row: &[u8], bordered: &mut [u8]) {
    let (before, rest) = bordered.split_at_mut(REACH * 3);
    let (middle, after) = rest.split_at_mut(row.len());
    before.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.copy_from_slice(&row[..3]));
    middle.copy_from_slice(row);
    after.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.copy_from_slice(&row[row.len() - 3..]));
}

fn filter_column(rows: [&[i32]; 4], weights: [i32; 4], out: &mut [u8]) {
    let [a, b, c, d] = rows.map(|row| &row[..out.len()]);
    let unit = 1.0 / (1 << (2 * WEIGHT_BITS)) as f32;
    let [wa, wb, wc, wd] = weights.map(|weight| weight as f32 * unit);
    let vector = out.len() / LANES * LANES;
    for x in 0..vector {
        let sum = a[x] as f32 * wa + (b[x] as f32 * wb + (c[x] as f32 * wc + d[x] as f32 * wd));
        out[x] = round_to_u8(sum);
    }
    let [wa, wb, wc, wd] = weights;
    for x in vector..out.len() {
        let sum = a[x] * wa + b[x] * wb + c[x] * wc + d[x] * wd;
        out[x] = ((sum + (1 << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS)).clamp(0, 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_keys_with_a_of_minus_three_quarters() {
        assert_eq!(cubic(0.0), [0.0, 1.0, 0.0, 0.0]);
        // At one half: a/8 and 1/2 - a/8.
        assert_eq!(cubic(0.5), [-0.09375, 0.59375, 0.59375, -0.09375]);
    }

    #[test]
    fn taps_lie_half_a_pixel_in_and_reach_over_the_border() {
        let taps = taps(112, 224);
        // The first output pixel lies at -0.25, so its taps begin at -2; the last lies at 111.25, its taps begin at 110.
        assert_eq!(taps[0].first, 0);
        assert_eq!(taps[223].first, 112);
        assert!(taps.iter().all(|taps| (2046..=2050).contains(&taps.weights.iter().sum::<i32>())));
    }
}
