//! DICOM in, findings out: the clinical commands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::place::Place;

/// What pydicom wrote: phantoms of three frames.
pub fn dicom(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/echo-video/tests/fixtures/dicom").join(name)
}

/// A tree in MIMIC-IV-ECHO's layout: two studies of one patient, one of another, and files of other kinds.
fn tree(place: &Place) {
    let put = |from: &str, to: &str| {
        let to = place.path("files").join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(dicom(from), to).unwrap();
    };
    put("rgb_explicit.dcm", "p10/p10000001/s1/1_0001.dcm");
    put("single_frame.dcm", "p10/p10000001/s1/1_0002.dcm");
    put("doppler.dcm", "p10/p10000001/s1/1_0003.dcm");
    put("structured_report.dcm", "p10/p10000001/s1/1_0004.dcm");
    put("jpegls_rgb.dcm", "p10/p10000001/s2/2_0001.dcm");
    put("jpegls_rgb.dcm", "p10/p10000001/s2/2_0002.dcm");
    put("rle_rgb.dcm", "p11/p11000001/s3/3_0001.dcm");
    let cut = fs::read(dicom("mono2.dcm")).unwrap();
    fs::write(place.path("files/p11/p11000001/s3/3_0002.dcm"), &cut[..cut.len() - 600]).unwrap();
    let mut list = "subject_id,study_id,acquisition_datetime,dicom_filepath\n".to_owned();
    for (patient, study, files) in [("p10/p10000001", "s1", 4), ("p10/p10000001", "s2", 2), ("p11/p11000001", "s3", 2)]
    {
        let (subject, number) = (&patient[5..], &study[1..]);
        (1..=files).for_each(|file| list += &format!("{subject},{number},,{patient}/{study}/{number}_000{file}.dcm\n"));
    }
    fs::write(place.path("files/echo-record-list.csv"), list).unwrap();
}

#[test]
fn a_tree_of_dicom_becomes_a_data_set_without_names() {
    let place = Place::new(0);
    tree(&place);
    let (out, err) = place.run(1, &["prepare", "files", "--out", "clean"]);
    assert!(out.starts_with("3 videos of 3 studies of 2 patients in clean"), "{out}");
    for reason in ["1 x a Doppler spectrum", "1 x a still", "1 x a structured report", "1 x the same object"] {
        assert!(out.contains(reason), "{reason}: {out}");
    }
    assert!(err.contains("3_0002.dcm: truncated") && err.contains("1 of 8 inputs"), "{err}");

    let rows = place.rows("clean/FileList.csv");
    let of = |column: &str| rows.iter().map(|row| row[column].as_str()).collect::<BTreeSet<_>>().len();
    assert_eq!((rows.len(), of("FileName"), of("Patient"), of("Study")), (3, 3, 2, 3));
    let sources: BTreeMap<String, String> = place
        .rows("clean/private/sources.csv")
        .into_iter()
        .map(|row| (row["Source"].clone(), row["FileName"].clone()))
        .collect();
    let skipped = place.rows("clean/private/skipped.csv");
    assert_eq!(sources.len() + skipped.len(), 8, "every file is listed");
    // What is passed on names nobody, and no file of the source.
    for file in ["FileList.csv", "dataset.toml"] {
        let text = place.read(&format!("clean/{file}"));
        assert!(!["1000000", "1100000", "_000", "PHANTOM"].iter().any(|name| text.contains(name)), "{text}");
    }
    for entry in fs::read_dir(place.path("clean/Videos")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!["Phantom", "PHANTOM"].iter().any(|name| bytes.windows(7).any(|window| window == name.as_bytes())));
    }
    assert_eq!(fs::read_dir(place.path("clean/Videos")).unwrap().count(), 3);
    assert_eq!(fs::read_dir(place.path("clean/sheets")).unwrap().count(), 3);

    // Again: nothing but what failed is done anew; with a video gone, that one too, to the same bytes.
    let video = place.path("clean/Videos").join(format!("{}.avi", sources["p11/p11000001/s3/3_0001.dcm"]));
    let bytes = fs::read(&video).unwrap();
    fs::remove_file(&video).unwrap();
    let journal = place.read("clean/private/journal.jsonl").lines().count();
    place.run(1, &["prepare", "files", "--out", "clean"]);
    assert_eq!(fs::read(&video).unwrap(), bytes);
    assert_eq!(place.read("clean/private/journal.jsonl").lines().count(), journal + 2);
    // A recording that is taken back is taken out of the data set.
    fs::rename(place.path("files/p11"), place.path("p11")).unwrap();
    let (out, err) = place.run(0, &["prepare", "files", "--out", "clean"]);
    assert!(out.starts_with("2 videos of 2 studies of 1 patient") && err.contains("removed 1 video"), "{out}{err}");
    assert!(!video.exists());
    assert_eq!(fs::read_dir(place.path("clean/sheets")).unwrap().count(), 2);
    fs::rename(place.path("p11"), place.path("files/p11")).unwrap();
    place.run(1, &["prepare", "files", "--out", "clean"]);
    // With the same key the same names, elsewhere; with other settings the folder is refused.
    let key = ["--key", "clean/private/key"];
    place.run(1, &[&["prepare", "files", "--out", "other"][..], &key].concat());
    assert_eq!(place.read("other/FileList.csv"), place.read("clean/FileList.csv"));
    let (_, err) = place.run(2, &["prepare", "files", "--out", "clean", "--quality", "80"]);
    assert!(err.contains("other settings") && err.contains("--out"), "{err}");
}

