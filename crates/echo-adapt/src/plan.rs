//! What parts come to on one encoder: every decision and every refusal, before anything is built.

use std::collections::BTreeSet;

use echo_core::{AnyEncoder, Regression, Stage, Task, TextEncoder};
use echo_nn::grid_side;

use crate::attentive::ProbeSettings;
use crate::coop::CoOpConfig;
use crate::linear_head::LinearStart;
use crate::native_head::NativeHead;
use crate::parts::{HeadChoice, PartInit, Parts, PoolChoice, RegressionStart, ZoomNorm};
use crate::quirks::{ClipQuirks, Quirk, has_mask};
use crate::refinement::RefinedValues;
use crate::trunk::{Trains, Trunk};
use crate::zero_shot::Reading;
use crate::{AdaptError, BuildContext, Needs};

/// An adapter of parts, decided.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// What of the encoder trains.
    pub(crate) trains: Trains,
    /// Whether its text tower trains too.
    pub(crate) trains_text: bool,
    pub(crate) head: HeadPlan<'a>,
    pub(crate) ordinal: bool,
    pub(crate) refine: Option<RefinedValues>,
    /// One projection of both scales.
    pub(crate) zoom: Option<(PartInit, ZoomNorm)>,
    /// Both scales stand side by side.
    pub(crate) beside: bool,
    /// Attention over frames.
    pub(crate) attention: Option<PartInit>,
    /// Mean and log deviation over frames, instead of the encoder's pooling.
    pub(crate) statistics: bool,
    /// A query that attends to all tokens, instead of the encoder's frame features, projection and pooling.
    pub(crate) probe: Option<ProbeSettings>,
    /// What stands before the statistics.
    pub(crate) reading: Option<OwnReading<'a>>,
    pub(crate) quirks: BTreeSet<Quirk>,
    pub(crate) clip_quirks: Option<ClipQuirks>,
    /// What it consumes.
    pub(crate) stage: Stage,
}

/// Which head.
#[derive(Debug)]
pub(crate) enum HeadPlan<'a> {
    Prompts(PromptPlan<'a>),
    Linear(LinearStart),
    Own(OwnReading<'a>),
    /// Prompts of every value by its templates, ranked in every frame.
    Ranked(&'a dyn TextEncoder, &'a Regression),
}

/// Prompts of ranks, classes or labels.
#[derive(Debug)]
pub(crate) struct PromptPlan<'a> {
    /// Learnable context, where there is some.
    pub(crate) learnable: Option<CoOpConfig>,
    /// What they pass through.
    pub(crate) text: &'a dyn TextEncoder,
    /// The encoder that lends it, where it is not the adapted one's own.
    pub(crate) lender: Option<&'a AnyEncoder>,
}

/// How an encoder reads the task without training.
#[derive(Debug)]
pub(crate) enum OwnReading<'a> {
    Native(NativeHead),
    /// By prompts of its classes or labels.
    Classes(&'a dyn TextEncoder),
    /// By prompts of every value by its templates.
    Values(&'a dyn TextEncoder, &'a Regression),
}

