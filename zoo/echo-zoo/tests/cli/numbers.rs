//! Numbers that may mean nothing.

use std::collections::{BTreeMap, HashMap};

use echo_phantom::{DatasetSpec, write_dataset};
use safetensors::tensor::{Dtype, TensorView};

use crate::place::{Place, name};

const NANO: &str = "nano weights, which have seen no patient";
const STILL: &str = "a still picture to the encoder: 1 distinct frame of 16";
const REAL: &str = "--preset full --weights FILE";

/// Warnings of the first rows of each name.
fn warnings(place: &Place, file: &str) -> BTreeMap<String, String> {
    place.rows(file).into_iter().map(|row| (row["name"].clone(), row["warning"].clone())).collect()
}

#[test]
fn nano_weights_warn_of_all_that_is_not_known_to_be_a_phantom() {
    let place = Place::new(4);
    let phantom = &place.videos()[0];
    // Of an absolute path the last part is the name.
    let called = phantom.file_name().unwrap().to_string_lossy().into_owned();
    std::fs::copy(phantom, place.path("phantom-7.avi")).unwrap();
    let predict = ["predict", "--encoder", "panecho", "--preset", "nano", "--task", "EF", "--out", "heads.csv"];
    let (out, err) = place.run(0, &[&predict[..], &["phantom-7.avi", name(phantom)]].concat());
    let found = warnings(&place, "heads.csv");
    assert_eq!((found["phantom-7.avi"].as_str(), found[&called].as_str()), (NANO, "phantom"));
    assert_eq!(out.matches(&format!("! {NANO}")).count(), 1, "{out}");
    assert!(err.contains(REAL) && err.contains("1 of these inputs"), "{err}");
    let (out, err) = place.run(0, &[&predict[..], &[name(phantom)]].concat());
    assert!(
        out.contains("! phantom") && !err.contains(REAL) && err.contains("none of this is about patients"),
        "{out}{err}"
    );

    let embed = ["embed", "--encoder", "echoclip", "--preset", "nano"];
    let (_, err) = place.run(0, &[&embed[..], &["phantom-7.avi", "--out", "e.csv"]].concat());
    assert_eq!(warnings(&place, "e.csv")["phantom-7.avi"], NANO);
    assert!(err.contains(REAL), "{err}");
    let random = ["--random-init", "--out", "e.csv", name(phantom)];
    let (_, err) = place.run(0, &[&embed[..], &random].concat());
    assert_eq!(warnings(&place, "e.csv")[&called], "random weights");
    assert!(err.contains("random: these numbers mean nothing"), "{err}");
    // Arrays have no place for it, so a table lies beside them.
    place.run(0, &[&embed[..], &["phantom-7.avi", name(phantom), "--out", "e.npy"]].concat());
    let beside = place.rows("e.npy.csv");
    let of = |row: usize| ["row", "name", "warning"].map(|column| beside[row][column].as_str());
    assert_eq!([of(0), of(1)], [["0", "phantom-7.avi", NANO], ["1", &called, "phantom"]]);
    // Texts have no phantoms.
    place.run(0, &[&embed[..], &["--text", "a heart", "--out", "e.csv"]].concat());
    assert_eq!(warnings(&place, "e.csv")["a heart"], NANO);
}

