//! A study in, a table and a page out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use echo_video::{OpenOptions, Video};
use echoprime::Assets;

use crate::clinical::dicom;
use crate::place::{Place, name};

/// A study of two phantoms, a loop, and what else lies in a study's folder.
fn study(place: &Place) -> PathBuf {
    let folder = place.path("s1");
    fs::create_dir_all(folder.join("more")).unwrap();
    for (number, video) in place.videos().iter().take(2).enumerate() {
        fs::copy(video, folder.join(format!("phantom{number}.avi"))).unwrap();
    }
    for name in ["single_frame.dcm", "doppler.dcm", "structured_report.dcm"] {
        fs::copy(dicom(name), folder.join("more").join(name)).unwrap();
    }
    fs::copy(dicom("rgb_explicit.dcm"), folder.join("loop.dcm")).unwrap();
    fs::write(folder.join("notes.txt"), "no video").unwrap();
    folder
}

/// Rows of the study, or of a video.
fn of<'a>(
    rows: &'a [BTreeMap<String, String>],
    level: &'a str,
    finding: &'a str,
) -> impl Iterator<Item = &'a BTreeMap<String, String>> {
    rows.iter().filter(move |row| row["level"] == level && row["finding"] == finding)
}

fn value(row: &BTreeMap<String, String>) -> f64 {
    row["value"].parse().unwrap()
}

