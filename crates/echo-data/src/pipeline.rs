//! From selected frames to a clip: every step of a [`ClipSpec`] in its order.

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::ClipSpec;
use echo_video::Frames;
use rayon::prelude::*;

use crate::channel_order::source_channels;
use crate::crop::{Window, center_crop, crop, resized};
use crate::error::DataError;
use crate::look::Shift;
use crate::normalize::normalization;
use crate::padding::{Filler, filler, padded_len};
use crate::pictures::{count_pictures_in, doubt};
use crate::resize::{Image, Resizer, Size};

/// Pixels of a side beyond which a specification is a mistake, found before memory is asked for.
const MAX_SIDE: usize = 1 << 14;

/// What an encoder takes, without its batch axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Normalised values, `[3, frames, size, size]`.
    pub data: Vec<f32>,
    /// Frames of the clip, padding included.
    pub frames: usize,
    /// Height and width in pixels.
    pub size: usize,
}

impl Clip {
    /// A batch of this clip alone, `[1, 3, frames, size, size]`.
    pub fn into_tensor(self, device: &Device) -> Tensor<5> {
        let shape = [1, 3, self.frames, self.size, self.size];
        Tensor::from_data(TensorData::new(self.data, shape), device)
    }
}

/// Makes a clip of `frames`, which are those that [`select_frames`](crate::select_frames) chose, in order.
///
/// Crop, resize, centre crop, channel order, scale, normalise, pad. With [`Padding::Shorter`](echo_core::Padding) the
/// clip has as many frames as were given, otherwise as many as `spec` says.
///
/// # Errors
/// No frames, more frames than the clip has, pixels that do not match their sizes, or a specification that describes
/// no clip.
pub fn prepare(frames: &Frames, spec: &ClipSpec) -> Result<Clip, DataError> {
    prepare_shifted(frames, spec, Shift::default())
}

/// The same with frames moved once they have their size.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_shifted(frames: &Frames, spec: &ClipSpec, shift: Shift) -> Result<Clip, DataError> {
    let Frames { data, count, height, width, .. } = frames;
    check(spec, *count, *height, *width)?;
    let expected = [*width, 3, *count].into_iter().try_fold(*height, usize::checked_mul);
    if expected != Some(data.len()) {
        return Err(DataError::Frames(format!("{} bytes are not {count} x {height} x {width} x 3", data.len())));
    }
    let mut pixels = ClipPixels::new(spec, *count, *height, *width)?;
    pixels.put(0, data);
    pixels.clip(shift)
}

/// A clip in the making: frames are cropped and resized as they come, and only that is kept of them.
pub(crate) struct ClipPixels<'a> {
    spec: &'a ClipSpec,
    count: usize,
    /// Pixels in a row of a frame, and bytes of one.
    width: usize,
    frame_len: usize,
    window: Window,
    to: Size,
    center: Window,
    resizer: Resizer,
    /// u8 RGB, `[count, size, size, 3]`.
    pixels: Vec<u8>,
}

impl<'a> ClipPixels<'a> {
    /// Room for `count` frames of `height` and `width`.
    pub(crate) fn new(spec: &'a ClipSpec, count: usize, height: usize, width: usize) -> Result<Self, DataError> {
        check(spec, count, height, width)?;
        let window = crop(height, width, &spec.crop)?;
        let to = resized(window, spec.crop.aspect, spec.resize);
        if to.height.max(to.width) > MAX_SIDE {
            let Size { height, width } = to;
            return Err(DataError::Frames(format!("resized to {height}x{width} pixels they are too large")));
        }
        let center = center_crop(to, spec.crop.aspect, spec.size)?;
        let resizer = Resizer::new(spec.filter, Size { height: window.height, width: window.width }, to);
        let pixels = vec![0; spec.size * spec.size * 3 * count];
        Ok(Self { spec, count, width, frame_len: height * width * 3, window, to, center, resizer, pixels })
    }

    /// Takes the frames `first` and following: crops, resizes and crops from the centre.
    pub(crate) fn put(&mut self, first: usize, frames: &[u8]) {
        let Self { spec, width, frame_len, window, to, center, resizer, pixels, .. } = self;
        let is_whole = *center == Window::whole(to.height, to.width);
        let out_len = spec.size * spec.size * 3;
        pixels[first * out_len..].par_chunks_exact_mut(out_len).zip(frames.par_chunks_exact(*frame_len)).for_each_init(
            || vec![0; if is_whole { 0 } else { to.height * to.width * 3 }],
            |resized, (out, frame)| {
                let image = Image::new(frame, *width, *window);
                if is_whole {
                    resizer.run(image, out);
                    return;
                }
                resizer.run(image, resized);
                let rows = resized.chunks_exact(to.width * 3).skip(center.top);
                for (out, row) in out.chunks_exact_mut(spec.size * 3).zip(rows) {
                    out.copy_from_slice(&row[center.left * 3..][..spec.size * 3]);
                }
            },
        );
    }

