//! The files beside the weights: a small made-up set, which reference/assets.py wrote, and what is refused of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use echo_clinical::study::{Compat, PhenotypeOptions, PhraseCode, Study};
use echo_weights::{PickledData, PickledValue};
use echoprime::{Assets, AssetsError};
use serde_json::Value;
use tempfile::TempDir;

/// Names a folder of upstream's own files.
const UPSTREAM: &str = "ECHOZOO_ECHOPRIME_ASSETS";

const OF_CANDIDATES: [&str; 5] = [
    "candidate_embeddings_p1.pt",
    "candidate_embeddings_p2.pt",
    "candidate_studies.csv",
    "candidate_reports.pkl",
    "candidate_labels.pkl",
];
const OF_REPOSITORY: [&str; 4] = ["section_to_phenotypes.pkl", "MIL_weights.csv", "all_phr.json", "roc_thresholds.csv"];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/assets")
}

/// The files, those of candidates in one folder of a new one and those of the repository in another.
fn laid_out(of_candidates: &str, of_repository: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (place, names) in [(of_candidates, &OF_CANDIDATES[..]), (of_repository, &OF_REPOSITORY)] {
        std::fs::create_dir_all(folder.path().join(place)).unwrap();
        for name in names {
            std::fs::copy(fixture().join(name), folder.path().join(place).join(name)).unwrap();
        }
    }
    folder
}

fn refused(folder: &TempDir) -> String {
    Assets::open(folder.path()).expect_err("it is refused").to_string()
}

/// FNV-1a of 64 bits.
fn checksum(values: &[f32]) -> String {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}

#[test]
fn every_number_is_the_one_that_python_reads() {
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture().join("expected.json")).unwrap()).unwrap();
    let assets = Assets::open(&fixture()).unwrap();

    let shape = [assets.candidates(), assets.dim];
    assert_eq!(serde_json::json!(shape), expected["embeddings"]["shape"]);
    assert_eq!(checksum(&assets.embeddings), expected["embeddings"]["checksum"]);
    let first: Vec<f64> = assets.embeddings[..3].iter().map(|&value| value.into()).collect();
    assert_eq!(serde_json::json!(first), expected["embeddings"]["first"]);

    let labels = expected["labels"].as_object().unwrap().iter().map(|(phenotype, labels)| {
        let bits = |label: &Value| label.as_f64().map(|label| (label as f32).to_bits());
        (phenotype.as_str(), labels.as_array().unwrap().iter().map(bits).collect())
    });
    let read = assets.labels.iter().map(|(phenotype, labels)| {
        let bits = |label: &f32| (!label.is_nan()).then(|| label.to_bits());
        (phenotype.as_str(), labels.iter().map(bits).collect())
    });
    assert_eq!(read.collect::<BTreeMap<&str, Vec<_>>>(), labels.collect());

    let of_report = |candidate| {
        let phrases = assets.reports.get(candidate).unwrap();
        let of_phrase = |PhraseCode { section, phrase, value }| serde_json::json!([section, phrase, value]);
        phrases.map(of_phrase).collect::<Value>()
    };
    assert_eq!((0..assets.candidates()).map(of_report).collect::<Value>(), expected["reports"]);
    assert!(assets.reports.get(assets.candidates()).is_none());

    let sections: Value = assets.sections.iter().map(|of| serde_json::json!([of.section, of.phenotypes])).collect();
    assert_eq!(sections, expected["section_phenotypes"]);
    let thresholds: Vec<_> = assets.thresholds.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(thresholds, [("lead", 0.1), ("narrow_valve", 0.78)]);
}

