//! Frame sampling: which frames of a video make a clip.

use echo_core::ClipSpec;
use echo_random::Stream;

/// Where in the video a clip begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first frame.
    First,
    /// Clip `index` of `of` clips spread evenly: the first starts at the first frame, the last ends at the last frame.
    Even {
        /// Which clip, below `of`.
        index: usize,
        /// How many clips.
        of: usize,
    },
    /// Anywhere that the clip fits, all starts equally likely: a pure function of the three numbers.
    Random {
        /// The run's seed.
        seed: u64,
        /// A number of the video that does not depend on its place in a list.
        video: u64,
        /// Which draw for this video, such as the epoch.
        draw: u64,
    },
}

/// The frames of one clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Frame numbers in the video, ascending; fewer than the clip has frames if the video is too short.
    pub frames: Vec<usize>,
    /// Frames of the clip that the video does not have: [`Padding`](echo_core::Padding) decides what stands for them.
    pub missing: usize,
}

/// The frames of a clip out of a video with `total` frames.
///
/// A video shorter than [`ClipSpec::span`] is taken from its first frame, whatever `start` says, so that as much of it
/// as possible is seen. A stride of 0 counts as 1 ([`prepare`](crate::prepare) refuses it).
///
/// # Panics
/// When `start` is clip `index` of no more than `index` clips.
pub fn select_frames(total: usize, spec: &ClipSpec, start: Start) -> Selection {
    let stride = spec.stride.max(1);
    let span = spec.frames.saturating_sub(1).saturating_mul(stride).saturating_add(1);
    let last_start = total.saturating_sub(span);
    let first = match start {
        Start::First => 0,
        Start::Even { index, of } => {
            assert!(index < of, "clip {index} of {of} clips");
            (last_start as u128 * index as u128 / (of as u128 - 1).max(1)) as usize
        }
        Start::Random { seed, video, draw } => {
            Stream::new(seed, &format!("data/clip-start/{video:016x}"), draw).below(last_start + 1)
        }
    };
    let frames: Vec<usize> = (first..total).step_by(stride).take(spec.frames).collect();
    Selection { missing: spec.frames - frames.len(), frames }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::spec;

    fn of(total: usize, frames: usize, stride: usize, start: Start) -> Selection {
        select_frames(total, &ClipSpec { frames, stride, ..spec() }, start)
    }

    #[test]
    fn the_first_clip_is_a_strided_slice_and_counts_what_is_missing() {
        assert_eq!(of(60, 4, 2, Start::First), Selection { frames: vec![0, 2, 4, 6], missing: 0 });
        // 5 frames hold numbers 0, 2, 4; 6 hold no more than that.
        assert_eq!(of(5, 4, 2, Start::First), Selection { frames: vec![0, 2, 4], missing: 1 });
        assert_eq!(of(6, 4, 2, Start::First), Selection { frames: vec![0, 2, 4], missing: 1 });
        assert_eq!(of(7, 4, 2, Start::First).missing, 0);
        assert_eq!(of(0, 4, 2, Start::First), Selection { frames: vec![], missing: 4 });
    }

    #[test]
    fn even_clips_reach_from_the_first_frame_to_the_last() {
        let starts: Vec<_> = (0..4).map(|index| of(112, 16, 1, Start::Even { index, of: 4 }).frames[0]).collect();
        assert_eq!(starts, [0, 32, 64, 96]);
        assert_eq!(of(112, 16, 1, Start::Even { index: 3, of: 4 }).frames.last(), Some(&111));
        assert_eq!(of(112, 16, 1, Start::Even { index: 0, of: 1 }).frames[0], 0);
        assert_eq!(of(9, 16, 1, Start::Even { index: 3, of: 4 }).frames, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn random_starts_reach_every_place_where_the_clip_fits_and_no_other() {
        // Span 7 of 10 frames: starts 0, 1, 2, 3.
        let draws = |draw| of(10, 4, 2, Start::Random { seed: 1, video: 9, draw });
        let mut counts = [0; 4];
        for draw in 0..4000 {
            let selection = draws(draw);
            assert_eq!(selection.missing, 0);
            counts[selection.frames[0]] += 1;
        }
        // Five standard deviations of a binomial(4000, 1/4).
        assert!(counts.iter().all(|&count: &i32| (count - 1000).abs() < 137), "{counts:?}");
        assert_eq!(draws(7), draws(7));
        let other = |seed, video| {
            (0..32).any(|draw| {
                of(1000, 4, 2, Start::Random { seed, video, draw })
                    != of(1000, 4, 2, Start::Random { seed: 1, video: 9, draw })
            })
        };
        assert!(other(2, 9) && other(1, 10));
    }
}
