//! Results and messages that nobody takes.
#![cfg(target_os = "linux")]

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use crate::place::{Place, ended};

/// A device that is always full.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The writing end of a pipe that nobody reads.
fn closed() -> Stdio {
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let end = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    end.into()
}

const PREDICT: [&str; 9] =
    ["predict", "--encoder", "panecho", "--preset", "nano", "--task", "EF", "--out", "heads.csv"];

#[test]
fn a_reader_that_has_gone_takes_no_result_and_no_exit_code_with_it() {
    let place = Place::new(4);
    let written = |command: &mut Command, code: i32| {
        let _ = std::fs::remove_file(place.path("heads.csv"));
        let said = ended(code, command).1;
        assert_eq!(place.rows("heads.csv").len(), 4);
        said
    };
    written(place.command(&PREDICT).arg("data/Videos").stdout(closed()), 0);
    let said = written(place.command(&PREDICT).args(["data/Videos", "absent.avi"]).stdout(closed()), 1);
    assert!(said.contains("1 of 5 inputs"), "{said}");
    // A full disk is no reader that has gone.
    let said = written(place.command(&PREDICT).arg("data/Videos").stdout(full()), 1);
    assert!(said.contains("standard output") && said.contains("No space left"), "{said}");
    // Nobody takes the messages either.
    written(place.command(&PREDICT).args(["data/Videos", "absent.avi"]).stdout(full()).stderr(full()), 1);
    for command in [
        &["--help"][..],
        &["embed", "-h"],
        &["help", "bench"],
        &["--version"],
        &["list"],
        &["inspect", "data/Videos/phantom-test-00000.avi"],
        &["cache"],
    ] {
        ended(1, place.command(command).stdout(full()));
        ended(0, place.command(command).stdout(closed()));
    }
}

#[test]
fn a_benchmark_whose_messages_nobody_takes_runs_to_its_end() {
    let place = Place::new(24);
    let bench = |out: &str| {
        let mut command = place.command(&["bench", "--encoder", "echoclip", "--adapter", "linear,coop", "--smoke"]);
        command.args(["--data", "data", "--out", out]).env("RUST_LOG", "trace");
        command
    };
    ended(0, bench("whole").stderr(Stdio::null()));
    ended(0, bench("full").stderr(full()));
    ended(0, bench("closed").stderr(closed()).stdout(closed()));
    ended(1, bench("nothing").stderr(full()).stdout(full()));
    for out in ["full", "closed", "nothing"] {
        for file in ["predictions.csv", "leaderboard.csv", "leaderboard.md"] {
            assert_eq!(place.read(&format!("{out}/{file}")), place.read(&format!("whole/{file}")), "{out}/{file}");
        }
    }
}

#[test]
fn results_go_to_files_and_to_what_scripts_call_the_terminal() {
    let place = Place::new(4);
    assert!(Command::new("mkfifo").arg(place.path("pipe.csv")).status().unwrap().success());
    let video = "data/Videos/phantom-test-00000.avi";
    let nano = |command: &'static str| vec![command, "--encoder", "echoclip", "--preset", "nano"];
    let inspect = || vec!["inspect", video, "--encoder", "echoclip"];
    for (command, refused) in [
        (nano("embed"), &[video, "--out"][..]),
        ([&PREDICT[..7], &[video]].concat(), &["--out"]),
        ([nano("convert"), vec!["--weights", "absent.pt"]].concat(), &["--out"]),
        (nano("pretrain"), &["--out"]),
        (inspect(), &["--out"]),
        (inspect(), &["--clip"]),
        (inspect(), &["--frames"]),
    ] {
        let (_, err) = place.run(1, &[&command[..], refused, &["pipe.csv"]].concat());
        assert!(err.contains("pipe.csv: this is a pipe, and results go to a file"), "{err}");
    }
    use std::os::unix::fs::FileTypeExt;
    assert!(std::fs::metadata(place.path("pipe.csv")).unwrap().file_type().is_fifo());
    for command in [&["bench", "--encoder", "echoclip", "--adapter", "linear"][..], &["report", "data"], &["phantom"]] {
        let (_, err) = place.run(1, &[command, &["--out", "pipe.csv"]].concat());
        assert!(err.contains("pipe.csv: this is no folder"), "{err}");
    }
    // After what has been written there already.
    let predict = [&PREDICT[..7], &[video, "--out", "/dev/stdout"]].concat();
    let table = File::create(place.path("both.txt")).unwrap();
    ended(0, place.command(&predict).stdout(table));
    let both = place.read("both.txt");
    assert!(both.starts_with("name,level,head,class") && both.contains("what it is"), "{both}");
    let embed = [&nano("embed")[..], &[video, "--out", "/dev/stdout"]].concat();
    assert!(place.run(0, &embed).0.starts_with("name,warning,e0,"));
    ended(0, place.command(&embed).stdout(closed()));
    ended(1, place.command(&embed).stdout(full()));
    place.run(0, &[&PREDICT[..7], &[video, "--out", "/dev/null"]].concat());
}

#[test]
fn flags_that_contradict_each_other_or_do_nothing_are_refused() {
    let place = Place::new(0);
    for (command, wrong) in [
        ("embed --encoder echoclip --out e.npy a.avi", "--random-init --weights-key model"),
        ("embed --encoder echoclip --out e.npy a.avi", "--random-init --weights a.pt"),
        ("embed --encoder echoclip --out e.npy a.avi", "--random-seed 1"),
        ("embed --encoder echoclip --out e.npy a.avi", "--weights-key model"),
        ("embed --encoder echoclip --out e.npy", "--text a --allow-truncated"),
        ("embed --encoder echoclip --out e.npy", "--tensor a.safetensors --allow-truncated"),
        ("predict --encoder panecho", "--tensor a.safetensors --clips 2"),
        ("predict --encoder panecho a.avi", "--text-weights a.pt"),
        ("predict --adapter-file a.safetensors a.avi", "--random-init"),
        ("predict --adapter-file a.safetensors a.avi", "--preset nano"),
        ("bench", "--random-init --weights-key model"),
        ("bench", "--random-seed 1"),
        ("bench", "--external-dataset a.toml"),
        ("bench", "--no-external --external-dataset a.toml"),
        ("bench", "--dry-run --print-config"),
        ("bench", "--dump-params --dry-run"),
        ("inspect a.avi", "--preset nano"),
        ("inspect a.avi", "--clip a.safetensors"),
        ("fetch panecho", "--offline --accept-license"),
        ("pretrain --encoder echoclip", "--ceiling --out a.safetensors"),
    ] {
        let args: Vec<&str> = command.split(' ').chain(wrong.split(' ')).collect();
        let (_, err) = place.run(2, &args);
        assert!(err.starts_with("error: "), "{args:?}: {err}");
    }
}