impl<'a> Plan<'a> {
    /// # Errors
    /// Parts that cannot be on this encoder or for this task, or the task's heads name what the encoder lacks.
    pub(crate) fn new(parts: Parts, context: &BuildContext<'a>) -> Result<Self, AdaptError> {
        let &BuildContext { encoder, text: lender, task, .. } = context;
        let card = encoder.card();
        task.validate()?;
        let fallback = if parts.needs_prompts.is_some() { HeadChoice::Automatic } else { parts.fallback };
        let (choice, name) = parts.head.unwrap_or((fallback, "the head"));
        let incompatible =
            |adapter: &'static str, reason: String| AdaptError::Incompatible { adapter, encoder: card.name, reason };
        if (parts.ordinal || parts.refine.is_some()) && !task.is_ordered() {
            let asked = parts.needs_prompts.unwrap_or(name);
            let reason = format!("it weights ranks by their distance, and the classes of {} have no order", task.name);
            return Err(incompatible(asked, reason));
        }
        let prompts_train = matches!(choice, HeadChoice::Context(_));
        let alone = task.regression().is_none() && !prompts_train && !parts.tuned;
        if let (true, None, None, None, Some(asked)) =
            (alone, &parts.trunk, &parts.pool, &parts.zoom, parts.needs_prompts)
        {
            let reason = "it refines values of ranks, and grades have none, so nothing would train; join another that \
                          does, such as coop";
            return Err(incompatible(asked, reason.to_owned()));
        }
        let everything = || Trunk::Tuned { frozen: Vec::new(), last_blocks: 0 };
        let (trunk, trunk_name) = match parts.trunk {
            Some(chosen) => chosen,
            None => (if parts.tuned { everything() } else { Trunk::Frozen }, "the encoder"),
        };
        let statistics = parts.pool.and_then(|(pool, name)| (pool == PoolChoice::Statistics).then_some(name));
        let probe = parts.pool.and_then(|(pool, name)| match pool {
            PoolChoice::Probe(settings) => Some((settings, name)),
            _ => None,
        });
        let trains_below = trunk != Trunk::Frozen || (parts.pool.is_some() && statistics.is_none());
        let joined = parts.pool.is_some() || parts.zoom.is_some() || parts.refine.is_some();
        if matches!(choice, HeadChoice::Own(_)) && (trains_below || joined) {
            return Err(incompatible(name, "it trains nothing, so nothing else can be joined to it".to_owned()));
        }
        if let Some((settings, name)) = probe {
            if parts.zoom.is_some() {
                let reason =
                    "its query attends to tokens, and echozoom joins frame features of two scales; join one of them";
                return Err(incompatible(name, reason.to_owned()));
            }
            if let Some(complaint) = settings.complaint(encoder.token_width()) {
                return Err(incompatible(name, complaint));
            }
        }
        // What is no embedding of the encoder's, though it takes one's place.
        let no_embedding = statistics
            .map(|name| (name, "statistics over its frames twice that"))
            .or(probe.map(|(_, name)| (name, "what a query finds among its tokens is none")));
        let choice = match (choice, no_embedding) {
            (HeadChoice::Automatic, Some(_)) if parts.needs_prompts.is_none() => HeadChoice::Ridge,
            (HeadChoice::Automatic | HeadChoice::Context(_), Some((name, what))) => {
                let reason = format!(
                    "prompts are as long as the encoder's embeddings, and {what}; join linear, full or lora, or nothing"
                );
                return Err(incompatible(name, reason));
            }
            (choice, _) => choice,
        };
        // A head can be solved at once only where nothing below it trains.
        let choice = if choice == HeadChoice::Ridge && trains_below { HeadChoice::Regression } else { choice };
        // Nor does a projection train below it: both scales stand side by side then.
        let beside = parts.zoom.is_some() && choice == HeadChoice::Ridge;
        let quirks: BTreeSet<Quirk> = parts.quirks.keys().copied().collect();
        let refused =
            |quirk: Quirk, reason: String| incompatible(parts.quirks[&quirk], format!("quirk {quirk}: {reason}"));
        if let Some(quirk) = Quirk::OF_SCALES.into_iter().find(|quirk| quirks.contains(quirk) && parts.zoom.is_none()) {
            return Err(refused(quirk, "there are no two scales without echozoom; join it".to_owned()));
        }
        if quirks.contains(&Quirk::FrameNorm) && beside {
            let reason = "a head that is solved at once leaves no projection to norm for; use one that is trained";
            return Err(refused(Quirk::FrameNorm, reason.to_owned()));
        }
        if quirks.contains(&Quirk::ChannelGrid) && grid_side(encoder.width()).is_none() {
            let width = encoder.width();
            let reason = format!("its frame features have {width} channels, which fill no square grid as 1024 do");
            return Err(refused(Quirk::ChannelGrid, reason));
        }
        let clip_quirks = ClipQuirks::new(&quirks, card).map_err(|(quirk, reason)| refused(quirk, reason))?;
        let of_scales = parts.zoom.filter(|_| !beside);
        let zoom = of_scales.map(|(init, norm)| match quirks.contains(&Quirk::FrameNorm) {
            true => (init, ZoomNorm::OverFrames),
            false => (init, norm),
        });

        let prompts = |learnable: Option<CoOpConfig>| -> Result<HeadPlan<'a>, AdaptError> {
            if let Some(text) = encoder.text() {
                return Ok(HeadPlan::Prompts(PromptPlan { learnable, text, lender: None }));
            }
            let lender = lender.and_then(|lender| Some((lender, lender.text()?)));
            let (lender, text) = lender.ok_or_else(|| {
                let reason = "it has no text tower for prompts to pass through; lend it one with --text-encoder NAME and \
                              --text-weights FILE";
                incompatible(parts.needs_prompts.unwrap_or(name), reason.to_owned())
            })?;
            Ok(HeadPlan::Prompts(PromptPlan { learnable, text, lender: Some(lender) }))
        };
        let head = match choice {
            HeadChoice::Context(config) => prompts(Some(config))?,
            HeadChoice::Automatic if encoder.text().is_some() || parts.needs_prompts.is_some() => prompts(None)?,
            _ if parts.needs_prompts.is_some() => {
                let part = parts.needs_prompts.unwrap_or_default();
                return Err(incompatible(part, format!("it needs a head of prompts, which {name} is not")));
            }
            HeadChoice::Automatic | HeadChoice::Regression => HeadPlan::Linear(match parts.start {
                RegressionStart::Zero => LinearStart::Zero,
                RegressionStart::Ridge => LinearStart::SolvedFirst,
            }),
            HeadChoice::Ridge => HeadPlan::Linear(LinearStart::Solved),
            HeadChoice::Own(Reading::Expectation) => {
                let own = own_reading(context)?;
                HeadPlan::Own(own.ok_or_else(|| incompatible(name, nothing_to_read(encoder, task)))?)
            }
            HeadChoice::Own(Reading::Ranks) => {
                let regression = task.regression().filter(|regression| !regression.templates.is_empty());
                match (regression, encoder.text()) {
                    _ if task.value_head(card).is_some() => {
                        return Err(incompatible(name, "its own head reads the task, which is zero-shot".to_owned()));
                    }
                    (Some(regression), Some(text)) => HeadPlan::Ranked(text, regression),
                    (None, _) => {
                        let reason = format!("the task {} has no `templates` with a place for values", task.name);
                        return Err(incompatible(name, reason));
                    }
                    (_, None) => return Err(incompatible(name, nothing_to_read(encoder, task))),
                }
            }
        };
        let own_text = match &head {
            HeadPlan::Prompts(prompts) if quirks.contains(&Quirk::UnmaskedText) && !has_mask(prompts.text) => {
                let title = prompts.lender.unwrap_or(encoder).card().title;
                let reason = format!("the text tower of {title} has no causal mask to leave out");
                return Err(refused(Quirk::UnmaskedText, reason));
            }
            HeadPlan::Prompts(prompts) => prompts.lender.is_none(),
            _ if quirks.contains(&Quirk::UnmaskedText) => {
                let reason = "it is about prompts, and the head has none; join coop or another that brings some";
                return Err(refused(Quirk::UnmaskedText, reason.to_owned()));
            }
            _ => false,
        };
        let reading = match parts.reading && task.regression().is_some() {
            true => own_reading(context)?,
            false => None,
        };
        let mut stage = match &head {
            HeadPlan::Ranked(..) => Stage::Frames,
            HeadPlan::Own(OwnReading::Native(native)) if native.reads_views() => Stage::Clip,
            _ => Stage::Embedding,
        };
        if parts.pool.is_some() {
            stage = stage.max(if probe.is_some() { Stage::Tokens } else { Stage::Frames });
        }
        if parts.zoom.is_some() {
            stage = stage.max(Stage::ZoomFrames);
        }
        // The frame features that a benchmark keeps know no quirks.
        if trunk != Trunk::Frozen || quirks.iter().any(|quirk| quirk.comes_before_frames()) {
            stage = Stage::Clip;
        }
        // With a projection of its own for both scales, the encoder's is not part of the prediction; nor is its norm,
        // where both are normed together.
        let mut without: Vec<&str> = Vec::new();
        if let Some((_, norm)) = zoom {
            without.extend(card.parameters.projection);
            without.extend(if norm == ZoomNorm::Each { &[] } else { card.parameters.norm });
        }
        if probe.is_some() {
            without
                .extend(card.parameters.projection.iter().chain(card.parameters.norm).chain(encoder.behind_tokens()));
        }
        let trains = trunk.of(encoder, &without).map_err(|reason| incompatible(trunk_name, reason))?;
        Ok(Self {
            trains,
            trains_text: parts.text && own_text,
            head,
            ordinal: parts.ordinal,
            refine: parts.refine,
            zoom,
            beside,
            attention: match parts.pool {
                Some((PoolChoice::Attention(init), _)) => Some(init),
                _ => None,
            },
            statistics: statistics.is_some(),
            probe: probe.map(|(settings, _)| settings),
            reading,
            quirks,
            clip_quirks,
            stage,
        })
    }

    pub(crate) fn needs(&self) -> Needs {
        let borrows_text = matches!(&self.head, HeadPlan::Prompts(prompts) if prompts.lender.is_some());
        Needs { stage: self.stage, borrows_text }
    }
}

/// What the encoder says of the task without training: by heads of its own, else by the task's prompts.
fn own_reading<'a>(context: &BuildContext<'a>) -> Result<Option<OwnReading<'a>>, AdaptError> {
    let &BuildContext { encoder, task, .. } = context;
    if let Some(native) = NativeHead::of(task, encoder, &context.device()).map_err(AdaptError::Heads)? {
        return Ok(Some(OwnReading::Native(native)));
    }
    Ok(match (encoder.text(), task.regression()) {
        (Some(text), None) => Some(OwnReading::Classes(text)),
        (Some(text), Some(task)) if !task.templates.is_empty() => Some(OwnReading::Values(text, task)),
        _ => None,
    })
}

/// Why an encoder reads nothing of the task without training.
fn nothing_to_read(encoder: &AnyEncoder, task: &Task) -> String {
    let name = &task.name;
    match (encoder.text(), task.regression()) {
        (Some(_), Some(_)) => format!("it has no head for the task {name}, which has no `templates` to read it by"),
        _ => format!("it has neither a head for the task {name} nor a text tower"),
    }
}
