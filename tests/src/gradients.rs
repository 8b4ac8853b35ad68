//! The gradients of one training step of every adapter on the tiny encoders, against PyTorch's autograd:
//! `tests/reference/gradients.py` wrote the goldens and says what is computed.
//!
//! A step of plain descent moves a parameter by its gradient times the rate, so `fit` itself is what is compared: its
//! losses, its groups of parameters and its accumulation are inside.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Int, Tensor, TensorData};
use clip::ClipConfig;
use echo_adapt::{ADAPTERS, BuildContext, Joined};
use echo_core::{
    AnyAdapter, AnyEncoder, Card, EchoEncoder, Error, Features, Projection, Rank, RankSpec, Stage, Task, TextEncoder,
    Tokens, Truth,
};
use echo_nn::{
    BertConfig, ClipTextConfig, ClipTokenizer, ClipVisionConfig, ConvNextConfig, MvitConfig, VideoResNetConfig,
};
use echo_train::{
    AugmentConfig, FitContext, LossWeights, OptimizerConfig, RateFactors, Samples, ScheduleConfig, SoftTargets,
    TrainConfig, TrainError, fit, parameters, values, with_values,
};
use echo_weights::{Checkpoint, load};
use echo_zoo::{Entry, ZOO};
use echoclip::EchoClipConfig;
use echoprime::EchoPrimeConfig;
use echoviewclip::EchoViewClipConfig;
use mvit_kinetics::MvitKinetics;
use panecho::PanEchoConfig;
use r2plus1d::R2Plus1dConfig;
use serde::Deserialize;

use crate::fixtures::{OF_TWO_BRANCHES, device, features, truths};

/// Largest error of a tensor's gradient, relative to its largest entry. Measured: 2e-5, of which the golden's rounding
/// is 5e-6.
const TOLERANCE: f64 = 1e-3;

/// Largest error of a loss, relative to it. Measured: 4e-7.
const LOSS_TOLERANCE: f64 = 1e-4;

/// Largest entry of a gradient that is zero but for rounding, relative to the largest of all.
const ZERO: f64 = 1e-5;

/// A learning rate, and a group's factor of it. Their product is so large that parameters are nothing beside their
/// gradients times it: the difference of both loses no digits. A power of two, so that the product loses none either.
const RATE: f64 = 512.0;

/// Ids of what begins a text, of a full stop and of what ends a text.
const SPECIAL: [u32; 3] = [37, 38, 39];

#[derive(Deserialize)]
struct Golden {
    ranks: Vec<Rank>,
    targets: Vec<f32>,
    loss: LossWeights,
    encoders: BTreeMap<String, Cases>,
}

#[derive(Deserialize)]
struct Cases {
    /// Channels, frames, height, width.
    clip: [usize; 4],
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// Clips per video.
    clips: usize,
    /// By adapter.
    settings: BTreeMap<String, toml::Table>,
    loss: f64,
    /// Of every tensor that trains, the largest entry, then entries in 100,000ths of it; zero alone where it is
    /// nothing but rounding.
    gradients: BTreeMap<String, Vec<f64>>,
}

impl Case {
    fn name(&self) -> String {
        self.settings.keys().map(String::as_str).collect::<Vec<_>>().join("+")
    }
}

/// A tiny encoder whose text tower reads texts of token ids, "3 7" for instance: its vocabulary is too small for words.
#[derive(Clone, Debug)]
pub(crate) struct Tiny(AnyEncoder);

