//! Out-of-distribution detection as a user runs it.

use std::collections::BTreeSet;
use std::fs;

use crate::place::Place;

/// Three grades, each with training and test videos among the phantoms: 6 and 3, 2 and 4, 4 and 1.
const GRADES: &str = r#"
name = "grade"
kind = "ordinal"
column = "EF"
unit = "%"

[[classes]]
name = "low"
up_to = 54
prompts = ["left ventricle that contracts weakly"]

[[classes]]
name = "middle"
up_to = 62
prompts = ["left ventricle that contracts well"]

[[classes]]
name = "high"
up_to = 100
prompts = ["left ventricle that contracts very strongly"]
"#;

/// A training of few steps that moves what it trains.
const SHORT: &str = r#"
[recipes.negation.train]
epochs = 4
optimizer = { kind = "adamw", lr = 0.01, weight_decay = 0.0 }
schedule = { kind = "constant" }
"#;

const OOD: [&str; 9] = ["ood", "--data", "data", "--task", "grade.toml", "--bootstrap", "200", "--seeds", "1,2"];

fn place() -> Place {
    let place = Place::new(24);
    fs::write(place.path("grade.toml"), GRADES).unwrap();
    place
}

#[test]
fn every_encoder_has_every_baseline_on_a_class_that_is_held_out() {
    let place = place();
    let run = ["--hold-out", "low", "--shots", "1,2", "--out", "ood.csv"];
    let (out, err) = place.run(0, &[&OOD[..], &run].concat());
    let rows = place.rows("ood.csv");
    let encoders: BTreeSet<&str> = rows.iter().map(|row| row["encoder"].as_str()).collect();
    assert!(encoders.len() > 2, "{encoders:?}");
    for encoder in encoders {
        for shots in ["1", "2"] {
            let of_draw = rows.iter().filter(|row| row["encoder"] == encoder && row["shots"] == shots);
            let detectors: Vec<&str> = of_draw.map(|row| row["detector"].as_str()).collect();
            assert_eq!(detectors, ["max-softmax", "energy", "mahalanobis", "knn"], "{encoder}");
        }
        let zero_shot = rows.iter().filter(|row| row["encoder"] == encoder && row["shots"] == "0");
        let zero_shot: Vec<(&str, &str)> =
            zero_shot.map(|row| (row["detector"].as_str(), row["train"].as_str())).collect();
        match echo_zoo::find(echo_zoo::ZOO, encoder).unwrap().card.capabilities.text {
            false => assert!(zero_shot.is_empty(), "{encoder} has no text tower"),
            // Its nano weights have a second branch.
            true if encoder == "echoviewclip" => {
                assert_eq!(zero_shot, [("mcm", "0"), ("competing-to-win", "0"), ("agreeing-to-differ", "0")]);
            }
            true => assert_eq!(zero_shot, [("mcm", "0")], "{encoder}"),
        }
    }
    for row in &rows {
        assert_eq!((row["test_in"].as_str(), row["test_out"].as_str()), ("5", "3"));
        // An encoder without nano weights yet has random ones.
        let warning = if row["weights"].starts_with("random") { "random weights" } else { "phantom" };
        assert_eq!(row["warning"], warning);
        for score in ["auroc", "aupr_in", "aupr_out", "fpr95", "accuracy"] {
            let [value, low, high] =
                ["", "_low", "_high"].map(|part| row[&format!("{score}{part}")].parse::<f64>().unwrap());
            assert!((0.0..=1.0).contains(&low) && low <= high && (0.0..=1.0).contains(&value), "{score}: {row:?}");
        }
        // Of one prompt classifier there is no other seed.
        assert_eq!(row["auroc_sd"].is_empty(), row["shots"] == "0", "{row:?}");
    }
    assert!(out.contains("AUPR out") && out.contains("mahalanobis") && out.contains("+-"), "{out}");
    for said in [
        "5 test samples of middle, high",
        "its test samples of low, 3 in all",
        "none of this is about patients",
        "positives",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    // With one training sample a class there is no covariance, and the nearest mean is the nearest sample.
    let of = |detector: &str| rows.iter().find(|row| row["detector"] == detector && row["shots"] == "1").unwrap();
    assert_eq!(of("mahalanobis")["auroc"], of("knn")["auroc"]);
    // Again, from the cache, to the same numbers.
    let (again, err) = place.run(0, &[&OOD[..], &run].concat());
    assert!(again == out && err.contains("0 clips embedded"), "{err}");
}

#[test]
fn embeddings_are_those_of_the_benchmark() {
    let place = place();
    let common = ["--data", "data", "--task", "grade.toml", "--encoder", "panecho", "--shots", "2", "--seeds", "1,2"];
    let bench = ["bench", "--adapter", "linear", "--no-zero-shot", "--bootstrap", "100", "--out", "out"];
    place.run(0, &[&bench[..], &common].concat());
    let (out, err) =
        place.run(0, &[&["ood", "--hold-out", "HIGH", "--bootstrap", "100", "--json"][..], &common].concat());
    assert!(err.contains("0 clips embedded"), "a class that is held out changes no other draw: {err}");
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["train"]), (4, &serde_json::json!(4)));
}

