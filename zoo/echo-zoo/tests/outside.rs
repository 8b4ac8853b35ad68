//! The program of another crate: the example `tinyecho`, which brings an encoder and an adapter of its own.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

use echo_phantom::{DatasetSpec, write_dataset};

/// Where cargo puts the example: it builds all of them before it runs tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join("tinyecho");
    assert!(program.is_file(), "{}: `cargo build --release --examples` makes it", program.display());
    program
}

fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(program())
        .args(args)
        .current_dir(folder)
        .env("ECHOZOO_HOME", folder.join("home"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{args:?}: {:?}\n{out}{err}", output.status);
    out
}

#[test]
fn an_encoder_and_an_adapter_of_another_crate_are_benchmarked_by_name() {
    let folder = tempfile::tempdir().unwrap();
    write_dataset(&folder.path().join("data"), &DatasetSpec::with_total(24, 5), &|_, _| ()).unwrap();
    let listed = succeed(folder.path(), &["list"]);
    assert!(["tinyecho", "attentive-probe"].iter().all(|name| listed.contains(name)), "{listed}");
    for (task, out) in [("ef", "values"), ("view", "classes"), ("findings", "labels")] {
        let encoders = ["--encoder", "tinyecho,echoclip", "--adapter", "attentive-probe,linear"];
        let run = ["--task", task, "--out", out, "--save-adapters", "--format", "csv"];
        let run = [&["bench", "--data", "data", "--smoke", "--no-zero-shot"][..], &encoders, &run].concat();
        let table = succeed(folder.path(), &run);
        for pair in ["tinyecho", "echoclip"].map(|encoder| format!("{encoder},nano")) {
            let rows: Vec<&str> = table.lines().filter(|line| line.contains(&pair)).collect();
            assert!(rows.iter().any(|row| row.contains(",attentive-probe,")), "{task}, {pair}:\n{table}");
            assert!(rows.iter().any(|row| row.contains(",linear,")), "{task}, {pair}:\n{table}");
        }
    }
    // What it kept is read again by the same program.
    let adapters = folder.path().join("values").join("adapters");
    let kept = std::fs::read_dir(&adapters).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("tinyecho-attentive-probe"));
    let kept = kept.collect::<Vec<_>>();
    let video = std::fs::read_dir(folder.path().join("data").join("Videos")).unwrap().next().unwrap().unwrap().path();
    let predicted =
        succeed(folder.path(), &["predict", "--adapter-file", kept[0].to_str().unwrap(), video.to_str().unwrap()]);
    assert!(predicted.contains("EF"), "{predicted}");
}
