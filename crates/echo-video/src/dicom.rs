//! DICOM: one file, one loop, one still, or something that is neither.
//!
//! Written from the standard (PS3.3, PS3.5). The general libraries for Rust build all of a file's elements in memory, by
//! recursion, and take memory by the lengths that a file claims; here a header is walked over, pixels stay in the file until
//! they are asked for, and whatever the bytes are, the answer is frames or an error.

mod bytes;
mod codec;
mod colours;
mod data_set;
mod facts;
mod jpeg;
mod jpeg_ls;
mod pieces;
mod rle;
mod samples;
mod tags;
mod timing;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

pub use facts::{DicomFacts, Region};

use self::bytes::Bytes;
use self::codec::{Codec, Shape, Syntax};
use self::colours::{Colours, Grey, Photometric, expand_422, palette};
use self::data_set::{DataSet, Fault, Pixels, Run, Values};
use self::samples::Samples;
use self::tags::{
    BITS_ALLOCATED, BITS_STORED, COLUMNS, FRAMES, INTERCEPT, META_GROUP, PALETTE_DATA, PALETTES, PHOTOMETRIC, PLANAR,
    ROWS, SAMPLES, SIGNED, SLOPE, TRANSFER_SYNTAX, WINDOW_CENTER, WINDOW_WIDTH,
};
use crate::error::VideoError;
use crate::open::{Container, Info, OpenOptions, Truncation};

/// Bytes before the first element: a preamble and `DICM`.
const PREAMBLE: u64 = 132;

/// Pixels that a picture has at least.
const LEAST_PIXELS: usize = 64;

/// A file whose elements have been read.
#[derive(Debug)]
pub(crate) struct Dicom {
    file: Mutex<File>,
    syntax: Syntax,
    /// The first byte of the data set, behind the file's own elements.
    start: u64,
    shape: Shape,
    colours: Colours,
    /// Samples of eight bits lie in words whose bytes are in the other order.
    swapped: bool,
    frames: Frames,
}

/// Where frames lie.
#[derive(Debug)]
enum Frames {
    /// One after the other.
    Native {
        start: u64,
        len: u64,
        count: usize,
    },
    Compressed(pieces::Frames),
}

impl Frames {
    fn len(&self) -> usize {
        match self {
            Self::Native { count, .. } => *count,
            Self::Compressed(frames) => frames.len(),
        }
    }

    /// The bytes of a frame, in one or more runs.
    fn runs(&self, frame: usize) -> Vec<Run> {
        match self {
            Self::Native { start, len, .. } => vec![Run { start: start + frame as u64 * len, len: *len }],
            Self::Compressed(frames) => frames.pieces(frame).to_vec(),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Native { count, .. } => *count = len.min(*count),
            Self::Compressed(frames) => frames.truncate(len),
        }
    }
}

