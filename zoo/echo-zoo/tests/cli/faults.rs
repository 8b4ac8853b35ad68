//! Disks and systems that fail: strace makes chosen system calls of the benchmark fail, as a seed draws them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use echo_random::Stream;

use crate::grid::{Grid, RESULTS};
use crate::place::{ended, text};

/// Seeds of runs that fail; others by `ECHOZOO_FAULTS=FIRST-LAST`.
const FAULTS: RangeInclusive<u64> = 1..=11;

/// One with which a lock was waited for without an end: nothing could be said of any file.
const ENDLESS: u64 = 435;

/// Seconds after which a run has no end.
const LIMIT: &str = "600";

fn seeds() -> Vec<u64> {
    let Ok(given) = std::env::var("ECHOZOO_FAULTS") else { return FAULTS.chain([ENDLESS]).collect() };
    let (first, last) = given.split_once('-').expect("FIRST-LAST");
    (first.parse().unwrap()..=last.parse().unwrap()).collect()
}

/// What fails, with what, and the most calls of that kind that are left alone before. A file that may not be read is not among it: what
/// may not be used is left out of a benchmark, and said to be.
const KINDS: [(&str, &[&str], usize); 11] = [
    ("write,pwrite64,writev", &["ENOSPC", "EIO", "EDQUOT"], 120),
    ("rename,renameat,renameat2", &["EIO", "EACCES", "ENOSPC", "EXDEV"], 70),
    ("fsync,fdatasync", &["EIO", "ENOSPC"], 150),
    ("openat", &["EIO", "EMFILE", "ENOSPC"], 450),
    ("read,pread64", &["EIO"], 800),
    ("statx,newfstatat", &["EIO", "ESTALE"], 700),
    ("flock", &["ENOLCK", "EIO", "ENOSYS"], 40),
    ("mkdir,mkdirat", &["EACCES", "ENOSPC"], 4),
    ("unlink,unlinkat", &["EIO", "EACCES"], 25),
    ("getdents64", &["EIO"], 40),
    ("lseek", &["EIO"], 95),
];

/// A fault as strace's `--inject` describes it: of one call, of all after it (a full disk), or a call that says that all is well and
/// does nothing (a disk that lies).
fn fault(seed: u64) -> String {
    let mut stream = Stream::new(seed, "tests/faults", 0);
    let (calls, errors, most) = KINDS[stream.below(KINDS.len())];
    let when = 1 + stream.below(most);
    let error = errors[stream.below(errors.len())];
    match stream.below(4) {
        // What was not written or renamed would be noticed by no program that is told otherwise, but by the next that reads it.
        0 if calls.starts_with("fsync") => format!("{calls}:retval=0:when={when}+"),
        0 | 1 => format!("{calls}:error={error}:when={when}+"),
        _ => format!("{calls}:error={error}:when={when}"),
    }
}

/// `command` under strace, where its calls fail.
fn faulty(command: &Command, fault: &str, log: &Path) -> Command {
    let calls = fault.split(':').next().unwrap();
    let mut strace = Command::new("timeout");
    strace.args([
        LIMIT,
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-e",
        &format!("trace={calls}"),
        "-e",
        &format!("inject={fault}"),
        "-o",
    ]);
    strace.arg(log).arg(command.get_program()).args(command.get_args());
    strace.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        strace.env(name, value.unwrap());
    }
    strace
}

/// Whether strace may watch programs here; says so if not.
fn may_trace() -> bool {
    let reason = match Command::new("strace").args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => text(&output.stderr),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("ECHOZOO_NO_SKIP").is_none(), "no strace: {reason}");
    println!("skipped: no strace: {reason}");
    false
}

/// Keys of the whole lines of `runs.jsonl`.
fn done(place: &Grid, out: &str) -> Vec<String> {
    let Ok(lines) = std::fs::read_to_string(place.path(out).join("runs.jsonl")) else { return Vec::new() };
    let whole = lines.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.contains("\"status\":\"done\""));
    let key = |line: &str| Some(line.split_once("\"key\":\"")?.1.split('"').next()?.to_owned());
    whole.filter_map(key).collect()
}

/// After any fault, the run either ends well or says what failed; the next one keeps what is done and ends as if nothing had been.
#[test]
fn whatever_fails_is_said_and_nothing_finished_is_lost() {
    if !may_trace() {
        return;
    }
    let place = Grid::new();
    ended(0, &mut place.bench("whole", "home"));
    let (mut hit, mut failed, mut kept) = (0, 0, 0);
    for seed in seeds() {
        let (out, home, fault) = (format!("out-{seed}"), format!("home-{seed}"), fault(seed));
        let log = place.path("strace.log");
        let output = faulty(&place.bench(&out, &home), &fault, &log).output().unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let about = format!("seed {seed}, {fault}: {}\n{stdout}{stderr}", output.status);
        let injected = std::fs::read_to_string(&log).unwrap().contains("(INJECTED)");
        // Pipes to other programs have no disk beneath: the standard library takes it that they can be read, and panics.
        if stderr.contains("std/src/sys/process") {
            continue;
        }
        assert!(
            !stderr.contains("panicked") && output.status.code().is_some_and(|code| code <= 2 || code == 127),
            "{about}"
        );
        assert!(output.status.success() || injected, "{about}");
        let before = done(&place, &out);
        if !output.status.success() {
            failed += 1;
            assert!(names_a_file(&stderr), "{about}");
        }
        (hit, kept) = (hit + usize::from(injected), kept + before.len());
        let (_, again) = ended(0, &mut place.bench(&out, &home));
        let count = format!("{} done before", before.len());
        assert!(again.contains(&count), "{about}\nand then, with {before:?}:\n{again}");
        // Lines of failed cells stay, before those of the same cells that are done.
        let sorted = |out| done(&place, out).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&out), sorted("whole"), "{about}");
        for file in RESULTS {
            assert_eq!(place.read(&format!("{out}/{file}")), place.read(&format!("whole/{file}")), "{file}: {about}");
        }
        for folder in [out, home] {
            std::fs::remove_dir_all(place.path(&folder)).unwrap();
        }
    }
    println!(
        "{} runs with faults: {hit} met theirs, {failed} ended with an error; {kept} finished cells, all kept",
        seeds().len()
    );
    assert!(failed > 0 && kept > 0);
}

/// Whether a message says which file or stream it is about.
fn names_a_file(stderr: &str) -> bool {
    let places = ["out-", "home-", "data", "grid.toml", "cells/", "standard output", "libraries", "current directory"];
    stderr.lines().any(|line| places.iter().any(|place| line.contains(place)))
}

/// Files from the future, as a clock that was put back leaves them.
#[test]
fn a_clock_that_was_put_back_loses_nothing() {
    let place = Grid::new();
    ended(0, &mut place.bench("whole", "home"));
    let future = SystemTime::now() + Duration::from_secs(10 * 365 * 24 * 3600);
    let cells = place.keys("whole").len();
    for folder in ["whole", "home", "data"] {
        in_future(&place.path(folder), future);
    }
    let before = place.read("whole/leaderboard.csv");
    let (_, stderr) = ended(0, &mut place.bench("whole", "home"));
    assert!(stderr.contains("0 cells run") && stderr.contains(&format!("{cells} done before")), "{stderr}");
    assert_eq!(place.read("whole/leaderboard.csv"), before);
}

fn in_future(path: &Path, future: SystemTime) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => in_future(&path, future),
            false => std::fs::File::options().append(true).open(path).unwrap().set_modified(future).unwrap(),
        }
    }
}
