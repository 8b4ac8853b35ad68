//! Motion-JPEG frames to RGB, as OpenCV (that is, ffmpeg) shows them.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::huffman::STANDARD_TABLES;
use crate::jpeg::JpegHeader;

/// Whether [`decode`] takes such frames; the others (lossless, 12 bits, four components, fields) are for ffmpeg.
pub(crate) fn is_supported(header: &JpegHeader) -> bool {
    let ones = |&(h, v): &(u8, u8)| (h, v) == (1, 1);
    let layout = match header.sampling.as_slice() {
        [_] => true,
        [(1 | 2, 1 | 2), chroma @ ..] => chroma.len() == 2 && chroma.iter().all(ones),
        _ => false,
    };
    layout && !header.field && header.precision == 8 && matches!(header.process, 0xc0..=0xc2)
}

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
    let with_tables: Vec<u8>;
    let jpeg = if header.has_tables {
        jpeg
    } else {
        let (start, rest) = jpeg.split_at(2);
        with_tables = [start, &STANDARD_TABLES, rest].concat();
        &with_tables
    };
    let grey = header.sampling.len() == 1;
    let space = if grey { ColorSpace::Luma } else { ColorSpace::YCbCr };
    let options = DecoderOptions::default()
        .set_max_width(width)
        .set_max_height(height)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let pixels = decoder.decode().map_err(|error| format!("corrupt JPEG: {error:?}"))?;
    let samples = width * height * if grey { 1 } else { 3 };
    if pixels.len() != samples || out.len() != width * height * 3 {
        return Err(format!("corrupt JPEG: {} samples instead of {samples}", pixels.len()));
    }
    let matrix = if header.limited_range { &LIMITED } else { &FULL };
    if grey {
        for (rgb, &luma) in out.chunks_exact_mut(3).zip(&pixels) {
            rgb.copy_from_slice(&matrix.rgb(luma, 128, 128));
        }
    } else {
        for (rgb, ycc) in out.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
            rgb.copy_from_slice(&matrix.rgb(ycc[0], ycc[1], ycc[2]));
        }
    }
    Ok(())
}

/// BT.601's matrix in 16 bits of fixed point, each product cut off (not rounded) to a whole number, as the vector code
/// of ffmpeg's swscale does it. Rounding would be nearer to BT.601 and, by up to two levels, further from what
/// published models were trained on.
struct Matrix {
    black: i32,
    luma: i32,
    cr_to_red: i32,
    cb_to_green: i32,
    cr_to_green: i32,
    cb_to_blue: i32,
}

/// Coefficients times 2^13; samples are taken times 2^3.
const FULL: Matrix =
    Matrix { black: 0, luma: 8192, cr_to_red: 11485, cb_to_green: -2819, cr_to_green: -5850, cb_to_blue: 14516 };
const LIMITED: Matrix =
    Matrix { black: 16, luma: 9539, cr_to_red: 13075, cb_to_green: -3209, cr_to_green: -6660, cb_to_blue: 16525 };

impl Matrix {
    fn rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let product = |sample: u8, zero: i32, factor: i32| ((i32::from(sample) - zero) * 8 * factor) >> 16;
        let y = product(y, self.black, self.luma);
        let red = y + product(cr, 128, self.cr_to_red);
        let green = y + product(cb, 128, self.cb_to_green) + product(cr, 128, self.cr_to_green);
        let blue = y + product(cb, 128, self.cb_to_blue);
        [red, green, blue].map(|value| value.clamp(0, 255) as u8)
    }
}
