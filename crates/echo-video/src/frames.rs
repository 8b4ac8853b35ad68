//! Decoded pixels.

/// Decoded frames: u8 RGB, `[count, height, width, 3]`, contiguous.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    /// The pixels, `count * height * width * 3` bytes.
    pub data: Vec<u8>,
    /// How many frames.
    pub count: usize,
    /// Rows of a frame.
    pub height: usize,
    /// Columns of a frame.
    pub width: usize,
    /// Frames per second; 0 when the file does not say.
    pub fps: f64,
}

impl Frames {
    /// Bytes of one frame.
    pub fn frame_len(&self) -> usize {
        self.height * self.width * 3
    }

    /// The pixels of frame `i`: `[height, width, 3]`.
    ///
    /// # Panics
    /// When `i` is not below `count`.
    pub fn frame(&self, i: usize) -> &[u8] {
        assert!(i < self.count, "frame {i} of {}", self.count);
        &self.data[i * self.frame_len()..(i + 1) * self.frame_len()]
    }

    /// Frames in order, each `[height, width, 3]`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.count).map(|i| self.frame(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_consecutive_slices() {
        let frames = Frames { data: (0..24).collect(), count: 2, height: 2, width: 2, fps: 30.0 };
        assert_eq!(frames.frame(1), (12..24).collect::<Vec<u8>>());
        assert_eq!(frames.iter().map(<[u8]>::len).collect::<Vec<_>>(), [12, 12]);
    }
}
