//! A task as prompts, and what similarities to them say.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use serde::Serialize;

use super::regression::{FIFTH, ranked_value};
use super::{Grade, GradeScore, GradeScores, Similarities};
use crate::error::Error;

/// Where the number goes in a template.
const NUMBER: &str = "<#>";

/// The most numbers that go into a template: each is a prompt for the text encoder.
const MAX_NUMBERS: usize = 1001;

/// How a task is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A number, from prompts of every number.
    Regression,
    /// Whether a finding is there, from prompts that say that it is.
    Binary,
    /// One of several grades, from prompts of each.
    Categorical,
}

/// The prompts of one grade.
#[derive(Clone, Debug, PartialEq)]
pub struct GradePrompts {
    /// The grade.
    pub grade: Grade,
    /// Sentences that describe it. One grade of a task may have none.
    pub prompts: Vec<String>,
}

/// A task as prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptTask {
    name: String,
    prompts: Vec<String>,
    reading: Reading,
}

/// What the prompts mean.
#[derive(Clone, Debug, PartialEq)]
enum Reading {
    /// The number of each prompt.
    Numbers(Vec<f64>),
    Presence,
    Grades {
        /// Ascending, each with the range of its prompts.
        prompted: Vec<(Grade, Range<usize>)>,
        unprompted: Option<Grade>,
    },
}

/// What similarities say about a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Regression: a number in the unit of the templates, such as per cent or mmHg.
    Value(f64),
    /// Binary: the mean cosine over frames and prompts, -1 to 1. Compare it with a threshold of this encoder and these prompts.
    Score(f64),
    /// Categorical: the score of each grade.
    Grades(GradeScores),
}

/// The answers for a study and for its parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyAnswer {
    /// From the frames of all videos together.
    pub study: Answer,
    /// From the frames of each video.
    pub videos: Vec<Answer>,
    /// From each frame of each video alone.
    pub frames: Vec<Vec<Answer>>,
}

impl PromptTask {
    /// A number: each of `templates` holds `<#>`, where every whole number of `range` goes, both ends included. The prompts
    /// are those of the first template in ascending order, then those of the next.
    ///
    /// # Errors
    /// When a template lacks `<#>`, a prompt appears twice, there are fewer than five prompts, or more than 1001 numbers.
    pub fn regression(name: &str, templates: &[String], range: RangeInclusive<i32>) -> Result<Self, Error> {
        let refused = |reason| Err(Error::Task { task: name.to_owned(), reason });
        let (first, last) = (i64::from(*range.start()), i64::from(*range.end()));
        let numbers = usize::try_from(last - first + 1).unwrap_or(0);
        if !(1..=MAX_NUMBERS).contains(&numbers) {
            return refused(format!(
                "the range {first} to {last} holds {numbers} whole numbers; give 1 to {MAX_NUMBERS}, the least first"
            ));
        }
        if let Some(template) = templates.iter().find(|template| !template.contains(NUMBER)) {
            return refused(format!("the template {template:?} lacks {NUMBER}, where the number goes"));
        }
        let filled =
            |template: &String| range.clone().map(|number| template.replace(NUMBER, &number.to_string())).collect();
        let prompts: Vec<Vec<String>> = templates.iter().map(filled).collect();
        let prompts = checked(name, prompts.concat())?;
        if prompts.len() < FIFTH {
            return refused(format!("{} prompts have no best fifth; give at least {FIFTH}", prompts.len()));
        }
        let values = templates.iter().flat_map(|_| range.clone()).map(f64::from).collect();
        Ok(Self { name: name.to_owned(), prompts, reading: Reading::Numbers(values) })
    }

    /// The prompt of the first template whose number is nearest to `value`; `None` of other kinds of tasks.
    pub fn prompt_of(&self, value: f64) -> Option<&str> {
        let Reading::Numbers(values) = &self.reading else { return None };
        let far = |place: usize| (values[place] - value).abs();
        let nearest = (0..values.len()).reduce(|best, place| if far(place) < far(best) { place } else { best })?;
        self.prompts.get(nearest).map(String::as_str)
    }

