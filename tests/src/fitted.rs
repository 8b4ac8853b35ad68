//! What benchmarks keep and promise: fitted adapters as files, other looks at training videos,
//! the best epoch.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use burn::tensor::Tensor;
use echo_adapt::ADAPTERS;
use echo_bench::{AdapterFile, BenchConfig, Selection, predict_clips};
use echo_core::{Kind, Preset};
use echo_data::{Start, load_clip};
use echo_report::read_runs;
use echo_video::OpenOptions;
use echo_weights::Weights;
use echo_zoo::{ZOO, find};

use crate::bench::Place;
use crate::fixtures::device;

fn config(encoder: &str, adapters: &[&str]) -> BenchConfig {
    let parts = adapters
        .iter()
        .flat_map(|name| name.split('+'))
        .filter(|name| !name.starts_with("zero-shot") && *name != "linear");
    let recipes = parts.map(|name| (name.to_owned(), "train.epochs = 2".parse().unwrap()));
    BenchConfig {
        encoders: vec![encoder.to_owned()],
        adapters: adapters.iter().map(|name| (*name).to_owned()).collect(),
        shots: vec![1],
        seeds: vec![1],
        zero_shot: false,
        random_init: true,
        bootstrap: 50,
        text_encoder: Some("echoclip".to_owned()),
        recipes: recipes.collect(),
        ..BenchConfig::default()
    }
}

/// Predictions of a run by adapter and video.
fn predictions(place: &Place, out: &str) -> BTreeMap<(String, String), f32> {
    let mut reader = csv::Reader::from_path(place.out(out).join("predictions.csv")).unwrap();
    let rows = reader.deserialize().map(|row: Result<BTreeMap<String, String>, _>| row.unwrap());
    rows.map(|row| ((row["adapter"].clone(), row["video"].clone()), row["prediction"].parse().unwrap())).collect()
}

