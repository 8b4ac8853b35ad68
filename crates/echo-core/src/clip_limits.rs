//! Which clips an encoder's architecture takes, whatever its weights were trained on.

use std::fmt;

use crate::{ClipSpec, Error, Padding};

/// Values of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// The card's own alone: something in the network is made for it.
    Own,
    /// This and everything above.
    AtLeast(usize),
    /// This and its multiples.
    MultiplesOf(usize),
}

impl Allowed {
    fn has(self, own: usize, wanted: usize) -> bool {
        match self {
            Allowed::Own => wanted == own,
            Allowed::AtLeast(least) => wanted >= least.max(1),
            Allowed::MultiplesOf(unit) => wanted > 0 && wanted.is_multiple_of(unit),
        }
    }
}

/// Which clips an encoder's architecture takes beside its card's. Which frames these are (stride, number of clips) and
/// what stands for missing ones is the pipeline's affair and free, as long as their number is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipLimits {
    /// Frames in a clip.
    pub frames: Allowed,
    /// Side of a frame in pixels.
    pub size: Allowed,
}

impl ClipLimits {
    /// Whether `encoder`, whose card wants `own`, takes `wanted`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the setting at fault and what is allowed.
    pub fn check(&self, encoder: &str, own: &ClipSpec, wanted: &ClipSpec) -> Result<(), Error> {
        let refuse = |setting: String| {
            Err(Error::Unsupported { encoder: encoder.to_owned(), reason: format!("takes {self}: not {setting}") })
        };
        if !self.frames.has(own.frames, wanted.frames) {
            return refuse(format!("frames = {} (its card's are {})", wanted.frames, own.frames));
        }
        if self.frames != Allowed::AtLeast(1) && wanted.padding == Padding::Shorter {
            return refuse("padding = \"shorter\", which leaves a short video's clip as short as it is".to_owned());
        }
        if !self.size.has(own.size, wanted.size) {
            let near = match self.size {
                Allowed::MultiplesOf(unit) if unit > 0 && wanted.size > unit => {
                    let below = wanted.size / unit * unit;
                    format!("; {below} or {} would do", below + unit)
                }
                _ => String::new(),
            };
            return refuse(format!("size = {} (its card's is {}){near}", wanted.size, own.size));
        }
        Ok(())
    }
}

impl fmt::Display for ClipLimits {
    /// In the words of error messages and of `CARD.md`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frames {
            Allowed::Own => f.write_str("its card's number of frames"),
            Allowed::AtLeast(1) => f.write_str("any number of frames"),
            Allowed::AtLeast(least) => write!(f, "{least} frames and more"),
            Allowed::MultiplesOf(unit) => write!(f, "numbers of frames that are multiples of {unit}"),
        }?;
        match self.size {
            Allowed::Own => f.write_str(", its card's size"),
            Allowed::AtLeast(least) => write!(f, ", sizes from {least} pixels on"),
            Allowed::MultiplesOf(unit) => write!(f, ", sizes that are multiples of {unit} pixels"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aspect, ChannelOrder, Crop, Filter, Sampling};

    const OWN: ClipSpec = ClipSpec {
        frames: 16,
        sampling: Sampling::Strided,
        stride: 2,
        padding: Padding::RepeatLast,
        channels: ChannelOrder::Rgb,
        crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.0 },
        filter: Filter::OpenCvCubic,
        resize: 224,
        size: 224,
        scale: 1.0,
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    #[test]
    fn what_is_refused_is_named_with_what_is_allowed() {
        let fixed = ClipLimits { frames: Allowed::Own, size: Allowed::Own };
        let even = ClipLimits { frames: Allowed::MultiplesOf(2), size: Allowed::MultiplesOf(32) };
        let any = ClipLimits { frames: Allowed::AtLeast(1), size: Allowed::AtLeast(32) };
        let message = |limits: ClipLimits, wanted: ClipSpec| match limits.check("tiny", &OWN, &wanted) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let stride = ClipSpec { stride: 7, padding: Padding::ZerosAfterNormalize, ..OWN };
        assert!([fixed, even, any].iter().all(|&limits| message(limits, stride.clone()).is_empty()));
        let frames = |frames| ClipSpec { frames, ..OWN };
        assert_eq!(
            message(fixed, frames(8)),
            "tiny takes its card's number of frames, its card's size: not frames = 8 (its card's are 16)"
        );
        assert_eq!([7, 8, 0].map(|count| message(even, frames(count)).is_empty()), [false, true, false]);
        assert_eq!([7, 8, 0].map(|count| message(any, frames(count)).is_empty()), [true, true, false]);
        let size = |size| ClipSpec { size, ..OWN };
        assert_eq!([96, 100, 16, 0].map(|side| message(even, size(side)).is_empty()), [true, false, false, false]);
        assert!(message(even, size(100)).ends_with("not size = 100 (its card's is 224); 96 or 128 would do"));
        assert_eq!([31, 32, 112].map(|side| message(any, size(side)).is_empty()), [false, true, true]);
        let least = "tiny takes any number of frames, sizes from 32 pixels on: not size = 31 (its card's is 224)";
        assert_eq!(message(any, size(31)), least);
        let shorter = ClipSpec { padding: Padding::Shorter, ..OWN };
        assert!(message(fixed, shorter.clone()).contains("padding = \"shorter\""));
        assert_eq!(message(any, shorter), "");
    }
}