    /// What is doubtful about how much the frames show, as the encoder sees them.
    pub(crate) fn doubt(&self) -> Option<String> {
        doubt(count_pictures_in(&self.pixels, self.spec.size * self.spec.size * 3), self.spec.frames)
    }

    /// Moves, orders the channels, scales, normalises and pads.
    pub(crate) fn clip(self, shift: Shift) -> Result<Clip, DataError> {
        let Self { spec, count, pixels, .. } = self;
        let table = normalization(spec)?;
        let length = padded_len(spec.padding, count, spec.frames);
        let plane = spec.size * spec.size;
        let total = length.checked_mul(plane * 3).ok_or_else(|| too_large(spec))?;

        let pixels = shift.apply(pixels, spec.size);
        let mut data = Vec::new();
        data.try_reserve_exact(total).map_err(|_| too_large(spec))?;
        data.resize(total, 0f32);
        let sources = source_channels(spec.channels);
        data.par_chunks_exact_mut(plane).enumerate().for_each(|(i, out)| {
            let (channel, frame) = (i / length, i % length);
            let table = &table[channel];
            let from = if frame < count { Filler::Frame(frame) } else { filler(spec.padding, count, table[0]) };
            match from {
                Filler::Constant(value) => out.fill(value),
                Filler::Frame(frame) => {
                    let pixels = pixels[frame * plane * 3..][..plane * 3].as_chunks::<3>().0;
                    let source = sources[channel];
                    out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = table[usize::from(pixel[source])]);
                }
            }
        });
        Ok(Clip { data, frames: length, size: spec.size })
    }
}

fn check(spec: &ClipSpec, count: usize, height: usize, width: usize) -> Result<(), DataError> {
    let ClipSpec { frames: length, stride, resize, size, .. } = spec;
    if *length == 0 || *stride == 0 || *resize == 0 || *size == 0 || *resize > MAX_SIDE {
        return Err(DataError::ClipSpec(format!(
            "frames {length}, stride {stride}, resize {resize} and size {size} must all be at least 1, and resize at \
             most {MAX_SIDE}"
        )));
    }
    if count == 0 || height == 0 || width == 0 {
        return Err(DataError::Frames(format!("{count} frames of {height}x{width} pixels make no clip")));
    }
    if count > spec.frames {
        return Err(DataError::Frames(format!("{count} were selected for a clip of {}; select fewer", spec.frames)));
    }
    Ok(())
}

