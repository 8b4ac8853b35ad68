//! Scores of a set of predictions.

use echo_metrics::{BootstrapOptions, Metric, Rank, Scores, score_metrics};

use crate::ReportError;

/// The `metrics` of `predictions`, with intervals from `samples` resamples. Every row uses the same resamples.
///
/// # Errors
/// A label or a prediction is not finite, or there are none.
pub fn scores(labels: &[f32], predictions: &[f32], metrics: &[Metric], samples: usize) -> Result<Scores, ReportError> {
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
    let (labels, predictions, mut metrics) = (wide(labels), wide(predictions), metrics.to_vec());
    loop {
        match score_metrics(&labels, &predictions, &metrics, &options) {
            // With few resamples a rank of one video may be in none of them, which is no reason to have no score at all
            // but of the ranks together.
            Err(echo_metrics::Error::NoResample { metric: missing, .. }) if metrics.len() > 1 => {
                metrics.retain(|&metric| metric.key() != missing && metric != Metric::MacroMae);
            }
            scores => return Ok(scores?),
        }
    }
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