impl Tiny {
    /// The encoder of `entry` at the sizes and with the weights of its parity fixture.
    pub(crate) fn load(entry: &Entry) -> AnyEncoder {
        let device = device();
        let image = ConvNextConfig { depths: [2; 4], dims: [4, 8, 12, 16] };
        let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo");
        let open = |path: &str, parts| Checkpoint::open_parts(&zoo.join(path), parts).unwrap();
        let encoder = match entry.card.name {
            "echoclip" => {
                let base = ClipTextConfig::base();
                let text =
                    ClipTextConfig { vocabulary: 64, context: 20, width: 16, heads: 2, layers: 2, dim: 16, ..base };
                let model = EchoClipConfig { visual: image, text }.init(ClipTokenizer::nano(), &device);
                let checkpoint = open("echoclip/fixtures/echoclip_tiny.safetensors", &[]);
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &echoclip::KEYS).unwrap().0)
            }
            "clip" => {
                let full = ClipConfig::full();
                let visual = ClipVisionConfig {
                    image: [32; 2],
                    patch: 8,
                    width: 24,
                    heads: 3,
                    layers: 2,
                    dim: 16,
                    ..full.visual
                };
                let text = ClipTextConfig {
                    vocabulary: 64,
                    context: 20,
                    width: 16,
                    heads: 2,
                    layers: 2,
                    dim: 16,
                    ..full.text
                };
                let model = ClipConfig { visual, text }.init(ClipTokenizer::nano(), &device);
                let checkpoint = open("clip/fixtures/clip_tiny.safetensors", &[]);
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &clip::KEYS).unwrap().0)
            }
            "echoviewclip" => {
                let full = EchoViewClipConfig::full();
                let visual = ClipVisionConfig {
                    image: [16; 2],
                    patch: 8,
                    width: 16,
                    heads: 2,
                    layers: 3,
                    dim: 12,
                    ..full.visual
                };
                let text = ClipTextConfig {
                    vocabulary: 64,
                    context: 20,
                    width: 16,
                    heads: 2,
                    layers: 2,
                    dim: 12,
                    ..full.text
                };
                let sizes = EchoViewClipConfig { visual, text, hidden: 8, no: None, quality: None };
                let model = sizes.init(ClipTokenizer::nano(), &device);
                let checkpoint = open("echoviewclip/fixtures/stage1", echoviewclip::PARTS);
                let checkpoint = checkpoint.fit(&model, &echoviewclip::KEYS, None).unwrap();
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &echoviewclip::KEYS).unwrap().0)
            }
            "echoprime" => {
                let text = BertConfig { vocabulary: 40, context: 20, width: 16, heads: 2, layers: 2, intermediate: 24 };
                let config = EchoPrimeConfig {
                    video: MvitConfig::staged([8, 64, 40], [2; 4], [8, 16, 24, 32], [1, 2, 2, 4], 4),
                    dim: 12,
                    text: Some(text),
                    text_bias: true,
                    view: Some(image),
                };
                let model = config.init(Err("ids are spelled out".to_owned()), &device);
                let checkpoint = open("echoprime/fixtures/tiny", echoprime::PARTS);
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &echoprime::KEYS).unwrap().0)
            }
            "mvit-kinetics" => {
                let sizes = MvitConfig::staged([8, 64, 40], [2; 4], [8, 16, 24, 32], [1, 2, 2, 4], 4);
                let checkpoint = open("mvit-kinetics/fixtures/tiny.pth", &[]);
                let model = MvitKinetics::new(&sizes, &device);
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &mvit_kinetics::KEYS).unwrap().0)
            }
            "panecho" => {
                let model = PanEchoConfig { image, attention_heads: 4, layers: 2 }.init(&panecho::TASKS, &device);
                let checkpoint = open("panecho/fixtures/panecho_tiny.safetensors", &[]);
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &panecho::KEYS).unwrap().0)
            }
            "r2plus1d" => {
                let backbone = VideoResNetConfig { stem: 5, depths: [2, 2, 1, 1], widths: [4, 6, 8, 10] };
                let model = R2Plus1dConfig { backbone, outputs: 1 }.init(&device);
                let checkpoint = open("r2plus1d/fixtures/r2plus1d_tiny.safetensors", &[]);
                AnyEncoder::new(load(model, entry.card.name, &checkpoint, &r2plus1d::KEYS).unwrap().0)
            }
            other => {
                panic!("{other} has gradients to compare with, but no model here to make them")
            }
        };
        AnyEncoder::new(Self(encoder))
    }
}