#[test]
fn what_is_prepared_is_a_data_set_that_commands_read() {
    let place = Place::new(6);
    // The same names, and so the same splits, every time.
    fs::write(place.path("key"), "a key for tests and nothing else").unwrap();
    place.run(0, &["prepare", "data/Videos", "--out", "clean", "--key", "key"]);
    let rows = place.rows("clean/FileList.csv");
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row["Warning"].contains("its folders")));
    let labels: String = rows.iter().map(|row| format!("{},55\n", row["FileName"])).collect();
    fs::write(place.path("clean/Labels.csv"), format!("FileName,EF\n{labels}")).unwrap();
    let bench =
        ["bench", "--data", "clean", "--encoder", "panecho", "--preset", "nano", "--adapter", "linear", "--dry-run"];
    let (out, err) = place.run(0, &bench);
    assert!(out.contains("panecho  linear") && out.contains("test videos are read"), "{out}{err}");
}

#[test]
fn dicom_is_described_and_masked_unless_asked() {
    let place = Place::new(0);
    let file = dicom("rgb_explicit.dcm");
    let file = file.to_str().unwrap();
    let (out, _) = place.run(0, &["inspect", file, "--frames", "masked.npy", "--before-after", "both.png"]);
    assert!(out.contains("Dicom") && out.contains("all else is masked") && out.contains("a 2-D picture"), "{out}");
    assert!(!out.contains("PHANTOM") && !out.contains("Phantom"), "identifiers are not printed: {out}");
    place.run(0, &["inspect", file, "--frames", "whole.npy", "--mask", "none"]);
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    let (masked, whole) = (read("masked.npy"), read("whole.npy"));
    assert_eq!(masked.len(), whole.len());
    let blackened = masked.iter().zip(&whole).filter(|(masked, whole)| masked != whole);
    assert!(blackened.clone().count() > 0 && blackened.clone().all(|(masked, _)| *masked == 0));
    assert!(read("both.png").starts_with(b"\x89PNG"));
    // A still has no sector, and nothing of it is shown by accident.
    let still = dicom("single_frame.dcm");
    let embed = ["embed", "--encoder", "echoclip", "--preset", "nano", "--out", "e.csv", still.to_str().unwrap()];
    let (_, err) = place.run(1, &embed);
    assert!(err.contains("no ultrasound sector") && err.contains("--mask none"), "{err}");
    place.run(0, &[&embed[..], &["--mask", "none"]].concat());
}

