//! Maps of what adapters predict, against finite differences of their predictions.

use burn::tensor::{Tensor, TensorData};
use echo_adapt::BuildContext;
use echo_core::{AnyAdapter, AnyEncoder, Kind, Prediction, Stage, Task, Tokens};
use echo_random::Stream;
use echo_train::{adapter_saliency, parameters, values, with_values};
use echo_zoo::{Entry, ZOO};

use crate::fixtures::{OF_TWO_BRANCHES, adapters, classes, clips, device, ef, entries, features, nano, recipe};

/// Largest error of a map, relative to its largest value: of differences of numbers with 24 bits. Measured: 9e-4.
const TOLERANCE: f32 = 1e-2;

/// Those of the registry, and joins of which each has something that none of them has.
const NAMES: [&str; 5] =
    ["linear+mfl", "linear+mfl+echozoom", "statistics+echozoom", "lora+statistics", "attentive+lora"];

/// The adapter, with parameters of its own and those of the encoder that train changed by random numbers.
fn fitted(name: &str, task: &Task, encoder: &AnyEncoder, seed: u64) -> AnyAdapter {
    changed(built(name, task, encoder, ""), seed, |path| !of_encoder(path))
}

fn built(name: &str, task: &Task, encoder: &AnyEncoder, settings: &str) -> AnyAdapter {
    let (joined, tables) = recipe(name, &[(name.split('+').next().unwrap(), settings)]).unwrap();
    let lender = nano(&ZOO[0]);
    joined.build(&tables, &BuildContext { encoder, text: Some(&lender), task, seed: 5 }).unwrap()
}

fn of_encoder(path: &str) -> bool {
    path.starts_with("encoder.") || path.starts_with("borrowed.encoder.")
}

/// Random numbers added to the parameters that train, or are chosen.
fn changed(adapter: AnyAdapter, seed: u64, is_chosen: impl Fn(&str) -> bool) -> AnyAdapter {
    let all = parameters(&adapter);
    let paths: Vec<&str> =
        all.iter().filter(|one| one.trainable || is_chosen(&one.path)).map(|one| one.path.as_str()).collect();
    let changed = values(&adapter, &paths).into_iter().map(|(path, data)| {
        let mut stream = Stream::new(seed, &format!("test/saliency/{path}"), 0);
        let numbers: Vec<f32> = data.iter::<f32>().map(|value| value + 0.1 * stream.normal() as f32).collect();
        (path, TensorData::new(numbers, data.shape().to_vec()))
    });
    with_values(adapter, changed.collect()).unwrap()
}

/// The value, or the first logit.
fn score(prediction: Prediction) -> Tensor<1> {
    match prediction {
        Prediction::Values { value, .. } => value,
        Prediction::Classes(logits) | Prediction::Labels(logits) => logits.narrow(1, 0, 1).squeeze_dim(1),
    }
}

/// A map whose largest value is one.
fn map(adapter: &AnyAdapter, encoder: &AnyEncoder, clip: Tensor<5>, clips: usize) -> Result<Vec<f32>, &'static str> {
    let map = adapter_saliency(adapter, encoder, clip, clips, score)?;
    let map: Vec<f32> = map.into_data().iter::<f32>().collect();
    let most = map.iter().copied().fold(0.0, f32::max);
    assert!(most > 0.0, "the map is empty");
    Ok(map.into_iter().map(|value| value / most).collect())
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
}

/// Adebayo et al. (NeurIPS 2018), of adapters: a map that does not change with the parameters explains nothing.
#[test]
fn other_parameters_make_another_map() {
    for entry in &entries() {
        let encoder = nano(entry);
        let known = adapters();
        let names = known.iter().map(|adapter| adapter.name).chain(NAMES);
        for name in names.filter(|name| !name.starts_with("zero-shot") && !OF_TWO_BRANCHES.contains(name)) {
            for task in [ef(), classes(Kind::SingleLabel)] {
                let alone = name == "coarse-to-fine" && task.regression().is_none();
                if alone || (task.regression().is_none() && name.contains("statistics")) {
                    continue;
                }
                let of = |seed| {
                    map(&fitted(name, &task, &encoder, seed), &encoder, clips(entry, 2, 4), 2)
                        .unwrap_or_else(|reason| panic!("{name} on {}: {reason}", entry.card.name))
                };
                let found = apart(&of(1), &of(2));
                assert!(found > 0.01, "{name} on {}, {}: {found}", entry.card.name, task.name);
            }
        }
    }
}

