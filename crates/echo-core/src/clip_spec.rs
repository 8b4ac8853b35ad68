//! What an encoder wants to see of a video: which frames, which pixels, in which units.

use serde::{Deserialize, Serialize};

/// Order of the colour channels in a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red: OpenCV's order, which some encoders were trained on and must be given.
    Bgr,
}

/// Resampling filter. The three families give different pixels; each is tested against its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// OpenCV `INTER_CUBIC`: a = -0.75, half-pixel centres, no antialias, rounded to u8.
    OpenCvCubic,
    /// OpenCV `INTER_AREA`: box average when shrinking, its own linear rule when enlarging.
    OpenCvArea,
    /// PIL `BICUBIC`: a = -0.5, antialiased when shrinking, rounded to u8 after each direction.
    PilBicubic,
}

/// Which part of a frame is kept before resizing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// Crop the longer side to the target's aspect first; otherwise the aspect is not kept.
    pub to_aspect: bool,
    /// Fraction of each side cut off after that: `int(zoom * side)` pixels from every edge.
    pub zoom: f64,
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
    /// Distance between neighbouring frames of a clip, in frames of the video.
    pub stride: usize,
    /// What stands for missing frames.
    pub padding: Padding,
    /// Channel order.
    pub channels: ChannelOrder,
    /// Crop before resizing.
    pub crop: Crop,
    /// Resampling filter.
    pub filter: Filter,
    /// Side in pixels that the cropped frame is resized to.
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
    /// Frames of the video that a clip spans, from its first to one past its last.
    pub fn span(&self) -> usize {
        self.frames.saturating_sub(1) * self.stride + 1
    }
}
