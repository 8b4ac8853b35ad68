//! Recipes that change the clips of their cells: what each encoder takes, what cells see, what is shared.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor, TensorData};
use echo_adapt::{ADAPTERS, Adapted, BuildContext, Joined};
use echo_bench::{AdapterFile, BenchConfig, ClipChange, Outcome, Recipe, predict_clips};
use echo_core::{ClipSpec, Features, Kind, Padding, Preset};
use echo_data::{Look, Start, load_clip};
use echo_report::{CellRecord, CellStatus, read_runs};
use echo_train::{parameters, with_values};
use echo_video::OpenOptions;
use echo_weights::Weights;
use echo_zoo::{ZOO, find};

use crate::bench::Place;
use crate::fixtures::{clips, device, difference, entries, nano};

/// Allowed everywhere: other than any card's.
const CHANGE: &str = "frames = 6\nstride = 3\nsize = 96\nclips = 2\npadding = \"zeros_before_normalize\"\nzoom = 0.05";

fn config(encoder: &str, recipes: &[(&str, &str)]) -> BenchConfig {
    let table = |(name, text): &(&str, &str)| ((*name).to_owned(), text.parse().unwrap());
    BenchConfig {
        encoders: vec![encoder.to_owned()],
        adapters: recipes.iter().map(|(name, _)| (*name).to_owned()).collect(),
        shots: vec![1],
        seeds: vec![1],
        zero_shot: false,
        random_init: true,
        bootstrap: 50,
        text_encoder: Some("echoclip".to_owned()),
        recipes: recipes.iter().map(table).collect(),
        ..BenchConfig::default()
    }
}

fn records(place: &Place, out: &str) -> BTreeMap<String, CellRecord> {
    let records = read_runs(&place.out(out)).unwrap().into_iter();
    records.map(|record| (record.adapter.clone(), record)).collect()
}

fn spec_of(record: &CellRecord) -> ClipSpec {
    serde_json::from_value(record.config["clip"].clone()).unwrap()
}

fn rows(outcome: &Outcome) -> Vec<&str> {
    outcome.leaderboard.rows.iter().map(|row| row.adapter.as_str()).filter(|adapter| !adapter.is_empty()).collect()
}

#[test]
fn every_encoder_takes_what_its_card_allows_and_its_card_refuses_the_rest() {
    for entry in &entries() {
        let (card, encoder) = (entry.card, nano(entry));
        let clip = clips(entry, 1, 1);
        for (frames, size) in [(1, 32), (5, 96), (24, 64), (2, 112), (3, 75)] {
            let own = &card.preset(Preset::NANO).unwrap().clip;
            let spec = ClipChange { frames: Some(frames), size: Some(size), ..ClipChange::default() }.apply(own);
            card.preset(Preset::NANO).unwrap().takes(card.name, &spec).unwrap();
            let [_, _, have_frames, have, _] = clip.dims();
            let frame = |i: usize, of: usize| Tensor::<1, Int>::from_ints([(i % of) as i32], &device());
            let pick =
                |count: usize, of: usize| Tensor::cat((0..count).map(|index| frame(index, of)).collect::<Vec<_>>(), 0);
            let changed = clip.clone().select(2, pick(frames, have_frames));
            let changed = changed.select(3, pick(size, have)).select(4, pick(size, have));
            let embedding = encoder.encode(changed);
            assert_eq!(embedding.dims(), [1, card.preset(Preset::NANO).unwrap().dim]);
            let values: Vec<f32> = embedding.into_data().iter().collect();
            assert!(values.iter().all(|value| value.is_finite()), "{} at {frames} x {size}", card.name);
        }
        for preset in card.presets {
            let own = &preset.clip;
            preset.takes(card.name, own).unwrap();
            let spec = ClipChange { size: Some(31), ..ClipChange::default() }.apply(own);
            let message = preset.takes(card.name, &spec).unwrap_err().to_string();
            let named = [card.name, "size = 31", "any number of frames", "sizes from 32 pixels"];
            assert!(named.iter().all(|part| message.contains(part)), "{message}");
        }
    }
}

#[test]
fn cells_of_every_encoder_see_the_clips_that_their_recipe_wants_at_every_stage() {
    let place = Place::new(24);
    let clip = |train: &str| format!("{train}\n[clip]\n{CHANGE}");
    let (frozen, tuned) = (clip(""), clip("train.epochs = 1\ntrain.batch = 4"));
    for name in ZOO.iter().map(|entry| entry.card.name) {
        let config =
            config(name, &[("linear", &frozen), ("mfl", &tuned), ("full", &tuned), ("coop", "train.epochs = 1")]);
        let outcome = place.run(&config, name);
        assert_eq!(outcome.failed, 0, "{name}: {:?}", outcome.leaderboard.rows);
        let records = records(&place, name);
        let own = &find(ZOO, name).unwrap().card.preset(Preset::NANO).unwrap().clip;
        for adapter in ["linear", "mfl", "full"] {
            let record = &records[adapter];
            let spec = spec_of(record);
            assert_eq!((spec.frames, spec.stride, spec.size, spec.resize), (6, 3, 96, 96), "{name} + {adapter}");
            assert_eq!((spec.padding, spec.crop.zoom), (Padding::ZerosBeforeNormalize, 0.05));
            assert_eq!(record.config["view"]["clips"], 2);
        }
        assert_eq!(serde_json::to_value(own).unwrap(), records["coop"].config["clip"]);
        assert_eq!(records["coop"].config["view"]["clips"], 1);
        let rows = rows(&outcome);
        assert!(rows.iter().any(|row| row.starts_with("full (6 frames, stride 3, 96 px, zoom 0.05, ")), "{rows:?}");
        assert!(rows.iter().all(|row| row.contains("96 px") != row.starts_with("coop")), "{rows:?}");
    }
}

