//! Comparing queries with all rows.

use std::cmp::Ordering;

use super::Index;
use super::vectors::TOLERANCE;
use crate::error::{Error, check_rows};
use crate::retrieval::{Ranks, check_queries};

/// A row and how similar it is to a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its place in [`Index::rows`].
    pub row: usize,
    /// Cosine, -1 to 1 up to rounding.
    pub similarity: f32,
}

impl Index {
    /// For each query the `k` most similar rows, or all where there are fewer; the most similar first, and of equally similar
    /// ones the first.
    ///
    /// `queries` is `[queries, dim]`, row by row; they need not have length one.
    ///
    /// # Errors
    /// When there is no query, the last is not whole, or one is all zeros or not finite; when the vectors cannot be read, or
    /// are damaged.
    pub fn top_k(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<Hit>>, Error> {
        let queries = self.unit_queries(queries)?;
        let none = vec![Best::of(k.min(self.rows().len())); queries.len()];
        let states = self.compare(&queries, || none.clone(), |best, query, hit| best[query].push(hit))?;
        let mut best = none;
        for (query, hit) in states.into_iter().flat_map(|state| state.into_iter().enumerate()) {
            hit.hits.into_iter().for_each(|hit| best[query].push(hit));
        }
        Ok(best.into_iter().map(Best::into_sorted).collect())
    }

    /// The similarity of every row to one query, in the order of rows.
    ///
    /// # Errors
    /// As [`top_k`](Self::top_k).
    pub fn similarities(&self, query: &[f32]) -> Result<Vec<f32>, Error> {
        let queries = [self.unit_query("the query", query)?];
        let hits = self.compare(&queries, Vec::new, |hits, _, hit| hits.push(hit))?;
        let mut similarities = vec![0.0; self.rows().len()];
        hits.into_iter().flatten().for_each(|Hit { row, similarity }| similarities[row] = similarity);
        Ok(similarities)
    }

    /// The rank of each query's correct row, as [`Ranks::from_similarities`] counts it, without the matrix of similarities.
    ///
    /// `queries` is `[queries, dim]`, row by row; `correct` has a row for each.
    ///
    /// # Errors
    /// As [`top_k`](Self::top_k); or when there are more or fewer correct rows than queries, or one does not exist.
    pub fn ranks(&self, queries: &[f32], correct: &[usize]) -> Result<Ranks, Error> {
        let queries = self.unit_queries(queries)?;
        check_queries(correct, queries.len())?;
        let own =
            queries.iter().zip(correct).enumerate().map(|(query, (values, &row))| match row < self.rows().len() {
                true => self.cosine(values, &self.vectors.row(row)?, row),
                false => Err(Error::Missing { query, item: row, items: self.rows().len() }),
            });
        let own = own.collect::<Result<Vec<f32>, Error>>()?;
        let none = vec![0; queries.len()];
        let count = |counts: &mut Vec<usize>, query: usize, hit: Hit| {
            counts[query] += usize::from(hit.similarity >= own[query]);
        };
        let states = self.compare(&queries, || none.clone(), count)?;
        Ok(Ranks::from_counts(
            (0..queries.len()).map(|query| states.iter().map(|counts| counts[query]).sum()).collect(),
        ))
    }

    /// Hands the similarity of every row to every query to `each`, on all threads and in any order.
    fn compare<S: Send>(
        &self,
        queries: &[Vec<f32>],
        state: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, usize, Hit) + Sync,
    ) -> Result<Vec<S>, Error> {
        self.vectors.scan(state, |state, first, rows| {
            for (query, values) in queries.iter().enumerate() {
                for (row, vector) in (first..).zip(rows.chunks_exact(self.dim())) {
                    each(state, query, Hit { row, similarity: self.cosine(values, vector, row)? });
                }
            }
            Ok(())
        })
    }

    /// Refuses a row that has no length of one, as far as its similarity tells.
    fn cosine(&self, query: &[f32], vector: &[f32], row: usize) -> Result<f32, Error> {
        const MOST: f32 = 1.0 + TOLERANCE as f32;
        let similarity = dot(query, vector);
        // NaN is not in the range.
        match (-MOST..=MOST).contains(&similarity) {
            true => Ok(similarity),
            false => {
                Err(self.vectors.damaged(format!("row {row} has the similarity {similarity}, which is no cosine")))
            }
        }
    }