#[test]
fn findings_are_read_from_prompts_of_frames_videos_and_studies() {
    let place = Place::new(4);
    let videos: Vec<String> = place.videos().iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    let zero_shot =
        ["zero-shot", "--encoder", "echoclip", "--preset", "nano", "--task", "ejection_fraction,left_ventricle_size"];
    let args = [&zero_shot[..], &["--study", "--frames", "--out", "found.csv", &videos[0], &videos[1]]].concat();
    let (out, err) = place.run(0, &args);
    assert!(out.contains("study of 2 videos") && out.contains("Normal has no prompts"), "{out}");
    assert!(err.contains("none of this is about patients"), "{err}");
    let rows = place.rows("found.csv");
    let of = |level: &str, task: &str| rows.iter().filter(|row| row["level"] == level && row["task"] == task).count();
    // At this size EchoCLIP looks at 16 frames; grades have a row each.
    assert_eq!(["video", "frame", "study"].map(|level| of(level, "ejection_fraction")), [2, 32, 1]);
    assert_eq!(["video", "frame", "study"].map(|level| of(level, "left_ventricle_size")), [6, 96, 3]);
    let grades = rows.iter().filter(|row| row["task"] == "left_ventricle_size");
    assert!(grades.clone().all(|row| row["answer"].is_empty()), "of grades without a threshold none is chosen");
    let value = |row: &BTreeMap<String, String>| row["value"].parse::<f64>().unwrap();
    assert!(
        rows.iter().filter(|row| row["task"] == "ejection_fraction").all(|row| (0.0..=100.0).contains(&value(row)))
    );
    let json = place.run(0, &[&zero_shot[..], &["--json", &videos[0]]].concat()).0;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let first = rows.iter().find(|row| row["level"] == "video").unwrap();
    assert_eq!((json[0]["value"].as_f64(), json[0]["level"].as_str()), (Some(value(first)), Some("video")));

    // A threshold by labels, the same when it is given.
    let labels = videos.iter().enumerate().map(|(place, video)| format!("{video},{}\n", place % 2)).collect::<String>();
    fs::write(place.path("labels.csv"), format!("name,label\n{labels}")).unwrap();
    let finding =
        ["zero-shot", "--encoder", "echoclip", "--preset", "nano", "--task", "pacemaker_lead", "--csv", "data/Videos"];
    let (out, err) = place.run(0, &[&finding[..], &["--calibrate", "labels.csv"]].concat());
    let threshold = err.split("give --threshold ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(place.run(0, &[&finding[..], &["--threshold", threshold]].concat()).0, out);
    assert!(out.contains(",yes,"), "{out}");
    let (out, _) = place.run(0, &[&zero_shot[..], &["--threshold", "-1", "--csv", &videos[0]]].concat());
    assert!(
        out.lines()
            .filter(|line| line.contains("left_ventricle_size"))
            .all(|line| line.contains(",M") || line.contains(",S"))
    );
    // What cannot be asked.
    for (args, word) in [
        (&["--task", "pacemaker"][..], "pacemaker_lead"),
        (&["--task", "all", "--calibrate", "labels.csv"], "for one task"),
        (&["--task", "ejection_fraction", "--calibrate", "labels.csv"], "leave out --calibrate"),
        (&["--task", "pacemaker_lead", "--threshold", "nan"], "no number"),
    ] {
        let base = ["zero-shot", "--encoder", "echoclip", "--preset", "nano", &videos[0]];
        let (_, err) = place.run(2, &[&base[..], args].concat());
        assert!(err.contains(word), "{err}");
    }
    let (_, err) =
        place.run(2, &["zero-shot", "--encoder", "panecho", "--preset", "nano", "--task", "all", &videos[0]]);
    assert!(err.contains("no text encoder"), "{err}");
}

#[test]
fn maps_show_where_a_score_comes_from() {
    let place = Place::new(2);
    let videos: Vec<String> = place.videos().iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    let explain =
        ["explain", "--preset", "nano", "--out", "map.png", "--overlay", "map.avi", "--map", "map.npy", &videos[0]];
    let scores: [(&str, &[&str]); 3] = [
        ("echoclip", &["--prompt", "a large left ventricle"]),
        ("echoprime", &["--prompt", "a large left ventricle"]),
        ("panecho", &["--head", "LVSize", "--class", "Normal"]),
    ];
    let mut maps = Vec::new();
    for (encoder, score) in scores {
        place.run(0, &[&explain[..], &["--encoder", encoder], score].concat());
        assert!(fs::read(place.path("map.png")).unwrap().starts_with(b"\x89PNG"));
        let (out, _) = place.run(0, &["inspect", "map.avi"]);
        assert!(out.contains("mjpeg"), "{out}");
        let bytes = fs::read(place.path("map.npy")).unwrap();
        let values =
            bytes[bytes.len() % 4 + 128 / 4 * 4..].as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four));
        let most = values.clone().fold(0.0, f32::max);
        assert!(values.clone().all(|value| (0.0..=1.0).contains(&value)) && most == 1.0, "{encoder}: {most}");
        maps.push(bytes);
    }
    // Another question, another map; several videos, a folder.
    place.run(0, &[&explain[..], &["--encoder", "echoclip", "--prompt", "EF 70%"]].concat());
    assert_ne!(fs::read(place.path("map.npy")).unwrap(), maps[0]);
    let many = ["explain", "--encoder", "panecho", "--preset", "nano", "--head", "EF", "--out", "maps", "data/Videos"];
    // A spectrum in the folder is told, and is no failure.
    fs::copy(dicom("doppler.dcm"), place.path("data/Videos/doppler.dcm")).unwrap();
    let (out, err) = place.run(0, &[&many[..], &["--json"]].concat());
    assert!(err.contains("left out") && err.contains("a Doppler spectrum") && err.contains("2 maps of EF"), "{err}");
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(rows.as_array().unwrap().len() == 2 && rows[0]["frame"].is_u64(), "{out}");
    assert!(place.path(rows[1]["out"].as_str().unwrap()).exists(), "{out}");
    assert_eq!(fs::read_dir(place.path("maps")).unwrap().count(), 2);
    // What cannot be explained.
    for (args, word) in [
        (&["--encoder", "panecho", "--head", "EFF"][..], "did you mean"),
        (&["--encoder", "panecho", "--head", "LVSize", "--class", "huge"], "Normal"),
        (&["--encoder", "panecho", "--prompt", "a heart"], "no text encoder"),
        (&["--encoder", "echoclip", "--head", "EF"], "--prompt"),
    ] {
        let (_, err) = place.run(2, &[&explain[..], args].concat());
        assert!(err.contains(word), "{err}");
    }
}

