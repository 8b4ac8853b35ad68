//! Motion-JPEG frames to RGB, as ffmpeg and therefore OpenCV show them.

use crate::jpeg::JpegHeader;
use crate::planes::{Plane, is_supported, planes};

/// Bytes that some recorders put before a picture at most.
const JUNK: usize = 16;

/// A picture from its first marker on; all of it where there is none near its beginning.
pub(crate) fn from_start(jpeg: &[u8]) -> &[u8] {
    let start = jpeg.windows(3).take(JUNK + 1).position(|window| window == [0xff, 0xd8, 0xff]);
    &jpeg[start.unwrap_or(0)..]
}

/// Decodes one frame into `out`, `[height, width, 3]`.
pub(crate) fn decode(jpeg: &[u8], width: usize, height: usize, out: &mut [u8]) -> Result<(), String> {
    let header = JpegHeader::parse(from_start(jpeg))?;
    if (header.width, header.height) != (width, height) {
        let (w, h) = (header.width, header.height);
        return Err(format!("its JPEG is {w}x{h} pixels, the file's header says {width}x{height}"));
    }
    if !is_supported(&header) {
        return Err("its JPEG is of another kind than the first frame's".to_owned());
    }
    let matrix = if header.limited_range { &LIMITED } else { &FULL };
    match planes(&header)?.as_slice() {
        [luma] => {
            for (y, row) in out.chunks_exact_mut(width * 3).enumerate() {
                for (rgb, &luma) in row.chunks_exact_mut(3).zip(&luma.samples[y * luma.stride..]) {
                    rgb.fill(matrix.luma(luma).clamp(0, 255) as u8);
                }
            }
        }
        [luma, cb, cr] => {
            let mut chroma = Chroma::new(width);
            for (y, row) in out.chunks_exact_mut(width * 3).enumerate() {
                let luma = &luma.samples[y * luma.stride..][..width];
                if (cb.h_ratio, cr.h_ratio) == (1, 1) {
                    let (cb, cr) = (plane_row(cb, y), plane_row(cr, y));
                    for ((rgb, &luma), (&cb, &cr)) in row.chunks_exact_mut(3).zip(luma).zip(cb.iter().zip(cr)) {
                        rgb.copy_from_slice(&matrix.rounded_rgb(luma, cb, cr));
                    }
                } else {
                    if y % cb.v_ratio == 0 || y % cr.v_ratio == 0 {
                        chroma.load(matrix, (plane_row(cb, y), cb.h_ratio), (plane_row(cr, y), cr.h_ratio));
                    }
                    chroma.add(matrix, luma, row);
                }
            }
        }
        other => return Err(format!("{} colour components", other.len())),
    }
    Ok(())
}

/// The samples for row `y` of the picture.
fn plane_row(plane: &Plane, y: usize) -> &[u8] {
    &plane.samples[y / plane.v_ratio * plane.stride..][..plane.stride]
}

/// What chroma adds to each pixel of a row. Everything is done colour by colour up to the last step, so that it can be
/// done by vector instructions.
struct Chroma {
    added: [Vec<i16>; 3],
    /// As `added`, for each sample of chroma.
    samples: [Vec<i16>; 3],
    luma: Vec<i16>,
    colours: [Vec<u8>; 3],
}

impl Chroma {
    fn new(width: usize) -> Self {
        let zeros = || vec![0; width];
        let three = || [zeros(), zeros(), zeros()];
        Self { added: three(), samples: three(), luma: zeros(), colours: std::array::from_fn(|_| vec![0; width]) }
    }

    /// Takes a row of samples of Cb and of Cr, each of which covers so many columns.
    fn load(&mut self, matrix: &Matrix, cb: (&[u8], usize), cr: (&[u8], usize)) {
        let Self { added: [red, green, blue], samples, .. } = self;
        if cb.1 == 2 && cr.1 == 2 {
            let [reds, greens, blues] = samples;
            for (((red, green), blue), (&cb, &cr)) in reds.iter_mut().zip(greens).zip(blues).zip(cb.0.iter().zip(cr.0))
            {
                [*red, *green, *blue] = matrix.chroma(cb, cr);
            }
            for (added, samples) in self.added.iter_mut().zip(&self.samples) {
                let mut pairs = added.chunks_exact_mut(2);
                for (pair, &sample) in pairs.by_ref().zip(samples) {
                    pair.copy_from_slice(&[sample, sample]);
                }
                // An odd width leaves half a pair.
                let whole = samples.len() / 2;
                pairs.into_remainder().iter_mut().for_each(|last| *last = samples[whole]);
            }
            return;
        }
        for (x, ((red, green), blue)) in red.iter_mut().zip(green).zip(blue).enumerate() {
            [*red, *green, *blue] = matrix.chroma(cb.0[x / cb.1], cr.0[x / cr.1]);
        }
    }

    fn add(&mut self, matrix: &Matrix, luma: &[u8], out: &mut [u8]) {
        for (to, &luma) in self.luma.iter_mut().zip(luma) {
            *to = matrix.luma(luma);
        }
        for (colour, added) in self.colours.iter_mut().zip(&self.added) {
            for ((to, luma), added) in colour.iter_mut().zip(&self.luma).zip(added) {
                *to = (luma + added).clamp(0, 255) as u8;
            }
        }
        let [red, green, blue] = &self.colours;
        for (rgb, ((&r, &g), &b)) in out.chunks_exact_mut(3).zip(red.iter().zip(green).zip(blue)) {
            rgb.copy_from_slice(&[r, g, b]);
        }
    }
}

/// BT.601's matrix in fixed point, each product cut off (not rounded) to a whole number, as the vector code of ffmpeg's
/// swscale does it. Rounding would be nearer to BT.601 and, by up to two levels, further from what published models
/// were trained on. Samples are taken times 2^3, coefficients times 2^13.
struct Matrix {
    black: i32,
    luma: i32,
    cr_to_red: i32,
    cb_to_green: i32,
    cr_to_green: i32,
    cb_to_blue: i32,
}

const FULL: Matrix =
    Matrix { black: 0, luma: 8192, cr_to_red: 11485, cb_to_green: -2819, cr_to_green: -5850, cb_to_blue: 14516 };
const LIMITED: Matrix =
    Matrix { black: 16, luma: 9539, cr_to_red: 13075, cb_to_green: -3209, cr_to_green: -6660, cb_to_blue: 16525 };

impl Matrix {
    fn product(sample: u8, zero: i32, factor: i32) -> i16 {
        (((i32::from(sample) - zero) * 8 * factor) >> 16) as i16
    }

    fn luma(&self, sample: u8) -> i16 {
        Self::product(sample, self.black, self.luma)
    }

    /// What chroma adds to red, green and blue.
    fn chroma(&self, cb: u8, cr: u8) -> [i16; 3] {
        [
            Self::product(cr, 128, self.cr_to_red),
            Self::product(cb, 128, self.cb_to_green) + Self::product(cr, 128, self.cr_to_green),
            Self::product(cb, 128, self.cb_to_blue),
        ]
    }

    /// With one rounding at the end, as swscale does it where chroma is not shared by columns.
    fn rounded_rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (y, cb, cr) = (i32::from(y) - self.black, i32::from(cb) - 128, i32::from(cr) - 128);
        let red = cr * self.cr_to_red;
        let green = cb * self.cb_to_green + cr * self.cr_to_green;
        let blue = cb * self.cb_to_blue;
        [red, green, blue].map(|chroma| ((y * self.luma + chroma + (1 << 12)) >> 13).clamp(0, 255) as u8)
    }
}
