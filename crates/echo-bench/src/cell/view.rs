//! Which clips of a video are seen, and how.

use echo_data::{Look, Shift, Start};
use echo_random::Stream;
use echo_train::AugmentConfig;
use serde::{Deserialize, Serialize};

use crate::BenchConfig;

/// Which clips of a video are seen, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Clips, spread evenly over the video; a single one starts at the first frame.
    pub clips: usize,
    /// Clips begin anywhere in the video instead, one draw each.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub random_start: bool,
    /// Another look at the video, as training takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmented: Option<Augmented>,
}

/// One of the looks that augmentation gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augmented {
    /// How.
    pub how: AugmentConfig,
    /// Which.
    pub index: usize,
}

impl View {
    /// The clips as they are.
    pub(crate) fn plain(clips: usize) -> Self {
        Self { clips, random_start: false, augmented: None }
    }

    /// The looks of a benchmark's videos.
    pub(crate) fn of(config: &BenchConfig) -> Self {
        Self { random_start: config.random_start, ..Self::plain(config.clips) }
    }

    /// View `index` of those that `how` gives.
    pub(crate) fn augmented(self, how: AugmentConfig, index: usize) -> Self {
        Self { augmented: Some(Augmented { how, index }), ..self }
    }

    /// How the clip at place `clip` of the video with this digest is seen, when frames have `size` pixels a side: a pure
    /// function of all of them, the same for every seed, so that it can be cached.
    pub(crate) fn look(&self, clip: usize, video: &blake3::Hash, size: usize) -> Look {
        let video = u64::from_le_bytes(std::array::from_fn(|place| video.as_bytes()[place]));
        let start = match self.clips {
            _ if self.random_start => Start::Random { seed: 0, video, draw: clip as u64 },
            1 => Start::First,
            of => Start::Even { index: clip, of },
        };
        let Some(Augmented { how, index }) = self.augmented else { return start.into() };
        let draw = (index * self.clips + clip) as u64;
        let most = (how.pad * size as f64).round() as usize;
        let mut stream = Stream::new(0, &format!("bench/shift/{video:016x}"), draw);
        let mut shift = || stream.below(2 * most + 1) as i32 - most as i32;
        Look {
            start: if how.random_start { Start::Random { seed: 0, video, draw } } else { start },
            shift: Shift { right: shift(), down: shift() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_differ_between_views_clips_and_videos_and_stay_in_bounds() {
        let how = AugmentConfig { views: 3, pad: 0.1, random_start: true };
        let (a, b) = (blake3::hash(b"a"), blake3::hash(b"b"));
        let look = |clips, index, clip, video| View::plain(clips).augmented(how, index).look(clip, video, 112);
        let first = look(2, 0, 0, &a);
        assert_eq!(first, look(2, 0, 0, &a));
        let others = [look(2, 1, 0, &a), look(2, 0, 1, &a), look(2, 0, 0, &b)];
        assert!(others.iter().all(|other| *other != first), "{first:?} {others:?}");
        let shifts: Vec<Shift> = (0..200).map(|index| look(1, index, 0, &a).shift).collect();
        let most = shifts.iter().flat_map(|shift| [shift.right.abs(), shift.down.abs()]).max();
        assert_eq!(most, Some(11), "a tenth of 112 pixels, reached");
        assert!(shifts.iter().any(|shift| shift.right < 0) && shifts.iter().any(|shift| shift.down > 0));
        let starts = |config: BenchConfig| [0, 1].map(|clip| View::of(&config).look(clip, &a, 112).start);
        let anywhere = starts(BenchConfig { random_start: true, clips: 2, ..BenchConfig::default() });
        assert!(matches!(anywhere, [Start::Random { draw: 0, .. }, Start::Random { draw: 1, .. }]), "{anywhere:?}");
        assert_eq!(
            starts(BenchConfig { clips: 2, ..BenchConfig::default() }),
            [0, 1].map(|index| Start::Even { index, of: 2 })
        );
        let plain = AugmentConfig { pad: 0.0, random_start: false, ..how };
        assert_eq!(View::plain(1).augmented(plain, 2).look(0, &a, 112), Start::First.into());
    }
}
