//! Numbers in, numbers out: the methods of clinical tasks, from embeddings that an encoder has already computed.
//!
//! - [`zero_shot`]: findings from similarities between frames and prompts (EchoCLIP).
//! - [`study`]: phenotypes and a report of a study, from the most similar studies of an archive (EchoPrime).
//! - [`out_of_distribution`]: whether a clip shows any of the known classes (CLIPN, EchoViewCLIP).
//! - [`retrieval`]: how well a search finds what belongs together.
//! - [`pairs`]: whether similarities tell pairs of studies apart: one patient or two, before or after an operation (EchoCLIP-R).
//! - [`index`]: embeddings on disk that can be searched.
//! - [`ood`]: whether a sample is of one of the classes that a few labelled ones are of.
//!
//! ```
//! use echo_clinical::zero_shot::{Answer, Prompts, Similarities};
//! let prompts = Prompts::shipped()?;
//! let task = prompts.task("pacemaker_lead")?;
//! // Embed `task.prompts()` and the frames, then take the cosine of each pair: here two frames.
//! let similarities = Similarities::new(vec![0.30, 0.26, 0.31, 0.33, 0.27, 0.33], task.prompts().len())?;
//! let Answer::Score(score) = task.answer(&similarities)? else { panic!("a binary task") };
//! assert!((score - 0.3).abs() < 1e-6);
//! # Ok::<(), echo_clinical::Error>(())
//! ```

mod entries;
mod error;
pub mod index;
pub mod ood;
pub mod pairs;
pub mod retrieval;
pub mod study;
pub mod zero_shot;

pub use error::Error;