#[test]
fn clips_that_an_encoder_does_not_take_are_a_row_with_their_error_and_the_rest_goes_on() {
    let place = Place::new(24);
    let outcome =
        place.run(&config("echoprime", &[("linear", ""), ("mfl", "clip.size = 31"), ("full", "clip.size = 8")]), "out");
    assert_eq!((outcome.ran, outcome.failed), (1, 2));
    let records = records(&place, "out");
    assert_eq!(records["linear"].status, CellStatus::Done);
    for (adapter, size) in [("mfl", 31), ("full", 8)] {
        let error = records[adapter].error.clone().unwrap();
        let expected = format!("echoprime takes any number of frames, sizes from 32 pixels on: not size = {size}");
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(spec_of(&records[adapter]).size, size);
    }
    assert_eq!(outcome.embedded, records["linear"].data.train + records["linear"].data.test, "nothing for them");
}

#[test]
fn what_is_seen_alike_is_embedded_once_and_a_change_that_changes_nothing_is_the_same_cell() {
    let place = Place::new(24);
    let eight = "train.epochs = 1\n[clip]\nframes = 8\nclips = 2";
    let own = "train.epochs = 1\n[clip]\nframes = 16\nsize = 64\nclips = 1";
    let linear = "[clip]\nframes = 8\nclips = 2";
    let outcome =
        place.run(&config("echoclip", &[("coop", eight), ("mfl", eight), ("linear", linear), ("lora", own)]), "out");
    assert_eq!((outcome.ran, outcome.failed), (4, 0));
    let records = records(&place, "out");
    let videos = records["coop"].data.train + records["coop"].data.test;
    assert_eq!(outcome.embedded, 2 * videos + videos, "two clips for three of them, one for the other");

    // As if it had not said anything.
    let again = place.run(&config("echoclip", &[("lora", "train.epochs = 1")]), "out");
    assert_eq!((again.ran, again.skipped, again.embedded), (0, 1, 0));
    // Any setting makes another cell.
    for change in ["frames = 8", "stride = 2", "size = 96", "clips = 2", "padding = \"shorter\"", "zoom = 0.0"] {
        let changed = config("echoclip", &[("linear", &format!("[clip]\n{change}"))]);
        assert_eq!(place.run(&changed, "out").ran, 1, "{change}");
    }
    // Where nobody sees the card's own clips, they are not made.
    let other = place.run(&config("echoclip", &[("linear", "clip.stride = 4")]), "other");
    assert_eq!(other.embedded, videos);
}

#[test]
fn a_kept_adapter_predicts_with_the_clips_that_it_was_fitted_with() {
    let place = Place::new(24);
    // Steps that are large enough for predictions to depend on the clip.
    let optimizer = "{ kind = \"adamw\", lr = 0.01, weight_decay = 0.0 }";
    let train = format!("[train]\nepochs = 3\nbatch = 4\noptimizer = {optimizer}");
    let change = format!("{train}\n[clip]\n{CHANGE}");
    for (encoder, random_start) in [("panecho", false), ("echoclip", true)] {
        let recipes = [("coop", change.as_str()), ("full", &change), ("mfl", &change)];
        let config = BenchConfig { save_adapters: true, random_start, ..config(encoder, &recipes) };
        place.run(&config, encoder);
        let mut reader = csv::Reader::from_path(place.out(encoder).join("predictions.csv")).unwrap();
        let predictions: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
        let video = &place.names("TEST")[0];
        let mut compared = 0;
        for file in std::fs::read_dir(place.out(encoder).join("adapters")).unwrap() {
            let fitted = AdapterFile::open(&file.unwrap().path()).unwrap();
            let build =
                |name: &str| find(ZOO, name).unwrap().build(Preset::NANO, &Weights::Random(0), &device()).unwrap();
            let (built, text) = (build(encoder), build("echoclip"));
            let adapter = fitted.adapt(ADAPTERS, &built, Some(&text)).unwrap();
            let (spec, path) = (fitted.spec().unwrap(), place.video(video));
            assert_eq!((spec.frames, spec.size, fitted.record.clips), (6, 96, 2));
            let clip = |spec: &ClipSpec, look: Look| {
                load_clip(&path, spec, look, &OpenOptions::default()).unwrap().clip.into_tensor(&device())
            };
            let said = |spec: &ClipSpec, looks: [Look; 2]| {
                predict_clips(
                    &adapter,
                    Kind::Regression,
                    &built,
                    fitted.precision().unwrap(),
                    &looks.map(|look| clip(spec, look)),
                )
                .unwrap()
                .0[0]
            };
            let looks = [0, 1].map(|index| fitted.look(&path, index, 2, &spec).unwrap());
            let value = said(&spec, looks);
            let even = [0, 1].map(|index| Start::Even { index, of: 2 }.into());
            let card = said(&built.encoder.card().preset(Preset::NANO).unwrap().clip, even);
            assert!((card - value).abs() > 0.01, "{}: {value} whatever it sees", fitted.record.adapter);
            assert_eq!(looks == even, !random_start);
            let own = |row: &&BTreeMap<String, String>| {
                row["video"] == *video && row["adapter"].split(' ').next() == Some(&fitted.record.adapter)
            };
            let near = |row: &BTreeMap<String, String>| (row["prediction"].parse::<f32>().unwrap() - value).abs();
            let error = predictions.iter().filter(own).map(near).fold(f32::INFINITY, f32::min);
            assert!(error < 1e-3, "{encoder} + {}: {value}, off by {error}", fitted.record.adapter);
            compared += 1;
            let mut other = fitted;
            other.record.recipe.clip.frames = Some(7);
            let message = other.adapt(ADAPTERS, &built, Some(&text)).unwrap_err().to_string();
            assert!(message.contains("other clips"), "{message}");
        }
        assert!(compared >= 3);
    }
}

