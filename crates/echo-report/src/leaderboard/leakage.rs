//! Says that test videos were known to training.

use std::collections::BTreeMap;

use super::{TestSet, short};
use crate::{CellRecord, DataRecord};

impl CellRecord {
    /// Its test sets of which training knew videos: name, hash, how many videos and how many of them it knew.
    fn leaks(&self) -> impl Iterator<Item = (&str, &str, usize, usize)> {
        let DataRecord { name, test_hash, test, leaked, .. } = &self.data;
        let external = self.external.iter();
        let external = external.map(|set| (set.name.as_str(), set.hash.as_str(), set.test, set.leaked));
        std::iter::once((name.as_str(), test_hash.as_str(), *test, *leaked))
            .chain(external)
            .filter(|(.., leaked)| *leaked > 0)
    }
}

/// What stands in the row of these cells: of each test set, the most videos that the training of one knew.
pub(super) fn remarks(cells: &[&CellRecord]) -> Vec<String> {
    let mut most: BTreeMap<(&str, &str, usize), usize> = BTreeMap::new();
    for (name, hash, test, leaked) in cells.iter().flat_map(|cell| cell.leaks()) {
        let known = most.entry((name, hash, test)).or_default();
        *known = leaked.max(*known);
    }
    let remark = |((name, hash, test), leaked): ((&str, &str, usize), usize)| {
        format!("leakage: {leaked} of {}", TestSet::in_words(name, test, hash))
    };
    most.into_iter().map(remark).collect()
}

/// A sentence for every test set and splits of `groups` of which training knew videos.
pub(super) fn notes(groups: &[Vec<&CellRecord>]) -> Vec<String> {
    let mut most: BTreeMap<(&str, &str, &str, usize), usize> = BTreeMap::new();
    for record in groups.iter().flatten() {
        for (name, hash, test, leaked) in record.leaks() {
            let known = most.entry((name, hash, record.data.splits.as_str(), test)).or_default();
            *known = leaked.max(*known);
        }
    }
    let note = |((name, hash, splits, test), leaked): ((&str, &str, &str, usize), usize)| {
        format!(
            "Leakage was allowed: {leaked} of {} under the splits {} share a patient or their bytes with training or \
             validation. Errors on new patients are larger than those in rows that say so.",
            TestSet::in_words(name, test, hash),
            short(splits)
        )
    };
    most.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::record;

    #[test]
    fn notes_tell_test_sets_and_splits_of_one_name_apart() {
        let cell = |hash: &str, splits: &str, leaked| {
            let mut cell = record("key");
            (cell.data.name, cell.data.test_hash, cell.data.splits) = ("data".into(), hash.into(), splits.into());
            (cell.data.test, cell.data.leaked) = (4, leaked);
            cell
        };
        let cells = [cell("one", "x", 1), cell("one", "x", 3), cell("one", "y", 0), cell("two", "x", 2)];
        let [a, b, c, d] = &cells;
        let notes = notes(&[vec![a, b], vec![c], vec![d]]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("3 of 4 test videos of data (hash one) under the splits x"), "{notes:?}");
        assert!(notes[1].contains("2 of 4 test videos of data (hash two)"), "{notes:?}");
        let row = |cells: &[&CellRecord]| remarks(cells).join("; ");
        assert_eq!(row(&[a, b]), "leakage: 3 of 4 test videos of data (hash one)");
        assert_eq!(row(&[c]), "");
    }
}
