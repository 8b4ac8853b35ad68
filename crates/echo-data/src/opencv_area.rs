//! OpenCV's `INTER_AREA` on u8, to the last bit.
//!
//! Three rules under one name: whole factors average blocks in integers; other shrinking weighs each pixel with the part
//! of it that the output pixel covers, in f32; and where either axis grows, both are interpolated linearly, but not
//! between half-pixel centres: output pixel i lies at input pixel s = floor(i * scale) with the weight
//! (i + 1) - (s + 1) / scale of the next one, none if that is negative. (Source: OpenCV,
//! `modules/imgproc/src/resize.cpp`, Apache-2.0; 4.10 and 5.0 give the same pixels.)

use crate::resize::{Image, Size, opencv_scale, round_to_u8};

/// Bits behind the point of a weight of the linear rule.
const WEIGHT_BITS: u32 = 11;

/// The weights for one pair of sizes.
#[derive(Clone, Debug)]
pub(crate) enum OpenCvArea {
    /// Both axes shrink by a whole factor (or stay): blocks of this size are averaged.
    Blocks { rows: usize, columns: usize },
    /// Neither axis grows.
    Covered { rows: Vec<Share>, columns: Vec<Share> },
    /// An axis grows.
    Linear { rows: Vec<Pair>, columns: Vec<Pair> },
}

/// How much of an output pixel an input pixel makes up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    to: usize,
    from: usize,
    weight: f32,
}

/// Two neighbouring input pixels (the same one at the border) and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    from: [usize; 2],
    weights: [i32; 2],
}

impl OpenCvArea {
    pub(crate) fn new(from: Size, to: Size) -> Self {
        let scales = [opencv_scale(from.height, to.height), opencv_scale(from.width, to.width)];
        let factors = scales.map(f64::round_ties_even);
        let whole = (0..2).all(|axis| (scales[axis] - factors[axis]).abs() < f64::EPSILON);
        if scales.iter().any(|&scale| scale < 1.0) {
            Self::Linear { rows: pairs(from.height, to.height), columns: pairs(from.width, to.width) }
        } else if whole {
            Self::Blocks { rows: factors[0] as usize, columns: factors[1] as usize }
        } else {
            Self::Covered { rows: shares(from.height, to.height), columns: shares(from.width, to.width) }
        }
    }

    pub(crate) fn run(&self, image: Image<'_>, out: &mut [u8]) {
        match self {
            Self::Blocks { rows, columns } => average_blocks(image, *rows, *columns, out),
            Self::Covered { rows, columns } => weigh_covered(image, rows, columns, out),
            Self::Linear { rows, columns } => interpolate(image, rows, columns, out),
        }
    }
}

/// Averages; blocks of 2 x 2 round halves up, all others to even.
fn average_blocks(image: Image<'_>, rows: usize, columns: usize, out: &mut [u8]) {
    let out_len = image.size().width / columns * 3;
    let weight = 1.0 / (rows * columns) as f32;
    let mut sums = vec![0i32; out_len];
    for (y, out) in out.chunks_exact_mut(out_len).enumerate() {
        sums.fill(0);
        for row in (0..rows).map(|k| image.row(y * rows + k)) {
            for (sums, block) in sums.as_chunks_mut::<3>().0.iter_mut().zip(row.chunks_exact(columns * 3)) {
                for pixel in block.as_chunks::<3>().0 {
                    (0..3).for_each(|channel| sums[channel] += i32::from(pixel[channel]));
                }
            }
        }
        if (rows, columns) == (2, 2) {
            out.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = ((sum + 2) >> 2) as u8);
        } else {
            out.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = round_to_u8(sum as f32 * weight));
        }
    }
}

/// Sums in the order of the input pixels, each output row as soon as its last input row is in.
fn weigh_covered(image: Image<'_>, rows: &[Share], columns: &[Share], out: &mut [u8]) {
    let out_len = columns.last().map_or(0, |last| (last.to + 1) * 3);
    let mut row = vec![0f32; out_len];
    let mut sum = vec![0f32; out_len];
    for shares in rows.chunk_by(|a, b| a.to == b.to) {
        for (k, share) in shares.iter().enumerate() {
            weigh_row(image.row(share.from), columns, &mut row);
            if k == 0 {
                sum.iter_mut().zip(&row).for_each(|(sum, value)| *sum = share.weight * value);
            } else {
                sum.iter_mut().zip(&row).for_each(|(sum, value)| *sum += share.weight * value);
            }
        }
        let out = &mut out[shares[0].to * out_len..][..out_len];
        out.iter_mut().zip(&sum).for_each(|(out, &sum)| *out = round_to_u8(sum));
    }
}

fn weigh_row(row: &[u8], columns: &[Share], out: &mut [f32]) {
    let (pixels, out) = (row.as_chunks::<3>().0, out.as_chunks_mut::<3>().0);
    for shares in columns.chunk_by(|a, b| a.to == b.to) {
        let mut sum = [0f32; 3];
        for share in shares {
            let pixel = pixels[share.from];
            (0..3).for_each(|channel| sum[channel] += f32::from(pixel[channel]) * share.weight);
        }
        out[shares[0].to] = sum;
    }
}

