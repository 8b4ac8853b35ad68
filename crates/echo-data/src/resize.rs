//! Resizing u8 RGB images with the filter that an encoder was trained with.

use echo_core::Filter;

use crate::crop::Window;
use crate::opencv_area::OpenCvArea;
use crate::opencv_cubic::OpenCvCubic;
use crate::opencv_linear::OpenCvLinear;
use crate::pil_bicubic::PilBicubic;
use crate::torch_bilinear::TorchBilinear;

/// Rows and columns of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A window of an RGB image: `height` rows of `3 * width` bytes, which need not follow each other directly.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    data: &'a [u8],
    row_len: usize,
    window: Window,
}

impl<'a> Image<'a> {
    /// The `window` of an image with `width` columns and the pixels `data`, `[height, width, 3]`.
    ///
    /// # Panics
    /// When the window is empty or does not lie in the image.
    pub fn new(data: &'a [u8], width: usize, window: Window) -> Self {
        let Window { top, left, height: rows, width: columns } = window;
        let inside = left + columns <= width && (top + rows) * width * 3 <= data.len();
        assert!(rows > 0 && columns > 0 && inside, "{window:?} of {} bytes in rows of {width} pixels", data.len());
        Self { data, row_len: width * 3, window }
    }

    /// The window's size.
    pub fn size(&self) -> Size {
        Size { height: self.window.height, width: self.window.width }
    }

    /// The bytes of row `y` of the window.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        let start = (self.window.top + y) * self.row_len + self.window.left * 3;
        &self.data[start..start + self.window.width * 3]
    }
}

/// A filter with its weights for one pair of sizes, made once and used for every frame.
#[derive(Clone, Debug)]
pub struct Resizer {
    from: Size,
    to: Size,
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    /// Equal sizes: OpenCV, PIL and torchvision all copy.
    Copy,
    OpenCvCubic(OpenCvCubic),
    OpenCvLinear(OpenCvLinear),
    OpenCvArea(OpenCvArea),
    PilBicubic(PilBicubic),
    TorchBilinear(TorchBilinear),
}

impl Resizer {
    /// The weights of `filter` from one size to another; no side may be 0.
    ///
    /// # Panics
    /// When a side is 0.
    pub fn new(filter: Filter, from: Size, to: Size) -> Self {
        assert!([from.height, from.width, to.height, to.width].iter().all(|&side| side > 0), "{from:?} to {to:?}");
        let plan = match filter {
            _ if from == to => Plan::Copy,
            Filter::OpenCvCubic => Plan::OpenCvCubic(OpenCvCubic::new(from, to)),
            // OpenCV averages squares of four where that is what a linear filter comes to.
            Filter::OpenCvLinear if is_halved(from, to) => Plan::OpenCvArea(OpenCvArea::new(from, to)),
            Filter::OpenCvLinear => Plan::OpenCvLinear(OpenCvLinear::new(from, to)),
            Filter::OpenCvArea => Plan::OpenCvArea(OpenCvArea::new(from, to)),
            Filter::PilBicubic => Plan::PilBicubic(PilBicubic::new(from, to)),
            Filter::TorchBilinear => Plan::TorchBilinear(TorchBilinear::new(from, to)),
        };
        Self { from, to, plan }
    }

    /// Writes the resized image to `out`, `[height, width, 3]`.
    ///
    /// # Panics
    /// When the image or `out` has another size than the resizer was made for.
    pub fn run(&self, image: Image<'_>, out: &mut [u8]) {
        assert_eq!(image.size(), self.from, "the resizer was made for another size");
        assert_eq!(out.len(), self.to.height * self.to.width * 3, "the output has another size than {:?}", self.to);
        match &self.plan {
            Plan::Copy => {
                for (y, row) in out.chunks_exact_mut(self.to.width * 3).enumerate() {
                    row.copy_from_slice(image.row(y));
                }
            }
            Plan::OpenCvCubic(plan) => plan.run(image, out),
            Plan::OpenCvLinear(plan) => plan.run(image, out),
            Plan::OpenCvArea(plan) => plan.run(image, out),
            Plan::PilBicubic(plan) => plan.run(image, out),
            Plan::TorchBilinear(plan) => plan.run(image, out),
        }
    }
}