/// The adapters that a benchmark of `names` keeps, in that order.
fn fitted<const N: usize>(place: &Place, names: [&str; N], flags: &[&str], out: &str) -> [String; N] {
    let bench = ["bench", "--encoder", "echoclip", "--data", "data", "--shots", "1", "--seeds", "1"];
    let joined = names.join(",");
    let flags = [flags, &["--no-zero-shot", "--save-adapters", "--out", out, "--adapter", &joined]].concat();
    place.run(0, &[&bench[..], &flags].concat());
    let kept = fs::read_dir(place.path(out).join("adapters")).unwrap();
    let kept: Vec<String> = kept.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    names.map(|name| kept.iter().find(|path| path.contains(&format!("/echoclip-{name}-"))).unwrap().clone())
}

/// Width and height of the picture.
fn size_of(place: &Place, png: &str) -> (u32, u32) {
    image::load_from_memory(&fs::read(place.path(png)).unwrap()).unwrap().to_rgb8().dimensions()
}

#[test]
fn maps_show_what_a_fitted_adapter_predicts_from() {
    let place = Place::new(24);
    let video = place.videos()[0].to_str().unwrap().to_owned();
    let names = ["linear", "mfl", "echozoom", "lora", "zero-shot-ranks"];
    let [linear, mfl, echozoom, lora, ranks] = fitted(&place, names, &["--random-init", "--smoke"], "out");
    let explain = |code: i32, file: &str, flags: &[&str]| {
        let base = ["explain", "--adapter-file", file, &video, "--out", "map.png"];
        place.run(code, &[&base[..], flags].concat()).1
    };
    let said = explain(0, &linear, &["--map", "linear.npy"]);
    assert!(said.contains("1 map of EF by EchoCLIP + linear in map.png") && said.contains("mean nothing"), "{said}");
    let plain = size_of(&place, "map.png");

    // Attention over frames: a strip below each of them, and a table of their weights.
    let files = ["--map", "mfl.npy", "--attention", "mfl.csv", "--overlay", "mfl.gif"];
    explain(0, &mfl, &files);
    let rows = place.rows("mfl.csv");
    // EchoCLIP nano has 16 frames, and so six rows of the picture.
    assert_eq!(rows.len(), 16);
    assert_eq!(size_of(&place, "map.png"), (plain.0, plain.1 + 6 * 10));
    let weights: Vec<f64> = rows.iter().map(|row| row["weight"].parse().unwrap()).collect();
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{weights:?}");
    let numbers: Vec<usize> = rows.iter().map(|row| row["frame"].parse().unwrap()).collect();
    assert!(numbers[0] == 0 && numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");

    // A GIF of as many frames, which takes as long as the heart did.
    let mut gif = gif::DecodeOptions::new().read_info(fs::File::open(place.path("mfl.gif")).unwrap()).unwrap();
    let (mut frames, mut hundredths) = (0, 0);
    while let Some(frame) = gif.read_next_frame().unwrap() {
        (frames, hundredths) = (frames + 1, hundredths + usize::from(frame.delay));
    }
    assert_eq!((frames, gif.repeat()), (16, gif::Repeat::Infinite));
    let stride = numbers[1] - numbers[0];
    let true_time = 100.0 * (16 * stride) as f64 / 50.0;
    assert!((hundredths as f64 - true_time).abs() <= 1.0, "{hundredths} instead of {true_time}");

    explain(0, &echozoom, &["--map", "echozoom.npy"]);
    explain(0, &lora, &["--map", "lora.npy"]);
    let map = |name: &str| fs::read(place.path(name)).unwrap();
    let maps = ["linear.npy", "mfl.npy", "echozoom.npy", "lora.npy"].map(map);
    assert!(maps.windows(2).all(|pair| pair[0].len() == pair[1].len() && pair[0] != pair[1]));

    // Several videos: a folder of each.
    let videos = place.videos();
    let many = ["explain", "--adapter-file", &mfl, &video, videos[1].to_str().unwrap()];
    place.run(0, &[&many[..], &["--out", "maps", "--overlay", "films", "--attention", "weights"]].concat());
    let held = |folder: &str, ending: &str| {
        let files = fs::read_dir(place.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|found| found == ending)).count()
    };
    assert_eq!([held("maps", "png"), held("films", "avi"), held("weights", "csv")], [2; 3]);

    // What cannot be explained.
    let said = explain(1, &ranks, &[]);
    assert!(said.contains(&ranks) && said.contains("zero-shot-ranks") && said.contains("no gradient"), "{said}");
    for (file, flags, word) in [
        (&linear, &["--attention", "w.csv"][..], "the adapter linear has no attention over frames"),
        (&linear, &["--class", "poor"], "leave out --class"),
        (&linear, &["--encoder", "echoclip"], "cannot be used with"),
        (&linear, &["--prompt", "a heart"], "cannot be used with"),
        (&linear, &["--text-weights", "w.safetensors"], "leave out --text-weights"),
        (&linear, &["--overlay", "map.mov"], "--overlay map.mov: give a file that ends in .avi or .gif"),
        (&mfl, &["--attention", "w.txt"], "--attention w.txt: give a file that ends in .csv"),
        (&mfl, &["--precision", "bf16"], "--precision f32"),
    ] {
        let said = explain(2, file, flags);
        assert!(said.contains(word), "{word}: {said}");
    }
    fs::write(place.path("torn.safetensors"), &fs::read(&linear).unwrap()[..300]).unwrap();
    assert!(explain(1, "torn.safetensors", &[]).contains("torn.safetensors"));
}

