//! Kills at many instants.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::grid::Grid;
use crate::place::{Place, ended};

/// Instants over the time that an undisturbed run takes; another number by `ECHOZOO_KILLS`.
const KILLS: u32 = 10;

fn kills() -> u32 {
    std::env::var("ECHOZOO_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"))
}

/// Starts `command` and kills it after `instant`. Whether it had ended by then, which must be well.
fn ends_before(command: &mut Command, instant: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(instant);
    let over = child.try_wait().unwrap();
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
    if let Some(status) = over {
        assert!(status.success(), "{command:?}: {status}");
    }
    over.is_some()
}

/// Every kill hits a run that goes on where the last one was killed, until one is too late; then a new folder and a new
/// cache begin. Whatever was hit, each folder ends as if nothing had happened.
#[test]
fn a_run_killed_at_any_instant_goes_on_and_ends_the_same() {
    let (place, kills) = (Grid::new(), kills());
    let bench = |out: &str, home: &str| {
        let mut command = place.bench(out, home);
        command.env("ECHOZOO_CHECKPOINT_SECONDS", "0");
        command
    };
    let started = Instant::now();
    ended(0, &mut bench("whole", "home"));
    let whole = started.elapsed();
    let cells = place.keys("whole").len();

    let (mut folder, mut done_after) = (0, Vec::new());
    for kill in 1..=kills {
        let (out, home) = (format!("killed-{folder}"), format!("home-{folder}"));
        let over = ends_before(&mut bench(&out, &home), whole * kill / (kills + 1));
        done_after.push(whole_lines(&place, &out));
        if over {
            place.assert_same(&out, "whole");
            folder += 1;
        }
    }
    let out = format!("killed-{folder}");
    ended(0, &mut bench(&out, &format!("home-{folder}")));
    place.assert_same(&out, "whole");
    println!("{kills} kills over {whole:?}, {} folders, cells done after each: {done_after:?} of {cells}", folder + 1);
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

/// Files below `folder`, or `folder` itself, by path from there. What was being written when a process was killed is left out:
/// it has a name that nobody reads, and goes in time.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(path: &Path, name: String, files: &mut BTreeMap<String, Vec<u8>>) {
        let Ok(entries) = std::fs::read_dir(path) else {
            files.extend(std::fs::read(path).ok().map(|bytes| (name, bytes)));
            return;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let own = entry.file_name().to_string_lossy().into_owned();
            if !own.starts_with('.') && !own.ends_with(".lock") {
                walk(&entry.path(), format!("{name}/{own}"), files);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, String::new(), &mut found);
    found
}

/// Kills the command that `command` makes for an output again and again: whatever it had written under its last name is whole, and
/// the run after it ends as an undisturbed one. `grows` names files that a run appends to.
fn killed(place: &Place, kills: u32, grows: &[&str], command: impl Fn(&str) -> Command) {
    let started = Instant::now();
    ended(0, &mut command("whole"));
    let whole = started.elapsed();
    let expected = files(&place.path("whole"));
    assert!(!expected.is_empty());
    let same = |out: &str, so_far: bool| {
        let found = files(&place.path(out));
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert!(so_far || names(&found) == names(&expected), "{out}: {:?}, not {:?}", names(&found), names(&expected));
        for (name, bytes) in found.iter().filter(|(name, _)| !grows.iter().any(|grows| name.ends_with(grows))) {
            assert!(expected.get(name) == Some(bytes), "{out}: {name:?} is not that of an undisturbed run");
        }
    };
    let (mut folder, mut late) = (0, 0);
    for kill in 1..=kills {
        let out = format!("killed-{folder}");
        let over = ends_before(&mut command(&out), whole * kill / (kills + 1));
        same(&out, !over);
        if over {
            (folder, late) = (folder + 1, late + 1);
        }
    }
    let out = format!("killed-{folder}");
    ended(0, &mut command(&out));
    same(&out, false);
    println!("{kills} kills over {whole:?}, {late} of them too late");
    assert!(late < kills, "none was in time");
}

#[test]
fn prepare_goes_on_after_a_kill() {
    let place = Place::new(24);
    std::fs::write(place.path("key"), "sixteen bytes of a key").unwrap();
    killed(&place, kills(), &["journal.jsonl", "private/lock"], |out| {
        place.command(&["prepare", "data/Videos", "--key", "key", "--out", out])
    });
}

#[test]
fn phantom_goes_on_after_a_kill() {
    let place = Place::new(0);
    killed(&place, kills(), &[], |out| place.command(&["phantom", "--count", "24", "--seed", "5", "--out", out]));
}

#[test]
fn convert_leaves_a_whole_copy_or_none() {
    let place = Place::new(0);
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../echoclip/weights/nano.safetensors");
    let convert = ["convert", "--encoder", "echoclip", "--preset", "nano", "--weights", weights];
    killed(&place, kills(), &[], |out| {
        std::fs::create_dir_all(place.path(out)).unwrap();
        place.command(&[&convert[..], &["--out", &format!("{out}/copy.safetensors")]].concat())
    });
}

/// An index that is killed while it grows stays what it was; its numbers depend on how often that happened.
#[test]
fn an_index_can_be_searched_after_a_kill() {
    let place = Place::new(12);
    let index = ["index", "--encoder", "echoclip", "--preset", "nano"];
    let all = |out: &str| place.command(&[&index[..], &["data/Videos", "--out", out]].concat());
    let search = |out: &str| {
        let found = ["retrieve", "--encoder", "echoclip", "--preset", "nano", "--text", "a heart", "-k", "99", "--csv"];
        ended(0, &mut place.command(&[&found[..], &["--index", out]].concat())).0
    };
    let started = Instant::now();
    ended(0, &mut all("whole"));
    let (whole, expected) = (started.elapsed(), search("whole"));
    let videos: Vec<String> = place.videos().iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    let kills = kills();
    for kill in 1..=kills {
        let out = format!("killed-{kill}");
        let few = [&index[..], &[&videos[0], &videos[1], "--out", &out]].concat();
        ended(0, &mut place.command(&few));
        let before = search(&out);
        let over = ends_before(&mut all(&out), whole * kill / (kills + 1));
        let now = search(&out);
        assert!(now == expected || (!over && now == before), "after kill {kill}: {now}");
        ended(0, &mut all(&out));
        assert_eq!(search(&out), expected);
    }
}

#[test]
fn pretraining_goes_on_after_a_kill() {
    let place = Place::new(0);
    let pretrain =
        ["pretrain", "--encoder", "clip", "--on", "pictures", "--steps", "4", "--batch", "2", "--warmup", "1", "--out"];
    killed(&place, kills(), &["checkpoint"], |out| {
        std::fs::create_dir_all(place.path(out)).unwrap();
        place.command(&[&pretrain[..], &[&format!("{out}/nano.safetensors")]].concat())
    });
}
