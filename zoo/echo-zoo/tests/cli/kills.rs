//! Kills at many instants.

use std::process::Stdio;
use std::time::Instant;

use crate::grid::Grid;
use crate::place::ended;

/// Instants over the time that an undisturbed run takes.
const KILLS: u32 = 16;

/// Every kill hits a run that goes on where the last one was killed, until one is too late; then a new folder and a new
/// cache begin. Whatever was hit, each folder ends as if nothing had happened.
#[test]
fn a_run_killed_at_any_instant_goes_on_and_ends_the_same() {
    let place = Grid::new();
    let bench = |out: &str, home: &str| {
        let mut command = place.bench(out, home);
        command.env("ECHOZOO_CHECKPOINT_SECONDS", "0").stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let started = Instant::now();
    ended(0, &mut bench("whole", "home"));
    let whole = started.elapsed();
    let cells = place.keys("whole").len();

    let (mut folder, mut done_after) = (0, Vec::new());
    for kill in 1..=KILLS {
        let (out, home) = (format!("killed-{folder}"), format!("home-{folder}"));
        let mut child = bench(&out, &home).spawn().unwrap();
        std::thread::sleep(whole * kill / (KILLS + 1));
        // Already over, or killed: SIGKILL on Unix.
        let over = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        done_after.push(whole_lines(&place, &out));
        if let Some(status) = over {
            assert!(status.success(), "{status}");
            place.assert_same(&out, "whole");
            folder += 1;
        }
    }
    let out = format!("killed-{folder}");
    ended(0, &mut bench(&out, &format!("home-{folder}")));
    place.assert_same(&out, "whole");
    println!("{KILLS} kills over {whole:?}, {} folders, cells done after each: {done_after:?} of {cells}", folder + 1);
    assert!(done_after.iter().any(|&done| done > 0 && done < cells), "some were killed between cells: {done_after:?}");
}

/// Finished cells in `runs.jsonl`. A kill leaves nothing else but half a line at the end.
fn whole_lines(place: &Grid, out: &str) -> usize {
    let Ok(text) = std::fs::read_to_string(place.path(out).join("runs.jsonl")) else { return 0 };
    let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let is_finished = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let files = ["csv", "curve.csv"]
            .map(|end| place.path(out).join(format!("cells/{}.{end}", value["key"].as_str().unwrap())));
        assert!(files.iter().all(|file| file.is_file()), "a line without its files: {line}");
        value["status"] == "done"
    };
    assert!(lines.clone().all(is_finished));
    lines.by_ref().count()
}
