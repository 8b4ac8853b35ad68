//! Motion-JPEG frames to RGB, as ffmpeg and therefore OpenCV show them.

use crate::jpeg::JpegHeader;
use crate::planes::{Plane, is_supported, planes};

/// Decodes one frame into `out`, `[height, width, 3]`.
pub(crate) fn decode(jpeg: &[u8], width: usize, height: usize, out: &mut [u8]) -> Result<(), String> {
    let header = JpegHeader::parse(jpeg)?;
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
                    rgb.copy_from_slice(&matrix.rgb(matrix.luma(luma), [0; 3]));
                }
            }
        }
        [luma, cb, cr] => {
            for (y, row) in out.chunks_exact_mut(width * 3).enumerate() {
                let luma = &luma.samples[y / luma.v_ratio * luma.stride..];
                let (cb_row, cr_row) = (chroma_row(cb, y), chroma_row(cr, y));
                match (cb.h_ratio, cr.h_ratio) {
                    (2, 2) => {
                        let chroma = cb_row.iter().zip(cr_row).map(|(&cb, &cr)| matrix.chroma(cb, cr));
                        let mut pairs = row.chunks_exact_mut(6);
                        for ((rgb, luma), [red, green, blue]) in pairs.by_ref().zip(luma.chunks_exact(2)).zip(chroma) {
                            let (left, right) = (matrix.luma(luma[0]), matrix.luma(luma[1]));
                            let six = [left + red, left + green, left + blue, right + red, right + green, right + blue];
                            rgb.copy_from_slice(&six.map(|value| value.clamp(0, 255) as u8));
                        }
                        // An odd width leaves half a pair.
                        let (last, x) = (pairs.into_remainder(), width - 1);
                        if !last.is_empty() {
                            let chroma = matrix.chroma(cb_row[x / 2], cr_row[x / 2]);
                            last.copy_from_slice(&matrix.rgb(matrix.luma(luma[x]), chroma));
                        }
                    }
                    (1, 1) => {
                        for ((rgb, &luma), (&cb, &cr)) in
                            row.chunks_exact_mut(3).zip(luma).zip(cb_row.iter().zip(cr_row))
                        {
                            rgb.copy_from_slice(&matrix.rounded_rgb(luma, cb, cr));
                        }
                    }
                    (cb_ratio, cr_ratio) => {
                        for (x, (rgb, &luma)) in row.chunks_exact_mut(3).zip(luma).enumerate() {
                            let chroma = matrix.chroma(cb_row[x / cb_ratio], cr_row[x / cr_ratio]);
                            rgb.copy_from_slice(&matrix.rgb(matrix.luma(luma), chroma));
                        }
                    }
                }
            }
        }
        other => return Err(format!("{} colour components", other.len())),
    }
    Ok(())
}

/// The chroma samples for row `y` of the picture.
fn chroma_row(plane: &Plane, y: usize) -> &[u8] {
    let row = y / plane.v_ratio;
    &plane.samples[row * plane.stride..(row + 1) * plane.stride]
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
    fn product(sample: u8, zero: i32, factor: i32) -> i32 {
        ((i32::from(sample) - zero) * 8 * factor) >> 16
    }

    fn luma(&self, sample: u8) -> i32 {
        Self::product(sample, self.black, self.luma)
    }

    /// What chroma adds to red, green and blue.
    fn chroma(&self, cb: u8, cr: u8) -> [i32; 3] {
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

    fn rgb(&self, luma: i32, chroma: [i32; 3]) -> [u8; 3] {
        chroma.map(|chroma| (luma + chroma).clamp(0, 255) as u8)
    }
}
