//! A rendered loop, and the loop as a Motion-JPEG AVI like EchoNet-Dynamic's: 112x112, `yuvj420p`.

use std::path::Path;

use echo_video::AviWriter;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use crate::sector::FRAME_SIZE;
use crate::tracing::Tracing;
use crate::{Findings, PhantomError};

/// JPEG quality: about 2.5 KB a frame, 440 KB a loop, as in real recordings of this size.
const QUALITY: u8 = 60;

/// A rendered recording with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// Grey levels `[frames, FRAME_SIZE, FRAME_SIZE]`, row by row.
    pub frames: Vec<u8>,
    /// Frames a second.
    pub fps: u32,
    /// Size of a pixel, cm.
    pub cm_per_pixel: f64,
    /// The cavity when it is largest.
    pub end_diastole: Tracing,
    /// The cavity when it is smallest, later in the same beat.
    pub end_systole: Tracing,
    /// What can be said about the loop.
    pub findings: Findings,
}

impl Loop {
    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.frames.len() / (FRAME_SIZE * FRAME_SIZE)
    }

    /// End-diastolic volume by the method of discs, ml.
    pub fn edv(&self) -> f64 {
        self.findings.edv
    }

    /// End-systolic volume by the method of discs, ml.
    pub fn esv(&self) -> f64 {
        self.findings.esv
    }

    /// Ejection fraction, percent.
    pub fn ef(&self) -> f64 {
        self.findings.ef
    }
}

/// A grey frame as luma with neutral chroma.
struct Frame<'a>(&'a [u8]);

impl ImageBuffer for Frame<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        FRAME_SIZE as u16
    }

    fn height(&self) -> u16 {
        FRAME_SIZE as u16
    }

    fn fill_buffers(&self, y: u16, [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
        let start = usize::from(y) * FRAME_SIZE;
        luma.extend_from_slice(&self.0[start..start + FRAME_SIZE]);
        blue.extend_from_slice(&[128; FRAME_SIZE]);
        red.extend_from_slice(&[128; FRAME_SIZE]);
    }
}

impl Loop {
    /// The frames as JPEG files, in order.
    ///
    /// # Errors
    /// When a frame cannot be compressed.
    pub fn jpegs(&self) -> impl Iterator<Item = Result<Vec<u8>, PhantomError>> + '_ {
        jpegs(&self.frames)
    }

    /// Writes the loop as a Motion-JPEG AVI.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_avi(&self, path: &Path) -> Result<(), PhantomError> {
        write_avi(path, &self.frames, self.fps)
    }
}

fn jpegs(frames: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, PhantomError>> + '_ {
    frames.chunks_exact(FRAME_SIZE * FRAME_SIZE).map(|frame| {
        let mut bytes = Vec::with_capacity(4096);
        let mut encoder = Encoder::new(&mut bytes, QUALITY);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.encode_image(Frame(frame))?;
        Ok(bytes)
    })
}

/// Writes frames of grey levels as a Motion-JPEG AVI.
pub(crate) fn write_avi(path: &Path, frames: &[u8], fps: u32) -> Result<(), PhantomError> {
    let failed = |source| PhantomError::Video { path: path.to_owned(), source };
    let size = FRAME_SIZE;
    let mut writer = AviWriter::create(path, size, size, fps).map_err(failed)?;
    for jpeg in jpegs(frames) {
        writer.push(&jpeg?).map_err(failed)?;
    }
    writer.finish().map_err(failed)
}
