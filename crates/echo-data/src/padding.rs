//! Padding: what stands for the frames that a short video does not have.

use echo_core::Padding;

/// What a padded plane of a clip holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Filler {
    /// The pixels of this frame of the clip.
    Frame(usize),
    /// This value everywhere.
    Constant(f32),
}

/// Frames of a clip for which `present` of `wanted` frames exist.
pub(crate) fn padded_len(padding: Padding, present: usize, wanted: usize) -> usize {
    match padding {
        Padding::Shorter => present.min(wanted),
        Padding::ZerosAfterNormalize | Padding::ZerosBeforeNormalize | Padding::RepeatLast => wanted,
    }
}

/// What stands for a missing frame after `present` frames, in a channel where black becomes `black`.
pub(crate) fn filler(padding: Padding, present: usize, black: f32) -> Filler {
    match padding {
        Padding::ZerosAfterNormalize => Filler::Constant(0.0),
        Padding::ZerosBeforeNormalize => Filler::Constant(black),
        Padding::Shorter | Padding::RepeatLast => Filler::Frame(present.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shorter_keeps_a_short_clip_short() {
        assert_eq!(padded_len(Padding::Shorter, 3, 16), 3);
        for padding in [Padding::ZerosAfterNormalize, Padding::ZerosBeforeNormalize, Padding::RepeatLast] {
            assert_eq!(padded_len(padding, 3, 16), 16);
        }
    }

    #[test]
    fn each_rule_has_its_own_filler() {
        assert_eq!(filler(Padding::ZerosAfterNormalize, 3, -0.6), Filler::Constant(0.0));
        assert_eq!(filler(Padding::ZerosBeforeNormalize, 3, -0.6), Filler::Constant(-0.6));
        assert_eq!(filler(Padding::RepeatLast, 3, -0.6), Filler::Frame(2));
    }
}
