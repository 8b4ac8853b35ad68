//! What single commands write and say.

use std::collections::BTreeMap;
use std::path::Path;

use echo_zoo::ZOO;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::place::{Place, ended, name as path_of};

/// Every encoder's nano preset with random weights.
const NANO: [&str; 3] = ["--preset", "nano", "--random-init"];

fn tensor(path: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    (view.shape().to_vec(), view.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect())
}

/// Shape of a `.npy` file, from its header.
fn npy_shape(path: &Path) -> Vec<usize> {
    let bytes = std::fs::read(path).unwrap();
    let header = String::from_utf8_lossy(&bytes[10..128.min(bytes.len())]).into_owned();
    let shape = header.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    shape.split(',').filter_map(|length| length.trim().parse().ok()).collect()
}

#[test]
fn embed_takes_files_folders_ready_clips_and_texts() {
    let place = Place::new(4);
    let videos = place.videos();
    let video = path_of(&videos[0]);
    for entry in ZOO {
        let (name, card) = (entry.card.name, entry.card.preset(echo_core::Preset::NANO).unwrap());
        let with = |args: &[&str]| place.run(0, &[&["embed", "--encoder", name], &NANO[..], args].concat());
        with(&["data/Videos", "--out", "folder.npy"]);
        assert_eq!(npy_shape(&place.path("folder.npy")), [videos.len(), card.dim], "{name}");
        with(&[video, "--out", "video.safetensors"]);
        let (shape, from_video) = tensor(&place.path("video.safetensors"), "embedding");
        assert_eq!(shape, [1, card.dim], "{name}");
        let json: serde_json::Value = serde_json::from_str(&with(&[video, "--json"]).0).unwrap();
        let values: Vec<f32> = serde_json::from_value(json[0]["embedding"].clone()).unwrap();
        // Of an absolute path the last part is the name.
        let called = videos[0].file_name().unwrap().to_str();
        assert_eq!((values, json[0]["name"].as_str()), (from_video.clone(), called), "{name}");
        with(&[video, "--out", "video.csv"]);
        assert_eq!(with(&[video, "--csv"]).0, place.read("video.csv"), "{name}");
        // The clip that `inspect` shows is the one that `embed` encodes.
        place.run(0, &["inspect", video, "--encoder", name, "--preset", "nano", "--clip", "clip.safetensors"]);
        with(&["--tensor", "clip.safetensors", "--out", "clip_embedding.safetensors"]);
        assert_eq!(tensor(&place.path("clip_embedding.safetensors"), "embedding").1, from_video, "{name}");
        let text = ["--text", "a dilated left ventricle", "--text", "a small one", "--out", "texts.csv"];
        match entry.card.capabilities.text {
            true => {
                with(&text);
                let csv = place.read("texts.csv");
                let rows: Vec<&str> = csv.lines().collect();
                assert_eq!(rows.len(), 3, "{name}: {csv}");
                assert_ne!(rows[1].split_once(',').unwrap().1, rows[2].split_once(',').unwrap().1, "{name}");
                assert_eq!(rows[1].split(',').count(), 2 + card.dim, "{name}");
            }
            false => {
                let error = place.run(2, &[&["embed", "--encoder", name], &NANO[..], &text].concat()).1;
                assert!(error.contains("no text encoder"), "{error}");
            }
        }
    }
}

