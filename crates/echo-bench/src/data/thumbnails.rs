//! Small pictures of a video as data addresses.

use std::path::Path;

use echo_data::{Size, shrunk};
use echo_report::jpeg_address;
use echo_video::{OpenOptions, Video};
use jpeg_encoder::{ColorType, Encoder};

/// Pixels of the longer side.
const SIDE: usize = 96;
const QUALITY: u8 = 75;

/// The first and the middle frame as JPEG data addresses.
///
/// # Errors
/// Why there are none, in words.
pub(crate) fn thumbnails(path: &Path, options: &OpenOptions) -> Result<Vec<String>, String> {
    let video = Video::open(path, &options.for_pictures()).map_err(|error| error.to_string())?;
    let frames = video.decode(&[0, video.info().frames / 2]).map_err(|error| error.to_string())?;
    let (height, width) = (frames.height, frames.width);
    if height == 0 || width == 0 {
        return Err("its frames are empty".to_owned());
    }
    let mut pictures = Vec::new();
    for frame in frames.iter() {
        let (to, pixels) = shrunk(frame, Size { height, width }, Size { height: SIDE, width: SIDE });
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, QUALITY)
            .encode(&pixels, to.width as u16, to.height as u16, ColorType::Rgb)
            .map_err(|error| error.to_string())?;
        pictures.push(jpeg_address(&jpeg));
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_video_is_a_reason() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(thumbnails(file.path(), &OpenOptions::default()).is_err());
    }
}
