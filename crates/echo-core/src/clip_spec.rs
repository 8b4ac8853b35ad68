//! What an encoder wants to see of a video: which frames, which pixels, in which units.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Order of the colour channels in a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red: OpenCV's order, which some encoders were trained on and must be given.
    Bgr,
}

/// Resampling filter. Each gives other pixels, and is tested against its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// OpenCV `INTER_CUBIC`: a = -0.75, half-pixel centres, no antialias, rounded to u8.
    OpenCvCubic,
    /// OpenCV `INTER_LINEAR`: half-pixel centres, no antialias, rounded to u8.
    OpenCvLinear,
    /// OpenCV `INTER_AREA`: box average when shrinking, its own linear rule when enlarging.
    OpenCvArea,
    /// PIL `BICUBIC`: a = -0.5, antialiased when shrinking, rounded to u8 after each direction.
    PilBicubic,
    /// torch's `interpolate` in mode `bilinear`, as torchvision's transforms of videos use it on u8: half-pixel centres, no
    /// antialias, rounded to u8.
    TorchBilinear,
}

/// What becomes of a frame whose sides differ, since clips are square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// It is stretched: its aspect is not kept.
    Stretched,
    /// Its longer side is cropped to the shorter's length, and what is left is resized.
    CroppedThenResized,
    /// Its shorter side is resized to [`ClipSpec::resize`] and the longer by the same factor; the centre crop cuts what is
    /// too long. These are not the pixels of the crop before: margins are rounded elsewhere. Rounded as in torchvision: the
    /// longer side down, the margin half to even.
    ResizedThenCropped,
    /// The same, rounded as in mmcv: the longer side to the nearest pixel, the margin down.
    RoundedThenCropped,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Stretched, Self::CroppedThenResized, Self::ResizedThenCropped, Self::RoundedThenCropped];
}

/// In files a word where the crop comes last, and whether there is one before for the others, as when there were no more:
/// keys of cells and of caches are made of it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ToAspect {
    Before(bool),
    After(After),
}

#[derive(Serialize, Deserialize)]
enum After {
    #[serde(rename = "after_resize")]
    Resize,
    #[serde(rename = "after_rounded_resize")]
    RoundedResize,
}

impl Serialize for Aspect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self {
            Aspect::Stretched => ToAspect::Before(false),
            Aspect::CroppedThenResized => ToAspect::Before(true),
            Aspect::ResizedThenCropped => ToAspect::After(After::Resize),
            Aspect::RoundedThenCropped => ToAspect::After(After::RoundedResize),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Aspect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match ToAspect::deserialize(deserializer)? {
            ToAspect::Before(false) => Aspect::Stretched,
            ToAspect::Before(true) => Aspect::CroppedThenResized,
            ToAspect::After(After::Resize) => Aspect::ResizedThenCropped,
            ToAspect::After(After::RoundedResize) => Aspect::RoundedThenCropped,
        })
    }
}

/// Which part of a frame is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// How it becomes a square.
    #[serde(rename = "to_aspect")]
    pub aspect: Aspect,
    /// Fraction of each side cut off before resizing: `int(zoom * side)` pixels from every edge.
    pub zoom: f64,
}

/// Which frames of a video make a clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Some that follow each other at the distance [`ClipSpec::stride`].
    #[default]
    Strided,
    /// One of each of as many equal segments of the whole video: the middle one of each, where nothing asks for others. A
    /// video with fewer frames shows some more than once.
    Segments,
}

impl Sampling {
    /// Whether frames follow each other at a fixed distance.
    pub fn is_strided(&self) -> bool {
        *self == Self::Strided
    }
}

/// What stands for the frames that a short video does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Nothing: the clip is shorter (encoders that work frame by frame).
    Shorter,
    /// Zeros put in after normalising, that is, mean-grey frames.
    ZerosAfterNormalize,
    /// Black frames, normalised like the others.
    ZerosBeforeNormalize,
    /// The last frame again.
    RepeatLast,
}

/// From decoded frames to the tensor `[3, frames, size, size]` that an encoder takes.
///
/// The steps run in this order: choose frames, channel order, crop, resize to `resize`, centre crop to `size`,
/// multiply by `scale`, subtract `mean`, divide by `std`, pad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipSpec {
    /// Frames in a clip.
    pub frames: usize,
    /// Which frames of the video they are. Not written where they are strided: keys of cells and of caches are made of it.
    #[serde(default, skip_serializing_if = "Sampling::is_strided")]
    pub sampling: Sampling,
    /// Distance between neighbouring frames of a clip, in frames of the video, where they are strided.
    pub stride: usize,
    /// What stands for missing frames.
    pub padding: Padding,
    /// Channel order.
    pub channels: ChannelOrder,
    /// Which part of a frame is kept.
    pub crop: Crop,
    /// Resampling filter.
    pub filter: Filter,
    /// Side in pixels that the cropped frame is resized to; the shorter one where it is cropped later.
    pub resize: usize,
    /// Side in pixels of the centre crop taken after resizing: the clip's height and width.
    pub size: usize,
    /// Factor from stored pixel values (0-255) to the unit of `mean` and `std`.
    pub scale: f32,
    /// Mean per channel, in the clip's channel order.
    pub mean: [f32; 3],
    /// Standard deviation per channel, in the clip's channel order.
    pub std: [f32; 3],
}

impl ClipSpec {
    /// Frames of the video that a strided clip spans, from its first to one past its last.
    pub fn span(&self) -> usize {
        self.frames.saturating_sub(1) * self.stride + 1
    }

    /// Which frames of the video they are, in a word or two: `stride 4`, or `uniform segments`.
    pub fn spacing(&self) -> String {
        match self.sampling {
            Sampling::Strided => format!("stride {}", self.stride),
            Sampling::Segments => "uniform segments".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of cells and adapters' files of before have to stay what they are.
    #[test]
    fn crops_are_written_as_they_always_were() {
        for (aspect, written) in [
            (Aspect::Stretched, "false"),
            (Aspect::CroppedThenResized, "true"),
            (Aspect::ResizedThenCropped, "\"after_resize\""),
            (Aspect::RoundedThenCropped, "\"after_rounded_resize\""),
        ] {
            let crop = Crop { aspect, zoom: 0.5 };
            let text = serde_json::to_string(&crop).unwrap();
            assert_eq!(text, format!("{{\"to_aspect\":{written},\"zoom\":0.5}}"));
            assert_eq!(serde_json::from_str::<Crop>(&text).unwrap(), crop);
        }
        assert!(serde_json::from_str::<Crop>("{\"to_aspect\":\"before\",\"zoom\":0.5}").is_err());
    }
}
