//! Findings without training: what similarities between frames and prompts say.
//!
//! The method is EchoCLIP's (Christensen et al., Nature Medicine 2024; github.com/echonet/echo_CLIP, commit 23cd327). Frames and
//! prompts are embedded and normalised; what counts is the matrix of their cosines ([`Similarities`]). A task ([`PromptTask`])
//! has one of three modes:
//!
//! - **Regression.** Each template is a prompt for every whole number of a range. In each frame the prompts are ranked by
//!   similarity, the most similar first, and replaced by their numbers. These lists are averaged over frames, position by
//!   position. The answer is the median of the first fifth; of an even number, the lower middle one. Equally similar prompts
//!   keep their order in the task. Upstream's sort is not stable and leaves ties open; in bfloat16, which its example uses,
//!   they are common.
//! - **Binary.** The score is the mean cosine over frames and prompts. It is not a probability: its threshold depends on the
//!   encoder and the prompts. [`best_f1_threshold`] finds one on labelled scores.
//! - **Categorical.** Upstream publishes prompts of grades, but no algorithm that chooses one. A grade's score is the binary
//!   score of its prompts; upstream lists each grade as a binary task, too. The choice is ours: the grade with the highest
//!   score. See [`GradeScores`] for grades without prompts.
//!
//! All three average over frames, so the answer for a study is that of the frames of all its videos. Videos with more frames
//! weigh more; upstream takes at most 20 frames of a video. The caller chooses the videos, such as apical four-chamber views
//! for the ejection fraction.

mod grades;
mod prompt_task;
mod prompts;
mod regression;
mod similarities;
mod threshold;

pub use grades::{Grade, GradeScore, GradeScores};
pub use prompt_task::{Answer, GradePrompts, Mode, PromptTask, StudyAnswer};
pub use prompts::Prompts;
pub use regression::ranked_value;
pub use similarities::Similarities;
pub use threshold::{F1Threshold, best_f1_threshold};
