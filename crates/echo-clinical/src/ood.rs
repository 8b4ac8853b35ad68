//! Out-of-distribution detection: whether a sample is of one of the classes that a few labelled ones are of.
//!
//! [`DETECTORS`] lists the methods. Each gives a sample a score, the higher the more likely in distribution, from what
//! [`Evidence`] holds: logits of a classifier that was fitted to the labelled samples, their embeddings, similarities to prompts
//! of the classes, or what a model with a branch for "no" says of each class. A model that brings evidence of its own has the
//! detectors that read it; no detector knows a model.
//!
//! ```
//! use echo_clinical::ood::{DETECTORS, Embeddings, Evidence, Rows};
//! let train = Rows::new("training embeddings", vec![1.0, 0.0, 0.0, 1.0], 2)?;
//! let samples = Rows::new("embeddings", vec![0.8, 0.6, -1.0, 0.0], 2)?;
//! let embeddings = Embeddings::new(&train, &[0, 1], &samples, 1)?;
//! let evidence = Evidence { embeddings: Some(embeddings), ..Evidence::default() };
//! for detector in DETECTORS {
//!     if let Some(scores) = detector.scores(&evidence)? {
//!         assert!(scores[0] > scores[1], "{}", detector.name);
//!     }
//! }
//! # Ok::<(), echo_clinical::Error>(())
//! ```

mod covariance;
mod mahalanobis;
mod nearest;
mod rows;
mod softmax;
mod yes_no;

pub use rows::Rows;
pub use softmax::softmax;

use crate::Error;

/// Every detector, in the order of tables.
pub const DETECTORS: &[Detector] = &[
    Detector {
        name: "max-softmax",
        about: "largest probability of a linear classifier of the draw",
        of: Of::Head(softmax::largest),
    },
    Detector { name: "energy", about: "log-sum-exp of its logits", of: Of::Head(softmax::energy) },
    Detector {
        name: "mahalanobis",
        about: "distance to the nearest class mean; one covariance, shrunk by the oracle approximating shrinkage",
        of: Of::Embeddings(mahalanobis::scores),
    },
    Detector {
        name: "knn",
        about: "distance to the k-th nearest training sample",
        of: Of::Embeddings(nearest::scores),
    },
    Detector {
        name: "mcm",
        about: "largest softmax of the similarities to the classes' prompts, without training",
        of: Of::Prompts(softmax::largest),
    },
    Detector {
        name: "competing-to-win",
        about: "whether the yes of the likeliest class beats its no",
        of: Of::YesNo(yes_no::competing_to_win),
    },
    Detector {
        name: "agreeing-to-differ",
        about: "how far yes beats no over all classes, each as likely as it is",
        of: Of::YesNo(yes_no::agreeing_to_differ),
    },
];

/// A method that scores samples.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// Its name in tables and files.
    pub name: &'static str,
    /// What its score is, in a few words.
    pub about: &'static str,
    of: Of,
}

/// Which evidence a detector reads.
#[derive(Clone, Copy, Debug)]
enum Of {
    Head(fn(&Rows) -> Vec<f64>),
    Embeddings(fn(&Embeddings<'_>) -> Vec<f64>),
    Prompts(fn(&Rows) -> Vec<f64>),
    YesNo(fn(&YesNo<'_>) -> Vec<f64>),
}

/// What is known of samples, each of which has a row in all that is there. Detectors that read what is not there have no scores.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Logits of a classifier that was fitted to the labelled samples, `[samples, classes]`.
    pub head: Option<&'a Rows>,
    /// Embeddings, and those of the labelled samples.
    pub embeddings: Option<Embeddings<'a>>,
    /// Cosines to the prompts of the classes, `[samples, classes]`.
    pub prompts: Option<&'a Rows>,
    /// Of a model with a branch for "no".
    pub yes_no: Option<YesNo<'a>>,
}

/// Embeddings of the samples and of the labelled ones that they are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Embeddings<'a> {
    train: &'a Rows,
    classes: &'a [usize],
    samples: &'a Rows,
    neighbours: usize,
}

impl<'a> Embeddings<'a> {
    /// `train` is `[labelled, dim]` and `classes` has the class of each; `samples` is `[samples, dim]`. Rows should have length
    /// one. `neighbours` is the k of the k-th nearest labelled sample.
    ///
    /// # Errors
    /// When lengths disagree, or there are fewer labelled samples than neighbours, or none is asked for.
    pub fn new(train: &'a Rows, classes: &'a [usize], samples: &'a Rows, neighbours: usize) -> Result<Self, Error> {
        if classes.len() != train.len() {
            let why = "one for each training embedding".to_owned();
            return Err(Error::Length { what: "classes", got: classes.len(), want: train.len(), why });
        }
        if samples.width() != train.width() {
            let why = "as many as a training embedding has".to_owned();
            return Err(Error::Length { what: "an embedding", got: samples.width(), want: train.width(), why });
        }
        if neighbours == 0 || neighbours > train.len() {
            return Err(Error::Neighbours { asked: neighbours, candidates: train.len() });
        }
        Ok(Self { train, classes, samples, neighbours })
    }
}

/// For each sample and class how much speaks for the class, and how much against it, as logits on one scale.
#[derive(Clone, Copy, Debug)]
pub struct YesNo<'a> {
    yes: &'a Rows,
    no: &'a Rows,
}

impl<'a> YesNo<'a> {
    /// Both are `[samples, classes]`.
    ///
    /// # Errors
    /// When they differ in size.
    pub fn new(yes: &'a Rows, no: &'a Rows) -> Result<Self, Error> {
        for (what, got, want) in [("rows of no", no.len(), yes.len()), ("a row of no", no.width(), yes.width())] {
            if got != want {
                return Err(Error::Length { what, got, want, why: "as many as there are of yes".to_owned() });
            }
        }
        Ok(Self { yes, no })
    }
}

impl Detector {
    /// Whether every encoder, or every one with a text tower, has the evidence; else a model brings its own.
    pub fn is_general(&self) -> bool {
        !matches!(self.of, Of::YesNo(_))
    }

