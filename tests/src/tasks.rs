//! Every task that comes with the program, and studies, from the table of labels to the results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use echo_bench::{BenchConfig, Samples};
use echo_core::Kind;
use echo_data::{TASKS, Target};
use echo_phantom::{DatasetSpec, Quality, Setting, write_studies};
use echo_report::{CellStatus, read_runs};

use crate::bench::Place;

fn config(task: &str, adapters: &[&str]) -> BenchConfig {
    BenchConfig {
        encoders: vec!["all".to_owned()],
        adapters: adapters.iter().map(|name| (*name).to_owned()).collect(),
        shots: vec![2],
        seeds: vec![1],
        random_init: true,
        text_encoder: Some("echoclip".to_owned()),
        bootstrap: 20,
        task: task.to_owned(),
        recipes: match adapters.contains(&"coop") {
            true => [("coop".to_owned(), "train.epochs = 1".parse().unwrap())].into(),
            false => BTreeMap::new(),
        },
        ..BenchConfig::default()
    }
}

fn rows(place: &Place, out: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.out(out).join("predictions.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn every_task_is_predicted_by_every_encoder_and_scored_by_its_own_metric() {
    let (usual, graded) = (DatasetSpec::with_total(40, 9), Setting { quality: Quality::Graded, ..Setting::default() });
    let places = [Place::of(&usual), Place::of(&DatasetSpec { setting: graded, ..usual.clone() })];
    // Of views that phantoms are not seen in their tables have no labels.
    for (name, _) in TASKS.iter().filter(|(name, _)| !["view9", "view38"].contains(name)) {
        // Pictures have a grade where they are drawn by it.
        let place = &places[usize::from(*name == "quality")];
        let outcome = place.run(&config(name, &["linear", "coop"]), name);
        assert_eq!(outcome.failed, 0, "{name}");
        let task = Target::shipped(name).task;
        let records = read_runs(&place.out(name)).unwrap();
        for record in &records {
            assert_eq!((record.status, record.data.task.kind), (CellStatus::Done, task.kind()), "{name}");
            let primary = record.data.task.primary();
            // A test set this small may lack a class, but not all of them.
            let scores = record.scores.as_ref().unwrap();
            let known =
                scores.value(&primary).is_some() || scores.scores.iter().any(|s| scores.value(&s.metric).is_some());
            assert!(known, "{name}: {} has no score at all", record.adapter);
        }
        // Constant predictors, and what at least one encoder reads without training, where it can.
        let adapters: BTreeSet<&str> = records.iter().map(|record| record.adapter.as_str()).collect();
        assert!(adapters.is_superset(&["linear", "coop", "zero-shot"].into()), "{name}: {adapters:?}");
        assert!(outcome.leaderboard.rows.iter().any(|row| row.adapter.is_empty()), "{name}");
        let found = rows(place, name);
        let columns: Vec<String> = match task.kind() {
            Kind::Regression => vec!["prediction".to_owned()],
            Kind::Binary => vec!["probability".to_owned()],
            _ => task.class_names().iter().map(|class| format!("p: {class}")).collect(),
        };
        for row in &found {
            let numbers: Vec<f64> = columns.iter().map(|column| row[column].parse().unwrap()).collect();
            match task.kind() {
                Kind::Regression => {}
                Kind::SingleLabel | Kind::Ordinal => {
                    assert!((numbers.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{name}: {row:?}");
                }
                _ => assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{name}: {row:?}"),
            }
        }
    }
}

/// A slip in a task's heads must not look as if the encoder had none.
#[test]
fn heads_that_an_encoder_lacks_are_refused_before_anything_runs() {
    let place = Place::new(24);
    for (heads, expected) in [
        ("heads = { panecho = 'HR' }", "\"HR\""),
        ("[heads.panecho]\nabnormal = { head = 'LVWallMotionAbnormalities', classes = ['present'] }", "\"present\""),
        (
            "[heads.panecho]\nabnormal = { head = 'LVWallMotionAbnormalities', classes = [] }",
            "name classes of the head",
        ),
        ("[heads.panecho]\nabnormal = { head = 'WallMotion', classes = ['Present'] }", "\"WallMotion\""),
        ("[heads.panecho]\nakinetic = { head = 'LVWallMotionAbnormalities', classes = ['Present'] }", "\"akinetic\""),
    ] {
        let task = if heads.contains("HR") { "name = 'EF'" } else { "name = 'wall-motion'" };
        let path = place.out(if heads.contains("HR") { "ef.toml" } else { "wall-motion.toml" });
        fs::write(&path, format!("{task}\n{heads}\n")).unwrap();
        let encoders = vec!["panecho".to_owned()];
        let config = BenchConfig { encoders, ..config(path.to_str().unwrap(), &["linear"]) };
        let error = place.error(&config, "out");
        assert!(error.contains(expected) && !place.out("out").join("runs.jsonl").exists(), "{expected}: {error}");
    }
}

#[test]
fn studies_are_drawn_predicted_and_scored_whole_and_their_videos_beside() {
    let place = Place::new(3);
    fs::remove_dir_all(place.out("data")).unwrap();
    write_studies(&place.out("data"), &DatasetSpec::with_total(30, 5), &|_, _| true).unwrap();
    let list = fs::read_to_string(place.out("data").join("FileList.csv")).unwrap();
    let header: Vec<&str> = list.lines().next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|found| *found == name).unwrap();
    let of_video: BTreeMap<&str, (&str, &str)> = list
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|fields| (fields[column("FileName")], (fields[column("StudyID")], fields[column("Split")])))
        .collect();
    let config = BenchConfig { data: Some(place.out("data")), ..config("ef", &["linear", "mfl"]) };
    let outcome = place.run(&config, "out");
    assert_eq!(outcome.failed, 0);
    assert!(outcome.leaderboard.about.contains("test studies of"), "{}", outcome.leaderboard.about);
    let tested: BTreeSet<&str> =
        of_video.values().filter(|(_, split)| *split == "TEST").map(|(study, _)| *study).collect();
    let found = rows(&place, "out");
    for record in read_runs(&place.out("out")).unwrap() {
        let of_cell =
            |row: &&BTreeMap<String, String>| row["encoder"] == record.encoder.name && row["adapter"] == record.adapter;
        let names = |level: &str| -> BTreeSet<&str> {
            let rows = found.iter().filter(of_cell).filter(|row| row["level"] == level);
            rows.map(|row| row["video"].as_str()).collect()
        };
        assert_eq!((names("study"), record.data.test), (tested.clone(), tested.len()), "{}", record.adapter);
        let videos = names("video");
        assert!(videos.iter().all(|video| tested.contains(of_video[video].0)) && videos.len() >= tested.len());
        assert_eq!(record.alone.as_ref().unwrap().videos, videos.len());
        // What a frozen encoder says of a study is the mean of what it says of its videos.
        if record.adapter == "zero-shot" {
            let mut means: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for row in found.iter().filter(of_cell).filter(|row| row["level"] == "video") {
                means.entry(of_video[row["video"].as_str()].0).or_default().push(row["prediction"].parse().unwrap());
            }
            for row in found.iter().filter(of_cell).filter(|row| row["level"] == "study") {
                let of_study = &means[row["video"].as_str()];
                let (mean, whole) =
                    (of_study.iter().sum::<f64>() / of_study.len() as f64, row["prediction"].parse::<f64>().unwrap());
                assert!((mean - whole).abs() < 1e-3, "{row:?}: {mean}");
            }
        }
    }
    let alone = BenchConfig { samples: Samples::Video, ..config.clone() };
    let outcome = place.run(&alone, "alone");
    assert!(outcome.leaderboard.about.contains("test videos of"), "{}", outcome.leaderboard.about);
    assert!(read_runs(&place.out("alone")).unwrap().iter().all(|record| record.alone.is_none()));

    // Videos of one study that contradict each other are no study.
    let error = place.error(&BenchConfig { task: "view".to_owned(), ..config.clone() }, "view");
    assert!(error.contains("a study has one label") && error.contains("--samples video"), "{error}");
    // Where the task says which label counts they are one: a finding is a study's if any of its videos shows it.
    let outcome = place.run(&BenchConfig { task: "wall-motion".to_owned(), ..config.clone() }, "wall");
    assert_eq!(outcome.failed, 0);
    let findings = fs::read_to_string(place.out("data").join("Findings.csv")).unwrap();
    let header: Vec<&str> = findings.lines().next().unwrap().split(',').collect();
    let place_of = header.iter().position(|name| *name == "RegionalWallMotionAbnormality").unwrap();
    let mut shown: BTreeMap<&str, bool> = BTreeMap::new();
    for fields in findings.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()) {
        *shown.entry(of_video[fields[0]].0).or_default() |= fields[place_of] == "1";
    }
    for row in rows(&place, "wall").iter().filter(|row| row["level"] == "study") {
        let expected = if shown[row["video"].as_str()] { "abnormal" } else { "normal" };
        assert_eq!(row["truth"], expected, "{row:?}");
    }
    // Nor are videos of two patients.
    let mut videos_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    of_video.iter().for_each(|(video, (study, _))| videos_of.entry(study).or_default().push(video));
    let (study, video) = videos_of.iter().find_map(|(study, videos)| Some((study, videos.get(1)?))).unwrap();
    let other = |line: &str| {
        let mut fields: Vec<&str> = line.split(',').collect();
        if fields[column("FileName")] == *video {
            fields[column("PatientID")] = "somebody-else";
        }
        fields.join(",") + "\n"
    };
    fs::write(place.out("data").join("FileList.csv"), list.lines().map(other).collect::<String>()).unwrap();
    let error = place.error(&config, "two");
    assert!(error.contains(study) && error.contains("somebody-else") && error.contains("of one patient"), "{error}");
}