/// The stages of EchoViewCLIP: what one training made is what the next begins with.
#[test]
fn an_encoder_that_an_adapter_trained_becomes_weights() {
    let place = place();
    fs::write(place.path("short.toml"), SHORT).unwrap();
    let common =
        ["--data", "data", "--task", "grade.toml", "--encoder", "echoviewclip", "--shots", "1", "--seeds", "1"];
    let bench = ["bench", "--config", "short.toml", "--no-zero-shot", "--bootstrap", "10", "--no-external"];
    let keep = ["--preset", "nano", "--save-adapters", "--adapter", "negation,linear", "--out", "out"];
    place.run(0, &[&bench[..], &common, &keep].concat());
    let file = |adapter: &str| {
        let files = fs::read_dir(place.path("out/adapters")).unwrap().map(|file| file.unwrap().path());
        let of = |path: &std::path::PathBuf| path.to_string_lossy().contains(&format!("-{adapter}-"));
        files.into_iter().find(of).unwrap().to_string_lossy().into_owned()
    };
    let (trained, linear) = (file("negation"), file("linear"));
    place.run(0, &["convert", "--adapter-file", &trained, "--out", "stage2.safetensors"]);
    let (_, err) = place.run(1, &["convert", "--adapter-file", &linear, "--out", "none.safetensors"]);
    assert!(err.contains("does not train the encoder") && !place.path("none.safetensors").exists(), "{err}");

    let scores = |weights: &[&str], out: &str| {
        let flags = ["--preset", "nano", "--hold-out", "low", "--bootstrap", "10", "--out", out];
        place.run(0, &[&["ood"][..], &common, &flags, weights].concat());
        let of = |row: &std::collections::BTreeMap<String, String>| (row["detector"].clone(), row["auroc"].clone());
        place.rows(out).iter().filter(|row| row["shots"] == "0").map(of).collect::<Vec<_>>()
    };
    let (before, after) = (scores(&[], "before.csv"), scores(&["--weights", "stage2.safetensors"], "after.csv"));
    assert_eq!(before[0], after[0], "the first branch is as it was");
    assert_ne!(before[1..], after[1..], "the second was trained");
}

