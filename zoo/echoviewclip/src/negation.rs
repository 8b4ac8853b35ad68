//! The second branch: copies of the text tower, of the last image blocks and of the pooling, which learn what is not there.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use echo_core::{BothBranches, EchoEncoder, Error, Negation, NegationPaths, TextEncoder};
use echo_nn::{ClipTextBranch, ClipTextTower, ClipVision, ClipVisionBranch, FramePool, QualityHeadConfig};
use echo_weights::randomize;

use crate::EchoViewClip;
use crate::model::{FRAMES, GRADES, words};
use crate::views::{DENIED, SHOWN, sentences};

/// Sizes of the second branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBranchConfig {
    /// Image blocks of its own, the last ones.
    pub blocks: usize,
    /// Learnable vectors in place of the first words of negated sentences, `[vectors, width]`; none for a branch that is trained
    /// as the released code does, which encodes no such sentence.
    pub context: Option<[usize; 2]>,
}

impl NoBranchConfig {
    /// The branch with the values of the one that it stands beside, and a context of zeros.
    pub(crate) fn init(
        &self,
        visual: &ClipVision,
        text: &ClipTextTower,
        pool: &FramePool,
        device: &Device,
    ) -> NoBranch {
        let context = self.context.map(|shape| Initializer::Zeros.init(shape, device));
        NoBranch { visual: visual.branch(self.blocks), text: text.branch(), context, pool: pool.clone() }
            .map(&mut Apart)
    }
}

/// What the second branch has of its own.
#[derive(Module, Debug)]
pub struct NoBranch {
    visual: ClipVisionBranch,
    text: ClipTextBranch,
    /// In place of the first words of negated sentences, `[vectors, width]`.
    context: Option<Param<Tensor<2>>>,
    pool: FramePool,
}

/// Gives every parameter an identity of its own, so that a copy and its original are two.
struct Apart;

impl ModuleMapper for Apart {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::from_tensor(param.val())
    }
}

impl EchoViewClip {
    /// With a second branch that begins as a copy of the first.
    pub(crate) fn with_copied_branch(self, released: bool) -> Self {
        let config = NoBranchConfig { blocks: self.visual.layers().div_ceil(3), context: None };
        let no = config.init(&self.visual, &self.text, &self.pool, &self.text.logit_scale().device());
        let model = Self { no: Some(no), ..self };
        if released { model } else { model.denying_in_words() }
    }

    /// With learnable words in which the second branch denies, which begin as those of a denial. The released code has none.
    ///
    /// # Panics
    /// There is no second branch.
    pub fn denying_in_words(self) -> Self {
        let beginning = [DENIED.to_owned()];
        let (words, lengths) = words(&self.text, &beginning).expect("four words are few tokens");
        let [_, _, width] = words.dims();
        // Without what begins and ends a text.
        let context = words.slice([0..1, 1..lengths[0] - 1]).reshape([lengths[0] - 2, width]);
        self.denying_with(context)
    }

    /// As after all three stages, to be trained: with a second branch, and a quality head of random layers.
    pub fn with_all_stages(self, seed: u64) -> Self {
        let model = self.with_copied_branch(false);
        let (dim, frames) = (model.pool.projector().weight.lazy_shape()[1], FRAMES);
        let head = QualityHeadConfig { dim, frames, grades: GRADES }.init(&model.text.logit_scale().device());
        Self { quality: Some(randomize(head, seed)), ..model }
    }

    /// With learnable words in which the second branch denies, `[vectors, width]`.
    ///
    /// # Panics
    /// There is no second branch.
    pub fn denying_with(mut self, context: Tensor<2>) -> Self {
        let no = self.no.as_mut().expect("a second branch denies");
        no.context = Some(Param::from_tensor(context));
        self
    }

    fn no(&self) -> &NoBranch {
        self.no.as_ref().expect("who asks for negation has seen that there is a second branch")
    }
}

impl Negation for EchoViewClip {
    /// The released code weighs the frames of the first branch, not of the second, by the second's attention.
    fn branches(&self, clip: Tensor<5>) -> BothBranches {
        let no = self.no();
        let class = self.tokens(clip.clone()).class.expect("CLIP has class tokens");
        let shown = self.frame_embeddings(class);
        let not_shown = self.visual.frames_along(&no.visual, clip);
        let (yes_attention, no_attention) = (self.pool.weights(shown.clone()), no.pool.weights(not_shown.clone()));
        let weighed = if self.is_released() { shown.clone() } else { not_shown.clone() };
        BothBranches {
            yes: self.pool.forward(shown.clone(), shown, yes_attention.clone()),
            no: no.pool.forward(not_shown, weighed, no_attention.clone()),
            yes_attention,
            no_attention,
        }
    }

    fn shown(&self, names: &[&str]) -> Result<Tensor<2>, Error> {
        let (words, lengths) = words(&self.text, &sentences(SHOWN, names))?;
        Ok(self.text.encode_words(words, &lengths))
    }

