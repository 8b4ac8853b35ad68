//! Signals that ask the program to end.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, ended, text};

/// Names in a folder but for locks, which are empty files.
fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

/// Starts `command`, sends it `signal` once it `has_begun`, and gives what it says.
fn interrupt(command: &mut Command, signal: (&str, i32), has_begun: impl Fn() -> bool) -> String {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !has_begun() {
        assert!(
            child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(60),
            "nothing was begun"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").arg(signal.0).arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(signal.1), "{output:?}");
    text(&output.stderr)
}

#[test]
fn phantoms_that_are_interrupted_leave_nothing_behind() {
    let place = Place::new(0);
    let made = place.path("made");
    std::fs::create_dir(&made).unwrap();
    let mut command = place.command(&["phantom", "--out", "made/set", "--count", "2000"]);
    interrupt(&mut command, ("-INT", 2), || names(&made).iter().any(|path| names(&path.join("Videos")).len() > 2));
    assert_eq!(names(&made), Vec::<PathBuf>::new());
}

/// Also by a signal that nobody can catch.
#[test]
fn a_run_that_was_killed_while_it_rendered_goes_on_where_it_was() {
    let place = Place::new(0);
    let bench = || {
        let args = ["bench", "--encoder", "echoclip", "--adapter", "linear", "--random-init", "--no-zero-shot"];
        let mut command = place.command(&args);
        command.args(["--shots", "1", "--seeds", "1", "--limit", "24", "--bootstrap", "100", "--out", "out"]);
        command
    };
    interrupt(&mut bench(), ("-KILL", 9), || !place.rendered("home").is_empty());
    let rendered = place.rendered("home");
    let times =
        || -> Vec<_> { rendered.iter().map(|video| std::fs::metadata(video).unwrap().modified().unwrap()).collect() };
    let before = times();
    let plan = ended(0, bench().arg("--dry-run")).0;
    let left = plan.split_once(" phantoms would be rendered first").unwrap().0.rsplit_once('\n').unwrap().1;
    let left: usize = left.parse().unwrap();
    assert!(left > 0, "{plan}");
    ended(0, &mut bench());
    assert_eq!(times(), before, "what was there is rendered again");
    assert_eq!(place.rendered("home").len(), rendered.len() + left);
    assert!(!ended(0, bench().arg("--dry-run")).0.contains("rendered first"));
}

/// The handlers that see to it that phantoms leave nothing are not there for anything else.
#[test]
fn a_run_on_phantoms_ends_by_a_signal() {
    let place = Place::new(0);
    // Both data sets' tables are there, and hundreds of videos have yet to be rendered.
    let mut command = place.command(&["bench", "--encoder", "echoclip", "--adapter", "linear", "--random-init"]);
    let sets = || names(&place.path("home/data")).into_iter().filter(|id| !names(id).is_empty()).count();
    interrupt(&mut command, ("-INT", 2), || sets() == 2);
}
