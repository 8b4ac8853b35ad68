//! The grid as a list of cells, and a cell's key.
//!
//! A cell is its [`CellRecord`] from the beginning: first who is fitted on how much, then on what and under which key, in the
//! end how it went.

use std::collections::BTreeSet;

use echo_report::{CellRecord, EncoderRecord};

/// Every combination once, in the order in which they are run: an encoder's cells together. Adapters stand with whether they
/// train, shots are none for all training rows of a split file.
///
/// An adapter that looks at no training video has one cell, of 0 shots and seed 0.
pub(crate) fn cells(
    encoders: &[String],
    adapters: &[(String, bool)],
    shots: &[Option<usize>],
    seeds: &[u64],
) -> Vec<CellRecord> {
    let mut cells = Vec::new();
    let mut known = BTreeSet::new();
    for encoder in encoders {
        for (adapter, trains) in adapters {
            let (shots, seeds) = if *trains { (shots, seeds) } else { (&[Some(0)][..], &[0][..]) };
            for &shots in shots {
                for &seed in seeds {
                    if known.insert((encoder, adapter, shots, seed)) {
                        let encoder = EncoderRecord { name: encoder.clone(), ..EncoderRecord::default() };
                        let schema = CellRecord::SCHEMA;
                        let adapter = adapter.clone();
                        cells.push(CellRecord { schema, encoder, adapter, shots, seed, ..CellRecord::default() });
                    }
                }
            }
        }
    }
    cells
}

/// A hash of everything in a planned record that can change its result.
pub(crate) fn key(record: &CellRecord) -> String {
    let CellRecord { encoder, adapter, shots, seed, data, config, device, machine, .. } = record;
    let material = (encoder, adapter, shots, seed, &data.hash, &data.splits, config, device, machine.threads);
    // Fields are written in their order, maps are sorted: the same material gives the same bytes.
    let bytes = serde_json::to_vec(&material).expect("a record is plain data");
    blake3::hash(&bytes).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_is_one_cell() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let adapters = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), true)).collect::<Vec<_>>();
        let once = cells(&names(&["a"]), &adapters(&["coop", "full"]), &[Some(1), Some(2)], &[1, 2]);
        let (shots, seeds) = ([Some(1), Some(2), Some(1)], [1, 2, 2, 1]);
        assert_eq!(cells(&names(&["a", "a"]), &adapters(&["coop", "full", "coop"]), &shots, &seeds), once);
        assert_eq!(once.len(), 8);
        assert_eq!(cells(&names(&["a"]), &[("zero-shot".to_owned(), false)], &shots, &seeds).len(), 1);
    }

    #[test]
    fn a_key_is_of_what_can_change_the_result() {
        let [cell] = &cells(&["a".to_owned()], &[("coop".to_owned(), true)], &[Some(1)], &[1])[..] else { panic!() };
        let mut others = vec![cell.clone(); 5];
        others[0].seed = 2;
        others[1].encoder.weights_hash = "other".to_owned();
        others[2].data.hash = "other".to_owned();
        others[3].config = serde_json::json!({ "bootstrap": 7 });
        others[4].machine.threads += 1;
        assert!(others.iter().all(|other| key(other) != key(cell)));
        let mut same = cell.clone();
        same.finished = 7;
        same.data.name = "renamed".to_owned();
        assert_eq!(key(&same), key(cell));
    }
}