fn is_halved(from: Size, to: Size) -> bool {
    (from.height, from.width) == (2 * to.height, 2 * to.width)
}

/// OpenCV's distance between neighbouring output pixels in input pixels. Not `from / to`, but the reciprocal of a
/// reciprocal, which can differ in the last bit.
pub(crate) fn opencv_scale(from: usize, to: usize) -> f64 {
    1.0 / (to as f64 / from as f64)
}

/// Rounds to the nearest integer, halves to even, and into `0..=255`, for `|value|` below 2^22.
///
/// Adding 1.5 * 2^23 leaves a float no bits below the point. Unlike `f32::round_ties_even`, which calls a function on
/// x86-64 without SSE 4.1, this becomes vector instructions everywhere.
pub(crate) fn round_to_u8(value: f32) -> u8 {
    const MAGIC: f32 = 12_582_912.0;
    ((value + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32).clamp(0, 255) as u8
}

/// A frame `[height, width, 3]` at the largest size that fits within another and has its shape, for people to look at. It is
/// never enlarged.
///
/// # Panics
/// When a side is 0, or the frame has another size.
pub fn shrunk(frame: &[u8], from: Size, within: Size) -> (Size, Vec<u8>) {
    let scale = (within.height as f64 / from.height as f64).min(within.width as f64 / from.width as f64).min(1.0);
    let side = |length: usize| ((length as f64 * scale) as usize).max(1);
    let to = Size { height: side(from.height), width: side(from.width) };
    let mut pixels = vec![0; to.height * to.width * 3];
    let image = Image::new(frame, from.width, Window::whole(from.height, from.width));
    Resizer::new(Filter::PilBicubic, from, to).run(image, &mut pixels);
    (to, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [Filter; 5] =
        [Filter::OpenCvCubic, Filter::OpenCvLinear, Filter::OpenCvArea, Filter::PilBicubic, Filter::TorchBilinear];

    #[test]
    fn rounding_is_half_to_even_and_saturates() {
        for quarter in -4000..4000 {
            let value = quarter as f32 / 4.0;
            assert_eq!(round_to_u8(value), value.round_ties_even() as u8, "{value}");
        }
    }

    #[test]
    fn equal_sizes_copy_the_window() {
        let data: Vec<u8> = (0..5 * 4 * 3).collect();
        let window = Window { top: 1, left: 2, height: 3, width: 2 };
        let size = Size { height: 3, width: 2 };
        for filter in FILTERS {
            let mut out = [0; 18];
            Resizer::new(filter, size, size).run(Image::new(&data, 4, window), &mut out);
            assert_eq!(out, [18, 19, 20, 21, 22, 23, 30, 31, 32, 33, 34, 35, 42, 43, 44, 45, 46, 47]);
        }
    }

    #[test]
    fn a_constant_image_stays_constant_at_any_size() {
        let data = [200; 13 * 7 * 3];
        for filter in FILTERS {
            for (height, width) in [(1, 1), (3, 20), (26, 14), (6, 3), (13, 8)] {
                let mut out = vec![0; height * width * 3];
                let resizer = Resizer::new(filter, Size { height: 13, width: 7 }, Size { height, width });
                resizer.run(Image::new(&data, 7, Window::whole(13, 7)), &mut out);
                assert!(out.iter().all(|&value| value == 200), "{filter:?} {height}x{width}: {out:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "another size")]
    fn a_resizer_refuses_other_sizes() {
        let size = |side| Size { height: side, width: side };
        let resizer = Resizer::new(Filter::OpenCvArea, size(4), size(2));
        resizer.run(Image::new(&[0; 75], 5, Window::whole(5, 5)), &mut [0; 12]);
    }

    #[test]
    fn pictures_to_look_at_keep_their_shape_and_are_never_enlarged() {
        let size = |height, width| Size { height, width };
        let of = |from: Size, within| shrunk(&vec![7; from.height * from.width * 3], from, within);
        assert_eq!(of(size(10, 40), size(20, 20)), (size(5, 20), vec![7; 300]));
        assert_eq!(of(size(10, 4), size(20, 20)).0, size(10, 4));
        assert_eq!(of(size(1, 400), size(20, 20)).0, size(1, 20));
    }
}
