//! `--precision`: encoders that multiply numbers of fewer bits.

use echo_zoo::{Entry, ZOO};
use safetensors::SafeTensors;

use crate::place::{Place, ended, name as path_of};

/// Embeddings of a file, and the precision that it says they were computed in.
fn embeddings(place: &Place, file: &str) -> (Vec<f32>, String) {
    let bytes = std::fs::read(place.path(file)).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let precision = metadata.metadata().as_ref().unwrap()["precision"].clone();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor("embedding").unwrap().data().to_vec();
    (data.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect(), precision)
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

#[test]
fn embeddings_in_fewer_bits_are_near_those_in_32() {
    let place = Place::new(4);
    // Of random weights they say nothing.
    let is_trained = |entry: &&Entry| entry.has_shipped(entry.card.preset(echo_core::Preset::NANO).unwrap());
    for entry in ZOO.iter().filter(is_trained) {
        let name = entry.card.name;
        let dim = entry.card.preset(echo_core::Preset::NANO).unwrap().dim;
        let embed = |precision: &str| {
            let args = ["embed", "--encoder", name, "--preset", "nano", "data/Videos", "--out", "out.safetensors"];
            place.run(0, &[&args[..], &["--precision", precision]].concat());
            let (values, said) = embeddings(&place, "out.safetensors");
            assert_eq!(said, precision);
            values
        };
        let exact = embed("f32");
        for (precision, least) in [("bf16", 0.9995), ("int8", 0.999)] {
            let found = embed(precision);
            assert_ne!(found, exact, "{name}, {precision}");
            for (found, exact) in found.chunks(dim).zip(exact.chunks(dim)) {
                let cosine = cosine(found, exact);
                assert!(cosine >= least, "{name}, {precision}: {cosine}");
            }
        }
    }
}

#[test]
fn benchmarks_say_what_was_computed_in_fewer_bits() {
    let place = Place::new(24);
    let bench = |more: &[&str]| {
        let mut command = place.command(&["bench", "--encoder", "echoclip", "--data", "data", "--shots", "1"]);
        command.args(["--seeds", "1", "--smoke", "--no-zero-shot", "--adapter", "linear,full", "--save-adapters"]);
        ended(0, command.args(["--random-init", "--out", "out"]).args(more));
    };
    let adapters = || -> Vec<String> {
        let rows = place.rows("out/leaderboard.csv").into_iter().filter(|row| row["encoder"] == "echoclip");
        rows.map(|row| row["adapter"].clone()).collect()
    };
    bench(&["--precision", "int8"]);
    // What trains the encoder has 32 bits.
    assert_eq!(adapters(), ["linear (int8)", "full"]);
    let rows = place.rows("out/predictions.csv");
    let row = rows.iter().find(|row| row["adapter"].starts_with("linear")).unwrap();
    let file = std::fs::read_dir(place.path("out/adapters")).unwrap().map(|file| file.unwrap().path());
    let file = file.into_iter().find(|file| path_of(file).contains("linear")).unwrap();
    let video = place.path("data/Videos").join(format!("{}.avi", row["video"]));
    let predict = |more: &[&str]| -> f32 {
        let mut command = place.command(&["predict", "--out", "ef.csv", "--adapter-file"]);
        ended(0, command.args([&file, &video]).args(more));
        place.rows("ef.csv")[0]["ef"].parse().unwrap()
    };
    // A kept adapter knows what it was fitted on, and does as it is told.
    let expected: f32 = row["prediction"].parse().unwrap();
    assert!((predict(&[]) - expected).abs() < 1e-3, "{} {expected}", predict(&[]));
    assert_ne!(predict(&["--precision", "f32"]), predict(&[]));
    // Cells in 32 bits are others than those in 8; what has 32 either way is done.
    bench(&[]);
    assert_eq!(adapters(), ["linear", "full"]);
    let runs = place.read("out/runs.jsonl");
    let cells = |adapter: &str| runs.matches(&format!("\"adapter\":\"{adapter}\"")).count();
    assert_eq!([cells("linear"), cells("full")], [2, 1]);
}

#[test]
fn fewer_bits_are_for_the_cpu() {
    let place = Place::new(0);
    for command in ["embed --text a --out a.npy", "predict a.avi", "bench --out out"] {
        let args: Vec<&str> = command.split(' ').chain(["--encoder", "panecho", "--precision", "int8"]).collect();
        let (_, error) = place.run(2, &[&args[..], &["--device", "wgpu"]].concat());
        assert!(error.contains("--device cpu") && error.contains("--precision f32"), "{command}: {error}");
    }
}