#[test]
fn maps_of_classes_are_of_the_predicted_one_or_of_the_named() {
    let place = Place::new(24);
    let video = place.videos()[0].to_str().unwrap().to_owned();
    let map = |file: &str, flags: &[&str]| {
        let base = ["explain", "--adapter-file", file, &video, "--out", "map.png", "--map", "map.npy"];
        let said = place.run(0, &[&base[..], flags].concat()).1;
        (fs::read(place.path("map.npy")).unwrap(), said)
    };
    let [grades] = fitted(&place, ["linear"], &["--task", "ef-grade", "--smoke"], "grades");
    let predict = ["predict", "--adapter-file", &grades, &video, "--out", "predicted.csv"];
    place.run(0, &predict);
    let rows = place.rows("predicted.csv");
    let answer = &rows[0]["answer"];
    let other = rows.iter().map(|row| &row["class"]).find(|class| *class != answer).unwrap();
    let (predicted, said) = map(&grades, &[]);
    assert!(said.contains("1 map of ef-grade by"), "{said}");
    assert_eq!(map(&grades, &["--class", answer]).0, predicted);
    let (of_other, said) = map(&grades, &["--class", other]);
    assert!(of_other != predicted && said.contains(&format!("({other}) by")), "{said}");
    let unknown = ["explain", "--adapter-file", &grades, &video, "--out", "map.png", "--class", "huge"];
    assert!(place.run(2, &unknown).1.contains(answer));

    // Of two classes yes; no is where it has the opposite sign.
    let [reduced] = fitted(&place, ["linear"], &["--task", "ef-reduced", "--smoke"], "binary");
    let (yes, said) = map(&reduced, &[]);
    assert!(said.contains("(reduced) by EchoCLIP + linear"), "{said}");
    assert_eq!(map(&reduced, &["--class", "reduced"]).0, yes);
    assert_ne!(map(&reduced, &["--class", "not reduced"]).0, yes);
}

