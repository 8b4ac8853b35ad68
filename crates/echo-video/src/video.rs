//! Opening a file and decoding the frames that are wanted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use crate::avi::Avi;
use crate::avi_index::Span;
use crate::dicom::Dicom;
use crate::error::VideoError;
use crate::ffmpeg::{self, Scan};
use crate::frames::Frames;
use crate::jpeg::JpegHeader;
use crate::mjpeg;
use crate::open::{Container, Info, OpenOptions, Truncation};
use crate::pictures;
use crate::planes;
use crate::riff::Source;
use crate::sector::{Mask, Sector};
use crate::sniff::{SNIFF_BYTES, is_known_video, sniff};

/// Bytes of the frames that are decoded at a time, so that threads have something to share.
const PART_BYTES: usize = 32 << 20;

/// A file, or a folder of numbered pictures, whose structure has been read; pixels are decoded on request.
#[derive(Debug)]
pub struct Video {
    path: PathBuf,
    options: OpenOptions,
    info: Info,
    backend: Backend,
    /// The sector that frames show, found when the first is decoded; `None` for all of the picture.
    sector: OnceLock<Option<Sector>>,
}

#[derive(Debug)]
enum Backend {
    /// The bytes of each frame; a frame that repeats another has the same span.
    MotionJpeg {
        file: Mutex<File>,
        frames: Vec<Span>,
    },
    Dicom(Dicom),
    /// One file for each frame.
    Pictures(Vec<PathBuf>),
    Ffmpeg,
}

/// What the container says of a file that ffmpeg decodes.
#[derive(Debug, Default)]
struct Known {
    /// Pictures in it.
    frames: Option<usize>,
    truncated: Option<Truncation>,
    warning: Option<String>,
}

