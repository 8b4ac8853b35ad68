//! A run's folder of every kind of task, from its records to its tables and its page.

use std::collections::BTreeSet;
use std::path::Path;

use echo_metrics::{Epoch, Kind, Parameters, youden};
use echo_report::{
    CellRecord, CellStatus, Constant, DataRecord, EncoderRecord, ExternalRecord, Keeping, LeaderboardRow, Merged,
    Outputs, PredictionRow, Predictions, Quantity, Runs, SampleUnit, Truth, merge, scores,
};

const VIDEOS: usize = 80;

fn task(kind: Kind, name: &str, classes: &[&str]) -> Quantity {
    let classes = classes.iter().map(|&class| class.to_owned()).collect();
    Quantity { name: name.to_owned(), unit: String::new(), kind, classes, samples: SampleUnit::Video }
}

fn tasks() -> [Quantity; 5] {
    [
        Quantity::regression("EF", "%"),
        task(Kind::Binary, "wall-motion", &["normal", "abnormal"]),
        task(Kind::SingleLabel, "view", &["A4C", "A2C", "PLAX"]),
        task(Kind::Ordinal, "ef-grade", &["normal", "mildly reduced", "moderately reduced", "severely reduced"]),
        task(Kind::MultiLabel, "findings", &["dilated LV", "effusion", "akinesia"]),
    ]
}

