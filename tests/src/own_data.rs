//! Data sets of one's own: other names of files and columns, splits by patient, other targets than the ejection fraction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use echo_bench::BenchConfig;
use echo_data::{DatasetConfig, read_dataset};
use echo_report::{CellStatus, read_runs};

use crate::bench::Place;

const DESCRIPTION: &str = r#"
name = "own hearts"
table = "lists/studies.csv"
videos = { folder = "clips", file = "{patient}/{video}", extension = "AVI" }
columns = { video = "Clip", patient = "Who" }
split = { seed = 5, validation = 0.2, test = 0.4 }

[tasks.EF]
column = "LVEF (%)"

[tasks.EDV]
column = "volume"
unit = "ml"
least = 0
bin = 25.0
thresholds = [120]
ranks = [
    { up_to = 100, value = 80.0, prompt = "an ordinary volume" },
    { up_to = 600, value = 160.0, prompt = "a large volume" },
]
"#;

/// Phantoms under other names: what is called `data` is a folder of patients with up to three clips each. Gives each
/// clip's end-diastolic volume.
fn rename(place: &Place) -> BTreeMap<String, f32> {
    let data = place.out("data");
    let list = fs::read_to_string(data.join("FileList.csv")).unwrap();
    let mut table = "\u{feff}Who,volume,remark,LVEF (%),Clip\r\n".to_owned();
    let mut volumes = BTreeMap::new();
    for (place, line) in list.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let (name, ef, edv) = (fields[0], fields[1], fields[3]);
        let (clip, patient) = (format!("loop.{place}"), format!("patient {}", place % 12));
        let folder = data.join("clips").join(&patient);
        fs::create_dir_all(&folder).unwrap();
        fs::rename(data.join(format!("Videos/{name}.avi")), folder.join(format!("{clip}.avi"))).unwrap();
        table.push_str(&format!("{patient},{edv},\"good, mostly\",{ef},{clip}.avi\r\n"));
        volumes.insert(clip, edv.parse().unwrap());
    }
    fs::create_dir(data.join("lists")).unwrap();
    fs::write(data.join("lists/studies.csv"), table).unwrap();
    fs::remove_file(data.join("FileList.csv")).unwrap();
    fs::write(place.out("own.toml"), DESCRIPTION).unwrap();
    volumes
}

fn config(place: &Place, adapters: &[&str]) -> BenchConfig {
    BenchConfig {
        encoders: vec!["echoclip".to_owned()],
        adapters: adapters.iter().map(|name| (*name).to_owned()).collect(),
        shots: vec![1],
        seeds: vec![1],
        zero_shot: false,
        random_init: true,
        bootstrap: 50,
        dataset: Some(place.out("own.toml")),
        task: "edv".to_owned(),
        recipes: [("coop".to_owned(), "train.epochs = 2".parse().unwrap())].into(),
        ..BenchConfig::default()
    }
}