fn adapter_files(place: &Place, out: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(place.out(out).join("adapters")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_kept_adapter_predicts_what_the_benchmark_predicted_and_refuses_other_weights() {
    let place = Place::new(24);
    for (encoder, adapters) in [
        ("echoclip", &["zero-shot", "linear", "linear+echozoom", "statistics", "coop", "lora", "mfl+echozoom"][..]),
        ("panecho", &["coop", "full"]),
    ] {
        let config = BenchConfig { save_adapters: true, clips: 2, ..config(encoder, adapters) };
        place.run(&config, encoder);
        let expected = predictions(&place, encoder);
        let files = adapter_files(&place, encoder);
        assert!(files.len() >= adapters.len(), "{files:?}");
        for file in files {
            let fitted = AdapterFile::open(&file).unwrap();
            let build = |name: &str, seed: u64| {
                find(ZOO, name).unwrap().build(Preset::NANO, &Weights::Random(seed), &device()).unwrap()
            };
            let (built, text) = (build(encoder, 0), build("echoclip", 0));
            let adapter = fitted.adapt(ADAPTERS, &built, Some(&text)).unwrap();
            let video = &place.names("TEST")[0];
            let spec = &built.encoder.card().preset(Preset::NANO).unwrap().clip;
            let clips: Vec<Tensor<5>> = (0..2)
                .map(|index| {
                    let start = Start::Even { index, of: 2 };
                    let loaded = load_clip(&place.video(video), spec, start.into(), &OpenOptions::default());
                    loaded.unwrap().clip.into_tensor(&device())
                })
                .collect();
            let (value, alone) =
                predict_clips(&adapter, Kind::Regression, &built, fitted.precision().unwrap(), &clips).unwrap();
            let name = fitted.record.adapter.clone();
            let expected = expected[&(name.clone(), video.clone())];
            let value = value[0];
            assert!((value - expected).abs() < 1e-3, "{encoder} + {name}: {value} instead of {expected}");
            assert_eq!(alone.len(), 2);

            let message = fitted.adapt(ADAPTERS, &build(encoder, 1), Some(&text)).unwrap_err().to_string();
            assert!(message.contains("random-0") && message.contains("--weights"), "{message}");
            refuses_what_claims_too_much(&file, |file| file.adapt(ADAPTERS, &built, Some(&text)).map(drop));
        }
    }
}

/// Counts in an adapter's file are not believed, and what was changed in it is noticed.
fn refuses_what_claims_too_much(
    file: &std::path::Path,
    adapt: impl Fn(&AdapterFile) -> Result<(), echo_bench::BenchError>,
) {
    const KEY: &str = "echozoo.adapter";
    const MANY: u64 = 1_000_000_000;
    let forged = file.with_extension("forged");
    let complaint = || AdapterFile::open(&forged).and_then(|file| adapt(&file)).err().map(|error| error.to_string());
    let (tensors, text) = echo_train::read_tensors(file, KEY).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut record = record.clone();
        *record.pointer_mut(pointer)? = value;
        echo_train::write_tensors(&forged, tensors.clone(), KEY, record.to_string()).unwrap();
        complaint()
    };
    assert_eq!(with("/clips", record["clips"].clone()), None, "an unchanged record is accepted");
    let ranks: Vec<_> =
        (0..100_000).map(|rank| serde_json::json!({ "up_to": rank, "value": rank, "prompt": "a" })).collect();
    for (pointer, value, expected) in [
        ("/clips", MANY.into(), "clips"),
        ("/task/answer/value/ranks/ranks", ranks.into(), "at most 1000 ranks"),
        ("/recipe/adapter/coop/context", MANY.into(), "context"),
        ("/recipe/adapter/lora/rank", MANY.into(), "rank"),
        ("/recipe/train/epochs", MANY.into(), "epochs"),
    ] {
        let complaint = with(pointer, value);
        let is_there = record.pointer(pointer).is_some();
        assert!(complaint.is_some_and(|text| text.contains(expected)) || !is_there, "{pointer}");
    }
    let mut bytes = fs::read(file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&forged, bytes).unwrap();
    assert!(complaint().is_some_and(|text| text.contains("damaged")) || tensors.is_empty());
    fs::remove_file(&forged).unwrap();
}

#[test]
fn training_looks_again_at_its_videos_and_each_look_is_encoded_once() {
    let place = Place::new(24);
    let plain = config("echoclip", &["coop"]);
    place.run(&plain, "plain");
    let mut augmented = config("echoclip", &["coop", "mfl"]);
    let recipe: toml::Table =
        "[train]\nepochs = 2\naugment = { views = 3, pad = 0.1, random_start = true }".parse().unwrap();
    augmented.recipes = ["coop", "mfl"].map(|name| (name.to_owned(), recipe.clone())).into();
    let outcome = place.run(&augmented, "augmented");
    let train = read_runs(&place.out("augmented")).unwrap()[0].data.train;
    let test = place.names("TEST").len();
    // The plain look was cached as embeddings; mfl wants frame features too, which one more pass gives.
    assert_eq!(outcome.embedded, train + test + 3 * train);
    assert_eq!(place.run(&BenchConfig { seeds: vec![1], ..augmented }, "again").embedded, 0);
    let (plain, augmented) = (predictions(&place, "plain"), predictions(&place, "augmented"));
    assert!(plain.iter().any(|(key, value)| augmented[key] != *value), "other looks change what is learnt");
}

#[test]
fn the_best_validation_epoch_stands_beside_the_last_on_request() {
    let place = Place::new(24);
    let last = place.run(&config("echoclip", &["coop"]), "last");
    let config = BenchConfig { select: Selection::BestValidation, ..config("echoclip", &["coop"]) };
    let both = place.run(&config, "best");
    assert_eq!(both.ran, 1, "another selection is another cell");
    let rows = |outcome: &echo_bench::Outcome| -> Vec<(String, Option<f64>)> {
        let rows = outcome.leaderboard.rows.iter().filter(|row| row.encoder == "echoclip");
        rows.map(|row| (row.adapter.clone(), row.metrics.get("mae").map(|cell| cell.mean))).collect()
    };
    assert_eq!(rows(&both)[0], rows(&last)[0], "watching changes nothing of the last epoch");
    assert_eq!(rows(&both)[1].0, "coop (best validation epoch)");
    let best = read_runs(&place.out("best")).unwrap()[0].best.clone().unwrap();
    let curves = fs::read_to_string(place.out("best").join("curves.csv")).unwrap();
    assert!((1..=2).contains(&best.epoch) && curves.lines().next().unwrap().ends_with("watched,warning"), "{curves}");
}

/// Its first clip can be decoded, those that begin later cannot.
#[test]
fn a_training_video_that_another_look_cannot_decode_is_left_out_with_its_reason() {
    let place = Place::new(24);
    let name = place.names("TRAIN")[0].clone();
    let mut bytes = std::fs::read(place.video(&name)).unwrap();
    // The index names chunks as they name themselves, and stays as it is.
    let index = bytes.windows(4).rposition(|id| id == b"idx1").unwrap();
    let (mut at, mut frames) = (0, 0);
    while let Some(found) = bytes[at..index].windows(4).position(|id| id == b"00dc") {
        let start = at + found;
        let size = u32::from_le_bytes(bytes[start + 4..start + 8].try_into().unwrap()) as usize;
        let end = start + 8 + size;
        if frames >= 80 {
            bytes[start + 8..end].fill(0);
        }
        (at, frames) = (end, frames + 1);
    }
    assert!(frames > 100, "{frames}");
    std::fs::write(place.video(&name), bytes).unwrap();

    let mut config = config("echoclip", &["linear"]);
    let plain = place.run(&config, "plain");
    // Its last frame is missed, and no clip holds that.
    assert!(plain.excluded.iter().all(|excluded| excluded.used) && plain.failed == 0, "{:?}", plain.excluded);
    let recipe = "[adapter]\nsolver = 'descent'\n[train]\nepochs = 2\naugment = { views = 4, random_start = true }";
    config.recipes = [("linear".to_owned(), recipe.parse().unwrap())].into();
    let looks = place.run(&config, "looks");
    assert_eq!((looks.ran, looks.failed), (1, 0));
    assert!(looks.excluded.iter().any(|excluded| excluded.video == name && !excluded.used), "{:?}", looks.excluded);
    let trained = |out: &str| read_runs(&place.out(out)).unwrap()[0].data.train;
    assert_eq!(trained("looks") + 1, trained("plain"));
}