    /// The score of each sample, the higher the more likely in distribution; `None` without the evidence that it reads.
    ///
    /// # Errors
    /// A score is not finite, as where embeddings or logits are out of any range.
    pub fn scores(&self, evidence: &Evidence<'_>) -> Result<Option<Vec<f64>>, Error> {
        let scores = match self.of {
            Of::Head(of) => evidence.head.map(of),
            Of::Embeddings(of) => evidence.embeddings.as_ref().map(of),
            Of::Prompts(of) => evidence.prompts.map(of),
            Of::YesNo(of) => evidence.yes_no.as_ref().map(of),
        };
        match scores.iter().flatten().position(|score| !score.is_finite()) {
            Some(index) => {
                let value = scores.iter().flatten().nth(index).copied().unwrap_or(f64::NAN);
                Err(Error::NotFinite { what: self.name, index, value })
            }
            None => Ok(scores),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f64], width: usize) -> Rows {
        Rows::new("rows", values.to_vec(), width).expect("whole rows")
    }

    #[test]
    fn a_detector_scores_where_its_evidence_is_and_names_differ() -> Result<(), Error> {
        let names: std::collections::BTreeSet<&str> = DETECTORS.iter().map(|detector| detector.name).collect();
        assert_eq!(names.len(), DETECTORS.len());
        let with = |evidence: Evidence<'_>| -> Result<Vec<&str>, Error> {
            let scored =
                |detector: &&Detector| detector.scores(&evidence).map(|scores| scores.is_some()).unwrap_or(true);
            Ok(DETECTORS.iter().filter(scored).map(|detector| detector.name).collect())
        };
        let (logits, train) = (rows(&[1.0, 2.0], 2), rows(&[1.0, 0.0, 0.0, 1.0], 2));
        assert!(with(Evidence::default())?.is_empty());
        assert_eq!(with(Evidence { head: Some(&logits), ..Evidence::default() })?, ["max-softmax", "energy"]);
        let embeddings = Some(Embeddings::new(&train, &[0, 1], &logits, 1)?);
        assert_eq!(with(Evidence { embeddings, ..Evidence::default() })?, ["mahalanobis", "knn"]);
        assert_eq!(with(Evidence { prompts: Some(&logits), ..Evidence::default() })?, ["mcm"]);
        let yes_no = Some(YesNo::new(&logits, &logits)?);
        let of_model = ["competing-to-win", "agreeing-to-differ"];
        assert_eq!(with(Evidence { yes_no, ..Evidence::default() })?, of_model);
        Ok(())
    }

    #[test]
    fn sizes_that_disagree_and_neighbours_that_are_not_there_are_refused() {
        let (train, samples) = (rows(&[1.0, 0.0, 0.0, 1.0], 2), rows(&[1.0, 0.0], 2));
        let refused = |classes: &[usize], samples: &Rows, neighbours| {
            Embeddings::new(&train, classes, samples, neighbours).unwrap_err().to_string()
        };
        assert!(refused(&[0], &samples, 1).contains("`classes` holds 1 values, but 2 are needed"));
        assert!(refused(&[0, 1], &rows(&[1.0], 1), 1).contains("as many as a training embedding has"));
        for neighbours in [0, 3] {
            assert!(refused(&[0, 1], &samples, neighbours).contains("give 1 to 2"));
        }
        assert!(YesNo::new(&train, &samples).is_err() && YesNo::new(&samples, &rows(&[1.0], 1)).is_err());
    }

    #[test]
    fn a_score_that_is_no_number_is_an_error() {
        let logits = rows(&[0.0, 0.0, 1e300, -1e300], 2);
        let train = rows(&[1e300, 1e300], 2);
        let embeddings = Embeddings::new(&train, &[0], &logits, 1).ok();
        let evidence = Evidence { embeddings, ..Evidence::default() };
        let knn = DETECTORS.iter().find(|detector| detector.name == "knn").expect("k nearest neighbours");
        assert!(knn.scores(&evidence).unwrap_err().to_string().starts_with("`knn[0]` is -inf"));
    }
}