/// A number from 0 to 1 that looks random and is the same every time.
fn noise(video: usize, seed: u64, what: u64) -> f64 {
    let mut state = (video as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (seed << 32) ^ (what + 1);
    for _ in 0..3 {
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state ^= state >> 27;
    }
    (state >> 11) as f64 / (1u64 << 53) as f64
}

fn truth(task: &Quantity, video: usize) -> Truth {
    let at = noise(video, 0, 1);
    match task.kind {
        Kind::Regression => Truth::Value((25.0 + 45.0 * at) as f32),
        Kind::Binary => Truth::Class(usize::from(at > 0.6)),
        Kind::SingleLabel | Kind::Ordinal => Truth::Class((at * task.classes.len() as f64) as usize),
        Kind::MultiLabel => {
            let known = |label: u64| (noise(video, 0, 20 + label) > 0.1).then(|| noise(video, 0, 40 + label) > 0.6);
            Truth::Labels((0..task.classes.len() as u64).map(known).collect())
        }
    }
}

/// A prediction that agrees with the truth the better, the smaller `blur` is.
fn prediction(task: &Quantity, video: usize, seed: u64, blur: f64) -> Vec<f32> {
    let blurred = |what: u64| blur * (noise(video, seed, what) + noise(video, seed, what + 100) - 1.0);
    let positive =
        |holds: bool, what: u64| 1.0 / (1.0 + (-(if holds { 1.5 } else { -1.5 } + 6.0 * blurred(what))).exp());
    let numbers: Vec<f64> = match truth(task, video) {
        Truth::Value(value) => vec![f64::from(value) + 25.0 * blurred(2)],
        Truth::Class(class) if task.kind == Kind::Binary => vec![positive(class == 1, 2)],
        Truth::Class(class) => {
            let odds = (0..task.classes.len()).map(|other| {
                let distance =
                    if task.kind == Kind::Ordinal { class.abs_diff(other) } else { usize::from(class != other) };
                (-2.0 * distance as f64 + 6.0 * blurred(200 + other as u64)).exp()
            });
            let odds: Vec<f64> = odds.collect();
            odds.iter().map(|one| one / odds.iter().sum::<f64>()).collect()
        }
        Truth::Labels(labels) => {
            (0..).zip(labels).map(|(what, label)| positive(label.unwrap_or(false), 300 + what)).collect()
        }
    };
    numbers.into_iter().map(|number| number as f32).collect()
}

fn rows(task: &Quantity, seed: u64, blur: f64) -> Vec<PredictionRow> {
    let row = |video: usize| PredictionRow {
        video: format!("video-{video:02}"),
        patient: format!("patient-{:02}", video / 2),
        truth: truth(task, video),
        prediction: prediction(task, video, seed, blur),
        warning: String::new(),
    };
    (0..VIDEOS).map(row).collect()
}

/// Two encoders with zero-shot and two adapters at two numbers of shots, two seeds each, and a second test set.
fn write_run(dir: &Path, task: &Quantity) {
    write_run_on(dir, task, "test hash", "");
}

/// The same on the test videos of that hash; keys end as given.
fn write_run_on(dir: &Path, task: &Quantity, test_hash: &str, end: &str) {
    // Keys are hashes of all that a cell is made of.
    let run: usize = task.classes.first().map_or(0, |class| class.len());
    let (outputs, runs) = (Outputs::create(dir).unwrap(), Runs::open(dir, Keeping::Together).unwrap().0);
    let metrics =
        echo_metrics::metrics(task.kind, &Parameters { classes: task.metric_classes(), ..Parameters::default() });
    let grid = [("zero-shot", 0, 0.9), ("coop", 1, 0.8), ("coop", 8, 0.5), ("full", 1, 1.2), ("full", 8, 0.7)];
    for (place, encoder) in ["echoclip", "panecho"].into_iter().enumerate() {
        for (index, (adapter, shots, blur)) in grid.into_iter().enumerate() {
            for seed in [1, 2] {
                let mut cell = CellRecord {
                    schema: CellRecord::SCHEMA,
                    key: format!("{run}{place}{index}{seed}{end}"),
                    status: CellStatus::Done,
                    encoder: EncoderRecord {
                        name: encoder.to_owned(),
                        preset: "nano".to_owned(),
                        published: false,
                        weights: "shipped".to_owned(),
                        weights_hash: encoder.to_owned(),
                        precision: None,
                    },
                    adapter: adapter.to_owned(),
                    shots: Some(shots),
                    seed,
                    data: DataRecord {
                        name: "phantoms".to_owned(),
                        task: task.clone(),
                        test_hash: test_hash.to_owned(),
                        splits: "splits".to_owned(),
                        train: shots * 12,
                        bins: 12,
                        test: VIDEOS,
                        phantoms: true,
                        ..DataRecord::default()
                    },
                    jobs: 1,
                    device: "cpu".to_owned(),
                    ..CellRecord::default()
                };
                let blur = blur + 0.3 * place as f64;
                let (own, far) = (rows(task, seed, blur), rows(task, seed + 10, blur + 0.4));
                if task.kind == Kind::Binary {
                    let chosen_on = rows(task, seed + 20, blur);
                    let truth: Vec<bool> = chosen_on.iter().map(|row| row.truth == Truth::Class(1)).collect();
                    let probability: Vec<f64> = chosen_on.iter().map(|row| f64::from(row.prediction[0])).collect();
                    // Without a validation split there is none.
                    cell.threshold = (adapter != "full").then(|| youden(&truth, &probability).unwrap());
                    cell.threshold_on = cell.threshold.map(|_| [20, if adapter == "zero-shot" { 4 } else { 5 }]);
                }
                let of = |rows: &[PredictionRow]| scores(task, rows, &metrics, cell.threshold, 200).unwrap();
                let epoch = |epoch: usize| Epoch {
                    epoch,
                    lr: 1e-3,
                    loss: 1.0 / epoch as f64 + noise(epoch, seed, 7) * 0.05,
                    cross_entropy: 0.0,
                    kl: 0.0,
                    l1: 0.0,
                    watched: (adapter == "coop").then(|| noise(epoch, seed, 8)),
                };
                let curve: Vec<Epoch> = if shots > 0 { (1..=12).map(epoch).collect() } else { Vec::new() };
                (cell.scores, cell.external) = (
                    Some(of(&own)),
                    Some(ExternalRecord {
                        name: "home site".to_owned(),
                        hash: "far".to_owned(),
                        samples: task.samples,
                        test: VIDEOS,
                        excluded: 0,
                        leaked: 0,
                        phantoms: true,
                        scores: of(&far),
                    }),
                );
                cell.files.extend([
                    outputs.keep_predictions(task, &cell.key, Predictions::LastEpoch, &own).unwrap(),
                    outputs.keep_predictions(task, &cell.key, Predictions::External, &far).unwrap(),
                    outputs.keep_curve(&cell.key, &curve).unwrap(),
                ]);
                runs.append(&cell).unwrap();
            }
        }
    }
    let truths: Vec<Truth> = (100..160).map(|video| truth(task, video)).collect();
    let constant = |predictor: &str, shots: &str, seed, truths: &[Truth]| Constant {
        data: "phantoms".to_owned(),
        test: VIDEOS,
        test_hash: test_hash.to_owned(),
        splits: "splits".to_owned(),
        predictor: predictor.to_owned(),
        shots: shots.to_owned(),
        seed,
        prediction: Constant::prediction(task, truths).unwrap(),
        checksum: String::new(),
    };
    let (validation, training) = (Constant::of_validation(task.kind), Constant::of_training(task.kind));
    let mut constants = vec![constant(validation, "", None, &truths)];
    for (shots, seed) in [("1", 1), ("1", 2), ("8", 1), ("8", 2)] {
        constants.push(constant(training, shots, Some(seed), &truths[seed as usize * 5..][..30]));
    }
    outputs.write_constants(&constants).unwrap();
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn every_kind_is_ranked_by_its_primary_metric_and_made_again_to_the_same_bytes() {
    for task in tasks() {
        let dir = tempfile::tempdir().unwrap();
        let [run, out, again] = ["run", "out", "again"].map(|name| dir.path().join(name));
        write_run(&run, &task);
        let Merged { leaderboard, damaged, .. } = merge(std::slice::from_ref(&run), &out).unwrap();
        assert!(damaged.is_empty(), "{damaged:?}");
        let primary = task.primary();
        let name = |row: &LeaderboardRow| format!("{} {} {}", row.encoder, row.adapter, row.shots);
        let standing = |wanted: &str| {
            let row = leaderboard.rows.iter().find(|row| name(row).starts_with(wanted)).unwrap();
            row.vs_best.map_or("-".to_owned(), |vs| vs.standing.to_string())
        };
        // Noise is least there. Nothing else that had 8 shots, and no constant, can be the best.
        assert_eq!(standing("echoclip coop 8"), "best", "{task:?}");
        let constant = Constant::of_validation(task.kind);
        assert_eq!([standing(constant), standing("panecho full")], ["worse", "worse"], "{task:?}");
        assert!(leaderboard.rows.iter().all(|row| row.metrics.contains_key(&primary.key())), "{task:?}");
        assert!(leaderboard.rows.iter().all(|row| row.externals[0].metrics.contains_key(&primary.key())));

        let label = primary.label(&task.name);
        let markdown = read(&out, "leaderboard.md").split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [format!("| {label} | vs best |"), format!("| {label} on home site |"), constant.to_owned()] {
            assert!(markdown.contains(&part), "{part}: {markdown}");
        }
        let unchosen = markdown.matches("full (threshold 0.5, not chosen on validation)").count();
        assert_eq!(unchosen, if task.kind == Kind::Binary { 4 } else { 0 });
        let of_few = "zero-shot (threshold chosen on 20 negative and 4 positive validation samples)";
        assert_eq!(markdown.matches(of_few).count(), unchosen / 2, "{markdown}");
        assert!(!markdown.contains("coop (threshold"), "five of each choose one: {markdown}");
        let csv = read(&out, "leaderboard.csv");
        assert!(csv.lines().next().unwrap().contains(&format!(",{}_on_home site,", primary.key())), "{csv}");
        for name in ["leaderboard.md", "leaderboard.csv", "leaderboard.json", "report.html"] {
            let text = read(&out, name);
            assert!(
                ![" NaN", ">NaN", ",NaN", ">inf", ",inf"].iter().any(|wrong| text.contains(wrong)),
                "{name} of {task:?}"
            );
            assert!(task.kind == Kind::Regression || !text.contains("MAE"), "{name} of {task:?}");
        }
        let predictions = read(&out, "predictions.csv");
        assert_eq!(predictions.lines().count(), 1 + 20 * VIDEOS);
        let columns: BTreeSet<&str> = predictions.lines().next().unwrap().split(',').collect();
        let wanted: &[&str] = match task.kind {
            Kind::Regression => &["truth", "prediction"],
            Kind::Binary => &["truth", "probability"],
            Kind::SingleLabel => &["truth", "p: A4C", "p: PLAX"],
            Kind::Ordinal => &["truth", "p: mildly reduced"],
            Kind::MultiLabel => &["truth: effusion", "p: effusion"],
        };
        assert!(wanted.iter().all(|name| columns.contains(name)) && columns.contains("patient"), "{columns:?}");
        let drawn = |folder: &Path| -> BTreeSet<String> {
            let files = std::fs::read_dir(folder.join("figures")).unwrap();
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
        };
        let of_row: &[&str] = match task.kind {
            Kind::Regression => &["predicted-and-true", "bland-altman"],
            Kind::MultiLabel => &["roc", "precision-and-recall", "reliability"],
            _ => &["roc", "precision-and-recall", "confusion-matrix", "reliability"],
        };
        let names = of_row.iter().chain(&["loss"]);
        let names = names.map(|name| format!("echoclip-coop-8-shots-{name}.svg"));
        let names: Vec<String> = names.chain(["shots-coop.svg".to_owned(), "shots-full.svg".to_owned()]).collect();
        assert!(names.iter().all(|name| drawn(&out).contains(name)), "{names:?} of {:?}", drawn(&out));
        assert!(drawn(&out).iter().all(|name| name.len() < 60), "{:?}", drawn(&out));
        let page = read(&out, "report.html");
        if task.kind == Kind::MultiLabel {
            let roc = read(&out, "figures/echoclip-coop-8-shots-roc.svg");
            assert!(roc.contains(">\neffusion, AUROC 0."), "{roc}");
        }
        assert_eq!(page.matches(&format!("learning curves, {label} on validation by seed")).count(), 4, "{task:?}");
        assert!(page.contains(">\n12 (1)\n<") && page.contains(&format!(">\n{constant}\n<")), "{task:?}");
        let wanted: &[&str] = match task.kind {
            Kind::Regression => &["NMAE", "Spearman", "Bias"],
            Kind::Binary => &["Sensitivity", "NPV", "Brier"],
            Kind::SingleLabel => &["Recall PLAX", "Macro F1"],
            Kind::Ordinal => &["Within one grade"],
            Kind::MultiLabel => &["AUROC effusion", "AUROC akinesia"],
        };
        let wide = leaderboard.to_wide();
        assert!(wanted.iter().all(|label| wide.contains(label)), "{wide}");
        let of_board = page.split("</thead>").next().unwrap();
        assert!(
            task.kind != Kind::Regression || of_board.contains("NMAE") && of_board.contains("Spearman"),
            "{of_board}"
        );
        let setting = "Phantom data, nano weights";
        assert!(leaderboard.to_pivot().starts_with(setting) && wide.starts_with(setting), "{wide}");
        for name in drawn(&out) {
            assert!(read(&out, &format!("figures/{name}")).contains(&format!(">{setting}. Not for")), "{name}");
        }
        // Of an earlier report.
        std::fs::create_dir_all(again.join("figures")).unwrap();
        std::fs::write(again.join("figures/old.svg"), "<svg/>").unwrap();
        merge(std::slice::from_ref(&out), &again).unwrap();
        assert_eq!(drawn(&out), drawn(&again));
        for name in ["leaderboard.csv", "predictions.csv", "external_predictions.csv", "constants.csv", "report.html"] {
            assert_eq!(read(&out, name), read(&again, name), "{name} of {task:?}");
        }
    }
}

#[test]
fn test_sets_have_letters_and_hashes_only_where_they_would_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other, out] = ["one", "other", "out"].map(|name| dir.path().join(name));
    let task = Quantity::regression("EF", "%");
    write_run(&one, &task);
    write_run_on(&other, &task, "another hash", "f");
    let Merged { leaderboard, .. } = merge(&[one, other], &out).unwrap();
    let about = &leaderboard.about;
    let sets = [
        "test set A (80 test videos of phantoms, hash test has)",
        "test set B (80 test videos of phantoms, hash another )",
    ];
    assert!(sets.iter().all(|set| about.contains(set)), "{about}");
    let names: Vec<&str> = leaderboard.rows.iter().map(|row| row.adapter.as_str()).collect();
    assert!(
        names.contains(&"coop (test set A, 80 videos)") && names.contains(&"coop (test set B, 80 videos)"),
        "{names:?}"
    );
    assert!(leaderboard.rows.iter().all(|row| !row.encoder.contains("hash") && !row.adapter.contains("hash")));
    for set in ["a", "b"] {
        assert!(read(&out, &format!("figures/echoclip-coop-8-shots-test-set-{set}-bland-altman.svg")).contains("<svg"));
    }
}

