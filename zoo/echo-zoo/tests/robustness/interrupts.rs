//! Signals that ask the program to end.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, text};

/// Names in a folder but for locks, which are empty files.
fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

/// Starts `command`, sends it `signal` once there are videos in a hidden folder of `folder`, and gives what it says.
fn interrupt(command: &mut Command, folder: &Path, signal: (&str, i32)) -> String {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let has_begun = || names(folder).iter().any(|path| names(&path.join("Videos")).len() > 2);
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
    let place = Place::new();
    std::fs::create_dir(place.path("made")).unwrap();
    let mut command = place.command(&["phantom", "--out", "made/set", "--count", "2000"], "home");
    interrupt(&mut command, &place.path("made"), ("-INT", 2));
    assert_eq!(names(&place.path("made")), Vec::<PathBuf>::new());

    let mut bench = place.command(&["bench", "--encoder", "echoclip", "--adapter", "linear"], "home");
    interrupt(&mut bench, &place.path("home/data"), ("-TERM", 15));
    assert_eq!(names(&place.path("home/data")), Vec::<PathBuf>::new());
}

/// The handlers that see to that are not there for anything else.
#[test]
fn a_run_on_phantoms_that_it_made_ends_by_a_signal() {
    let place = Place::new();
    // Every pair is built, so that it is not over before it is interrupted.
    let mut command = place.command(&["bench", "--dry-run", "--encoder", "all", "--adapter", "all"], "home");
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut child = command.env("TMPDIR", &temporary).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The list of what would be made is complete, under the name that the phantoms would have.
    let is_list = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("phantom-") && path.join("FileList.csv").exists()
    };
    while !names(&temporary).iter().flat_map(|folder| names(folder)).any(|path| is_list(&path)) {
        assert!(child.try_wait().unwrap().is_none(), "it was over before it was interrupted");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(2), "it went on");
}
