//! How well a search finds what belongs together, such as the report of a video.
//!
//! Every query has one correct item. Recall at k, the median rank and the mean reciprocal rank are those of the
//! image-and-text retrieval literature (Radford et al., ICML 2021; EchoCLIP's EchoCLIP-R is scored by them).

use crate::error::{Error, check_finite, check_rows};

/// The rank of each query's correct item, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranks(Vec<usize>);

impl Ranks {
    /// From similarities `[queries, items]`, row by row, and each query's correct item.
    ///
    /// Items that are as similar as the correct one are ranked before it. A search that finds all items equally similar has
    /// so the last rank, not the first.
    ///
    /// # Errors
    /// When there is no query or no item, sizes disagree, a similarity is not finite, or an item does not exist.
    pub fn from_similarities(similarities: &[f32], items: usize, correct: &[usize]) -> Result<Self, Error> {
        let queries = check_rows("similarities", similarities.len(), items)?;
        check_queries(correct, queries)?;
        check_finite("similarities", similarities)?;
        let rank = |(query, (row, &item)): (usize, (&[f32], &usize))| {
            let own = *row.get(item).ok_or(Error::Missing { query, item, items })?;
            Ok(row.iter().filter(|&&similarity| similarity >= own).count())
        };
        similarities.chunks_exact(items).zip(correct).enumerate().map(rank).collect::<Result<_, _>>().map(Self)
    }

    /// From a list of items for each query, the best first, and each query's correct item.
    ///
    /// # Errors
    /// When there is no query, sizes disagree, or a list lacks the correct item.
    pub fn from_lists<L: AsRef<[usize]>>(lists: &[L], correct: &[usize]) -> Result<Self, Error> {
        check_queries(correct, lists.len())?;
        let rank = |(query, (list, &item)): (usize, (&L, &usize))| {
            let list = list.as_ref();
            let place = list.iter().position(|&ranked| ranked == item);
            place.map(|place| place + 1).ok_or(Error::Missing { query, item, items: list.len() })
        };
        lists.iter().zip(correct).enumerate().map(rank).collect::<Result<_, _>>().map(Self)
    }

    /// From how many items are as similar as each query's correct item, itself included, or more.
    pub(crate) fn from_counts(counts: Vec<usize>) -> Self {
        Self(counts)
    }

    /// The rank of each query's correct item.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// The share of queries whose correct item is among the first `k`.
    ///
    /// # Errors
    /// When `k` is 0.
    pub fn recall_at(&self, k: usize) -> Result<f64, Error> {
        match k {
            0 => Err(Error::RecallAtZero),
            _ => Ok(self.mean(|rank| f64::from(u8::from(rank <= k)))),
        }
    }

    /// The median rank: the mean of the two middle ones of an even number.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) as f64 / 2.0
    }

    /// The mean of one over the rank.
    pub fn mean_reciprocal(&self) -> f64 {
        self.mean(|rank| 1.0 / rank as f64)
    }

    fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        self.0.iter().map(|&rank| of(rank)).sum::<f64>() / self.0.len() as f64
    }
}

/// Refuses no query, and more or fewer correct items than queries.
pub(crate) fn check_queries(correct: &[usize], queries: usize) -> Result<(), Error> {
    match queries {
        0 => Err(Error::Empty { what: "queries" }),
        _ if correct.len() == queries => Ok(()),
        _ => {
            let why = "one for each query".to_owned();
            Err(Error::Length { what: "correct items", got: correct.len(), want: queries, why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equally_similar_items_are_ranked_before_the_correct_one() -> Result<(), Error> {
        let similarities = [0.5, 0.25, 0.5, 0.1, 0.2, 0.3, 0.7, 0.7, 0.7, -0.5, -0.6, -0.5];
        let ranks = Ranks::from_similarities(&similarities, 3, &[0, 2, 1, 1])?;
        assert_eq!(ranks.as_slice(), [2, 1, 3, 3]);
        Ok(())
    }

    #[test]
    fn metrics_are_of_the_ranks() -> Result<(), Error> {
        let lists = [[4, 1, 0, 2], [1, 4, 2, 0], [0, 1, 2, 4], [2, 0, 1, 4]];
        let ranks = Ranks::from_lists(&lists, &[4, 4, 4, 1])?;
        assert_eq!(ranks.as_slice(), [1, 2, 4, 3]);
        assert_eq!((ranks.recall_at(1)?, ranks.recall_at(3)?, ranks.recall_at(9)?), (0.25, 0.75, 1.0));
        assert_eq!((ranks.median(), ranks.mean_reciprocal()), (2.5, (1.0 + 0.5 + 0.25 + 1.0 / 3.0) / 4.0));
        assert_eq!(Ranks::from_lists(&lists[1..], &[4, 4, 1])?.median(), 3.0);
        assert_eq!(ranks.recall_at(0).unwrap_err().to_string(), "recall at 0 is not defined; count from 1");
        Ok(())
    }

    #[test]
    fn searches_that_cannot_be_scored_are_refused() {
        let refused = |similarities: &[f32], correct: &[usize]| {
            Ranks::from_similarities(similarities, 2, correct).unwrap_err().to_string()
        };
        assert_eq!(refused(&[], &[]), "there are no similarities; give at least one");
        assert!(refused(&[0.1; 3], &[0]).contains("no whole rows of 2"));
        assert_eq!(refused(&[0.1; 4], &[0]), "`correct items` holds 1 values, but 2 are needed: one for each query");
        assert!(refused(&[0.1, f32::NAN], &[0]).starts_with("`similarities[1]` is NaN"));
        assert_eq!(
            refused(&[0.1; 4], &[0, 2]),
            "the correct item of query 1 is 2, which is not among the 2 that were ranked for it"
        );
        let refused =
            |lists: &[&[usize]], correct: &[usize]| Ranks::from_lists(lists, correct).unwrap_err().to_string();
        assert_eq!(refused(&[], &[]), "there are no queries; give at least one");
        assert!(refused(&[&[0, 1]], &[2]).contains("query 0 is 2, which is not among the 2"));
        assert!(refused(&[&[0, 1]], &[0, 1]).starts_with("`correct items` holds 2 values"));
    }
}
