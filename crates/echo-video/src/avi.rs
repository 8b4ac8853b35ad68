//! The AVI container: which bytes of the file are the frames of its first video stream.
//!
//! After Microsoft's «AVI RIFF File Reference» and the OpenDML AVI File Format Extensions 1.02. Lists inside `movi` are
//! walked as if their headers were not there, so nothing recurses.

use std::io;
use std::path::Path;

use crate::avi_index::{IndexError, Span, idx1, indx, is_frame, overlap};
use crate::error::VideoError;
use crate::open::Truncation;
use crate::rate::FrameRate;
use crate::riff::{Chunk, Source, u32_at};

/// What the headers say, and where the frames are.
#[derive(Debug)]
pub(crate) struct Avi {
    pub(crate) codec: [u8; 4],
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rate: FrameRate,
    /// In order of time; a frame without bytes repeats the one before.
    pub(crate) frames: Vec<Span>,
    /// What is missing where that is more than the last frame.
    pub(crate) truncated: Option<Truncation>,
    /// That the last frame is missing, where that is all.
    pub(crate) warning: Option<String>,
}

impl Avi {
    pub(crate) fn is_mjpeg(&self) -> bool {
        [b"MJPG", b"JPEG", b"IJPG", b"DMB1"].iter().any(|name| self.codec.eq_ignore_ascii_case(&name[..]))
    }

    /// Reads the structure of the file. `path` is for messages.
    pub(crate) fn parse(source: &mut Source, path: &Path, allow_truncated: bool) -> Result<Self, VideoError> {
        let layout = Layout::read(source).map_err(|fault| fault.into_error(path))?;
        let Some(stream) = layout.stream else {
            return Err(match layout.cut {
                Some(cause) => VideoError::Truncated { path: path.to_owned(), cause },
                None => VideoError::malformed(path, "the AVI has no video stream"),
            });
        };
        let says_size = layout.cut.is_some();
        let mut cut = layout.cut;
        // Whether what is left may be more, or something else, than a last frame.
        let mut is_damaged = false;
        let indexed = match (stream.indx, layout.idx1, layout.movi.as_slice()) {
            (Some(chunk), _, _) => Some(indx(source, chunk, stream.number)),
            (None, Some(chunk), [(movi, _)]) => Some(idx1(source, chunk, *movi, stream.number)),
            _ => None,
        };
        let indexed = indexed.map(|indexed| match indexed {
            Ok(frames) if overlap(&frames) => Err(IndexError::Lies("the frames of its index overlap".to_owned())),
            other => other,
        });
        let mut frames = match indexed {
            Some(Ok(frames)) => frames,
            Some(Err(IndexError::Io(error))) => return Err(VideoError::io(path, error)),
            Some(Err(IndexError::Lies(cause))) => {
                if !allow_truncated {
                    return Err(VideoError::malformed(path, cause));
                }
                is_damaged = true;
                cut.get_or_insert(cause);
                Vec::new()
            }
            None => Vec::new(),
        };
        let declared = stream.declared_frames as usize;
        if frames.is_empty() || frames.len() < declared {
            let walked = walk(source, &layout.movi, stream.number).map_err(|error| VideoError::io(path, error))?;
            match walked.end {
                WalkEnd::Whole => {}
                // The frames before it are as good as those of a whole file.
                WalkEnd::InsideFrame(cause) => drop(cut.get_or_insert(cause)),
                // With a complete index what lies between the frames does not matter; here there is none.
                WalkEnd::Fault(cause) if !allow_truncated && cut.is_none() => {
                    return Err(VideoError::malformed(path, cause));
                }
                WalkEnd::Fault(cause) => {
                    is_damaged = true;
                    cut.get_or_insert(cause);
                }
            }
            if walked.frames.len() > frames.len() {
                frames = walked.frames;
            }
        }
        if frames.len() < declared {
            let cause = format!("its header promises {declared} frames, the file has {}", frames.len());
            cut.get_or_insert(cause);
        }
        if frames.iter().all(|frame| frame.size == 0) {
            return Err(match cut {
                Some(cause) => VideoError::Truncated { path: path.to_owned(), cause },
                None => VideoError::malformed(path, "the AVI has no frames"),
            });
        }
        let expected_frames = (declared > 0).then_some(declared);
        let (mut truncated, mut warning) = (None, None);
        if let Some(cause) = cut {
            // Recorders that are switched off, and writers that count one too many, leave out no more than a frame.
            let is_nearly_whole = match declared {
                0 => !says_size,
                declared => frames.len() + 1 >= declared,
            };
            if is_nearly_whole && !is_damaged {
                warning = Some(format!("no more than its last frame is missing: {cause}"));
            } else if allow_truncated {
                truncated = Some(Truncation { expected_frames, frames: frames.len(), cause });
            } else {
                return Err(VideoError::Truncated { path: path.to_owned(), cause });
            }
        }
        let Stream { codec, width, height, rate, .. } = stream;
        Ok(Self { codec, width, height, rate, frames, truncated, warning })
    }
}

