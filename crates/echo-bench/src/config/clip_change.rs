//! The table `[clip]` of a recipe: clips other than the encoder's card describes.

use std::fmt;

use echo_core::{ClipSpec, Padding, Sampling};
use serde::{Deserialize, Serialize};

use crate::{BenchError, Limits};

/// What a recipe changes of the clips that its cells see, in training and test and at every stage. What it does not
/// name is the encoder's card's, and for `clips` the benchmark's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipChange {
    /// Frames in a clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Distance between neighbouring frames of a clip, in frames of the video; also where the card's are of segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Side in pixels. Where the card resizes to more and cuts out the centre, as much is cut in proportion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Clips per video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clips: Option<usize>,
    /// What stands for the frames that a short video does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// Part of each side that is cut off before resizing, from every edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom: Option<f64>,
    /// What is subtracted of each channel, in the card's order and unit: for weights whose training's mean is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<[f32; 3]>,
    /// What each channel is divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<[f32; 3]>,
}

impl ClipChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// A value that describes no clip, or one that no machine has the memory for; `what` says whose it is.
    pub(crate) fn validate(&self, what: &str) -> Result<(), BenchError> {
        let bounded = [
            ("frames", self.frames, Limits::FRAMES),
            ("stride", self.stride, Limits::STRIDE),
            ("size", self.size, Limits::SIZE),
            ("clips", self.clips, Limits::CLIPS),
        ];
        for (name, value, most) in bounded {
            if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(BenchError::Config(format!("{what}: clip.{name} = {value}: give 1 to {most}")));
            }
        }
        if let Some(mean) = self.mean.filter(|mean| !mean.iter().all(|value| value.is_finite())) {
            return Err(BenchError::Config(format!("{what}: clip.mean = {mean:?}: give three numbers")));
        }
        if let Some(std) = self.std.filter(|std| !std.iter().all(|value| value.is_finite() && *value > 0.0)) {
            return Err(BenchError::Config(format!("{what}: clip.std = {std:?}: give three positive numbers")));
        }
        match self.zoom {
            Some(zoom) if !(0.0..0.5).contains(&zoom) => {
                Err(BenchError::Config(format!("{what}: clip.zoom = {zoom}: give at least 0 and less than 0.5")))
            }
            _ => Ok(()),
        }
    }

    /// The clips of an encoder whose card wants `own`.
    pub fn apply(&self, own: &ClipSpec) -> ClipSpec {
        let size = self.size.unwrap_or(own.size);
        let mut clip = ClipSpec {
            frames: self.frames.unwrap_or(own.frames),
            // Who asks for a distance asks for frames at that distance.
            sampling: if self.stride.is_some() { Sampling::Strided } else { own.sampling },
            stride: self.stride.unwrap_or(own.stride),
            padding: self.padding.unwrap_or(own.padding),
            // To the nearest pixel, and never below the part that is cut out.
            resize: ((own.resize * size + own.size / 2) / own.size.max(1)).max(size),
            size,
            mean: self.mean.unwrap_or(own.mean),
            std: self.std.unwrap_or(own.std),
            ..own.clone()
        };
        clip.crop.zoom = self.zoom.unwrap_or(own.crop.zoom);
        clip
    }

    /// Without what is as it is anyway, on an encoder whose card wants `own` in a benchmark with `clips` per video.
    pub(crate) fn beside(&self, own: &ClipSpec, clips: usize) -> Self {
        Self {
            frames: self.frames.filter(|frames| *frames != own.frames),
            stride: self.stride.filter(|stride| !(own.sampling.is_strided() && *stride == own.stride)),
            size: self.size.filter(|size| *size != own.size),
            clips: self.clips.filter(|wanted| *wanted != clips),
            padding: self.padding.filter(|padding| *padding != own.padding),
            zoom: self.zoom.filter(|zoom| *zoom != own.crop.zoom),
            mean: self.mean.filter(|mean| *mean != own.mean),
            std: self.std.filter(|std| *std != own.std),
        }
    }
}