#[test]
fn studies_have_the_phenotypes_and_the_report_that_numpy_gives_them() {
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture().join("expected.json")).unwrap()).unwrap();
    let assets = Assets::open(&fixture()).unwrap();
    let studies = expected["studies"].as_array().unwrap();
    assert_eq!(studies.len(), 3);
    for of_numpy in studies {
        let clips: Vec<f32> = serde_json::from_value(of_numpy["clips"].clone()).unwrap();
        let views: Vec<usize> = serde_json::from_value(of_numpy["views"].clone()).unwrap();
        let study = Study::new(&clips, assets.dim, &views).unwrap();
        for (compat, key) in [(Compat::None, "phenotypes"), (Compat::Upstream, "upstream")] {
            let found = assets.phenotypes(&study, &PhenotypeOptions { neighbours: 7, compat }).unwrap();
            assert_eq!(found.len(), 5);
            for phenotype in found {
                let expected = of_numpy[key][&phenotype.name].as_f64();
                assert_eq!(phenotype.value.is_some(), expected.is_some(), "{}", phenotype.name);
                let gap = phenotype.value.zip(expected).map_or(0.0, |(ours, theirs)| (ours - theirs).abs());
                assert!(gap < 1e-6, "{}: {:?}, {expected:?}", phenotype.name, phenotype.value);
            }
        }
        let report = assets.report(&study, Compat::None).unwrap();
        assert_eq!(report.len(), of_numpy["report"].as_object().unwrap().len());
        for section in report {
            let ours = section.retrieved.map(|found| serde_json::json!([found.candidate, found.text]));
            assert_eq!(ours.unwrap_or_default(), of_numpy["report"][&section.section], "{}", section.section);
        }
    }
}

#[test]
fn files_are_found_where_the_release_unpacks_them_and_missing_ones_are_named() {
    for (of_candidates, of_repository, opened) in [
        ("model_data/candidates_data", "assets", ""),
        ("model_data/candidates_data", "assets", "model_data"),
        ("candidates_data", "", ""),
        ("", "", ""),
    ] {
        let folder = laid_out(of_candidates, of_repository);
        assert!(Assets::open(&folder.path().join(opened)).is_ok(), "{of_candidates}, {of_repository}, {opened}");
    }
    let folder = tempfile::tempdir().unwrap();
    let message = refused(&folder);
    assert!(message.starts_with(&format!("{} lacks", folder.path().display())), "{message}");
    for name in OF_CANDIDATES.iter().chain(&OF_REPOSITORY) {
        assert!(message.contains(&format!("{name} (")), "{name}: {message}");
    }
    let folder = laid_out("", "");
    std::fs::remove_file(folder.path().join("candidate_reports.pkl")).unwrap();
    let message = refused(&folder);
    assert!(message.ends_with(
        "candidate_reports.pkl (in https://github.com/echonet/EchoPrime/releases/download/v1.0.0/model_data.zip)"
    ));
}

#[test]
fn pickles_that_are_cut_or_changed_give_an_error_that_names_them_but_no_panic() {
    let folder = laid_out("", "");
    for name in ["section_to_phenotypes.pkl", "candidate_reports.pkl", "candidate_labels.pkl"] {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        let named = |message: String| assert!(message.contains(name), "{message}");
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        for (place, &byte) in whole.iter().enumerate() {
            write_at(&mut file, place, &[[byte ^ 1, byte ^ 0x80, b'.'][place % 3]]);
            if let Err(error) = Assets::open(folder.path()) {
                named(error.to_string());
            }
            write_at(&mut file, place, &[byte]);
        }
        for length in (0..whole.len()).rev() {
            file.set_len(length as u64).unwrap();
            named(refused(&folder));
        }
        write_at(&mut file, 0, &whole);
    }
    assert!(Assets::open(folder.path()).is_ok());
}

