//! Positions of a grid of patches for another grid: images of other sizes than a vision transformer is built for.
//!
//! By Keys' cubic convolution (1981) with a = -0.5, widened when shrinking: what open_clip does by PyTorch's `interpolate` with
//! `mode="bicubic", antialias=True`.

use burn::tensor::{Device, Tensor, TensorData};

/// Places on either side of the centre that the filter reaches, when not widened.
const SUPPORT: f64 = 2.0;

/// `[rows * columns, width]` of the grid `from` -> that of the grid `to`
///
/// # Panics
/// When there are not as many positions as `from` has places, or a grid has none.
pub(crate) fn resized(positions: Tensor<2>, from: [usize; 2], to: [usize; 2]) -> Tensor<2> {
    if from == to {
        return positions;
    }
    let ([_, width], device) = (positions.dims(), positions.device());
    let [rows, columns] = [0, 1].map(|axis| weights(from[axis], to[axis], &device));
    let x = rows.matmul(positions.reshape([from[0], from[1] * width]));
    let x = x.reshape([to[0], from[1], width]);
    let x = columns.unsqueeze::<3>().expand([to[0], to[1], from[1]]).matmul(x);
    x.reshape([to[0] * to[1], width])
}

/// `[to, from]`: how much of each place makes each new one.
fn weights(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let scale = from as f64 / to as f64;
    let widening = scale.max(1.0);
    let row = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let near = |index: usize| {
            let distance = index as f64 + 0.5 - centre;
            // Whole places: the ends of what the filter reaches are cut towards zero.
            let first = (centre - SUPPORT * widening + 0.5) as usize;
            let end = (centre + SUPPORT * widening + 0.5) as usize;
            if (first..end).contains(&index) { cubic(distance / widening) } else { 0.0 }
        };
        let row: Vec<f64> = (0..from).map(near).collect();
        let sum: f64 = row.iter().sum();
        row.into_iter().map(move |weight| (weight / sum) as f32)
    };
    Tensor::from_data(TensorData::new((0..to).flat_map(row).collect::<Vec<f32>>(), [to, from]), device)
}

/// Keys' kernel with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_are_all_the_same_stay_so_and_rows_are_not_columns() {
        let device = Device::flex();
        // Three rows of two columns, numbered by the row in the first channel and by the column in the second.
        let positions = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [2.0, 1.0]];
        let positions = Tensor::<2>::from_floats(positions, &device);
        let constant = resized(positions.ones_like(), [3, 2], [7, 1]).into_data();
        assert!(constant.iter::<f32>().all(|value| (value - 1.0).abs() < 1e-6), "{constant}");
        let found = resized(positions.clone(), [3, 2], [6, 5]).into_data().try_to_vec::<f32>().unwrap();
        let of = |row: usize, column: usize, channel: usize| found[(row * 5 + column) * 2 + channel];
        assert!((1..6).all(|row| of(row, 2, 0) > of(row - 1, 2, 0)), "{found:?}");
        assert!((1..6).all(|row| (of(row, 2, 1) - of(0, 2, 1)).abs() < 1e-6), "{found:?}");
        assert!((1..5).all(|column| of(3, column, 1) > of(3, column - 1, 1)));
        let same = resized(positions.clone(), [3, 2], [3, 2]);
        assert_eq!(same.into_data(), positions.into_data());
    }
}
