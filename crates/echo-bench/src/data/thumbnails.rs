//! Small pictures of a video as data addresses.

use std::path::Path;

use echo_core::Filter;
use echo_data::{Image, Resizer, Size, Window};
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
    let video = Video::open(path, options).map_err(|error| error.to_string())?;
    let frames = video.decode(&[0, video.info().frames / 2]).map_err(|error| error.to_string())?;
    let (height, width) = (frames.height, frames.width);
    if height == 0 || width == 0 {
        return Err("its frames are empty".to_owned());
    }
    let longer = height.max(width);
    let side = |length: usize| (length * SIDE / longer).max(1);
    let to = Size { height: side(height), width: side(width) };
    let resizer = Resizer::new(Filter::PilBicubic, Size { height, width }, to);
    let mut pixels = vec![0; to.height * to.width * 3];
    let mut pictures = Vec::new();
    for frame in frames.iter() {
        resizer.run(Image::new(frame, width, Window::whole(height, width)), &mut pixels);
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, QUALITY)
            .encode(&pixels, to.width as u16, to.height as u16, ColorType::Rgb)
            .map_err(|error| error.to_string())?;
        pictures.push(format!("data:image/jpeg;base64,{}", base64(&jpeg)));
    }
    Ok(pictures)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain(&[0; 3]).take(3).fold(0_usize, |word, &byte| word << 8 | usize::from(byte));
        for place in 0..4 {
            match place <= chunk.len() {
                true => text.push(char::from(ALPHABET[word >> (18 - 6 * place) & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_file_that_is_no_video_is_a_reason() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(thumbnails(file.path(), &OpenOptions::default()).is_err());
    }
}