/// With the same head, what changed in the encoder shows, and the encoder that is given beside the adapter does not.
#[test]
fn an_encoder_that_was_tuned_is_the_one_that_is_explained() {
    let entry = &ZOO[0];
    let encoder = nano(entry);
    for name in ["lora", "full"] {
        let before = changed(built(name, &ef(), &encoder, ""), 1, |path| path.starts_with("head."));
        let after = changed(built(name, &ef(), &encoder, ""), 2, |path| path.starts_with("head."));
        let all = parameters(&before);
        let head: Vec<&str> = all.iter().map(|one| one.path.as_str()).filter(|path| !of_encoder(path)).collect();
        let after = with_values(after, values(&before, &head)).unwrap();
        let of = |adapter| map(adapter, &encoder, clips(entry, 1, 4), 1).unwrap();
        let found = apart(&of(&before), &of(&after));
        assert!(found > 0.01, "{name}: {found}");
        let other = entry.build("nano", &echo_weights::Weights::Random(9), &device()).unwrap().encoder;
        assert_eq!(of(&before), map(&before, &other, clips(entry, 1, 4), 1).unwrap());
    }
}

/// Grad-CAM by hand: each channel of an image is raised and lowered everywhere, and the difference of the predictions is what
/// weighs it. EchoZoom's four parts are images of their own, whose places are a fourth of the picture's.
#[test]
fn maps_are_finite_differences_of_predictions() {
    let entry = &ZOO[0];
    let encoder = nano(entry);
    let adapter = fitted("linear+mfl+echozoom", &ef(), &encoder, 3);
    let clip = clips(entry, 1, 4);
    let found = adapter_saliency(&adapter, &encoder, clip.clone(), 1, score).unwrap();
    let [_, time, tall, wide] = found.dims();
    let found: Vec<f32> = found.into_data().iter::<f32>().collect();
    let most = found.iter().copied().fold(0.0, f32::max);
    assert!(most > 0.0);

    // Tokens of the whole pictures and of their parts.
    let mut usual: Vec<Tokens> = Vec::new();
    let record = &mut |encoder: &AnyEncoder, clip: Tensor<5>, _: usize| {
        usual.push(encoder.tokens(clip));
        usual[usual.len() - 1].clone()
    };
    adapter.forward_clips(clip.clone(), 1, &encoder, record).unwrap();
    assert_eq!(usual.len(), 2);
    let predicted = |scale: usize, change: &Tensor<5>| -> f32 {
        let mut place = 0;
        let tokens = &mut |_: &AnyEncoder, _: Tensor<5>, _: usize| {
            let Tokens { class, patches } = usual[place].clone();
            place += 1;
            Tokens { class, patches: if place - 1 == scale { patches + change.clone() } else { patches } }
        };
        score(adapter.forward_clips(clip.clone(), 1, &encoder, tokens).unwrap()).into_scalar::<f32>()
    };
    let frame = time / 2;
    let (rows, columns) = (tall / 2, wide / 2);
    let mut expected = vec![0.0f32; tall * wide];
    for (scale, parts) in [(0, 1), (1, 4)] {
        let patches = usual[scale].patches.clone();
        let dims @ [images, _, _, _, width] = patches.dims();
        assert_eq!(images, parts);
        let values: Vec<f32> = patches.into_data().iter::<f32>().collect();
        for part in 0..parts {
            for channel in 0..width {
                let start = (part * time + frame) * rows * columns * width;
                let places = |cell: usize| start + cell * width + channel;
                const STEP: f32 = 0.1;
                let moved = |by: f32| {
                    let mut change = vec![0.0f32; values.len()];
                    (0..rows * columns).for_each(|cell| change[places(cell)] = by);
                    predicted(scale, &Tensor::from_data(TensorData::new(change, dims), &device()))
                };
                let weight = (moved(STEP) - moved(-STEP)) / (2.0 * STEP * (rows * columns) as f32);
                for (place, expected) in expected.iter_mut().enumerate() {
                    let (y, x) = (place / wide, place % wide);
                    let cell = match scale {
                        0 => y / 2 * columns + x / 2,
                        _ if part == y / rows * 2 + x / columns => y % rows * columns + x % columns,
                        _ => continue,
                    };
                    *expected += weight * values[places(cell)] * parts as f32;
                }
            }
        }
    }
    assert!(expected.iter().any(|&value| value > 0.0));
    for (place, (expected, found)) in expected.iter().zip(&found[frame * tall * wide..]).enumerate() {
        let error = (expected.max(0.0) - found).abs() / most;
        assert!(error < TOLERANCE, "place {place}: {found}, not {expected}");
    }
}