    fn unit_queries(&self, queries: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        check_rows("queries", queries.len(), self.dim())?;
        let unit = |(query, values)| self.unit_query(&format!("query {query}"), values);
        queries.chunks_exact(self.dim()).enumerate().map(unit).collect()
    }

    fn unit_query(&self, what: &str, values: &[f32]) -> Result<Vec<f32>, Error> {
        unit(values, self.dim()).map_err(|reason| Error::Embedding { of: what.to_owned(), reason })
    }
}

/// The vector of length one in the direction of `values`, or why there is none.
pub(super) fn unit(values: &[f32], dim: usize) -> Result<Vec<f32>, String> {
    if values.len() != dim {
        return Err(format!("has {} numbers, but those of the index have {dim}; take its encoder", values.len()));
    }
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(format!("has the value {} at {index}; values must be finite", values[index]));
    }
    // In double precision, where no square of a single one overflows or vanishes.
    match values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt() {
        0.0 => Err("is all zeros, which are similar to nothing".to_owned()),
        length => Ok(values.iter().map(|&value| (f64::from(value) / length) as f32).collect()),
    }
}

/// The most similar rows so far.
#[derive(Clone, Debug)]
struct Best {
    k: usize,
    /// Up to `2 * k`, of which those that cannot be among the first `k` go at a time.
    hits: Vec<Hit>,
    /// The least similarity that counts.
    least: f32,
}

impl Best {
    fn of(k: usize) -> Self {
        Self { k, hits: Vec::new(), least: f32::NEG_INFINITY }
    }

    fn push(&mut self, hit: Hit) {
        if hit.similarity < self.least {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= 2 * self.k {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if let Some(last) = self.k.checked_sub(1).filter(|&last| last < self.hits.len()) {
            self.least = self.hits.select_nth_unstable_by(last, order).1.similarity;
        }
        self.hits.truncate(self.k);
    }

    fn into_sorted(mut self) -> Vec<Hit> {
        self.cut();
        self.hits.sort_unstable_by(order);
        self.hits
    }
}

/// The most similar first, and of equally similar ones the first. No similarity is NaN or minus zero.
fn order(one: &Hit, other: &Hit) -> Ordering {
    other.similarity.total_cmp(&one.similarity).then(one.row.cmp(&other.row))
}

/// Sixteen sums at a time, which the compiler turns into vectors. The order of sums is the same wherever a row lies, so that
/// equal rows are equally similar.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (one, one_rest) = one.as_chunks::<LANES>();
    let (other, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (one, other) in one.iter().zip(other) {
        for lane in 0..LANES {
            sums[lane] += one[lane] * other[lane];
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    // Never minus zero: the sums begin with zero.
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_has_all_its_terms() {
        let one: Vec<f32> = (1..=35).map(|value| value as f32).collect();
        // The sum of the squares of 1 to 35, of 1 to 5 and of 1 to 16.
        assert_eq!([35, 5, 16].map(|terms| dot(&one[..terms], &one[..terms])), [14_910.0, 55.0, 1_496.0]);
        assert!(dot(&[-0.0], &[1.0]).is_sign_positive());
    }

    /// Every order of what is pushed keeps the same.
    #[test]
    fn the_best_are_kept_whatever_comes_first() {
        let hits: Vec<Hit> = (0..60).map(|row| Hit { row, similarity: (row * 7 % 10) as f32 }).collect();
        let mut sorted = hits.clone();
        sorted.sort_by(order);
        assert_eq!((sorted[0].row, sorted[1].row), (7, 17));
        for seed in 0..50 {
            let mut shuffled = hits.clone();
            echo_random::Stream::new(seed, "index/best", 0).shuffle(&mut shuffled);
            for k in [0, 1, 2, 9, 59, 60, 61] {
                let mut best = Best::of(k);
                shuffled.iter().for_each(|&hit| best.push(hit));
                assert!(best.hits.len() <= 2 * k);
                assert_eq!(best.into_sorted(), sorted[..k.min(60)], "{seed} {k}");
            }
        }
    }
}
