//! The benchmark on real files: resuming, broken videos, split files.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use echo_adapt::{ADAPTERS, AdapterEntry};
use echo_bench::{BenchConfig, BenchError, Environment, Outcome, Zoo, dry_run, pair_parameters, run};
use echo_core::{Card, Preset};
use echo_kernels::Precision;
use echo_phantom::{DatasetSpec, Site, write_dataset};
use echo_report::{CellStatus, merge, read_runs};
use echo_weights::{Built, Weights, WeightsError};
use echo_zoo::{ZOO, find};

use crate::fixtures::device;

pub(crate) struct Registry;

impl Zoo for Registry {
    fn cards(&self) -> Vec<&'static Card> {
        ZOO.iter().map(|entry| entry.card).collect()
    }

    fn adapters(&self) -> &[AdapterEntry] {
        ADAPTERS
    }
    fn build(&self, name: &str, preset: &str, weights: &Weights, device: &Device) -> Result<Built, WeightsError> {
        find(ZOO, name).unwrap().build(preset, weights, device)
    }
}

/// A folder with phantoms, an output folder and a cache.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(videos: usize) -> Self {
        Self::of(&DatasetSpec::with_total(videos, 9))
    }

    pub(crate) fn of(spec: &DatasetSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_dataset(&dir.path().join("data"), spec, &|_, _| ()).unwrap();
        Self { dir }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn run(&self, config: &BenchConfig, out: &str) -> Outcome {
        self.run_in(config, out, &Registry, None)
    }

    /// The same with the external data set in the folder `external`.
    pub(crate) fn run_beside(&self, config: &BenchConfig, out: &str, external: Option<&Path>) -> Outcome {
        self.run_in(config, out, &Registry, external)
    }

    pub(crate) fn run_with(&self, config: &BenchConfig, out: &str, zoo: &dyn Zoo) -> Outcome {
        self.run_in(config, out, zoo, None)
    }

    fn run_in(&self, config: &BenchConfig, out: &str, zoo: &dyn Zoo, external: Option<&Path>) -> Outcome {
        run(config, &self.environment(out, external), zoo).unwrap()
    }

    /// Why a run cannot be.
    pub(crate) fn error(&self, config: &BenchConfig, out: &str) -> String {
        self.error_beside(config, out, None)
    }

    /// The same with the external data set in the folder `external`.
    pub(crate) fn error_beside(&self, config: &BenchConfig, out: &str, external: Option<&Path>) -> String {
        run(config, &self.environment(out, external), &Registry).unwrap_err().to_string()
    }

    pub(crate) fn environment(&self, out: &str, external: Option<&Path>) -> Environment {
        Environment {
            data: self.data(),
            external: external.map(Path::to_owned),
            out: self.out(out),
            cache: self.dir.path().join("cache"),
            device: device(),
            device_name: "cpu".to_owned(),
            precision: Precision::F32,
            part: echo_bench::RunPart::Whole,
            force: false,
            checkpoint_every: std::time::Duration::from_secs(30),
            jobs: 1,
            thumbnails: false,
            observer: std::sync::Arc::new(()),
        }
    }

    /// Names of the listed videos of one split.
    pub(crate) fn names(&self, split: &str) -> Vec<String> {
        let list = fs::read_to_string(self.data().join("FileList.csv")).unwrap();
        let rows = list.lines().filter(|line| line.ends_with(&format!(",{split}")));
        rows.map(|line| line.split(',').next().unwrap().to_owned()).collect()
    }

    /// Empties the cache.
    pub(crate) fn without_cache(&self) {
        fs::remove_dir_all(self.dir.path().join("cache")).unwrap();
    }

    pub(crate) fn video(&self, name: &str) -> PathBuf {
        self.data().join("Videos").join(format!("{name}.avi"))
    }
}

