//! A row's absolute error on every test video.

use crate::PredictionRow;

/// Means over a row's seeds of the absolute error on each video, so that their mean is the MAE that the row shows. The
/// error of predictions averaged over seeds would be another, smaller one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AbsoluteErrors {
    /// The data set's name.
    pub(crate) data: String,
    /// Names and the bits of their labels, in the order of names: what has to agree for a paired comparison.
    pub(crate) videos: Vec<(String, u32)>,
    /// In the order of `videos`.
    pub(crate) errors: Vec<f64>,
}

impl AbsoluteErrors {
    /// From the predictions of each seed; nothing where there are none, or where seeds have other videos.
    pub(crate) fn of(data: &str, mut seeds: Vec<Vec<PredictionRow>>) -> Option<Self> {
        for rows in &mut seeds {
            rows.sort_by(|one, other| one.video.cmp(&other.video));
        }
        let videos_of = |rows: &[PredictionRow]| -> Vec<(String, u32)> {
            rows.iter().map(|row| (row.video.clone(), row.truth.to_bits())).collect()
        };
        let videos = videos_of(seeds.first()?);
        if videos.is_empty() || seeds.iter().any(|rows| videos_of(rows) != videos) {
            return None;
        }
        let error = |row: &PredictionRow| (f64::from(row.prediction) - f64::from(row.truth)).abs();
        let mean = |place: usize| seeds.iter().map(|rows| error(&rows[place])).sum::<f64>() / seeds.len() as f64;
        let errors = (0..videos.len()).map(mean).collect();
        Some(Self { data: data.to_owned(), videos, errors })
    }

    /// The row's MAE.
    pub(crate) fn mean(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len() as f64
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn rows(predictions: &[(&str, f32)]) -> Vec<PredictionRow> {
        let row = |&(video, prediction): &(&str, f32)| PredictionRow {
            video: video.to_owned(),
            truth: 50.0,
            prediction,
            warning: String::new(),
        };
        predictions.iter().map(row).collect()
    }

    #[test]
    fn errors_are_averaged_and_not_predictions_whatever_the_order_of_videos() {
        let errors =
            AbsoluteErrors::of("data", vec![rows(&[("b", 50.0), ("a", 45.0)]), rows(&[("a", 55.0), ("b", 58.0)])]);
        let errors = errors.unwrap();
        assert_eq!(errors.errors, [5.0, 4.0], "predictions averaged over seeds would miss `a` by nothing");
        assert_eq!(errors.mean(), 4.5);
        assert_eq!(AbsoluteErrors::of("data", vec![rows(&[("a", 1.0)]), rows(&[("b", 1.0)])]), None);
        assert_eq!(AbsoluteErrors::of("data", vec![]), None);
        assert_eq!(AbsoluteErrors::of("data", vec![vec![]]), None);
    }
}
