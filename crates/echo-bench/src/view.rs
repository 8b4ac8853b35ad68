//! Which clips of a video are seen, and how.

use echo_data::{Look, Shift, Start};
use echo_random::Stream;
use echo_train::AugmentConfig;
use serde::Serialize;

/// Which clips of a video are seen, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct View {
    /// Clips, spread evenly over the video; a single one starts at the first frame.
    pub clips: usize,
    /// Another look at the video, as training takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmented: Option<Augmented>,
}

/// One of the looks that augmentation gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Augmented {
    /// How.
    pub how: AugmentConfig,
    /// Which.
    pub index: usize,
}

impl View {
    /// The clips as they are.
    pub(crate) fn plain(clips: usize) -> Self {
        Self { clips, augmented: None }
    }

    /// View `index` of those that `how` gives.
    pub(crate) fn augmented(self, how: AugmentConfig, index: usize) -> Self {
        Self { augmented: Some(Augmented { how, index }), ..self }
    }

    /// How the clip at place `clip` of the video with this digest is seen, when frames have `size` pixels a side: a pure
    /// function of all of them, the same for every seed, so that it can be cached.
    pub(crate) fn look(&self, clip: usize, video: &blake3::Hash, size: usize) -> Look {
        let start = match self.clips {
            1 => Start::First,
            of => Start::Even { index: clip, of },
        };
        let Some(Augmented { how, index }) = self.augmented else { return start.into() };
        let video = u64::from_le_bytes(std::array::from_fn(|place| video.as_bytes()[place]));
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
        let plain = AugmentConfig { pad: 0.0, random_start: false, ..how };
        assert_eq!(View::plain(1).augmented(plain, 2).look(0, &a, 112), Start::First.into());
    }
}