#[test]
fn tasks_of_one_name_and_other_classes_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other, out] = ["one", "other", "out"].map(|name| dir.path().join(name));
    write_run(&one, &task(Kind::SingleLabel, "view", &["A4C", "PLAX"]));
    write_run(&other, &task(Kind::SingleLabel, "view", &["PLAX", "A4C"]));
    let error = merge(&[one.clone(), other], &out).unwrap_err().to_string();
    assert!(error.contains("several tasks (names, units, classes or samples differ), view and view"), "{error}");
    let studies = dir.path().join("studies");
    let of_studies = Quantity { samples: SampleUnit::Study, ..task(Kind::SingleLabel, "view", &["PLAX", "A4C"]) };
    write_run(&studies, &of_studies);
    let error = merge(&[one, studies], &out).unwrap_err().to_string();
    assert!(error.contains("view of studies and view of videos"), "{error}");
}

#[test]
fn a_class_that_no_test_video_has_is_said_and_has_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let [run, out] = ["run", "out"].map(|name| dir.path().join(name));
    // Of four views, videos show the first three quarters.
    let task = task(Kind::SingleLabel, "view", &["A4C", "A2C", "PLAX", "PSAX"]);
    let cut = |mut rows: Vec<PredictionRow>| {
        rows.retain(|row| row.truth != Truth::Class(3));
        rows
    };
    write_run(&run, &task);
    let cells: Vec<CellRecord> = echo_report::read_runs(&run).unwrap();
    let metrics = echo_metrics::metrics(task.kind, &Parameters { classes: &task.classes, ..Parameters::default() });
    let (outputs, runs) = (Outputs::at(&run), Runs::open(&run, Keeping::Together).unwrap().0);
    for mut cell in cells {
        let rows = cut(outputs.read_predictions(&cell, Predictions::LastEpoch).unwrap());
        cell.scores = Some(scores(&task, &rows, &metrics, None, 100).unwrap());
        cell.files.extend([outputs.keep_predictions(&task, &cell.key, Predictions::LastEpoch, &rows).unwrap()]);
        runs.append(&cell).unwrap();
    }
    let Merged { leaderboard, .. } = merge(&[run], &out).unwrap();
    let notes = leaderboard.notes.join("\n");
    assert!(notes.contains("Test videos of phantoms: none is of class `PSAX`"), "{notes}");
    assert!(!notes.contains("Test videos of home site"), "{notes}");
    let row = leaderboard.rows.last().unwrap();
    assert!(row.metrics.contains_key("recall_A2C") && !row.metrics.contains_key("recall_PSAX"), "{:?}", row.metrics);
}

#[test]
fn studies_are_called_studies_wherever_they_are_counted() {
    for task in tasks() {
        let dir = tempfile::tempdir().unwrap();
        let [run, out] = ["run", "out"].map(|name| dir.path().join(name));
        write_run(&run, &Quantity { samples: SampleUnit::Study, ..task });
        let Merged { leaderboard, .. } = merge(&[run], &out).unwrap();
        let files = ["leaderboard.md", "leaderboard.tex", "report.html"].map(|name| read(&out, name));
        for text in files.into_iter().chain([leaderboard.to_pivot(), leaderboard.to_wide()]) {
            let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(plain.contains("test studies"), "{text}");
            assert!(!plain.contains("test video") && !plain.contains("training video"), "{text}");
        }
        for text in [leaderboard.to_pivot(), leaderboard.to_latex(), read(&out, "report.html")] {
            assert!(text.contains("training studies"), "{text}");
        }
    }
}
