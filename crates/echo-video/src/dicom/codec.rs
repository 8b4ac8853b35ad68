//! How the pixels of a data set are written: its transfer syntax (PS3.5, annex A).

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::colours::{Colours, Photometric};
use super::data_set::Encoding;
use super::samples::Samples;
use super::{jpeg, jpeg_ls, rle};

/// What a transfer syntax says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) encoding: Encoding,
    /// All of the data set is deflated.
    pub(crate) deflated: bool,
    pub(crate) codec: Codec,
}

/// How a frame is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Rle,
    Jpeg,
    JpegLossless,
    JpegLs,
    Jpeg2000,
}

impl Codec {
    /// As users know it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Rle => "rle",
            Self::Jpeg => "jpeg",
            Self::JpegLossless => "jpeg lossless",
            Self::JpegLs => "jpeg-ls",
            Self::Jpeg2000 => "jpeg 2000",
        }
    }
}

impl Syntax {
    /// By its identifier; what it is instead where it is not read.
    pub(crate) fn of(uid: &str) -> Result<Self, String> {
        let plain = Self { encoding: Encoding::EXPLICIT, deflated: false, codec: Codec::None };
        let with = |codec| Ok(Self { codec, ..plain });
        match uid.strip_prefix("1.2.840.10008.1.2").unwrap_or("?") {
            "" => Ok(Self { encoding: Encoding::IMPLICIT, ..plain }),
            ".1" => Ok(plain),
            ".1.99" => Ok(Self { deflated: true, ..plain }),
            ".2" => Ok(Self { encoding: Encoding { explicit: true, big_endian: true }, ..plain }),
            ".5" => with(Codec::Rle),
            ".4.50" | ".4.51" => with(Codec::Jpeg),
            ".4.57" | ".4.70" => with(Codec::JpegLossless),
            ".4.80" | ".4.81" => with(Codec::JpegLs),
            ".4.90" | ".4.91" => with(Codec::Jpeg2000),
            ".4.100" | ".4.101" => Err(format!("MPEG-2 video in DICOM ({uid})")),
            ".4.102" | ".4.103" | ".4.104" | ".4.105" | ".4.106" => Err(format!("H.264 video in DICOM ({uid})")),
            ".4.107" | ".4.108" => Err(format!("H.265 video in DICOM ({uid})")),
            ".4.201" | ".4.202" | ".4.203" => Err(format!("high-throughput JPEG 2000 ({uid})")),
            _ => Err(format!("the transfer syntax {uid:?}")),
        }
    }
}

/// What a frame must come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) photometric: Photometric,
    /// Channels lie one after the other; of uncompressed frames alone.
    pub(crate) planar: bool,
    /// Bits of a sample in memory, 8 or 16.
    pub(crate) allocated: u8,
    pub(crate) stored: u8,
}

impl Shape {
    pub(crate) fn channels(&self) -> usize {
        self.photometric.channels()
    }
}

/// Decodes a compressed frame to `[rows, columns, channels]`, with what became of its colours where decoding changed them.
pub(crate) fn decode(codec: Codec, frame: &[u8], shape: &Shape) -> Result<(Samples, Option<Colours>), String> {
    let Shape { rows, columns, photometric, allocated, .. } = *shape;
    let channels = shape.channels();
    // Libraries that read foreign bytes may have faults of their own; one of them is no reason to end the program.
    let decoded = catch_unwind(AssertUnwindSafe(|| match codec {
        Codec::None => Err("it is compressed, and does not say how".to_owned()),
        Codec::Rle => rle::decode(frame, rows * columns, channels, usize::from(allocated / 8)),
        Codec::Jpeg => jpeg::decode(frame, rows, columns, photometric),
        Codec::JpegLossless => jpeg::decode_lossless(frame, rows, columns),
        Codec::JpegLs => jpeg_ls::decode(frame, rows, columns, channels),
        Codec::Jpeg2000 => jpeg_2000(frame, rows, columns),
    }));
    let samples = decoded.unwrap_or_else(|_| Err(format!("the decoder of {} gave up", codec.name())))?;
    if samples.len() != rows * columns * channels {
        let found = samples.len();
        return Err(format!("{found} samples in a picture of {columns}x{rows} pixels with {channels} each"));
    }
    let colours = match codec {
        Codec::Jpeg if channels == 3 => Some(Colours::Rgb { bits: 8 }),
        Codec::Jpeg2000 if photometric == Photometric::YbrOfJpeg2000 => Some(Colours::Rgb { bits: shape.stored }),
        _ => None,
    };
    Ok((samples, colours))
}

fn jpeg_2000(frame: &[u8], rows: usize, columns: usize) -> Result<Samples, String> {
    let corrupt = |error| format!("corrupt JPEG 2000: {error}");
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(frame, &settings).map_err(corrupt)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    if (width, height) != (columns, rows) {
        return Err(format!("its JPEG 2000 is {width}x{height} pixels, the file says {columns}x{rows}"));
    }
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(corrupt)?;
    let components = decoded.components();
    let bits = components.iter().map(|component| component.bit_depth()).max().unwrap_or(8);
    if bits > 16 || components.iter().any(|component| component.samples().len() != rows * columns) {
        return Err(format!("its JPEG 2000 has {bits} bits a sample, or components of several sizes"));
    }
    let most = f32::from(u16::MAX >> (16 - bits));
    let pixels = (0..rows * columns).flat_map(|at| components.iter().map(move |component| component.samples()[at]));
    let samples = pixels.map(|sample| sample.round().clamp(0.0, most));
    Ok(match bits {
        ..=8 => Samples::Eight(samples.map(|sample| sample as u8).collect()),
        _ => Samples::Sixteen(samples.map(|sample| sample as u16).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntaxes_are_known_by_their_identifiers_and_others_are_named() {
        let codec = |uid: &str| Syntax::of(uid).unwrap().codec;
        assert_eq!(codec("1.2.840.10008.1.2.4.50"), Codec::Jpeg);
        assert_eq!(codec("1.2.840.10008.1.2.4.70"), Codec::JpegLossless);
        assert!(!Syntax::of("1.2.840.10008.1.2").unwrap().encoding.explicit);
        assert!(Syntax::of("1.2.840.10008.1.2.2").unwrap().encoding.big_endian);
        assert!(Syntax::of("1.2.840.10008.1.2.1.99").unwrap().deflated);
        for (uid, what) in [("1.2.840.10008.1.2.4.102", "H.264"), ("1.2.3", "1.2.3"), ("", "\"\"")] {
            assert!(Syntax::of(uid).unwrap_err().contains(what), "{uid}");
        }
    }
}