    /// Whether a finding is there: sentences that say so.
    ///
    /// # Errors
    /// When there is no prompt, or one is blank, appears twice or holds `<#>`.
    pub fn binary(name: &str, prompts: Vec<String>) -> Result<Self, Error> {
        let prompts = checked(name, unfilled(name, prompts)?)?;
        Ok(Self { name: name.to_owned(), prompts, reading: Reading::Presence })
    }

    /// One of several grades. The prompts are ordered by grade, the mildest first.
    ///
    /// # Errors
    /// When there are fewer than two grades, two have one value, or more than one has no prompt; when a prompt is blank,
    /// appears twice in one grade or holds `<#>`.
    pub fn categorical(name: &str, mut grades: Vec<GradePrompts>) -> Result<Self, Error> {
        let refused = |reason| Err(Error::Task { task: name.to_owned(), reason });
        grades.sort_by_key(|of| of.grade.value);
        if grades.len() < 2 {
            return refused(format!("it has {} grades; give at least two", grades.len()));
        }
        if let Some(pair) = grades.windows(2).find(|pair| pair[0].grade.value == pair[1].grade.value) {
            return refused(format!("the grade {} appears twice", pair[0].grade.value));
        }
        let (mut prompts, mut prompted, mut unprompted) = (Vec::new(), Vec::new(), None);
        for GradePrompts { grade, prompts: of_grade } in grades {
            if of_grade.is_empty() {
                if let Some(other) = unprompted.replace(grade.clone()) {
                    return refused(format!(
                        "the grades {} and {} have no prompts; only one may",
                        other.value, grade.value
                    ));
                }
                continue;
            }
            // One sentence may stand for two grades, as in upstream's file: it then counts for both.
            let of_grade = checked(name, unfilled(name, of_grade)?)?;
            prompted.push((grade, prompts.len()..prompts.len() + of_grade.len()));
            prompts.extend(of_grade);
        }
        Ok(Self { name: name.to_owned(), prompts, reading: Reading::Grades { prompted, unprompted } })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is answered.
    pub fn mode(&self) -> Mode {
        match self.reading {
            Reading::Numbers(_) => Mode::Regression,
            Reading::Presence => Mode::Binary,
            Reading::Grades { .. } => Mode::Categorical,
        }
    }

    /// The prompts to embed; similarities have a column for each, in this order.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// The answer for a video, or for any set of frames.
    ///
    /// # Errors
    /// When the similarities are to another number of prompts.
    pub fn answer(&self, similarities: &Similarities) -> Result<Answer, Error> {
        if similarities.prompts() != self.prompts.len() {
            let why = format!("one for each prompt of the task `{}`", self.name);
            let (got, want) = (similarities.prompts(), self.prompts.len());
            return Err(Error::Length { what: "similarities of a frame", got, want, why });
        }
        Ok(match &self.reading {
            Reading::Numbers(values) => Answer::Value(ranked_value(similarities.rows(), values)),
            Reading::Presence => Answer::Score(similarities.mean(0..self.prompts.len())),
            Reading::Grades { prompted, unprompted } => {
                let score = |(grade, prompts): &(Grade, Range<usize>)| GradeScore {
                    grade: grade.clone(),
                    score: similarities.mean(prompts.clone()),
                };
                let scores = prompted.iter().map(score).collect();
                Answer::Grades(GradeScores { task: self.name.clone(), scores, unprompted: unprompted.clone() })
            }
        })
    }

    /// The answers for a study, each of its videos and each of their frames.
    ///
    /// # Errors
    /// When there is no video, or one has similarities to another number of prompts.
    pub fn answer_study(&self, videos: &[Similarities]) -> Result<StudyAnswer, Error> {
        let of_videos = videos.iter().map(|video| self.answer(video)).collect::<Result<_, _>>()?;
        let of_frames = |video: &Similarities| video.by_frame().map(|frame| self.answer(&frame)).collect();
        let frames = videos.iter().map(of_frames).collect::<Result<_, _>>()?;
        Ok(StudyAnswer { study: self.answer(&Similarities::of_all(videos)?)?, videos: of_videos, frames })
    }
}

/// Refuses a place for a number in a task that has none.
fn unfilled(name: &str, prompts: Vec<String>) -> Result<Vec<String>, Error> {
    match prompts.iter().find(|prompt| prompt.contains(NUMBER)) {
        Some(prompt) => {
            let reason = format!("the prompt {prompt:?} holds {NUMBER}, which only templates of a regression may");
            Err(Error::Task { task: name.to_owned(), reason })
        }
        None => Ok(prompts),
    }
}

/// Refuses no prompts, blank ones, and two that are the same to a text encoder that ignores case and spaces.
fn checked(name: &str, prompts: Vec<String>) -> Result<Vec<String>, Error> {
    let refused = |reason| Err(Error::Task { task: name.to_owned(), reason });
    if prompts.is_empty() {
        return refused("it has no prompts".to_owned());
    }
    let mut seen = HashMap::new();
    for prompt in &prompts {
        let words = prompt.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if words.is_empty() {
            return refused("a prompt is blank".to_owned());
        }
        if let Some(other) = seen.insert(words, prompt) {
            let same = if other == prompt {
                format!("{prompt:?} appears twice")
            } else {
                format!("{other:?} equals {prompt:?}")
            };
            return refused(format!("the prompt {same}; keep one"));
        }
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(prompts: &[&str]) -> Vec<String> {
        prompts.iter().map(|&prompt| prompt.to_owned()).collect()
    }

    fn grade(value: u32, prompts: &[&str]) -> GradePrompts {
        GradePrompts { grade: Grade { value, name: format!("grade {value}") }, prompts: texts(prompts) }
    }

    #[test]
    fn templates_are_filled_with_both_ends_of_the_range() -> Result<(), Error> {
        let task = PromptTask::regression("ef", &texts(&["EF <#>%", "<#> of <#>"]), -1..=2)?;
        let filled = ["EF -1%", "EF 0%", "EF 1%", "EF 2%", "-1 of -1", "0 of 0", "1 of 1", "2 of 2"];
        assert_eq!((task.prompts(), task.mode()), (&texts(&filled)[..], Mode::Regression));
        assert_eq!([task.prompt_of(-1e9), task.prompt_of(1e9)], [0, filled.len() / 2 - 1].map(|at| Some(filled[at])));
        assert_eq!(task.reading, Reading::Numbers(vec![-1.0, 0.0, 1.0, 2.0, -1.0, 0.0, 1.0, 2.0]));
        Ok(())
    }

    #[test]
    fn templates_that_make_no_regression_are_refused() {
        let refused =
            |templates: &[&str], range| PromptTask::regression("ef", &texts(templates), range).unwrap_err().to_string();
        assert_eq!(
            refused(&["EF <#>%", "EF"], 0..=9),
            "task `ef`: the template \"EF\" lacks <#>, where the number goes"
        );
        #[expect(clippy::reversed_empty_ranges, reason = "what a file may say")]
        let reversed = 100..=0;
        assert!(refused(&["EF <#>%"], reversed).contains("the range 100 to 0 holds 0 whole numbers"));
        assert!(refused(&["EF <#>%"], i32::MIN..=i32::MAX).contains("holds 4294967296 whole numbers"));
        assert!(refused(&["EF <#>%"], 0..=1001).contains("holds 1002 whole numbers"));
        assert_eq!(refused(&["EF <#>%"], 0..=3), "task `ef`: 4 prompts have no best fifth; give at least 5");
        assert_eq!(refused(&[], 0..=9), "task `ef`: it has no prompts");
        assert!(
            refused(&["EF <#>%", "ef  <#>% "], 0..=9).contains("the prompt \"EF 0%\" equals \"ef  0% \"; keep one")
        );
    }

    #[test]
    fn prompts_that_make_no_finding_are_refused() {
        let refused = |prompts: &[&str]| PromptTask::binary("lead", texts(prompts)).unwrap_err().to_string();
        assert_eq!(refused(&[]), "task `lead`: it has no prompts");
        assert_eq!(refused(&["a lead", " "]), "task `lead`: a prompt is blank");
        assert!(refused(&["a lead", "A lead"]).contains("the prompt \"a lead\" equals \"A lead\"; keep one"));
        assert!(refused(&["a lead of <#> mm"]).contains("holds <#>, which only templates of a regression may"));
    }

    #[test]
    fn prompts_that_make_no_grades_are_refused() {
        let refused =
            |grades: &[GradePrompts]| PromptTask::categorical("size", grades.to_vec()).unwrap_err().to_string();
        assert_eq!(refused(&[grade(1, &["large"])]), "task `size`: it has 1 grades; give at least two");
        assert_eq!(
            refused(&[grade(2, &["a"]), grade(1, &["b"]), grade(2, &["c"])]),
            "task `size`: the grade 2 appears twice"
        );
        assert_eq!(
            refused(&[grade(2, &["a"]), grade(1, &[]), grade(0, &[])]),
            "task `size`: the grades 0 and 1 have no prompts; only one may"
        );
        assert!(
            refused(&[grade(0, &["a"]), grade(1, &["b", "b"])]).contains("the prompt \"b\" appears twice; keep one")
        );
        assert!(refused(&[grade(0, &[]), grade(1, &["<#>"])]).contains("holds <#>"));
    }

    #[test]
    fn a_sentence_of_two_grades_counts_for_both() -> Result<(), Error> {
        let task = PromptTask::categorical("size", vec![grade(1, &["a", "b"]), grade(2, &["b"])])?;
        assert_eq!(task.prompts(), texts(&["a", "b", "b"]));
        let Answer::Grades(scores) = task.answer(&Similarities::new(vec![0.25, 0.5, 0.5], 3)?)? else {
            panic!("grades")
        };
        assert_eq!(scores.scores().iter().map(|of| of.score).collect::<Vec<_>>(), [0.375, 0.5]);
        Ok(())
    }

    #[test]
    fn a_grade_is_scored_by_its_own_prompts_whatever_their_order() -> Result<(), Error> {
        let grades = vec![grade(3, &["severe"]), grade(0, &[]), grade(1, &["mild", "slight"])];
        let task = PromptTask::categorical("size", grades)?;
        assert_eq!((task.name(), task.prompts()), ("size", &texts(&["mild", "slight", "severe"])[..]));
        let Answer::Grades(scores) = task.answer(&Similarities::new(vec![0.5, 0.25, 0.375, 0.0, 0.25, 0.5], 3)?)?
        else {
            panic!("grades")
        };
        let of_grades: Vec<_> = scores.scores().iter().map(|of| (of.grade.value, of.score)).collect();
        assert_eq!(of_grades, [(1, 0.25), (3, 0.4375)]);
        assert_eq!((scores.best().grade.value, scores.at_threshold(0.5)?.value), (3, 0));
        assert_eq!(scores.unprompted().map(|grade| grade.value), Some(0));
        Ok(())
    }

    #[test]
    fn a_study_is_answered_by_all_its_frames() -> Result<(), Error> {
        let task = PromptTask::binary("lead", texts(&["a lead", "a wire"]))?;
        let videos = [Similarities::new(vec![0.5, 0.25], 2)?, Similarities::new(vec![0.0, 0.0, 0.125, 0.375], 2)?];
        let answer = task.answer_study(&videos)?;
        assert_eq!(answer.study, Answer::Score(1.25 / 6.0));
        assert_eq!(answer.videos, [Answer::Score(0.375), Answer::Score(0.125)]);
        assert_eq!(answer.frames, [vec![Answer::Score(0.375)], vec![Answer::Score(0.0), Answer::Score(0.25)]]);
        Ok(())
    }

    #[test]
    fn similarities_to_other_prompts_are_refused() -> Result<(), Error> {
        let task = PromptTask::binary("lead", texts(&["a lead", "a wire"]))?;
        let three = Similarities::new(vec![0.5; 3], 3)?;
        let message =
            "`similarities of a frame` holds 3 values, but 2 are needed: one for each prompt of the task `lead`";
        assert_eq!(task.answer(&three).unwrap_err().to_string(), message);
        let two = Similarities::new(vec![0.5; 2], 2)?;
        assert_eq!(task.answer_study(&[two, three]).unwrap_err().to_string(), message);
        assert_eq!(task.answer_study(&[]).unwrap_err().to_string(), "there are no videos; give at least one");
        Ok(())
    }
}
