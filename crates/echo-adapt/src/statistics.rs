//! Statistics pooling: the mean of a clip's frames and, beside it, the logarithm of their deviation over time (Snyder et
//! al., "X-vectors", ICASSP 2018, who pool speech so, without the logarithm), under a linear head.
//!
//! A mean over frames that are seen one by one is linear in what single frames show, and how much a ventricle ejects is
//! not: it is a difference between frames. A direction of the embeddings that follows the logarithm of the volume
//! deviates over a beat by an amount that the ejection fraction alone decides, whatever the ventricle's size.
//!
//! Before them stands what the encoder reads without training, and its weight is not shrunk: ridge regression on few
//! labels ends near a multiple of that reading, corrected by as much of the statistics as pays, and not near a constant.

use burn::tensor::Tensor;
use echo_core::{AnyEncoder, l2_normalize};
use serde::Deserialize;

use crate::head::Head;
use crate::parts::{Parts, PoolChoice};
use crate::registry::{Source, settings};
use crate::{AdaptError, AdapterEntry};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry {
    name: "statistics",
    summary: "linear probe on mean and log deviation of a clip's frames over time, and on the zero-shot reading of values",
    recipe: include_str!("../../../configs/adapters/statistics.toml"),
    trains: true,
    source: Source::Part(add),
};

/// Added to variances of values of order one: a direction that never moves is as good as one that hardly does.
const EPSILON: f64 = 1e-4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Whether what the encoder reads without training stands before the statistics, where a value is predicted.
    reading: bool,
}

fn add(table: &toml::Table, parts: &mut Parts) -> Result<(), AdaptError> {
    let Settings { reading } = settings(ENTRY.name, table)?;
    parts.reading = reading;
    parts.set_pool(PoolChoice::Statistics, ENTRY.name)
}

/// What `head` reads from each clip's embedding, of order one where percentages are read:
/// `[batch, time, dim]` -> `[batch, 1]`
pub(crate) fn reading(head: &Head, encoder: &AnyEncoder, frames: Tensor<3>) -> Tensor<2> {
    let embedding = encoder.projection().pool(frames).unsqueeze_dim(1);
    let value = head.forward(embedding, encoder).into_values().expect("what stands before statistics reads a value");
    ((value - 50.0) / 20.0).unsqueeze_dim(1)
}

/// Mean and logarithm of the deviation over time, of frame embeddings at a length of `sqrt(dim)`:
/// `[batch, time, dim]` -> `[batch, 2 * dim]`
pub(crate) fn statistics(frames: Tensor<3>) -> Tensor<2> {
    let [_, _, dim] = frames.dims();
    let frames = l2_normalize(frames) * (dim as f32).sqrt();
    let mean = frames.clone().mean_dim(1);
    let variance = (frames - mean.clone()).square().mean_dim(1);
    let deviation = (variance + EPSILON).log() * 0.5;
    Tensor::cat(vec![mean, deviation], 2).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Frames (3, 4) and (0, -2) become (0.6, 0.8) and (0, -1) times the square root of two.
    #[test]
    fn statistics_are_those_by_hand() {
        let device = Device::flex();
        let frames = Tensor::<3>::from_floats([[[3.0, 4.0], [0.0, -2.0]], [[1.0, 0.0], [5.0, 0.0]]], &device);
        let found = statistics(frames);
        assert_eq!(found.dims(), [2, 4]);
        let root = 2f64.sqrt();
        let log = |variance: f64| 0.5 * (variance + EPSILON).ln();
        let expected = [
            [0.3 * root, -0.1 * root, log(2.0 * 0.09), log(2.0 * 0.81)],
            // Frames that differ in length alone do not move.
            [root, 0.0, log(0.0), log(0.0)],
        ];
        for (found, expected) in found.into_data().iter::<f32>().zip(expected.concat()) {
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
