//! What an adapter is put together from: each of the names joined by `+` sets some of it.

use std::collections::BTreeMap;

use burn::module::{Module, Param, ParamGroup};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{AnyEncoder, RankSpec, Stage};
use echo_nn::{AttentionPoolConfig, ZoomProjection, linear};
use echo_random::Stream;

use crate::adapted::Borrowed;
use crate::coop::CoOpConfig;
use crate::head::Head;
use crate::linear_head::LinearHead;
use crate::native_head::NativeHead;
use crate::prompt_head::PromptHead;
use crate::ranked_prompts::RankedPrompts;
use crate::{AdaptError, Adapted, AdapterEntry};

/// What an adapter is built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext<'a> {
    /// The encoder to adapt.
    pub encoder: &'a AnyEncoder,
    /// Another encoder with a text tower, for encoders that have none.
    pub text: Option<&'a AnyEncoder>,
    /// The target's ranks.
    pub ranks: &'a RankSpec,
    /// Seed of what the adapter starts from.
    pub seed: u64,
}

/// What of the encoder trains.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trunk {
    Frozen,
    /// All that its embedding depends on, but parameters whose path begins with one of `frozen`.
    Tuned {
        frozen: Vec<String>,
    },
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
    Own { templates: Vec<String> },
}

/// The parts chosen so far, each with the name that chose it.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) trunk: Trunk,
    pub(crate) zoom: bool,
    pub(crate) pool: bool,
    head: Option<(HeadChoice, &'static str)>,
    /// The head when no name insists on one.
    fallback: HeadChoice,
}

impl Parts {
    fn new() -> Self {
        Self { trunk: Trunk::Frozen, zoom: false, pool: false, head: None, fallback: HeadChoice::Automatic }
    }

    /// A head for when no name insists on another.
    pub(crate) fn prefer_head(&mut self, head: HeadChoice) {
        self.fallback = head;
    }