    /// The released code gives the second text tower the sentences of the first.
    fn denied(&self, names: &[&str]) -> Result<Tensor<2>, Error> {
        let no = self.no();
        let (words, lengths) = match &no.context {
            None => words(&self.text, &sentences(SHOWN, names))?,
            Some(context) => self.with_context(context.val(), names)?,
        };
        Ok(no.text.encode_words(words, &lengths))
    }

    /// The method trains words to deny with, the released code none.
    fn is_released(&self) -> bool {
        self.no().context.is_none()
    }

    fn logit_scale(&self) -> Tensor<1> {
        self.text.logit_scale()
    }

    fn quality(&self, branches: &BothBranches) -> Option<Tensor<2>> {
        let BothBranches { yes, no, yes_attention, no_attention } = branches.clone();
        Some(self.quality.as_ref()?.forward([yes, no], [yes_attention, no_attention]))
    }

    /// Upstream trains what has "no" in its name: not the class token, the positions and the projection, which have no such
    /// name.
    fn parameters(&self) -> NegationPaths {
        NegationPaths {
            video: &["no.visual.resblocks.", "no.visual.ln_post.", "no.pool."],
            text: &["no.text.", "no.context"],
        }
    }
}

impl EchoViewClip {
    /// Words of sentences whose beginning is `context`, and their lengths.
    fn with_context(&self, context: Tensor<2>, names: &[&str]) -> Result<(Tensor<3>, Vec<usize>), Error> {
        let rests: Vec<String> = names.iter().map(|name| format!("{name}.")).collect();
        let (rests_of, lengths) = words(&self.text, &rests)?;
        let ([rows, tokens, width], [vectors, _]) = (rests_of.dims(), context.dims());
        let limit = self.text.context_length();
        if let Some((row, length)) = lengths.iter().enumerate().find(|(_, length)| *length + vectors > limit) {
            let (tokens, text) = (length + vectors, rests[row].clone());
            return Err(Error::TextTooLong { tokens, context: vectors, limit, text });
        }
        let context = context.unsqueeze::<3>().expand([rows, vectors, width]);
        let (start, rest) = (rests_of.clone().narrow(1, 0, 1), rests_of.narrow(1, 1, tokens - 1));
        let all = Tensor::cat(vec![start, context, rest], 1);
        // Padding reaches no further than the tower does.
        let kept = (tokens + vectors).min(limit);
        Ok((all.narrow(1, 0, kept), lengths.into_iter().map(|length| length + vectors).collect()))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use echo_core::Preset;
    use echo_weights::Pretrained;

    use super::*;

    fn nano() -> EchoViewClip {
        let preset = EchoViewClip::CARD.preset(Preset::NANO).unwrap();
        randomize(EchoViewClip::init(preset, &Device::flex()), 3)
    }

    fn clip() -> Tensor<5> {
        let shape = [2, 3, 16, 64, 64];
        let values: Vec<f32> =
            (0..shape.iter().product::<usize>()).map(|i| (0.7 * (i * i % 9973) as f32).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn difference(a: Tensor<2>, b: Tensor<2>) -> f32 {
        (a - b).abs().max().into_scalar::<f32>()
    }

    #[test]
    fn a_copied_branch_begins_as_the_first_and_denies_in_words() {
        let model = nano();
        assert!(model.negation().is_none());
        let model = model.with_copied_branch(false);
        let negation = model.negation().unwrap();
        let BothBranches { yes, no, yes_attention, no_attention } = negation.branches(clip());
        assert!(difference(yes.clone(), no) < 1e-5 && difference(yes_attention, no_attention) < 1e-6);
        assert!(difference(yes, model.encode(clip())) < 1e-5);
        // The context is the words of the denial, so that the sentence is the whole one.
        let names = ["Suprasternal Notch", "A4C"];
        let (shown, denied) = (negation.shown(&names).unwrap(), negation.denied(&names).unwrap());
        let (whole, lengths) = words(&model.text, &sentences(DENIED, &names)).unwrap();
        assert!(difference(denied.clone(), model.text.encode_words(whole, &lengths)) < 1e-5);
        assert!(difference(shown.clone(), denied) > 1e-2);
        // What was released denies nothing.
        let released = nano().with_copied_branch(true);
        assert!(!negation.is_released() && released.is_released());
        assert!(difference(shown, released.denied(&names).unwrap()) < 1e-5);
        let long = "ventricle ".repeat(71);
        assert!(negation.denied(&[long.as_str()]).is_err());
    }

    #[test]
    fn a_copied_branch_stays_within_the_bounds_of_nano_and_is_a_parameter_of_its_own() {
        let model = nano().with_copied_branch(false);
        assert!(model.num_params() < 1_200_000, "{}", model.num_params());
        let changed = EchoViewClip { pool: randomize(model.pool.clone(), 9), ..model.clone() };
        let pooled = |model: &EchoViewClip| {
            let BothBranches { yes, no, .. } = model.branches(clip());
            [yes, no]
        };
        let ([yes, no], [changed_yes, changed_no]) = (pooled(&model), pooled(&changed));
        assert!(difference(yes, changed_yes) > 1e-2 && difference(no, changed_no) == 0.0);
    }
}
