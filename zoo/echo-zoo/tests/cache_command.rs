//! `echozoo cache`, and the limit that a benchmark keeps.

#![allow(missing_docs)]

use std::path::PathBuf;
use std::process::{Command, Output};

use echo_phantom::{DatasetSpec, write_dataset};

struct Place(tempfile::TempDir);

impl Place {
    fn run(&self, args: &[&str], limit: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echozoo"));
        command.args(args).current_dir(self.0.path()).env("ECHOZOO_HOME", self.0.path().join("home"));
        command.env("ECHOZOO_CACHE_LIMIT", limit).output().unwrap()
    }

    /// What `echozoo cache` says.
    fn cache(&self, args: &[&str]) -> String {
        let output = self.run(&[&["cache"], args].concat(), "20GB");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let stages = std::fs::read_dir(self.0.path().join("home/cache/features")).into_iter().flatten().flatten();
        let files = stages.flat_map(|stage| std::fs::read_dir(stage.path()).unwrap().flatten());
        files.map(|file| file.path()).collect()
    }

    fn bytes(&self) -> u64 {
        self.files().iter().map(|file| file.metadata().unwrap().len()).sum()
    }
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
    let place = Place(tempfile::tempdir().unwrap());
    write_dataset(&place.0.path().join("data"), &DatasetSpec::with_total(24, 5), &|_, _| ()).unwrap();
    assert!(place.cache(&[]).ends_with("cache: 0 features, 0 B\n"));

    let output = place.run(&BENCH, "20GB");
    assert!(output.status.success(), "{output:?}");
    let (entries, bytes) = (place.files().len(), place.bytes());
    assert!(entries > 10, "{entries}");
    assert!(place.cache(&[]).contains(&format!("cache: {entries} features, ")), "{}", place.cache(&[]));
    let said = place.cache(&["--limit", &(bytes / 2).to_string()]);
    assert!(said.starts_with("removed: ") && place.bytes() <= bytes / 2 && place.bytes() > bytes / 4, "{said}");

    // What went is computed again, and goes again at the end; results stay the same.
    let table = std::fs::read_to_string(place.0.path().join("runs/echoclip-linear-data/leaderboard.md")).unwrap();
    let output = place.run(&[&BENCH[..], &["--force"]].concat(), "1kB");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("grown above 1.0 kB"), "{told}");
    assert!(place.bytes() <= 1000);
    let again = std::fs::read_to_string(place.0.path().join("runs/echoclip-linear-data/leaderboard.md")).unwrap();
    assert_eq!(again, table);

    place.run(&BENCH, "20GB");
    assert!(place.0.path().join("home/cache/digests.tsv").exists());
    assert!(place.cache(&["--clear"]).ends_with("cache: 0 features, 0 B\n"));
    assert!(place.files().is_empty() && !place.0.path().join("home/cache/digests.tsv").exists());

    let output = place.run(&BENCH, "much");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("500MB"));
}

#[test]
fn a_wrong_description_or_target_is_a_wrong_usage() {
    let place = Place(tempfile::tempdir().unwrap());
    std::fs::write(place.0.path().join("own.toml"), "name = 'own'\ntabel = 'x.csv'\n").unwrap();
    for (args, expected) in [(&["--task", "GLS"][..], "EDV, EF, ef-grade"), (&["--dataset", "own.toml"], "tabel")] {
        let output = place.run(&[&BENCH[..], args].concat(), "20GB");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && told.contains(expected), "{told}");
    }
    let output = place.run(&["bench", "--dataset", "own.toml"], "20GB");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && told.contains("--data"), "{told}");
}