impl Dicom {
    /// Reads what the file is.
    ///
    /// # Errors
    /// It has no pixels, or none that can be read, or contradicts itself or the limits.
    pub(crate) fn open(path: &Path, options: &OpenOptions, file: File, len: u64) -> Result<(Self, Info), VideoError> {
        let fail = |fault| failure(path, fault);
        let again = file.try_clone().map_err(|error| VideoError::io(path, error))?;
        let (syntax, start) = meta(&file, len).map_err(fail)?;
        let unsupported = |cause: String| VideoError::Unsupported { path: path.to_owned(), cause };
        let syntax = Syntax::of(&syntax).map_err(|what| {
            unsupported(format!("{what} is not read; export the loop as AVI or MP4, or in another syntax"))
        })?;
        let mut bytes = match syntax.deflated {
            false => Bytes::plain(file, start, len),
            true => Bytes::deflated(file, start, options.max_bytes),
        }
        .map_err(|error| VideoError::io(path, error))?;
        let end = if syntax.deflated { u64::MAX } else { len };
        let data_set = DataSet::read(&mut bytes, syntax.encoding, end).map_err(fail)?;
        let facts = DicomFacts::of(&data_set);
        if data_set.pixels == Pixels::None {
            let cause = format!("{} without pixels", facts.what());
            return Err(VideoError::NoPicture { path: path.to_owned(), cause });
        }
        let malformed = |cause: String| VideoError::malformed(path, cause);
        let shape = shape(&data_set.values, syntax.codec).map_err(malformed)?;
        options.check_size(path, shape.columns, shape.rows)?;
        let colours = colours(&data_set.values, &shape).map_err(malformed)?;
        let declared = data_set.values.decimal(FRAMES).unwrap_or(1.0);
        if !(1.0..=1e9).contains(&declared) || declared.fract() != 0.0 {
            return Err(malformed(format!("it declares {declared} frames")));
        }
        let declared = declared as usize;
        let swapped = matches!(data_set.pixels, Pixels::Native { words: true, .. }) && syntax.encoding.big_endian;
        let (mut frames, cause) = match data_set.pixels {
            Pixels::Native { run, .. } if syntax.codec == Codec::None => (native(run, declared, &shape), None),
            Pixels::Pieces { table, base, pieces, cut } if syntax.codec != Codec::None => {
                let extended = tags::EXTENDED_OFFSETS.map(|tag| data_set.values.longs(tag));
                let file = Mutex::new(again.try_clone().map_err(|error| VideoError::io(path, error))?);
                let begins = |run: &Run| begins_picture(&file, *run);
                (
                    Frames::Compressed(
                        pieces::Frames::find(declared, &table, &extended, (base, pieces), cut.is_some(), begins)
                            .map_err(malformed)?,
                    ),
                    cut,
                )
            }
            _ => {
                return Err(malformed(format!(
                    "its pixels are not written as its transfer syntax says ({})",
                    syntax.codec.name()
                )));
            }
        };
        let mut warnings = Vec::new();
        if frames.len() > declared {
            warnings.push(format!("{} frames where it declares {declared}; the others are not used", frames.len()));
            frames.truncate(declared);
        }
        let mut truncated = None;
        if frames.len() < declared {
            let found = frames.len();
            let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
            let cause = format!("{found} of {declared} frames are there{cause}");
            if !options.allow_truncated || found == 0 {
                return Err(VideoError::Truncated { path: path.to_owned(), cause });
            }
            truncated = Some(Truncation { expected_frames: Some(declared), frames: found, cause });
        }
        let timing = timing::Timing::of(&data_set.values, declared);
        warnings.extend(timing.warnings);
        warnings.extend(facts.trace().map(|trace| format!("it shows {trace}, no moving picture of the heart")));
        warnings.extend(facts.outside(shape.columns, shape.rows));
        let info = Info {
            container: Container::Dicom,
            codec: syntax.codec.name().to_owned(),
            width: shape.columns,
            height: shape.rows,
            frames: frames.len(),
            fps: timing.fps,
            truncated,
            warnings,
            dicom: Some(facts),
        };
        Ok((
            Self {
                file: Mutex::new(again),
                syntax,
                start,
                shape,
                colours,
                swapped: swapped && shape.allocated == 8,
                frames,
            },
            info,
        ))
    }

