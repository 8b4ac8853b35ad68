//! What every encoder must be: the contract of `EchoEncoder`, looped over the registry.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use echo_core::Preset;
use echo_train::parameters;
use echo_weights::{Checkpoint, KeyTable, Precision, Weights, load, save};
use echo_zoo::ZOO;

use crate::fixtures::{clips, device, difference, entries, nano};

/// What sums in another order may leave in values of order one.
const ROUNDING: f32 = 1e-5;

/// The most parameters of a nano preset over all towers.
const NANO_PARAMETERS: usize = 1_200_000;

/// The most seconds of a nano training step per clip, on two cores that do nothing else.
const NANO_STEP_SECONDS: f64 = 0.03;

#[test]
fn shapes_are_those_of_the_card() {
    for entry in &entries() {
        let (encoder, card) = (nano(entry), entry.card.preset(Preset::NANO).unwrap());
        let tokens = encoder.tokens(clips(entry, 2, 1));
        let [batch, time, _, _, width] = tokens.patches.dims();
        // Tokens are as wide as the backbone, which frame features need not be.
        assert_eq!(batch, 2, "{}", entry.card.name);
        let fits = |[batch, classes, length]: [usize; 3]| batch == 2 && [1, time].contains(&classes) && length == width;
        assert!(tokens.class.as_ref().is_none_or(|class| fits(class.dims())), "{}", entry.card.name);
        let features = encoder.frame_features(&tokens);
        assert_eq!(features.dims(), [2, time, card.width], "{}", entry.card.name);
        assert_eq!(encoder.projection().apply(features).dims(), [2, time, card.dim], "{}", entry.card.name);
        assert_eq!(encoder.embed(&tokens).dims(), [2, card.dim], "{}", entry.card.name);
        assert_eq!((encoder.width(), encoder.dim()), (card.width, card.dim), "{}", entry.card.name);
        assert_eq!(encoder.num_params(), card.parameters, "{}", entry.card.name);
        assert!(card.parameters <= NANO_PARAMETERS, "{}: {}", entry.card.name, card.parameters);
        assert_eq!(encoder.text().is_some(), entry.card.capabilities.text, "{}", entry.card.name);
    }
}

#[test]
fn embeddings_repeat_and_do_not_depend_on_batch_neighbours() {
    for entry in &entries() {
        let (encoder, batch) = (nano(entry), clips(entry, 3, 2));
        let together = encoder.encode(batch.clone());
        assert_eq!(difference(together.clone(), encoder.encode(batch.clone())), 0.0, "{}", entry.card.name);
        for row in 0..3 {
            let alone = encoder.encode(batch.clone().narrow(0, row, 1));
            let error = difference(alone, together.clone().narrow(0, row, 1));
            assert!(error < ROUNDING, "{} row {row}: {error}", entry.card.name);
        }
        let other = encoder.encode(clips(entry, 3, 3));
        assert!(difference(together, other) > 100.0 * ROUNDING, "{} ignores its clip", entry.card.name);
    }
}

#[test]
fn uniform_pooling_over_frames_is_the_embedding() {
    for entry in &entries() {
        let encoder = nano(entry);
        let tokens = encoder.tokens(clips(entry, 2, 4));
        let (features, embedding) = (encoder.frame_features(&tokens), encoder.embed(&tokens));
        let over_time = features.clone() - features.clone().mean_dim(1);
        assert!(over_time.abs().max().into_scalar::<f32>() > 100.0 * ROUNDING, "{}: no frame differs", entry.card.name);
        let mean: Tensor<2> = encoder.projection().apply(features).mean_dim(1).squeeze_dim(1);
        let expected = match encoder.projection().unit_length {
            true => mean.clone() / mean.powf_scalar(2.0).sum_dim(1).sqrt(),
            false => mean,
        };
        let error = difference(expected, embedding);
        assert!(error < ROUNDING, "{}: {error}", entry.card.name);
    }
}

#[test]
fn weights_survive_saving_and_loading() {
    let dir = tempfile::tempdir().unwrap();
    for entry in &entries() {
        let path = dir.path().join(format!("{}.safetensors", entry.card.name));
        let encoder = nano(entry);
        save(&encoder, &path, Precision::Full).unwrap();
        let reread = entry.build(Preset::NANO, &Weights::File(path.clone()), &device()).unwrap();
        assert_eq!(difference(encoder.encode(clips(entry, 1, 5)), reread.encoder.encode(clips(entry, 1, 5))), 0.0);
        assert_eq!(reread.report.applied.len(), parameters(&encoder).len());

        // A file of another size is refused with the names of what does not fit.
        let wrong = entry.build(Preset::FULL, &Weights::File(path.clone()), &device());
        let message = wrong.expect_err("a nano file does not fit the full preset").to_string();
        assert!(message.contains("does not fit") && message.contains(path.to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_missing_tensor_and_an_unexpected_one_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let entry = &ZOO[0];
    let path = dir.path().join("whole.safetensors");
    save(&nano(entry), &path, Precision::Full).unwrap();
    // What is left of an encoder inside another module has a name too many.
    #[derive(Module, Debug)]
    struct Wrapped {
        inner: echo_core::AnyEncoder,
    }
    let checkpoint = Checkpoint::open(&path).unwrap();
    let result = load(Wrapped { inner: nano(entry) }, "wrapped", &checkpoint, &KeyTable::IDENTITY);
    let message = result.expect_err("no name fits").to_string();
    assert!(message.contains("missing: inner.") && message.contains("unexpected"), "{message}");
    assert!(message.contains("more"), "only ten names of each are listed: {message}");
}

#[test]
fn text_embeddings_do_not_depend_on_padding() {
    for entry in &entries() {
        let encoder = nano(entry);
        let Some(text) = encoder.text() else { continue };
        let ids: Vec<i64> =
            text.tokenize("left ventricle of normal size").unwrap().into_iter().map(i64::from).collect();
        let length = ids.len();
        let embed = |padding: usize| {
            let mut ids = ids.clone();
            ids.extend(vec![0; padding]);
            let ids = TensorData::new(ids, [1, length + padding]);
            text.encode_words(text.words(Tensor::<2, Int>::from_data(ids, &device())), &[length])
        };
        let error = difference(embed(0), embed(7));
        assert!(error < ROUNDING, "{}: {error}", entry.card.name);
        let long = "ventricle ".repeat(text.context_length());
        assert!(text.tokenize(&long).is_err(), "{} takes more than its context", entry.card.name);
    }
}

/// Prints the time; fails only far above the bound, since the machine may be doing something else.
#[test]
fn a_nano_training_step_is_fast() {
    let device = device().autodiff();
    for entry in &entries() {
        let encoder = nano(entry).unfreeze().train();
        let batch = clips(entry, 8, 6).to_device(&device);
        let step = || {
            let loss = encoder.encode(batch.clone()).square().sum();
            drop(loss.backward());
        };
        step();
        let fastest = (0..5).map(|_| {
            let started = Instant::now();
            step();
            started.elapsed().as_secs_f64() / 8.0
        });
        let fastest = fastest.fold(f64::INFINITY, f64::min);
        println!("{}: {fastest:.4} s per clip, forward and backward", entry.card.name);
        assert!(fastest < 5.0 * NANO_STEP_SECONDS, "{}: {fastest:.4} s per clip", entry.card.name);
    }
}
