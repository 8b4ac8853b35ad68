//! The program of another crate: the example `tinyecho`, which brings an encoder and an adapter of its own.

use std::path::PathBuf;

use crate::place::{Place, ended, name};

/// Where cargo puts the example: it builds all of them before it runs tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join("tinyecho");
    assert!(program.is_file(), "{}: `cargo build --release --examples` makes it", program.display());
    program
}

#[test]
fn an_encoder_and_an_adapter_of_another_crate_are_benchmarked_by_name() {
    let place = Place::new(24);
    let succeed = |args: &[&str]| ended(0, &mut place.command_of(program(), args)).0;
    let listed = succeed(&["list"]);
    assert!(["tinyecho", "attentive-probe"].iter().all(|name| listed.contains(name)), "{listed}");
    for (task, out) in [("ef", "values"), ("view", "classes"), ("findings", "labels")] {
        let encoders = ["--encoder", "tinyecho,echoclip", "--adapter", "attentive-probe,linear"];
        let run = ["--task", task, "--out", out, "--save-adapters", "--format", "csv"];
        let run = [&["bench", "--data", "data", "--smoke", "--no-zero-shot"][..], &encoders, &run].concat();
        let table = succeed(&run);
        for pair in ["tinyecho", "echoclip"].map(|encoder| format!("{encoder},nano")) {
            let rows: Vec<&str> = table.lines().filter(|line| line.contains(&pair)).collect();
            assert!(rows.iter().any(|row| row.contains(",attentive-probe,")), "{task}, {pair}:\n{table}");
            assert!(rows.iter().any(|row| row.contains(",linear,")), "{task}, {pair}:\n{table}");
        }
    }
    // What it kept is read again by the same program.
    let adapters = place.path("values/adapters");
    let kept = std::fs::read_dir(&adapters).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("tinyecho-attentive-probe"));
    let kept = kept.collect::<Vec<_>>();
    let predicted = succeed(&["predict", "--adapter-file", name(&kept[0]), name(&place.videos()[0])]);
    assert!(predicted.contains("EF"), "{predicted}");
}