/// Several clips of a video: all of them are explained, as all of them are predicted from.
#[test]
fn maps_of_adapters_are_of_the_clips_that_they_were_fitted_on() {
    let place = Place::new(24);
    let config =
        "bootstrap = 10\n[recipes.mfl]\ntrain.epochs = 1\nclip = { frames = 5, stride = 2, size = 96, clips = 3 }";
    fs::write(place.path("clips.toml"), config).unwrap();
    let [mfl] = fitted(&place, ["mfl"], &["--random-init", "--config", "clips.toml"], "out");
    let video = place.videos()[0].to_str().unwrap().to_owned();
    let files = ["--out", "map.png", "--map", "map.npy", "--attention", "weights.csv"];
    place.run(0, &[&["explain", "--adapter-file", &mfl, &video][..], &files].concat());
    let rows = place.rows("weights.csv");
    assert_eq!(rows.len(), 3 * 5);
    let number = |place: usize| rows[place]["frame"].parse::<usize>().unwrap();
    assert!(number(0) == 0 && number(1) == 2 && number(5) > 0 && number(10) > number(5), "{rows:?}");
    let bytes = fs::read(place.path("map.npy")).unwrap();
    let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
    assert!(header.contains("(15, 96, 96,"), "{header}");
}

#[test]
fn heads_speak_of_every_folder_as_a_study() {
    let place = Place::new(4);
    for (video, study) in place.videos().iter().zip(["a", "a", "b", "b"]) {
        fs::create_dir_all(place.path(study)).unwrap();
        fs::copy(video, place.path(study).join(video.file_name().unwrap())).unwrap();
    }
    let predict = ["predict", "--encoder", "panecho", "--preset", "nano", "--heads", "EF", "--studies", "--clips", "2"];
    // What weights lack is told before anything is read.
    let (_, err) =
        place.run(2, &["predict", "--encoder", "panecho", "--preset", "nano", "a", "--heads", "EF,AVStenosis"]);
    assert!(
        err.contains("lack the head AVStenosis; they have") && err.contains("LVSize") && !err.contains("clips"),
        "{err}"
    );
    let (out, _) = place.run(0, &[&predict[..], &["a", "b", "--out", "heads.csv"]].concat());
    assert!(out.contains("over its clips"), "{out}");
    let rows = place.rows("heads.csv");
    let values = |level: &str| -> Vec<f64> {
        rows.iter().filter(|row| row["level"] == level).map(|row| row["value"].parse().unwrap()).collect()
    };
    let (videos, studies) = (values("video"), values("study"));
    assert_eq!((videos.len(), studies.len()), (4, 2));
    assert!((studies[0] - (videos[0] + videos[1]) / 2.0).abs() < 1e-4, "{videos:?} {studies:?}");
}

