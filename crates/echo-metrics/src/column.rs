//! Predicted probabilities of one yes-or-no question: a binary task, one class against the rest, one label of several.

use crate::{
    error::{Error, check_probabilities},
    ranking::Ranking,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// `None` where nobody has answered the question.
    pub(crate) truth: Vec<Option<bool>>,
    pub(crate) probability: Vec<f64>,
    ranking: Ranking,
}

impl Column {
    /// Fails on a probability that is none; there are as many of them as there are truths.
    pub(crate) fn new(truth: Vec<Option<bool>>, probability: Vec<f64>) -> Result<Self, Error> {
        check_probabilities(&probability)?;
        let ranking = Ranking::of(&probability);
        Ok(Self { truth, probability, ranking })
    }

    /// Truth, probability and count of the rows with an answer.
    pub(crate) fn rows(&self, counts: &[u32]) -> impl Iterator<Item = (bool, f64, u32)> {
        let rows = self.truth.iter().zip(&self.probability).zip(counts);
        rows.filter_map(|((&truth, &probability), &count)| Some((truth?, probability, count)))
    }

    /// Rows that are negative and rows that are positive.
    pub(crate) fn sides(&self, counts: &[u32]) -> [u64; 2] {
        let mut sides = [0; 2];
        self.rows(counts).for_each(|(truth, _, count)| sides[usize::from(truth)] += u64::from(count));
        sides
    }

    /// Undefined without a positive and a negative row.
    pub(crate) fn auroc(&self, counts: &[u32]) -> Option<f64> {
        self.ranking.area(counts, |row| [self.truth[row] == Some(false), self.truth[row] == Some(true)])
    }

    /// For each distinct probability from the highest down: that probability, and the false and true positives when it
    /// is the threshold. Probabilities of undrawn rows alone are left out.
    pub(crate) fn thresholds(&self, counts: &[u32]) -> impl Iterator<Item = (f64, [u64; 2])> {
        let mut positives = [0; 2];
        self.ranking.runs().rev().filter_map(move |run| {
            let mut drawn = 0;
            for (truth, count) in run.iter().filter_map(|&row| Some((self.truth[row]?, u64::from(counts[row])))) {
                positives[usize::from(truth)] += count;
                drawn += count;
            }
            (drawn > 0).then(|| (self.probability[run[0]], positives))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_counts_all_rows_at_or_above_it_and_rows_without_answer_never() -> Result<(), Error> {
        let truth = vec![Some(true), Some(false), None, Some(true), Some(false)];
        let column = Column::new(truth, vec![0.9, 0.5, 0.7, 0.5, 0.1])?;
        let all: Vec<_> = column.thresholds(&[1; 5]).collect();
        assert_eq!(all, [(0.9, [0, 1]), (0.5, [1, 2]), (0.1, [2, 2])]);
        let drawn: Vec<_> = column.thresholds(&[0, 2, 9, 1, 0]).collect();
        assert_eq!(drawn, [(0.5, [2, 1])]);
        assert_eq!((column.sides(&[1; 5]), column.sides(&[0, 2, 9, 1, 0])), ([2, 2], [2, 1]));
        Ok(())
    }
}
