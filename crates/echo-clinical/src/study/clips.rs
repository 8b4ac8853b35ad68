//! The clips of a study, and what they say about a section of its report.

use super::MilWeights;
use crate::error::{Error, check_finite, check_rows};

/// The clips of a study.
#[derive(Clone, Copy, Debug)]
pub struct Study<'a> {
    embeddings: &'a [f32],
    views: &'a [usize],
    dim: usize,
}

impl<'a> Study<'a> {
    /// `embeddings` is `[clips, dim]`, row by row, as the encoder gives them: not normalised. `views` has each clip's view, its
    /// place in [`MilWeights::views`].
    ///
    /// # Errors
    /// When there is no clip, sizes disagree, or an embedding is not finite.
    pub fn new(embeddings: &'a [f32], dim: usize, views: &'a [usize]) -> Result<Self, Error> {
        let clips = check_rows("embeddings of clips", embeddings.len(), dim)?;
        if views.len() != clips {
            let why = "one for each clip".to_owned();
            return Err(Error::Length { what: "views", got: views.len(), want: clips, why });
        }
        check_finite("embeddings of clips", embeddings)?;
        Ok(Self { embeddings, views, dim })
    }

    /// The sum of the clips' embeddings, each times its view's weight in the section at a place of `weights`, normalised.
    /// `None` where that sum is zero: no clip counts.
    pub(super) fn section_embedding(&self, weights: &MilWeights, section: usize) -> Result<Option<Vec<f32>>, Error> {
        let of_views = weights.of_section(section);
        let mut sum = vec![0.0f64; self.dim];
        for (clip, (embedding, &view)) in self.embeddings.chunks_exact(self.dim).zip(self.views).enumerate() {
            let weight = *of_views.get(view).ok_or(Error::View { clip, view, views: of_views.len() })?;
            sum.iter_mut().zip(embedding).for_each(|(sum, &value)| *sum += f64::from(weight) * f64::from(value));
        }
        let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        Ok((length > 0.0).then(|| sum.iter().map(|value| (value / length) as f32).collect()))
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }
}

/// The view with the highest logit or probability, the first of equal ones.
///
/// # Errors
/// When there is none, or one is NaN or infinite.
pub fn most_likely_view(scores: &[f32]) -> Result<usize, Error> {
    check_finite("scores of views", scores)?;
    let higher = |best: usize, view: usize| if scores[view] > scores[best] { view } else { best };
    (0..scores.len()).reduce(higher).ok_or(Error::Empty { what: "scores of views" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_weighed_by_their_view_and_the_sum_has_length_one() -> Result<(), Error> {
        let weights = MilWeights::from_csv("Section,A2C,A4C\nAorta,0.5,1\nIVC,0,1\n")?;
        // 0.5 * (6, 0) + 1 * (0, 4) = (3, 4).
        let study = Study::new(&[6.0, 0.0, 0.0, 4.0], 2, &[0, 1])?;
        assert_eq!(study.section_embedding(&weights, 0)?, Some(vec![0.6, 0.8]));
        assert_eq!(study.section_embedding(&weights, 1)?, Some(vec![0.0, 1.0]));
        assert_eq!(Study::new(&[6.0, 0.0], 2, &[0])?.section_embedding(&weights, 1)?, None);
        let error = Study::new(&[6.0, 0.0], 2, &[2])?.section_embedding(&weights, 0).unwrap_err();
        assert_eq!(error.to_string(), "clip 0 has the view 2, but the table has 2 views, counted from 0");
        Ok(())
    }

    #[test]
    fn clips_whose_sizes_disagree_are_refused() {
        let refused = |embeddings: &[f32], views: &[usize]| Study::new(embeddings, 2, views).unwrap_err().to_string();
        assert_eq!(refused(&[], &[]), "there are no embeddings of clips; give at least one");
        assert!(refused(&[1.0; 3], &[0]).contains("holds 3 values, which are no whole rows of 2"));
        assert_eq!(refused(&[1.0; 4], &[0]), "`views` holds 1 values, but 2 are needed: one for each clip");
        assert!(refused(&[1.0, f32::INFINITY], &[0]).starts_with("`embeddings of clips[1]` is inf"));
    }

    #[test]
    fn the_most_likely_view_is_the_first_of_equal_ones() -> Result<(), Error> {
        assert_eq!((most_likely_view(&[-2.0, 0.5, 0.5, -1.0])?, most_likely_view(&[-3.0])?), (1, 0));
        assert_eq!(most_likely_view(&[]).unwrap_err().to_string(), "there are no scores of views; give at least one");
        assert!(most_likely_view(&[0.0, f32::NAN]).is_err());
        Ok(())
    }
}
