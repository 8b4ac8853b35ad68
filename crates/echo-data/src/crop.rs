//! Crops: to a square, by the zoom, and from the centre.

use echo_core::{Aspect, Crop};

use crate::error::DataError;
use crate::resize::Size;

/// A rectangle of pixels in a frame, or (from 0, 0) a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Window {
    /// A whole frame.
    pub fn whole(height: usize, width: usize) -> Self {
        Self { top: 0, left: 0, height, width }
    }

    /// The window without `rows` rows at its top and bottom and `columns` columns at its sides.
    fn shrunk(self, rows: usize, columns: usize) -> Self {
        Self {
            top: self.top + rows,
            left: self.left + columns,
            height: self.height - 2 * rows,
            width: self.width - 2 * columns,
        }
    }
}

/// The part of a frame of `height` x `width` pixels that is resized.
///
/// # Errors
/// A zoom that is negative, not a number, or leaves nothing (0.5 and above).
pub fn crop(height: usize, width: usize, crop: &Crop) -> Result<Window, DataError> {
    let whole = Window::whole(height, width);
    let kept = match crop.aspect {
        Aspect::CroppedThenResized => crop_to_square(whole),
        Aspect::Stretched | Aspect::ResizedThenCropped | Aspect::RoundedThenCropped => whole,
    };
    zoom(kept, crop.zoom)
}

/// The size that a window is resized to: a square of side `resize`, or one that keeps its aspect and has that as its shorter
/// side, the longer one cut to whole pixels as torchvision's `Resize` does, or rounded as mmcv's `rescale_size` does.
pub(crate) fn resized(window: Window, aspect: Aspect, resize: usize) -> Size {
    let Window { height, width, .. } = window;
    let longer = |long: usize, short: usize| match aspect {
        Aspect::RoundedThenCropped => (long as f64 * (resize as f64 / short as f64) + 0.5) as usize,
        _ => (resize as f64 * long as f64 / short as f64) as usize,
    };
    match aspect {
        Aspect::Stretched | Aspect::CroppedThenResized => Size { height: resize, width: resize },
        _ if width < height => Size { height: longer(height, width), width: resize },
        _ => Size { height: resize, width: longer(width, height) },
    }
}

/// Cuts the longer side to the shorter's length: half the difference from each edge, rounded half to even. The two
/// can then differ by one pixel, and the resize squeezes that; upstream does the same.
pub(crate) fn crop_to_square(window: Window) -> Window {
    let margin = |long: usize, short: usize| ((long - short) as f64 / 2.0).round_ties_even() as usize;
    if window.width > window.height {
        window.shrunk(0, margin(window.width, window.height))
    } else {
        window.shrunk(margin(window.height, window.width), 0)
    }
}

/// Cuts `int(zoom * side)` pixels from every edge.
///
/// # Errors
/// A zoom outside `0.0..0.5`.
pub fn zoom(window: Window, zoom: f64) -> Result<Window, DataError> {
    if !(0.0..0.5).contains(&zoom) {
        return Err(DataError::ClipSpec(format!("crop.zoom is {zoom}; it must be at least 0 and below 0.5")));
    }
    let margin = |side: usize| (side as f64 * zoom) as usize;
    Ok(window.shrunk(margin(window.height), margin(window.width)))
}

