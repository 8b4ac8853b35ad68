//! What is frozen is computed once, and never mistaken for something else.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use echo_bench::BenchConfig;
use echo_report::read_runs;

use crate::bench::Place;
use crate::counting::CountingZoo;

fn config(adapters: &[&str]) -> BenchConfig {
    let short: toml::Table = "train.epochs = 2".parse().unwrap();
    BenchConfig {
        encoders: vec!["echoclip".to_owned()],
        adapters: adapters.iter().map(|name| (*name).to_owned()).collect(),
        shots: vec![1, 2, 4, 8],
        seeds: vec![1, 2, 3],
        zero_shot: false,
        random_init: true,
        bootstrap: 50,
        recipes: adapters.iter().map(|name| ((*name).to_owned(), short.clone())).collect(),
        ..BenchConfig::default()
    }
}

/// Counted where clips pass through the encoder, not by what the benchmark says of itself.
#[test]
fn each_clip_view_passes_through_the_encoder_once_over_all_cells_and_adapters() {
    let place = Place::new(40);
    let zoo = CountingZoo::new();
    let adapters = ["coop", "linear", "mfl"];
    let outcome = place.run_with(&config(&adapters), "out", &zoo);
    assert_eq!((outcome.ran, outcome.failed), (3 * 4 * 3, 0));
    assert_eq!(zoo.take_builds(), 1, "weights are read once");
    // At 8 shots every training video is drawn; none of these adapters augments.
    let videos = place.names("TRAIN").len() + place.names("TEST").len();
    assert_eq!(zoo.take(), videos);

    // Each alone, later, in another folder: nothing is left to compute.
    for adapter in adapters {
        place.run_with(&config(&[adapter]), adapter, &zoo);
        assert_eq!(zoo.take(), 0, "{adapter}");
    }
    // Other looks are other clips: two of each training video, and once more only.
    let mut looks = config(&["linear"]);
    looks.recipes.insert(
        "linear".to_owned(),
        "[adapter]\nsolver = 'descent'\n[train]\nepochs = 2\naugment = { views = 2, pad = 0.1 }".parse().unwrap(),
    );
    for expected in [2 * place.names("TRAIN").len(), 0] {
        place.run_with(&looks, "looks", &zoo);
        assert_eq!(zoo.take(), expected);
        fs::remove_dir_all(place.out("looks")).unwrap();
    }
    // Adapters that train the encoder are what the counter is there to see.
    let full = BenchConfig { shots: vec![1], seeds: vec![1], ..config(&["full"]) };
    place.run_with(&full, "full", &zoo);
    assert!(zoo.take() > 2 * place.names("TEST").len());
}

/// What could be taken for what it is not: a video replaced by another of the same size, name and time; other weights;
/// another view. Each must be computed, and come out as it does on an empty cache.
#[test]
fn nothing_stale_is_read_from_the_cache() {
    let place = Place::new(30);
    let zoo = CountingZoo::new();
    let base = BenchConfig { shots: vec![2], seeds: vec![1], ..config(&["linear"]) };
    let videos = place.names("TRAIN").len() + place.names("TEST").len();
    // Digests of files that changed just now are not remembered, and remembered ones are what is to be tried.
    std::thread::sleep(Duration::from_millis(200));
    place.run_with(&base, "first", &zoo);
    let drawn = zoo.take();
    assert!(drawn <= videos);

    // Two test videos change places, in place and with their times; padded to one size, which decoders pass over.
    let test = place.names("TEST");
    let paths = [place.video(&test[0]), place.video(&test[1])];
    let unseen = place.video(&place.names("VAL")[0]);
    let mut bytes = [&paths[0], &paths[1], &unseen].map(|path| fs::read(path).unwrap());
    let size = 1 + bytes.iter().map(Vec::len).max().unwrap();
    bytes.iter_mut().for_each(|bytes| bytes.resize(size, 0));
    let time = SystemTime::now() - Duration::from_secs(100);
    let put = |of: [&Vec<u8>; 2]| {
        for (path, bytes) in paths.iter().zip(of) {
            fs::write(path, bytes).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
    };
    put([&bytes[0], &bytes[1]]);
    std::thread::sleep(Duration::from_millis(200));
    place.run_with(&base, "padded", &zoo);
    zoo.take();
    let padded = predictions(&place, "padded");
    put([&bytes[1], &bytes[0]]);
    place.run_with(&base, "swapped", &zoo);
    // Both were embedded before, under the other name: that is a right hit.
    assert_eq!(zoo.take(), 0);
    let swapped = predictions(&place, "swapped");
    assert_eq!((swapped[&test[0]], swapped[&test[1]]), (padded[&test[1]], padded[&test[0]]));
    assert_ne!(padded[&test[0]], padded[&test[1]]);

    // Bytes that were never seen.
    put([&bytes[2], &bytes[0]]);
    place.run_with(&base, "unseen", &zoo);
    assert_eq!(zoo.take(), 1);
    let unseen = predictions(&place, "unseen");
    place.without_cache();
    place.run_with(&base, "again", &zoo);
    assert_eq!(zoo.take(), drawn);
    assert_eq!(predictions(&place, "again"), unseen);

    for (name, changed) in [
        ("weights", BenchConfig { random_seed: 1, ..base.clone() }),
        ("view", BenchConfig { random_start: true, ..base.clone() }),
    ] {
        place.run_with(&changed, name, &zoo);
        assert_eq!(zoo.take(), drawn, "{name}");
        assert_ne!(predictions(&place, name), unseen, "{name}");
    }
    assert!(read_runs(&place.out("again")).unwrap().len() == 1);
}

/// Predictions of a run of one cell, by video.
fn predictions(place: &Place, out: &str) -> BTreeMap<String, f32> {
    let rows = csv::Reader::from_path(place.out(out).join("predictions.csv")).unwrap().into_deserialize();
    let rows = rows.map(|row: Result<BTreeMap<String, String>, _>| row.unwrap());
    rows.map(|row| (row["video"].clone(), row["prediction"].parse().unwrap())).collect()
}

/// A file of the cache that is intact and of another network: as when an encoder changed and nobody raised a version.
#[test]
fn a_cached_feature_of_another_shape_is_computed_again() {
    let place = Place::new(24);
    let config = BenchConfig { shots: vec![1], seeds: vec![1], ..config(&["mfl"]) };
    let first = place.run(&config, "first");
    let mut changed = 0;
    for stage in fs::read_dir(place.out("cache").join("features")).unwrap().map(|entry| entry.unwrap().path()) {
        for path in fs::read_dir(&stage).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            // Format, checksum, stage, video, two lengths, values.
            let whole = fs::read(&path).unwrap();
            let mut body = whole[40..40 + 64].to_vec();
            body.extend([3u64, 5].iter().flat_map(|length| length.to_le_bytes()));
            body.extend([0u8; 60]);
            fs::write(&path, [&whole[..8], blake3::hash(&body).as_bytes(), &body].concat()).unwrap();
            changed += 1;
        }
    }
    assert!(changed > 0);
    let second = place.run(&config, "second");
    assert_eq!((second.failed, second.embedded), (0, first.embedded));
    assert_eq!(second.leaderboard, first.leaderboard);
}