impl fmt::Display for ClipChange {
    /// A remark: `48 frames, 112 px`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let padding = self.padding.map(|padding| match padding {
            Padding::Shorter => "short videos left short",
            Padding::ZerosAfterNormalize => "short videos end in grey",
            Padding::ZerosBeforeNormalize => "short videos end in black",
            Padding::RepeatLast => "short videos end in their last frame",
        });
        let parts = [
            self.frames.map(|frames| format!("{frames} frames")),
            self.stride.map(|stride| format!("stride {stride}")),
            self.size.map(|size| format!("{size} px")),
            self.zoom.map(|zoom| format!("zoom {zoom}")),
            padding.map(str::to_owned),
            self.clips.map(|clips| format!("clips per video: {clips}")),
            self.mean.map(|mean| format!("mean {mean:?}")),
            self.std.map(|std| format!("deviation {std:?}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use echo_core::{Aspect, ChannelOrder, Crop, Filter};

    use super::*;

    const OWN: ClipSpec = ClipSpec {
        frames: 16,
        sampling: Sampling::Strided,
        stride: 1,
        padding: Padding::RepeatLast,
        channels: ChannelOrder::Bgr,
        crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.1 },
        filter: Filter::OpenCvArea,
        resize: 256,
        size: 224,
        scale: 1.0,
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    fn change(text: &str) -> ClipChange {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_not_named_stays_and_the_resize_keeps_its_proportion() {
        assert_eq!(change("").apply(&OWN), OWN);
        assert_eq!(change("size = 112").apply(&OWN), ClipSpec { size: 112, resize: 128, ..OWN });
        // 96 * 256 / 224 is 109.7.
        assert_eq!(change("size = 96").apply(&OWN), ClipSpec { size: 96, resize: 110, ..OWN });
        let equal = ClipSpec { resize: 224, ..OWN };
        assert_eq!(change("size = 64").apply(&equal), ClipSpec { size: 64, resize: 64, ..equal });
        let segments = ClipSpec { sampling: Sampling::Segments, ..OWN };
        assert_eq!(change("frames = 8").apply(&segments), ClipSpec { frames: 8, ..segments });
        assert_eq!(change("stride = 1").apply(&segments), OWN);
        let all = change("frames = 48\nstride = 2\npadding = \"zeros_before_normalize\"\nzoom = 0").apply(&OWN);
        let expected = ClipSpec {
            frames: 48,
            stride: 2,
            padding: Padding::ZerosBeforeNormalize,
            crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.0 },
            ..OWN
        };
        assert_eq!(all, expected);
        let units = change("mean = [32.09, 32.59, 33.38]\nstd = [50.0, 50.5, 51]").apply(&OWN);
        assert_eq!(units, ClipSpec { mean: [32.09, 32.59, 33.38], std: [50.0, 50.5, 51.0], ..OWN });
    }

    #[test]
    fn what_is_as_it_is_anyway_is_no_change_and_the_rest_is_said() {
        let asked = change("frames = 16\nstride = 2\nsize = 224\nclips = 1\npadding = \"repeat_last\"\nzoom = 0.1");
        assert_eq!(asked.beside(&OWN, 1), change("stride = 2"));
        let units = change("mean = [0, 0, 0]\nstd = [1, 2, 1.5]").beside(&OWN, 1);
        assert_eq!(units.to_string(), "deviation [1.0, 2.0, 1.5]");
        assert_eq!(asked.beside(&OWN, 4).to_string(), "stride 2, clips per video: 1");
        let segments = ClipSpec { sampling: Sampling::Segments, ..OWN };
        assert_eq!(change("stride = 1").beside(&segments, 1), change("stride = 1"));
        let all = change("frames = 48\nsize = 112\npadding = \"zeros_before_normalize\"\nzoom = 0");
        assert_eq!(all.to_string(), "48 frames, 112 px, zoom 0, short videos end in black");
    }

    #[test]
    fn slips_of_the_pen_are_refused() {
        for text in [
            "frames = 0",
            "frames = 100000",
            "stride = 0",
            "size = 0",
            "clips = 65",
            "zoom = 0.5",
            "zoom = -0.1",
            "std = [1, 0, 1]",
            "mean = [nan, 0, 0]",
        ] {
            let message = change(text).validate("recipe of coop").unwrap_err().to_string();
            assert!(message.starts_with("recipe of coop: clip.") && message.contains("give "), "{text}: {message}");
        }
        assert!(toml::from_str::<ClipChange>("frame = 3").is_err());
        change("frames = 1\nstride = 64\nsize = 32\nclips = 64\nzoom = 0.49").validate("").unwrap();
    }
}
