//! torch's `interpolate(mode="bilinear", align_corners=False)` on u8, as torchvision's `resize` with `antialias=False` calls it:
//! in 32-bit floats, rounded to u8 at the end.
//!
//! Every output pixel lies between two rows and two columns of the input, also when shrinking: what lies further away does
//! not count. (Source: PyTorch, `aten/src/ATen/native/UpSample.h`, BSD-3.)

use crate::resize::{Image, Size, round_to_u8};

/// The two input pixels that one output pixel lies between, and the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Between {
    first: usize,
    second: usize,
    weight: f32,
}

/// The weights for one pair of sizes.
#[derive(Clone, Debug)]
pub(crate) struct TorchBilinear {
    columns: Vec<Between>,
    rows: Vec<Between>,
}

impl TorchBilinear {
    pub(crate) fn new(from: Size, to: Size) -> Self {
        Self { columns: axis(from.width, to.width), rows: axis(from.height, to.height) }
    }

    pub(crate) fn run(&self, image: Image<'_>, out: &mut [u8]) {
        for (rows, out) in self.rows.iter().zip(out.chunks_exact_mut(self.columns.len() * 3)) {
            let [above, below] = [image.row(rows.first), image.row(rows.second)];
            for (columns, out) in self.columns.iter().zip(out.chunks_exact_mut(3)) {
                for (channel, out) in out.iter_mut().enumerate() {
                    let of_row = |row: &[u8]| {
                        let value = |column: usize| f32::from(row[column * 3 + channel]);
                        (1.0 - columns.weight) * value(columns.first) + columns.weight * value(columns.second)
                    };
                    *out = round_to_u8((1.0 - rows.weight) * of_row(above) + rows.weight * of_row(below));
                }
            }
        }
    }
}

fn axis(from: usize, to: usize) -> Vec<Between> {
    let scale = from as f32 / to as f32;
    let between = |place: usize| {
        let place = (scale * (place as f32 + 0.5) - 0.5).max(0.0);
        let first = (place as usize).min(from - 1);
        Between { first, second: (first + 1).min(from - 1), weight: (place - first as f32).clamp(0.0, 1.0) }
    };
    (0..to).map(between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crop::Window;

    fn resized(row: &[u8], to: usize) -> Vec<u8> {
        let data: Vec<u8> = row.iter().flat_map(|&value| [value, 255 - value, 0]).collect();
        let image = Image::new(&data, row.len(), Window::whole(1, row.len()));
        let mut out = vec![0; to * 3];
        let from = Size { height: 1, width: row.len() };
        TorchBilinear::new(from, Size { height: 1, width: to }).run(image, &mut out);
        assert!(out.chunks(3).all(|rgb| rgb[2] == 0));
        out.chunks(3).map(|rgb| rgb[0]).collect()
    }

    /// What `torch.nn.functional.interpolate` gives, rounded as `torch.round` does, halves to even.
    #[test]
    fn values_are_torchs() {
        assert_eq!(resized(&[10, 20, 41], 6), [10, 12, 18, 25, 36, 41]);
        // No antialias: of five pixels two lie beside the centre.
        assert_eq!(resized(&[0, 0, 100, 7, 9], 1), [100]);
        assert_eq!(resized(&[0, 100, 0, 0], 2), [50, 0]);
    }
}
