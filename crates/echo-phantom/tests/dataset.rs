//! A written data set, seen from outside: layout, formats, labels, and that it depends on nothing but its
//! specification.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use echo_phantom::{
    DatasetSpec, ImageQuality, OnDemand, PhantomError, Setting, Site, View, Views, write_dataset, write_dataset_while,
    write_studies,
};

/// A folder that is removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("echo-phantom-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|row: Result<BTreeMap<String, String>, _>| row.unwrap()).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(name, bytes)| (Path::new("Videos").join(name), bytes)));
        } else {
            found.insert(PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap());
        }
    }
    found
}

fn little_endian(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The header's position of an AVI chunk.
fn find(bytes: &[u8], name: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == name).unwrap()
}

#[test]
fn a_data_set_has_the_layout_and_formats_of_echonet_dynamic() {
    let folder = Folder::new("layout");
    let out = folder.0.join("set");
    let calls = AtomicUsize::new(0);
    let spec = DatasetSpec { train: 5, validation: 2, test: 3, seed: 4, setting: Setting::default() };
    let summary = write_dataset(&out, &spec, &|_, total| {
        assert_eq!(total, 10);
        calls.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!((summary.videos, calls.into_inner()), ([5, 2, 3], 10));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "the unfinished folder is gone");

    let text = fs::read_to_string(out.join("FileList.csv")).unwrap();
    let header = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n";
    assert!(text.starts_with(header), "{text}");
    let rows = table(&out.join("FileList.csv"));
    let tracings = table(&out.join("VolumeTracings.csv"));
    let splits: Vec<&str> = rows.iter().map(|row| row["Split"].as_str()).collect();
    assert_eq!(splits, ["TRAIN", "TRAIN", "TRAIN", "TRAIN", "TRAIN", "VAL", "VAL", "TEST", "TEST", "TEST"]);

    for row in &rows {
        let name = format!("{}.avi", row["FileName"]);
        let bytes = fs::read(out.join("Videos").join(&name)).unwrap();
        assert_eq!((number(row, "FrameWidth"), number(row, "FrameHeight")), (112.0, 112.0));
        let header = find(&bytes, b"avih") + 8;
        assert_eq!(f64::from(little_endian(&bytes, header + 16)), number(row, "NumberOfFrames"), "{name}");
        let stream = find(&bytes, b"strh") + 8;
        assert_eq!(&bytes[stream..stream + 8], b"vidsMJPG");
        let rate = f64::from(little_endian(&bytes, stream + 24)) / f64::from(little_endian(&bytes, stream + 20));
        assert_eq!(rate, number(row, "FPS"), "{name}");
        // The frame header of 4:2:0: three components, the first sampled 2x2.
        let frame = bytes.windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
        assert_eq!((bytes[frame + 9], bytes[frame + 11]), (3, 0x22), "{name}");

        // What a user does with the tracings gives the labels again.
        let mut volumes = BTreeMap::new();
        for line in tracings.iter().filter(|line| line["FileName"] == name) {
            let length = (number(line, "X2") - number(line, "X1")).hypot(number(line, "Y2") - number(line, "Y1"));
            volumes.entry(number(line, "Frame") as usize).or_insert_with(Vec::new).push(length);
        }
        assert!(volumes.len() == 2 && volumes.keys().all(|&frame| (frame as f64) < number(row, "NumberOfFrames")));
        let volume = |lines: &Vec<f64>| {
            assert_eq!(lines.len(), 21, "{name}");
            lines[1..].iter().map(|chord| std::f64::consts::FRAC_PI_4 * chord * chord * lines[0] / 20.0).sum::<f64>()
        };
        let traced: Vec<f64> = volumes.values().map(volume).collect();
        let ef = 100.0 * (1.0 - traced[1] / traced[0]);
        // Four decimals of a pixel.
        assert!((ef - number(row, "EF")).abs() < 0.01, "{name}: {ef} for {}", row["EF"]);
        assert!((100.0 * (1.0 - number(row, "ESV") / number(row, "EDV")) - number(row, "EF")).abs() < 1e-6);
    }
}

#[test]
fn findings_stand_beside_the_list_and_agree_with_it() {
    let folder = Folder::new("findings");
    let out = folder.0.join("set");
    let spec = DatasetSpec::with_total(12, 2);
    write_dataset(&out, &spec, &|_, _| {}).unwrap();
    let (rows, findings) = (table(&out.join("FileList.csv")), table(&out.join("Findings.csv")));
    assert_eq!(rows.len(), findings.len());
    for (row, findings) in rows.iter().zip(&findings) {
        for column in ["FileName", "EF", "ESV", "EDV"] {
            assert_eq!(row[column], findings[column]);
        }
        let four_chambers = match findings["View"].as_str() {
            "A4C" => true,
            "A2C" => false,
            view => panic!("view {view}"),
        };
        for (column, shown) in [
            ("LeftAtriumSize", true),
            ("RightVentricleSize", four_chambers),
            ("RightAtriumWidth", four_chambers),
            ("Septal", four_chambers),
            ("Lateral", four_chambers),
            ("Inferior", !four_chambers),
            ("Anterior", !four_chambers),
            ("Apical", true),
            ("Gain", true),
            ("Window", true),
            ("ReducedEF", true),
            ("DilatedLeftAtrium", true),
            ("DilatedRightVentricle", four_chambers),
            ("RegionalWallMotionAbnormality", true),
        ] {
            assert_eq!(!findings[column].is_empty(), shown, "{column} of {}", findings["FileName"]);
        }
        assert_eq!(findings["ReducedEF"] == "1", number(row, "EF") < 50.0);
        let normal = findings["LeftVentricleSize"] == "normal";
        assert_eq!(findings["DilatedLeftVentricle"], if normal { "0" } else { "1" });
        let apical = findings["Apical"].as_str();
        assert!(["normal", "hypokinetic", "akinetic"].contains(&apical), "{apical}");
    }
    let views: std::collections::BTreeSet<&str> = findings.iter().map(|row| row["View"].as_str()).collect();
    assert_eq!(views.len(), 2, "both views in one set: {views:?}");
}

#[test]
fn studies_have_patients_and_one_label_for_all_their_videos() {
    let folder = Folder::new("studies");
    let spec = DatasetSpec { train: 4, validation: 2, test: 2, seed: 5, ..DatasetSpec::default() };
    let write = |name: &str, threads: usize| {
        let out = folder.0.join(name);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let summary = pool.install(|| write_studies(&out, &spec, &|_, _| true)).unwrap();
        (summary, files(&out))
    };
    let (summary, written) = write("set", 2);
    assert_eq!(summary.studies, [4, 2, 2]);
    assert!(written == write("again", 1).1, "other bytes with one thread");

    let out = folder.0.join("set");
    let (rows, findings) = (table(&out.join("FileList.csv")), table(&out.join("Findings.csv")));
    assert_eq!(rows.len(), summary.videos.iter().sum::<usize>());
    let (mut labels, mut splits) = (BTreeMap::new(), BTreeMap::new());
    for (row, findings) in rows.iter().zip(&findings) {
        assert!(out.join("Videos").join(format!("{}.avi", row["FileName"])).is_file());
        assert_eq!((&row["FileName"], &row["View"]), (&findings["FileName"], &findings["View"]));
        assert!(row["StudyID"].starts_with(&row["PatientID"]) && row["FileName"].starts_with(&row["StudyID"]));
        let label = [&row["EF"], &row["ESV"], &row["EDV"]].map(String::clone);
        assert_eq!(labels.entry(row["StudyID"].clone()).or_insert(label.clone()), &label);
        // A single plane's is another.
        assert_ne!(row["EF"], findings["EF"]);
        assert!((number(row, "EF") - number(findings, "EF")).abs() < 10.0);
        assert_eq!(splits.entry(row["PatientID"].clone()).or_insert(row["Split"].clone()), &row["Split"]);
    }
    assert_eq!(labels.len(), 8);
    assert_eq!(splits.len(), summary.patients.iter().sum::<usize>());
    let videos: std::collections::BTreeSet<&String> = rows.iter().map(|row| &row["FileName"]).collect();
    assert_eq!(videos.len(), rows.len(), "names are unique");
}

/// Its readers, not the drawing, make the labels; the truth stays in the findings.
#[test]
fn a_new_site_lists_what_its_readers_say() {
    let folder = Folder::new("site");
    let setting = Setting { site: Site::New, ..Setting::default() };
    let spec = DatasetSpec { setting, ..DatasetSpec::with_total(9, 2) };
    let out = folder.0.join("set");
    write_dataset(&out, &spec, &|_, _| {}).unwrap();
    let (rows, findings) = (table(&out.join("FileList.csv")), table(&out.join("Findings.csv")));
    let tracings = table(&out.join("VolumeTracings.csv"));
    for (row, findings) in rows.iter().zip(&findings) {
        let reading = Site::New.reading();
        let expected = reading.offset + reading.slope * number(findings, "EF");
        let error = number(row, "EF") - expected;
        assert!(error.abs() <= 2.5 * reading.noise + 0.5 * reading.step, "{} for {expected}", row["EF"]);
        assert!(reading.step == 0.0 || number(row, "EF") % reading.step == 0.0, "{}", row["EF"]);
        assert!((100.0 * (1.0 - number(row, "ESV") / number(row, "EDV")) - number(row, "EF")).abs() < 1e-5);
    }
    // Pictures are mirrored, and tracings with them: a chord still begins on the left.
    assert!(
        tracings
            .iter()
            .filter(|line| number(line, "Y1") == number(line, "Y2"))
            .all(|line| { number(line, "X1") < number(line, "X2") })
    );
}

#[test]
fn standard_views_are_listed_with_their_grade_and_a_description() {
    let folder = Folder::new("standard");
    let out = folder.0.join("set");
    let spec = DatasetSpec { train: 60, validation: 0, test: 0, ..DatasetSpec::standard_views(Site::Home, 5) };
    // Tables alone.
    OnDemand::create(&out, &spec).unwrap();
    let findings = table(&out.join("Findings.csv"));
    let count = |column: &str, value: &str| findings.iter().filter(|row| row[column] == value).count();
    assert!(View::ALL.iter().all(|view| count("View", view.name()) >= 1));
    assert!(ImageQuality::ALL.iter().all(|grade| count("ImageQuality", grade.name()) >= 8));
    assert!(findings.iter().all(|row| !row["EF"].is_empty()));
    // Cells of what the view does not show are empty, and walls that only these views show have columns.
    for row in &findings {
        assert_eq!(row["LeftAtriumSize"].is_empty(), row["View"].starts_with("PSAX"), "{row:?}");
        assert_eq!(row["Inferolateral"].is_empty(), !["A3C", "PLAX"].contains(&row["View"].as_str()), "{row:?}");
    }
    let description = fs::read_to_string(out.join("dataset.toml")).unwrap();
    assert!(View::ALL.iter().all(|view| description.contains(&format!("name = \"{}\"", view.name()))));

    // None of it changes what is written by default.
    let usual = folder.0.join("usual");
    OnDemand::create(&usual, &DatasetSpec::with_total(20, 5)).unwrap();
    let text = fs::read_to_string(usual.join("Findings.csv")).unwrap();
    assert!(text.lines().next().unwrap().contains(",Anterior,Apical,Gain,Window,ReducedEF,"), "{text}");
    assert!(!usual.join("dataset.toml").exists());
}

#[test]
fn one_view_can_be_asked_for() {
    let folder = Folder::new("view");
    let setting = Setting { views: Views::Only(View::A2c), ..Setting::default() };
    let spec = DatasetSpec { setting, ..DatasetSpec::with_total(3, 2) };
    write_dataset(&folder.0.join("set"), &spec, &|_, _| {}).unwrap();
    assert!(table(&folder.0.join("set/Findings.csv")).iter().all(|row| row["View"] == "A2C"));
}

#[test]
fn files_do_not_depend_on_the_number_of_threads_but_on_the_seed() {
    let folder = Folder::new("threads");
    let write = |name: &str, seed: u64, threads: usize| {
        let out = folder.0.join(name);
        let spec = DatasetSpec::with_total(6, seed);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write_dataset(&out, &spec, &|_, _| {})).unwrap();
        files(&out)
    };
    let one = write("one", 3, 1);
    // Six videos and four tables.
    assert_eq!(one.len(), 10);
    assert!(one == write("three", 3, 3), "other bytes with three threads");
    assert!(one != write("other", 4, 2), "the seed changes nothing");
}

