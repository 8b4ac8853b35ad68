//! JPEG as DICOM holds it: 8-bit frames as libjpeg shows them, which is what readers of DICOM use, and lossless ones.
//!
//! Other than for Motion-JPEG, where ffmpeg's repeated chroma is the measure, chroma that pixels share is interpolated.

use jpeg_decoder::{Decoder, PixelFormat};

use super::colours::{Photometric, rgb};
use super::samples::Samples;
use crate::jpeg::JpegHeader;
use crate::planes::{Plane, has_planes, planes};

/// A lossy frame: grey, or RGB whatever it was.
pub(crate) fn decode(frame: &[u8], rows: usize, columns: usize, photometric: Photometric) -> Result<Samples, String> {
    let header = sized(frame, rows, columns)?;
    if !has_planes(&header) {
        let (process, bits) = (header.process, header.precision);
        return Err(format!("its JPEG is of a kind that is not read (process {process:#04x}, {bits} bits)"));
    }
    // Where the JPEG does not say what its three components are, the file does.
    let says_nothing = !header.jfif && header.adobe.is_none();
    let is_rgb = header.not_ycc() || (says_nothing && photometric == Photometric::Rgb);
    let mut planes = planes(&header)?.into_iter().map(|plane| enlarge(&plane, rows, columns));
    let Some(first) = planes.next() else { return Err("its JPEG has no components".to_owned()) };
    let (Some(second), Some(third)) = (planes.next(), planes.next()) else { return Ok(Samples::Eight(first)) };
    let pixels = first.iter().zip(&second).zip(&third).map(|((&a, &b), &c)| [a, b, c]);
    Ok(Samples::Eight(if is_rgb { pixels.flatten().collect() } else { pixels.flat_map(rgb).collect() }))
}

/// A lossless frame, as it is: `[rows, columns, components]`.
pub(crate) fn decode_lossless(frame: &[u8], rows: usize, columns: usize) -> Result<Samples, String> {
    sized(frame, rows, columns)?;
    let mut decoder = Decoder::new(frame);
    decoder.set_max_decoding_buffer_size(rows.saturating_mul(columns).saturating_mul(6));
    let bytes = decoder.decode().map_err(|error| format!("corrupt lossless JPEG: {error}"))?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L8 | PixelFormat::RGB24) => Ok(Samples::Eight(bytes)),
        Some(PixelFormat::L16) => {
            Ok(Samples::Sixteen(bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_ne_bytes(pair)).collect()))
        }
        other => Err(format!("its lossless JPEG has pixels that are not read: {other:?}")),
    }
}

/// The markers of a frame that has the size that the file says.
fn sized(frame: &[u8], rows: usize, columns: usize) -> Result<JpegHeader<'_>, String> {
    let header = JpegHeader::parse(frame)?;
    if (header.width, header.height) != (columns, rows) {
        let (width, height) = (header.width, header.height);
        return Err(format!("its JPEG is {width}x{height} pixels, the file says {columns}x{rows}"));
    }
    Ok(header)
}

/// A plane at the size of the picture. Samples that two columns, or two columns and two rows, share are interpolated as
/// libjpeg does: three quarters of the nearer, one of the further. Others are repeated.
fn enlarge(plane: &Plane, rows: usize, columns: usize) -> Vec<u8> {
    let Plane { samples, stride, h_ratio, v_ratio } = plane;
    // Without what fills up the last blocks.
    let (width, height) = (columns.div_ceil(*h_ratio), rows.div_ceil(*v_ratio));
    let row = |y: usize| &samples[y * stride..][..width];
    let mut out = Vec::with_capacity(rows * columns);
    for y in 0..rows {
        let near = row(y / v_ratio);
        match (h_ratio, v_ratio) {
            (1, 1) => out.extend_from_slice(near),
            (2, 1) => {
                let sums: Vec<i32> = near.iter().map(|&sample| 4 * i32::from(sample)).collect();
                out.extend((0..columns).map(|x| between(&sums, x, [4, 8])));
            }
            (2, 2) => {
                let other = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(height - 1) };
                let sums: Vec<i32> =
                    near.iter().zip(row(other)).map(|(&a, &b)| 3 * i32::from(a) + i32::from(b)).collect();
                out.extend((0..columns).map(|x| between(&sums, x, [8, 7])));
            }
            _ => out.extend((0..columns).map(|x| near[x / h_ratio])),
        }
    }
    out
}

/// Column `x` of a row that is enlarged to twice its width, of samples times four. What is added before rounding down differs
/// for even and odd columns, so that nothing drifts.
fn between(row: &[i32], x: usize, added: [i32; 2]) -> u8 {
    let near = x / 2;
    let far = if x.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(row.len() - 1) };
    ((3 * row[near] + row[far] + added[x % 2]) >> 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_samples_are_interpolated_over_columns_and_rows() {
        let plane =
            |h_ratio, v_ratio| Plane { samples: vec![0, 100, 9, 9, 200, 40, 9, 9], stride: 4, h_ratio, v_ratio };
        assert_eq!(enlarge(&plane(2, 1), 1, 4), [0, 25, 75, 100]);
        assert_eq!(enlarge(&plane(2, 1), 1, 3), [0, 25, 75]);
        let both = enlarge(&plane(2, 2), 4, 4);
        assert_eq!(both[..4], [0, 25, 75, 100]);
        assert_eq!(both[4..8], [50, 59, 76, 85]);
        assert_eq!(both[12..], [200, 160, 80, 40]);
        assert_eq!(enlarge(&plane(4, 1), 1, 8), [0, 0, 0, 0, 100, 100, 100, 100]);
    }
}