/// The first video stream.
#[derive(Debug)]
struct Stream {
    number: usize,
    codec: [u8; 4],
    width: usize,
    height: usize,
    rate: FrameRate,
    /// 0 in files whose writer was interrupted or could not seek.
    declared_frames: u32,
    indx: Option<Chunk>,
}

/// The large pieces of the file.
#[derive(Debug, Default)]
struct Layout {
    stream: Option<Stream>,
    /// The fourcc of each `movi` list, and the end of the list.
    movi: Vec<(u64, u64)>,
    idx1: Option<Chunk>,
    /// What is missing at the file's end.
    cut: Option<String>,
}

enum Fault {
    Io(io::Error),
    Malformed(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    fn into_error(self, path: &Path) -> VideoError {
        match self {
            Self::Io(error) => VideoError::io(path, error),
            Self::Malformed(cause) => VideoError::malformed(path, cause),
        }
    }
}

/// The sizes that writers leave behind when they cannot seek back: the content reaches to the end.
fn is_unknown(size: u32) -> bool {
    size == 0 || size == u32::MAX
}

impl Layout {
    fn read(source: &mut Source) -> Result<Self, Fault> {
        let mut layout = Self::default();
        let mut at = 0;
        while let Some(segment) = source.chunk(at)? {
            // The first segment is «AVI », as the caller knows; OpenDML's further ones are «AVIX». Anything else after
            // the first is not part of the video.
            if segment.id != *b"RIFF" || (at > 0 && source.fourcc(segment.start)? != Some(*b"AVIX")) {
                break;
            }
            let end = layout.end_of(source, segment, "RIFF segment");
            layout.read_segment(source, segment.start + 4, end)?;
            if end == source.len() {
                break;
            }
            at = end + end % 2;
        }
        Ok(layout)
    }

    /// The end of a list, no further than the file's.
    fn end_of(&mut self, source: &Source, list: Chunk, what: &str) -> u64 {
        if is_unknown(list.size) {
            return source.len();
        }
        if list.end() > source.len() {
            let (begin, size, len) = (list.start - 8, list.size, source.len());
            let cause = || format!("the {what} at byte {begin} promises {size} bytes, the file ends at byte {len}");
            self.cut.get_or_insert_with(cause);
            return source.len();
        }
        list.end()
    }

    fn read_segment(&mut self, source: &mut Source, mut at: u64, end: u64) -> Result<(), Fault> {
        while at < end {
            let Some(chunk) = source.chunk(at)? else {
                // A pad byte may follow the last chunk.
                if end - at > 1 {
                    self.cut.get_or_insert_with(|| format!("the file ends inside the chunk header at byte {at}"));
                }
                break;
            };
            let kind = if chunk.id == *b"LIST" { source.fourcc(chunk.start)? } else { None };
            if !is_plausible(chunk.id) {
                return Err(Fault::Malformed(format!("byte {at} should begin a chunk, its name is {:02x?}", chunk.id)));
            }
            if kind == Some(*b"movi") {
                let movi_end = self.end_of(source, chunk, "movi list");
                self.movi.push((chunk.start, movi_end));
                if is_unknown(chunk.size) {
                    break;
                }
            } else {
                let name = String::from_utf8_lossy(&chunk.id).into_owned();
                let chunk_end = self.end_of(source, chunk, &format!("chunk «{name}»"));
                let whole = chunk_end == chunk.end();
                if kind == Some(*b"hdrl") {
                    self.read_headers(source, chunk.start + 4, chunk_end)?;
                } else if chunk.id == *b"idx1" && whole && self.idx1.is_none() {
                    self.idx1 = Some(chunk);
                }
            }
            at = chunk.next();
        }
        Ok(())
    }

