//! Relative positions of queries and keys on a grid, one table per axis.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::Grid;

/// What each query's position adds to its scores: first for every frame of the keys' grid, then for every row, then
/// for every column. The score of a key is the sum of three of them, see [`places`].
///
/// - query: `[batch, heads, tokens of query_grid, head_width]`, not scaled
/// - tables: for frames, rows and columns, `[distances, head_width]` each
/// - output: `[batch, heads, tokens of query_grid, key frames + key rows + key columns]`
pub(super) fn scores(query: Tensor<4>, tables: [Tensor<2>; 3], query_grid: Grid, key_grid: Grid) -> Tensor<4> {
    let [batch, heads, tokens, head_width] = query.dims();
    let [frames, height, width] = query_grid;
    let [key_frames, key_height, key_width] = key_grid;
    let [table_t, table_h, table_w] = tables;
    let by_frame = query.clone().reshape([batch * heads, frames, height * width, head_width]);
    let by_row = query.reshape([batch * heads * frames, height, width, head_width]);
    let by_column = by_row.clone().swap_dims(1, 2);

    let scores = [
        by_frame.matmul(rows(table_t, frames, key_frames)).reshape([batch, heads, tokens, key_frames]),
        by_row.matmul(rows(table_h, height, key_height)).reshape([batch, heads, tokens, key_height]),
        by_column.matmul(rows(table_w, width, key_width)).swap_dims(1, 2).reshape([batch, heads, tokens, key_width]),
    ];
    Tensor::cat(scores.to_vec(), 3)
}

/// Ones in the columns of each key's frame, row and column, in the order of [`scores`]; zeros for the class token.
///
/// - output: `[1, 1, 1 + tokens of key_grid, key frames + key rows + key columns]`
pub(super) fn places(key_grid: Grid, device: &Device) -> Tensor<4> {
    let [frames, height, width] = key_grid;
    let columns = frames + height + width;
    let tokens = frames * height * width;
    let mut ones = vec![0f32; (1 + tokens) * columns];
    for (token, row) in ones.chunks_exact_mut(columns).skip(1).enumerate() {
        row[token / (height * width)] = 1.0;
        row[frames + token / width % height] = 1.0;
        row[frames + height + token % width] = 1.0;
    }
    Tensor::from_data(TensorData::new(ones, [1, 1, 1 + tokens, columns]), device)
}

/// The table's row for every pair of places on one axis: `[1, query, head_width, key]`
fn rows(table: Tensor<2>, query: usize, key: usize) -> Tensor<4> {
    let device = table.device();
    let [_, head_width] = table.dims();
    let table = resize(table, 2 * query.max(key) - 1);
    let distances = Tensor::<1, Int>::from_data(TensorData::new(distances(query, key), [query * key]), &device);
    table.select(0, distances).reshape([1, query, key, head_width]).swap_dims(2, 3)
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

    #[test]
    fn mvit_scores_and_places_add_one_row_of_each_table() {
        let device = Device::flex();
        let (query_grid, key_grid) = ([2, 4, 3], [2, 2, 3]);
        let table = |length: usize, offset: f32| {
            let values: Vec<f32> = (0..2 * length).map(|i| ((i as f32 + offset) * 0.618).fract()).collect();
            Tensor::<2>::from_data(TensorData::new(values, [length, 2]), &device)
        };
        let (t, h, w) = (table(3, 0.1), table(7, 0.2), table(5, 0.3));
        let query: Vec<f32> = (0..48).map(|i| (i as f32 * 0.377).fract()).collect();
        let query_tensor = Tensor::<4>::from_data(TensorData::new(query.clone(), [1, 1, 24, 2]), &device);
        let scores = scores(query_tensor, [t.clone(), h.clone(), w.clone()], query_grid, key_grid);
        let sums = scores.matmul(places(key_grid, &device).swap_dims(2, 3)).into_data().try_to_vec::<f32>().unwrap();

        let [t, h, w] = [t, h, w].map(|table| table.into_data().try_to_vec::<f32>().unwrap());
        for token in 0..24 {
            let (qt, qh, qw) = (token / 12, token / 3 % 4, token % 3);
            assert_eq!(sums[token * 13], 0.0, "the class token has no position");
            for place in 0..12 {
                let (kt, kh, kw) = (place / 6, place / 3 % 2, place % 3);
                // Rows: four queries over two keys, so keys are two apart.
                let (dt, dh, dw) = (qt + 1 - kt, qh + 2 * (1 - kh), qw + 2 - kw);
                let expected: f32 =
                    (0..2).map(|c| query[2 * token + c] * (t[2 * dt + c] + h[2 * dh + c] + w[2 * dw + c])).sum();
                let ours = sums[token * 13 + 1 + place];
                assert!((ours - expected).abs() < 1e-5, "query {token}, key {place}: {ours} against {expected}");
            }
        }
    }
}