#[test]
fn clips_that_show_little_warn_beside_their_numbers() {
    let place = Place::new(0);
    place.write_video("still.avi", [3; 90]);
    place.write_video("one.avi", [3]);
    // At a stride of 5 the encoder looks at 16 frames, and finds 7, or 8.
    place.write_video("short.avi", 0..35);
    place.write_video("late.avi", std::iter::repeat_n(3, 70).chain(20..36));
    place.write_video("enough.avi", 0..36);
    let predict = ["predict", "--encoder", "panecho", "--preset", "nano", "--task", "EF", "--out", "heads.csv"];
    let (out, err) =
        place.run(0, &[&predict[..], &["still.avi", "one.avi", "short.avi", "late.avi", "enough.avi"]].concat());
    let found = warnings(&place, "heads.csv");
    // It moves at its end alone, of which the encoder sees two frames.
    let few = |frames: usize| format!("less than half of what the encoder looks at: {frames} distinct frames of 16");
    let (short, late) = (few(7), few(3));
    let expected = [("still.avi", STILL), ("one.avi", STILL), ("short.avi", &short), ("late.avi", &late)];
    for (video, doubt) in expected {
        assert_eq!(found[video], format!("{NANO}; {doubt}"));
        assert!(err.contains(&format!("{video}: {doubt}; used all the same")), "{err}");
        assert!(out.contains(&format!("! {NANO}; {doubt}")), "{out}");
    }
    assert_eq!(found["enough.avi"], NANO);
    let embed = ["embed", "--encoder", "echoclip", "--preset", "nano", "--out", "e.csv"];
    place.run(0, &[&embed[..], &["still.avi"]].concat());
    assert_eq!(warnings(&place, "e.csv")["still.avi"], format!("{NANO}; {STILL}"));
    let (out, _) = place.run(0, &["inspect", "still.avi", "--encoder", "panecho"]);
    assert!(out.contains(STILL), "{out}");
}

#[test]
fn ready_clips_that_were_not_normalised_or_show_little_warn() {
    let place = Place::new(4);
    let video = &place.videos()[0];
    place.run(0, &["inspect", name(video), "--encoder", "panecho", "--preset", "nano", "--clip", "clip.safetensors"]);
    let bytes = std::fs::read(place.path("clip.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor("clip").unwrap();
    let good: Vec<f32> = view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    // Grey levels, as they are before normalising.
    let grey: Vec<f32> = (0..good.len()).map(|place| ((place + place / 4096 * 40) % 256) as f32).collect();
    let still: Vec<f32> = good.iter().map(|_| 0.5).collect();
    let values = [good, grey, still].concat();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![3, 3, 16, 64, 64], &bytes).unwrap();
    let bytes = safetensors::serialize(HashMap::from([("clip", view)]), None).unwrap();
    std::fs::write(place.path("clips.safetensors"), bytes).unwrap();
    let predict = ["predict", "--encoder", "panecho", "--preset", "nano", "--task", "EF", "--out", "heads.csv"];
    let (_, err) = place.run(0, &[&predict[..], &["--tensor", "clips.safetensors"]].concat());
    let found = warnings(&place, "heads.csv");
    assert_eq!(found["clip 0"], NANO);
    let gives = "where the encoder's normalisation of pixels gives -2.12 for black to 2.25 for white";
    let range = format!("values from 0.00 to 255.00, {gives}");
    let scaled = format!("values from 0.50 to 0.50, {gives}");
    assert_eq!(found["clip 1"], format!("{NANO}; {range}"));
    assert_eq!(found["clip 2"], format!("{NANO}; {STILL}; {scaled}"));
    assert!(err.contains(&format!("clip 1: {range}")), "{err}");

    // Half of its frames.
    let frames = values[..3 * 16 * 64 * 64].chunks(16 * 64 * 64).flat_map(|channel| &channel[..8 * 64 * 64]);
    let bytes: Vec<u8> = frames.flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![1, 3, 8, 64, 64], &bytes).unwrap();
    let bytes = safetensors::serialize(HashMap::from([("clip", view)]), None).unwrap();
    std::fs::write(place.path("clips.safetensors"), bytes).unwrap();
    place.run(0, &[&predict[..], &["--tensor", "clips.safetensors"]].concat());
    let size = "frames, height and width are [8, 64, 64], where the encoder's own clips have [16, 64, 64]";
    assert_eq!(warnings(&place, "heads.csv")["clip 0"], format!("{NANO}; {size}"));
}