fn config() -> BenchConfig {
    let recipe = "train.epochs = 2\nadapter.context = 2".parse().unwrap();
    BenchConfig {
        encoders: vec!["echoclip".to_owned()],
        adapters: vec!["coop".to_owned()],
        shots: vec![1, 2],
        seeds: vec![1, 2],
        random_init: true,
        bootstrap: 200,
        recipes: [("coop".to_owned(), recipe)].into(),
        ..BenchConfig::default()
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_rerun_computes_nothing_and_a_run_that_was_cut_short_ends_the_same() {
    let place = Place::new(30);
    let first = place.run(&config(), "whole");
    // Two more than were asked for: what the encoder reads without training, in both ways.
    assert_eq!((first.ran, first.skipped, first.failed), (6, 0, 0));
    assert_eq!(first.embedded, 30 - place.names("VAL").len(), "each training and test clip once");
    let rows = &first.leaderboard.rows;
    assert!(rows.iter().filter(|row| row.encoder == "echoclip").all(|row| row.weights == "random"));
    assert!(rows.iter().filter(|row| row.adapter == "coop").all(|row| row.seeds == 2));
    let unasked: Vec<&str> = rows.iter().filter(|row| row.shots == "0").map(|row| row.adapter.as_str()).collect();
    assert_eq!(unasked, ["zero-shot", "zero-shot-ranks"]);

    let again = place.run(&config(), "whole");
    assert_eq!((again.ran, again.skipped, again.embedded), (0, 6, 0));
    assert_eq!(again.leaderboard, first.leaderboard);

    // What a kill leaves: some lines, the last one torn.
    let lines = read(&place.out("whole").join("runs.jsonl"));
    let kept: Vec<&str> = lines.lines().collect();
    fs::create_dir_all(place.out("cut")).unwrap();
    fs::write(place.out("cut").join("runs.jsonl"), format!("{}\n{}", kept[0], &kept[1][..200])).unwrap();
    copy_folder(&place.out("whole").join("cells"), &place.out("cut").join("cells"));
    let resumed = place.run(&config(), "cut");
    assert_eq!((resumed.ran, resumed.skipped, resumed.embedded), (5, 1, 0));
    for file in ["leaderboard.md", "leaderboard.csv", "predictions.csv", "curves.csv"] {
        assert_eq!(read(&place.out("cut").join(file)), read(&place.out("whole").join(file)), "{file}");
    }
    assert_eq!(read_runs(&place.out("cut")).unwrap().len(), 6);

    // Anything that can change a result makes another cell.
    let changed = |change: fn(&mut BenchConfig)| {
        let mut config = config();
        change(&mut config);
        place.run(&config, "whole").ran
    };
    assert_eq!(changed(|config| config.random_seed = 1), 6);
    assert_eq!(changed(|config| config.clips = 2), 6);
    assert_eq!(changed(|config| config.seeds = vec![2, 3]), 2);
}

/// Tokens lie in the cache alone and are read batch by batch, also those of several clips.
#[test]
fn tokens_are_computed_once_and_read_from_the_cache() {
    let place = Place::new(30);
    let recipe = "train.epochs = 2".parse().unwrap();
    let config = BenchConfig {
        encoders: vec!["echoprime".to_owned()],
        adapters: vec!["attentive".to_owned()],
        clips: 2,
        recipes: [("attentive".to_owned(), recipe)].into(),
        ..config()
    };
    let first = place.run(&config, "first");
    assert_eq!(first.failed, 0);
    assert_eq!(first.embedded, 2 * (30 - place.names("VAL").len()), "each clip once");
    let again = place.run(&config, "again");
    assert_eq!((again.ran, again.failed, again.embedded), (first.ran, 0, 0));
    place.without_cache();
    place.run(&config, "anew");
    let predictions = |out: &str| read(&place.out(out).join("predictions.csv"));
    assert!(predictions("first") == predictions("again") && predictions("first") == predictions("anew"));
}

/// The pictures of a Motion-JPEG AVI, in order.
fn pictures_of(avi: &[u8]) -> Vec<&[u8]> {
    let (mut at, mut found) = (avi.windows(4).position(|four| four == b"movi").unwrap() + 4, Vec::new());
    while avi.get(at..at + 4) == Some(b"00dc") {
        let size = u32::from_le_bytes(avi[at + 4..at + 8].try_into().unwrap()) as usize;
        found.push(&avi[at + 8..at + 8 + size]);
        at += 8 + size + size % 2;
    }
    found
}

/// The same videos as folders of pictures give the same scores, and a picture that goes makes its video truncated.
#[test]
fn folders_of_pictures_are_benchmarked_like_the_videos_that_they_are_of() {
    let place = Place::new(30);
    let images = place.data().join("Images");
    for name in ["TRAIN", "VAL", "TEST"].into_iter().flat_map(|split| place.names(split)) {
        let avi = fs::read(place.video(&name)).unwrap();
        let folder = images.join(&name);
        fs::create_dir_all(&folder).unwrap();
        for (number, picture) in (1..).zip(pictures_of(&avi)) {
            fs::write(folder.join(format!("frame_{number:06}.jpg")), picture).unwrap();
        }
    }
    let description = place.data().join("pictures.toml");
    let text = "name = 'pictures'\ntable = 'FileList.csv'\nvideos = { folder = 'Images', pictures = true }\n\
                columns = { video = 'FileName', split = 'Split' }\n[tasks.EF]\n";
    fs::write(&description, text).unwrap();
    let of_files =
        BenchConfig { adapters: vec!["linear".to_owned()], seeds: vec![1], recipes: Default::default(), ..config() };
    let of_pictures = BenchConfig { dataset: Some(description), ..of_files.clone() };
    let scores = |config: &BenchConfig, out: &str| -> Vec<String> {
        assert_eq!(place.run(config, out).failed, 0);
        let runs = read_runs(&place.out(out)).unwrap();
        runs.iter().map(|record| format!("{} {:?} {:?}", record.adapter, record.shots, record.scores)).collect()
    };
    assert_eq!(scores(&of_files, "files"), scores(&of_pictures, "pictures"));
    let lost = &place.names("TEST")[0];
    fs::remove_file(images.join(lost).join("frame_000002.jpg")).unwrap();
    place.run(&of_pictures, "lost");
    let excluded = read(&place.out("lost").join("excluded.csv"));
    assert!(excluded.contains(lost.as_str()) && excluded.contains("number 2 is missing"), "{excluded}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn broken_videos_are_listed_with_their_reason_and_the_rest_goes_on() {
    let place = Place::new(30);
    let test = place.names("TEST");
    let truncated = place.video(&test[0]);
    let bytes = fs::read(&truncated).unwrap();
    fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(place.video(&test[1])).unwrap();
    fs::write(place.video(&test[2]), "this is no video").unwrap();

    let outcome = place.run(&config(), "out");
    assert_eq!((outcome.ran, outcome.failed), (6, 0));
    let reason = |name: &str| {
        let found: Vec<_> = outcome.excluded.iter().filter(|excluded| excluded.video == name).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(!found[0].used);
        found[0].reason.clone()
    };
    assert_eq!(outcome.excluded.len(), 3);
    assert!(reason(&test[0]).contains("truncated"), "{}", reason(&test[0]));
    assert!(reason(&test[1]).contains("no such file"), "{}", reason(&test[1]));
    assert!(reason(&test[2]).contains("not a video"), "{}", reason(&test[2]));
    let listed = read(&place.out("out").join("excluded.csv"));
    assert!(test[..3].iter().all(|name| listed.contains(name.as_str())), "{listed}");
    let records = read_runs(&place.out("out")).unwrap();
    // The missing one is in no split; the other two are counted in every cell.
    assert!(records.iter().all(|record| record.data.test == test.len() - 3 && record.data.excluded == 2));
    let predictions = read(&place.out("out").join("predictions.csv"));
    assert!(test[..3].iter().all(|name| !predictions.contains(name.as_str())));

    let allowed = place.run(&BenchConfig { allow_truncated: true, ..config() }, "allowed");
    let truncated = allowed.excluded.iter().find(|excluded| excluded.video == test[0]).unwrap();
    assert!(truncated.used && truncated.reason.contains("truncated"), "{truncated:?}");
    assert!(read(&place.out("allowed").join("predictions.csv")).contains(&test[0]));
}

#[test]
fn a_split_file_decides_who_trains() {
    let place = Place::new(30);
    let train = place.names("TRAIN");
    let mut list = "\u{feff}FileName,EF,Split\n".to_owned();
    train[..5].iter().for_each(|name| list.push_str(&format!("{name}.avi,1.0,train\n")));
    place.names("VAL").iter().for_each(|name| list.push_str(&format!("{name},1.0,VAL\n")));
    place.names("TEST").iter().for_each(|name| list.push_str(&format!("{name},1.0,Test\n")));
    list.push_str("0XUNKNOWN,1.0,TEST\n");
    let path = place.dir.path().join("split.csv");
    fs::write(&path, list).unwrap();
    let outcome = place.run(&BenchConfig { split: Some(path), ..config() }, "out");
    let records = read_runs(&place.out("out")).unwrap();
    let records: Vec<_> = records.into_iter().filter(|record| record.adapter == "coop").collect();
    assert_eq!(records.len(), 2, "one regime, two seeds");
    assert!(records.iter().all(|record| record.data.train == 5 && record.shots.is_none()));
    assert!(outcome.excluded.iter().any(|excluded| excluded.video == "0XUNKNOWN"));
    assert!(outcome.leaderboard.rows.iter().any(|row| row.shots == "split"));
}

/// A second data set is scored by the same fitted adapters, shown beside the first, and part of what a cell is.
#[test]
fn every_cell_is_scored_on_an_external_test_set_too() {
    let place = Place::new(30);
    let folder = place.dir.path().join("elsewhere");
    write_dataset(&folder, &DatasetSpec::test_of(Site::New, 6, 9), &|_, _| ()).unwrap();
    let config = || BenchConfig { adapters: vec!["linear".to_owned(), "full".to_owned()], shots: vec![1], ..config() };
    let config =
        || BenchConfig { recipes: [("full".to_owned(), "train.epochs = 1".parse().unwrap())].into(), ..config() };
    let alone = place.run(&config(), "out");
    let beside = place.run_beside(&config(), "out", Some(&folder));
    assert_eq!((beside.ran, beside.failed), (alone.ran, 0), "a cell with an external score is another cell");
    let records = read_runs(&place.out("out")).unwrap();
    let (with, without): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.external.is_some());
    assert_eq!(with.len(), without.len());
    for record in with {
        let external = record.external.as_ref().unwrap();
        assert_eq!((external.name.as_str(), external.test, external.excluded), ("elsewhere", 6, 0));
        // The same adapter: its score on the first data set is that of the run without the second.
        let same = |other: &&&echo_report::CellRecord| {
            (&other.adapter, other.seed, &other.config["recipe"])
                == (&record.adapter, record.seed, &record.config["recipe"])
        };
        assert_eq!(without.iter().find(same).unwrap().scores, record.scores, "{}", record.adapter);
        let path = place.out("out").join("cells").join(format!("{}.external.csv", record.key));
        assert!(read(&path).lines().skip(1).all(|line| line.starts_with("phantom-new-test-")), "{}", path.display());
        assert_eq!(read(&path).lines().count(), 7);
    }
    let again = place.run_beside(&config(), "out", Some(&folder));
    assert_eq!((again.ran, again.embedded), (0, 0));
}

/// One adapter that takes no time.
fn quick() -> BenchConfig {
    BenchConfig {
        adapters: vec!["linear".to_owned()],
        shots: vec![1],
        seeds: vec![1],
        zero_shot: false,
        recipes: Default::default(),
        ..config()
    }
}

/// Every file of an output folder but for adapters.
fn results(folder: &Path) -> Vec<PathBuf> {
    let files = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let all = files(folder).into_iter().chain(files(&folder.join("cells")));
    all.filter(|path| path.is_file()).collect()
}

#[test]
fn a_cell_whose_files_are_not_what_it_left_runs_again() {
    let place = Place::new(30);
    let folder = place.dir.path().join("elsewhere");
    write_dataset(&folder, &DatasetSpec::test_of(Site::New, 6, 9), &|_, _| ()).unwrap();
    let config = || BenchConfig {
        adapters: vec!["coop".to_owned()],
        select: echo_bench::Selection::BestValidation,
        recipes: [("coop".to_owned(), "train.epochs = 2".parse().unwrap())].into(),
        // Named twice, it is one cell all the same.
        shots: vec![1, 1],
        seeds: vec![1, 1],
        ..quick()
    };
    let first = place.run_beside(&config(), "out", Some(&folder));
    assert_eq!((first.ran, first.failed), (1, 0));
    let key = read_runs(&place.out("out")).unwrap().remove(0).key;
    for extension in ["csv", "best.csv", "external.csv", "curve.csv"] {
        let path = place.out("out").join("cells").join(format!("{key}.{extension}"));
        let whole = read(&path);
        let cut = whole.trim_end().rfind('\n').unwrap();
        for damaged in ["", &"\0".repeat(whole.len()), &whole[..cut]] {
            fs::write(&path, damaged).unwrap();
            let plan = dry_run(&config(), &place.environment("out", Some(&folder)), &Registry).unwrap();
            assert!(plan.to_run() == 1 && plan.to_string().contains(&format!("{key}.{extension}")), "{plan}");
            let merged = merge(&[place.out("out")], &place.out("merged")).unwrap();
            let [reason] = &merged.damaged[..] else { panic!("{extension}: {damaged:?}: {:?}", merged.damaged) };
            assert!(reason.contains(&format!("{key}.{extension}")) && reason.contains("run again"), "{reason}");
            assert_eq!((merged.cells, merged.leaderboard.rows.last().unwrap().failed), (1, 1));
            let again = place.run_beside(&config(), "out", Some(&folder));
            assert_eq!((again.ran, again.skipped), (1, 0), "{extension}: {damaged:?}");
            assert_eq!(read(&path), whole, "{extension}");
            assert_eq!(again.leaderboard, first.leaderboard, "{extension}");
        }
    }
    assert_eq!(place.run_beside(&config(), "out", Some(&folder)).ran, 0);
}

#[test]
fn slips_of_a_recipe_are_told_before_anything_runs_with_the_file_that_they_are_in() {
    for (adapter, slip, about) in [
        ("coop", "context = nan", "context"),
        ("coop", "contxt = 4", "contxt"),
        ("lora", "rank = 0", "rank"),
        ("lora", "alpha = nan", "alpha"),
        ("mfl", "init = \"warm\"", "warm"),
        ("mfl", "[recipes.mfl.clip]\nzoom = nan", "clip.zoom = NaN"),
        ("coop", "[recipes.coop.train]\nepochs = 0", "recipe of coop"),
    ] {
        let text =
            format!("encoders = [\"panecho\"]\nadapters = [\"{adapter}\"]\n[recipes.{adapter}.adapter]\n{slip}\n");
        let config = BenchConfig::from_toml("own.toml", &text).unwrap();
        let error = pair_parameters(&config, &device(), &Registry).unwrap_err().to_string();
        assert!(error.starts_with("own.toml") && error.contains(adapter) && error.contains(about), "{slip}: {error}");
    }
}

#[test]
fn adapters_joined_in_another_order_are_one_unless_they_train_differently() {
    let pairs = |recipe: &str| {
        let head = "encoders = [\"echoclip\"]\nadapters = [\"mfl+echozoom\", \"echozoom+mfl\"]\nzero_shot = false\n";
        let config = BenchConfig::from_toml("own.toml", &format!("{head}{recipe}")).unwrap();
        let pairs = pair_parameters(&config, &device(), &Registry).unwrap();
        pairs.into_iter().map(|pair| pair.adapter).collect::<Vec<_>>()
    };
    assert_eq!(pairs(""), ["mfl+echozoom"]);
    let unknown = BenchConfig::from_toml("own.toml", "adapters = [\"mfl\", \"cop\"]").unwrap();
    let unknown = pair_parameters(&unknown, &device(), &Registry).unwrap_err().to_string();
    assert!(unknown.starts_with("own.toml") && unknown.contains("\"cop\""), "{unknown}");
    assert_eq!(pairs("[recipes.mfl.train]\nepochs = 3\n"), ["mfl+echozoom", "echozoom+mfl"]);
}

#[test]
fn results_that_this_run_was_not_asked_for_are_counted_and_told_apart() {
    let place = Place::new(24);
    let of = |clips: usize| BenchConfig { clips, adapters: vec!["linear".to_owned()], zero_shot: false, ..quick() };
    let notes = |outcome: Outcome| outcome.leaderboard.notes.join("\n");
    assert!(!notes(place.run(&of(1), "out")).contains("more finished cells"));
    assert!(!notes(place.run(&of(1), "out")).contains("more finished cells"));
    assert!(notes(place.run(&of(2), "out")).contains("holds 1 more finished cells"));
    let merged = merge(&[place.out("out")], &place.out("merged")).unwrap();
    let names: Vec<&str> = merged.leaderboard.rows.iter().map(|row| row.adapter.as_str()).collect();
    assert_eq!(names[names.len() - 2..], ["linear (view.clips = 1)", "linear (view.clips = 2)"]);

    // What the constant predictors predict is no more to be changed than the rest.
    let path = place.out("out").join("constants.csv");
    let constants = read(&path);
    let value = constants.lines().nth(1).unwrap().split(',').rev().nth(1).unwrap().to_owned();
    fs::write(&path, constants.replace(&value, "12.5")).unwrap();
    let error = merge(&[place.out("out")], &place.out("changed")).unwrap_err().to_string();
    assert!(error.contains("constants.csv") && error.contains("median of validation"), "{error}");
}

#[test]
fn a_folder_holds_results_of_one_set_of_training_videos() {
    let place = Place::new(24);
    place.run(&quick(), "out");
    let video = place.video(&place.names("TRAIN")[0]);
    let bytes = fs::read(&video).unwrap();
    fs::write(&video, [&bytes[..], &[0]].concat()).unwrap();
    let error = place.error(&quick(), "out");
    assert!(error.contains("results on other videos") && error.contains("--out"), "{error}");
    fs::write(&video, bytes).unwrap();
    assert_eq!(place.run(&quick(), "out").ran, 0);
    let truncated = BenchConfig { allow_truncated: true, ..quick() };
    assert_eq!(place.run(&truncated, "out").ran, 1);
    let rows = merge(&[place.out("out")], &place.out("merged")).unwrap().leaderboard.rows;
    let names: Vec<&str> = rows.iter().map(|row| row.adapter.as_str()).collect();
    assert_eq!(names[names.len() - 2..], ["linear (allow_truncated = false)", "linear (allow_truncated = true)"]);
}

#[test]
fn a_set_without_validation_runs_where_nothing_is_chosen_on_it() {
    let place = Place::new(30);
    let list = place.data().join("FileList.csv");
    let rows: Vec<String> = read(&list).lines().filter(|row| !row.ends_with(",VAL")).map(str::to_owned).collect();
    fs::write(&list, rows.join("\n")).unwrap();
    let outcome = place.run(&quick(), "out");
    assert_eq!((outcome.ran, outcome.failed), (1, 0));
    let constants: Vec<&str> = outcome.leaderboard.rows.iter().map(|row| row.encoder.as_str()).collect();
    assert_eq!(constants, ["median of training", "echoclip"]);
    let chooses = BenchConfig { select: echo_bench::Selection::BestValidation, ..quick() };
    assert!(place.error(&chooses, "chosen").contains("no validation video is left"));
}

#[cfg(unix)]
#[test]
fn results_are_not_written_through_links() {
    let place = Place::new(24);
    let elsewhere = place.out("elsewhere");
    for name in ["cells", "adapters"] {
        let out = place.out(&format!("out-{name}"));
        [&elsewhere, &out].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        std::os::unix::fs::symlink(&elsewhere, out.join(name)).unwrap();
        let error = place.error(&quick(), &format!("out-{name}"));
        assert!(error.contains(name) && error.contains("a link stands"), "{error}");
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_set_of_which_nothing_can_be_decoded_is_an_error_with_its_reason_and_costs_nothing_else() {
    let place = Place::new(30);
    let folder = place.dir.path().join("elsewhere");
    write_dataset(&folder, &DatasetSpec::test_of(Site::New, 6, 9), &|_, _| ()).unwrap();
    let spoil = |videos: &Path| {
        for entry in fs::read_dir(videos).unwrap() {
            let path = entry.unwrap().path();
            fs::write(&path, format!("{} is no video", path.display())).unwrap();
        }
    };
    let config = || BenchConfig { adapters: vec!["linear".to_owned(), "full".to_owned()], ..quick() };
    spoil(&folder.join("Videos"));
    let beside = place.run_beside(&quick(), "beside", Some(&folder));
    assert_eq!((beside.ran, beside.failed, beside.excluded.len()), (1, 0, 6));
    let [error] = beside.unusable.as_slice() else { panic!("{:?}", beside.unusable) };
    assert!(error.to_string().starts_with("none of the 6 test videos of elsewhere can be used; phantom-"), "{error}");
    let tables = place.out("beside");
    let rows = read(&tables.join("leaderboard.csv"));
    assert!(rows.contains("linear") && tables.join("report.html").exists());
    // Videos of both sets have the same names.
    assert!(rows.contains("median of validation") && !rows.contains("test videos of"), "{rows}");
    assert_eq!(read(&tables.join("excluded.csv")).lines().count(), 7);
    // Absolute paths say where someone keeps patients' videos.
    let root = place.dir.path().to_string_lossy().into_owned();
    assert!(results(&tables).iter().all(|path| !String::from_utf8_lossy(&fs::read(path).unwrap()).contains(&root)));

    // Also where all of them are the same: that is no leakage.
    for entry in fs::read_dir(place.data().join("Videos")).unwrap() {
        fs::write(entry.unwrap().path(), "this is no video").unwrap();
    }
    assert_eq!(place.run(&config(), "same").failed, 2);
    spoil(&place.data().join("Videos"));
    let outcome = place.run(&config(), "own");
    assert_eq!((outcome.ran, outcome.failed), (0, 2));
    for record in read_runs(&place.out("own")).unwrap() {
        let error = record.error.unwrap();
        assert!(record.status == CellStatus::Failed && error.starts_with("none of the "), "{error}");
        assert!(error.contains("videos of data can be used; phantom-") && error.contains("not a video"), "{error}");
    }
    let listed = read(&place.out("own").join("excluded.csv"));
    assert!(place.names("TEST").iter().all(|name| listed.contains(name.as_str())), "{listed}");
    assert!(results(&place.out("own")).iter().all(|path| !read(path).contains(&root)));
}

#[test]
fn a_folder_is_of_one_data_set_under_one_set_of_limits() {
    let place = Place::new(30);
    place.run(&quick(), "out");
    let report = read(&place.out("out").join("leaderboard.csv"));
    let edv = || {
        let recipes = [("linear".to_owned(), "train.epochs = 1".parse().unwrap())].into();
        BenchConfig { task: "EDV".to_owned(), recipes, ..quick() }
    };
    let others: [BenchConfig; 3] =
        [BenchConfig { limit: Some(4), ..quick() }, BenchConfig { bootstrap: 100, ..quick() }, edv()];
    for other in others {
        let environment = place.environment("out", None);
        for error in
            [run(&other, &environment, &Registry).unwrap_err(), dry_run(&other, &environment, &Registry).unwrap_err()]
        {
            let message = error.to_string();
            assert!(matches!(error, BenchError::Config(_)) && message.contains("--out"), "{message}");
        }
        assert_eq!(read(&place.out("out").join("leaderboard.csv")), report);
    }
    // Other adapters of the same data may join it.
    let more = BenchConfig { adapters: vec!["linear".to_owned(), "statistics".to_owned()], ..quick() };
    assert_eq!(place.run(&more, "out").skipped, 1);
}

#[test]
fn what_only_the_cpu_can_is_refused_elsewhere() {
    let place = Place::new(24);
    let elsewhere =
        |precision| Environment { device_name: "wgpu".to_owned(), precision, ..place.environment("out", None) };
    let error =
        |config: &BenchConfig, precision| run(config, &elsewhere(precision), &Registry).unwrap_err().to_string();
    let said = error(&quick(), Precision::Int8);
    assert!(said.contains("int8 is for the CPU"), "{said}");
    let recompute = |adapter: &str| {
        let recipes = [(adapter.to_owned(), "train.recompute = true".parse().unwrap())].into();
        BenchConfig { adapters: vec![adapter.to_owned()], recipes, ..quick() }
    };
    for adapter in ["full", "echozoom"] {
        let said = error(&recompute(adapter), Precision::F32);
        assert!(said.contains(adapter) && said.contains("`recompute`"), "{said}");
    }
    // On the CPU the records say what was asked for.
    let outcome = place.run(&recompute("full"), "out");
    assert_eq!((outcome.failed, outcome.skipped), (0, 0));
    let cell = read_runs(&place.out("out")).unwrap().into_iter().find(|cell| cell.adapter == "full").unwrap();
    assert_eq!(cell.config["recipe"]["train"]["recompute"], true);
}

#[test]
fn two_hospitals_whose_folders_have_one_name_are_not_seeds_of_one_row() {
    let place = Place::new(24);
    let elsewhere = place.dir.path().join("elsewhere/data");
    write_dataset(&elsewhere, &DatasetSpec::with_total(24, 10), &|_, _| ()).unwrap();
    place.run(&quick(), "here");
    let there = Environment { data: elsewhere, ..place.environment("there", None) };
    run(&BenchConfig { seeds: vec![2], ..quick() }, &there, &Registry).unwrap();
    let merged = merge(&[place.out("here"), place.out("there")], &place.out("merged")).unwrap().leaderboard;
    let rows: Vec<_> = merged.rows.iter().filter(|row| row.encoder == "echoclip").collect();
    assert_eq!(rows.iter().map(|row| row.seeds).collect::<Vec<_>>(), [1, 1]);
    assert!(rows[0].test_hash != rows[1].test_hash && rows[0].adapter != rows[1].adapter, "{rows:?}");
    let constants = merged.rows.iter().filter(|row| row.encoder.starts_with("median of validation"));
    let constants: Vec<_> = constants.map(|row| (row.seeds, row.encoder.as_str())).collect();
    assert!(constants.len() == 2 && constants[0] != constants[1] && constants[0].0 == 1, "{constants:?}");
    // The same data in a folder of another name is the same row.
    let renamed = place.dir.path().join("renamed");
    copy_folder(&place.data().join("Videos"), &renamed.join("Videos"));
    fs::copy(place.data().join("FileList.csv"), renamed.join("FileList.csv")).unwrap();
    let there = Environment { data: renamed, ..place.environment("renamed out", None) };
    run(&BenchConfig { seeds: vec![2], ..quick() }, &there, &Registry).unwrap();
    let merged = merge(&[place.out("here"), place.out("renamed out")], &place.out("again")).unwrap().leaderboard;
    let seeds: Vec<usize> = merged.rows.iter().filter(|row| row.encoder == "echoclip").map(|row| row.seeds).collect();
    assert_eq!(seeds, [2]);
}

/// Every adapter is tried with the clips that it sees.
#[test]
fn a_plan_is_made_of_adapters_that_see_different_clips() {
    let place = Place::new(24);
    let recipes = [("mfl".to_owned(), "clip.frames = 12".parse().unwrap())].into();
    let several = BenchConfig { adapters: vec!["mfl".to_owned(), "linear".to_owned()], recipes, ..quick() };
    let text = include_str!("../../configs/bench/cardiacclip.toml");
    let mut cardiacclip = BenchConfig {
        preset: Preset::NANO.to_owned(),
        random_init: true,
        zero_shot: true,
        limit: Some(2),
        bootstrap: 50,
        ..BenchConfig::from_toml("cardiacclip.toml", text).unwrap()
    };
    // The quirks are of the full size alone.
    for recipe in cardiacclip.recipes.values_mut() {
        recipe.get_mut("adapter").and_then(|adapter| adapter.as_table_mut()).map(|adapter| adapter.remove("compat"));
    }
    let slip = [("full".to_owned(), "clip.size = 8".parse().unwrap())].into();
    let refused = BenchConfig { adapters: vec!["full".to_owned()], recipes: slip, ..quick() };
    let plan = |config: &BenchConfig| dry_run(config, &place.environment("out", None), &Registry).unwrap();
    for config in [&several, &cardiacclip] {
        let plan = plan(config);
        assert!(plan.pairs.len() >= 2 && plan.pairs.iter().all(|pair| pair.fails.is_none()), "{plan}");
        assert!(plan.pairs.iter().all(|pair| pair.memory.is_some()), "{plan}");
    }
    // What a run would find, the plan finds.
    assert!(plan(&refused).pairs[0].fails.as_ref().is_some_and(|reason| reason.contains("size = 8")));
}

#[test]
fn shots_that_bins_cannot_fill_are_counted_and_warned_of() {
    let place = Place::new(30);
    let outcome = place.run(&BenchConfig { shots: vec![1, 50], ..quick() }, "out");
    let trained = place.names("TRAIN").len();
    let row = |shots: &str| {
        let fits = |row: &&echo_report::LeaderboardRow| row.encoder == "echoclip" && row.shots == shots;
        outcome.leaderboard.rows.iter().find(fits).unwrap().train.unwrap()
    };
    assert_eq!((row("50").most, row("50").short_bins), (trained, row("50").bins));
    assert_eq!((row("1").most, row("1").short_bins), (row("1").bins, 0));
    let warnings: Vec<&String> = outcome.leaderboard.notes.iter().filter(|note| note.contains("hold fewer")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains(&format!("a draw has {trained}, not")), "{warnings:?}");
    assert!(read(&place.out("out").join("leaderboard.md")).contains(warnings[0].as_str()));
}
