//! How much of the heart's motion a clip shows: of a still picture, or of a few frames where an encoder looks at many,
//! what it says of motion is made up.

use echo_core::ClipSpec;
use echo_video::Frames;

/// Grey levels by which two decodings of the same picture may differ, as lossy compression leaves them.
pub const SAME_LEVELS: f32 = 8.0;

/// How many of `count` frames differ from the last one that did; `same` compares two by their numbers.
pub fn count_pictures(count: usize, same: impl Fn(usize, usize) -> bool) -> usize {
    let mut last = 0;
    let mut pictures = count.min(1);
    for frame in 1..count {
        if !same(last, frame) {
            last = frame;
            pictures += 1;
        }
    }
    pictures
}

/// What is doubtful about a clip of these frames, when an encoder looks at as many as `spec` says.
pub fn doubt_of(frames: &Frames, spec: &ClipSpec) -> Option<String> {
    doubt(pictures_of(frames), spec.frames)
}

fn pictures_of(frames: &Frames) -> usize {
    let same = |(a, b): (&u8, &u8)| f32::from(a.abs_diff(*b)) <= SAME_LEVELS;
    count_pictures(frames.count, |one, other| frames.frame(one).iter().zip(frames.frame(other)).all(same))
}

/// What is doubtful about a clip with that many pictures, when an encoder looks at `frames` frames.
pub fn doubt(pictures: usize, frames: usize) -> Option<String> {
    match pictures {
        _ if frames <= 1 => None,
        0 | 1 => Some("a still picture".to_owned()),
        _ if 2 * pictures < frames => {
            Some(format!("shows {pictures} of the {frames} frames that the encoder looks at"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(levels: &[u8]) -> usize {
        let data = levels.iter().flat_map(|&level| [level, 100, 0]).collect();
        pictures_of(&Frames { data, count: levels.len(), height: 1, width: 1, fps: 50.0 })
    }

    #[test]
    fn frames_that_repeat_another_are_no_pictures_of_their_own() {
        assert_eq!(pictures(&[]), 0);
        assert_eq!(pictures(&[7]), 1);
        assert_eq!(pictures(&[7, 7, 7, 12, 4]), 1, "compressed again");
        assert_eq!(pictures(&[0, 20, 0, 20]), 4);
        assert_eq!(pictures(&[0, 0, 20, 20]), 2);
        // What creeps is not still.
        assert_eq!(pictures(&[0, 5, 10, 15, 20]), 3);
    }

    #[test]
    fn fewer_than_half_of_the_frames_are_doubtful() {
        assert_eq!(doubt(1, 16).as_deref(), Some("a still picture"));
        assert_eq!(doubt(1, 2).as_deref(), Some("a still picture"));
        assert_eq!(doubt(7, 16).as_deref(), Some("shows 7 of the 16 frames that the encoder looks at"));
        assert_eq!([doubt(8, 16), doubt(16, 16), doubt(1, 1)], [None, None, None]);
    }
}