#[test]
fn a_benchmark_of_patients_asks_for_a_preset_and_warns_in_every_file() {
    let place = Place::new(24);
    let bench = ["bench", "--encoder", "echoclip", "--adapter", "linear", "--data", "data", "--smoke", "--out", "out"];
    let (out, _) = place.run(0, &bench);
    assert!(!out.contains("WARNING"), "{out}");
    assert!(place.rows("out/predictions.csv").iter().all(|row| row["warning"].is_empty()));

    // A patient among the phantoms, under a phantom's name; and one whose video is still.
    let test = place.rows("data/FileList.csv").into_iter().filter(|row| row["Split"] == "TEST");
    let test: Vec<String> = test.map(|row| row["FileName"].clone()).collect();
    place.write_video(&format!("data/Videos/{}.avi", test[0]), 0..90);
    place.write_video(&format!("data/Videos/{}.avi", test[1]), [5; 90]);
    let (_, err) = place.run(2, &bench);
    assert!(err.contains("--preset full --weights FILE") && err.contains("--preset nano"), "{err}");
    // A second test set of patients is no better.
    write_dataset(&place.path("clean"), &DatasetSpec::with_total(4, 6), &|_, _| ()).unwrap();
    let with_external = ["bench", "--data", "clean", "--external", "data", "--out", "out"];
    assert!(place.run(2, &with_external).1.starts_with("error: data: not all of these videos"));
    std::fs::remove_dir_all(place.path("out")).unwrap();
    let (out, err) = place.run(0, &[&bench[..], &["--preset", "nano"]].concat());
    let warning = "Nano weights know no patients, and these videos are not known to be phantoms: echoclip.";
    assert!(out.starts_with(&format!("WARNING: {warning}")) && out.contains(REAL), "{out}");
    assert!(err.contains(&format!("{} (used): {STILL}", test[1])), "{err}");
    for file in ["leaderboard.md", "leaderboard.tex", "leaderboard.json", "report.html"] {
        assert!(place.read(&format!("out/{file}")).contains(warning), "{file}");
    }
    let of_encoder = |row: &&BTreeMap<String, String>| row["encoder"] == "echoclip";
    let board = place.rows("out/leaderboard.csv");
    assert!(board.iter().filter(of_encoder).count() > 0);
    assert!(board.iter().filter(of_encoder).all(|row| row["warning"] == NANO));
    let predictions = || {
        let rows = place.rows("out/predictions.csv").into_iter();
        rows.map(|row| (row["video"].clone(), row["warning"].clone())).collect::<BTreeMap<_, _>>()
    };
    let found = predictions();
    assert_eq!((found[&test[0]].as_str(), found[&test[1]].as_str()), (NANO, &*format!("{NANO}; {STILL}")));
    assert_eq!(found[&test[2]], "");
    // What is kept of videos says nothing less.
    let (_, err) = place.run(0, &[&bench[..], &["--preset", "nano", "--force"]].concat());
    assert!(err.contains(STILL), "{err}");
    assert_eq!(predictions(), found);
    assert!(place.rows("out/curves.csv").iter().filter(of_encoder).all(|row| row["warning"] == NANO));
    assert!(place.read("out/runs.jsonl").lines().all(|line| line.contains(&format!("\"warning\":\"{NANO}\""))));
}

#[cfg(unix)]
#[test]
fn folders_that_are_not_utf8_are_refused_at_the_start_or_work_to_the_end() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new(24);
    let odd = std::ffi::OsStr::from_bytes(b"odd-\xff");
    std::fs::rename(place.path("data"), place.path("").join(odd)).unwrap();
    let bench = ["bench", "--encoder", "echoclip", "--adapter", "linear", "--smoke"];
    let mut command = place.command(&bench);
    let (_, err) = crate::place::ended(2, command.args(["--out", "out", "--data"]).arg(odd));
    assert!(err.contains("odd-") && err.contains("not UTF-8") && !place.path("out").exists(), "{err}");
    std::fs::rename(place.path("").join(odd), place.path("data")).unwrap();
    let mut command = place.command(&bench);
    crate::place::ended(0, command.args(["--data", "data", "--out"]).arg(odd));
    assert!(place.path("").join(odd).join("report.html").is_file());
}
