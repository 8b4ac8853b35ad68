//! Rows in ascending order of a score. Made once, it serves all resamples, which differ in counts alone.

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranking {
    rows: Vec<usize>,
    /// The end of each run of equal scores.
    ends: Vec<usize>,
}

impl Ranking {
    /// Rows of equal scores stay in their order.
    pub(crate) fn of(scores: &[f64]) -> Self {
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let mut end = 0;
        // `==` and not the sort's total order: -0 and 0 are the same score.
        let runs = rows.chunk_by(|&a, &b| scores[a] == scores[b]).map(|run| {
            end += run.len();
            end
        });
        let ends = runs.collect();
        Self { rows, ends }
    }

    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The rows of each run of equal scores, the lowest first.
    pub(crate) fn runs(&self) -> impl DoubleEndedIterator<Item = &[usize]> {
        (0..self.ends.len()).map(|run| {
            let start = if run == 0 { 0 } else { self.ends[run - 1] };
            &self.rows[start..self.ends[run]]
        })
    }

    /// The area under the ROC curve: the chance that a row of the upper side is ranked above one of the lower side, where
    /// ties count half (Hanley and McNeil 1982; the Mann-Whitney U with mean ranks). `sides` says whether a row is of the
    /// lower and of the upper side; it may be of neither. Undefined where a side has no row.
    pub(crate) fn area(&self, counts: &[u32], sides: impl Fn(usize) -> [bool; 2]) -> Option<f64> {
        let (mut lower, mut upper) = (0u64, 0u64);
        // Pairs in the right order count two and tied pairs one, so that the sum is exact.
        let mut halves = 0u64;
        for run in self.runs() {
            let (mut lower_here, mut upper_here) = (0u64, 0u64);
            for &row in run {
                // Without a branch: the two sides alternate at random where scores are close.
                let [is_lower, is_upper] = sides(row);
                lower_here += u64::from(counts[row]) * u64::from(is_lower);
                upper_here += u64::from(counts[row]) * u64::from(is_upper);
            }
            halves += upper_here * (2 * lower + lower_here);
            lower += lower_here;
            upper += upper_here;
        }
        let pairs = lower * upper;
        (pairs > 0).then(|| halves as f64 / (2.0 * pairs as f64))
    }

    /// The mean rank of every row among the rows as often as they count, from one upwards.
    pub(crate) fn mean_ranks(&self, counts: &[u32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.rows.len()];
        let mut before = 0.0;
        for run in self.runs() {
            let here: f64 = run.iter().map(|&row| f64::from(counts[row])).sum();
            run.iter().for_each(|&row| ranks[row] = before + (here + 1.0) / 2.0);
            before += here;
        }
        ranks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_equal_scores_stay_together() {
        let ranking = Ranking::of(&[0.0, 5.0, -0.0, 5.0]);
        assert_eq!(ranking.runs().collect::<Vec<_>>(), [[2, 0], [1, 3]]);
        assert_eq!(ranking.runs().next_back(), Some(&[1, 3][..]));
    }

    #[test]
    fn ranks_are_those_of_the_rows_written_out() {
        // Written out: 1, 1, 1, 2, 2, 4 -> ranks 2, 2, 2, 4.5, 4.5, 6.
        let ranking = Ranking::of(&[4.0, 1.0, 2.0, 1.0, 3.0]);
        let ranks = ranking.mean_ranks(&[1, 1, 2, 2, 0]);
        assert_eq!(ranks[..4], [6.0, 2.0, 4.5, 2.0]);
    }
}