impl TextEncoder for Tiny {
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, Error> {
        let words = text.trim_end_matches('.').split_whitespace().map(|word| word.parse().unwrap());
        let [start, stop, end] = SPECIAL;
        Ok([start].into_iter().chain(words).chain([stop, end]).collect())
    }

    fn context_length(&self) -> usize {
        self.0.text().unwrap().context_length()
    }

    fn words(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.0.text().unwrap().words(ids)
    }

    fn encode_words(&self, words: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
        self.0.text().unwrap().encode_words(words, lengths)
    }

    fn logit_scale(&self) -> Tensor<1> {
        self.0.text().unwrap().logit_scale()
    }

    fn network(&self) -> &dyn Any {
        self.0.text().unwrap().network()
    }
}

impl EchoEncoder for Tiny {
    fn card(&self) -> &'static Card {
        self.0.card()
    }

    fn tokens(&self, clip: Tensor<5>) -> Tokens {
        self.0.tokens(clip)
    }

    fn tokens_watched(&self, clip: Tensor<5>, watch: &mut dyn FnMut(Tensor<5>) -> Tensor<5>) -> Tokens {
        self.0.tokens_watched(clip, watch)
    }

    fn frame_features(&self, tokens: &Tokens) -> Tensor<3> {
        self.0.frame_features(tokens)
    }

    fn behind_tokens(&self) -> &'static [&'static str] {
        self.0.behind_tokens()
    }

    fn width(&self) -> usize {
        self.0.width()
    }

    fn token_width(&self) -> usize {
        self.0.token_width()
    }

    fn projection(&self) -> Projection {
        self.0.projection()
    }

    fn text(&self) -> Option<&dyn TextEncoder> {
        self.0.text().map(|_| self as &dyn TextEncoder)
    }
}

/// By hand, so that paths are the encoder's own.
impl Module for Tiny {
    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        self.0.visit(visitor);
    }
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        Self(self.0.map(mapper))
    }
    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }
    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }
    fn valid(&self) -> Self {
        Self(self.0.valid())
    }
    fn train(self) -> Self {
        Self(self.0.train())
    }
    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }
}

impl ModuleDisplayDefault for Tiny {
    fn content(&self, content: Content) -> Option<Content> {
        content.optional()
    }
}

impl ModuleDisplay for Tiny {}

/// The same clips as the reference's, at an adapter's stage.
struct Clips<'a> {
    /// `[videos * clips, 3, frames, height, width]`
    clips: Tensor<5>,
    per_video: usize,
    encoder: &'a AnyEncoder,
    stage: Stage,
    truths: &'a [Truth],
}

impl Samples for Clips<'_> {
    fn truths(&self) -> &[Truth] {
        self.truths
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn batch(&self, indices: &[usize], _epoch: Option<usize>, _device: &Device) -> Result<Features, TrainError> {
        let rows = indices.iter().map(|index| self.clips.clone().narrow(0, index * self.per_video, self.per_video));
        let clips = Tensor::cat(rows.collect(), 0);
        Ok(features(self.encoder, clips, self.per_video, self.stage))
    }
}

/// `sin(0.7 i^2 + phase)` for every index `i`, as in the reference.
pub(crate) fn wave(count: usize, phase: f64) -> impl Iterator<Item = f64> {
    (0..count).map(move |index| (0.7 * (index * index) as f64 + phase).sin())
}

/// `clips` in the reference.
pub(crate) fn clips(count: usize, [channels, frames, height, width]: [usize; 4]) -> Tensor<5> {
    let size = channels * frames * height * width;
    let brighter = |(index, value): (usize, f64)| (value + 0.25 * (index / size) as f64) as f32;
    let values: Vec<f32> = wave(count * size, 0.0).enumerate().map(brighter).collect();
    Tensor::from_data(TensorData::new(values, [count, channels, frames, height, width]), &device())
}

