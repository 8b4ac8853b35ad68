//! Says that test samples were known to training.

use std::collections::BTreeMap;

use super::{TestSet, short};
use crate::{CellRecord, DataRecord};

impl CellRecord {
    /// Its test sets of which training knew samples, in words, with how many of them it knew.
    fn leaks(&self) -> impl Iterator<Item = (String, usize)> {
        let DataRecord { task, name, test_hash, test, leaked, .. } = &self.data;
        let external = self.external.iter();
        let external = external.map(|set| (set.samples, &set.name, &set.hash, set.test, set.leaked));
        std::iter::once((task.samples, name, test_hash, *test, *leaked))
            .chain(external)
            .filter(|(.., leaked)| *leaked > 0)
            .map(|(unit, name, hash, test, leaked)| (TestSet::in_words(unit, name, test, hash), leaked))
    }
}

/// What stands in the row of these cells: of each test set, the most samples that the training of one knew.
pub(super) fn remarks(cells: &[&CellRecord]) -> Vec<String> {
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for (test, leaked) in cells.iter().flat_map(|cell| cell.leaks()) {
        let known = most.entry(test).or_default();
        *known = leaked.max(*known);
    }
    most.into_iter().map(|(test, leaked)| format!("leakage: {leaked} of {test}")).collect()
}

/// A sentence for every test set and splits of `groups` of which training knew samples.
pub(super) fn notes(groups: &[Vec<&CellRecord>]) -> Vec<String> {
    let mut most: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for record in groups.iter().flatten() {
        for (test, leaked) in record.leaks() {
            let known = most.entry((test, record.data.splits.as_str())).or_default();
            *known = leaked.max(*known);
        }
    }
    let note = |((test, splits), leaked): ((String, &str), usize)| {
        format!(
            "Leakage was allowed: {leaked} of {test} under the splits {} share a patient or their bytes with training or \
             validation. Errors on new patients are larger than those in rows that say so.",
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