fn too_large(spec: &ClipSpec) -> DataError {
    DataError::ClipSpec(format!(
        "{} frames of {} x {} pixels are too many for memory",
        spec.frames, spec.size, spec.size
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use echo_core::{Aspect, ChannelOrder, Crop, Filter, Padding, Sampling};

    /// A specification that changes nothing: 4 frames of 2x2 pixels, values 0-255.
    pub(crate) fn spec() -> ClipSpec {
        ClipSpec {
            frames: 4,
            sampling: Sampling::Strided,
            stride: 1,
            padding: Padding::Shorter,
            channels: ChannelOrder::Rgb,
            crop: Crop { aspect: Aspect::Stretched, zoom: 0.0 },
            filter: Filter::OpenCvArea,
            resize: 2,
            size: 2,
            scale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }

    /// Two frames of 2x2: bytes 0..24.
    fn frames() -> Frames {
        Frames { data: (0..24).collect(), count: 2, height: 2, width: 2, fps: 50.0 }
    }

    #[test]
    fn channels_come_first_then_frames_then_rows() -> Result<(), DataError> {
        let clip = prepare(&frames(), &spec())?;
        assert_eq!((clip.frames, clip.size), (2, 2));
        let red = [0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0];
        let expected: Vec<f32> = [0.0, 1.0, 2.0].iter().flat_map(|c| red.map(|r| r + c)).collect();
        assert_eq!(clip.data, expected);
        Ok(())
    }

    #[test]
    fn mean_and_std_belong_to_the_channels_of_the_clip() -> Result<(), DataError> {
        let spec = ClipSpec { channels: ChannelOrder::Bgr, mean: [1.0, 0.0, 0.0], std: [1.0, 1.0, 2.0], ..spec() };
        let clip = prepare(&frames(), &spec)?;
        // Blue of the first pixel minus 1, green, red of the second pixel over 2.
        assert_eq!((clip.data[0], clip.data[8], clip.data[17]), (1.0, 1.0, 1.5));
        Ok(())
    }

    #[test]
    fn each_padding_rule_fills_the_missing_frames_its_own_way() -> Result<(), DataError> {
        let padded = |padding| {
            let spec = ClipSpec { padding, mean: [5.0, 0.0, 0.0], std: [2.0, 1.0, 1.0], ..spec() };
            let clip = prepare(&frames(), &spec)?;
            assert_eq!(clip.data.len(), 3 * clip.frames * 4);
            Ok((clip.frames, clip.data[4..clip.data.len() / 3].to_vec()))
        };
        let last = [3.5, 5.0, 6.5, 8.0];
        let (frames, red): (_, Vec<f32>) = padded(Padding::Shorter)?;
        assert_eq!((frames, red.as_slice()), (2, last.as_slice()));
        let with = |filler: [f32; 4]| Ok::<_, DataError>((4, [last, filler, filler].concat()));
        assert_eq!(padded(Padding::ZerosAfterNormalize)?, with([0.0; 4])?);
        assert_eq!(padded(Padding::ZerosBeforeNormalize)?, with([-2.5; 4])?);
        assert_eq!(padded(Padding::RepeatLast)?, with(last)?);
        Ok(())
    }

    #[test]
    fn the_frame_is_cropped_then_resized_then_cropped_from_the_centre() -> Result<(), DataError> {
        // 6x8 pixels: the square takes columns 1..7, the zoom one pixel from each edge, so that rows 1..5 and columns
        // 2..6 are left; at resize 4 that is a copy, of which the centre is rows 2..4, columns 3..5.
        let data: Vec<u8> = (0..6 * 8).flat_map(|i| [i, 100, 200]).collect();
        let frames = Frames { data, count: 1, height: 6, width: 8, fps: 0.0 };
        let spec = ClipSpec { crop: Crop { aspect: Aspect::CroppedThenResized, zoom: 0.2 }, resize: 4, ..spec() };
        let clip = prepare(&frames, &spec)?;
        assert_eq!(clip.data[..4], [19.0, 20.0, 27.0, 28.0]);
        assert_eq!(clip.data[4..], [100.0, 100.0, 100.0, 100.0, 200.0, 200.0, 200.0, 200.0]);
        Ok(())
    }

    #[test]
    fn a_frame_that_is_cropped_last_keeps_what_the_crop_before_would_round_away() -> Result<(), DataError> {
        // 2x5 pixels at resize 2 are a copy, of which columns 2..4 are the middle (1.5 is rounded to even); the crop before
        // would take four pixels and squeeze them.
        let data: Vec<u8> = (0..10).flat_map(|i| [i, 100, 200]).collect();
        let frames = Frames { data, count: 1, height: 2, width: 5, fps: 0.0 };
        let crop = Crop { aspect: Aspect::ResizedThenCropped, zoom: 0.0 };
        let clip = prepare(&frames, &ClipSpec { crop, ..spec() })?;
        assert_eq!(clip.data[..4], [2.0, 3.0, 7.0, 8.0]);
        let narrow = Frames { data: vec![7; 3 * 20_000], count: 1, height: 20_000, width: 1, fps: 0.0 };
        let error = prepare(&narrow, &ClipSpec { crop, ..spec() }).unwrap_err().to_string();
        assert!(error.contains("40000x2"), "{error}");
        Ok(())
    }

    #[test]
    fn what_makes_no_clip_is_refused_with_a_reason() {
        let refused = |frames: Frames, spec: ClipSpec| prepare(&frames, &spec).unwrap_err().to_string();
        assert!(refused(Frames { data: vec![], count: 0, ..frames() }, spec()).contains("0 frames"));
        assert!(refused(Frames { data: vec![0; 23], ..frames() }, spec()).contains("23 bytes"));
        assert!(refused(Frames { height: usize::MAX, ..frames() }, spec()).contains("24 bytes"));
        assert!(refused(frames(), ClipSpec { frames: 1, ..spec() }).contains("clip of 1"));
        assert!(refused(frames(), ClipSpec { stride: 0, ..spec() }).contains("stride 0"));
        assert!(refused(frames(), ClipSpec { size: 3, ..spec() }).contains("size 3"));
        assert!(refused(frames(), ClipSpec { resize: usize::MAX, ..spec() }).contains("at most 16384"));
        let endless = ClipSpec { frames: usize::MAX / 16, padding: Padding::RepeatLast, ..spec() };
        assert!(refused(frames(), endless).contains("too many"));
    }
}
