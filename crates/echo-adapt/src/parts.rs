//! What an adapter is put together from: each of the names joined by `+` sets some of it.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Tensor};
use echo_core::{AnyEncoder, Stage, Task};
use echo_nn::{AttentionPool, AttentionPoolConfig, ZoomProjection, grid_side};
use serde::Deserialize;

use crate::adapted::Borrowed;
use crate::class_prompts::ClassPrompts;
use crate::coop::CoOpConfig;
use crate::expected_prompts::ExpectedPrompts;
use crate::head::Head;
use crate::linear_head::{LinearHead, LinearStart};
use crate::native_head::NativeHead;
use crate::prompt_head::PromptHead;
use crate::quirks::{ClipQuirks, Compat, Quirk};
use crate::ranked_prompts::RankedPrompts;
use crate::refinement::{RefinedValues, Refinement};
use crate::start::random_linear;
use crate::trunk::{Trunk, prepare};
use crate::zero_shot::Reading;
use crate::{AdaptError, Adapted, AdapterEntry};

/// What an adapter is built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The encoder to adapt.
    pub encoder: &'a AnyEncoder,
    /// Another encoder with a text tower, for encoders that have none.
    pub text: Option<&'a AnyEncoder>,
    /// What is predicted.
    pub task: &'a Task,
    /// Seed of what the adapter starts from.
    pub seed: u64,
}

/// Whether the encoder trains under a part that could do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrunkChoice {
    Frozen,
    Tuned,
}

/// What a part that stands in for something of the encoder's starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PartInit {
    /// What the encoder does.
    Pretrained,
    /// Random layers, as PyTorch starts them.
    Random,
}

impl PartInit {
    /// What it comes to where released code is reproduced.
    pub(crate) fn under(self, compat: Compat) -> Self {
        match compat {
            Compat::None => self,
            Compat::CardiacClip => Self::Random,
        }
    }
}

/// How two scales are normed before their projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ZoomNorm {
    /// Each by the encoder's own norm.
    Each,
    /// Both together by one that is new.
    Joint,
    /// Over the frames of a batch: [`Quirk::FrameNorm`].
    #[serde(skip)]
    OverFrames,
}

/// How frames become an embedding, where not as the encoder does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolChoice {
    /// By attention that is learnt.
    Attention(PartInit),
    /// Mean and log deviation, one beside the other.
    Statistics,
}

/// Where a linear head's descent begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegressionStart {
    /// At the middle of the ranks, whatever the clip.
    #[default]
    Zero,
    /// At a ridge regression on the encoder's embeddings before any of it has changed.
    Ridge,
}

/// Which head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HeadChoice {
    /// Learnable prompts.
    Context(CoOpConfig),
    /// Fixed prompts where there is a text tower, else a linear map.
    Automatic,
    /// A linear map, by descent.
    Regression,
    /// A linear map, at once.
    Ridge,
    /// No training: the encoder's own reading.
    Own(Reading),
}

