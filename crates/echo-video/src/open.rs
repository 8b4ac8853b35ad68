//! What a caller asks for when opening a video, and what it learns.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dicom::DicomFacts;
use crate::error::VideoError;
use crate::sector::Mask;

/// How to open a video.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Use what can be read of a file of which part is missing, and say so in [`Info::truncated`]; else it is an error.
    pub allow_truncated: bool,
    /// Which files show nothing but their ultrasound sector.
    pub mask: Mask,
    /// Most pixels that a frame may have.
    pub max_pixels: u64,
    /// Most bytes that the frames of one call may occupy when decoded.
    pub max_bytes: u64,
    /// The program that decodes what is not Motion-JPEG in AVI; `None` finds `ffmpeg` beside this program or on `PATH`.
    pub ffmpeg: Option<PathBuf>,
    /// ffmpeg is ended when it delivers nothing for this long.
    pub patience: Duration,
}

impl Default for OpenOptions {
    /// Whole files only, DICOM masked, 4096x4096 pixels, 4 GiB, ffmpeg from `PATH`, one minute.
    fn default() -> Self {
        Self {
            allow_truncated: false,
            mask: Mask::default(),
            max_pixels: 4096 * 4096,
            max_bytes: 4 << 30,
            ffmpeg: None,
            patience: Duration::from_secs(60),
        }
    }
}

impl OpenOptions {
    /// Names the decoder, its version and what it leaves of frames; part of cache keys, and another one whenever decoded
    /// pixels may be others.
    pub fn decoder(&self) -> &'static str {
        match self.mask {
            Mask::Dicom => "echo-video-1",
            Mask::Auto => "echo-video-1, all masked",
            Mask::None => "echo-video-1, none masked",
        }
    }

    /// Refuses sizes that no echocardiogram has, before anything of that size is allocated.
    /// The same for pictures that people look at: all but the sector is black in every kind of file, unless nothing is to be.
    pub fn for_pictures(&self) -> Self {
        let mask = if self.mask == Mask::None { Mask::None } else { Mask::Auto };
        Self { mask, ..self.clone() }
    }

    pub(crate) fn check_size(&self, path: &Path, width: usize, height: usize) -> Result<(), VideoError> {
        if width == 0 || height == 0 {
            return Err(VideoError::malformed(path, format!("it declares frames of {width}x{height} pixels")));
        }
        let pixels = (width as u64).checked_mul(height as u64);
        if pixels.is_none_or(|pixels| pixels > self.max_pixels) {
            let limit = self.max_pixels;
            let cause = format!("frames of {width}x{height} pixels, the limit is {limit} pixels a frame");
            return Err(VideoError::too_large(path, cause));
        }
        Ok(())
    }

    /// The bytes of `count` frames, if they are within the limit.
    pub(crate) fn decoded_bytes(
        &self,
        path: &Path,
        count: usize,
        width: usize,
        height: usize,
    ) -> Result<usize, VideoError> {
        let bytes = [width, height, 3].iter().try_fold(count, |product, &n| product.checked_mul(n));
        match bytes {
            Some(bytes) if bytes as u64 <= self.max_bytes => Ok(bytes),
            _ => {
                let limit = self.max_bytes;
                let cause = format!(
                    "{count} frames of {width}x{height} pixels decoded, the limit is {limit} bytes; ask for fewer frames"
                );
                Err(VideoError::too_large(path, cause))
            }
        }
    }
}

/// The kind of file, by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// RIFF AVI, with or without OpenDML's segments.
    Avi,
    /// MP4, MOV and their relatives (ISO 14496-12).
    IsoBmff,
    /// Matroska and WebM.
    Matroska,
    /// DICOM.
    Dicom,
    /// A folder of numbered pictures.
    Pictures,
    /// Something else, which ffmpeg may know.
    Other,
}

/// What is missing of a file that was opened all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Frames that the headers promise, where they say.
    pub expected_frames: Option<usize>,
    /// Frames that can be read.
    pub frames: usize,
    /// What was found, in words.
    pub cause: String,
}

/// What a video is, before its pixels are decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// The kind of file.
    pub container: Container,
    /// `mjpeg`, `h264`, ...: ffmpeg's names; how pixels are compressed in DICOM.
    pub codec: String,
    /// Columns of a frame.
    pub width: usize,
    /// Rows of a frame.
    pub height: usize,
    /// Frames that can be decoded.
    pub frames: usize,
    /// Frames per second; 0 when the file does not say.
    pub fps: f64,
    /// What is missing, when it was opened with [`OpenOptions::allow_truncated`].
    pub truncated: Option<Truncation>,
    /// What else a user should know of it: that its last frame is missing, what ffmpeg complained of, uneven frame times.
    pub warnings: Vec<String>,
    /// What a DICOM file says beside its pixels.
    pub dicom: Option<DicomFacts>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sizes_are_refused_before_anything_is_allocated() {
        let options = OpenOptions::default();
        let path = Path::new("a.avi");
        assert!(options.check_size(path, 4096, 4096).is_ok());
        for (width, height) in [(60_000, 60_000), (usize::MAX, usize::MAX), (4097, 4096)] {
            let error = options.check_size(path, width, height).unwrap_err();
            assert!(matches!(error, VideoError::TooLarge { .. }), "{error}");
        }
        assert!(matches!(options.check_size(path, 0, 5), Err(VideoError::Malformed { .. })));
        assert_eq!(options.decoded_bytes(path, 2, 3, 4).unwrap(), 72);
        for count in [usize::MAX, 1 << 20] {
            let error = options.decoded_bytes(path, count, 4096, 4096).unwrap_err().to_string();
            assert!(error.contains("a.avi") && error.contains("fewer"), "{error}");
        }
    }
}
