//! Videos: AVI, the pictures in it, and DICOM.

use std::path::Path;
use std::sync::LazyLock;

use echo_phantom::{Phantom, Population};
use echo_video::{AviWriter, Mask, OpenOptions, Video, VideoError};

use super::{files_in, scratch};

/// DICOM files of the fixtures that are refused as they are.
const REFUSED: [&str; 3] = ["structured_report.dcm", "htj2k_rct.dcm", "jpeg_extended_12bit.dcm"];

/// Sides of the frames of [`avi_of`].
const SIDE: usize = 112;

/// Opens a video and decodes all frames: masked, and as they are, which decides whether it can be read. What is truncated is
/// read as far as it goes.
pub(super) fn read(path: &Path) -> Result<(), String> {
    let message = |error: VideoError| error.to_string();
    let decode = |mask, allow_truncated| {
        let options = OpenOptions {
            allow_truncated,
            mask,
            // A program of its own, with limits of its own.
            ffmpeg: Some("no-ffmpeg".into()),
            // Frames, not files, decide about the memory that these take: a small file may hold large ones.
            max_pixels: 1 << 20,
            ..OpenOptions::default()
        };
        Video::open(path, &options).and_then(|video| video.for_each_frame(|_| ()))
    };
    let _ = decode(Mask::Auto, true);
    decode(Mask::None, false).or_else(|_| decode(Mask::None, true)).map_err(message)
}

pub(super) fn avis() -> Vec<Vec<u8>> {
    vec![avi_of_frames(&jpegs()), avi_of_frames(&jpegs()[..1])]
}

/// Pictures of a small heart.
pub(super) fn jpegs() -> Vec<Vec<u8>> {
    let heart = Phantom::draw(7, 0, Population::Target(35.0)).expect("a heart that can be drawn").render();
    heart.jpegs().take(3).map(|jpeg| jpeg.expect("a frame that can be compressed")).collect()
}

/// A video of one picture: one of a heart, padded, whose place the picture takes, whatever it is.
pub(super) fn avi_of(jpeg: &[u8]) -> Vec<u8> {
    static HEART: LazyLock<Vec<u8>> = LazyLock::new(|| jpegs().swap_remove(0));
    let mut padded = HEART.clone();
    padded.resize(padded.len().max(jpeg.len()), 0);
    let mut bytes = avi_of_frames(&[padded.clone()]);
    let at = bytes.windows(padded.len()).position(|window| window == padded).expect("the picture in its video");
    bytes[at..at + padded.len()].fill(0);
    bytes[at..at + jpeg.len()].copy_from_slice(jpeg);
    bytes
}

fn avi_of_frames(jpegs: &[Vec<u8>]) -> Vec<u8> {
    let folder = scratch();
    let path = folder.path().join("a.avi");
    let mut writer = AviWriter::create(&path, SIDE, SIDE, 50u32).expect("a new file");
    jpegs.iter().for_each(|jpeg| writer.push(jpeg).expect("a picture"));
    writer.finish().expect("a whole video");
    std::fs::read(path).expect("the video")
}

pub(super) fn dicoms() -> Vec<Vec<u8>> {
    let files = files_in("crates/echo-video/tests/fixtures/dicom", ".dcm").into_iter();
    files.filter(|(name, _)| !REFUSED.contains(&name.as_str())).map(|(_, bytes)| bytes).collect()
}