#[test]
fn what_is_wrong_with_the_sides_is_said_before_anything_is_embedded() {
    let place = place();
    fs::create_dir(place.path("empty")).unwrap();
    let cases: &[(i32, &[&str], &str)] = &[
        (2, &[], "nothing is out of distribution: give --hold-out"),
        (2, &["--hold-out", "PLAX"], "grade has no class \"PLAX\"; its classes are low, middle, high"),
        (2, &["--hold-out", "low,high"], "only middle would stay in distribution"),
        (2, &["--task", "view", "--hold-out", "A2C"], "only A4C would stay in distribution"),
        (2, &["--task", "ef", "--hold-out", "low"], "needs classes of which one is true"),
        (2, &["--task", "ef-grade", "--hold-out", "moderately reduced"], "no test videos of moderately reduced"),
        (2, &["--hold-out", "low", "--neighbours", "3", "--shots", "1"], "a draw of 1 shot has 2 training samples"),
        (2, &["--out-of-distribution", "data"], "it is the data set itself"),
        (2, &["--out-of-distribution", "data/Videos"], "in distribution are among these, by their bytes"),
        (1, &["--out-of-distribution", "empty"], "no video is among the 0 files"),
        (1, &["--out-of-distribution", "grade.toml"], "it is no folder"),
        (1, &["--out-of-distribution", "nowhere"], "it is no folder"),
        (2, &["--hold-out", "low", "--encoder", "panechoo"], "panecho"),
        (2, &["--hold-out", "low", "--shots", "0"], "shots = 0"),
    ];
    for (code, args, said) in cases {
        // A later flag of the same name is no repetition of the first.
        let task = if args.contains(&"--task") { 3 } else { 5 };
        let encoder = if args.contains(&"--encoder") { &[][..] } else { &["--encoder", "panecho"] };
        let (_, err) = place.run(*code, &[&OOD[..task], &OOD[5..], encoder, args].concat());
        assert!(err.contains(said), "{args:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn all_videos_of_a_folder_are_out_of_distribution_but_for_copies() {
    let place = place();
    fs::create_dir(place.path("other")).unwrap();
    place.write_video("other/a.avi", 0..40);
    place.write_video("other/b.avi", (0..40).rev());
    fs::write(place.path("other/broken.avi"), "no video").unwrap();
    let copy = |index: usize, to: &str| fs::copy(&place.videos()[index], place.path(to)).unwrap();
    let args = ["--encoder", "panecho", "--shots", "2", "--out-of-distribution", "other", "--out", "ood.csv"];
    let run = |code: i32, more: &[&str]| place.run(code, &[&OOD[..], &args, more].concat()).1;
    // Nano weights are for phantoms, and these are not known to be any.
    assert!(run(2, &[]).contains("--preset full --weights FILE"));
    let err = run(0, &["--preset", "nano"]);
    assert!(err.contains("broken.avi (left out)") && err.contains("the videos of other, 2 in all"), "{err}");
    assert!(err.contains("panecho mean nothing") && err.contains("patients of 3 videos"), "{err}");
    let row = &place.rows("ood.csv")[0];
    assert_eq!((row["test_in"].as_str(), row["test_out"].as_str()), ("8", "2"));
    assert!(row["warning"].contains("seen no patient"), "{row:?}");
    // Beside a class that is held out; what is in the folder too counts once.
    let low = place
        .rows("data/FileList.csv")
        .into_iter()
        .position(|row| row["Split"] == "TEST" && row["EF"].starts_with("23."));
    let name = place.rows("data/FileList.csv")[low.unwrap()]["FileName"].clone();
    let place_of = |name: &str| place.videos().iter().position(|path| path.file_stem().unwrap() == name).unwrap();
    copy(place_of(&name), "other/c.avi");
    fs::copy(place.path("other/a.avi"), place.path("other/d.avi")).unwrap();
    let err = run(0, &["--preset", "nano", "--hold-out", "low"]);
    assert!(err.contains(&format!("the same file as {name}, which is held out")), "{err}");
    assert!(err.contains("d.avi (left out): the same file as a.avi"), "{err}");
    let row = &place.rows("ood.csv")[0];
    assert_eq!((row["test_in"].as_str(), row["test_out"].as_str()), ("5", "5"));
    // A test video that is in distribution is no other.
    let inside =
        place.rows("data/FileList.csv").into_iter().find(|row| row["Split"] == "TEST" && row["EF"].starts_with("67."));
    let name = inside.unwrap()["FileName"].clone();
    copy(place_of(&name), "other/e.avi");
    assert!(run(2, &["--preset", "nano"]).contains(&format!("e.avi is {name}")));
}
