//! What rows of one name differ in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::short;
use crate::CellRecord;

/// Values that are longer, such as a list of ranks, are told apart and not written out.
const LONGEST: usize = 24;

/// As many differences as a row's name can hold.
const MOST: usize = 3;

/// What tells each of `groups`, whose rows would have the same name, from the others.
pub(super) fn differences(groups: &[&CellRecord]) -> Vec<String> {
    let all: Vec<BTreeMap<String, String>> = groups.iter().map(|cell| leaves(cell)).collect();
    let names: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    let differ: Vec<&String> =
        names.into_iter().filter(|name| all.iter().any(|leaves| leaves.get(*name) != all[0].get(*name))).collect();
    let in_words = |leaves: &BTreeMap<String, String>| {
        let value = |name: &String| match leaves.get(name) {
            None => format!("no {name}"),
            Some(value) if value.chars().count() <= LONGEST => format!("{name} = {value}"),
            Some(value) => format!("{name}: hash {}", short(&blake3::hash(value.as_bytes()).to_hex())),
        };
        let mut words: Vec<String> = differ.iter().take(MOST).map(|name| value(name)).collect();
        if differ.len() > MOST {
            let rest: Vec<_> = differ[MOST..].iter().map(|name| leaves.get(*name)).collect();
            let hash = blake3::hash(format!("{rest:?}").as_bytes()).to_hex();
            words.push(format!("{} more, hash {}", differ.len() - MOST, short(&hash)));
        }
        words.join(", ")
    };
    all.iter().map(in_words).collect()
}

/// All that a row's cells share and its name does not say, by its path.
fn leaves(cell: &CellRecord) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::from([("weights".to_owned(), short(&cell.encoder.weights_hash))]);
    leaves.extend(cell.text.as_ref().map(|text| ("text weights".to_owned(), short(&text.weights_hash))));
    collect(String::new(), &cell.config, &mut leaves);
    leaves
}

fn collect(path: String, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(path, value, leaves);
            }
        }
        Value::String(text) => drop(leaves.insert(path, text.clone())),
        value => drop(leaves.insert(path, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::tests::record;

    #[test]
    fn rows_of_one_name_say_what_they_differ_in_and_nothing_else() {
        let of = |config| CellRecord { config, ..record("key") };
        let ranks = |prompt: &str| json!([{ "up_to": 30, "prompt": prompt.repeat(20) }]);
        let one = of(json!({ "view": { "clips": 1, "start": "first" }, "ranks": ranks("low"), "external": null }));
        let other = of(json!({ "view": { "clips": 4, "start": "first" }, "ranks": ranks("poor") }));
        let words = differences(&[&one, &other]);
        assert!(
            words[0].starts_with("external = null, ranks: hash ") && words[0].ends_with(", view.clips = 1"),
            "{words:?}"
        );
        assert!(
            words[1].starts_with("no external, ranks: hash ") && words[1].ends_with(", view.clips = 4"),
            "{words:?}"
        );

        let many = |by: u32| of(json!({ "a": by, "b": by, "c": by, "d": by }));
        let words = differences(&[&many(1), &many(2)]);
        assert!(words[0].starts_with("a = 1, b = 1, c = 1, 1 more, hash ") && words[0] != words[1], "{words:?}");
        let mut weights = one.clone();
        weights.encoder.weights_hash = "0123456789".to_owned();
        assert_eq!(differences(&[&one, &weights]), ["weights = random-0", "weights = 01234567"]);
    }
}
