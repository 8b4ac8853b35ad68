//! `echozoo cache`, and the limit that a benchmark keeps.

use std::path::PathBuf;

use crate::place::{Place, ended};

/// What `echozoo cache` says.
fn cache(place: &Place, args: &[&str]) -> String {
    place.run(0, &[&["cache"], args].concat()).0
}

/// Features that have files of their own.
fn files(place: &Place) -> Vec<PathBuf> {
    let stages = std::fs::read_dir(place.path("home/cache/features")).into_iter().flatten().flatten();
    let files = stages.flat_map(|stage| std::fs::read_dir(stage.path()).unwrap().flatten());
    files.map(|file| file.path()).filter(|path| path.is_file()).collect()
}

fn bytes(place: &Place) -> u64 {
    files(place).iter().map(|file| file.metadata().unwrap().len()).sum()
}

const BENCH: [&str; 12] = [
    "bench",
    "--encoder=echoclip",
    "--adapter=linear",
    "--data",
    "data",
    "--shots",
    "1",
    "--seeds",
    "1",
    "--random-init",
    "--bootstrap",
    "50",
];

#[test]
fn the_cache_is_seen_shrunk_and_cleared_and_a_benchmark_keeps_its_limit() {
    let place = Place::new(24);
    let bench = |code: i32, args: &[&str], limit: &str| {
        ended(code, place.command(&[&BENCH[..], args].concat()).env("ECHOZOO_CACHE_LIMIT", limit)).1
    };
    assert!(cache(&place, &[]).ends_with("cache: 0 features, 0 B\n"));

    bench(0, &[], "20GB");
    let (entries, whole) = (files(&place).len(), bytes(&place));
    assert!(entries > 10, "{entries}");
    assert!(cache(&place, &[]).contains(&format!("cache: {entries} features, ")), "{}", cache(&place, &[]));
    let said = cache(&place, &["--limit", &(whole / 2).to_string()]);
    let left = bytes(&place);
    assert!(said.starts_with("removed: ") && left <= whole / 2 && left > whole / 4, "{said}");

    // What went is computed again, and goes again at the end; results stay the same.
    let table = place.read("runs/echoclip-linear-data/leaderboard.md");
    let told = bench(0, &["--force"], "1kB");
    assert!(told.contains("grown above 1.0 kB"), "{told}");
    assert!(bytes(&place) <= 1000);
    assert_eq!(place.read("runs/echoclip-linear-data/leaderboard.md"), table);

    // Put together they are a file for each stage, and nothing of them is computed again.
    bench(0, &[], "20GB");
    let entries = files(&place).len();
    assert!(cache(&place, &["--pack"]).starts_with(&format!("packed: {entries} features, ")));
    assert!(files(&place).is_empty(), "{:?}", files(&place));
    assert!(cache(&place, &[]).contains(&format!("cache: {entries} features, ")));
    assert!(cache(&place, &["--pack"]).starts_with("packed: 0 features"));
    let (foreseen, _) = place.run(0, &[&BENCH[..], &["--force", "--dry-run"]].concat());
    assert!(foreseen.contains(" 0 to embed"), "{foreseen}");
    bench(0, &["--force"], "20GB");
    assert_eq!(place.read("runs/echoclip-linear-data/leaderboard.md"), table);
    assert!(place.path("home/cache/digests.tsv").exists());
    assert!(cache(&place, &["--clear"]).ends_with("cache: 0 features, 0 B\n"));
    assert!(files(&place).is_empty() && !place.path("home/cache/digests.tsv").exists());

    assert!(bench(2, &[], "much").contains("500MB"));
}

#[test]
fn a_wrong_description_or_target_is_a_wrong_usage() {
    let place = Place::new(0);
    std::fs::write(place.path("own.toml"), "name = 'own'\ntabel = 'x.csv'\n").unwrap();
    for (args, expected) in [(&["--task", "GLS"][..], "EDV, EF, ef-grade"), (&["--dataset", "own.toml"], "tabel")] {
        let (_, told) = place.run(2, &[&BENCH[..], args].concat());
        assert!(told.contains(expected), "{told}");
    }
    let (_, told) = place.run(2, &["bench", "--dataset", "own.toml"]);
    assert!(told.contains("--data"), "{told}");
}