#[test]
fn a_study_becomes_a_table_and_a_page_with_what_was_left_out() {
    let place = Place::new(4);
    study(&place);
    let outs = ["--out", "study.html", "--out", "study.csv", "--out", "study.json"];
    let (out, err) = place.run(0, &[&["study", "s1", "--maps", "1"][..], &outs].concat());
    for part in [
        "PanEcho (nano)",
        "EchoCLIP (nano)",
        "By prompts",
        "Left ventricle",
        "nano weights, which have seen no patient",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    // Each is told once, whatever the number of encoders, and is no fault of a folder.
    for part in
        ["more/doppler.dcm: no ultrasound", "more/single_frame.dcm: no ultrasound", "a structured report (DICOM)"]
    {
        assert_eq!(err.matches(part).count(), 1, "{part}: {err}");
    }
    assert!(err.contains("not for clinical use"), "{err}");

    let rows = place.rows("study.csv");
    // Who was taught the names of views alone is asked for no measurement.
    let is_asked = |row: &&BTreeMap<String, String>| row["finding"] == "ejection_fraction" && row["level"] == "study";
    let asked: Vec<&str> = rows.iter().filter(is_asked).map(|row| row["encoder"].as_str()).collect();
    assert_eq!(asked, ["EchoCLIP (nano)", "EchoPrime (nano)"]);
    // Several encoders have such a head.
    let by_panecho = |row: &&BTreeMap<String, String>| row["encoder"].starts_with("PanEcho");
    let videos: Vec<f64> = of(&rows, "video", "EF").filter(by_panecho).map(value).collect();
    let whole: Vec<&BTreeMap<String, String>> = of(&rows, "study", "EF").filter(by_panecho).collect();
    assert_eq!((videos.len(), whole.len()), (3, 1));
    assert!((videos.iter().sum::<f64>() / 3.0 - value(whole[0])).abs() < 1e-9);
    let ends = [&whole[0]["lowest"], &whole[0]["highest"]].map(|end| end.parse::<f64>().unwrap());
    assert_eq!(ends, [videos.iter().copied().fold(f64::MAX, f64::min), videos.iter().copied().fold(0.0, f64::max)]);
    assert!(whole[0]["warning"].contains("1 of 3 videos with warnings") && whole[0]["unit"] == "%", "{:?}", whole[0]);
    let predict =
        ["predict", "--encoder", "panecho", "--preset", "nano", "s1", "--study", "--heads", "EF", "--out", "p.csv"];
    place.run(0, &predict);
    let predicted = place.rows("p.csv");
    assert_eq!(predicted.last().unwrap()["value"], whole[0]["value"]);
    let json: Vec<serde_json::Value> = serde_json::from_str(&place.read("study.json")).unwrap();
    assert_eq!(json.len(), rows.len());

    let page = place.read("study.html");
    for part in [
        "Not for clinical use.",
        "nano weights know no patients",
        "Study s1",
        "EchoViewCLIP (nano)",
        "class=\"strip\"",
        "52 to 72 (men), 54 to 74 (women)",
        "Lang et al., J Am Soc Echocardiogr 2015;28:1-39",
        "doppler.dcm: no ultrasound sector is found: it shows a Doppler spectrum",
        "structured_report.dcm: not a video: a structured report",
        "1 other file, no video by name or content",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Three videos, and a frame and its map by each encoder that says something of the ejection fraction of hearts.
    let says_ef = |entry: &&echo_zoo::Entry| {
        let capabilities = &entry.card.capabilities;
        entry.card.of_hearts && (capabilities.findings || capabilities.heads.iter().any(|head| head.name == "EF"))
    };
    let encoders = echo_zoo::ZOO.iter().filter(says_ef).count();
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 3 + encoders * 2);
    assert!(!page.contains("://") && !page.contains("<script"), "nothing is fetched or run");
    assert!(!page.contains("Phantom") && !page.contains("PHANTOM"), "no tag of a patient");

    // What has nothing to say is no result.
    let (_, err) = place.run(2, &["study", "s1", "--encoder", "mvit-kinetics", "--preset", "nano"]);
    assert!(err.contains("MViTv2-S") && err.contains("nothing to say"), "{err}");
    // A damaged video is a fault, and the others are read all the same; so are a name that promises a video, and a still or
    // spectrum that is named.
    fs::write(place.path("s1/broken.avi"), "no video").unwrap();
    let (_, err) = place.run(1, &["study", "s1", "--encoder", "panecho", "--preset", "nano"]);
    assert!(err.contains("broken.avi: not a video"), "{err}");
    let cut = fs::read(place.path("s1/phantom0.avi")).unwrap();
    fs::write(place.path("s1/broken.avi"), &cut[..cut.len() / 2]).unwrap();
    let (out, err) = place.run(1, &["study", "s1", "--encoder", "panecho", "--preset", "nano", "--csv"]);
    assert!(err.contains("1 of 4 inputs") && out.contains("study of 3 of 7 videos"), "{err}{out}");
    place.run(1, &["study", "s1/phantom0.avi", "s1/more/doppler.dcm", "--encoder", "panecho", "--preset", "nano"]);
}

#[test]
fn results_never_take_the_place_of_what_is_read() {
    let place = Place::new(1);
    let bytes = fs::read(&place.videos()[0]).unwrap();
    let refused = |name: &str, args: &[&str]| {
        fs::write(place.path(name), &bytes).unwrap();
        let (_, err) = place.run(2, args);
        assert!(err.contains("this file is read"), "{args:?}: {err}");
        assert_eq!(fs::read(place.path(name)).unwrap(), bytes, "{args:?}");
    };
    let nano = ["--encoder", "panecho", "--preset", "nano"];
    let with = |args: &[&'static str]| [args, &nano].concat();
    refused("w.npy", &["inspect", "w.npy", "--frames", "./w.npy"]);
    refused("w.png", &["inspect", "w.png", "--before-after", "w.png"]);
    refused("w.csv", &with(&["predict", "w.csv", "--out", "w.csv"]));
    refused("w.csv", &with(&["embed", "w.csv", "--out", "w.csv"]));
    refused("w.html", &with(&["study", "w.html", "--out", "w.html"]));
    refused("w.avi", &with(&["explain", "w.avi", "--head", "EF", "--out", "map.png", "--overlay", "w.avi"]));
    fs::create_dir(place.path("all")).unwrap();
    refused("all/w.csv", &with(&["predict", "all", "--out", "all/w.csv"]));
    let zero_shot =
        ["zero-shot", "w.csv", "--encoder", "echoclip", "--preset", "nano", "--task", "all", "--out", "w.csv"];
    refused("w.csv", &zero_shot);
    refused(
        "w.safetensors",
        &["convert", "--encoder", "echoclip", "--weights", "w.safetensors", "--out", "w.safetensors"],
    );
    refused("w.safetensors", &["convert", "--adapter-file", "w.safetensors", "--out", "./w.safetensors"]);
}

#[test]
fn an_empty_prompt_is_refused() {
    let place = Place::new(1);
    let video = &place.videos()[0];
    let explain = ["explain", name(video), "--encoder", "echoclip", "--preset", "nano", "--out", "map.png"];
    let (_, err) = place.run(2, &[&explain[..], &["--prompt", " "]].concat());
    assert!(err.contains("--prompt is empty"), "{err}");
}

/// What stands beside the sector is in no picture, whatever the file is.
#[test]
fn pictures_of_an_avi_show_its_sector_alone() {
    let place = Place::new(1);
    let video = Video::open(&place.videos()[0], &OpenOptions::default()).unwrap();
    let mut frames = video.decode_all().unwrap();
    let (width, height) = (frames.width, frames.height);
    let jpegs: Vec<Vec<u8>> = frames
        .data
        .chunks_exact_mut(width * height * 3)
        .map(|frame| {
            // A bar in the corner.
            (0..12).for_each(|row| frame[row * width * 3..][..20 * 3].fill(255));
            let mut jpeg = Vec::new();
            let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 95);
            encoder.encode(frame, width as u16, height as u16, jpeg_encoder::ColorType::Rgb).unwrap();
            jpeg
        })
        .collect();
    place.write_jpegs("named.avi", width, jpegs.iter().map(Vec::as_slice));
    let explain =
        ["explain", "named.avi", "--encoder", "panecho", "--preset", "nano", "--head", "EF", "--out", "map.png"];
    // The brightest of the corner of the first frame, below the title's lines and the frame's number.
    let brightest = |args: &[&str]| {
        place.run(0, &[&explain[..], args].concat());
        let sheet = image::open(place.path("map.png")).unwrap().to_luma8();
        let top = (0..sheet.height()).step_by(12).find(|top| sheet.height() - top == 6 * 80 - 4).unwrap();
        (0..8).flat_map(|x| (0..5).map(move |y| (x, y))).map(|(x, y)| sheet.get_pixel(x, top + 12 + y).0[0]).max()
    };
    assert!(brightest(&["--mask", "none"]) > Some(200));
    assert!(brightest(&[]) < Some(40));
}

/// EchoPrime's weights are random here, and its archive is made up: the arithmetic counts.
#[test]
fn an_archive_gives_a_study_its_phenotypes_and_report() {
    let place = Place::new(0);
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../echoprime/tests/fixtures/assets");
    let assets = assets.to_str().unwrap();
    let files = ["loop.dcm", "other.dcm"];
    fs::copy(dicom("rgb_explicit.dcm"), place.path(files[0])).unwrap();
    fs::copy(dicom("jpegls_rgb.dcm"), place.path(files[1])).unwrap();
    let archive = ["--assets", assets, "--neighbours", "7"];
    // What is wrong is told before anything is computed.
    let refused = |args: &[&str], part: &str| {
        let (_, err) = place.run(2, &[&[args[0], files[0], "--assets", assets][..], &args[1..]].concat());
        assert!(err.contains(part), "{part}: {err}");
    };
    refused(&["study", "--encoder", "echoclip", "--preset", "nano"], "give --encoder echoprime");
    refused(&["study", "--preset", "nano", "--neighbours", "7"], "embeddings of length 512");
    refused(&["predict", "--encoder", "panecho", "--preset", "nano"], "give --encoder echoprime");
    refused(&["study", "--encoder", "echoprime", "--random-init"], "--neighbours 50 of the 40 studies");

    let full = ["--encoder", "echoprime", "--random-init"];
    let study = [&["study", files[0], files[1], "--out", "s.csv", "--out", "s.html"][..], &full, &archive].concat();
    let (out, _) = place.run(0, &study);
    assert!(out.contains("random weights") && out.contains("Report"), "{out}");
    place.run(0, &[&["embed", files[0], files[1], "--out", "e.csv"][..], &full].concat());

    let rows = place.rows("s.csv");
    let read = Assets::open(Path::new(assets)).unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let mut sum = vec![0.0; read.dim];
    for row in place.rows("e.csv") {
        let views = of(&rows, "video", "view").filter(|view| view["name"] == row["name"]);
        let view = views.max_by(|one, other| value(one).total_cmp(&value(other))).unwrap()["class"].clone();
        let weights = fs::read_to_string(format!("{assets}/MIL_weights.csv")).unwrap();
        let table: Vec<Vec<&str>> = weights.lines().map(|line| line.split(',').collect()).collect();
        let column = table[0].iter().position(|name| *name == view).unwrap();
        let weight = number(table.iter().find(|line| line[0] == "Left Ventricle").unwrap()[column]);
        (0..read.dim).for_each(|place| sum[place] += weight * number(&row[&format!("e{place}")]));
    }
    let similarity = |candidate: usize| -> f64 {
        let of = &read.embeddings[candidate * read.dim..][..read.dim];
        of.iter().zip(&sum).map(|(&one, other)| f64::from(one) * other).sum()
    };
    let mut order: Vec<usize> = (0..read.candidates()).collect();
    order.sort_by(|&one, &other| similarity(other).total_cmp(&similarity(one)));
    let labels = order[..7].iter().map(|&candidate| f64::from(read.labels["ejection_fraction"][candidate]));
    let labels: Vec<f64> = labels.filter(|label| !label.is_nan()).collect();
    let expected = labels.iter().sum::<f64>() / labels.len() as f64;
    let found = of(&rows, "study", "ejection_fraction").next().unwrap();
    assert!(!found["warning"].contains("--compat"), "{found:?}");
    assert!((value(found) - expected).abs() < 1e-4, "{found:?}, expected {expected}");

    // Upstream's code has the first section right, and says nothing; here every row says how it was asked.
    let (out, _) = place.run(
        0,
        &[&["study", files[0], files[1], "--compat", "echoprime", "--out", "c.csv"][..], &full, &archive].concat(),
    );
    let upstream = place.rows("c.csv");
    let ejection = of(&upstream, "study", "ejection_fraction").next().unwrap();
    assert!(ejection["value"] == found["value"] && ejection["warning"].contains("--compat echoprime"), "{ejection:?}");
    assert!(out.contains("--compat echoprime"), "{out}");

    let sections: Vec<&str> =
        rows.iter().filter(|row| row["section"] == "Report").map(|row| row["finding"].as_str()).collect();
    assert_eq!(sections, ["Left Ventricle", "Right Ventricle", "Aortic Valve", "Pericardium"]);
    let page = place.read("s.html");
    assert!(page.contains("Report from similar studies") && page.contains("of another patient"));
    assert!(page.contains("<summary>view <strong>"), "views with probabilities");
}
