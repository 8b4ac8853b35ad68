//! How much of the heart's motion a clip shows: of a still picture, or of a few frames where an encoder looks at many,
//! what it says of motion is made up.

use echo_files::counted;

/// Grey levels by which two decodings of the same picture may differ, as lossy compression leaves them.
pub const SAME_LEVELS: f32 = 8.0;

/// How many of `count` frames are the same as none before; `same` compares two by their numbers.
pub fn count_pictures(count: usize, same: impl Fn(usize, usize) -> bool) -> usize {
    let mut distinct: Vec<usize> = Vec::new();
    for frame in 0..count {
        if !distinct.iter().rev().any(|&other| same(other, frame)) {
            distinct.push(frame);
        }
    }
    distinct.len()
}

/// How many of the pictures `[count, ...]`, of `length` bytes each, are the same as none before.
pub(crate) fn count_pictures_in(pictures: &[u8], length: usize) -> usize {
    let picture = |index: usize| &pictures[index * length..][..length];
    let same = |(a, b): (&u8, &u8)| f32::from(a.abs_diff(*b)) <= SAME_LEVELS;
    count_pictures(pictures.len() / length.max(1), |one, other| picture(one).iter().zip(picture(other)).all(same))
}

/// What is doubtful about a clip with that many distinct pictures, when an encoder looks at `frames` frames.
pub fn doubt(pictures: usize, frames: usize) -> Option<String> {
    let says = match pictures {
        _ if frames <= 1 || 2 * pictures >= frames.max(3) => return None,
        0 | 1 => "a still picture to the encoder",
        _ => "less than half of what the encoder looks at",
    };
    Some(format!("{says}: {} of {frames}", counted(pictures, "distinct frame")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(levels: &[u8]) -> usize {
        let data: Vec<u8> = levels.iter().flat_map(|&level| [level, 100, 0]).collect();
        count_pictures_in(&data, 3)
    }

    #[test]
    fn frames_that_repeat_another_are_no_pictures_of_their_own() {
        assert_eq!(pictures(&[]), 0);
        assert_eq!(pictures(&[7]), 1);
        assert_eq!(pictures(&[7, 7, 7, 12, 4]), 1, "compressed again");
        assert_eq!(pictures(&[0, 20, 0, 20]), 2, "to and fro");
        assert_eq!(pictures(&[0, 0, 20, 20]), 2);
        assert_eq!(pictures(&[0, 0, 0, 0, 20, 40]), 3, "motion at the end");
        // What creeps is not still.
        assert_eq!(pictures(&[0, 5, 10, 15, 20]), 3);
    }

    #[test]
    fn fewer_than_half_of_the_frames_are_doubtful() {
        assert_eq!(doubt(1, 16).as_deref(), Some("a still picture to the encoder: 1 distinct frame of 16"));
        assert!(doubt(1, 2).is_some_and(|doubt| doubt.contains("still") && doubt.ends_with("1 distinct frame of 2")));
        let few = "less than half of what the encoder looks at: 7 distinct frames of 16";
        assert_eq!(doubt(7, 16).as_deref(), Some(few));
        assert_eq!([doubt(8, 16), doubt(16, 16), doubt(1, 1)], [None, None, None]);
    }
}
