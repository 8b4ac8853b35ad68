//! A file to a video that shows its sector.

use std::path::Path;

use echo_video::{AviWriter, OpenOptions, Sector, Video, VideoError};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rayon::prelude::*;

use super::identity::Identities;
use super::journal::{self, Done, Outcome, version};
use crate::CliError;

/// Frames per second that are written where a file does not say: what recorders have.
const UNKNOWN_FPS: f64 = 30.0;

/// How videos are written.
pub(super) struct Writer<'a> {
    pub(super) options: &'a OpenOptions,
    pub(super) identities: &'a Identities,
    pub(super) out: &'a Path,
    pub(super) quality: u8,
}

impl Writer<'_> {
    /// Writes the video of a file that lies at `below` in the folder.
    ///
    /// # Errors
    /// It cannot be written; that it cannot be read is an outcome.
    pub(super) fn write(&self, file: &Path, below: &Path) -> Result<Done, CliError> {
        let outcome = match Video::open(file, self.options) {
            Ok(video) => self.of_video(&video, below)?,
            Err(error) => {
                let study = self.identities.names(below, None).study;
                // A report or a document among the pictures is no fault.
                match error {
                    VideoError::NotAVideo { cause, .. } | VideoError::NoPicture { cause, .. } => {
                        Outcome::Skipped { study, reason: cause }
                    }
                    error => Outcome::Failed { study, reason: error.to_string() },
                }
            }
        };
        let source = below.to_string_lossy().into_owned();
        Ok(Done { source, version: version(file).unwrap_or_default(), outcome })
    }

    fn of_video(&self, video: &Video, below: &Path) -> Result<Outcome, CliError> {
        let info = video.info();
        let facts = info.dicom.as_ref();
        let names = self.identities.names(below, facts);
        let study = names.study.clone();
        let skipped = |reason: &str| Ok(Outcome::Skipped { study: study.clone(), reason: reason.to_owned() });
        if info.frames < 2 {
            return skipped("a still");
        }
        if let Some(trace) = facts.and_then(|facts| facts.trace()) {
            return skipped(trace);
        }
        let doubt = match video.sector() {
            Ok(sector) => sector.and_then(Sector::doubt),
            Err(VideoError::NoSector { cause, .. }) => {
                return skipped(&format!("no ultrasound sector is found: {cause}"));
            }
            Err(error) => return Ok(Outcome::Failed { study, reason: error.to_string() }),
        };
        let path = self.out.join("Videos").join(format!("{}.avi", names.video));
        if let Err(error) = self.encode(video, &path) {
            return match error {
                VideoError::Write { .. } => Err(error.into()),
                VideoError::Io { path: at, source } if at.starts_with(self.out) => Err(CliError::file(&path)(source)),
                error => Ok(Outcome::Failed { study, reason: error.to_string() }),
            };
        }
        let mut warnings = info.warnings.clone();
        warnings.extend(doubt.map(|doubt| format!("the ultrasound sector: {doubt}")));
        warnings.extend(info.truncated.as_ref().map(|truncated| format!("truncated: {}", truncated.cause)));
        if info.fps <= 0.0 {
            warnings.push(format!("its frame rate is unknown; {UNKNOWN_FPS} is written"));
        }
        if names.is_unlisted {
            let what = "the list of patients and studies does not have it: if others of its patient are listed, they have \
                        another name";
            warnings.push(what.to_owned());
        }
        if names.by_folder {
            warnings.push("patient and study are those of its folders".to_owned());
        }
        Ok(Outcome::Written(journal::Video {
            name: names.video,
            object: names.object,
            patient: names.patient,
            study: names.study,
            fps: if info.fps > 0.0 { info.fps } else { UNKNOWN_FPS },
            frames: info.frames,
            height: info.height,
            width: info.width,
            spacing: facts.and_then(|facts| facts.spacing),
            warning: warnings.join("; "),
        }))
    }

    fn encode(&self, video: &Video, path: &Path) -> Result<(), VideoError> {
        let info = video.info();
        let fps = if info.fps > 0.0 { info.fps } else { UNKNOWN_FPS };
        let mut writer = AviWriter::create(path, info.width, info.height, fps)?;
        let mut failed = Ok(());
        let every: Vec<usize> = (0..info.frames).collect();
        video.decode_in_parts(&every, |_, pixels| {
            if failed.is_err() {
                return;
            }
            let frames: Vec<Result<Vec<u8>, String>> = pixels
                .par_chunks(info.width * info.height * 3)
                .map(|frame| self.jpeg(frame, info.width, info.height))
                .collect();
            failed = frames.into_iter().try_for_each(|jpeg| {
                let refused = |cause| VideoError::Write { path: path.to_owned(), cause };
                writer.push(&jpeg.map_err(refused)?)
            });
        })?;
        failed?;
        writer.finish()
    }

    /// With chroma for each pixel: the colours of Doppler lie close together.
    fn jpeg(&self, frame: &[u8], width: usize, height: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
        let side =
            |side: usize| u16::try_from(side).map_err(|_| format!("{width}x{height} pixels are too many for JPEG"));
        encoder.encode(frame, side(width)?, side(height)?, ColorType::Rgb).map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}
