//! Motion-JPEG in AVI 1.0 with an `idx1` index: what EchoNet-Dynamic's files are.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use echo_files::UNFINISHED;

use crate::error::VideoError;
use crate::jpeg::JpegHeader;
use crate::rate::FrameRate;

/// `movi` starts after the fixed-size headers; see [`header`].
const MOVI: u64 = 12 + (8 + HDRL) as u64 + 8;
const HDRL: u32 = 4 + (8 + 56) + 8 + STRL;
const STRL: u32 = 4 + (8 + 56) + (8 + 40);
/// Readers treat AVI 1.0's 32-bit sizes as signed often enough.
const MAX_BYTES: u64 = i32::MAX as u64;
const HAS_INDEX: u32 = 0x10;
const KEY_FRAME: u32 = 0x10;

/// Writes JPEG images as the frames of an AVI file.
///
/// Bytes go to a temporary file beside `path`, which [`finish`](AviWriter::finish) renames; dropped before that, it
/// leaves nothing behind.
///
/// ```no_run
/// # fn main() -> Result<(), echo_video::VideoError> {
/// # let jpeg: Vec<u8> = Vec::new();
/// let mut writer = echo_video::AviWriter::create("heart.avi".as_ref(), 112, 112, 50.0)?;
/// writer.push(&jpeg)?;
/// writer.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AviWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
    width: usize,
    height: usize,
    rate: FrameRate,
    /// Offset from the `movi` fourcc, and length.
    index: Vec<(u32, u32)>,
    position: u64,
}

impl AviWriter {
    /// Starts a file of `width` x `height` pixels, at most 65535 each.
    ///
    /// # Errors
    /// When the size or the rate cannot be stored, or the file cannot be created.
    pub fn create(path: &Path, width: usize, height: usize, rate: impl Into<FrameRate>) -> Result<Self, VideoError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let rate = rate.into();
        if ![width, height].iter().all(|side| (1..=usize::from(u16::MAX)).contains(side)) {
            return Err(VideoError::write(path, format!("{width}x{height} pixels, sides must be 1 to 65535")));
        }
        if !rate.is_valid() {
            return Err(VideoError::write(path, "the frame rate must be positive"));
        }
        let Some(name) = path.file_name() else {
            return Err(VideoError::write(path, "the path has no file name"));
        };
        let mut temporary = OsString::from(UNFINISHED);
        temporary.push(format!("{}-{}-", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        temporary.push(name);
        let temporary = path.with_file_name(temporary);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|source| VideoError::io(&temporary, source))?;
        let mut writer = Self {
            path: path.to_owned(),
            temporary,
            file: Some(BufWriter::new(file)),
            width,
            height,
            rate,
            index: Vec::new(),
            position: 0,
        };
        let header = writer.header(0, 0);
        writer.write(&header)?;
        Ok(writer)
    }

    /// Appends a frame. No bytes at all mean «the previous frame again», which AVI stores as an empty chunk.
    ///
    /// # Errors
    /// When the bytes are not a JPEG of the file's size, when the first frame is empty, when the file would exceed
    /// AVI 1.0's 2 GiB, or when writing fails.
    pub fn push(&mut self, jpeg: &[u8]) -> Result<(), VideoError> {
        let refuse = |cause: String| VideoError::write(&self.path, format!("frame {}: {cause}", self.index.len()));
        if jpeg.is_empty() {
            if self.index.is_empty() {
                return Err(refuse("the first frame cannot repeat another".to_owned()));
            }
        } else {
            let header = JpegHeader::parse(jpeg).map_err(refuse)?;
            if (header.width, header.height) != (self.width, self.height) {
                return Err(refuse(format!(
                    "the image is {}x{}, the file {}x{}",
                    header.width, header.height, self.width, self.height
                )));
            }
        }
        let padded = jpeg.len() as u64 + jpeg.len() as u64 % 2;
        let index = 8 + 16 * (self.index.len() as u64 + 1);
        if self.position + 8 + padded + index > MAX_BYTES {
            return Err(refuse("AVI 1.0 ends at 2 GiB".to_owned()));
        }
        let (offset, length) = ((self.position - MOVI) as u32, jpeg.len() as u32);
        self.write(b"00dc")?;
        self.write(&length.to_le_bytes())?;
        self.write(jpeg)?;
        if length % 2 == 1 {
            self.write(&[0])?;
        }
        self.index.push((offset, length));
        Ok(())
    }

