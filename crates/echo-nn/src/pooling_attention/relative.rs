//! Relative positions of queries and keys on a grid, one table per axis.

use burn::tensor::{Int, Tensor, TensorData};

use super::Grid;

/// The tables' vectors for every pair of places, for frames, rows and columns: `[query's places, key's places, head_width]`.
///
/// - tables: for frames, rows and columns, `[distances, head_width]` each
pub(super) fn vectors(tables: [Tensor<2>; 3], query_grid: Grid, key_grid: Grid) -> [Tensor<3>; 3] {
    let mut places = query_grid.into_iter().zip(key_grid);
    tables.map(|table| {
        let (query, key) = places.next().expect("three axes");
        let [_, head_width] = table.dims();
        let device = table.device();
        let distances = Tensor::<1, Int>::from_data(TensorData::new(distances(query, key), [query * key]), &device);
        resize(table, 2 * query.max(key) - 1).select(0, distances).reshape([query, key, head_width])
    })
}

/// Index into a table of `2 * max(query, key) - 1` distances for every pair, in torchvision's arithmetic: the places
/// of the shorter axis are spread over the longer one, and fractions are cut off.
fn distances(query: usize, key: usize) -> Vec<i64> {
    let spread = |own: usize, other: usize| (other as f32 / own as f32).max(1.0);
    let (query_step, key_step) = (spread(query, key), spread(key, query));
    let distance = |i: usize, j: usize| i as f32 * query_step - (j as f32 + (1.0 - key as f32)) * key_step;
    (0..query).flat_map(|i| (0..key).map(move |j| distance(i, j) as i64)).collect()
}

/// `[length, head_width]` -> `[new_length, head_width]`, linearly, with half-pixel centres as in PyTorch.
fn resize(table: Tensor<2>, new_length: usize) -> Tensor<2> {
    let [length, _] = table.dims();
    if length == new_length {
        return table;
    }
    let scale = length as f32 / new_length as f32;
    let mut weights = vec![0f32; new_length * length];
    for (i, row) in weights.chunks_exact_mut(length).enumerate() {
        let place = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
        let (low, fraction) = (place as usize, place.fract());
        row[low] += 1.0 - fraction;
        row[(low + 1).min(length - 1)] += fraction;
    }
    Tensor::<2>::from_data(TensorData::new(weights, [new_length, length]), &table.device()).matmul(table)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn mvit_distances_span_the_table() {
        assert_eq!(distances(2, 2), [1, 0, 2, 1]);
        // Four queries over two keys: keys are two apart.
        assert_eq!(distances(4, 2), [2, 0, 3, 1, 4, 2, 5, 3]);
        for (query, key) in [(56, 7), (7, 14), (5, 3), (3, 5), (1, 1)] {
            let distances = distances(query, key);
            let last = 2 * query.max(key) as i64 - 2;
            assert!(distances.iter().all(|distance| (0..=last).contains(distance)), "{query}, {key}: {distances:?}");
        }
    }

    #[test]
    fn mvit_tables_are_resized_as_pytorch_interpolates() {
        let device = Device::flex();
        let table = |values: &[f32]| Tensor::<1>::from_floats(values, &device).unsqueeze_dim(1);
        let resized = |values: &[f32], length| resize(table(values), length).into_data().try_to_vec::<f32>().unwrap();
        // torch.nn.functional.interpolate(torch.tensor([[[0., 1., 4.]]]), size=5, mode="linear")
        let expected = [0.0, 0.4, 1.0, 2.8, 4.0];
        for (ours, expected) in resized(&[0.0, 1.0, 4.0], 5).iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-6, "{ours} against {expected}");
        }
        assert_eq!(resized(&[0.0, 1.0, 4.0], 1), [1.0]);
        assert_eq!(resized(&[2.0, 3.0], 2), [2.0, 3.0]);
    }
}
