//! Scores of a set of predictions.

use echo_metrics::{BootstrapOptions, Metric, Rank, Scored, Scores, score};

use crate::ReportError;

/// The `metrics` of `predictions`, with intervals from `samples` resamples. Every row uses the same resamples.
///
/// # Errors
/// A label or a prediction is not finite, or there are none.
pub fn scores(labels: &[f32], predictions: &[f32], metrics: &[Metric], samples: usize) -> Result<Scores, ReportError> {
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
    let ranks: Vec<Rank> = metrics.iter().filter_map(Metric::rank).collect();
    let scored = Scored::regression(&wide(labels), &wide(predictions), &ranks)?;
    Ok(score(&scored, metrics, &options)?)
}

/// Ranks by their upper bounds as those of metrics, the last one without an end. None where a bound is negative, which no
/// metric's rank is.
pub fn ranks_up_to(bounds: &[i64]) -> Vec<Rank> {
    let mut first = 0;
    let mut ranks = Vec::new();
    for (index, &bound) in bounds.iter().enumerate() {
        let is_last = index + 1 == bounds.len();
        let last = u16::try_from(bound).ok();
        match (is_last, last.map(|last| Rank::new(first, Some(last)))) {
            (true, _) => ranks.extend(Rank::new(first, None)),
            (false, Some(Ok(rank))) => ranks.push(rank),
            (false, _) => return Vec::new(),
        }
        first = last.unwrap_or(u16::MAX).saturating_add(1);
    }
    ranks
}
