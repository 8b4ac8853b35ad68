//! Which of several grades.

use serde::Serialize;

use crate::error::Error;

/// A grade of a finding, such as "moderate".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grade {
    /// Its place among the grades; a higher one is more severe.
    pub value: u32,
    /// Its name.
    pub name: String,
}

/// How well a grade describes what is seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradeScore {
    /// The grade.
    pub grade: Grade,
    /// The mean cosine over frames and the grade's prompts.
    ///
    /// A mean, not a maximum: it is upstream's binary score, and it does not favour grades with more prompts.
    pub score: f64,
}

/// The scores of all grades that have prompts.
///
/// Reports seldom say that a chamber is of normal size, so that "normal" often has no prompts. Such a grade is chosen when
/// no other reaches a threshold ([`at_threshold`](Self::at_threshold)). To find that threshold, give [`best`](Self::best)'s
/// scores of labelled studies to [`best_f1_threshold`](super::best_f1_threshold).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradeScores {
    pub(super) task: String,
    /// Ascending by grade; never empty.
    pub(super) scores: Vec<GradeScore>,
    pub(super) unprompted: Option<Grade>,
}

impl GradeScores {
    /// The score of every grade with prompts, the mildest first.
    pub fn scores(&self) -> &[GradeScore] {
        &self.scores
    }

    /// The grade without prompts, where there is one.
    pub fn unprompted(&self) -> Option<&Grade> {
        self.unprompted.as_ref()
    }

    /// The grade with the highest score, the mildest of equal ones. Never the grade without prompts.
    pub fn best(&self) -> &GradeScore {
        let (first, others) = (&self.scores[0], &self.scores[1..]);
        others.iter().fold(first, |best, other| if other.score > best.score { other } else { best })
    }

    /// The grade with the highest score if that is at least `threshold`, else the grade without prompts.
    ///
    /// # Errors
    /// When every grade has prompts, so that no threshold is needed, or the threshold is not finite.
    pub fn at_threshold(&self, threshold: f64) -> Result<&Grade, Error> {
        let refused = |reason: &str| Err(Error::Task { task: self.task.clone(), reason: reason.to_owned() });
        let Some(unprompted) = &self.unprompted else {
            return refused("every grade has prompts, so none is chosen by a threshold; take the best one");
        };
        if !threshold.is_finite() {
            return refused(&format!("the threshold is {threshold}; give a cosine"));
        }
        let best = self.best();
        Ok(if best.score >= threshold { &best.grade } else { unprompted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(scores: &[f64], unprompted: Option<Grade>) -> GradeScores {
        let grade = |place: usize| Grade { value: place as u32 + 1, name: format!("grade {}", place + 1) };
        let scores =
            scores.iter().enumerate().map(|(place, &score)| GradeScore { grade: grade(place), score }).collect();
        GradeScores { task: "size".to_owned(), scores, unprompted }
    }

    #[test]
    fn the_highest_score_wins_and_of_equal_ones_the_mildest() {
        assert_eq!(grades(&[0.1, 0.3, 0.2], None).best().grade.value, 2);
        assert_eq!(grades(&[0.1, 0.3, 0.3], None).best().grade.value, 2);
        assert_eq!(grades(&[-0.2], None).best().grade.value, 1);
    }

    #[test]
    fn below_the_threshold_it_is_the_grade_without_prompts() -> Result<(), Error> {
        let normal = Grade { value: 0, name: "normal".to_owned() };
        let scores = grades(&[0.1, 0.25], Some(normal));
        assert_eq!((scores.at_threshold(0.25)?.value, scores.at_threshold(0.26)?.value), (2, 0));
        assert_eq!(scores.best().grade.value, 2, "without a threshold it is never chosen");
        assert!(scores.at_threshold(f64::NAN).unwrap_err().to_string().contains("the threshold is NaN"));
        let error = grades(&[0.1, 0.25], None).at_threshold(0.2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "task `size`: every grade has prompts, so none is chosen by a threshold; take the best one"
        );
        Ok(())
    }
}