fn write_at(file: &mut File, place: usize, bytes: &[u8]) {
    file.seek(SeekFrom::Start(place as u64)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_cut_file_of_embeddings_is_refused() {
    let folder = laid_out("", "");
    let path = folder.path().join("candidate_embeddings_p2.pt");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    for length in (0..length).rev().step_by(101) {
        file.set_len(length).unwrap();
        assert!(refused(&folder).contains("candidate_embeddings_p2.pt"), "{length}");
    }
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    for name in ["section_to_phenotypes.pkl", "candidate_reports.pkl", "candidate_labels.pkl"] {
        let folder = laid_out("", "");
        std::fs::write(folder.path().join(name), b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.").unwrap();
        let message = refused(&folder);
        assert!(message.contains(name) && message.contains("os.system"), "{message}");
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused_by_both_names() {
    let replace = |name: &str, from: &str, to: &str| {
        let folder = laid_out("", "");
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} without {from:?}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        refused(&folder)
    };
    for (name, from, to, other, why) in [
        ("candidate_studies.csv", "0,study-000\n", "", "candidate_reports.pkl", "has 40 reports, the other 39 studies"),
        ("MIL_weights.csv", "Aortic", "Mitral", "section_to_phenotypes.pkl", "no weights of the section Aortic Valve"),
        ("all_phr.json", "\"Three leaflets.\"", "", "candidate_reports.pkl", "phrase 1 of section 2"),
    ] {
        let message = replace(name, from, to);
        assert!([name, other, why].iter().all(|part| message.contains(part)), "{message}");
    }
    assert!(replace("candidate_studies.csv", "Study", "Patient").contains("no column Study"));
    assert!(replace("MIL_weights.csv", "A2C,A3C", "A3C,A2C").contains("its views are A3C, A2C, A4C"));

    let folder = laid_out("", "");
    let second = folder.path().join("candidate_embeddings_p2.pt");
    std::fs::copy(folder.path().join("candidate_embeddings_p1.pt"), &second).unwrap();
    let message = refused(&folder);
    for part in ["_p1.pt does not belong to", "_p2.pt have 48 rows", "candidate_studies.csv", "40 studies"] {
        assert!(message.contains(part), "{message}");
    }

    // Labels of other phenotypes, and of other studies.
    let labels = |phenotypes: &[&str]| {
        let of_another_study =
            |name: &&str| [b"U", &[name.len() as u8][..], name.as_bytes(), b"}U\x01aK\x01s"].concat();
        [b"\x80\x02}(", phenotypes.iter().map(of_another_study).collect::<Vec<_>>().concat().as_slice(), b"u."].concat()
    };
    let all = ["ejection_fraction", "thick_wall", "narrow_valve", "lead", "pressure"];
    for (labels, other) in [(labels(&all[..4]), "section_to_phenotypes.pkl"), (labels(&all), "candidate_studies.csv")] {
        let folder = laid_out("", "");
        std::fs::write(folder.path().join("candidate_labels.pkl"), labels).unwrap();
        let message = refused(&folder);
        assert!(message.contains("candidate_labels.pkl does not belong to") && message.contains(other), "{message}");
    }
}

#[test]
fn upstreams_own_files_are_read() {
    let Some(folder) = std::env::var_os(UPSTREAM).map(PathBuf::from) else {
        println!("skipped: {UPSTREAM} names no folder of EchoPrime's own files");
        return;
    };
    match Assets::open(&folder) {
        Ok(assets) => assert_eq!(assets.candidates(), 1_230_676),
        Err(AssetsError::Missing { missing, .. }) => println!("skipped in part: {folder:?} lacks {missing}"),
        Err(error) => panic!("{error}"),
    }
    let path = ["assets/section_to_phenotypes.pkl", "section_to_phenotypes.pkl"].map(|name| folder.join(name));
    let data = PickledData::open(path.iter().find(|path| path.is_file()).unwrap()).unwrap();
    let PickledValue::Dict(sections) = data.root() else { panic!("it holds {}", data.root().kind()) };
    let counted = sections.iter().map(|(section, phenotypes)| match (section, phenotypes) {
        (PickledValue::Text(section), PickledValue::List(phenotypes)) => (section, phenotypes.len()),
        other => panic!("{other:?}"),
    });
    let counted: Vec<(&str, usize)> = counted.collect();
    assert_eq!((counted.len(), counted.iter().map(|(_, count)| count).sum::<usize>()), (11, 21));
    assert_eq!(counted[..2], [("Left Ventricle", 2), ("Right Ventricle", 3)]);
}
