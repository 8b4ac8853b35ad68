//! The grid as a list of cells, and a cell's key.

use std::collections::BTreeSet;

use serde::Serialize;

/// One cell of the grid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// The encoder's name.
    pub(crate) encoder: String,
    /// The adapter's name.
    pub(crate) adapter: String,
    /// Training videos per integer EF bin; `None` for all training rows of a split file.
    pub(crate) shots: Option<usize>,
    /// Draws the training videos and what the adapter starts from.
    pub(crate) seed: u64,
}

/// Every combination once, in the order in which they are run: an encoder's cells together.
///
/// An adapter that looks at no training video has one cell, of 0 shots and seed 0.
pub(crate) fn cells(
    encoders: &[String],
    adapters: &[(String, bool)],
    shots: &[Option<usize>],
    seeds: &[u64],
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for encoder in encoders {
        for (adapter, trains) in adapters {
            let (shots, seeds) = if *trains { (shots, seeds) } else { (&[Some(0)][..], &[0][..]) };
            for &shots in shots {
                for &seed in seeds {
                    cells.push(Cell { encoder: encoder.clone(), adapter: adapter.clone(), shots, seed });
                }
            }
        }
    }
    let mut known = BTreeSet::new();
    cells.retain(|cell| known.insert(cell.clone()));
    cells
}

/// A hash of `material`, which must hold everything that can change the cell's result.
pub(crate) fn key(material: &impl Serialize) -> String {
    // Fields are written in their order, maps are sorted: the same material gives the same bytes.
    let bytes = serde_json::to_vec(material).expect("a cell's material is plain data");
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
}
