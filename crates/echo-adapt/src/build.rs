//! From a plan to an adapter.

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Task};
use echo_nn::{AttentionPool, AttentionPoolConfig, ZoomProjection};

use crate::adapted::Borrowed;
use crate::class_prompts::ClassPrompts;
use crate::expected_prompts::ExpectedPrompts;
use crate::head::Head;
use crate::linear_head::{LinearHead, LinearStart};
use crate::parts::{PartInit, ZoomNorm};
use crate::plan::{HeadPlan, OwnReading, Plan, PromptPlan};
use crate::prompt_head::PromptHead;
use crate::quirks::Quirk;
use crate::ranked_prompts::RankedPrompts;
use crate::refinement::Refinement;
use crate::start::random_linear;
use crate::{AdaptError, Adapted, BuildContext};

impl Plan<'_> {
    /// # Errors
    /// Prompts that the text tower does not take, or a setting of them that cannot be.
    pub(crate) fn build(self, context: &BuildContext<'_>) -> Result<Adapted, AdaptError> {
        let &BuildContext { encoder, task, seed, .. } = context;
        let device = context.device();
        let dim = encoder.dim();
        let reading = self.reading.map(|reading| own_head(reading, task, &device)).transpose()?;
        let mut borrowed = None;
        let head = match self.head {
            HeadPlan::Prompts(PromptPlan { learnable, text, lender }) => {
                let head = match learnable {
                    Some(config) => config.init(context, text)?,
                    None => PromptHead::fixed(task, text)?,
                };
                let head = if self.quirks.contains(&Quirk::UnmaskedText) { head.without_mask() } else { head };
                borrowed = lender.map(|lender| {
                    let bridge = random_linear(dim, lender.dim(), seed, "adapt/bridge", &device);
                    Borrowed { encoder: lender.clone().freeze(), bridge }
                });
                let ranks = self.refine.zip(task.regression());
                let refine = ranks.map(|(values, task)| Refinement::new(&task.ranks, values, seed, &device));
                Head::Prompts(head.refined(refine, self.ordinal))
            }
            HeadPlan::Linear(start) => {
                let scales = if self.beside { 2 } else { 1 };
                let read = usize::from(reading.is_some());
                let head = match self.statistics {
                    false if self.probe.is_some() => LinearHead::new(encoder.token_width(), task, start, &device),
                    false => LinearHead::new(scales * dim, task, start, &device),
                    true => LinearHead::new(read + scales * 2 * dim, task, start, &device).on_statistics(read),
                };
                Head::Linear(if start == LinearStart::Solved { head.freeze() } else { head })
            }
            HeadPlan::Own(reading) => own_head(reading, task, &device)?,
            HeadPlan::Ranked(text, regression) => Head::Ranked(RankedPrompts::new(regression, text, &device)?),
        };
        let mut tower = self.trains.apply(encoder, seed);
        if self.trains_text {
            tower = tower.unfreeze_group(beginning_with(encoder.card().parameters.text));
        }
        Ok(Adapted {
            encoder: tower,
            borrowed,
            zoom: self.zoom.map(|(init, norm)| zoom_projection(encoder, init, norm, seed, &device)),
            beside: self.beside,
            pool: self.attention.map(|init| attention_pool(dim, init, seed, &device)),
            statistics: self.statistics,
            probe: self.probe.map(|settings| settings.init(encoder.token_width(), seed, &device)),
            reading,
            head,
            quirks: self.quirks,
            clip_quirks: self.clip_quirks,
            stage: self.stage,
        })
    }
}

/// What the encoder says of the task without training.
fn own_head(reading: OwnReading<'_>, task: &Task, device: &Device) -> Result<Head, AdaptError> {
    Ok(match reading {
        OwnReading::Native(native) => Head::Native(native),
        OwnReading::Classes(text) => Head::Classes(ClassPrompts::new(task, text, device)?),
        OwnReading::Values(text, regression) => Head::Expected(ExpectedPrompts::new(regression, text, device)?),
    })
}

/// Attention over frames, at the start of training.
fn attention_pool(dim: usize, init: PartInit, seed: u64, device: &Device) -> AttentionPool {
    let mut pool = AttentionPoolConfig { dim }.init(device);
    let mut layers = vec![(&mut pool.first, "adapt/mfl/first"), (&mut pool.second, "adapt/mfl/second")];
    if init == PartInit::Random {
        layers.extend([(&mut pool.score, "adapt/mfl/score"), (&mut pool.aggregate, "adapt/mfl/aggregate")]);
    }
    for (layer, purpose) in layers {
        let [input, output] = layer.weight.val().dims();
        *layer = random_linear(input, output, seed, purpose, device);
    }
    pool
}

/// The projection of two scales, at the start of training.
fn zoom_projection(encoder: &AnyEncoder, init: PartInit, norm: ZoomNorm, seed: u64, device: &Device) -> ZoomProjection {
    let projection = encoder.projection();
    // Where frame features are embeddings already, the projection is the identity.
    let (weight, bias) = match projection.linear {
        Some(linear) => (linear.weight.val(), linear.bias.map(|bias| bias.val())),
        None => (Tensor::eye(encoder.width(), device), None),
    };
    let [width, dim] = weight.dims();
    let zoom = match init {
        PartInit::Pretrained => ZoomProjection::new(weight, bias),
        PartInit::Random => {
            let both = random_linear(2 * width, dim, seed, "adapt/echozoom", device).weight.val();
            ZoomProjection::from_both(both)
        }
    };
    match norm {
        ZoomNorm::Each => zoom,
        ZoomNorm::Joint => zoom.with_joint_norm(device),
        ZoomNorm::OverFrames => zoom.with_norm_over_frames(),
    }
}

/// Parameters whose path begins with one of `prefixes`.
pub(crate) fn beginning_with(prefixes: &[&str]) -> ParamGroup {
    let escaped: Vec<String> = prefixes.iter().map(|prefix| prefix.replace('.', "\\.")).collect();
    let pattern = format!("^({})", escaped.join("|"));
    ParamGroup::from_regexes(vec![pattern]).expect("prefixes are parameter paths")
}
