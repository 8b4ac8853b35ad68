//! Which view a clip shows, whether it shows any of those that the encoder knows, and how good its picture is.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use echo_clinical::ood::{DETECTORS, Evidence, Rows, YesNo};
use echo_core::{AnyEncoder, Error, Negation, l2_normalize};

use crate::CliError;

/// The score by which a clip counts as one of the known views, and the least that does: there the branch that denies is as sure
/// as the one that affirms.
const KNOWN_BY: &str = "agreeing-to-differ";
pub(crate) const KNOWN_FROM: f64 = 0.5;

/// Names of the grades of a picture, worst first: those of the task `quality`.
pub(crate) const GRADES: [&str; 3] = ["poor", "medium", "good"];

/// What an encoder recognises views with.
pub(crate) struct Recogniser {
    /// Of encoders that can deny: sentences that affirm and deny each view, at length one, `[views, dim]` each. Others have a
    /// classifier of their own.
    sentences: Option<[Tensor<2>; 2]>,
}

/// What is recognised in a clip.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recognised {
    /// The probability of each of the encoder's views, which sum to one.
    pub(crate) views: Vec<f32>,
    /// How likely it shows any of them, where the encoder can deny; no number where a similarity is none.
    pub(crate) known: Option<f32>,
    /// The probability of each of [`GRADES`], where the weights have a quality head.
    pub(crate) grades: Option<Vec<f32>>,
}

impl Recogniser {
    /// None for encoders that tell no views apart. The sentences of the others are encoded once.
    ///
    /// # Errors
    /// A sentence does not fit the text tower.
    pub(crate) fn new(encoder: &AnyEncoder, device: &Device) -> Result<Option<Self>, CliError> {
        let views = encoder.card().capabilities.views;
        if let Some(negation) = encoder.negation() {
            let [shown, denied] = [negation.shown(views)?, negation.denied(views)?].map(l2_normalize);
            let [shown, denied] = [shown, denied].map(|texts| texts.to_device(device));
            return Ok(Some(Self { sentences: Some([shown, denied]) }));
        }
        Ok(encoder.has_views().then_some(Self { sentences: None }))
    }

    /// What it recognises in a clip `[1, 3, frames, height, width]`.
    pub(crate) fn of(&self, encoder: &AnyEncoder, clip: Tensor<5>) -> Recognised {
        let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        match (&self.sentences, encoder.negation()) {
            (Some([shown, denied]), Some(negation)) => {
                let branches = negation.branches(clip);
                let logits = |of: &Tensor<2>, texts: &Tensor<2>| scaled(negation, of.clone(), texts.clone());
                let (yes, no) = (logits(&branches.yes, shown), logits(&branches.no, denied));
                let known = probability_of_any(&numbers(yes.clone()), &numbers(no)).unwrap_or(f64::NAN) as f32;
                let grades = negation.quality(&branches).map(|grades| numbers(softmax(grades, 1)));
                Recognised { views: numbers(softmax(yes, 1)), known: Some(known), grades }
            }
            _ => {
                let views = encoder.view_logits(clip).map_or_else(Vec::new, |logits| numbers(softmax(logits, 1)));
                Recognised { views, known: None, grades: None }
            }
        }
    }
}

impl Recognised {
    /// Its numbers are all finite.
    pub(crate) fn check(&self) -> Result<(), Error> {
        echo_core::check_finite("the probabilities of views", &self.views)?;
        echo_core::check_finite("the probability of a known view", self.known.as_slice())?;
        echo_core::check_finite("the probabilities of grades", self.grades.as_deref().unwrap_or_default())
    }
}

/// Scaled cosine similarities of clips to texts of length one, `[clips, texts]`.
fn scaled(negation: &dyn Negation, clips: Tensor<2>, texts: Tensor<2>) -> Tensor<2> {
    l2_normalize(clips).matmul(texts.transpose()) * negation.logit_scale().exp().unsqueeze()
}

/// How likely one clip shows any view, by the score that [`KNOWN_BY`] names, from logits that affirm and deny each.
fn probability_of_any(yes: &[f32], no: &[f32]) -> Result<f64, echo_clinical::Error> {
    let rows = |what, values: &[f32]| Rows::new(what, values.iter().copied().map(f64::from).collect(), values.len());
    let (yes, no) = (rows("yes", yes)?, rows("no", no)?);
    let evidence = Evidence { yes_no: Some(YesNo::new(&yes, &no)?), ..Evidence::default() };
    let detector = DETECTORS.iter().find(|detector| detector.name == KNOWN_BY).expect("it is one of the detectors");
    // The score is minus the logarithm of how likely it shows none.
    let score = detector.scores(&evidence)?.expect("its evidence is there")[0];
    Ok(-(-score).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_of_a_known_view_as_far_as_the_likely_ones_are_not_denied() {
        let of = |yes: [f32; 2], no: [f32; 2]| probability_of_any(&yes, &no).unwrap();
        // Of two equal views one is denied with 3 : 1 and the other affirmed with 3 : 1.
        let third = 3f32.ln();
        assert!((of([0.0, 0.0], [third, -third]) - 0.5).abs() < 1e-6);
        assert!(of([9.0, 0.0], [-9.0, 0.0]) > 0.99 && of([9.0, 0.0], [19.0, 0.0]) < 0.01);
        assert!(probability_of_any(&[f32::NAN, 0.0], &[0.0, 0.0]).is_err());
    }
}
