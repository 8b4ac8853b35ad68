//! Maps of what speaks for a score, against PyTorch's autograd: `tests/reference/saliency.py` wrote the goldens.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use echo_core::{AnyEncoder, Tokens};
use echo_train::saliency;
use echo_weights::{Weights, WeightsKind};
use echo_zoo::{ZOO, build};
use serde::Deserialize;

use crate::fixtures::device;
use crate::gradients::{Tiny, clips, wave};

/// Largest error of a map, relative to its largest value.
const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    /// Channels, frames, height, width.
    clip: [usize; 4],
    /// Time, rows, columns.
    shape: [usize; 3],
    map: Vec<f32>,
}

/// The combination of an embedding's values that the reference explains.
fn score(encoder: &AnyEncoder, tokens: &Tokens) -> Tensor<1> {
    let embedding = encoder.embed(tokens);
    let [_, dim] = embedding.dims();
    let weights: Vec<f32> = wave(dim, 3.0).map(|value| value as f32).collect();
    let weights = Tensor::<1>::from_floats(weights.as_slice(), &embedding.device()).unsqueeze();
    (embedding * weights).sum_dim(1).squeeze_dim(1)
}

#[test]
fn maps_are_those_of_pytorch() {
    let goldens: BTreeMap<String, Golden> = serde_json::from_str(include_str!("../fixtures/saliency.json")).unwrap();
    for entry in ZOO {
        let Some(Golden { clip, shape, map }) = goldens.get(entry.card.name) else {
            panic!("{} has no golden map: add it to tests/reference/saliency.py", entry.card.name);
        };
        let found = saliency(&Tiny::load(entry), clips(1, *clip), score);
        assert_eq!(found.dims()[1..], *shape, "{}", entry.card.name);
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        let most = map.iter().copied().fold(0.0, f32::max);
        assert!(most > 0.0);
        for (place, (found, expected)) in found.iter().zip(map).enumerate() {
            let error = (found - expected).abs() / most;
            assert!(error < TOLERANCE, "{}, place {place}: {found}, not {expected}", entry.card.name);
        }
    }
}

/// Adebayo et al. (NeurIPS 2018): a map that does not change with the weights explains nothing.
#[test]
fn other_weights_make_another_map() {
    for entry in ZOO {
        let maps: Vec<Vec<f32>> = [1, 2]
            .into_iter()
            .map(|seed| {
                let built = build(ZOO, entry, "nano", &Weights::Random(seed), &device()).unwrap();
                assert_eq!(built.kind, WeightsKind::Random);
                let clip = &built.preset.clip;
                let clip = clips(1, [3, clip.frames, clip.size, clip.size]);
                let map: Vec<f32> = saliency(&built.encoder, clip, score).into_data().iter::<f32>().collect();
                let most = map.iter().copied().fold(0.0, f32::max);
                map.into_iter().map(|value| value / most).collect()
            })
            .collect();
        let apart = maps[0].iter().zip(&maps[1]).map(|(a, b)| (a - b).abs()).sum::<f32>() / maps[0].len() as f32;
        assert!(apart > 0.02, "{}: {apart}", entry.card.name);
    }
}

#[test]
fn watching_changes_nothing() {
    for entry in ZOO {
        let built = build(ZOO, entry, "nano", &Weights::Random(3), &device()).unwrap();
        let clip = &built.preset.clip;
        let clip = clips(1, [3, clip.frames, clip.size, clip.size]);
        let encoder = &built.encoder;
        let watched = encoder.tokens_watched(clip.clone(), &mut |values| values);
        let apart = (encoder.encode(clip) - encoder.embed(&watched)).abs().max().into_scalar::<f32>();
        assert!(apart < 1e-6, "{}: {apart}", entry.card.name);
    }
}
