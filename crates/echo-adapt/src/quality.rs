//! Grades of a video's quality from both branches of an encoder: what a clip shows, what it does not, and where attention goes
//! otherwise for the two (Song et al., "EchoViewCLIP", MICCAI 2025). The head is [`echo_nn::QualityHead`].

use burn::module::Module;
use echo_core::{Adapter, AnyEncoder, BothBranches, Classification, Features, Kind, ParameterRole, Prediction, Stage};
use echo_nn::{QualityHead, QualityHeadConfig};
use serde::Deserialize;

use crate::build::beginning_with;
use crate::negation::{NegationCompat, branch, single_label, with_branch};
use crate::parts::TrunkChoice;
use crate::registry::Needs;
use crate::start::random_linear;
use crate::{AdaptError, AdapterEntry, BuildContext, FromRecipe};

pub(crate) const ENTRY: AdapterEntry = AdapterEntry::of::<QualityAdapter>();

/// An encoder with two branches and a head for grades on both.
#[derive(Module, Debug)]
pub struct QualityAdapter {
    encoder: AnyEncoder,
    head: QualityHead,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether the second branch trains with the head.
    branch: TrunkChoice,
    compat: NegationCompat,
}

impl FromRecipe for QualityAdapter {
    const NAME: &'static str = "quality";
    const SUMMARY: &'static str =
        "grades from what a clip shows and what a second branch says that it does not (Song et al. 2025)";
    const RECIPE: &'static str = include_str!("../../../configs/adapters/quality.toml");
    type Settings = Settings;

    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<Self, AdaptError> {
        let grades = check(&settings, context)?.classes.len();
        let encoder = with_branch(Self::NAME, context.encoder, settings.compat)?;
        let (dim, device) = (encoder.dim(), context.device());
        // Presets differ in width; the head has a weight for each of their frames, whose number is fixed.
        let preset = encoder.card().presets.iter().find(|preset| preset.width == encoder.width());
        let frames = preset.unwrap_or(&encoder.card().presets[0]).clip.frames;
        let mut head = QualityHeadConfig { dim, frames, grades }.init(&device);
        head.projector = random_linear(2 * dim + frames, dim, context.seed, "adapt/quality/projector", &device);
        head.classifier = random_linear(dim, grades, context.seed, "adapt/quality/classifier", &device);
        let trained = branch(&encoder).parameters().video;
        let frozen = encoder.freeze();
        let encoder = match settings.branch {
            TrunkChoice::Frozen => frozen,
            TrunkChoice::Tuned => frozen.unfreeze_group(beginning_with(trained)),
        };
        Ok(Self { encoder, head })
    }

    fn needs(settings: Settings, context: &BuildContext<'_>) -> Result<Needs, AdaptError> {
        check(&settings, context)?;
        with_branch(Self::NAME, context.encoder, settings.compat)?;
        Ok(Needs { stage: Stage::Clip, borrows_text: false })
    }
}

/// The grades.
fn check<'a>(settings: &Settings, context: &BuildContext<'a>) -> Result<&'a Classification, AdaptError> {
    let (encoder, task) = (context.encoder, context.task);
    let refused = |reason: String| AdaptError::Incompatible {
        adapter: QualityAdapter::NAME,
        encoder: encoder.card().name,
        reason,
    };
    let grades = single_label(task).filter(|classes| classes.kind == Kind::Ordinal);
    let grades = grades.ok_or_else(|| refused(format!("it gives grades, and {} has none", task.name)))?;
    let has_architecture = || encoder.with_negation(settings.compat.is_released()).is_some();
    if settings.branch == TrunkChoice::Frozen && encoder.negation().is_none() && has_architecture() {
        let reason = "its weights have no second branch, and a frozen copy of the first would say nothing new; give weights that \
                      have one, or set `branch` to \"tuned\"";
        return Err(refused(reason.to_owned()));
    }
    Ok(grades)
}

impl Adapter for QualityAdapter {
    fn stage(&self) -> Stage {
        Stage::Clip
    }

    fn role(&self, path: &str) -> ParameterRole {
        if path.starts_with("encoder.") { ParameterRole::Encoder } else { ParameterRole::Head }
    }

    fn zero_gradient_reason(&self, path: &str) -> Option<&'static str> {
        path.ends_with("score.bias").then_some("a softmax over frames does not change when all scores move")
    }

    /// Means over a sample's clips.
    fn forward(&self, features: Features) -> Prediction {
        let Features::Clip(clip, clips) = features else { unreachable!("its stage is the clip") };
        let BothBranches { yes, no, yes_attention, no_attention } = branch(&self.encoder).branches(clip);
        let logits = self.head.forward([yes, no], [yes_attention, no_attention]);
        let [all, grades] = logits.dims();
        Prediction::Classes(logits.reshape([all / clips, clips, grades]).mean_dim(1).squeeze_dim(1))
    }
}