/// The parts chosen so far, some with the name that chose them.
#[derive(Debug)]
pub(crate) struct Parts {
    trunk: Option<(Trunk, &'static str)>,
    /// Whether a part asked for a tuned trunk, whatever else is said of it.
    tuned: bool,
    /// Whether the text tower trains.
    pub(crate) text: bool,
    pub(crate) zoom: Option<(PartInit, ZoomNorm)>,
    pool: Option<(PoolChoice, &'static str)>,
    /// Whether what the encoder reads without training stands before what is pooled.
    pub(crate) reading: bool,
    pub(crate) ordinal: bool,
    pub(crate) refine: Option<RefinedValues>,
    /// Each with the name that asked for it first.
    quirks: BTreeMap<Quirk, &'static str>,
    /// A part that is nothing without prompts.
    pub(crate) needs_prompts: Option<&'static str>,
    head: Option<(HeadChoice, &'static str)>,
    /// The head when no name insists on one.
    fallback: HeadChoice,
    /// Where the descent of a linear head begins.
    pub(crate) start: RegressionStart,
}

impl Parts {
    fn new() -> Self {
        Self {
            trunk: None,
            tuned: false,
            text: false,
            zoom: None,
            pool: None,
            reading: false,
            ordinal: false,
            refine: None,
            quirks: BTreeMap::new(),
            needs_prompts: None,
            head: None,
            fallback: HeadChoice::Automatic,
            start: RegressionStart::Zero,
        }
    }

    /// # Errors
    /// Another name has said what of the encoder trains.
    pub(crate) fn set_trunk(&mut self, trunk: Trunk, name: &'static str) -> Result<(), AdaptError> {
        decide(&mut self.trunk, trunk, name, "what of the encoder trains")
    }

    /// What a part wants that can do with either.
    pub(crate) fn tune(&mut self, choice: TrunkChoice) {
        self.tuned |= choice == TrunkChoice::Tuned;
    }

    pub(crate) fn add_quirks(&mut self, name: &'static str, quirks: impl IntoIterator<Item = Quirk>) {
        for quirk in quirks {
            self.quirks.entry(quirk).or_insert(name);
        }
    }

    /// # Errors
    /// Another name has said how frames become an embedding.
    pub(crate) fn set_pool(&mut self, pool: PoolChoice, name: &'static str) -> Result<(), AdaptError> {
        decide(&mut self.pool, pool, name, "how frames become an embedding")
    }

    /// A head for when no name insists on another.
    pub(crate) fn prefer_head(&mut self, head: HeadChoice) {
        self.fallback = head;
    }

    /// # Errors
    /// Another name has chosen a head already.
    pub(crate) fn set_head(&mut self, head: HeadChoice, name: &'static str) -> Result<(), AdaptError> {
        decide(&mut self.head, head, name, "how an embedding becomes a prediction")
    }
}

/// Fills a slot that one name alone may fill.
fn decide<T>(
    slot: &mut Option<(T, &'static str)>,
    choice: T,
    name: &'static str,
    what: &'static str,
) -> Result<(), AdaptError> {
    match slot {
        Some((_, first)) => Err(AdaptError::BothDecide { first, second: name, what }),
        None => {
            *slot = Some((choice, name));
            Ok(())
        }
    }
}

/// Builds the adapter that `entries` make together, each with its own table of a recipe.
///
/// # Errors
/// A wrong entry of a recipe, names that exclude each other, or an encoder that lacks what they need.
pub fn build(
    entries: &[&'static AdapterEntry],
    tables: &BTreeMap<String, toml::Table>,
    context: &BuildContext<'_>,
) -> Result<Adapted, AdaptError> {
    assemble(parts_of(entries, tables)?, context)
}

/// Whether `entries` can make an adapter together, for some encoder.
///
/// # Errors
/// A wrong entry of a recipe, or names that exclude each other.
pub fn check(entries: &[&'static AdapterEntry], tables: &BTreeMap<String, toml::Table>) -> Result<(), AdaptError> {
    parts_of(entries, tables).map(drop)
}

fn parts_of(entries: &[&'static AdapterEntry], tables: &BTreeMap<String, toml::Table>) -> Result<Parts, AdaptError> {
    let mut parts = Parts::new();
    let none = toml::Table::new();
    for entry in entries {
        (entry.add)(tables.get(entry.name).unwrap_or(&none), &mut parts)?;
    }
    Ok(parts)
}

fn assemble(parts: Parts, context: &BuildContext<'_>) -> Result<Adapted, AdaptError> {
    let encoder = context.encoder;
    let card = encoder.card();
    let device = device_of(encoder);
    context.task.validate()?;
    let fallback = if parts.needs_prompts.is_some() { HeadChoice::Automatic } else { parts.fallback };
    let (choice, name) = parts.head.unwrap_or((fallback, "the head"));
    let incompatible =
        |adapter: &'static str, reason: String| AdaptError::Incompatible { adapter, encoder: card.name, reason };
    if (parts.ordinal || parts.refine.is_some()) && !context.task.is_ordered() {
        let asked = parts.needs_prompts.unwrap_or(name);
        let reason =
            format!("it weights ranks by their distance, and the classes of {} have no order", context.task.name);
        return Err(incompatible(asked, reason));
    }
    let prompts_train = matches!(choice, HeadChoice::Context(_));
    let alone = context.task.regression().is_none() && !prompts_train && !parts.tuned;
    if let (true, None, None, None, Some(asked)) = (alone, &parts.trunk, &parts.pool, &parts.zoom, parts.needs_prompts)
    {
        let reason = "it refines values of ranks, and grades have none, so nothing would train; join another that does, \
                          such as coop";
        return Err(incompatible(asked, reason.to_owned()));
    }
    let everything = || Trunk::Tuned { frozen: Vec::new(), last_blocks: 0 };
    let (trunk, trunk_name) = match parts.trunk {
        Some(chosen) => chosen,
        None => (if parts.tuned { everything() } else { Trunk::Frozen }, "the encoder"),
    };
    let statistics = parts.pool.and_then(|(pool, name)| (pool == PoolChoice::Statistics).then_some(name));
    let trains_below = trunk != Trunk::Frozen || (parts.pool.is_some() && statistics.is_none());
    let joined = parts.pool.is_some() || parts.zoom.is_some() || parts.refine.is_some();
    if matches!(choice, HeadChoice::Own(_)) && (trains_below || joined) {
        return Err(incompatible(name, "it trains nothing, so nothing else can be joined to it".to_owned()));
    }
    let choice = match (choice, statistics) {
        (HeadChoice::Automatic, Some(_)) if parts.needs_prompts.is_none() => HeadChoice::Ridge,
        (HeadChoice::Automatic | HeadChoice::Context(_), Some(statistics)) => {
            let reason = "prompts are as long as the encoder's embeddings, and statistics over its frames twice that; join \
                          linear, full or lora, or nothing";
            return Err(incompatible(statistics, reason.to_owned()));
        }
        (choice, _) => choice,
    };
    // A head can be solved at once only where nothing below it trains.
    let choice = if choice == HeadChoice::Ridge && trains_below { HeadChoice::Regression } else { choice };
    // Nor does a projection train below it: both scales stand side by side then.
    let beside = parts.zoom.is_some() && choice == HeadChoice::Ridge;
    let quirks: BTreeSet<Quirk> = parts.quirks.keys().copied().collect();
    let refused = |quirk: Quirk, reason: String| incompatible(parts.quirks[&quirk], format!("quirk {quirk}: {reason}"));
    if let Some(quirk) = Quirk::OF_SCALES.into_iter().find(|quirk| quirks.contains(quirk) && parts.zoom.is_none()) {
        return Err(refused(quirk, "there are no two scales without echozoom; join it".to_owned()));
    }
    if quirks.contains(&Quirk::FrameNorm) && beside {
        let reason = "a head that is solved at once leaves no projection to norm for; use one that is trained";
        return Err(refused(Quirk::FrameNorm, reason.to_owned()));
    }
    if quirks.contains(&Quirk::ChannelGrid) {
        let width = encoder.width();
        if grid_side(width).is_none() {
            let reason = format!("its frame features have {width} channels, which fill no square grid as 1024 do");
            return Err(refused(Quirk::ChannelGrid, reason));
        }
    }
    let clip_quirks = ClipQuirks::new(&quirks, card).map_err(|(quirk, reason)| refused(quirk, reason))?;
    let zoom = parts.zoom.filter(|_| !beside).map(|(init, norm)| {
        let norm = if quirks.contains(&Quirk::FrameNorm) { ZoomNorm::OverFrames } else { norm };
        zoom_projection(encoder, init, norm, context.seed, &device)
    });
    let dim = encoder.dim();
    let mut stage = Stage::Embedding;
    let mut borrowed = None;
    let mut prompts = |config: Option<CoOpConfig>| -> Result<Head, AdaptError> {
        let lender = match encoder.text() {
            Some(_) => encoder,
            None => context.text.filter(|other| other.text().is_some()).ok_or_else(|| {
                let reason = "it has no text tower for prompts to pass through; lend it one with --text-encoder NAME \
                              and --text-weights FILE";
                incompatible(parts.needs_prompts.unwrap_or(name), reason.to_owned())
            })?,
        };
        let text = lender.text().expect("it was chosen for its text tower");
        let head = match config {
            Some(config) => config.init(context, text)?,
            None => PromptHead::fixed(context.task, text)?,
        };
        let head = match quirks.contains(&Quirk::UnmaskedText) {
            false => head,
            true => head.without_mask(text).ok_or_else(|| {
                let reason = format!("the text tower of {} has no causal mask to leave out", lender.card().title);
                refused(Quirk::UnmaskedText, reason)
            })?,
        };
        if encoder.text().is_none() {
            let bridge = random_linear(dim, lender.dim(), context.seed, "adapt/bridge", &device);
            borrowed = Some(Borrowed { encoder: lender.clone().freeze(), bridge });
        }
        let ranks = parts.refine.zip(context.task.regression());
        let refine = ranks.map(|(values, task)| Refinement::new(&task.ranks, values, context.seed, &device));
        Ok(Head::Prompts(head.refined(refine, parts.ordinal)))
    };
    let reading = match parts.reading && context.task.regression().is_some() {
        true => own_reading(context, &device)?,
        false => None,
    };
    let linear = |scales: usize, start: LinearStart| match (statistics, usize::from(reading.is_some())) {
        (None, _) => LinearHead::new(scales * dim, context.task, start, &device),
        (Some(_), read) => LinearHead::new(read + scales * 2 * dim, context.task, start, &device).on_statistics(read),
    };
    let head = match choice {
        HeadChoice::Context(config) => prompts(Some(config))?,
        HeadChoice::Automatic if encoder.text().is_some() || parts.needs_prompts.is_some() => prompts(None)?,
        _ if parts.needs_prompts.is_some() => {
            let part = parts.needs_prompts.unwrap_or_default();
            return Err(incompatible(part, format!("it needs a head of prompts, which {name} is not")));
        }
        HeadChoice::Automatic | HeadChoice::Regression => {
            let start = match parts.start {
                RegressionStart::Zero => LinearStart::Zero,
                RegressionStart::Ridge => LinearStart::SolvedFirst,
            };
            Head::Linear(linear(1, start))
        }
        HeadChoice::Ridge => {
            let scales = if beside { 2 } else { 1 };
            Head::Linear(linear(scales, LinearStart::Solved).freeze())
        }
        HeadChoice::Own(Reading::Expectation) => match own_reading(context, &device)? {
            Some(head) => head,
            None => {
                let task = &context.task.name;
                let reason = match (encoder.text(), context.task.regression()) {
                    (Some(_), Some(_)) => {
                        format!("it has no head for the task {task}, which has no `templates` to read it by")
                    }
                    _ => format!("it has neither a head for the task {task} nor a text tower"),
                };
                return Err(incompatible(name, reason));
            }
        },
        HeadChoice::Own(Reading::Ranks) => {
            let templates = context.task.regression().map(|task| &task.templates).filter(|texts| !texts.is_empty());
            match (templates, encoder.text()) {
                _ if context.task.value_head(card).is_some() => {
                    return Err(incompatible(name, "its own head reads the task, which is zero-shot".to_owned()));
                }
                (Some(templates), Some(text)) => {
                    stage = Stage::Frames;
                    Head::Ranked(RankedPrompts::new(templates, text, &device)?)
                }
                (None, _) => {
                    let reason = format!("the task {} has no `templates` with a place for values", context.task.name);
                    return Err(incompatible(name, reason));
                }
                (_, None) => {
                    let reason = format!("it has neither a head for the task {} nor a text tower", context.task.name);
                    return Err(incompatible(name, reason));
                }
            }
        }
    };
    if matches!(&head, Head::Native(native) if native.reads_views()) {
        stage = Stage::Clip;
    }
    if quirks.contains(&Quirk::UnmaskedText) && !matches!(head, Head::Prompts(_)) {
        let reason = "it is about prompts, and the head has none; join coop or another that brings some";
        return Err(refused(Quirk::UnmaskedText, reason.to_owned()));
    }
    let pool = match parts.pool {
        Some((PoolChoice::Attention(init), _)) => Some(attention_pool(dim, init, context.seed, &device)),
        _ => None,
    };
    if parts.pool.is_some() {
        stage = stage.max(Stage::Frames);
    }
    if parts.zoom.is_some() {
        stage = stage.max(Stage::ZoomFrames);
    }
    // The frame features that a benchmark keeps know no quirks.
    if trunk != Trunk::Frozen || quirks.iter().any(|quirk| quirk.comes_before_frames()) {
        stage = Stage::Clip;
    }
    // With a projection of its own for both scales, the encoder's is not part of the prediction; nor is its norm, where
    // both are normed together.
    let mut without = Vec::new();
    if let Some(zoom) = &zoom {
        without.extend(card.parameters.projection);
        without.extend(if zoom.norms_jointly() { card.parameters.norm } else { &[] });
    }
    let mut tower =
        prepare(encoder, &trunk, &without, context.seed).map_err(|reason| incompatible(trunk_name, reason))?;
    if parts.text && matches!(head, Head::Prompts(_)) && borrowed.is_none() {
        tower = tower.unfreeze_group(beginning_with(card.parameters.text));
    }
    let statistics = statistics.is_some();
    Ok(Adapted { encoder: tower, borrowed, zoom, beside, pool, statistics, reading, head, quirks, clip_quirks, stage })
}

/// What the encoder says of the task without training: by heads of its own, else by the task's prompts.
fn own_reading(context: &BuildContext<'_>, device: &Device) -> Result<Option<Head>, AdaptError> {
    let BuildContext { encoder, task, .. } = *context;
    if let Some(native) = NativeHead::of(task, encoder, device).map_err(AdaptError::Heads)? {
        return Ok(Some(Head::Native(native)));
    }
    Ok(match (encoder.text(), task.regression()) {
        (Some(text), None) => Some(Head::Classes(ClassPrompts::new(task, text, device)?)),
        (Some(text), Some(regression)) if !regression.templates.is_empty() => {
            Some(Head::Expected(ExpectedPrompts::new(&regression.templates, text, device)?))
        }
        _ => None,
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
fn beginning_with(prefixes: &[&str]) -> ParamGroup {
    let escaped: Vec<String> = prefixes.iter().map(|prefix| prefix.replace('.', "\\.")).collect();
    let pattern = format!("^({})", escaped.join("|"));
    ParamGroup::from_regexes(vec![pattern]).expect("prefixes are parameter paths")
}

fn device_of(encoder: &AnyEncoder) -> Device {
    encoder.devices().into_iter().next().expect("an encoder has parameters")
}
