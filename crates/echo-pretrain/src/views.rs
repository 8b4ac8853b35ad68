//! Views by sentences, what is denied of a clip, and the quality of its picture: all that an encoder with a second branch says.

use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, BothBranches, Negation, l2_normalize, opposition};
use echo_phantom::{Findings, ImageQuality, Purpose, View};
use echo_random::Stream;

use crate::PretrainError;
use crate::captions::view_words;
use crate::clips::ClipBatch;
use crate::contrastive::soft_cross_entropy;
use crate::values::encode_texts;

/// Weights beside telling views apart: of denying the others, of sentences and their denials being unlike, and of grades.
const DENIAL_WEIGHT: f32 = 1.0;
const OPPOSITION_WEIGHT: f32 = 1.0;
const QUALITY_WEIGHT: f32 = 0.5;

/// Weight of telling views apart by what else is said of them.
const PROMPT_WEIGHT: f32 = 0.5;

/// Names of views that are told apart together.
#[derive(Clone, Debug)]
pub struct ViewNames {
    /// All names, also of views that no phantom shows.
    pub names: Vec<String>,
    /// Which of them each of [`View::ALL`] has.
    pub of_view: Vec<usize>,
}

/// The three stages of Song et al., "EchoViewCLIP" (MICCAI 2025) at once: telling views apart by a sentence of each, a second
/// branch that denies the views that a clip does not show, and grades of its picture.
#[derive(Debug)]
pub struct ViewWords {
    /// One of these lists a step.
    lists: Vec<ViewNames>,
    /// Tokens of other sentences, of each of [`View::ALL`].
    prompts: Vec<Vec<Vec<u32>>>,
    seed: u64,
}

impl ViewWords {
    /// For an encoder with a text tower and a second branch. Without a quality head it learns no grades.
    ///
    /// # Errors
    /// It has none of these, or a sentence is too long for it.
    pub fn new(encoder: &AnyEncoder, lists: Vec<ViewNames>, seed: u64) -> Result<Self, PretrainError> {
        let unfit = |reason: &str| PretrainError::Unfit { encoder: encoder.card().name, reason: reason.to_owned() };
        let text = encoder.text().ok_or_else(|| unfit("it has no text tower"))?;
        let negation = encoder.negation().ok_or_else(|| unfit("it has no second branch"))?;
        for list in &lists {
            let names: Vec<&str> = list.names.iter().map(String::as_str).collect();
            negation.shown(&names)?;
            negation.denied(&names)?;
        }
        let of_view = |view: &View| view_words(*view).into_iter().map(|words| text.tokenize(words)).collect();
        let prompts = View::ALL.iter().map(of_view).collect::<Result<Vec<Vec<_>>, _>>()?;
        let fits = |list: &ViewNames| {
            list.of_view.len() == View::ALL.len() && list.of_view.iter().all(|&name| name < list.names.len())
        };
        if lists.is_empty() || !lists.iter().all(fits) {
            return Err(PretrainError::Setting("every view needs a name in every list".to_owned()));
        }
        Ok(Self { lists, prompts, seed })
    }

    /// The weighted sum of all losses on a batch of phantoms.
    pub(crate) fn loss(
        &self,
        encoder: &AnyEncoder,
        batch: &ClipBatch,
        purpose: Purpose,
        device: &Device,
    ) -> Result<Tensor<1>, PretrainError> {
        let first = batch.numbers.first().copied().unwrap_or(0);
        let mut stream = Stream::new(self.seed, &format!("pretrain/views/{}", purpose.name()), u64::from(first));
        let negation = negation_of(encoder);
        let branches = negation.branches(batch.clips(device));
        let (yes, no) = (l2_normalize(branches.yes.clone()), l2_normalize(branches.no.clone()));
        let list = &self.lists[stream.below(self.lists.len())];
        let names: Vec<&str> = list.names.iter().map(String::as_str).collect();
        let shown = l2_normalize(negation.shown(&names)?);
        let denied = l2_normalize(negation.denied(&names)?);
        let scale = negation.logit_scale().exp().unsqueeze::<2>();
        let places: Vec<usize> = batch.findings.iter().map(|findings| place_of(findings.view)).collect();
        let in_list: Vec<usize> = places.iter().map(|&place| list.of_view[place]).collect();
        let targets = one_hot(&in_list, names.len());
        let of_views = soft_cross_entropy(yes.clone().matmul(shown.clone().transpose()) * scale.clone(), &targets);
        let of_denials = soft_cross_entropy(no.matmul(denied.clone().transpose()) * scale.clone().neg(), &targets);
        let of_sentences = opposition(shown, denied);

        let drawn: Vec<&Vec<u32>> = self.prompts.iter().map(|ways| &ways[stream.below(ways.len())]).collect();
        let text = encoder.text().expect("the objective was made for an encoder with a text tower");
        let prompts = l2_normalize(encode_texts(&drawn, text, device));
        let of_prompts = soft_cross_entropy(yes.matmul(prompts.transpose()) * scale, &one_hot(&places, drawn.len()));
        let mut loss =
            of_views + of_prompts * PROMPT_WEIGHT + of_denials * DENIAL_WEIGHT + of_sentences * OPPOSITION_WEIGHT;
        if let Some(quality) = of_quality(negation, &branches, &batch.findings) {
            loss = loss + quality * QUALITY_WEIGHT;
        }
        Ok(loss)
    }

    /// For each clip whether its view is another than the likeliest of the first list, 0 or 100.
    pub(crate) fn errors(
        &self,
        encoder: &AnyEncoder,
        batch: &ClipBatch,
        device: &Device,
    ) -> Result<Vec<f64>, PretrainError> {
        let negation = negation_of(encoder);
        let list = &self.lists[0];
        let names: Vec<&str> = list.names.iter().map(String::as_str).collect();
        let yes = l2_normalize(negation.branches(batch.clips(device)).yes);
        let logits = yes.matmul(l2_normalize(negation.shown(&names)?).transpose());
        let likeliest = logits.argmax(1).into_data();
        let right = |(found, findings): (i64, &Findings)| {
            if found == list.of_view[place_of(findings.view)] as i64 { 0.0 } else { 100.0 }
        };
        Ok(likeliest.iter::<i64>().zip(&batch.findings).map(right).collect())
    }
}

/// Cross-entropy of the grades, where the encoder has a head for them and the clips have some.
fn of_quality(negation: &dyn Negation, branches: &BothBranches, findings: &[Findings]) -> Option<Tensor<1>> {
    let logits = negation.quality(branches)?;
    let grades: Vec<usize> = findings.iter().map(|of| of.image_quality.map(grade)).collect::<Option<_>>()?;
    let [_, columns] = logits.dims();
    Some(soft_cross_entropy(logits, &one_hot(&grades, columns)))
}

/// A row for each place, with a one there: `[places * columns]`
fn one_hot(places: &[usize], columns: usize) -> Vec<f32> {
    let row = |&place: &usize| (0..columns).map(move |column| f32::from(u8::from(column == place)));
    places.iter().flat_map(row).collect()
}

/// The grade's place, worst first.
fn grade(quality: ImageQuality) -> usize {
    match quality {
        ImageQuality::Poor => 0,
        ImageQuality::Medium => 1,
        ImageQuality::Good => 2,
    }
}

fn place_of(view: View) -> usize {
    View::ALL.iter().position(|other| *other == view).expect("all views are in the list of all")
}

fn negation_of(encoder: &AnyEncoder) -> &dyn Negation {
    encoder.negation().expect("the objective was made for an encoder with a second branch")
}
