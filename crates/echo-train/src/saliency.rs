//! What of a clip speaks for a score.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Int, Tensor, TensorData};
use echo_core::{AnyAdapter, AnyEncoder, Prediction, Tokens};

/// A map of what speaks for a score, `[batch, time, rows, columns]`, not negative; `time` counts the steps of the encoder's
/// tokens. It is zero where the score depends on no tokens.
///
/// Feature maps are weighed as in Grad-CAM (Selvaraju et al., ICCV 2017): each channel by the mean of its gradient over an image.
/// The tokens of a transformer with a class token are weighed each by its own gradient (as in HiResCAM, Draelos and Carin 2020):
/// attention treats every place by itself.
///
/// - clip: `[batch, 3, frames, height, width]`
/// - score: from the encoder, which passes gradients on, and its tokens to `[batch]`
pub fn saliency(
    encoder: &AnyEncoder,
    clip: Tensor<5>,
    score: impl FnOnce(&AnyEncoder, &Tokens) -> Tensor<1>,
) -> Tensor<4> {
    // Frozen, it builds no graph before what is watched.
    let encoder = encoder.clone().freeze().train();
    let mut watched = Watched::default();
    let tokens = watched.tokens(&encoder, clip.autodiff(), 1);
    let (map, _) = watched.map(score(&encoder, &tokens));
    map
}

/// The same of what an adapter predicts, of which `score` makes `[samples]`, by all of its samples' clips:
/// `[samples * clips, time, rows, columns]`. Of an adapter that looks at two scales it is the sum of both, with the places of the
/// finer one.
///
/// - encoder: what the adapter was fitted on
/// - clip: `[samples * clips, 3, frames, height, width]`
///
/// # Errors
/// Why the adapter's predictions have no gradient with respect to tokens.
pub fn adapter_saliency(
    adapter: &AnyAdapter,
    encoder: &AnyEncoder,
    clip: Tensor<5>,
    clips: usize,
    score: impl FnOnce(Prediction) -> Tensor<1>,
) -> Result<Tensor<4>, &'static str> {
    let adapter = adapter.clone().freeze().train();
    let encoder = encoder.clone().freeze().train();
    let mut watched = Watched::default();
    let prediction = adapter.forward_clips(clip.autodiff(), clips, &encoder, &mut |encoder, clip, side| {
        watched.tokens(encoder, clip, side)
    })?;
    let (map, is_reached) = watched.map(score(prediction));
    if is_reached { Ok(map) } else { Err("its predictions have no gradient with respect to the encoder's tokens") }
}

/// All that was seen on the way to a score.
#[derive(Default)]
struct Watched(Vec<Seen>);

/// Values that have places, and their part in the picture.
struct Seen {
    /// `[batch * side * side, time, rows, columns, width]`
    values: Tensor<5>,
    /// See [`MakeTokens`](echo_core::MakeTokens).
    side: usize,
    /// Whether each place is weighed by its own gradient.
    by_place: bool,
}

impl Watched {
    /// Tokens of a clip, of which gradients are kept.
    fn tokens(&mut self, encoder: &AnyEncoder, clip: Tensor<5>, side: usize) -> Tokens {
        let mut seen = Vec::new();
        let tokens = encoder.tokens_watched(clip, &mut |values| {
            let values = values.detach().require_grad();
            seen.push(values.clone());
            values
        });
        let by_place = tokens.class.is_some();
        self.0.extend(seen.into_iter().map(|values| Seen { values, side, by_place }));
        tokens
    }

