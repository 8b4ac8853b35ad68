//! The nano weights that are shipped: small, and with real signal.

use std::path::Path;

use echo_bench::BenchConfig;
use echo_core::Preset;
use echo_weights::{Weights, WeightsKind};
use echo_zoo::ZOO;

use crate::bench::Place;
use crate::fixtures::{device, taught, trained};

/// Bytes of an encoder's file, and parameters over all its towers, at most.
const LARGEST: u64 = 2_500_000;
const MOST: usize = 1_200_000;

#[test]
fn every_shipped_file_is_small_and_says_where_it_came_from() {
    for entry in trained() {
        let name = entry.card.name;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("zoo").join(name);
        let file = folder.join("weights/nano.safetensors");
        assert!(std::fs::metadata(&file).unwrap().len() <= LARGEST, "{}", file.display());
        assert!(entry.card.preset(Preset::NANO).unwrap().parameters <= MOST, "{name}");
        let card = std::fs::read_to_string(folder.join("CARD.md")).unwrap();
        for words in ["## Nano weights", "echozoo pretrain", "MIT or Apache-2.0", "nano.curve.csv"] {
            assert!(card.contains(words), "{name}'s CARD.md does not say {words}");
        }
        // The curve's last look is what the card says.
        let curve = std::fs::read_to_string(folder.join("weights/nano.curve.csv")).unwrap();
        let last = curve.lines().last().unwrap().rsplit(',').next().unwrap().parse::<f64>().unwrap();
        assert!(card.contains(&format!("{last:.2} %")), "{name}'s CARD.md does not say {last:.2} %");
        let built = entry.build(Preset::NANO, &Weights::Shipped, &device()).unwrap();
        assert_eq!(built.kind, WeightsKind::Shipped);
    }
}

/// Random weights that pass for trained ones would be worse than none.
#[test]
fn an_encoder_without_shipped_weights_says_so() {
    for entry in ZOO.iter().filter(|entry| trained().all(|trained| trained.card.name != entry.card.name)) {
        let name = entry.card.name;
        let card = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("zoo").join(name).join("CARD.md");
        assert!(std::fs::read_to_string(&card).unwrap().contains("No nano weights are shipped"), "{}", card.display());
        let refused = entry.build(Preset::NANO, &Weights::Shipped, &device()).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains("--random-init"), "{refused}");
    }
}

/// Without signal in the weights, the benchmark's default run would say nothing of its adapters.
#[test]
fn what_is_shipped_reads_the_ejection_fraction_of_hearts_that_it_has_not_seen() {
    let place = Place::new(100);
    let config = BenchConfig {
        encoders: taught().map(|entry| entry.card.name.to_owned()).collect(),
        adapters: vec!["zero-shot".to_owned()],
        shots: vec![1],
        seeds: vec![1],
        bootstrap: 50,
        ..BenchConfig::default()
    };
    let rows = place.run(&config, "out").leaderboard.rows;
    let mae = |name: &str, adapter: &str| {
        let row = rows.iter().find(|row| row.encoder == name && row.adapter == adapter);
        row.unwrap_or_else(|| panic!("{name} {adapter}")).metrics["mae"].mean
    };
    let constant = mae("median of validation", "");
    for entry in taught() {
        let error = mae(entry.card.name, "zero-shot");
        // 33 test videos tell a mean to about a tenth of itself.
        assert!(error < 0.75 * constant, "{}: {error:.2}, a constant {constant:.2}", entry.card.name);
    }
}