    /// Writes the index, completes the headers and gives the file its name.
    ///
    /// # Errors
    /// When no frame was pushed, or when writing or renaming fails.
    pub fn finish(mut self) -> Result<(), VideoError> {
        if self.index.is_empty() {
            return Err(VideoError::write(&self.path, "a video needs at least one frame"));
        }
        let movi = (self.position - MOVI) as u32;
        let mut index = Vec::with_capacity(8 + 16 * self.index.len());
        index.extend_from_slice(b"idx1");
        index.extend_from_slice(&(16 * self.index.len() as u32).to_le_bytes());
        for &(offset, length) in &self.index {
            index.extend_from_slice(b"00dc");
            // An empty chunk is no key frame: it means something only after the one before.
            let flags = if length == 0 { 0 } else { KEY_FRAME };
            for value in [flags, offset, length] {
                index.extend_from_slice(&value.to_le_bytes());
            }
        }
        self.write(&index)?;
        let header = self.header(movi, (self.position - 8) as u32);
        let Some(file) = self.file.take() else {
            return Err(VideoError::write(&self.path, "the file is closed"));
        };
        let result = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&header)?;
                // Not synchronised to the disk: a folder of small videos would take minutes. The loss of power may leave a
                // short file, which readers recognise.
                Ok(())
            })
            .and_then(|()| std::fs::rename(&self.temporary, &self.path));
        result.map_err(|source| VideoError::io(&self.path, source))
        // `self` is dropped here; removing a temporary file that was renamed finds nothing.
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), VideoError> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|source| VideoError::io(&self.temporary, source))?;
            self.position += bytes.len() as u64;
        }
        Ok(())
    }

    /// Everything up to and including the `movi` fourcc, always of the same length. `movi` counts the bytes from that
    /// fourcc on, `riff` those of the file after its first eight.
    fn header(&self, movi: u32, riff: u32) -> Vec<u8> {
        let FrameRate { rate, scale } = self.rate;
        let (width, height) = (self.width as u32, self.height as u32);
        let frames = self.index.len() as u32;
        let largest = self.index.iter().map(|&(_, length)| length).max().unwrap_or(0);
        let microseconds = (1e6 * f64::from(scale) / f64::from(rate)).round() as u32;

        let mut out = Vec::new();
        let words = |out: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        out.extend(b"RIFF");
        words(&mut out, &[riff]);
        out.extend(b"AVI LIST");
        words(&mut out, &[HDRL]);
        out.extend(b"hdrlavih");
        words(&mut out, &[56, microseconds, 0, 0, HAS_INDEX, frames, 0, 1, largest, width, height, 0, 0, 0, 0]);
        out.extend(b"LIST");
        words(&mut out, &[STRL]);
        out.extend(b"strlstrh");
        words(&mut out, &[56]);
        out.extend(b"vidsMJPG");
        // Flags, priority and language, initial frames, scale, rate, start, length, buffer, quality, sample size.
        words(&mut out, &[0, 0, 0, scale, rate, 0, frames, largest, u32::MAX, 0]);
        [0, 0, self.width as u16, self.height as u16].iter().for_each(|v| out.extend(v.to_le_bytes()));
        out.extend(b"strf");
        words(&mut out, &[40, 40, width, height, 1 | 24 << 16]);
        out.extend(b"MJPG");
        words(&mut out, &[width.saturating_mul(height).saturating_mul(3), 0, 0, 0, 0]);
        out.extend(b"LIST");
        words(&mut out, &[movi]);
        out.extend(b"movi");
        out
    }
}

impl Drop for AviWriter {
    fn drop(&mut self) {
        self.file = None;
        // Nothing can be reported from here, and after `finish` there is nothing to remove.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