/// `start` in the reference.
fn start(path: &str, shape: &[usize]) -> TensorData {
    let spread = match shape {
        [_] => 0.3,
        [inputs, _] => (*inputs as f64).sqrt().recip(),
        _ => 1.0,
    };
    let spread = if path.contains(".refinement.") { 0.1 * spread } else { spread };
    let phase = path.bytes().map(f64::from).sum();
    let values: Vec<f32> = wave(shape.iter().product(), phase).map(|value| (spread * value) as f32).collect();
    TensorData::new(values, shape.to_vec())
}

/// The adapter of a case, with the reference's values in what it adds to the encoder.
fn adapted(case: &Case, encoder: &AnyEncoder, lender: &AnyEncoder, task: &Task) -> AnyAdapter {
    let context = BuildContext { encoder, text: Some(lender), task, seed: 1 };
    let adapter = Joined::find(ADAPTERS, &case.name()).unwrap().build(&case.settings, &context).unwrap();
    let added = parameters(&adapter).into_iter().filter(|parameter| {
        parameter.trainable && (!parameter.path.starts_with("encoder.") || parameter.path.contains(".lora."))
    });
    let values = added.map(|parameter| (parameter.path.clone(), start(&parameter.path, &parameter.shape))).collect();
    with_values(adapter, values).unwrap()
}

/// The loss of one training step, and the gradients of what trains, by path.
fn step(
    adapter: AnyAdapter,
    samples: &Clips<'_>,
    loss: LossWeights,
    (micro_batch, recompute): (Option<usize>, bool),
) -> Result<(f64, BTreeMap<String, Vec<f64>>), TrainError> {
    let config = TrainConfig {
        epochs: 1,
        batch: samples.truths.len(),
        max_views: None,
        micro_batch,
        recompute,
        clip_norm: None,
        optimizer: OptimizerConfig::Sgd { lr: RATE, momentum: 0.0, weight_decay: 0.0 },
        schedule: ScheduleConfig::Constant,
        rates: RateFactors { encoder: RATE, text: RATE, head: RATE },
        loss,
        augment: AugmentConfig::default(),
        soft_targets: SoftTargets::default(),
    };
    let trainable: Vec<String> =
        parameters(&adapter).into_iter().filter(|parameter| parameter.trainable).map(|p| p.path).collect();
    let paths: Vec<&str> = trainable.iter().map(String::as_str).collect();
    let before = values(&adapter, &paths);
    let fitted = fit(adapter, samples, &config, &FitContext::new(1, &device()), |_| ())?;
    let moved = before.into_iter().zip(values(&fitted.adapter, &paths)).map(|((path, before), (_, after))| {
        let pairs = before.iter::<f32>().zip(after.iter::<f32>());
        (path, pairs.map(|(before, after)| (f64::from(before) - f64::from(after)) / (RATE * RATE)).collect())
    });
    Ok((fitted.curve[0].loss, moved.collect()))
}

/// Largest difference of a gradient from the golden's entries, and of the largest entries, relative to the largest.
fn error(gradient: &[f64], golden: &[f64]) -> f64 {
    let (largest, parts) = (golden[0], &golden[1..]);
    let last = gradient.len() - 1;
    let entry = |index: usize| gradient[index * last / (parts.len() - 1).max(1)];
    let entries = parts.iter().enumerate().map(|(index, part)| (entry(index) / largest - part / 1e5).abs());
    entries.fold((top(gradient) / largest - 1.0).abs(), nan_max)
}

fn top(gradient: &[f64]) -> f64 {
    gradient.iter().fold(0.0, |top, value| nan_max(top, value.abs()))
}