#[test]
fn embed_names_what_it_cannot_use_and_keeps_the_rest() {
    let place = Place::new(4);
    let videos = place.videos();
    let whole = std::fs::read(&videos[0]).unwrap();
    std::fs::write(place.path("cut.avi"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(place.path("text.avi"), "not a video").unwrap();
    let good = path_of(&videos[1]);
    let embed = ["embed", "--encoder", "echoclip", "--preset", "nano", "--random-init", "--out", "e.npy"];
    let error = place.run(1, &[&embed[..], &[good, "cut.avi", "text.avi", "absent.avi"]].concat()).1;
    for name in ["cut.avi", "text.avi", "absent.avi", "3 of 4 inputs"] {
        assert!(error.contains(name), "{name}: {error}");
    }
    assert_eq!(npy_shape(&place.path("e.npy"))[0], 1);
    let error = place.run(1, &[&embed[..], &[good, "cut.avi", "text.avi", "--allow-truncated"]].concat()).1;
    assert!(error.contains("cut.avi: truncated") && error.contains("1 of 3"), "{error}");
    assert_eq!(npy_shape(&place.path("e.npy"))[0], 2);
    assert!(place.run(2, &embed).1.contains("nothing to embed"));
    assert!(place.run(2, &["embed", "--encoder", "echoclp", "--out", "e.npy", good]).1.contains("\"echoclip\"?"));
    assert!(place.run(1, &["embed", "--encoder", "echoclip", "--out", "e.npy", good]).1.contains("--weights"));
}

#[test]
fn inspect_shows_the_decoded_and_the_prepared_frames() {
    let place = Place::new(4);
    let videos = place.videos();
    let video = path_of(&videos[0]);
    // What cannot be decoded is described all the same.
    let mut bytes = std::fs::read(video).unwrap();
    let scans: Vec<usize> = (1..bytes.len()).filter(|&at| bytes[at - 1] == 0xff && bytes[at] == 0xda).collect();
    scans.into_iter().for_each(|at| bytes[at + 14..at + 40].fill(0xfe));
    std::fs::write(place.path("damaged.avi"), bytes).unwrap();
    let (text, err) = place.run(1, &["inspect", "damaged.avi"]);
    assert!(text.contains("112") && err.contains("frame 0"), "{text}{err}");
    let (text, _) = place.run(0, &["inspect", video, "--frames", "frames.npy"]);
    let shape = npy_shape(&place.path("frames.npy"));
    assert_eq!(shape[1..], [112, 112, 3]);
    assert!(text.contains("mjpeg") && text.contains(&format!("frames     {}", shape[0])), "{text}");
    for entry in ZOO {
        let (name, clip) = (entry.card.name, &entry.card.preset(echo_core::Preset::FULL).unwrap().clip);
        let flags = ["--encoder", name, "--out", "sheet.png", "--clip", "clip.safetensors"];
        let (text, _) = place.run(0, &[&["inspect", video], &flags[..]].concat());
        assert!(text.contains(&format!("{} sees", entry.card.title)), "{text}");
        let (shape, values) = tensor(&place.path("clip.safetensors"), "clip");
        assert_eq!(shape, [1, 3, clip.frames, clip.size, clip.size], "{name}");
        let sheet = image::open(place.path("sheet.png")).unwrap().to_rgb8();
        assert_eq!(sheet.width() as usize, 5 * clip.size + 4 * 4, "{name}");
        // The sheet is the clip: its first pixel, back in grey levels, in true colours.
        let centre = clip.size / 2;
        // Below a line of the file's name and one of the frame's number.
        let pixel = sheet.get_pixel(centre as u32, (2 * 12 + centre) as u32).0;
        for channel in 0..3 {
            let value = values[(channel * clip.frames * clip.size + centre) * clip.size + centre];
            let grey = (value * clip.std[channel] + clip.mean[channel]) / clip.scale;
            let shown = match clip.channels {
                echo_core::ChannelOrder::Rgb => pixel[channel],
                echo_core::ChannelOrder::Bgr => pixel[2 - channel],
            };
            assert!((grey - f32::from(shown)).abs() <= 0.51, "{name}: {grey} is shown as {shown}");
        }
    }
    let error = place.run(1, &["inspect", "absent.avi"]).1;
    assert!(error.contains("absent.avi"), "{error}");
}

#[test]
fn predict_reports_every_head_and_averages_over_clips() {
    let place = Place::new(4);
    let videos = place.videos();
    let video = path_of(&videos[0]);
    for entry in ZOO {
        let (name, capabilities) = (entry.card.name, &entry.card.capabilities);
        let predict = [&["predict", "--encoder", name], &NANO[..], &[video, "--out", "heads.csv"]].concat();
        if capabilities.heads.is_empty() {
            // An empty table is no result; EchoViewCLIP reads views by sentences, the nano presets of others have no classifier.
            let tells_views = name == "echoviewclip";
            place.run(if tells_views { 0 } else { 2 }, &predict);
            continue;
        }
        let (table, notes) = place.run(0, &predict);
        assert!(notes.contains("random") && notes.contains("not for clinical use"), "{notes}");
        let mut reader = csv::Reader::from_path(place.path("heads.csv")).unwrap();
        let rows: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(rows.len(), capabilities.heads.iter().map(|head| head.outputs()).sum::<usize>());
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for row in &rows {
            *sums.entry(&row[2]).or_default() += row[4].parse::<f64>().unwrap();
        }
        assert_eq!(sums.len(), capabilities.heads.len());
        for head in capabilities.heads {
            assert!(table.contains(head.name), "{}", head.name);
            if head.outputs() > 1 {
                assert!((sums[head.name] - 1.0).abs() < 1e-5, "{}: {}", head.name, sums[head.name]);
            }
        }
        let value = |clips: &str| {
            let args = [&predict[..], &["--task", "EF", "--clips", clips]].concat();
            place.run(0, &args);
            let text = place.read("heads.csv");
            assert_eq!(text.lines().count(), 2, "{text}");
            text.lines().nth(1).unwrap().split(',').nth(4).unwrap().parse::<f64>().unwrap()
        };
        assert_ne!(value("1"), value("4"));
        if name == "r2plus1d" {
            // From every frame: as many clips as there are between the first and the last start, which two clips are of.
            let [all, ends] = ["all", "2"].map(&value);
            assert!(all != ends && all.is_finite(), "{all} {ends}");
        }
        let error = place.run(2, &[&predict[..], &["--task", "EFF"]].concat()).1;
        assert!(error.contains("did you mean \"EF\"?"), "{error}");
    }
}

#[test]
fn weights_of_another_encoder_are_recognised() {
    let place = Place::new(0);
    let zeros = vec![0u8; 16];
    let view = || TensorView::new(Dtype::F32, vec![2, 2], &zeros).unwrap();
    let names = [
        ("echoclip", vec!["visual.trunk.stem.0.weight", "text_projection"]),
        ("echoprime", vec!["conv_proj.weight", "pos_encoding.class_token", "head.1.weight"]),
        ("clip", vec!["visual.conv1.weight", "visual.class_embedding", "text_projection"]),
        ("echoviewclip", vec!["image_encoder.conv1.weight", "text_encoder.text_projection", "projector.weight"]),
        ("panecho", vec!["encoder.encoder.model.features.0.0.weight", "EF_head.1.weight"]),
    ];
    for (owner, names) in &names {
        let bytes = safetensors::serialize(names.iter().map(|name| (*name, view())), None).unwrap();
        std::fs::write(place.path("weights.safetensors"), bytes).unwrap();
        for other in ZOO.iter().map(|entry| entry.card.name) {
            let args = ["--weights", "weights.safetensors", "--out", "copy.safetensors", "--preset", "nano"];
            let error = place.run(1, &[&["convert", "--encoder", other], &args[..]].concat()).1;
            assert_eq!(error.contains(&format!("use --encoder {owner}")), other != *owner, "{owner} {other}: {error}");
            assert!(error.contains("weights.safetensors"), "{error}");
        }
    }
}

#[test]
fn list_shows_every_encoder_and_adapter() {
    let (text, _) = Place::new(0).run(0, &["list"]);
    for name in ZOO.iter().map(|entry| entry.card.name).chain(echo_adapt::ADAPTERS.iter().map(|entry| entry.name)) {
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}: {text}");
    }
    // Upstream's licence is upstream's, and the nano weights are this project's.
    for entry in ZOO {
        let card = entry.card;
        for preset in card.presets {
            let start = [card.name, preset.name];
            let line = text.lines().find(|line| line.split_whitespace().take(2).eq(start)).unwrap();
            // Random weights are nobody's.
            let is_random = !preset.published && !entry.has_shipped(preset);
            assert!(line.ends_with(if is_random { "-" } else { preset.weights_license }), "{line}");
        }
        let [full, nano] = ["full", "nano"].map(|preset| card.preset(preset).unwrap().weights_license);
        assert!(nano == "MIT OR Apache-2.0" && full != nano, "{full} {nano}");
    }
}

#[test]
fn phantom_writes_studies_of_another_site() {
    let place = Place::new(0);
    let (out, _) = place.run(0, &["phantom", "--studies", "3", "--site", "new", "--out", "studies"]);
    assert!(out.contains("videos of 3 studies of") && out.contains("not for clinical use"), "{out}");
    let list = place.read("studies/FileList.csv");
    assert!(list.starts_with("FileName,PatientID,StudyID,View,EF,"), "{list}");
    // Readers of the new site see no odd ones.
    assert!(
        list.lines().skip(1).all(|row| row.split(',').nth(4).unwrap().parse::<f64>().unwrap() % 5.0 == 0.0),
        "{list}"
    );

    let err = place.run(2, &["phantom", "--studies", "3", "--count", "3", "--out", "other"]).1;
    assert!(err.contains("--count"), "{err}");
}

#[test]
fn phantom_writes_standard_views_and_what_is_none() {
    let place = Place::new(0);
    place.run(0, &["phantom", "--views", "standard", "--count", "6", "--out", "views"]);
    let header = place.read("views/Findings.csv");
    assert!(header.lines().next().unwrap().contains(",ImageQuality,"), "{header}");
    assert!(place.read("views/dataset.toml").contains("PSAX-MV"));
    let (out, _) = place.run(0, &["phantom", "--out-of-distribution", "--count", "11", "--out", "other"]);
    assert!(out.contains("11 test videos") && out.contains("frozen"), "{out}");
    assert!(place.read("other/Findings.csv").starts_with("FileName,Kind\n"));
    let err = place.run(2, &["phantom", "--out-of-distribution", "--view", "a4c", "--out", "none"]).1;
    assert!(err.contains("--view"), "{err}");
}

#[test]
fn a_preset_is_of_the_encoders_that_have_it() {
    let place = Place::new(24);
    let video = "data/Videos/phantom-test-00000.avi";
    let (_, said) = place.run(2, &["embed", video, "--encoder", "panecho", "--preset", "r", "--out", "e.npy"]);
    assert!(said.contains("unknown preset of panecho \"r\"; known: full, nano"), "{said}");
    let bench = |code, encoder, preset| {
        let args = ["bench", "--data", "data", "--encoder", encoder, "--adapter", "linear", "--preset", preset];
        let (out, said) = place.run(code, &[&args[..], &["--random-init", "--dump-params"]].concat());
        out + &said
    };
    assert!(bench(2, "echoclip,panecho", "r").contains("unknown preset of panecho"));
    let said = bench(2, "all", "rr");
    assert!(said.contains("unknown preset \"rr\", did you mean \"r\"?; known: "), "{said}");
    assert!(["full", "nano", "r", "kinetics"].iter().all(|preset| said.contains(preset)), "{said}");
    let said = bench(0, "all", "r");
    assert!(said.contains("panecho has no preset r: left out") && said.contains("echoclip + linear:"), "{said}");
    assert!(!said.contains("panecho + linear:"), "{said}");
}

#[test]
fn speed_learns_prompts_where_there_is_a_text_tower() {
    let place = Place::new(0);
    std::fs::write(place.path("lines"), "case coop 2\nrun\nwrite losses.safetensors\n").unwrap();
    let speed = |encoder: &str| {
        let args = [&["speed", "--encoder", encoder], &NANO[..]].concat();
        ended(0, place.command(&args).stdin(std::fs::File::open(place.path("lines")).unwrap())).0
    };
    let out = speed("echoclip");
    assert_eq!(out.lines().filter(|line| line.starts_with("seconds")).count(), 2, "{out}");
    // Without a file both prompts are the same, and neither is more like the feature.
    let (_, losses) = tensor(&place.path("losses.safetensors"), "output");
    assert!(losses.len() == 2 && losses.iter().all(|loss| (loss - 2f32.ln()).abs() < 1e-5), "{losses:?}");
    assert!(speed("panecho").contains("failed PanEcho has no text encoder"), "{}", speed("panecho"));
}

#[test]
fn speed_times_what_it_is_asked_and_says_what_it_cannot() {
    let place = Place::new(3);
    let lines = "case embed 2\nrun\nwrite embed.safetensors\ncase step 1\nrun\nrun\nwrite losses.safetensors\ncase read 2\n\
                 write means.safetensors\ncase read 4\ncase dance 1\n";
    std::fs::write(place.path("lines"), lines).unwrap();
    let args = [&["speed", "--encoder", "panecho", "--videos", "data/Videos"], &NANO[..]].concat();
    let mut command = place.command(&args);
    let (out, _) = ended(0, command.stdin(std::fs::File::open(place.path("lines")).unwrap()));
    let answers: Vec<&str> = out.lines().collect();
    assert_eq!(answers.len(), 12, "{out}");
    for (index, expected) in ["ready", "seconds", "seconds", "written", "seconds"].into_iter().enumerate() {
        assert!(answers[index].starts_with(expected), "{out}");
    }
    assert!(answers[10].starts_with("failed data/Videos: 3 AVI files, not 4"), "{out}");
    assert!(answers[11].contains("known: embed, text, view, step, coop, read"), "{out}");
    assert_eq!(tensor(&place.path("embed.safetensors"), "output").0[0], 2);
    let (_, losses) = tensor(&place.path("losses.safetensors"), "output");
    assert!(losses.len() == 3 && losses.is_sorted_by(|before, after| before > after), "{losses:?}");
    // The mean of a plane of the first video, from its clip.
    place.run(
        0,
        &[
            "inspect",
            path_of(&place.videos()[0]),
            "--encoder",
            "panecho",
            "--preset",
            "nano",
            "--clip",
            "clip.safetensors",
        ],
    );
    let (shape, clip) = tensor(&place.path("clip.safetensors"), "clip");
    let size = shape[3] * shape[4];
    let (_, means) = tensor(&place.path("means.safetensors"), "output");
    for (plane, mean) in clip.chunks(size).zip(&means) {
        assert!((plane.iter().sum::<f32>() / size as f32 - mean).abs() < 1e-4);
    }
}