    /// # Errors
    /// Another name has chosen a head already.
    pub(crate) fn set_head(&mut self, head: HeadChoice, name: &'static str) -> Result<(), AdaptError> {
        match &self.head {
            Some((_, other)) => Err(AdaptError::TwoHeads { first: other, second: name }),
            None => {
                self.head = Some((head, name));
                Ok(())
            }
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
    let mut parts = Parts::new();
    let none = toml::Table::new();
    for entry in entries {
        (entry.add)(tables.get(entry.name).unwrap_or(&none), &mut parts)?;
    }
    assemble(parts, context)
}

fn assemble(parts: Parts, context: &BuildContext<'_>) -> Result<Adapted, AdaptError> {
    let encoder = context.encoder;
    let card = encoder.card();
    let projection = encoder.projection();
    let device = device_of(encoder);
    let (choice, name) = parts.head.unwrap_or((parts.fallback, "the head"));
    let own = matches!(choice, HeadChoice::Own { .. });
    if own && (parts.zoom || parts.pool || parts.trunk != Trunk::Frozen) {
        return Err(AdaptError::Incompatible {
            adapter: name,
            encoder: card.name,
            reason: "it trains nothing, so nothing else can be joined to it".to_owned(),
        });
    }
    let dim = dim_of(encoder, &device);
    let mut borrowed = None;
    let mut text_of = || -> Result<AnyEncoder, AdaptError> {
        if encoder.text().is_some() {
            return Ok(encoder.clone());
        }
        let other = context.text.filter(|other| other.text().is_some()).ok_or_else(|| AdaptError::Incompatible {
            adapter: name,
            encoder: card.name,
            reason: "it has no text tower for prompts to pass through; lend it one with --text-encoder NAME and \
                     --text-weights FILE"
                .to_owned(),
        })?;
        let bridge = random_linear(dim, dim_of(other, &device), context.seed, "adapt/bridge", &device);
        borrowed = Some(Borrowed { encoder: other.clone().freeze(), bridge });
        Ok(other.clone())
    };
    let mut stage = Stage::Embedding;
    let head = match choice {
        HeadChoice::Context(config) => {
            let owner = text_of()?;
            let text = owner.text().expect("it was chosen for its text tower");
            Head::Prompts(config.init(context, text)?)
        }
        HeadChoice::Automatic if encoder.text().is_some() => {
            let text = encoder.text().expect("it has just been seen");
            Head::Prompts(PromptHead::fixed(context.ranks, text)?)
        }
        HeadChoice::Automatic | HeadChoice::Regression => {
            Head::Linear(LinearHead::new(dim, context.ranks, false, &device))
        }
        HeadChoice::Ridge => Head::Linear(LinearHead::new(dim, context.ranks, true, &device).freeze()),
        HeadChoice::Own { templates } => match (card.capabilities.ejection_fraction, encoder.text()) {
            (Some(name), _) => Head::Native(NativeHead::new(name)),
            (None, Some(text)) => {
                stage = Stage::Steps;
                Head::Ranked(RankedPrompts::new(&templates, text, &device)?)
            }
            (None, None) => {
                return Err(AdaptError::Incompatible {
                    adapter: name,
                    encoder: card.name,
                    reason: "it has neither a head for the target nor a text tower".to_owned(),
                });
            }
        },
    };
    let pool = parts.pool.then(|| {
        let mut pool = AttentionPoolConfig { dim }.init(&device);
        for (layer, purpose) in [(&mut pool.first, "adapt/mfl/first"), (&mut pool.second, "adapt/mfl/second")] {
            let [input, output] = layer.weight.val().dims();
            *layer = random_linear(input, output, context.seed, purpose, &device);
        }
        pool
    });
    let zoom = parts.zoom.then(|| {
        // Where steps are embeddings already, the projection is the identity.
        let weight = projection.weight.clone().unwrap_or_else(|| Tensor::eye(dim, &device));
        ZoomProjection::new(weight, projection.bias.clone())
    });
    if pool.is_some() {
        stage = stage.max(Stage::Steps);
    }
    if zoom.is_some() {
        stage = stage.max(Stage::ZoomSteps);
    }
    let mut trunk = encoder.clone().freeze();
    if let Trunk::Tuned { frozen } = &parts.trunk {
        stage = Stage::Clip;
        trunk = trunk.unfreeze_group(beginning_with(card.parameters.video));
        // With a projection of its own for both scales, the encoder's is not part of the prediction.
        let projection = if zoom.is_some() { card.parameters.projection } else { &[] };
        let kept: Vec<&str> = frozen.iter().map(String::as_str).chain(projection.iter().copied()).collect();
        if !kept.is_empty() {
            trunk = trunk.freeze_group(beginning_with(&kept));
        }
    }
    Ok(Adapted { encoder: trunk, borrowed, zoom, pool, head, stage })
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

/// Length of an encoder's embeddings.
fn dim_of(encoder: &AnyEncoder, device: &Device) -> usize {
    let projection = encoder.projection();
    match (&projection.weight, &projection.norm_weight) {
        (Some(weight), _) => weight.dims()[1],
        (None, Some(norm)) => norm.dims()[0],
        // Steps are embeddings: the shortest clip tells how long they are.
        (None, None) => {
            let smallest = Tensor::zeros([1, 3, 1, SMALLEST, SMALLEST], device);
            encoder.encode(smallest).dims()[1]
        }
    }
}

/// Side of the smallest frame that every encoder takes.
const SMALLEST: usize = 32;

/// A linear layer as PyTorch starts one: uniform in +-1 / sqrt(input), weights and bias.
fn random_linear(input: usize, output: usize, seed: u64, purpose: &str, device: &Device) -> Linear {
    let mut stream = Stream::new(seed, purpose, 0);
    let bound = (input as f64).sqrt().recip();
    let mut draw = |count: usize| (0..count).map(|_| stream.range(-bound, bound) as f32).collect::<Vec<f32>>();
    let (weight, bias) = (draw(input * output), draw(output));
    let mut layer = linear(input, output, device);
    layer.weight = Param::from_tensor(Tensor::from_data(TensorData::new(weight, [input, output]), device));
    layer.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(bias, [output]), device)));
    layer
}