#[test]
fn what_is_stopped_leaves_nothing() {
    let folder = Folder::new("stopped");
    let spec = DatasetSpec { train: 2, validation: 1, test: 1, ..DatasetSpec::default() };
    let (set, studies) = (folder.0.join("set"), folder.0.join("studies"));
    let stopped = [
        write_dataset_while(&set, &spec, &|done, _| done < 2).unwrap_err(),
        write_studies(&studies, &spec, &|done, _| done < 2).unwrap_err(),
    ];
    assert!(stopped.iter().all(|error| matches!(error, PhantomError::Stopped(_))), "{stopped:?}");
    assert!(fs::read_dir(&folder.0).unwrap().all(|entry| !entry.unwrap().path().is_dir()));
}

#[test]
fn folders_in_use_and_empty_sets_are_refused() {
    let folder = Folder::new("refused");
    let spec = DatasetSpec { train: 1, validation: 0, test: 0, ..DatasetSpec::default() };
    let kept = folder.0.join("kept.txt");
    fs::write(&kept, "mine").unwrap();
    let error = write_dataset(&folder.0, &spec, &|_, _| {}).unwrap_err();
    assert!(matches!(error, PhantomError::NotEmpty(_)) && error.to_string().contains("echo-phantom-"), "{error}");
    assert!(matches!(write_dataset(&kept, &spec, &|_, _| {}).unwrap_err(), PhantomError::NotAFolder(_)));
    assert_eq!(fs::read_to_string(&kept).unwrap(), "mine");

    let empty = folder.0.join("empty");
    fs::create_dir(&empty).unwrap();
    let nothing = DatasetSpec { train: 0, ..spec.clone() };
    assert!(matches!(write_dataset(&empty, &nothing, &|_, _| {}).unwrap_err(), PhantomError::NoVideos));
    write_dataset(&empty, &spec, &|_, _| {}).unwrap();
    assert!(empty.join("FileList.csv").exists(), "an empty folder is used");
}