/// Frames of several clips under attention are one sequence: which clip a step is of does not matter, and a video's
/// embedding is not the mean of its clips'.
#[test]
fn mfl_attends_over_the_frames_of_all_clips() {
    for entry in &entries() {
        let encoder = nano(entry);
        let (mfl, lender) = (Joined::find(ADAPTERS, "mfl").unwrap(), nano(&ZOO[0]));
        let task = echo_data::Target::shipped("ef").task;
        let recipe = Recipe::new("mfl", &mfl, Preset::NANO, &BTreeMap::new()).unwrap();
        let context = BuildContext { encoder: &encoder, text: Some(&lender), task: &task, seed: 3 };
        let adapter = mfl.build(&recipe.adapter, &context).unwrap();
        // At first all frames weigh the same, which hides what they are weighed against.
        let score = parameters(&adapter).into_iter().find(|parameter| parameter.path == "pool.score.weight").unwrap();
        let count: usize = score.shape.iter().product();
        let values: Vec<f32> = (0..count).map(|index| if index % 2 == 0 { 4.0 } else { -3.0 }).collect();
        let value = TensorData::new(values, score.shape.clone());
        let adapter = with_values(adapter, vec![(score.path, value)]).unwrap();

        let clip = |seed: u64| encoder.frame_features(&encoder.tokens(clips(entry, 1, seed) * seed as f32));
        let (one, other) = (clip(1), clip(2));
        let [_, time, width] = one.dims();
        let embed = |clips: Vec<Tensor<3>>| {
            let count = clips.len();
            adapter
                .downcast_ref::<Adapted>()
                .unwrap()
                .embed(Features::Frames(Tensor::cat(clips, 1).reshape([1, count, time, width])))
        };
        let both = embed(vec![one.clone(), other.clone()]);
        assert_eq!(both.dims()[1], 1, "{}: one embedding of the video", entry.card.name);
        let half = time / 2;
        let mixed = |a: &Tensor<3>, b: &Tensor<3>| {
            Tensor::cat(vec![a.clone().narrow(1, 0, half), b.clone().narrow(1, half, time - half)], 1)
        };
        let exchanged = embed(vec![mixed(&one, &other), mixed(&other, &one)]);
        let scale = both.clone().abs().max().into_scalar::<f32>();
        let error = difference(both.clone(), exchanged);
        assert!(error <= 1e-5 * scale.max(1.0), "{}: frames may change clips: {error}", entry.card.name);
        let mean = (embed(vec![one]) + embed(vec![other])) / 2.0;
        let apart = difference(both, mean);
        assert!(apart > 1e-3 * scale, "{}: {apart} of {scale}", entry.card.name);
    }
}

#[test]
fn the_cardiacclip_protocol_sees_what_the_released_code_sees() {
    let text = include_str!("../../configs/bench/cardiacclip.toml");
    let config = BenchConfig::from_toml("cardiacclip.toml", text).unwrap();
    let name = &config.adapters[0];
    let recipe = Recipe::new(name, &Joined::find(ADAPTERS, name).unwrap(), &config.preset, &config.recipes).unwrap();
    let card = find(ZOO, &config.encoders[0]).unwrap().card;
    let own = &card.preset(&config.preset).unwrap().clip;
    let mut expected = ClipSpec {
        frames: 48,
        stride: 2,
        size: 112,
        resize: 112,
        padding: Padding::ZerosBeforeNormalize,
        ..own.clone()
    };
    expected.crop.zoom = 0.0;
    assert_eq!(recipe.clip.apply(own), expected);
    card.preset(&config.preset).unwrap().takes(card.name, &expected).unwrap();
    assert!(config.random_start && recipe.train.augment.random_start && config.clips == 1);
}