#[test]
fn videos_and_reports_are_found_again() {
    let place = Place::new(6);
    let nano = ["--encoder", "echoclip", "--preset", "nano"];
    let index = |args: &[&str]| place.run(0, &[&["index"][..], &nano, args].concat()).1;
    let retrieve = |args: &[&str]| place.run(0, &[&["retrieve"][..], &nano, args].concat()).0;
    // A spectrum in the folder is told, and is no failure.
    fs::copy(dicom("doppler.dcm"), place.path("data/Videos/doppler.dcm")).unwrap();
    let said = index(&["data/Videos", "--out", "videos", "--f16"]);
    assert!(said.contains("6 rows in videos") && said.contains("a Doppler spectrum"), "{said}");
    fs::remove_file(place.path("data/Videos/doppler.dcm")).unwrap();
    // A video is most similar to itself.
    for video in place.videos() {
        let found = retrieve(&["--index", "videos", "-k", "2", "--csv", video.to_str().unwrap()]);
        let first = found.lines().nth(1).unwrap();
        let name = video.file_name().unwrap().to_str().unwrap();
        assert!(first.split(',').nth(2).unwrap().ends_with(name) && found.lines().count() == 3, "{found}");
    }
    // Again: the same files; one of another name keeps its row, one that is gone has none.
    let before = fs::read(place.path("videos/index.json")).unwrap();
    index(&["data/Videos", "--out", "videos", "--f16"]);
    assert_eq!(fs::read(place.path("videos/index.json")).unwrap(), before);
    fs::rename(&place.videos()[0], place.path("data/Videos/renamed.avi")).unwrap();
    fs::remove_file(place.videos().last().unwrap()).unwrap();
    fs::remove_file(&place.videos()[0]).unwrap();
    let err = index(&["data/Videos", "--out", "videos", "--f16"]);
    assert!(!err.contains("clips:"), "nothing is embedded: {err}");
    let rows = |folder: &str| {
        let table = fs::read_dir(place.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let table =
            table.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "csv")).unwrap();
        place.rows(table.to_str().unwrap())
    };
    let left = place.videos().len();
    assert_eq!(rows("videos").len(), left);

    // Texts, by a video, and how well they are found.
    fs::write(place.path("reports.csv"), "name,text\na,a large left ventricle\nb,EF 70%\nc,EF 20%\n").unwrap();
    index(&["--reports", "reports.csv", "--out", "texts"]);
    let video = place.videos()[0].to_str().unwrap().to_owned();
    let found = retrieve(&["--index", "texts", "--json", &video]);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 3);
    let ranks = retrieve(&["--index", "texts", "--labels", "reports.csv", "--csv"]);
    assert!(ranks.contains("recall@1,1,3,3") && ranks.contains("median rank,1,3,3"), "{ranks}");

    // Pairs: a row with itself, and with others.
    let names: Vec<String> = rows("videos").into_iter().map(|row| row["name"].clone()).collect();
    let pairs: String = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let other = &names[(at + 1) % names.len()];
            format!("{name},{name},1,{at}\n{name},{other},0,{at}\n")
        })
        .collect();
    fs::write(place.path("pairs.csv"), format!("first,second,same,patient\n{pairs}")).unwrap();
    let told = retrieve(&["--index", "videos", "--pairs", "pairs.csv", "--csv"]);
    assert!(told.contains("same patient,1,1,1,"), "{told}");

    // What cannot be asked.
    let refused = |code: i32, args: &[&str]| place.run(code, &[&["retrieve"][..], args].concat()).1;
    let other = ["--encoder", "echoprime", "--preset", "nano", "--index", "videos", "--text", "EF 70%"];
    assert!(refused(1, &other).contains("encoder"), "other weights than the index's");
    let none = ["--encoder", "echoclip", "--preset", "nano", "--index", "data", "--text", "EF 70%"];
    assert!(refused(1, &none).contains("data"));
    let nothing = ["--encoder", "echoclip", "--preset", "nano", "--index", "videos"];
    assert!(refused(2, &nothing).contains("nothing to look for"));
    fs::write(place.path("wrong.csv"), "name,text\nz,EF 70%\n").unwrap();
    let wrong = ["--encoder", "echoclip", "--preset", "nano", "--index", "texts", "--labels", "wrong.csv"];
    assert!(refused(1, &wrong).contains("no row of the index is called \"z\""));
}
