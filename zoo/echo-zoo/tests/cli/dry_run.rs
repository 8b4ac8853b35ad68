//! `--dry-run`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::grid::Grid;
use crate::place::{Place, ended, text};

/// The rows of the table at the beginning, by adapter, split where its columns are.
fn pairs(out: &str) -> BTreeMap<String, Vec<String>> {
    let rows = out.lines().skip(1).take_while(|line| !line.is_empty());
    let split =
        |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    rows.map(split).map(|row: Vec<String>| (row[1].clone(), row)).collect()
}

#[test]
fn a_dry_run_says_what_is_left_and_does_nothing() {
    let place = Grid::new();
    let dry = |args: &[&str]| ended(0, place.bench("out", "home").args(["--no-zero-shot", "--dry-run"]).args(args)).0;
    let out = dry(&[]);
    println!("{out}");
    for adapter in ["linear", "coop", "mfl"] {
        let row = &pairs(&out)[adapter];
        assert_eq!(row[2..5], ["4", "0", "4"], "{out}");
        assert!(row[5].starts_with("at least"), "{out}");
    }
    assert!(out.contains("data: 12 training, 0 validation and 8 test videos are read"), "{out}");
    assert!(
        out.contains("echoclip: 20 clips, 0 of them cached, 20 to embed") && out.contains("12 cells to run"),
        "{out}"
    );
    assert!(!place.path("out").exists() && !place.path("home/cache/features").exists(), "it did something");

    // One regime is done, and what it took is known.
    ended(0, place.bench("out", "home").args(["--no-zero-shot", "--shots", "1"]));
    let before = place.read("out/runs.jsonl");
    let out = dry(&[]);
    println!("{out}");
    for adapter in ["linear", "coop", "mfl"] {
        let row = &pairs(&out)[adapter];
        assert_eq!(row[2..5], ["4", "2", "2"], "{out}");
        assert!(row[5].ends_with("MiB") && !row[5].contains("at least"), "{out}");
    }
    assert!(out.contains("20 of them cached, 0 to embed\n") && out.contains("6 cells to run"), "{out}");
    assert_eq!(place.read("out/runs.jsonl"), before);
    assert!(dry(&["--shots", "1"]).contains("0 cells to run"));
    // As with the real thing, all of it is run again, and wrong usage is wrong usage.
    assert!(dry(&["--shots", "1", "--force"]).contains("6 cells to run"));
    ended(2, place.bench("out", "home").args(["--dry-run", "--adapter", "cop"]));
}

#[test]
fn a_dry_run_knows_what_the_last_run_could_not_use() {
    let place = Grid::new();
    let videos = std::fs::read_dir(place.path("data/Videos")).unwrap();
    let broken =
        videos.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("test")).unwrap();
    std::fs::write(broken, "this is no video").unwrap();
    ended(0, &mut place.bench("out", "home"));
    let out = ended(0, place.bench("out", "home").arg("--dry-run")).0;
    assert!(out.contains("0 cells to run") && out.contains("19 clips, 19 of them cached"), "{out}");
}

#[test]
fn a_dry_run_names_what_surely_cannot_be_used() {
    let place = Grid::new();
    let videos = std::fs::read_dir(place.path("data/Videos")).unwrap().map(|entry| entry.unwrap().path());
    let mut tests: Vec<_> = videos.filter(|path| path.to_string_lossy().contains("test")).collect();
    tests.sort();
    std::fs::remove_file(&tests[0]).unwrap();
    std::fs::write(&tests[1], "").unwrap();
    std::fs::write(&tests[2], "this is no video").unwrap();
    let whole = std::fs::read(&tests[3]).unwrap();
    std::fs::write(&tests[3], &whole[..whole.len() / 2]).unwrap();
    let out = ended(0, place.bench("out", "home").arg("--dry-run")).0;
    println!("{out}");
    assert!(out.contains("4 listed videos cannot be used:\n") && out.contains("Videos were not decoded"), "{out}");
    for (path, reason) in
        tests.iter().zip(["no such file", "the file is empty", "not a video: it is text", "truncated"])
    {
        let name = format!("  {}: ", path.file_stem().unwrap().to_string_lossy());
        assert!(out.lines().any(|line| line.starts_with(&name) && line.contains(reason)), "{reason}: {out}");
    }
    assert!(out.contains("12 training, 0 validation and 4 test videos are read"), "{out}");
    assert!(out.contains("16 clips, 0 of them cached, 16 to embed"), "{out}");
    let out = ended(0, place.bench("out", "home").args(["--dry-run", "--allow-truncated"])).0;
    assert!(out.contains("3 listed videos cannot be used:\n") && out.contains("17 clips"), "{out}");
}

#[test]
fn a_dry_run_renders_no_phantoms() {
    let place = Place::new(0);
    let mut command = place.command(&["bench", "--dry-run", "--out", "out", "--random-init"]);
    command.args(["--encoder", "panecho", "--adapter", "coop,full,zero-shot", "--jobs", "2"]);
    let out = ended(0, &mut command).0;
    println!("{out}");
    let train = out.split_once("new-site: ").unwrap().1.split_once(' ').unwrap().0.parse::<usize>().unwrap();
    assert!((105..=315).contains(&train), "{out}");
    assert!(out.contains("0 validation and 400 test videos are read, 0.0 MB\n"), "{out}");
    // With those of validation, whose median stands in every table, and the home site's.
    assert!(out.contains(&format!("\n{} phantoms would be rendered first\n", train + 200 + 400 + 200)), "{out}");
    assert_eq!(pairs(&out)["coop"][2..5], ["12", "0", "12"], "{out}");
    assert_eq!(pairs(&out)["full"][2..5], ["12", "0", "12"], "{out}");
    // Clips of a batch and the moments of all parameters, beside three parameters of a head.
    let least = |adapter: &str| {
        let words = pairs(&out)[adapter][5].clone();
        words.strip_prefix("at least ").unwrap().strip_suffix(" MiB").unwrap().parse::<usize>().unwrap()
    };
    assert!(least("full") > least("coop") + 5, "{out}");
    assert!(least("coop") > 20, "the program alone holds more: {out}");
    assert!(out.contains("cells to run, 2 at a time"), "{out}");
    assert!(!place.path("out").exists() && !place.path("home/cache/features").exists(), "it did something");
    assert_eq!(place.rendered("home"), Vec::<PathBuf>::new());
}

#[test]
fn a_dry_run_of_what_cannot_run_fails_and_names_what_is_unknown() {
    let place = Grid::new();
    let dry = |config: &str, encoder: &[&str]| {
        std::fs::write(place.path("own.toml"), config).unwrap();
        let mut command = place.command(&["bench", "--data", "data", "--dry-run", "--config", "own.toml"]);
        command.args(["--adapter", "full", "--random-init", "--no-zero-shot", "--out", "out"]).args(encoder);
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = dry("[recipes.full.clip]\nsize = 8\n", &["--encoder", "panecho"]);
    assert!(code == Some(1) && said.contains("of them would fail") && said.contains("cannot run"), "{said}");
    let (code, said) = dry("encoders = ['nope']\n", &[]);
    assert!(code == Some(2) && said.contains("own.toml: unknown encoder"), "{said}");
}
