//! How full the bins of a few-shot draw are: `--shots 16` of a bin that holds 5 is 5.

use std::collections::BTreeMap;

use echo_files::{counted, printable};
use echo_metrics::Kind;

use crate::{CellRecord, Quantity};

/// The bins of the target, or the classes, that a draw is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    /// How many hold samples.
    pub all: usize,
    /// How many of them gave fewer than were asked for.
    pub short: usize,
}

impl Bins {
    /// Those of the samples in `pool`, of which `drawn` were drawn and can be used, by the numbers of their bins.
    pub fn of(pool: &[i64], drawn: &[i64], shots: usize) -> Self {
        let mut had: BTreeMap<i64, usize> = pool.iter().map(|&bin| (bin, 0)).collect();
        drawn.iter().for_each(|&bin| *had.entry(bin).or_default() += 1);
        Self { all: had.len(), short: had.values().filter(|&&count| count < shots).count() }
    }

    /// Those of a row's cells, of the seed with most short ones.
    pub(crate) fn of_cells(cells: &[&CellRecord]) -> Self {
        let bins = cells.iter().map(|cell| Self { all: cell.data.bins, short: cell.data.short_bins });
        bins.max_by_key(|bins| bins.short).unwrap_or_default()
    }

    /// A warning of a draw of `train` samples, where there is reason for one; `name` is the data set's.
    pub fn warning(self, name: &str, task: &Quantity, shots: usize, train: usize) -> Option<String> {
        let Self { all, short } = self;
        let name = printable(name);
        // Of many bins of a value a few are often rare; a class is one of few.
        let worth_it = if task.kind == Kind::Regression { 2 * short > all } else { short > 0 };
        worth_it.then(|| {
            format!(
                "{} on {name}: {short} of {all} {} hold fewer than {shots} usable {}, so a draw has {train}, not {}.",
                counted(shots, "shot"),
                task.groups(),
                task.training(),
                all * shots
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_that_gave_fewer_than_were_asked_for_are_counted() {
        let (pool, drawn) = ([30, 30, 30, 40, 40, 50], [30, 30, 40, 50]);
        assert_eq!(Bins::of(&pool, &drawn, 2), Bins { all: 3, short: 2 });
        assert_eq!(Bins::of(&pool, &[30, 40, 50], 1), Bins { all: 3, short: 0 });
        // All that a bin holds could not be used.
        assert_eq!(Bins::of(&pool, &[30, 40], 1), Bins { all: 3, short: 1 });
        assert_eq!(Bins::of(&pool, &[], 0), Bins { all: 3, short: 0 });
    }

    #[test]
    fn most_bins_short_is_worth_a_warning_with_both_numbers() {
        assert_eq!(Bins { all: 4, short: 2 }.warning("data", &Quantity::default(), 16, 40), None);
        let classes = Quantity { kind: Kind::SingleLabel, ..Quantity::default() };
        assert!(Bins { all: 2, short: 1 }.warning("data", &classes, 16, 25).is_some());
        assert_eq!(Bins { all: 2, short: 0 }.warning("data", &classes, 16, 32), None);
        let warning = Bins { all: 4, short: 3 }.warning("data", &Quantity::default(), 16, 40).unwrap();
        for part in ["16 shots on data", "3 of 4 bins of EF", "has 40, not 64"] {
            assert!(warning.contains(part), "{warning}");
        }
    }
}
