//! Reliability: whether of the rows with a predicted probability of 0.7, seven in ten are positive.

use serde::{Deserialize, Serialize};

use crate::{column::Column, error::Error, scored::Scored};

/// As many as Guo et al. use (ICML 2017).
const BINS: usize = 15;

/// One of 15 bins of equal width. A probability on an edge is in the bin below it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Its lower edge.
    pub low: f64,
    /// Its upper edge.
    pub high: f64,
    /// How many rows it holds, at least one.
    pub rows: u64,
    /// Their mean predicted probability.
    pub probability: f64,
    /// The share of them that is positive.
    pub positives: f64,
}

/// The bins that hold a row, in ascending order.
///
/// # Errors
/// When anything but a binary classification is predicted; see [`Scored::one_vs_rest`].
pub fn reliability(scored: &Scored) -> Result<Vec<ReliabilityBin>, Error> {
    let counts = scored.once();
    let wrong = || Error::Kind { what: "a reliability diagram".to_owned(), kind: scored.kind() };
    Ok(bins(scored.sample(&counts).binary().ok_or_else(wrong)?, &counts))
}

pub(crate) fn bins(column: &Column, counts: &[u32]) -> Vec<ReliabilityBin> {
    let edge = |bin: usize| bin as f64 / BINS as f64;
    // Rows, the sum of their probabilities, and positives.
    let mut sums = [(0u64, 0.0, 0u64); BINS];
    for (truth, probability, count) in column.rows(counts) {
        let bin = (1..BINS).take_while(|&bin| edge(bin) < probability).count();
        let (rows, probabilities, positives) = &mut sums[bin];
        *rows += u64::from(count);
        *probabilities += f64::from(count) * probability;
        *positives += u64::from(count) * u64::from(truth);
    }
    let filled = sums.iter().enumerate().filter(|(_, (rows, ..))| *rows > 0);
    let bin = |(bin, &(rows, probabilities, positives)): (usize, &(u64, f64, u64))| ReliabilityBin {
        low: edge(bin),
        high: edge(bin + 1),
        rows,
        probability: probabilities / rows as f64,
        positives: positives as f64 / rows as f64,
    };
    filled.map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_bin_below_and_empty_bins_are_left_out() -> Result<(), Error> {
        let truth = [false, true, true, false, true];
        let bins = reliability(&Scored::binary(&truth, &[0.0, 0.2, 0.17, 0.25, 1.0], 0.5)?)?;
        let seen: Vec<_> = bins.iter().map(|bin| (bin.low, bin.high, bin.rows, bin.positives)).collect();
        let edge = |bin: u32| f64::from(bin) / 15.0;
        let expected =
            [(0.0, edge(1), 1, 0.0), (edge(2), edge(3), 2, 1.0), (edge(3), edge(4), 1, 0.0), (edge(14), 1.0, 1, 1.0)];
        assert_eq!(seen, expected);
        assert_eq!(bins[1].probability, 0.185);
        Ok(())
    }
}
