//! Decoded pixels are those that were compressed.

use echo_video::{OpenOptions, Video};
use jpeg_encoder::SamplingFactor;

use crate::clips::{Jpeg, difference, file, find, picture, write_avi};

fn decode(width: usize, height: usize, jpeg: Vec<u8>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.avi");
    write_avi(&path, width, height, &[jpeg]);
    // Whatever is on this machine, ffmpeg must not be asked.
    let options = OpenOptions { ffmpeg: Some("/nonexistent/ffmpeg".into()), ..OpenOptions::default() };
    Video::open(&path, &options).unwrap().decode_all().unwrap().data
}

/// Sizes that are no multiples of a unit, every way of sharing chroma, restart markers. Quality 92 costs 1 to 4 levels on
/// average; where columns or rows share chroma, the edges of the patch cost more, and a wrong order of blocks or a
/// shifted plane costs tens of levels.
#[test]
fn every_sampling_and_odd_sizes() {
    use SamplingFactor::*;
    for sampling in [F_1_1, F_2_1, F_1_2, F_2_2] {
        for (width, height) in [(112, 112), (37, 21), (8, 8), (1, 1), (65, 16), (16, 65)] {
            for restart in [0, 3] {
                let jpeg = Jpeg { sampling, restart, grey: false };
                let rgb = picture(width, height, 3);
                let decoded = decode(width, height, jpeg.encode(width, height, &rgb));
                let (mean, _) = difference(&decoded, &rgb);
                let shared = !matches!(sampling, F_1_1);
                // The smallest picture is mostly patch.
                let limit = match (shared, width) {
                    (true, 8) => 13.0,
                    (true, _) => 7.0,
                    (false, _) => 5.0,
                };
                assert!(mean < limit, "{sampling:?} {width}x{height} restart {restart}: mean {mean}");
                if restart > 0 {
                    let without = Jpeg { restart: 0, ..jpeg }.encode(width, height, &rgb);
                    assert!(decode(width, height, without) == decoded, "{sampling:?}: restart markers change pixels");
                }
            }
        }
    }
}

/// Without colours the chroma planes are flat: no layout may change a grey picture, but for chroma's rounding by a level.
#[test]
fn grey_pictures_do_not_depend_on_the_layout() {
    use SamplingFactor::*;
    let (width, height) = (61, 43);
    let rgb: Vec<u8> = picture(width, height, 1).chunks(3).flat_map(|rgb| [rgb[0]; 3]).collect();
    let grey = decode(width, height, Jpeg { grey: true, ..Jpeg::default() }.encode(width, height, &rgb));
    assert!(difference(&grey, &rgb).0 < 2.5, "{:?}", difference(&grey, &rgb));
    for sampling in [F_1_1, F_2_1, F_1_2, F_2_2] {
        let other = decode(width, height, Jpeg { sampling, ..Jpeg::default() }.encode(width, height, &rgb));
        let (mean, max) = difference(&other, &grey);
        assert!(mean < 0.1 && max <= 1, "{sampling:?}: mean {mean} max {max}");
    }
}

/// AVI1-style frames rely on the tables of the standard, which this encoder uses unless told otherwise.
#[test]
fn frames_without_huffman_tables() {
    let rgb = picture(48, 32, 2);
    let whole = Jpeg::default().encode(48, 32, &rgb);
    let mut stripped = whole.clone();
    while let Some(at) = stripped.windows(2).position(|pair| pair == [0xff, 0xc4]) {
        let length = usize::from(u16::from_be_bytes([stripped[at + 2], stripped[at + 3]]));
        stripped.drain(at..at + 2 + length);
    }
    assert!(stripped.len() + 400 < whole.len());
    assert!(decode(48, 32, stripped) == decode(48, 32, whole));
}

/// ffmpeg's mark for luma of 16 to 235: levels spread by 255/219 around black.
#[test]
fn limited_range_is_respected() {
    let grey = |level: u8| Jpeg::default().encode(16, 16, &[level; 16 * 16 * 3]);
    for (level, expected) in [(16, 0), (235, 255), (126, 128), (5, 0), (250, 255)] {
        let mut jpeg = grey(level);
        let tables = find(&jpeg, &[0xff, 0xdb], 0);
        jpeg.splice(tables..tables, *b"\xff\xfe\x00\x0bCS=ITU601");
        let pixel = decode(16, 16, jpeg)[0];
        // A flat block is exact up to one level of quantisation.
        assert!(pixel.abs_diff(expected) <= 2, "{level} -> {pixel}, not {expected}");
        assert!(decode(16, 16, grey(level))[0].abs_diff(level) <= 1);
    }
}

/// A picture is decoded the same by one thread and by many.
#[test]
fn decoding_does_not_depend_on_threads() {
    let bytes = crate::clips::small_avi(40);
    let (_folder, path) = file("a.avi", &bytes);
    let video = Video::open(&path, &OpenOptions::default()).unwrap();
    let together = video.decode_all().unwrap();
    for frame in 0..40 {
        assert!(video.decode(&[frame]).unwrap().data == together.frame(frame), "{frame}");
    }
}
