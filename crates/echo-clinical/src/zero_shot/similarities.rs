//! Cosines between the frames of a video and the prompts of a task.

use std::ops::Range;

use crate::error::{Error, check_rows};

/// Embeddings that were normalised in bfloat16 are up to 1/256 too long each way.
const MAX_COSINE: f32 = 1.01;

/// The cosine between each frame of a video and each prompt of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Similarities {
    values: Vec<f32>,
    prompts: usize,
}

impl Similarities {
    /// `values` is `[frames, prompts]`, row by row, with prompts in the order of
    /// [`PromptTask::prompts`](super::PromptTask::prompts).
    ///
    /// # Errors
    /// When there is no frame or no prompt, the last row is not whole, or a value is no cosine (NaN included).
    pub fn new(values: Vec<f32>, prompts: usize) -> Result<Self, Error> {
        check_rows("similarities", values.len(), prompts)?;
        // Written so that NaN, which compares false with everything, is found too.
        if let Some(index) = values.iter().position(|value| !matches!(value.abs(), 0.0..=MAX_COSINE)) {
            return Err(Error::Cosine { frame: index / prompts, prompt: index % prompts, value: values[index] });
        }
        // Minus zero would be ranked below zero.
        Ok(Self { values: values.into_iter().map(|value| value + 0.0).collect(), prompts })
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.values.len() / self.prompts
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.prompts
    }

    /// Similarities of each frame to all prompts.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.prompts)
    }

    /// Each frame by itself.
    pub(super) fn by_frame(&self) -> impl Iterator<Item = Self> {
        self.rows().map(|row| Self { values: row.to_vec(), prompts: self.prompts })
    }

    /// The frames of all videos, whose prompts are the same.
    pub(super) fn of_all(videos: &[Self]) -> Result<Self, Error> {
        let prompts = videos.first().ok_or(Error::Empty { what: "videos" })?.prompts;
        Ok(Self { values: videos.iter().flat_map(|video| &video.values).copied().collect(), prompts })
    }

    /// The mean over all frames and some of the prompts.
    pub(super) fn mean(&self, prompts: Range<usize>) -> f64 {
        let count = self.frames() * prompts.len();
        self.rows().flat_map(|row| &row[prompts.clone()]).copied().map(f64::from).sum::<f64>() / count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_matrix_of_cosines_is_refused() {
        let refused = |values: &[f32], prompts| Similarities::new(values.to_vec(), prompts).unwrap_err().to_string();
        assert_eq!(refused(&[], 2), "there are no similarities; give at least one");
        assert_eq!(refused(&[0.1; 5], 2), "`similarities` holds 5 values, which are no whole rows of 2");
        assert!(refused(&[0.1; 4], 0).contains("whole rows of 0"));
        assert!(refused(&[0.1, 0.2, 0.3, 28.0], 2).starts_with("the similarity of frame 1 to prompt 1 is 28; "));
        for value in [f32::NAN, f32::INFINITY, -1.02] {
            assert!(refused(&[value, 0.2], 2).starts_with("the similarity of frame 0 to prompt 0"));
        }
        assert!(Similarities::new(vec![1.004, -1.004], 1).is_ok(), "bfloat16 is no error");
    }

    #[test]
    fn the_mean_is_over_frames_and_the_prompts_that_are_named() -> Result<(), Error> {
        let similarities = Similarities::new(vec![0.5, 0.25, 0.75, 0.25, 0.0, 1.0], 3)?;
        assert_eq!((similarities.frames(), similarities.prompts()), (2, 3));
        assert_eq!(
            (similarities.mean(0..3), similarities.mean(0..2), similarities.mean(2..3)),
            (2.75 / 6.0, 0.25, 0.875)
        );
        Ok(())
    }
}
