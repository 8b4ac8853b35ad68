//! A clip with its map over it, as a video.

use std::path::Path;

use echo_files::say;
use echo_video::AviWriter;
use gif::{EncodingError, Frame, Repeat};
use jpeg_encoder::{ColorType, Encoder};

use crate::CliError;
use crate::array_file::write_file;

/// Quality of the JPEGs of an AVI.
const QUALITY: u8 = 95;
/// Frames per second of an overlay whose video does not say.
const UNKNOWN_FPS: f64 = 30.0;
/// The shortest time that viewers show a frame of a GIF for, in hundredths of a second: they take less for a tenth.
const SHORTEST: u16 = 2;

/// Frames per second at which the frames of a clip show the heart as fast as it beats; 0 where the video does not say.
pub(super) fn shown_rate(fps: f64, frames: &[usize]) -> f64 {
    match frames {
        [first, .., last] if last > first => fps * (frames.len() - 1) as f64 / (last - first) as f64,
        _ => fps,
    }
}

/// Writes square frames of `size` pixels, `[size, size, 3]` each: with the ending `gif` as one, else as Motion-JPEG.
pub(super) fn write_overlay(
    path: &Path,
    ending: &str,
    frames: &[Vec<u8>],
    size: usize,
    fps: f64,
) -> Result<(), CliError> {
    let known = fps > 0.0 && fps.is_finite();
    if !known {
        say(&format!("{}: the video does not say its frame rate; {UNKNOWN_FPS} a second are shown", path.display()));
    }
    let fps = if known { fps } else { UNKNOWN_FPS };
    let side = u16::try_from(size).map_err(CliError::file(path))?;
    if ending == "gif" {
        let most = 100.0 / f64::from(SHORTEST);
        if fps > most {
            let path = path.display();
            say(&format!("{path}: a GIF shows {most} frames a second at most, and these are {fps:.1}: it is too slow"));
        }
        let bytes = gif_of(frames, side, fps).map_err(CliError::file(path))?;
        return write_file(path, &bytes);
    }
    let mut writer = AviWriter::create(path, size, size, fps)?;
    for frame in frames {
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, QUALITY).encode(frame, side, side, ColorType::Rgb).map_err(CliError::file(path))?;
        writer.push(&jpeg)?;
    }
    Ok(writer.finish()?)
}

/// A GIF that begins again at its end. Every frame has 256 colours of its own, chosen with care (a fifth of a second at full size):
/// hasty ones tint greys and miss the hottest places.
fn gif_of(frames: &[Vec<u8>], side: u16, fps: f64) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, side, side, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    for (place, rgb) in frames.iter().enumerate() {
        let frame = Frame { delay: delay(place, fps), ..Frame::from_rgb(side, side, rgb) };
        encoder.write_frame(&frame)?;
    }
    drop(encoder);
    Ok(bytes)
}

/// How long a frame is shown, in hundredths of a second: until the next one begins, rounded, so that errors do not add up.
fn delay(place: usize, fps: f64) -> u16 {
    let begins = |place: usize| (100.0 * place as f64 / fps).round();
    ((begins(place + 1) - begins(place)) as u16).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use gif::{ColorOutput, DecodeOptions};

    use super::*;
    use crate::heat::paint;

    #[test]
    fn an_overlay_of_every_second_frame_has_half_the_rate() {
        assert_eq!(shown_rate(50.0, &[0, 2, 4, 6]), 25.0);
        assert_eq!(shown_rate(50.0, &[10, 11, 12]), 50.0);
        assert_eq!(shown_rate(50.0, &[3]), 50.0);
        assert_eq!(shown_rate(0.0, &[0, 5]), 0.0);
    }

    #[test]
    fn delays_add_up_to_the_true_time() {
        let of = |fps: f64| (0..30).map(|place| delay(place, fps)).collect::<Vec<_>>();
        assert_eq!(of(30.0)[..6], [3, 4, 3, 3, 4, 3]);
        assert_eq!(of(30.0).iter().sum::<u16>(), 100);
        assert_eq!(of(25.0), [4; 30]);
        assert_eq!(of(80.0), [2; 30], "never shorter");
    }

    /// All greys, under no heat to most: each pixel is as it was but for what 256 colours cost. Measured: 3.2 levels, 23 at most;
    /// with colours that are chosen in haste 5.2 and 28.
    #[test]
    fn a_gif_has_its_frames_greys_and_heat_and_loops_for_ever() {
        let side = 64usize;
        let frames: Vec<Vec<u8>> = (0..3)
            .map(|frame| {
                let greys: Vec<u8> = (0..side * side).flat_map(|pixel| [(pixel % side * 4 + frame) as u8; 3]).collect();
                let heat: Vec<f32> = (0..side * side).map(|pixel| (pixel / side) as f32 / side as f32 - 0.3).collect();
                paint(&greys, &heat)
            })
            .collect();
        let bytes = gif_of(&frames, side as u16, 25.0).unwrap();
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::RGBA);
        let mut decoder = options.read_info(&bytes[..]).unwrap();
        let (mut errors, mut count) = (Vec::new(), 0);
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!((frame.delay, frame.width, frame.height), (4, 64, 64));
            let found = frame.buffer.as_chunks::<4>().0.iter().flat_map(|rgba| &rgba[..3]);
            errors.extend(found.zip(&frames[count]).map(|(&found, &rgb)| f64::from(found.abs_diff(rgb))));
            count += 1;
        }
        assert_eq!((count, decoder.repeat()), (3, Repeat::Infinite));
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let most = errors.iter().copied().fold(0.0, f64::max);
        assert!(mean < 4.0 && most < 26.0, "{mean} {most}");
    }
}