/// The square of side `size` in the middle of an image; half of an odd remainder is rounded half to even, as torchvision's
/// `CenterCrop` does, or down, as mmaction's does.
///
/// # Errors
/// A `size` above a side.
pub(crate) fn center_crop(from: Size, aspect: Aspect, size: usize) -> Result<Window, DataError> {
    let least = from.height.min(from.width);
    if size > least {
        return Err(DataError::ClipSpec(format!("size {size} cannot be cropped from resize {least}; lower size")));
    }
    let edge = |side: usize| match aspect {
        Aspect::RoundedThenCropped => (side - size) / 2,
        _ => ((side - size) as f64 / 2.0).round_ties_even() as usize,
    };
    Ok(Window { top: edge(from.height), left: edge(from.width), height: size, width: size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_of_the_square_is_rounded_half_to_even() {
        let square = |height, width| crop_to_square(Window::whole(height, width));
        assert_eq!(square(600, 800), Window { top: 0, left: 100, height: 600, width: 600 });
        assert_eq!(square(800, 600), Window { top: 100, left: 0, height: 600, width: 600 });
        // 0.5 is no crop, 1.5 is two pixels, 2.5 is two pixels: Python's `round`.
        assert_eq!(square(600, 601), Window::whole(600, 601));
        assert_eq!(square(600, 603), Window { top: 0, left: 2, height: 600, width: 599 });
        assert_eq!(square(605, 600), Window { top: 2, left: 0, height: 601, width: 600 });
        assert_eq!(square(112, 112), Window::whole(112, 112));
    }

    #[test]
    fn zoom_cuts_whole_pixels_from_every_edge() -> Result<(), DataError> {
        let side = |side, by| zoom(Window::whole(side, side), by).map(|window| (window.left, window.width));
        assert_eq!(side(112, 0.1)?, (11, 90));
        assert_eq!(side(224, 0.1)?, (22, 180));
        assert_eq!(side(9, 0.1)?, (0, 9));
        assert_eq!(side(1, 0.49)?, (0, 1));
        let both = crop(600, 800, &Crop { aspect: Aspect::CroppedThenResized, zoom: 0.1 })?;
        assert_eq!(both, Window { top: 60, left: 160, height: 480, width: 480 });
        let stretched = crop(600, 800, &Crop { aspect: Aspect::Stretched, zoom: 0.1 })?;
        assert_eq!(stretched, Window { top: 60, left: 80, height: 480, width: 640 });
        Ok(())
    }

    #[test]
    fn a_zoom_that_leaves_nothing_is_refused() {
        for by in [0.5, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            let error = zoom(Window::whole(10, 10), by).unwrap_err().to_string();
            assert!(error.contains("crop.zoom"), "{error}");
        }
    }

    #[test]
    fn the_centre_crop_is_torchvisions() -> Result<(), DataError> {
        let after = Aspect::ResizedThenCropped;
        let edge = |side, size| center_crop(Size { height: side, width: side }, after, size).map(|window| window.top);
        assert_eq!((edge(256, 224)?, edge(7, 4)?, edge(9, 4)?, edge(64, 64)?), (16, 2, 2, 0));
        assert!(center_crop(Size { height: 80, width: 64 }, after, 65).unwrap_err().to_string().contains("65"));
        let wide = center_crop(Size { height: 224, width: 299 }, after, 224)?;
        assert_eq!(wide, Window { top: 0, left: 38, height: 224, width: 224 });
        Ok(())
    }

    #[test]
    fn a_side_that_is_cropped_later_keeps_its_aspect_as_torchvisions_resize_does() {
        let of = |height, width, aspect| {
            let Size { height, width } = resized(Window::whole(height, width), aspect, 224);
            [height, width]
        };
        let after = Aspect::ResizedThenCropped;
        // int(224 * 149 / 112), int(224 * 400 / 300), int(224 * 801 / 600).
        assert_eq!(of(112, 149, after), [224, 298]);
        assert_eq!(of(400, 300, after), [298, 224]);
        assert_eq!(of(600, 801, after), [224, 299]);
        assert_eq!(of(112, 112, after), [224, 224]);
        // 224 * 149 / 112 is 298, 224 * 400 / 300 is 298.7, 224 * 801 / 600 is 299.04.
        let rounded = Aspect::RoundedThenCropped;
        assert_eq!([of(112, 149, rounded), of(400, 300, rounded)], [[224, 298], [299, 224]]);
        assert_eq!(of(600, 801, rounded), [224, 299]);
        assert_eq!(center_crop(Size { height: 224, width: 231 }, rounded, 224).unwrap().left, 3);
        assert_eq!(center_crop(Size { height: 224, width: 231 }, after, 224).unwrap().left, 4);
        assert_eq!(of(112, 149, Aspect::Stretched), [224, 224]);
        assert_eq!(of(112, 149, Aspect::CroppedThenResized), [224, 224]);
    }
}
