//! Two processes on one output folder.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::grid::Grid;
use crate::place::{ended, text};

fn begun(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The number before `what` in the last lines on standard error.
fn number(stderr: &str, what: &str) -> usize {
    let before = stderr.split(what).next().filter(|before| before.len() < stderr.len());
    let before = before.unwrap_or_else(|| panic!("{stderr}"));
    before.rsplit([' ', '\n']).next().unwrap().parse().unwrap()
}

fn ran(stderr: &str) -> usize {
    number(stderr, if stderr.contains("1 cell run, ") { " cell run, " } else { " cells run, " })
}

#[test]
fn two_processes_share_the_cells_and_show_the_same() {
    let place = Grid::new();
    let alone = ended(0, &mut place.bench("alone", "home"));
    let cells = place.keys("alone").len();
    let both = || begun(&mut place.bench("shared", "other-home"));
    let ended: Vec<_> = [both(), both()].into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let (mut shares, mut embedded) = (Vec::new(), 0);
    for output in &ended {
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert_eq!(text(&output.stdout), alone.0);
        shares.push(ran(&stderr));
        embedded += number(&stderr, " clips embedded");
    }
    println!("{cells} cells, shared as {shares:?}");
    assert_eq!(shares.iter().sum::<usize>(), cells, "each cell runs once: {shares:?}");
    assert_eq!(embedded, 20, "each clip passes through the encoder of one of them");
    place.assert_same("shared", "alone");
}

/// The other process is this test: it holds the lock of one cell.
struct Other {
    lock: File,
    key: String,
}

impl Other {
    fn new(place: &Grid, out: &str, key: &str) -> Self {
        let cells = place.path(out).join("cells");
        std::fs::create_dir_all(&cells).unwrap();
        let lock = File::create(cells.join(format!("{key}.lock"))).unwrap();
        lock.lock().unwrap();
        Self { lock, key: key.to_owned() }
    }

    /// Reads what `child` says until it waits for this one's cell.
    fn waited_for(&self, child: &mut Child) -> BufReader<std::process::ChildStderr> {
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("another process is at it") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended without waiting for {}", self.key);
        }
        stderr
    }
}

fn rest(mut stderr: BufReader<std::process::ChildStderr>) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    text
}

#[test]
fn a_cell_of_another_process_is_waited_for_and_taken_over() {
    let place = Grid::new();
    ended(0, &mut place.bench("alone", "home"));
    let keys = place.keys("alone");
    let other = Other::new(&place, "taken", &keys[2]);
    let mut child = begun(&mut place.bench("taken", "home"));
    let stderr = other.waited_for(&mut child);
    assert_eq!(place.keys("taken").len(), keys.len() - 1, "all others are done by then");
    // It ends as processes do: its files, its line, its lock.
    for ending in ["csv", "curve.csv"] {
        let name = format!("cells/{}.{ending}", keys[2]);
        std::fs::copy(place.path("alone").join(&name), place.path("taken").join(&name)).unwrap();
    }
    let lines = place.read("alone/runs.jsonl");
    let line = lines.lines().find(|line| line.contains(&keys[2])).unwrap();
    let mut runs = File::options().append(true).open(place.path("taken/runs.jsonl")).unwrap();
    writeln!(runs, "{line}").unwrap();
    drop(other.lock);
    assert!(child.wait().unwrap().success());
    let stderr = rest(stderr);
    assert_eq!(ran(&stderr), keys.len() - 1, "{stderr}");
    assert!(stderr.contains("(by another process)"), "{stderr}");
    place.assert_same("taken", "alone");
}

#[test]
fn a_cell_of_a_process_that_dies_is_run() {
    let place = Grid::new();
    ended(0, &mut place.bench("alone", "home"));
    let keys = place.keys("alone");
    let other = Other::new(&place, "left", &keys[0]);
    let mut child = begun(place.bench("left", "home").args(["--jobs", "2"]));
    let stderr = other.waited_for(&mut child);
    drop(other.lock);
    assert!(child.wait().unwrap().success());
    assert_eq!(ran(&rest(stderr)), keys.len());
    place.assert_same("left", "alone");
}

#[test]
fn a_cache_that_others_clear_meanwhile_costs_time_and_no_more() {
    let place = Grid::new();
    ended(0, &mut place.bench("alone", "home"));
    let mut child = begun(&mut place.bench("robbed", "robbed-home"));
    let mut cleared = 0;
    while child.try_wait().unwrap().is_none() {
        let mut cache = place.command(&["cache", "--limit", "1kB"]);
        let said = ended(0, cache.env("ECHOZOO_HOME", place.path("robbed-home"))).0;
        cleared += usize::from(!said.contains("removed: 0 features"));
    }
    assert!(child.wait().unwrap().success());
    println!("something was removed {cleared} times");
    place.assert_same("robbed", "alone");
}