/// With a class token every place is weighed by itself: what comes of a slightly larger token there is its value. Frames
/// differ by EchoPrime's last patches and not by the class token, so both must be on the map of an adapter of frames.
#[test]
fn adapters_of_frames_are_explained_by_class_token_and_patches() {
    let entry = &ZOO[1];
    assert_eq!(entry.card.name, "echoprime");
    let encoder = nano(entry);
    let adapter = fitted("linear+mfl", &ef(), &encoder, 3);
    let clip = clips(entry, 1, 4);
    let found = adapter_saliency(&adapter, &encoder, clip.clone(), 1, score).unwrap();
    let [_, time, rows, columns] = found.dims();
    let found: Vec<f32> = found.into_data().iter::<f32>().collect();
    let most = found.iter().copied().fold(0.0, f32::max);
    let mut seen: Vec<Tensor<5>> = Vec::new();
    encoder.tokens_watched(clip.clone(), &mut |values| {
        seen.push(values.clone());
        values
    });
    assert_eq!(seen.len(), 2);
    // The last block halves the grid: one of its patches lies over four places.
    let grids = [0, 1].map(|which: usize| seen[which].dims());
    assert_eq!(grids[0][2..4], [2 * grids[1][2], 2 * grids[1][3]]);
    assert_eq!(grids[0][2..4], [rows, columns]);
    const STEP: f32 = 0.05;
    // With one place's token of one of the two that much larger, and the other as it is.
    let predicted = |which: usize, place: [usize; 3], by: f32| -> f32 {
        let [_, time, rows, columns, _] = grids[which];
        let mut factors = vec![1.0f32; time * rows * columns];
        factors[(place[0] * rows + (place[1] >> which)) * columns + (place[2] >> which)] += by;
        let factors = Tensor::<5>::from_data(TensorData::new(factors, [1, time, rows, columns, 1]), &device());
        let tokens = &mut |encoder: &AnyEncoder, clip: Tensor<5>, _: usize| {
            let mut turn = 0;
            encoder.tokens_watched(clip, &mut |_| {
                turn += 1;
                let usual = seen[turn - 1].clone();
                if turn - 1 == which { usual * factors.clone() } else { usual }
            })
        };
        score(adapter.forward_clips(clip.clone(), 1, &encoder, tokens).unwrap()).into_scalar::<f32>()
    };
    let mut shares = [0.0f32; 2];
    for place in (0..12).map(|place| [place % time, place * 5 % rows, place * 7 % columns]) {
        let parts = [0, 1].map(|which| (predicted(which, place, STEP) - predicted(which, place, -STEP)) / (2.0 * STEP));
        let parts = [parts[0], parts[1] / 4.0];
        shares = [0, 1].map(|which| shares[which] + parts[which].abs());
        let found = found[(place[0] * rows + place[1]) * columns + place[2]];
        let expected = parts.iter().sum::<f32>().max(0.0);
        assert!((found - expected).abs() / most < TOLERANCE, "{place:?}: {found}, not {expected}");
    }
    assert!(shares.iter().all(|&share| share > 0.05 * most), "{shares:?} beside {most}");
}

