//! What is predicted of a video does not depend on the videos that are predicted with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use echo_bench::BenchConfig;
use echo_video::{OpenOptions, Video};
use echo_zoo::ZOO;

use crate::bench::Place;

/// Adapters that consume clips, embeddings, frame features, and those beside those of the enlarged clip.
const LEVELS: [&str; 4] = ["full", "linear", "mfl", "mfl+echozoom"];

/// Clips of short videos that are left short.
const CLIP: &str = "train.epochs = 1\nclip = { frames = 8, stride = 4, padding = 'shorter' }";

/// What sums in another order may leave, in EF points.
const ROUNDING: f32 = 1e-3;

/// Predictions of the test videos `test` by adapter and video.
fn predictions(place: &Place, encoder: &str, out: &str, test: &[&String]) -> BTreeMap<(String, String), f32> {
    let mut list = "FileName,Split\n".to_owned();
    let (train, validation) = (place.names("TRAIN"), place.names("VAL"));
    let named =
        |names: Vec<&String>, split: &str| -> String { names.iter().map(|name| format!("{name},{split}\n")).collect() };
    list += &named(train.iter().take(5).collect(), "TRAIN");
    list += &named(validation.iter().take(1).collect(), "VAL");
    list += &named(test.to_vec(), "TEST");
    let split = place.out(&format!("{out}.csv"));
    fs::write(&split, list).unwrap();
    let parts = LEVELS.iter().filter(|name| !name.contains('+'));
    let config = BenchConfig {
        encoders: vec![encoder.to_owned()],
        adapters: LEVELS.map(str::to_owned).to_vec(),
        seeds: vec![1],
        zero_shot: false,
        random_init: true,
        bootstrap: 10,
        clips: 2,
        text_encoder: Some("echoclip".to_owned()),
        split: Some(split),
        recipes: parts.map(|name| ((*name).to_owned(), CLIP.parse().unwrap())).collect(),
        ..BenchConfig::default()
    };
    let outcome = place.run(&config, out);
    assert_eq!(outcome.failed, 0, "{:?}", outcome.leaderboard.rows);
    let mut reader = csv::Reader::from_path(place.out(out).join("predictions.csv")).unwrap();
    let rows = reader.deserialize().map(|row| row.unwrap()).map(|row: BTreeMap<String, String>| {
        ((row["adapter"].clone(), row["video"].clone()), row["prediction"].parse().unwrap())
    });
    rows.collect()
}

#[test]
fn a_short_video_among_long_ones_changes_none_of_them_at_any_level_of_any_encoder() {
    let place = Place::new(24);
    let test = place.names("TEST");
    let (short, long) = (&test[0], test[1..5].iter().collect::<Vec<_>>());
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/phantom_short.avi");
    fs::copy(fixture, place.video(short)).unwrap();
    let frames = |name: &str| Video::open(&place.video(name), &OpenOptions::default()).unwrap().info().frames;
    assert!(frames(short) < 29 && long.iter().all(|name| frames(name) >= 29), "clips of 8 frames span 29");
    for entry in ZOO {
        let encoder = entry.card.name;
        let of = |out: &str, test: &[&String]| predictions(&place, encoder, &format!("{encoder}-{out}"), test);
        let together = of("together", &[&[short][..], &long].concat());
        assert_eq!(together.len(), LEVELS.len() * 5, "{encoder}");
        for (out, test) in [("long", long.clone()), ("pair", vec![long[0], short])] {
            for (key, alone) in of(out, &test) {
                let error = (together[&key] - alone).abs();
                assert!(error < ROUNDING, "{encoder} {key:?}: {} among others, {alone} in {out}", together[&key]);
            }
        }
    }
}