    /// Decodes the frames with these numbers into `data`, `[wanted, rows, columns, 3]`. A frame that is wanted more than once is
    /// decoded into the first of its places.
    pub(crate) fn decode(&self, path: &Path, wanted: &[usize], data: &mut [u8]) -> Result<(), VideoError> {
        let frame_len = self.shape.rows * self.shape.columns * 3;
        let mut first_slot = HashMap::new();
        let slots: Vec<(usize, usize)> =
            wanted.iter().enumerate().map(|(slot, &frame)| (frame, *first_slot.entry(frame).or_insert(slot))).collect();
        if self.syntax.deflated {
            let mut order: Vec<(usize, usize)> = first_slot.iter().map(|(&frame, &slot)| (frame, slot)).collect();
            order.sort_unstable();
            self.decode_deflated(path, &order, data, frame_len)?;
        } else {
            let fault = data.par_chunks_exact_mut(frame_len).zip(slots.par_iter()).enumerate().find_map_first(
                |(slot, (out, &(frame, first)))| {
                    if first != slot {
                        return None;
                    }
                    let bytes = match self
                        .frames
                        .runs(frame)
                        .iter()
                        .map(|&run| read(&self.file, run))
                        .collect::<io::Result<Vec<_>>>()
                    {
                        Ok(runs) => runs.concat(),
                        Err(error) => return Some(VideoError::io(path, error)),
                    };
                    let cause = self.write(&bytes, out).err()?;
                    Some(VideoError::Frame { path: path.to_owned(), frame, cause })
                },
            );
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        for (slot, &(_, first)) in slots.iter().enumerate() {
            if first != slot {
                data.copy_within(first * frame_len..(first + 1) * frame_len, slot * frame_len);
            }
        }
        Ok(())
    }

    /// Inflates up to the last frame that is wanted; `order` has frames and their places in `data`, frames ascending.
    fn decode_deflated(
        &self,
        path: &Path,
        order: &[(usize, usize)],
        data: &mut [u8],
        frame_len: usize,
    ) -> Result<(), VideoError> {
        let fail = |error| failure(path, Fault::from(error));
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).try_clone();
        let file = file.map_err(|error| VideoError::io(path, error))?;
        let mut bytes = Bytes::deflated(file, self.start, u64::MAX).map_err(fail)?;
        for &(frame, slot) in order {
            let Some(&run) = self.frames.runs(frame).first() else { continue };
            bytes.skip(run.start.saturating_sub(bytes.position())).map_err(fail)?;
            let frame_bytes = bytes.take(run.len).map_err(fail)?;
            self.write(&frame_bytes, &mut data[slot * frame_len..][..frame_len])
                .map_err(|cause| VideoError::Frame { path: path.to_owned(), frame, cause })?;
        }
        Ok(())
    }

    /// A frame's bytes to RGB.
    fn write(&self, bytes: &[u8], out: &mut [u8]) -> Result<(), String> {
        let Shape { photometric, planar, allocated, .. } = self.shape;
        if self.syntax.codec != Codec::None {
            let (samples, colours) = codec::decode(self.syntax.codec, bytes, &self.shape)?;
            colours.as_ref().unwrap_or(&self.colours).write(&samples, out);
            return Ok(());
        }
        let mut exchanged;
        let bytes = match self.swapped {
            false => bytes,
            true => {
                exchanged = bytes.to_vec();
                exchanged.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
                &exchanged
            }
        };
        let samples = match photometric {
            Photometric::Ybr422 => Samples::Eight(expand_422(bytes)),
            _ => Samples::of_bytes(bytes, allocated, self.syntax.encoding),
        };
        let samples = if planar { samples.interleave(self.shape.channels()) } else { samples };
        self.colours.write(&samples, out);
        Ok(())
    }
}

/// The transfer syntax, and where the data set begins.
fn meta(file: &File, len: u64) -> Result<(String, u64), Fault> {
    let mut bytes = Bytes::plain(file.try_clone()?, PREAMBLE, len)?;
    let values = data_set::group(&mut bytes, META_GROUP)?;
    let syntax = values.text(TRANSFER_SYNTAX);
    let syntax = syntax.ok_or_else(|| Fault::Malformed("it does not say its transfer syntax".to_owned()))?;
    Ok((syntax, bytes.position()))
}

/// What the elements say of a frame.
fn shape(values: &Values, codec: Codec) -> Result<Shape, String> {
    let [rows, columns] = [ROWS, COLUMNS].map(|tag| values.word(tag).map(usize::from));
    let (Some(rows), Some(columns)) = (rows, columns) else {
        return Err("it does not say how many rows and columns its pictures have".to_owned());
    };
    // A file of such pictures could claim as many as it has bytes.
    if rows * columns < LEAST_PIXELS {
        return Err(format!("its pictures have {columns}x{rows} pixels"));
    }
    let name = values.text(PHOTOMETRIC).ok_or("it does not say what its pixels mean")?;
    let photometric = Photometric::parse(&name).ok_or_else(|| format!("pixels of {name:?} are not read"))?;
    let channels = values.word(SAMPLES).map_or(photometric.channels(), usize::from);
    let allocated = values.word(BITS_ALLOCATED).unwrap_or(8);
    let stored = values.word(BITS_STORED).unwrap_or(allocated);
    if channels != photometric.channels() || !matches!(allocated, 8 | 16) || stored == 0 || stored > allocated {
        return Err(format!("{channels} samples of {stored} in {allocated} bits a pixel of {name}, which is not read"));
    }
    let planar = channels > 1 && values.word(PLANAR) == Some(1) && photometric != Photometric::Ybr422;
    if photometric == Photometric::Ybr422 && codec == Codec::None && (allocated != 8 || columns % 2 != 0) {
        return Err(format!("{columns} columns of {allocated} bits that share chroma in pairs"));
    }
    let (allocated, stored) = (allocated as u8, stored as u8);
    Ok(Shape { rows, columns, photometric, planar, allocated, stored })
}

