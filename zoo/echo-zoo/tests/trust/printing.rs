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
    for command in [&["list"][..], &["inspect", "data/Videos/phantom-test-00000.avi"], &["cache"]] {
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