#[test]
fn what_has_no_gradient_says_why() {
    let task = ef();
    let of = |entry: &Entry, name: &str, task: &Task| {
        let encoder = nano(entry);
        map(&built(name, task, &encoder, ""), &encoder, clips(entry, 1, 4), 1)
    };
    assert!(of(&ZOO[0], "zero-shot-ranks", &task).unwrap_err().contains("median"));
    // An encoder with neither text nor a head for it reads nothing.
    let reads = |entry: &&Entry| entry.card.capabilities.text || task.value_head(entry.card).is_some();
    for entry in ZOO.iter().filter(reads) {
        of(entry, "zero-shot", &task).unwrap_or_else(|reason| panic!("{}: {reason}", entry.card.name));
    }
}

#[test]
fn attention_is_what_the_frames_of_all_clips_weigh() {
    for entry in &entries() {
        let encoder = nano(entry);
        for (name, settings) in
            [("mfl", ""), ("mfl+echozoom", ""), ("mfl", "trunk = \"tuned\""), ("attentive-probe", "")]
        {
            let adapter = changed(built(name, &ef(), &encoder, settings), 3, |path| !of_encoder(path));
            let stage = adapter.stage();
            assert_eq!(stage == Stage::Clip, settings.contains("tuned"));
            let seen = || features(&encoder, clips(entry, 4, 4), 2, stage);
            let weights = adapter.frame_attention(&seen).unwrap();
            let [samples, steps] = weights.dims();
            let [_, time, ..] = encoder.tokens(clips(entry, 1, 4)).patches.dims();
            assert_eq!([samples, steps], [2, 2 * time], "{name} on {}", entry.card.name);
            let weights: Vec<f32> = weights.into_data().iter::<f32>().collect();
            for of_sample in weights.chunks(steps) {
                assert!((of_sample.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{of_sample:?}");
                let apart = of_sample.iter().any(|weight| (weight - of_sample[0]).abs() > 1e-4);
                assert!(apart, "{name} on {}: all weigh the same", entry.card.name);
            }
        }
        let without = built("linear", &ef(), &encoder, "");
        assert!(without.frame_attention(&|| panic!("nothing is computed for it")).is_none());
    }
}

/// CardiacCLIP's released code makes images of planes of one colour, three after each other.
#[test]
fn frames_are_found_again_where_an_adapter_mixes_their_planes() {
    let entry = &ZOO[0];
    let encoder = nano(entry);
    let usual = built("mfl", &ef(), &encoder, "");
    let mixed = built("mfl", &ef(), &encoder, "quirks = [\"mixed-planes\"]");
    assert_eq!(usual.frames_seen(4, 16), [4]);
    let frames = entry.card.preset("nano").unwrap().clip.frames;
    let clip = clips(entry, 1, 4);
    let seen_of = |clip: Tensor<5>| {
        let mut seen = None;
        let tokens = &mut |encoder: &AnyEncoder, clip: Tensor<5>, _: usize| {
            seen = Some(clip.clone());
            encoder.tokens(clip)
        };
        mixed.forward_clips(clip, 1, &encoder, tokens).unwrap();
        seen.unwrap()
    };
    let before = seen_of(clip.clone());
    for frame in [0, 5, frames - 1] {
        // Another picture there, and the images that change are those that show it.
        let [_, _, _, height, width] = clip.dims();
        let changed = clip.clone().slice_assign(
            [0..1, 0..3, frame..frame + 1, 0..height, 0..width],
            Tensor::zeros([1, 3, 1, height, width], &device()),
        );
        let change = (seen_of(changed) - before.clone()).abs();
        let found: Vec<usize> =
            (0..frames).filter(|&image| change.clone().narrow(2, image, 1).max().into_scalar::<f32>() > 0.0).collect();
        let mut expected = mixed.frames_seen(frame, frames);
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(found, expected, "frame {frame}");
    }
}