impl Video {
    /// Reads what the file is; decodes no more than that takes.
    ///
    /// # Errors
    /// When the file cannot be read, is no video, contradicts itself, exceeds the limits, or is truncated and
    /// `options` do not allow that.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, VideoError> {
        if path.is_dir() {
            let (files, info) = pictures::open(path, options)?;
            let (path, options, backend) = (path.to_owned(), options.clone(), Backend::Pictures(files));
            return Ok(Self { path, options, info, backend, sector: OnceLock::new() });
        }
        match container(path)? {
            (Container::Avi, source) => Self::open_avi(path, options, source),
            (Container::Dicom, source) => {
                let len = source.len();
                let (dicom, info) = Dicom::open(path, options, source.into_file(), len)?;
                Ok(Self {
                    path: path.to_owned(),
                    options: options.clone(),
                    info,
                    backend: Backend::Dicom(dicom),
                    sector: OnceLock::new(),
                })
            }
            (container, _) => Self::open_with_ffmpeg(path, options, container, Known::default()),
        }
    }

    fn open_avi(path: &Path, options: &OpenOptions, mut source: Source) -> Result<Self, VideoError> {
        let avi = Avi::parse(&mut source, path, options.allow_truncated)?;
        options.check_size(path, avi.width, avi.height)?;
        let pictures = avi.frames.iter().filter(|frame| frame.size > 0).count();
        let known = Known { frames: Some(pictures), truncated: avi.truncated.clone(), warning: avi.warning.clone() };
        let mut frames = resolve_repeats(&avi.frames);
        let Some(&first) = frames.first().filter(|_| avi.is_mjpeg()) else {
            return Self::open_with_ffmpeg(path, options, Container::Avi, known);
        };
        let mut read =
            |span: Span| source.bytes(span.start, u64::from(span.size)).map_err(|error| VideoError::io(path, error));
        let bytes = read(first)?;
        match JpegHeader::parse(mjpeg::from_start(&bytes)).map(|header| planes::is_supported(&header)) {
            Ok(true) => {}
            Ok(false) => return Self::open_with_ffmpeg(path, options, Container::Avi, known),
            Err(cause) => {
                return Self::open_with_ffmpeg(path, options, Container::Avi, known).map_err(|error| {
                    VideoError::Frame {
                        path: path.to_owned(),
                        frame: 0,
                        cause: format!("{cause}; and as another reader sees it: {error}"),
                    }
                });
            }
        }
        let (width, height) = (avi.width, avi.height);
        let mut warnings: Vec<String> = avi.warning.into_iter().collect();
        // As recorders write that a picture was dropped; see `resolve_repeats`.
        if let Some(without @ 1..) = frames.len().checked_sub(pictures) {
            warnings.push(format!(
                "{without} of its {} frames have no picture of their own (empty chunks): each shows the one before, as \
                 players do",
                frames.len()
            ));
        }
        // A whole chunk may hold a picture that was cut when it was recorded.
        if let Some(&last) = frames.last().filter(|last| last.start != first.start) {
            let bytes = read(last)?;
            let is_closed = bytes.trim_ascii_end().ends_with(&[0xff, 0xd9]) || bytes.ends_with(&[0xff, 0xd9, 0]);
            if !is_closed && let Err(cause) = mjpeg::decode(&bytes, width, height, &mut vec![0; width * height * 3]) {
                frames.truncate(frames.iter().take_while(|frame| frame.start != last.start).count());
                warnings.push(format!("its last frame is cut and not used: {cause}"));
            }
        }
        let info = Info {
            container: Container::Avi,
            codec: "mjpeg".to_owned(),
            width,
            height,
            frames: frames.len(),
            fps: avi.rate.fps(),
            truncated: avi.truncated,
            warnings,
            dicom: None,
        };
        let backend = Backend::MotionJpeg { file: Mutex::new(source.into_file()), frames };
        Ok(Self { path: path.to_owned(), options: options.clone(), info, backend, sector: OnceLock::new() })
    }

    fn open_with_ffmpeg(
        path: &Path,
        options: &OpenOptions,
        container: Container,
        known: Known,
    ) -> Result<Self, VideoError> {
        let scan = ffmpeg::scan(path, container, options)?;
        let mut warnings: Vec<String> = known.warning.into_iter().collect();
        let mut truncated = known.truncated.map(|truncated| Truncation { frames: scan.frames, ..truncated });
        if let Some(cause) = scan.missing(known.frames) {
            if !options.allow_truncated {
                return Err(VideoError::Truncated { path: path.to_owned(), cause });
            }
            truncated.get_or_insert(Truncation { expected_frames: known.frames, frames: scan.frames, cause });
        } else if !scan.errors.is_empty() {
            warnings.push(format!("ffmpeg decodes {} frames and reports: {}", scan.frames, scan.errors.join("; ")));
        }
        warnings.extend(scan.uneven());
        let Scan { codec, width, height, frames, fps, .. } = scan;
        let info = Info { container, codec, width, height, frames, fps, truncated, warnings, dicom: None };
        Ok(Self {
            path: path.to_owned(),
            options: options.clone(),
            info,
            backend: Backend::Ffmpeg,
            sector: OnceLock::new(),
        })
    }

    /// What the file is.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The sector that decoded frames show, outside of which they are black; `None` where [`OpenOptions::mask`] leaves this
    /// file as it is.
    ///
    /// # Errors
    /// No sector is found, or frames that are needed to find it cannot be decoded.
    pub fn sector(&self) -> Result<Option<&Sector>, VideoError> {
        if self.sector.get().is_none() {
            let sector = if self.is_masked() { Some(Sector::of(self)?) } else { None };
            // Whoever else has found it meanwhile has found the same.
            let _ = self.sector.set(sector);
        }
        Ok(self.sector.get().and_then(Option::as_ref))
    }

    /// The same file with all that its frames show.
    ///
    /// # Errors
    /// As [`open`](Video::open).
    pub fn unmasked(&self) -> Result<Self, VideoError> {
        Self::open(&self.path, &OpenOptions { mask: Mask::None, ..self.options.clone() })
    }

    /// Whether nothing but its sector is shown when it is decoded.
    pub fn is_masked(&self) -> bool {
        match self.options.mask {
            Mask::Dicom => self.info.container == Container::Dicom,
            Mask::Auto => true,
            Mask::None => false,
        }
    }

    pub(crate) fn no_sector(&self, cause: &str) -> VideoError {
        VideoError::NoSector { path: self.path.clone(), cause: cause.to_owned() }
    }

    /// Decodes the frames with these numbers, in this order; a number may come more than once.
    ///
    /// # Errors
    /// When a number is too large, when the result would exceed the memory limit, when a frame is corrupt, or when no sector
    /// is found where all else is to be black.
    pub fn decode(&self, wanted: &[usize]) -> Result<Frames, VideoError> {
        self.check_numbers(wanted)?;
        let sector = self.sector()?;
        let mut frames = self.decode_unmasked(wanted)?;
        if let Some(sector) = sector {
            sector.apply(&mut frames.data);
        }
        Ok(frames)
    }

    fn decode_unmasked(&self, wanted: &[usize]) -> Result<Frames, VideoError> {
        let Info { width, height, fps, .. } = self.info;
        let bytes = self.options.decoded_bytes(&self.path, wanted.len(), width, height)?;
        let mut data = vec![0; bytes];
        match &self.backend {
            Backend::MotionJpeg { file, frames } => self.decode_mjpeg(file, frames, wanted, &mut data)?,
            Backend::Dicom(dicom) => dicom.decode(&self.path, wanted, &mut data)?,
            Backend::Pictures(files) => pictures::decode(files, (width, height), wanted, &mut data)?,
            Backend::Ffmpeg => self.decode_unmasked_in_parts(wanted, |slot, pixels| {
                data[slot * pixels.len()..][..pixels.len()].copy_from_slice(pixels);
            })?,
        }
        Ok(Frames { data, count: wanted.len(), height, width, fps })
    }

    /// Hands the pixels of every frame, `[height, width, 3]`, to `take`, in order. Few of them are in memory at a time.
    ///
    /// # Errors
    /// As [`decode`](Video::decode); `take` has had the frames before it, or before the few that it was decoded with.
    pub fn for_each_frame(&self, mut take: impl FnMut(&[u8])) -> Result<(), VideoError> {
        let frame_len = self.info.width * self.info.height * 3;
        let every: Vec<usize> = (0..self.info.frames).collect();
        self.decode_in_parts(&every, |_, pixels| pixels.chunks_exact(frame_len).for_each(&mut take))
    }

    /// Decodes the frames with these numbers and hands `take` some consecutive ones of them at a time, with the place of
    /// the first in `wanted`: one frame, or as many as 32 MiB hold, are in memory at a time.
    ///
    /// # Errors
    /// As [`decode`](Video::decode); `take` has had some of the frames by then.
    pub fn decode_in_parts(&self, wanted: &[usize], mut take: impl FnMut(usize, &[u8])) -> Result<(), VideoError> {
        self.check_numbers(wanted)?;
        let Some(sector) = self.sector()? else { return self.decode_unmasked_in_parts(wanted, take) };
        let mut masked = Vec::new();
        self.decode_unmasked_in_parts(wanted, |slot, pixels| {
            masked.clear();
            masked.extend_from_slice(pixels);
            sector.apply(&mut masked);
            take(slot, &masked);
        })
    }

    pub(crate) fn decode_unmasked_in_parts(
        &self,
        wanted: &[usize],
        mut take: impl FnMut(usize, &[u8]),
    ) -> Result<(), VideoError> {
        let Info { width, height, container, .. } = self.info;
        let frame_len = width * height * 3;
        match &self.backend {
            Backend::MotionJpeg { .. } | Backend::Dicom(_) | Backend::Pictures(_) => {
                let count = (PART_BYTES / frame_len).max(1);
                for (part, numbers) in wanted.chunks(count).enumerate() {
                    take(part * count, &self.decode_unmasked(numbers)?.data);
                }
                Ok(())
            }
            Backend::Ffmpeg => {
                let Some(&last) = wanted.iter().max() else { return Ok(()) };
                let mut slots: HashMap<usize, Vec<usize>> = HashMap::new();
                for (slot, &frame) in wanted.iter().enumerate() {
                    slots.entry(frame).or_default().push(slot);
                }
                ffmpeg::stream(&self.path, container, &self.options, frame_len, last, |frame, pixels| {
                    slots.get(&frame).into_iter().flatten().for_each(|&slot| take(slot, pixels));
                })
            }
        }
    }

    fn check_numbers(&self, wanted: &[usize]) -> Result<(), VideoError> {
        let frames = self.info.frames;
        match wanted.iter().find(|&&frame| frame >= frames) {
            Some(&frame) => Err(VideoError::NoSuchFrame { path: self.path.clone(), frame, frames }),
            None => Ok(()),
        }
    }

    /// Decodes every frame.
    ///
    /// # Errors
    /// As [`decode`](Video::decode).
    pub fn decode_all(&self) -> Result<Frames, VideoError> {
        self.decode(&(0..self.info.frames).collect::<Vec<_>>())
    }

    fn decode_mjpeg(
        &self,
        file: &Mutex<File>,
        frames: &[Span],
        wanted: &[usize],
        data: &mut [u8],
    ) -> Result<(), VideoError> {
        let (width, height) = (self.info.width, self.info.height);
        // Each picture is decoded once, into the first slot that wants it.
        let mut first_slot = HashMap::new();
        let slots: Vec<(usize, Span, usize)> = wanted
            .iter()
            .enumerate()
            .filter_map(|(slot, &frame)| Some((slot, frame, *frames.get(frame)?)))
            .map(|(slot, frame, span)| (frame, span, *first_slot.entry(span.start).or_insert(slot)))
            .collect();
        let frame_len = width * height * 3;
        let fault = data.par_chunks_exact_mut(frame_len).zip(slots.par_iter()).enumerate().find_map_first(
            |(slot, (out, &(frame, span, first)))| {
                if first != slot {
                    return None;
                }
                let jpeg = match read_span(file, span) {
                    Ok(jpeg) => jpeg,
                    Err(error) => return Some(VideoError::io(&self.path, error)),
                };
                let fault = mjpeg::decode(&jpeg, width, height, out).err()?;
                Some(VideoError::Frame { path: self.path.clone(), frame, cause: fault })
            },
        );
        if let Some(fault) = fault {
            return Err(fault);
        }
        for (slot, &(_, _, first)) in slots.iter().enumerate() {
            if first != slot {
                data.copy_within(first * frame_len..(first + 1) * frame_len, slot * frame_len);
            }
        }
        Ok(())
    }
}

