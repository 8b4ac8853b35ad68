//! A set of videos, and how often each of them counts in one bootstrap resample of that set.

use crate::error::{Error, check_pair};

/// The true and predicted EFs in order of the prediction, so that a resample's ranks need no sort of their own.
#[derive(Debug)]
pub(crate) struct Videos {
    truth: Vec<f64>,
    prediction: Vec<f64>,
    /// The end of each run of equal predictions.
    ties: Vec<usize>,
    /// Where each video of the input stands in the rows above.
    place: Vec<usize>,
}

impl Videos {
    /// Fails on rows that are empty, differ in length or hold a value that is not finite.
    pub(crate) fn new(truth: &[f64], prediction: &[f64]) -> Result<Self, Error> {
        check_pair(truth, "prediction", prediction)?;
        let mut order: Vec<usize> = (0..truth.len()).collect();
        order.sort_by(|&a, &b| prediction[a].total_cmp(&prediction[b]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &video)| place[video] = at);

        let truth: Vec<f64> = order.iter().map(|&video| truth[video]).collect();
        let prediction: Vec<f64> = order.iter().map(|&video| prediction[video]).collect();
        // `==` and not the sort's total order: -0 and 0 are the same prediction.
        let ties = prediction
            .chunk_by(|a, b| a == b)
            .scan(0, |end, run| {
                *end += run.len();
                Some(*end)
            })
            .collect();
        Ok(Self { truth, prediction, ties, place })
    }

    pub(crate) fn len(&self) -> usize {
        self.truth.len()
    }

    /// The counts that make [`Sample`] the data as measured.
    pub(crate) fn once(&self) -> Vec<u32> {
        vec![1; self.len()]
    }

    /// How often each video is among `draws`, which are places in the input.
    pub(crate) fn tally(&self, draws: &[usize]) -> Vec<u32> {
        let mut counts = vec![0; self.len()];
        draws.iter().for_each(|&video| counts[self.place[video]] += 1);
        counts
    }
}

/// The videos as measured, or one resample of them: `counts` says how often each video occurs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    videos: &'a Videos,
    counts: &'a [u32],
}

impl<'a> Sample<'a> {
    /// `counts` come from the same `videos`, by [`Videos::once`] or [`Videos::tally`].
    pub(crate) fn new(videos: &'a Videos, counts: &'a [u32]) -> Self {
        Self { videos, counts }
    }

    /// The number of videos, each as often as it was drawn; a resample is as large as the data.
    pub(crate) fn len(&self) -> usize {
        self.videos.len()
    }

    /// Truth, prediction and count in ascending order of the prediction, also of videos that were not drawn.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (f64, f64, u32)> {
        let Videos { truth, prediction, .. } = self.videos;
        truth.iter().zip(prediction).zip(self.counts).map(|((&truth, &prediction), &count)| (truth, prediction, count))
    }

    /// Truths and counts of each run of equal predictions, in ascending order of the prediction.
    pub(crate) fn ties(&self) -> impl Iterator<Item = impl Iterator<Item = (f64, u32)>> {
        let mut start = 0;
        self.videos.ties.iter().map(move |&end| {
            let run = start..end;
            start = end;
            self.videos.truth[run.clone()].iter().copied().zip(self.counts[run].iter().copied())
        })
    }

    /// The mean of a function of truth and prediction.
    pub(crate) fn mean_of(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let sum: f64 = self.rows().map(|(truth, prediction, count)| f64::from(count) * of(truth, prediction)).sum();
        sum / self.len() as f64
    }

    /// Whether a function of truth and prediction has one value on all videos. The mean's rounding gives such a
    /// sample a variance near 1e-30 instead of zero, so the variance cannot tell.
    pub(crate) fn is_constant(&self, of: impl Fn(f64, f64) -> f64) -> bool {
        let mut drawn =
            self.rows().filter(|&(_, _, count)| count > 0).map(|(truth, prediction, _)| of(truth, prediction));
        drawn.next().is_none_or(|first| drawn.all(|value| value == first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_count_for_the_video_they_name() -> Result<(), Error> {
        let videos = Videos::new(&[10.0, 20.0, 30.0], &[3.0, 1.0, 2.0])?;
        let counts = videos.tally(&[0, 0, 2]);
        let rows: Vec<_> = Sample::new(&videos, &counts).rows().collect();
        assert_eq!(rows, [(20.0, 1.0, 0), (30.0, 2.0, 1), (10.0, 3.0, 2)]);
        Ok(())
    }

    #[test]
    fn runs_of_equal_predictions_stay_together() -> Result<(), Error> {
        let videos = Videos::new(&[1.0, 2.0, 3.0, 4.0], &[0.0, 5.0, -0.0, 5.0])?;
        let counts = videos.once();
        let sample = Sample::new(&videos, &counts);
        let runs: Vec<Vec<f64>> = sample.ties().map(|run| run.map(|(truth, _)| truth).collect()).collect();
        assert_eq!(runs, [[3.0, 1.0], [2.0, 4.0]]);
        Ok(())
    }

    #[test]
    fn constancy_is_that_of_the_drawn_videos() -> Result<(), Error> {
        let videos = Videos::new(&[0.1, 0.1, 0.3], &[1.0, 2.0, 3.0])?;
        let constant = |draws: &[usize]| Sample::new(&videos, &videos.tally(draws)).is_constant(|truth, _| truth);
        assert!(constant(&[0, 1, 1]));
        assert!(constant(&[2, 2, 2]));
        assert!(!constant(&[0, 1, 2]));
        Ok(())
    }
}