#[test]
fn volumes_of_a_folder_with_other_names_are_predicted_and_no_patient_leaks() {
    let place = Place::new(36);
    let volumes = rename(&place);
    let description = DatasetConfig::read(&place.out("own.toml")).unwrap();
    let data = read_dataset(&place.out("data"), &description, &description.target("EDV", None).unwrap()).unwrap();
    assert_eq!(data.videos.len(), 36);
    let patients: BTreeMap<&str, &str> =
        data.videos.iter().map(|video| (video.name.as_str(), video.patient.as_deref().unwrap())).collect();
    let splits: BTreeSet<_> =
        data.videos.iter().map(|video| (video.patient.as_deref().unwrap(), video.split)).collect();
    assert_eq!(splits.len(), 12, "a split for each patient: {splits:?}");

    let config = BenchConfig { recipes: BTreeMap::new(), ..config(&place, &["linear"]) };
    let outcome = place.run(&config, "linear");
    assert_eq!((outcome.ran, outcome.failed, outcome.excluded.len()), (1, 0, 0));
    let impossible = place.error(&self::config(&place, &["linear", "coop", "zero-shot"]), "impossible");
    assert!(impossible.contains("zero-shot cannot adapt") && !place.out("impossible").exists(), "{impossible}");
    let config = self::config(&place, &["linear", "coop"]);
    let outcome = place.run(&config, "out");
    assert_eq!((outcome.ran, outcome.skipped, outcome.failed), (2, 0, 0));
    let caption = &outcome.leaderboard.about;
    assert!(
        caption.starts_with("EDV in ml on ") && caption.contains("of own hearts; splits drawn by patient"),
        "{caption}"
    );

    let records = read_runs(&place.out("out")).unwrap();
    let train: Vec<_> = data.videos.iter().filter(|video| video.split == echo_data::Split::Train).collect();
    let bins: BTreeSet<i64> = train.iter().map(|video| (video.truth.value().unwrap() / 25.0).floor() as i64).collect();
    assert!(bins.len() < train.len(), "bins hold several videos, of which one is drawn");
    for record in &records {
        assert_eq!((record.data.task.name.as_str(), record.data.task.unit.as_str()), ("EDV", "ml"));
        if record.adapter == "zero-shot" {
            let error = record.error.as_deref().unwrap();
            assert!(error.contains("no `templates`") && error.contains("EDV"), "{error}");
            continue;
        }
        assert_eq!((record.status, record.data.train), (CellStatus::Done, bins.len()), "{:?}", record.error);
        let metrics: Vec<String> =
            record.scores.iter().flat_map(|scores| &scores.scores).map(|score| score.metric.key()).collect();
        let areas: Vec<&str> = metrics.iter().map(String::as_str).filter(|key| key.starts_with("auc")).collect();
        assert_eq!(areas, ["auc_below_120"]);
    }

    let mut reader = csv::Reader::from_path(place.out("out").join("predictions.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let tested: BTreeSet<&str> = rows.iter().map(|row| row["video"].as_str()).collect();
    assert_eq!(rows.len(), 2 * tested.len());
    assert!(tested.iter().all(|tested| train.iter().all(|video| patients[video.name.as_str()] != patients[tested])));
    for row in &rows {
        assert_eq!((row["target"].as_str(), row["unit"].as_str()), ("EDV", "ml"));
        assert_eq!(row["truth"].parse::<f32>().unwrap(), volumes[&row["video"]]);
        let prediction: f32 = row["prediction"].parse().unwrap();
        // Prompts predict between their ranks' values, a linear map near the volumes that it was fitted on.
        let bounds = if row["adapter"] == "coop" { 80.0..=160.0 } else { 0.0..=400.0 };
        assert!(bounds.contains(&prediction), "{row:?}");
    }
}

#[test]
fn targets_of_one_data_set_share_its_features_and_nothing_else() {
    let place = Place::new(24);
    let of = |task: &str| BenchConfig {
        dataset: None,
        task: task.to_owned(),
        recipes: BTreeMap::new(),
        ..config(&place, &["linear"])
    };
    let ef = place.run(&of("EF"), "out");
    assert!(ef.leaderboard.about.starts_with("LVEF in percent on "), "{}", ef.leaderboard.about);
    let edv = place.run(&of("EDV"), "edv");
    assert_eq!((edv.ran, edv.skipped), (1, 0));
    let test = place.names("TEST").len();
    assert!(edv.embedded < test, "test videos were embedded for the ejection fraction: {}", edv.embedded);
    let again = place.run(&of("EF"), "out");
    assert_eq!((again.ran, again.skipped), (0, 1));
    assert_eq!(again.leaderboard, ef.leaderboard);
    let error = of("GLS").described().unwrap_err().to_string();
    assert!(error.contains("EDV, EF, ef-grade"), "{error}");
    let error =
        echo_report::merge(&[place.out("out"), place.out("edv")], &place.out("merged")).unwrap_err().to_string();
    assert!(error.contains("EDV and EF"), "{error}");
}
