//! Full disks: a file system of a few kilobytes in the place of the results, or of the cache.

use std::path::Path;
use std::process::Command;

use crate::grid::Grid;
use crate::place::ended;

/// Runs the benchmark on a small file system, makes it larger, and runs it again; keeps what came of it.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$SIZE" tmpfs "$DISK" || exit 77
"$@" > first.out 2> first.err
echo $? > first.code
mount -o remount,size=64m "$DISK" || exit 77
"$@" > second.out 2> second.err
echo $? > second.code
cp -r "$DISK/." "$KEPT"
"#;

/// What became of a run on a disk of `size`: the exit codes of both, and what the first said.
fn run(place: &Grid, size: &str, disk: &str, kept: &str, bench: &Command) -> (i32, i32, String) {
    std::fs::create_dir_all(place.path(disk)).unwrap();
    std::fs::create_dir_all(place.path(kept)).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "sh", "-c", SCRIPT, "sh"])
        .arg(bench.get_program())
        .args(bench.get_args());
    command.current_dir(place.path("")).env("SIZE", size).env("DISK", place.path(disk)).env("KEPT", place.path(kept));
    for (name, value) in bench.get_envs() {
        command.env(name, value.unwrap());
    }
    ended(0, &mut command);
    let code = |name: &str| place.read(name).trim().parse().unwrap();
    (code("first.code"), code("second.code"), place.read("first.err"))
}

/// Whether this system lets a user mount a file system of their own; says so if not.
fn may_mount(folder: &Path) -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs"]).arg(folder);
    let reason = match command.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("ECHOZOO_NO_SKIP").is_none(), "no file system of its own: {reason}");
    println!("skipped: no file system of its own: {reason}");
    false
}

#[test]
fn a_full_disk_under_the_results_is_said_and_spoils_nothing() {
    let place = Grid::new();
    std::fs::create_dir(place.path("disk")).unwrap();
    if !may_mount(&place.path("disk")) {
        return;
    }
    ended(0, &mut place.bench("whole", "home"));
    // From no room for anything to room for all but the report; pages are of 4 kB.
    let mut full = 0;
    for size in ["4k", "12k", "40k", "80k", "120k", "160k", "240k", "320k"] {
        let kept = format!("kept-{size}");
        let (first, second, said) = run(&place, size, "disk", &kept, &place.bench("disk", "home"));
        if first == 0 {
            continue;
        }
        full += 1;
        let error = said.lines().last().unwrap();
        println!("{size}: {error}");
        assert_eq!(first, 1, "{said}");
        assert!(error.contains("No space left on device") && error.contains("disk/"), "{said}");
        assert_eq!(second, 0, "{size}: {}", place.read("second.err"));
        place.assert_same(&kept, "whole");
    }
    assert!(full >= 5, "only {full} of the disks were too small");
}

#[test]
fn a_full_disk_under_a_checkpoint_fails_its_cell_and_no_other() {
    let place = Grid::new();
    std::fs::create_dir(place.path("disk")).unwrap();
    if !may_mount(&place.path("disk")) {
        return;
    }
    let bench = |out: &str| {
        let mut command = place.bench(out, "home");
        // Checkpoints of the whole encoder are larger than all results.
        command.args(["--adapter", "linear,full", "--shots", "1", "--seeds", "1"]);
        command.env("ECHOZOO_CHECKPOINT_SECONDS", "0");
        command
    };
    std::fs::write(
        place.path("grid.toml"),
        "encoders = ['echoclip']\nzero_shot = false\nrandom_init = true\nbootstrap = 50\n[recipes.full.train]\nepochs = 2\n",
    )
    .unwrap();
    ended(0, &mut bench("whole"));
    let (first, second, said) = run(&place, "1m", "disk", "kept", &bench("disk"));
    assert_eq!(first, 1, "{said}");
    assert!(said.contains("checkpoint.safetensors") && said.contains("No space left on device"), "{said}");
    assert!(said.contains("1 cell run, 0 done before, 1 failed"), "{said}");
    assert_eq!(second, 0, "{}", place.read("second.err"));
    for file in crate::grid::RESULTS {
        assert_eq!(place.read(&format!("kept/{file}")), place.read(&format!("whole/{file}")), "{file}");
    }
}

#[test]
fn a_full_disk_under_the_cache_is_said_and_spoils_nothing() {
    let place = Grid::new();
    std::fs::create_dir_all(place.path("small/cache")).unwrap();
    if !may_mount(&place.path("small/cache")) {
        return;
    }
    ended(0, &mut place.bench("whole", "home"));
    let mut full = 0;
    for size in ["4k", "20k", "60k"] {
        let out = format!("out-{size}");
        let (first, second, said) = run(&place, size, "small/cache", "kept", &place.bench(&out, "small"));
        let error = said.lines().last().unwrap();
        println!("{size}: {error}");
        full += usize::from(first == 1);
        assert_eq!(first, 1, "{said}");
        assert!(error.contains("No space left on device") && error.contains("small/cache/features"), "{said}");
        assert_eq!(second, 0, "{size}: {}", place.read("second.err"));
        place.assert_same(&out, "whole");
    }
    assert_eq!(full, 3);
}
