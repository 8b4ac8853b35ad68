//! What CardiacCLIP's released code (github.com/xmed-lab/CardiacCLIP, commit 9dac8cb) does otherwise than its paper
//! (Du et al., MICCAI 2025) describes, each a switch of its own, so that the two can be compared.
//!
//! `compat = "cardiacclip"` in a recipe sets them all, with `init = "random"`: the code throws the pretrained projection
//! away. `zoo/echoclip/reference/cardiacclip.py` is the same arithmetic in PyTorch.

use std::collections::BTreeSet;
use std::fmt;

use burn::tensor::{Tensor, TensorData};
use echo_core::{Card, ChannelOrder, ClipSpec, TextEncoder};
use echo_nn::ClipText;
use serde::Deserialize;

/// Videos that the released code tests together: [`Quirk::FrameNorm`] mixes them.
pub(crate) const TESTED_TOGETHER: usize = 2;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Quirk {
    /// The enlarged clip's parts are joined on a grid of channels: [`echo_nn::merge_parts_on_channel_grid`].
    ChannelGrid,
    /// Both scales are normed over the frames of a batch: [`echo_nn::ZoomProjection::with_norm_over_frames`].
    FrameNorm,
    /// Frames are pooled at the length that the projection gives them, also where the encoder makes it one.
    AnyLength,
    /// The encoder sees pixels from 0 to 255, not normalised.
    RawPixels,
    /// The encoder sees red, green, blue, also where it was trained on blue, green, red.
    Rgb,
    /// A clip is cut into images without moving its axes: each holds three planes of one colour, of three frames.
    MixedPlanes,
    /// The text tower runs without its causal mask.
    UnmaskedText,
}

impl Quirk {
    /// Those that have to do with two scales.
    pub(crate) const OF_SCALES: [Self; 2] = [Self::ChannelGrid, Self::FrameNorm];

    /// All others.
    pub(crate) const OF_VIDEOS: [Self; 5] =
        [Self::AnyLength, Self::RawPixels, Self::Rgb, Self::MixedPlanes, Self::UnmaskedText];

    /// Whether it changes what comes before the frame features that a benchmark keeps.
    pub(crate) fn comes_before_frames(self) -> bool {
        matches!(self, Self::ChannelGrid | Self::RawPixels | Self::Rgb | Self::MixedPlanes)
    }
}

impl fmt::Display for Quirk {
    /// Its name in recipes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChannelGrid => "channel-grid",
            Self::FrameNorm => "frame-norm",
            Self::AnyLength => "any-length",
            Self::RawPixels => "raw-pixels",
            Self::Rgb => "rgb",
            Self::MixedPlanes => "mixed-planes",
            Self::UnmaskedText => "unmasked-text",
        })
    }
}

/// Whose released code is reproduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compat {
    /// Nobody's: the method.
    #[default]
    None,
    CardiacClip,
}

/// Text embeddings as [`TextEncoder::encode_words`] gives them, but without the causal mask; `None` where there is none to
/// leave out.
pub(crate) fn encode_words_unmasked(text: &dyn TextEncoder, words: Tensor<3>, lengths: &[usize]) -> Option<Tensor<2>> {
    let network = text.network().downcast_ref::<ClipText>()?;
    Some(network.encode_words_unmasked(words, lengths))
}

/// Whether `text` has a causal mask that [`encode_words_unmasked`] can leave out.
pub(crate) fn has_mask(text: &dyn TextEncoder) -> bool {
    text.network().is::<ClipText>()
}

/// What the quirks make of a clip before the encoder sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClipQuirks {
    raw_pixels: bool,
    /// Whether the colours change places.
    reversed: bool,
    mixed_planes: bool,
    scale: f32,
    mean: [f32; 3],
    std: [f32; 3],
}

impl ClipQuirks {
    /// What `quirks` do to clips of an encoder with this card; `None` when they leave them as they are.
    ///
    /// # Errors
    /// The quirk, and why, when the card does not tell how pixels were normalised.
    pub(crate) fn new(quirks: &BTreeSet<Quirk>, card: &Card) -> Result<Option<Self>, (Quirk, String)> {
        let of_pixels = [Quirk::RawPixels, Quirk::Rgb].into_iter().find(|quirk| quirks.contains(quirk));
        let unit = |spec: &ClipSpec| (spec.channels, spec.scale, spec.mean, spec.std);
        let mut units = card.presets.iter().map(|preset| unit(&preset.clip));
        let first = units.next();
        let (channels, scale, mean, std) = match (first, of_pixels) {
            (Some(first), _) if units.all(|unit| unit == first) => first,
            // Nothing is done to pixels.
            (_, None) => (ChannelOrder::Rgb, 1.0, [0.0; 3], [1.0; 3]),
            (_, Some(quirk)) => return Err((quirk, "its presets do not normalise pixels alike".to_owned())),
        };
        let clip_quirks = Self {
            raw_pixels: quirks.contains(&Quirk::RawPixels),
            reversed: quirks.contains(&Quirk::Rgb) && channels == ChannelOrder::Bgr,
            mixed_planes: quirks.contains(&Quirk::MixedPlanes),
            scale,
            mean,
            std,
        };
        let Self { raw_pixels, reversed, mixed_planes, .. } = clip_quirks;
        Ok((raw_pixels || reversed || mixed_planes).then_some(clip_quirks))
    }

    /// Which of the frames that the encoder sees show something of a frame of a clip of so many.
    pub(crate) fn frames_seen(&self, frame: usize, frames: usize) -> Vec<usize> {
        // Planes of all frames of a colour lie together, and three in a row make an image.
        if self.mixed_planes { (0..3).map(|colour| (colour * frames + frame) / 3).collect() } else { vec![frame] }
    }

    /// `[batch, 3, frames, height, width]` of the same shape.
    pub(crate) fn apply(&self, clip: Tensor<5>) -> Tensor<5> {
        let [batch, channels, frames, height, width] = clip.dims();
        let device = clip.device();
        let per_channel =
            |values: [f32; 3]| Tensor::<5>::from_data(TensorData::new(values.to_vec(), [1, 3, 1, 1, 1]), &device);
        let mut x = clip;
        if self.raw_pixels || self.reversed {
            let (mean, std) = (per_channel(self.mean), per_channel(self.std));
            x = (x * std.clone() + mean.clone()) / self.scale;
            if self.reversed {
                x = x.flip([1]);
            }
            if !self.raw_pixels {
                x = (x * self.scale - mean) / std;
            }
        }
        if self.mixed_planes {
            x = x.reshape([batch, frames, channels, height, width]).swap_dims(1, 2);
        }
        x
    }
}
