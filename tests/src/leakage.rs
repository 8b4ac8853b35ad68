//! Patients and files that are in two splits: refused, or said beside the results.

use std::fs;

use echo_bench::BenchConfig;
use echo_report::read_runs;

use crate::bench::Place;

fn config() -> BenchConfig {
    BenchConfig {
        encoders: vec!["echoclip".to_owned()],
        adapters: vec!["linear".to_owned()],
        shots: vec![8],
        seeds: vec![1],
        zero_shot: false,
        random_init: true,
        bootstrap: 20,
        ..BenchConfig::default()
    }
}

#[test]
fn one_file_under_two_names_in_train_and_test_is_refused_or_said_everywhere() {
    let place = Place::new(24);
    let (train, test) = (place.names("TRAIN").remove(0), place.names("TEST").remove(0));
    fs::copy(place.video(&train), place.video(&test)).unwrap();
    let error = place.error(&config(), "refused");
    assert!(error.contains(&format!("{train} (training) and {test} (test)")), "{error}");
    assert!(error.contains("--allow-leakage") && !place.out("refused").join("runs.jsonl").exists(), "{error}");

    let outcome = place.run(&BenchConfig { allow_leakage: true, ..config() }, "allowed");
    let notes = outcome.leaderboard.notes.join("\n");
    assert!(notes.contains("Leakage was allowed: 1 of"), "{notes}");
    let records = read_runs(&place.out("allowed")).unwrap();
    let hash = &records[0].data.test_hash[..8];
    assert!(notes.contains(&format!("(hash {hash})")), "{notes}");
    let rows = outcome.leaderboard.rows.iter().filter(|row| row.encoder == "echoclip");
    assert!(rows.clone().count() > 0 && rows.clone().all(|row| row.warning.contains("leakage: 1 of")), "{rows:?}");
    assert!(
        rows.clone().all(|row| row.adapter.contains(&format!("leakage: 1 of {} test videos", records[0].data.test)))
    );
    let excluded: Vec<_> = outcome.excluded.iter().map(|video| (video.video.as_str(), video.used)).collect();
    assert_eq!(excluded, [(test.as_str(), true)]);
    assert!(records.iter().all(|record| record.data.leaked == 1), "{records:?}");
    let read = |name: &str| fs::read_to_string(place.out("allowed").join(name)).unwrap();
    for file in ["report.html", "leaderboard.md"] {
        assert!(read(file).contains("Leakage was allowed: 1 of"), "{file}");
    }
    let warned = |line: &str| line.contains("its patient or file is in training or validation too");
    for line in read("predictions.csv").lines().skip(1) {
        assert_eq!(warned(line), line.contains(&format!(",{test},")), "{line}");
    }
}

#[test]
fn the_own_test_set_is_no_external_one() {
    let place = Place::new(24);
    let error = place.error_beside(&config(), "refused", Some(&place.out("data")));
    assert!(error.contains("all test videos of the external data set are test videos of the first too"), "{error}");
}

#[test]
fn a_file_of_validation_is_in_no_other_split_either() {
    for split in ["TRAIN", "TEST"] {
        let place = Place::new(24);
        let (validation, other) = (place.names("VAL").remove(0), place.names(split).remove(0));
        fs::copy(place.video(&validation), place.video(&other)).unwrap();
        // All training videos are drawn, so that the one is.
        let config = BenchConfig { shots: vec![100], ..config() };
        let error = place.error(&config, "refused");
        assert!(error.contains(&validation) && error.contains(&other) && error.contains("validation"), "{error}");
    }
}

#[test]
fn one_patient_in_two_spellings_is_one_patient_also_in_a_split_file() {
    let place = Place::new(24);
    let list = fs::read_to_string(place.out("data").join("FileList.csv")).unwrap();
    let mut table = "Patient,".to_owned() + list.lines().next().unwrap() + "\n";
    for (row, line) in list.lines().skip(1).enumerate() {
        // Training and test share the patient 7.
        let patient = match row {
            _ if line.starts_with(&(place.names("TRAIN").remove(0) + ",")) => "007".to_owned(),
            _ if line.starts_with(&(place.names("TEST").remove(0) + ",")) => "7.0".to_owned(),
            row => format!("P{row}"),
        };
        table.push_str(&format!("{patient},{line}\n"));
    }
    fs::write(place.out("data").join("FileList.csv"), table).unwrap();
    let described = include_str!("../../configs/datasets/echonet-dynamic.toml")
        .replace("split = \"Split\"", "split = \"Split\"\npatient = \"Patient\"")
        .replace("../adapters", concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/adapters"));
    fs::write(place.out("own.toml"), described).unwrap();
    let config = BenchConfig { dataset: Some(place.out("own.toml")), ..config() };
    let error = place.error(&config, "refused");
    assert!(error.contains("\"007\"") && error.contains("\"7.0\""), "{error}");

    let of_file = BenchConfig { split: Some(place.out("data").join("FileList.csv")), ..config };
    assert!(place.error(&of_file, "refused").contains("\"007\""), "a split file is looked at too");
}
