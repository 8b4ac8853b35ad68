//! `CARD.md` is for people, `card.rs` for programs: they must say the same.

use std::collections::BTreeSet;
use std::path::Path;

use echo_core::{Card, Preset, WeightFile};

use crate::fixtures::entries;

/// Where an encoder's `CARD.md` lies: its crate, or the example that stands in for a foreign one.
fn text_of(card: &Card) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = [root.join("zoo"), root.join("zoo/echo-zoo/examples")];
    let text = folders.iter().find_map(|folder| std::fs::read_to_string(folder.join(card.name).join("CARD.md")).ok());
    text.unwrap_or_else(|| panic!("{} has no CARD.md", card.name))
}

/// `1,234,567`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}

#[test]
fn every_card_says_in_prose_what_it_says_as_data() {
    for entry in entries() {
        let card = entry.card;
        let text = text_of(card);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut facts = vec![
            format!("# {}", card.title),
            format!("`{}`", card.name),
            format!("<{}>", card.paper_url),
            format!("<{}>", card.code_url),
            "not a medical device".to_owned(),
        ];
        let files = || card.presets.iter().flat_map(|preset| preset.weights);
        for file in files() {
            facts.push(format!("`{}`", file.name));
            facts.push(format!("<{}>", file.url));
        }
        for (preset, whose) in [(Preset::FULL, "upstream"), (Preset::NANO, "nano")] {
            let of_preset = card.preset(preset).unwrap();
            let licence = of_preset.weights_license.replace(" OR ", " or ");
            facts.push(format!("| the {whose} weights | {licence} |"));
            let clip = &of_preset.clip;
            facts.push(grouped(of_preset.parameters));
            facts.push(format!("| {}", of_preset.dim));
            facts.push(format!("{} x {}", clip.size, clip.size));
            facts.push(clip.spacing());
            facts.push(of_preset.limits.to_string());
        }
        let missing: Vec<&String> = facts.iter().filter(|fact| !words.contains(fact.as_str())).collect();
        assert!(missing.is_empty(), "zoo/{}/CARD.md does not say {missing:?}", card.name);
        assert!(!card.quirks.is_empty() && words.contains("## Quirks"), "{}", card.name);
    }
}

#[test]
fn every_card_has_a_full_and_a_nano_preset_and_names_each_once() {
    for card in entries().iter().map(|entry| entry.card) {
        let names: Vec<&str> = card.presets.iter().map(|preset| preset.name).collect();
        assert_eq!(names[..2], [Preset::FULL, Preset::NANO], "{}", card.name);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{}: {names:?}", card.name);
        for preset in card.presets {
            assert_eq!(preset.published, preset.name != Preset::NANO, "{} {}", card.name, preset.name);
        }
        let message = card.preset("nan").unwrap_err().to_string();
        assert!(message.contains(&format!("preset of {}", card.name)) && message.contains("\"nano\"?"), "{message}");
    }
}

#[test]
fn every_file_of_weights_says_where_it_is_downloaded() {
    for entry in entries() {
        for (preset, file) in entry.card.presets.iter().flat_map(|p| p.weights.iter().map(move |file| (p, file))) {
            assert!(file.download.starts_with("https://"), "{}: {}", entry.card.name, file.download);
            // A folder holds one file of a name, and an archive's member keeps its name.
            let last = |path: &'static str| path.rsplit('/').next();
            assert_eq!(last(file.member.unwrap_or(file.download)), Some(file.name), "{}", entry.card.name);
            let same = |other: &&WeightFile| other.name == file.name;
            assert_eq!(preset.weights.iter().filter(same).count(), 1, "{}: {}", entry.card.name, file.name);
        }
    }
}
