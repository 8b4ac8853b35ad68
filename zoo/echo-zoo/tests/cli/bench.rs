//! `echozoo bench` as a user runs it: threads, kept adapters, what trains, a kill in the middle of a cell.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::place::{Place, ended};

const BENCH: [&str; 12] = [
    "bench",
    "--encoder",
    "echoclip",
    "--data",
    "data",
    "--shots",
    "1",
    "--seeds",
    "1",
    "--random-init",
    "--smoke",
    "--no-zero-shot",
];

#[test]
fn several_encoders_each_have_a_file_of_weights() {
    let place = Place::new(24);
    let file = |name: &str| format!("{}/../{name}/weights/nano.safetensors", env!("CARGO_MANIFEST_DIR"));
    let bench = |weights: &str| {
        let mut command = place.command(&["bench", "--data", "data", "--preset", "nano", "--smoke", "--out", "out"]);
        command.args(["--encoder", "echoclip,panecho", "--adapter", "linear", "--no-zero-shot", "--weights", weights]);
        command
    };
    ended(0, &mut bench(&format!("echoclip={},panecho={}", file("echoclip"), file("panecho"))));
    let rows = place.rows("out/leaderboard.csv").into_iter().filter(|row| row["adapter"] == "linear");
    let rows: Vec<(String, String)> = rows.map(|row| (row["encoder"].clone(), row["weights"].clone())).collect();
    assert_eq!(rows, [("echoclip", "file"), ("panecho", "file")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    for (weights, about) in
        [(file("echoclip"), "ENCODER=FILE"), (format!("echoclip={}", file("echoclip")), "panecho=FILE")]
    {
        let (_, err) = ended(2, &mut bench(&weights));
        assert!(err.contains(about), "{err}");
    }
}

#[test]
fn scores_do_not_depend_on_the_number_of_threads() {
    let place = Place::new(24);
    let scores = |threads: &str| -> Vec<(String, f64)> {
        let home = format!("home-{threads}");
        let mut command = place.command(&BENCH);
        command.args(["--adapter", "linear,coop,full", "--out", threads]);
        ended(0, command.env("RAYON_NUM_THREADS", threads).env("ECHOZOO_HOME", place.path(&home)));
        let rows = place.rows(&format!("{threads}/leaderboard.csv")).into_iter();
        rows.filter(|row| row["encoder"] == "echoclip")
            .map(|row| (row["adapter"].clone(), row["mae"].parse().unwrap()))
            .collect()
    };
    let (one, two) = (scores("1"), scores("2"));
    assert_eq!(one.len(), 3);
    for ((adapter, one), (_, two)) in one.iter().zip(&two) {
        assert!((one - two).abs() <= 1e-4, "{adapter}: {one} with one thread, {two} with two");
    }
}

#[test]
fn kept_adapters_predict_what_the_benchmark_did_and_other_weights_are_refused() {
    let place = Place::new(24);
    ended(0, place.command(&BENCH).args(["--adapter", "coop", "--save-adapters", "--out", "out"]));
    let file = std::fs::read_dir(place.path("out/adapters")).unwrap().next().unwrap().unwrap().path();
    let row = &place.rows("out/predictions.csv")[0];
    let video = place.path("data/Videos").join(format!("{}.avi", row["video"]));
    let mut command = place.command(&["predict", "--out", "ef.csv", "--adapter-file"]);
    let (out, err) = ended(0, command.arg(&file).arg(&video));
    assert!(out.contains("EF") && err.contains("mean nothing") && err.contains("not for clinical use"), "{out}{err}");
    let predicted: f32 = place.rows("ef.csv")[0]["ef"].parse().unwrap();
    assert!((predicted - row["prediction"].parse::<f32>().unwrap()).abs() < 1e-3, "{predicted} {row:?}");

    std::fs::write(place.path("torn.safetensors"), &std::fs::read(&file).unwrap()[..300]).unwrap();
    let (_, err) = ended(1, place.command(&["predict", "--adapter-file", "torn.safetensors"]).arg(&video));
    assert!(err.contains("torn.safetensors"), "{err}");
}

#[test]
fn a_kept_adapter_answers_of_a_study_as_the_benchmark_did() {
    let place = Place::new(0);
    place.run(0, &["phantom", "--studies", "40", "--seed", "1", "--out", "data"]);
    let args = [
        "bench",
        "--encoder",
        "echoclip",
        "--data",
        "data",
        "--task",
        "ef-reduced",
        "--adapter",
        "mfl",
        "--shots",
        "1",
    ];
    let flags =
        ["--seeds", "1", "--random-init", "--no-zero-shot", "--bootstrap", "10", "--save-adapters", "--out", "out"];
    place.run(0, &[&args[..], &flags].concat());
    let file = std::fs::read_dir(place.path("out/adapters")).unwrap().next().unwrap().unwrap().path();
    let cell: serde_json::Value = serde_json::from_str(place.read("out/runs.jsonl").lines().next().unwrap()).unwrap();
    let threshold = cell["threshold"].as_f64().unwrap();
    let listed = place.rows("data/FileList.csv");
    let rows = place.rows("out/predictions.csv");
    let of_studies: Vec<_> = rows.iter().filter(|row| row["level"] == "study").collect();
    assert!(of_studies.len() > 1);
    for row in of_studies {
        let videos = listed.iter().filter(|video| video["StudyID"] == row["video"]);
        let paths = videos.map(|video| place.path("data/Videos").join(format!("{}.avi", video["FileName"])));
        let mut command = place.command(&["predict", "--study", "--out", "study.csv", "--adapter-file"]);
        let (out, _) = ended(0, command.arg(&file).args(paths));
        let [predicted] = &place.rows("study.csv")[..] else { panic!("{out}") };
        let (ours, theirs): (f64, f64) =
            (predicted["probability"].parse().unwrap(), row["probability"].parse().unwrap());
        assert!((ours - theirs).abs() < 1e-3, "{predicted:?} {row:?}");
        let answer = if ours >= threshold { "reduced" } else { "not reduced" };
        assert!(predicted["answer"] == answer && out.contains(&format!("{answer} (P(reduced)")), "{out}");
        assert!(predicted["name"].starts_with("study of "), "{predicted:?}");
        assert!((predicted["threshold"].parse::<f64>().unwrap() - threshold).abs() < 1e-9, "{predicted:?}");
    }
    let video = place.path("data/Videos").join(format!("{}.avi", listed[0]["FileName"]));
    let mut command = place.command(&["predict", "--study", "--adapter-file"]);
    let (_, said) = ended(2, command.arg(&file).args([&video, &video]));
    assert!(said.contains("is there twice"), "{said}");
    let mut command = place.command(&["predict", "--study", "--encoder", "panecho", "--preset", "nano"]);
    assert!(ended(2, command.args([&video, &video])).1.contains("is there twice"));
    let mut command = place.command(&["predict", "--studies", "--adapter-file"]);
    assert!(ended(2, command.args([&file, &video])).1.contains("--study"));
}

/// Clips of another size than the card's, several of them, each from a random frame on.
#[test]
fn kept_adapters_predict_with_the_clips_of_their_recipe() {
    let place = Place::new(24);
    let config = "random_start = true\nbootstrap = 10\n[recipes.coop]\ntrain.epochs = 1\n\
                  clip = { frames = 5, stride = 2, size = 96, clips = 3, padding = \"zeros_before_normalize\" }";
    std::fs::write(place.path("clips.toml"), config).unwrap();
    let args = ["bench", "--encoder", "echoclip", "--data", "data", "--shots", "1", "--seeds", "1", "--random-init"];
    let mut command = place.command(&args);
    command.arg("--no-zero-shot");
    ended(0, command.args(["--adapter", "coop", "--config", "clips.toml", "--save-adapters", "--out", "out"]));
    let file = std::fs::read_dir(place.path("out/adapters")).unwrap().next().unwrap().unwrap().path();
    let mut command = place.command(&["predict", "data/Videos", "--out", "ef.csv", "--adapter-file"]);
    ended(0, command.arg(&file));
    let predicted = place.rows("ef.csv");
    for row in place.rows("out/predictions.csv") {
        let own = predicted.iter().find(|predicted| predicted["name"].contains(&row["video"])).unwrap();
        assert_eq!(own["clips"], "3");
        let error = (own["ef"].parse::<f32>().unwrap() - row["prediction"].parse::<f32>().unwrap()).abs();
        assert!(error < 1e-3, "{own:?} {row:?}");
    }
    assert!(
        place
            .rows("out/leaderboard.csv")
            .iter()
            .any(|row| row["adapter"].starts_with("coop (5 frames, stride 2, 96 px"))
    );
}

#[test]
fn dump_params_lists_what_trains() {
    let place = Place::new(4);
    let (out, _) = ended(0, place.command(&BENCH).args(["--adapter", "coop,mfl", "--dump-params"]));
    let trains: Vec<&str> = out.lines().filter(|line| line.contains("  trains  ")).collect();
    assert!(
        trains.iter().any(|line| line.contains("context")) && trains.iter().any(|line| line.contains("pool.score"))
    );
    assert!(trains.iter().all(|line| !line.contains("encoder.")), "{trains:?}");
    assert!(out.lines().any(|line| line.contains("  frozen  encoder.visual.")), "{out}");
}

/// A cell that is killed between two of its epochs goes on from there and ends as if it had not been.
#[test]
fn a_cell_killed_in_the_middle_ends_the_same() {
    let place = Place::new(24);
    std::fs::write(place.path("long.toml"), "[recipes.full.train]\nepochs = 12\nbatch = 4\n").unwrap();
    let long = |out: &str| {
        let mut command = place.command(&["bench", "--encoder", "echoclip", "--data", "data", "--shots", "1"]);
        command.arg("--no-zero-shot");
        command.args(["--seeds", "1", "--random-init", "--adapter", "full", "--config", "long.toml", "--out", out]);
        command.args(["--bootstrap", "10"]).env("ECHOZOO_CHECKPOINT_SECONDS", "0");
        command
    };
    ended(0, &mut long("whole"));
    let mut child = long("killed").stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let checkpoint = || {
        let entries = std::fs::read_dir(place.path("killed/cells")).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with("checkpoint.safetensors")).count()
    };
    let started = Instant::now();
    while checkpoint() == 0 {
        assert!(started.elapsed() < Duration::from_secs(120), "no checkpoint was written");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("killed/runs.jsonl").exists(), "the cell had not ended");
    ended(0, &mut long("killed"));
    for file in ["predictions.csv", "curves.csv", "leaderboard.csv"] {
        assert_eq!(place.read(&format!("killed/{file}")), place.read(&format!("whole/{file}")), "{file}");
    }
    assert_eq!(checkpoint(), 0, "a finished cell leaves no checkpoint");
}

#[test]
fn what_cannot_be_is_refused_or_said_and_never_an_empty_table() {
    let place = Place::new(24);
    let bench = |more: &[&str]| {
        let mut command = place.command(&["bench", "--data", "data", "--smoke"]);
        command.args(more);
        command
    };
    let pair = ["--encoder", "panecho", "--adapter", "linear,zero-shot", "--task", "view", "--out", "pair"];
    let err = ended(2, &mut bench(&pair)).1;
    assert!(err.contains("zero-shot cannot adapt panecho") && !place.path("pair").exists(), "{err}");
    let all = ["--encoder", "panecho", "--adapter", "all", "--task", "view", "--out", "all"];
    let err = ended(0, &mut bench(&all)).1;
    assert!(
        err.contains("left out: zero-shot cannot adapt panecho") && err.contains("left out: coarse-to-fine"),
        "{err}"
    );

    assert!(ended(2, &mut bench(&["--adapter", "cop"])).1.contains("did you mean \"coop\""));
    assert!(ended(2, &mut bench(&["--encoder", "pnecho"])).1.contains("did you mean \"panecho\""));
    // No heart is below 1 %.
    let none = ["--encoder", "panecho", "--adapter", "linear", "--task", "ef-reduced", "--below", "1", "--out", "none"];
    let err = ended(1, &mut bench(&none)).1;
    assert!(err.contains("no row has the metric auroc") && err.contains("no training sample is"), "{err}");
    let task = include_str!("../../../../configs/tasks/ef.toml").to_owned() + "\n[heads]\npanchoo = \"EF\"\n";
    std::fs::write(place.path("slip.toml"), task).unwrap();
    let slip = ["--encoder", "panecho", "--adapter", "linear", "--task", "slip.toml", "--out", "slip"];
    let err = ended(0, &mut bench(&slip)).1;
    assert!(err.contains("[heads] of the task EF") && err.contains("did you mean \"panecho\""), "{err}");
}