/// How its samples are shown.
fn colours(values: &Values, shape: &Shape) -> Result<Colours, String> {
    let bits = shape.stored;
    Ok(match shape.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            let window = values.decimal(WINDOW_CENTER).zip(values.decimal(WINDOW_WIDTH));
            let grey = Grey {
                inverted: shape.photometric == Photometric::Monochrome1,
                stored: bits,
                signed: values.word(SIGNED) == Some(1),
                window: window.map(|(centre, width)| [centre, width]).filter(|[_, width]| *width >= 1.0),
                slope: values.decimal(SLOPE).unwrap_or(1.0),
                intercept: values.decimal(INTERCEPT).unwrap_or(0.0),
            };
            grey.colours()
        }
        Photometric::Palette => {
            let descriptors = PALETTES.map(|tag| values.words(tag));
            let words = PALETTE_DATA.map(|tag| values.words(tag));
            let bytes = PALETTE_DATA.map(|tag| values.bytes(tag).unwrap_or_default());
            palette(descriptors.each_ref().map(Vec::as_slice), bytes, words.each_ref().map(Vec::as_slice))?
        }
        Photometric::Rgb | Photometric::YbrOfJpeg2000 => Colours::Rgb { bits },
        Photometric::Ybr | Photometric::Ybr422 => Colours::Ybr { bits },
    })
}

/// Uncompressed frames that are there in whole.
fn native(run: Run, declared: usize, shape: &Shape) -> Frames {
    let bytes = match shape.photometric {
        Photometric::Ybr422 => 2,
        _ => shape.channels() * usize::from(shape.allocated / 8),
    };
    let len = (shape.rows * shape.columns * bytes) as u64;
    let count = declared.min(usize::try_from(run.len / len.max(1)).unwrap_or(usize::MAX));
    Frames::Native { start: run.start, len, count }
}

/// Whether a piece begins with the start of a JPEG or JPEG 2000.
fn begins_picture(file: &Mutex<File>, run: Run) -> bool {
    let start = read(file, Run { len: run.len.min(2), ..run }).unwrap_or_default();
    matches!(start.as_slice(), [0xff, 0xd8 | 0x4f])
}

fn read(file: &Mutex<File>, run: Run) -> io::Result<Vec<u8>> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(run.start))?;
    let mut bytes = Vec::new();
    (&mut *file).take(run.len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == run.len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn failure(path: &Path, fault: Fault) -> VideoError {
    match fault {
        Fault::Io(error) => VideoError::io(path, error),
        Fault::Malformed(cause) => VideoError::malformed(path, cause),
        Fault::Cut(cause) => VideoError::malformed(path, format!("{cause}, before any of its pixels")),
    }
}

#[cfg(test)]
mod tests {
    use super::data_set::Encoding;
    use super::*;

    /// JPEG shares chroma as its own header says, whatever the file calls it and however wide it is.
    #[test]
    fn pairs_of_columns_matter_for_uncompressed_pixels_alone() {
        let mut values = Values::default();
        let mut put = |tag, bytes: &[u8]| values.insert(Encoding::EXPLICIT, tag, bytes.to_vec());
        put(ROWS, &[20, 0]);
        put(COLUMNS, &[25, 0]);
        put(PHOTOMETRIC, b"YBR_FULL_422");
        assert_eq!(shape(&values, Codec::Jpeg).unwrap().columns, 25);
        assert!(shape(&values, Codec::None).unwrap_err().contains("in pairs"));
    }
}
