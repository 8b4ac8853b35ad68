//! Views, what is none of them, and quality, as a user asks for them.

use std::collections::BTreeMap;

use burn::tensor::Device;
use echo_core::{AnyEncoder, Preset};
use echo_weights::{Precision, Pretrained, randomize, save};
use echoviewclip::EchoViewClip;

use crate::place::{Place, name as path_of};

/// Weights as after all three stages, or as after the first.
fn weights(place: &Place, name: &str, all_stages: bool) {
    let preset = EchoViewClip::CARD.preset(Preset::NANO).unwrap();
    let model = EchoViewClip::init(preset, &Device::flex());
    let model = randomize(if all_stages { model.with_all_stages(3) } else { model }, 3);
    save(&AnyEncoder::new(model), &place.path(name), Precision::Full).unwrap();
}

#[test]
fn a_video_has_a_view_whether_it_is_a_known_one_and_a_quality() {
    let place = Place::new(3);
    weights(&place, "three.safetensors", true);
    let nano = ["--preset", "nano", "--weights", "three.safetensors"];
    let views = [&["views", "data/Videos", "--out", "views.csv", "--clips", "2"], &nano[..]].concat();
    let (table, notes) = place.run(0, &views);
    assert!(table.contains("known view") && table.contains('%') && notes.contains("not for clinical use"), "{notes}");
    let rows = place.rows("views.csv");
    assert_eq!(rows.len(), 3);

    // The same numbers are heads, by class.
    let predict = ["predict", "--encoder", "echoviewclip", "data/Videos", "--out", "heads.csv", "--clips", "2"];
    place.run(0, &[&predict[..], &["--heads", "view,known-view,quality"], &nano[..]].concat());
    let heads = place.rows("heads.csv");
    assert_eq!(heads.len(), 3 * (38 + 1 + 3));
    for row in &rows {
        let said = |head: &str| -> Vec<(&str, f64)> {
            let of_row = heads.iter().filter(|of| of["name"] == row["name"] && of["head"] == head);
            of_row.map(|of| (of["class"].as_str(), number(of, "value"))).collect()
        };
        let likeliest = |head: &str| said(head).into_iter().reduce(|best, one| if one.1 > best.1 { one } else { best });
        let (view, quality) = (likeliest("view").unwrap(), likeliest("quality").unwrap());
        assert_eq!((row["view"].as_str(), number(row, "probability")), view);
        assert_eq!((row["quality"].as_str(), number(row, "quality_probability")), quality);
        assert_eq!(number(row, "in_distribution"), said("known-view")[0].1);
        assert!((said("view").iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-5);
        let verdict = if number(row, "in_distribution") >= 0.5 { "in distribution" } else { "out of distribution" };
        assert_eq!(row["verdict"], verdict);
    }
}

/// Phantoms in all views and of what is no heart, read by the shipped weights.
#[test]
fn views_of_hearts_are_recognised_and_what_is_no_heart_is_told() {
    let place = Place::new(0);
    place.run(0, &["phantom", "--out", "hearts", "--view", "standard", "--count", "36", "--seed", "5"]);
    place.run(0, &["phantom", "--out", "others", "--out-of-distribution", "--count", "22", "--seed", "5"]);
    let views = |folder: &str, out: &str| {
        place.run(0, &["views", "--preset", "nano", "--out", out, folder]);
        place.rows(out)
    };
    let hearts = views("hearts/Videos", "hearts.csv");
    assert_eq!(hearts.len(), 36);
    let findings = place.rows("hearts/Findings.csv");
    let of = |name: &str, column: &str| {
        let row = findings.iter().find(|row| name.contains(&row["FileName"])).unwrap();
        row[column].clone()
    };
    let names = [
        ("A4C", "Apical 4C 2D"),
        ("A2C", "Apical 2C 2D"),
        ("A3C", "Apical 3C 2D"),
        ("PLAX", "Parasternal Long Axis 2D"),
        ("PSAX-MV", "Parasternal Mitral Valve Short Axis"),
        ("PSAX-PM", "Parasternal Papillary Muscle Short Axis 2D"),
        ("PSAX-AP", "Parasternal Apical Short Axis 2D"),
    ];
    let listed: Vec<_> = hearts
        .iter()
        .filter_map(|row| {
            let view = of(&row["name"], "View");
            let (_, name) = names.iter().find(|(short, _)| *short == view)?;
            Some((row, *name))
        })
        .collect();
    let right = listed.iter().filter(|(row, name)| row["view"] == *name).count();
    println!("{right} of {} views", listed.len());
    // One of 38 by chance.
    assert!(2 * right > listed.len(), "{right} of {}", listed.len());

    let known = |rows: &[BTreeMap<String, String>]| {
        let all: Vec<f64> = rows.iter().map(|row| row["in_distribution"].parse().unwrap()).collect();
        assert!(all.iter().all(|score| (0.0..=1.0).contains(score)));
        all.iter().sum::<f64>() / all.len() as f64
    };
    let others = views("others/Videos", "others.csv");
    assert_eq!(others.len(), 22);
    println!("known: {:.3} of hearts, {:.3} of others", known(&hearts), known(&others));
    assert!(known(&hearts) > known(&others));
    for row in hearts.iter().chain(&others) {
        let is_known = row["in_distribution"].parse::<f64>().unwrap() >= 0.5;
        assert_eq!(row["verdict"] == "in distribution", is_known);
        assert!(["poor", "medium", "good"].contains(&row["quality"].as_str()));
    }
    // Where the line is drawn is the user's choice.
    place.run(0, &["views", "--preset", "nano", "--known-from", "1", "--out", "strict.csv", "others/Videos"]);
    assert!(place.rows("strict.csv").iter().any(|row| row["verdict"] == "out of distribution"));
    let (_, err) = place.run(2, &["views", "--preset", "nano", "--known-from", "2", "others/Videos"]);
    assert!(err.contains("no number from 0 to 1"), "{err}");
    // The same numbers are heads, and stand in a study.
    let one = "hearts/Videos/".to_owned() + &of(&hearts[0]["name"], "FileName") + ".avi";
    let heads =
        ["predict", "--encoder", "echoviewclip", "--preset", "nano", "--heads", "known-view,quality", "--csv", &one];
    let (out, _) = place.run(0, &heads);
    assert!(out.contains("known-view") && out.contains("quality,good"), "{out}");
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {:?}", row[column]))
}

#[test]
fn weights_of_the_first_stage_tell_views_alone() {
    let place = Place::new(1);
    weights(&place, "one.safetensors", false);
    let nano = ["--preset", "nano", "--weights", "one.safetensors"];
    let video = path_of(&place.videos()[0]).to_owned();
    place.run(0, &[&["views", &video, "--out", "views.csv"], &nano[..]].concat());
    let row = &place.rows("views.csv")[0];
    assert!(!row["view"].is_empty());
    assert!(
        ["in_distribution", "verdict", "quality", "quality_probability"].iter().all(|column| row[*column].is_empty())
    );
    let predict = ["predict", "--encoder", "echoviewclip", &video, "--heads", "quality"];
    let (_, err) = place.run(2, &[&predict[..], &nano[..]].concat());
    assert!(err.contains("lack the head quality; they have view"), "{err}");
}

#[test]
fn an_encoder_that_tells_no_views_apart_is_refused_with_what_does() {
    let place = Place::new(1);
    let (_, err) = place.run(2, &["views", "--encoder", "panecho", "--preset", "nano", "data/Videos"]);
    assert!(err.contains("panecho tell no views apart") && err.contains("--adapter-file"), "{err}");
    assert!(err.contains("echoprime") && err.contains("echoviewclip"), "{err}");
}