/// A regular file and its length.
fn open_file(path: &Path) -> Result<(File, u64), VideoError> {
    let io = |source| VideoError::io(path, source);
    let file = echo_files::open(path).map_err(io)?;
    match file.metadata().map_err(io)?.len() {
        0 => Err(VideoError::Empty { path: path.to_owned() }),
        len => Ok((file, len)),
    }
}

/// The kind of file, by its bytes.
///
/// # Errors
/// It cannot be read, or is of no kind that can be.
fn container(path: &Path) -> Result<(Container, Source), VideoError> {
    let (file, len) = open_file(path)?;
    let mut source = Source::new(file, len);
    let head = source.bytes(0, len.min(SNIFF_BYTES as u64)).map_err(|error| VideoError::io(path, error))?;
    let container = sniff(&head).map_err(|cause| VideoError::NotAVideo { path: path.to_owned(), cause })?;
    Ok((container, source))
}

/// Whether a file might be opened, at the price of its first bytes and, of an AVI or DICOM, its headers: no frame is decoded and
/// no program started.
///
/// # Errors
/// What [`Video::open`] would surely say.
pub fn check_file(path: &Path, options: &OpenOptions) -> Result<(), VideoError> {
    if path.is_dir() {
        return pictures::open(path, options).map(drop);
    }
    match container(path)? {
        (Container::Avi, mut source) => Avi::parse(&mut source, path, options.allow_truncated).map(drop),
        (Container::Dicom, source) => {
            let len = source.len();
            Dicom::open(path, options, source.into_file(), len).map(drop)
        }
        _ => Ok(()),
    }
}

/// Whether a file is a video by its first bytes, whatever its name; also a kind of video that is not read.
pub fn looks_like_video(path: &Path) -> bool {
    let head = open_file(path).and_then(|(file, len)| {
        let mut source = Source::new(file, len);
        source.bytes(0, len.min(SNIFF_BYTES as u64)).map_err(|error| VideoError::io(path, error))
    });
    head.is_ok_and(|head| is_known_video(&head))
}

/// Frames without bytes get the span of the frame before; those before the first picture get the first picture.
fn resolve_repeats(frames: &[Span]) -> Vec<Span> {
    let Some(&first) = frames.iter().find(|frame| frame.size > 0) else { return Vec::new() };
    let mut shown = first;
    let resolve = |frame: &Span| {
        if frame.size > 0 {
            shown = *frame;
        }
        shown
    };
    frames.iter().map(resolve).collect()
}

fn read_span(file: &Mutex<File>, span: Span) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; span.size as usize];
    // The position is set anew by every reader, so one that panicked leaves nothing behind.
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(span.start))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