/// The larger one, or NaN where there is one.
fn nan_max(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// Whether `value` is not `bound` or less: NaN is not.
fn exceeds(value: f64, bound: f64) -> bool {
    value > bound || value.is_nan()
}

/// The largest error of a case's gradients; complaints go to `wrong`.
fn compare(case: &Case, gradients: &BTreeMap<String, Vec<f64>>, wrong: &mut Vec<String>) -> f64 {
    let (trained, expected): (Vec<_>, Vec<_>) = (gradients.keys().collect(), case.gradients.keys().collect());
    if trained != expected {
        let more: Vec<_> = trained.iter().filter(|path| !expected.contains(path)).collect();
        let fewer: Vec<_> = expected.iter().filter(|path| !trained.contains(path)).collect();
        wrong.push(format!("trains {more:?}, which the reference does not, and not {fewer:?}"));
        return f64::NAN;
    }
    let largest = case.gradients.values().fold(0.0, |largest, golden| f64::max(largest, golden[0]));
    let mut worst = 0.0;
    for (path, golden) in &case.gradients {
        let gradient = &gradients[path];
        if golden[0] == 0.0 {
            let noise = top(gradient) / largest;
            if exceeds(noise, ZERO) {
                wrong.push(format!("{path}: {noise:.0e} of the largest gradient instead of zero"));
            }
            continue;
        }
        let error = error(gradient, golden);
        if exceeds(error, TOLERANCE) {
            wrong.push(format!("{path}: off by {error:.0e} of its largest entry"));
        }
        worst = nan_max(worst, error);
    }
    worst
}

fn golden() -> Golden {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/gradients.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn gradients_of_one_training_step_are_pytorchs() {
    let golden = golden();
    let task = Task::of_ranks("EF", "%", RankSpec { ranks: golden.ranks.clone() });
    let truths = truths(&golden.targets);
    let lender = Tiny::load(&ZOO[0]);
    let mut problems = Vec::new();
    for entry in ZOO {
        let Some(Cases { clip, cases }) = golden.encoders.get(entry.card.name) else {
            panic!("{} is missing; add it here and to tests/reference/gradients.py", entry.card.name);
        };
        let encoder = Tiny::load(entry);
        for case in cases {
            let name = format!("{} {}", entry.card.name, case.name());
            let adapter = adapted(case, &encoder, &lender, &task);
            let samples = Clips {
                clips: clips(case.clips * golden.targets.len(), *clip),
                per_video: case.clips,
                encoder: &encoder,
                stage: adapter.stage(),
                truths: &truths,
            };
            // At once, in two parts whose gradients are added up, and with blocks computed again on the way back.
            for (how, micro_batch, recompute) in
                [("at once ", None, false), ("in parts", Some(2), false), ("computed again", None, true)]
            {
                let (loss, gradients) = step(adapter.clone(), &samples, golden.loss, (micro_batch, recompute))
                    .unwrap_or_else(|error| panic!("{name}, {}: {error}", how.trim()));
                let mut wrong = Vec::new();
                let off = (loss / case.loss - 1.0).abs();
                if exceeds(off, LOSS_TOLERANCE) {
                    wrong.push(format!("the loss is {loss}, not {}", case.loss));
                }
                let worst = compare(case, &gradients, &mut wrong);
                println!(
                    "{name:34} {how}: loss off by {off:.0e}, {:3} gradients by up to {worst:.0e}",
                    gradients.len()
                );
                problems.extend(wrong.into_iter().map(|wrong| format!("{name}, {}: {wrong}", how.trim())));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_adapter_that_trains_has_gradients_to_compare_with() {
    for (encoder, cases) in &golden().encoders {
        let of_all = |adapter: &&echo_adapt::AdapterEntry| adapter.trains && !OF_TWO_BRANCHES.contains(&adapter.name);
        for adapter in ADAPTERS.iter().filter(of_all) {
            let known = cases.cases.iter().any(|case| case.settings.contains_key(adapter.name));
            assert!(known, "{encoder} + {} is missing; add it to tests/reference/gradients.py", adapter.name);
        }
    }
}