    /// The map of a score, at the places of the finest of all that was seen, and whether the score depends on any of that.
    ///
    /// A place of a finer grid is less of the picture, so what it says counts as many times more: sums over areas stay. The
    /// first grid counts as it is.
    fn map(self, score: Tensor<1>) -> (Tensor<4>, bool) {
        let gradients = score.sum().backward();
        let mut is_reached = false;
        let maps = self.0.into_iter().map(|Seen { values, side, by_place }| {
            let gradient = values.grad(&gradients);
            is_reached |= gradient.is_some();
            let values = values.inner();
            let gradient = gradient.unwrap_or_else(|| values.zeros_like());
            let weights = if by_place { gradient } else { gradient.mean_dim(2).mean_dim(3) };
            joined((weights * values).sum_dim(4).squeeze_dim(4), side)
        });
        let maps: Vec<Tensor<4>> = maps.collect();
        let finest = maps.iter().map(Tensor::dims).reduce(|a, b| std::array::from_fn(|axis| a[axis].max(b[axis])));
        let finest = finest.expect("tokens were made of a clip");
        let places = |map: &Tensor<4>| map.dims()[1..].iter().product::<usize>() as f64;
        let first = places(&maps[0]);
        let maps = maps.into_iter().map(|map| {
            let share = places(&map) / first;
            (1..4).fold(map, |map, axis| repeated(map, axis, finest[axis])) * share
        });
        let map = maps.reduce(|sum, map| sum + map).expect("tokens were made of a clip");
        (relu(map), is_reached)
    }
}

/// Maps of `side` x `side` parts of pictures, row by row, as maps of the pictures.
///
/// - map: `[batch * side * side, time, rows, columns]`
/// - output: `[batch, time, side * rows, side * columns]`
fn joined(map: Tensor<4>, side: usize) -> Tensor<4> {
    let [all, time, rows, columns] = map.dims();
    let batch = all / (side * side);
    let parts = map.reshape([batch, side, side, time, rows, columns]).permute([0, 3, 1, 4, 2, 5]);
    parts.reshape([batch, time, side * rows, side * columns])
}

/// The same with `count` places along an axis.
fn repeated(map: Tensor<4>, axis: usize, count: usize) -> Tensor<4> {
    let there = map.dims()[axis];
    if there == count {
        return map;
    }
    let places: Vec<i64> = (0..count).map(|place| (place * there / count) as i64).collect();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &map.device());
    map.select(axis, places)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn maps(values: impl IntoIterator<Item = i32>, shape: [usize; 4]) -> Tensor<4> {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn values(map: Tensor<4>) -> Vec<f32> {
        map.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn parts_lie_row_by_row() {
        // Four parts of one time step and 1 x 2 places.
        let map = joined(maps(1..=8, [4, 1, 1, 2]), 2);
        assert_eq!(map.dims(), [1, 1, 2, 4]);
        assert_eq!(values(map), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let whole = joined(maps(1..=4, [2, 1, 1, 2]), 1);
        assert_eq!((whole.dims(), values(whole)), ([2, 1, 1, 2], vec![1.0, 2.0, 3.0, 4.0]));
    }

    #[test]
    fn places_are_repeated_side_by_side() {
        let map = repeated(repeated(maps(1..=2, [1, 1, 1, 2]), 3, 4), 2, 2);
        assert_eq!(values(map), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }

    /// A fine grid says 1 of each of four places, a coarse one 4 of its only one: as much, in all and everywhere.
    #[test]
    fn grids_of_one_picture_count_by_their_area() {
        let device = Device::flex().autodiff();
        let seen = |size: usize, value: f32| {
            let values = Tensor::<5>::ones([1, 1, size, size, 1], &device) * value;
            Seen { values: values.require_grad(), side: 1, by_place: true }
        };
        let of = |sizes: [(usize, f32); 2]| {
            let watched = Watched(sizes.map(|(size, value)| seen(size, value)).into());
            let score =
                watched.0.iter().map(|seen| seen.values.clone().sum()).reduce(|sum, score| sum + score).unwrap();
            let (map, is_reached) = watched.map(score);
            assert!(is_reached);
            values(map)
        };
        assert_eq!(of([(2, 1.0), (1, 4.0)]), [2.0; 4]);
        // As the coarse grid counts it.
        assert_eq!(of([(1, 4.0), (2, 1.0)]), [8.0; 4]);
    }
}
