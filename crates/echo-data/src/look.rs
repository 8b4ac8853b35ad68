//! What a clip shows of its video: where it begins and how its frames are moved.

use crate::Start;

/// Where a clip begins, and how its frames are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Where it begins.
    pub start: Start,
    /// How all its frames are moved, the same way; not at all for most.
    pub shift: Shift,
}

impl From<Start> for Look {
    fn from(start: Start) -> Self {
        Self { start, shift: Shift::default() }
    }
}

/// Pixels of the clip by which frames are moved; black comes in from the other side. Padding an image and cutting it
/// back to its size elsewhere is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// To the right; to the left if negative.
    pub right: i32,
    /// Down; up if negative.
    pub down: i32,
}

impl Shift {
    /// Moves images of `size` x `size` pixels with three bytes each, one after the other.
    pub(crate) fn apply(self, images: Vec<u8>, size: usize) -> Vec<u8> {
        if self == Self::default() {
            return images;
        }
        let mut moved = vec![0; images.len()];
        let row_len = size * 3;
        // What is left of a row or column, where it comes from and where it goes.
        let part = |by: i32| {
            let by = (by.unsigned_abs() as usize).min(size) as i32 * by.signum();
            let (from, to) = (by.min(0).unsigned_abs() as usize, by.max(0) as usize);
            (from, to, size - from.max(to))
        };
        let ((from_row, to_row, rows), (from_column, to_column, columns)) = (part(self.down), part(self.right));
        for (image, moved) in images.chunks_exact(size * row_len).zip(moved.chunks_exact_mut(size * row_len)) {
            for row in 0..rows {
                let source = &image[(from_row + row) * row_len + from_column * 3..][..columns * 3];
                moved[(to_row + row) * row_len + to_column * 3..][..columns * 3].copy_from_slice(source);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_move_and_black_comes_in() {
        let images: Vec<u8> = (1..=4u8).chain(5..=8).flat_map(|pixel| [pixel; 3]).collect();
        let moved = |right, down| -> Vec<u8> {
            Shift { right, down }.apply(images.clone(), 2).chunks_exact(3).map(|pixel| pixel[0]).collect()
        };
        assert_eq!(moved(0, 0), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(moved(1, 0), [0, 1, 0, 3, 0, 5, 0, 7]);
        assert_eq!(moved(-1, 0), [2, 0, 4, 0, 6, 0, 8, 0]);
        assert_eq!(moved(0, 1), [0, 0, 1, 2, 0, 0, 5, 6]);
        assert_eq!(moved(0, -1), [3, 4, 0, 0, 7, 8, 0, 0]);
        assert_eq!(moved(9, i32::MIN), [0; 8]);
    }
}
