//! A second branch that learns to say no: which classes a clip is not of (Wang et al., "CLIPN for zero-shot OOD detection:
//! teaching CLIP to say no", ICCV 2023; of videos, Song et al., "EchoViewCLIP", MICCAI 2025).
//!
//! The encoder's own towers are frozen. The second branch begins as a copy of them, or as the weights have it, and learns that the
//! sentence that denies a class lies far from clips of it, and far from the sentence that does not.

use burn::module::Module;
use burn::tensor::Tensor;
use echo_core::{
    Adapter, Answer, AnyEncoder, BothBranches, Classification, Error, Features, Kind, Negation, ParameterRole,
    Prediction, Stage, Task, l2_normalize, opposition,
};
use serde::Deserialize;

use crate::build::beginning_with;
use crate::registry::Needs;
use crate::{AdaptError, AdapterEntry, BuildContext, FromRecipe};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry::of::<NegationAdapter>();

/// An encoder whose second branch learns which classes clips are not of.
#[derive(Module, Debug)]
pub struct NegationAdapter {
    encoder: AnyEncoder,
    /// Embeddings of a sentence for each class, at length one, `[classes, dim]`: the first branch's, which is frozen.
    shown: Tensor<2>,
    /// Of the classes.
    #[module(skip)]
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    compat: NegationCompat,
}

/// Which code is reproduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NegationCompat {
    /// None: the method.
    None,
    /// What EchoViewCLIP was released as: sentences that deny are never encoded, and the second branch weighs the frames of the
    /// first.
    Released,
}

impl NegationCompat {
    pub(crate) fn is_released(self) -> bool {
        self == Self::Released
    }
}

/// The classes of a task, of which a clip has one.
pub(crate) fn single_label(task: &Task) -> Option<&Classification> {
    match &task.answer {
        Answer::Classes(classes) if classes.kind != Kind::MultiLabel => Some(classes),
        _ => None,
    }
}

impl FromRecipe for NegationAdapter {
    const NAME: &'static str = "negation";
    const SUMMARY: &'static str = "a second branch learns which classes a clip is not of (CLIPN, Wang et al. 2023)";
    const RECIPE: &'static str = include_str!("../../../configs/adapters/negation.toml");
    type Settings = Settings;

    fn build(Settings { compat }: Settings, context: &BuildContext<'_>) -> Result<Self, AdaptError> {
        check(context)?;
        let encoder = with_branch(Self::NAME, context.encoder, compat)?;
        let names = single_label(context.task).into_iter().flat_map(|classes| &classes.classes);
        let names: Vec<String> = names.map(|class| class.name.clone()).collect();
        let negation = branch(&encoder);
        let shown = l2_normalize(negation.shown(&borrowed(&names))?);
        // A sentence that is too long is found here.
        negation.denied(&borrowed(&names))?;
        let paths = negation.parameters();
        let trained: Vec<&str> = paths.video.iter().chain(paths.text).copied().collect();
        let encoder = encoder.freeze().unfreeze_group(beginning_with(&trained));
        Ok(Self { encoder, shown, names })
    }

    fn needs(Settings { compat }: Settings, context: &BuildContext<'_>) -> Result<Needs, AdaptError> {
        check(context)?;
        with_branch(Self::NAME, context.encoder, compat)?;
        Ok(Needs { stage: Stage::Clip, borrows_text: false })
    }
}

fn check(context: &BuildContext<'_>) -> Result<(), AdaptError> {
    let (encoder, task) = (context.encoder.card().name, context.task);
    let reason = || format!("it denies classes, and {} is no task of one class each", task.name);
    let refused = || AdaptError::Incompatible { adapter: NegationAdapter::NAME, encoder, reason: reason() };
    single_label(task).map(drop).ok_or_else(refused)
}

/// The encoder with a second branch: the weights' own, or a copy of the first.
///
/// # Errors
/// The architecture has none, or the weights' own was trained otherwise than `compat` says.
pub(crate) fn with_branch(
    adapter: &'static str,
    encoder: &AnyEncoder,
    compat: NegationCompat,
) -> Result<AnyEncoder, AdaptError> {
    let refused = |reason: &str| {
        Err(AdaptError::Incompatible { adapter, encoder: encoder.card().name, reason: reason.to_owned() })
    };
    let released = compat.is_released();
    match encoder.negation().map(|negation| negation.is_released()) {
        Some(true) if !released => {
            refused("its weights' second branch was trained as the released code does; set `compat` to \"released\"")
        }
        Some(false) if released => {
            refused("its weights' second branch was trained by the method; set `compat` to \"none\"")
        }
        Some(_) => Ok(encoder.clone()),
        None => match encoder.with_negation(released) {
            Some(encoder) => Ok(encoder),
            None => refused("its architecture has no second branch that says what a clip is not"),
        },
    }
}

/// The second branch of an encoder that was given one.
pub(crate) fn branch(encoder: &AnyEncoder) -> &dyn Negation {
    encoder.negation().expect("the adapter was built on an encoder with a second branch")
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

impl NegationAdapter {
    /// Embeddings of sentences that deny the classes, at length one: `[classes, dim]`
    fn denied(&self) -> Tensor<2> {
        let denied: Result<Tensor<2>, Error> = branch(&self.encoder).denied(&borrowed(&self.names));
        l2_normalize(denied.expect("the same sentences were encoded when the adapter was built"))
    }
}

impl Adapter for NegationAdapter {
    fn stage(&self) -> Stage {
        Stage::Clip
    }

    fn encoder(&self) -> Option<&AnyEncoder> {
        Some(&self.encoder)
    }

    fn role(&self, path: &str) -> ParameterRole {
        let text = branch(&self.encoder).parameters().text;
        match path.strip_prefix("encoder.") {
            Some(path) if text.iter().any(|prefix| path.starts_with(prefix)) => ParameterRole::Text,
            _ => ParameterRole::Encoder,
        }
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        Some(opposition(self.shown.clone(), self.denied()))
    }

    fn zero_gradient_reason(&self, path: &str) -> Option<&'static str> {
        path.ends_with("score.bias").then_some("a softmax over frames does not change when all scores move")
    }

    /// The less a class is denied, the likelier it is.
    fn forward(&self, features: Features) -> Prediction {
        let Features::Clip(clip, clips) = features else { unreachable!("its stage is the clip") };
        let negation = branch(&self.encoder);
        let BothBranches { no, .. } = negation.branches(clip);
        let similarity = l2_normalize(no).matmul(self.denied().transpose());
        let logits = similarity * negation.logit_scale().exp().neg().unsqueeze();
        let [all, classes] = logits.dims();
        Prediction::Classes(logits.reshape([all / clips, clips, classes]).mean_dim(1).squeeze_dim(1))
    }
}
