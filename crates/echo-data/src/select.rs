//! Frame sampling: which frames of a video make a clip.

use echo_core::{ClipSpec, Sampling};
use echo_random::Stream;

/// Where in the video a clip begins; where in each of its segments its frames lie, if [they are of segments](Sampling).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first frame; in the middle of segments.
    First,
    /// Clip `index` of `of` clips spread evenly: the first starts at the first frame, the last ends at the last frame. In the
    /// middle of the part `index` of `of` parts of each segment.
    Even {
        /// Which clip, below `of`.
        index: usize,
        /// How many clips.
        of: usize,
    },
    /// Anywhere that the clip fits, all starts equally likely: a pure function of the three numbers. Anywhere in each segment
    /// for itself; videos with fewer frames than segments are seen as ever.
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
    /// Frame numbers in the video, ascending; fewer than the clip has frames if the video is too short, or, of segments, some
    /// more than once.
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
    if let Start::Even { index, of } = start {
        assert!(index < of, "clip {index} of {of} clips");
    }
    if spec.sampling == Sampling::Segments {
        let frames = of_segments(total, spec.frames, start);
        return Selection { missing: spec.frames - frames.len(), frames };
    }
    let (stride, last_start) = (spec.stride.max(1), last_start(total, spec));
    let first = match start {
        Start::First => 0,
        Start::Even { index, of } => (last_start as u128 * index as u128 / (of as u128 - 1).max(1)) as usize,
        Start::Random { seed, video, draw } => stream(seed, video, draw).below(last_start + 1),
    };
    let frames: Vec<usize> = (first..total).step_by(stride).take(spec.frames).collect();
    Selection { missing: spec.frames - frames.len(), frames }
}

/// How many frames of a video with `total` a clip can begin at, at least 1: as many clips [spread evenly](Start::Even) begin at every
/// one of them. A clip whose frames [are of segments](Sampling) shows the whole video and begins once.
pub fn clip_starts(total: usize, spec: &ClipSpec) -> usize {
    match spec.sampling {
        Sampling::Segments => 1,
        Sampling::Strided => last_start(total, spec) + 1,
    }
}

/// The last frame that a clip can begin at; the first where the video is too short.
fn last_start(total: usize, spec: &ClipSpec) -> usize {
    let span = spec.frames.saturating_sub(1).saturating_mul(spec.stride.max(1)).saturating_add(1);
    total.saturating_sub(span)
}

/// One frame of each of `count` equal segments, as mmaction's `SampleFrames` chooses clips of one frame (TSN: Wang et al.,
/// "Temporal segment networks", ECCV 2016), in its order of operations. None of an empty video.
///
/// Segments of a random clip are whole frames long, so that the remainder of the division at the end of the video is never
/// seen, as in mmaction.
fn of_segments(total: usize, count: usize, start: Start) -> Vec<usize> {
    let (length, whole) = (total as f64 / count as f64, total / count.max(1));
    let at = |part: f64| (0..count).map(|segment| (segment as f64 * length + length * part) as usize).collect();
    match start {
        _ if total == 0 => Vec::new(),
        Start::Random { seed, video, draw } if whole > 0 => {
            let mut stream = stream(seed, video, draw);
            (0..count).map(|segment| segment * whole + stream.below(whole)).collect()
        }
        Start::First | Start::Random { .. } => at(0.5),
        Start::Even { index, of } => at((index as f64 + 0.5) / of as f64),
    }
}

fn stream(seed: u64, video: u64, draw: u64) -> Stream {
    Stream::new(seed, &format!("data/clip-start/{video:016x}"), draw)
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
    fn as_many_even_clips_as_there_are_starts_begin_at_each() {
        let spec = ClipSpec { frames: 4, stride: 2, ..spec() };
        for (total, starts) in [(0, 1), (6, 1), (7, 1), (8, 2), (30, 24)] {
            assert_eq!(clip_starts(total, &spec), starts, "{total}");
            let begins =
                (0..starts).map(|index| of(total, 4, 2, Start::Even { index, of: starts }).frames.first().copied());
            assert!(total == 0 || begins.eq((0..starts).map(Some)), "{total}");
        }
        assert_eq!(clip_starts(30, &ClipSpec { sampling: Sampling::Segments, ..spec }), 1);
    }

    fn segments(total: usize, frames: usize, start: Start) -> Vec<usize> {
        let found =
            select_frames(total, &ClipSpec { frames, sampling: Sampling::Segments, stride: 1, ..spec() }, start);
        assert_eq!(found.missing, if total == 0 { frames } else { 0 });
        found.frames
    }

    /// `(np.arange(16) * (n / 16) + n / 16 / 2).astype(int)`
    #[test]
    fn segments_are_seen_in_their_middle_in_short_videos_too() {
        assert_eq!(segments(112, 16, Start::First), (0..16).map(|i| 7 * i + 3).collect::<Vec<_>>());
        let of_44 = [1, 4, 6, 9, 12, 15, 17, 20, 23, 26, 28, 31, 34, 37, 39, 42];
        assert_eq!(segments(44, 16, Start::First), of_44);
        assert_eq!(segments(16, 16, Start::First), (0..16).collect::<Vec<_>>());
        assert_eq!(segments(10, 16, Start::First), [0, 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 9]);
        assert_eq!(segments(1, 16, Start::First), [0; 16]);
        assert!(segments(0, 16, Start::First).is_empty());
        // The middle of segment i of n / 16 frames is (2 i + 1) n / 32, in floats too: 16 is a power of two.
        for total in 1..3000 {
            let middles: Vec<usize> = (0..16).map(|i| (2 * i + 1) * total / 32).collect();
            assert_eq!(segments(total, 16, Start::First), middles, "{total}");
            assert_eq!(segments(total, 16, Start::Even { index: 0, of: 1 }), middles, "{total}");
        }
    }

    #[test]
    fn several_clips_share_the_segments_and_a_random_one_has_a_frame_of_each() {
        // Segments of 10 frames: quarters begin at 0, 2.5, 5 and 7.5, and their middles are 1.25, 3.75, 6.25 and 8.75.
        let clip = |index| segments(40, 4, Start::Even { index, of: 4 });
        assert_eq!([0, 1, 2, 3].map(|index| clip(index)[1]), [11, 13, 16, 18]);
        // 43 frames: segments of 10 for a random clip, and the last three frames are in none.
        let mut seen = [[0; 10]; 4];
        for draw in 0..2000 {
            for (segment, frame) in segments(43, 4, Start::Random { seed: 1, video: 9, draw }).into_iter().enumerate() {
                seen[segment][frame - 10 * segment] += 1;
            }
        }
        // Five standard deviations of a binomial(2000, 1/10).
        assert!(seen.iter().flatten().all(|&count: &i32| (count - 200).abs() < 68), "{seen:?}");
        let short = Start::Random { seed: 1, video: 9, draw: 3 };
        assert_eq!(segments(3, 4, short), segments(3, 4, Start::First));
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