    /// `hdrl`: the streams in order, of which the first with pictures counts.
    fn read_headers(&mut self, source: &mut Source, mut at: u64, end: u64) -> Result<(), Fault> {
        let mut number = 0;
        while let Some(chunk) = source.chunk(at)?.filter(|chunk| chunk.start <= end && self.stream.is_none()) {
            if chunk.id == *b"LIST" && source.fourcc(chunk.start)? == Some(*b"strl") {
                self.read_stream(source, number, chunk.start + 4, chunk.end().min(end))?;
                number += 1;
            }
            at = chunk.next();
        }
        Ok(())
    }

    fn read_stream(&mut self, source: &mut Source, number: usize, mut at: u64, end: u64) -> Result<(), Fault> {
        let (mut strh, mut strf, mut index) = (None, None, None);
        while let Some(chunk) = source.chunk(at)?.filter(|chunk| chunk.end() <= end.min(source.len())) {
            match &chunk.id {
                b"strh" => strh = Some(source.bytes(chunk.start, u64::from(chunk.size.min(56)))?),
                b"strf" => strf = Some(source.bytes(chunk.start, u64::from(chunk.size.min(40)))?),
                b"indx" => index = Some(chunk),
                _ => {}
            }
            at = chunk.next();
        }
        let Some(strh) = strh.filter(|strh| strh.starts_with(b"vids")) else { return Ok(()) };
        let strf = strf.unwrap_or_default();
        let (width, height) = (u32_at(&strf, 4), u32_at(&strf, 8));
        let (Some(scale), Some(rate), Some(declared_frames)) =
            (u32_at(&strh, 20), u32_at(&strh, 24), u32_at(&strh, 32))
        else {
            return Err(Fault::Malformed("the header of its video stream is too short".to_owned()));
        };
        let (Some(width), Some(height), Some(&[a, b, c, d])) = (width, height, strf.get(16..20)) else {
            return Err(Fault::Malformed("the format of its video stream is too short".to_owned()));
        };
        self.stream = Some(Stream {
            number,
            codec: [a, b, c, d],
            // Both are signed; a negative height means rows from the top.
            width: (width as i32).unsigned_abs() as usize,
            height: (height as i32).unsigned_abs() as usize,
            rate: FrameRate { rate, scale },
            declared_frames,
            indx: index,
        });
        Ok(())
    }
}

/// Whether four bytes can be a chunk's name, by which garbage and zeros are told from chunks.
fn is_plausible(id: [u8; 4]) -> bool {
    id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_'))
}

struct Walked {
    frames: Vec<Span>,
    end: WalkEnd,
}

/// Where a walk over the frames ended.
enum WalkEnd {
    /// At the end of the lists.
    Whole,
    /// Inside a frame that the file's end cuts off.
    InsideFrame(String),
    /// At what is no chunk, or one that is longer than its list.
    Fault(String),
}

/// The frames of `stream` in the order in which they stand in the lists `movi`.
fn walk(source: &mut Source, movi: &[(u64, u64)], stream: usize) -> io::Result<Walked> {
    let mut walked = Walked { frames: Vec::new(), end: WalkEnd::Whole };
    for &(start, end) in movi {
        let mut at = start + 4;
        let mut padded = false;
        while at + 8 <= end {
            let Some(chunk) = source.chunk(at)? else { break };
            let fits = |chunk: &Chunk| is_plausible(chunk.id) && (chunk.id == *b"LIST" || chunk.end() <= end);
            if padded && !fits(&chunk) && source.chunk(at - 1)?.is_some_and(|chunk| fits(&chunk)) {
                // Some writers do not pad.
                at -= 1;
                padded = false;
                continue;
            }
            if !is_plausible(chunk.id) {
                walked.end = WalkEnd::Fault(format!("byte {at} should begin a chunk, its name is {:02x?}", chunk.id));
                return Ok(walked);
            }
            if chunk.id == *b"LIST" {
                at = chunk.start + 4;
                padded = false;
                continue;
            }
            if chunk.end() > end {
                let name = String::from_utf8_lossy(&chunk.id);
                let size = chunk.size;
                let cause = format!("the chunk «{name}» at byte {at} has {size} bytes, its list ends at byte {end}");
                walked.end = match end == source.len() && is_frame(chunk.id, stream) {
                    true => WalkEnd::InsideFrame(cause),
                    false => WalkEnd::Fault(cause),
                };
                return Ok(walked);
            }
            if is_frame(chunk.id, stream) {
                walked.frames.push(Span { start: chunk.start, size: chunk.size });
            }
            padded = chunk.size % 2 == 1;
            at = chunk.next();
        }
    }
    Ok(walked)
}