/// The input pixels that each output pixel covers; parts below a thousandth of a pixel are dropped.
fn shares(from: usize, to: usize) -> Vec<Share> {
    let scale = opencv_scale(from, to);
    let mut shares = Vec::with_capacity(from + 2 * to);
    for i in 0..to {
        let (begin, end) = (i as f64 * scale, i as f64 * scale + scale);
        let cell = scale.min(from as f64 - begin);
        let last = (end.floor() as usize).min(from - 1);
        let first = (begin.ceil() as usize).min(last);
        let mut share = |from: usize, weight: f64| shares.push(Share { to: i, from, weight: weight as f32 });
        if first as f64 - begin > 1e-3 {
            share(first - 1, (first as f64 - begin) / cell);
        }
        (first..last).for_each(|whole| share(whole, 1.0 / cell));
        if end - last as f64 > 1e-3 {
            share(last, (end - last as f64).min(1.0).min(cell) / cell);
        }
    }
    shares
}

fn interpolate(image: Image<'_>, rows: &[Pair], columns: &[Pair], out: &mut [u8]) {
    let out_len = columns.len() * 3;
    // Neighbouring rows are even and odd, so each keeps its slot while it is needed.
    let mut slots = vec![0i32; 2 * out_len];
    let mut held = [usize::MAX; 2];
    for (pair, out) in rows.iter().zip(out.chunks_exact_mut(out_len)) {
        for y in pair.from {
            if held[y % 2] != y {
                held[y % 2] = y;
                interpolate_row(image.row(y), columns, &mut slots[y % 2 * out_len..][..out_len]);
            }
        }
        let [a, b] = pair.from.map(|y| &slots[y % 2 * out_len..][..out_len]);
        let [wa, wb] = pair.weights;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            // The low bits fall before the sum, as in OpenCV's 16-bit arithmetic.
            *out = ((((wa * (a >> 4)) >> 16) + ((wb * (b >> 4)) >> 16) + 2) >> 2).clamp(0, 255) as u8;
        }
    }
}

fn interpolate_row(row: &[u8], columns: &[Pair], out: &mut [i32]) {
    let pixels = row.as_chunks::<3>().0;
    for (pair, out) in columns.iter().zip(out.as_chunks_mut::<3>().0) {
        let [a, b] = pair.from.map(|x| pixels[x]);
        let [wa, wb] = pair.weights;
        *out = std::array::from_fn(|channel| i32::from(a[channel]) * wa + i32::from(b[channel]) * wb);
    }
}

fn pairs(from: usize, to: usize) -> Vec<Pair> {
    let (inverse, scale) = (to as f64 / from as f64, opencv_scale(from, to));
    let pair = |i: usize| {
        let first = (i as f64 * scale).floor() as usize;
        let fraction = ((i as f64 + 1.0) - (first as f64 + 1.0) * inverse) as f32;
        let fraction = if fraction <= 0.0 { 0.0 } else { fraction - fraction.floor() };
        let fixed = |weight: f32| (weight * (1 << WEIGHT_BITS) as f32).round_ties_even() as i32;
        let clamp = |at: usize| at.min(from - 1);
        Pair { from: [clamp(first), clamp(first + 1)], weights: [fixed(1.0 - fraction), fixed(fraction)] }
    };
    (0..to).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_an_output_pixel_add_up_to_one() {
        for (from, to) in [(112, 64), (113, 97), (256, 224), (640, 3)] {
            for shares in shares(from, to).chunk_by(|a, b| a.to == b.to) {
                let sum: f32 = shares.iter().map(|share| share.weight).sum();
                // Up to 214 weights, each rounded to 24 bits, and their sum rounded as often.
                assert!((sum - 1.0).abs() < 2e-5, "{from} to {to}: {shares:?}");
            }
        }
    }

    #[test]
    fn enlarging_is_linear_between_pixel_corners() {
        // Threefold: pixel i/3, and the next one only for the last part that reaches into it, of which there is none.
        assert!(pairs(4, 12).iter().enumerate().all(|(i, pair)| pair.from[0] == i / 3 && pair.weights == [2048, 0]));
        // 2 to 3: output pixel 1 covers the last third of pixel 0 and the first third of pixel 1.
        let middle = pairs(2, 3)[1];
        assert_eq!(middle, Pair { from: [0, 1], weights: [1024, 1024] });
    }

    #[test]
    fn blocks_of_two_by_two_round_halves_up_and_others_to_even() {
        let average = |height: usize, width: usize, data: &[u8]| {
            let rgb: Vec<u8> = data.iter().flat_map(|&value| [value; 3]).collect();
            let mut out = [0; 3];
            let plan = OpenCvArea::new(Size { height, width }, Size { height: 1, width: 1 });
            plan.run(Image::new(&rgb, width, crate::crop::Window::whole(height, width)), &mut out);
            out[0]
        };
        assert_eq!(average(2, 2, &[0, 0, 1, 1]), 1);
        assert_eq!(average(1, 2, &[0, 1]), 0);
        assert_eq!(average(2, 4, &[0, 0, 0, 0, 1, 1, 1, 1]), 0);
        assert_eq!(average(2, 4, &[1, 1, 1, 1, 2, 2, 2, 2]), 2);
    }
}
