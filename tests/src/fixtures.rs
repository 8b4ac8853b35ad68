//! What the tests share.

use burn::tensor::{Device, Tensor, TensorData};
use echo_adapt::{ADAPTERS, AdaptError, AdapterEntry, Joined, Tables, zoom_frames};
use echo_core::{
    Answer, AnyEncoder, Capabilities, Class, Classification, Features, Kind, Preset, Rank, RankSpec, Stage, Task, Truth,
};
use echo_random::Stream;
use echo_train::{AugmentConfig, LossWeights, OptimizerConfig, RateFactors, ScheduleConfig, SoftTargets, TrainConfig};
use echo_weights::Weights;
use echo_zoo::{DeviceChoice, Entry, ZOO};

use crate::tinyecho::{AttentiveProbe, TinyEcho};

pub fn device() -> Device {
    DeviceChoice::Cpu.device().unwrap()
}

/// Every encoder of the zoo, and one from outside.
pub fn entries() -> Vec<Entry> {
    ZOO.iter().copied().chain([Entry::of::<TinyEcho>()]).collect()
}

/// The encoders of the zoo whose nano weights are shipped; another one's `CARD.md` says that it has none.
pub fn trained() -> impl Iterator<Item = &'static Entry> {
    ZOO.iter().filter(|entry| entry.has_shipped(entry.card.preset(Preset::NANO).unwrap()))
}

/// Those of them that were taught the ejection fraction of hearts.
pub fn taught() -> impl Iterator<Item = &'static Entry> {
    let says_ef =
        |capabilities: &Capabilities| capabilities.findings || capabilities.heads.iter().any(|head| head.name == "EF");
    trained().filter(move |entry| entry.card.of_hearts && says_ef(&entry.card.capabilities))
}

/// Every adapter, and one from outside.
pub fn adapters() -> Vec<AdapterEntry> {
    ADAPTERS.iter().copied().chain([AdapterEntry::of::<AttentiveProbe>()]).collect()
}

/// Adapters of encoders with a second branch, which most have not: `negation.rs` is about them.
pub const OF_TWO_BRANCHES: [&str; 2] = ["negation", "quality"];

/// An adapter with the settings of its shipped recipe, and with `changes` of them by the names that it joins.
pub fn recipe(name: &str, changes: &[(&str, &str)]) -> Result<(Joined, Tables), AdaptError> {
    let joined = Joined::find(&adapters(), name)?;
    let mut tables = Tables::new();
    for entry in joined.entries() {
        let mut recipe: toml::Table = entry.recipe.parse().unwrap();
        let Some(toml::Value::Table(mut table)) = recipe.remove("adapter") else { panic!("no table [adapter]") };
        for (_, changes) in changes.iter().filter(|(name, _)| *name == entry.name) {
            table.extend(changes.parse::<toml::Table>().unwrap());
        }
        tables.insert(entry.name.to_owned(), table);
    }
    Ok((joined, tables))
}

/// The nano preset with random weights.
pub fn nano(entry: &Entry) -> AnyEncoder {
    entry.build(Preset::NANO, &Weights::Random(1), &device()).unwrap().encoder
}

/// Normal values, `[batch, 3, frames, size, size]` as the encoder's nano preset wants them.
pub fn clips(entry: &Entry, batch: usize, seed: u64) -> Tensor<5> {
    let spec = &entry.card.preset(Preset::NANO).unwrap().clip;
    let shape = [batch, 3, spec.frames, spec.size, spec.size];
    let mut stream = Stream::new(seed, "test/clips", 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// Largest absolute difference.
pub fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a - b).abs().max().into_scalar::<f32>()
}

/// The ejection fraction in five ranks, which every value from 0 to 100 reads without training.
pub fn ef() -> Task {
    let rows = [(30, 15.0, "poor"), (45, 37.0, "reduced"), (55, 50.0, "fair"), (70, 62.0, "good"), (100, 85.0, "high")];
    let rank = |&(up_to, value, word): &(i64, f32, &str)| Rank { up_to, value, prompt: format!("{word} function") };
    let mut task = Task::of_ranks("EF", "%", RankSpec { ranks: rows.iter().map(rank).collect() });
    if let Answer::Value(regression) = &mut task.answer {
        regression.range = Some([0.0, 100.0]);
        regression.templates = vec!["the ejection fraction is <#> percent.".to_owned()];
    }
    task
}

/// A task of classes, two of labels, three else.
pub fn classes(kind: Kind) -> Task {
    let count = if matches!(kind, Kind::Binary | Kind::MultiLabel) { 2 } else { 3 };
    let class = |&word: &&str| Class {
        name: word.to_owned(),
        prompts: vec![format!("{word} function")],
        absent: if kind == Kind::MultiLabel { vec![format!("not {word}")] } else { Vec::new() },
    };
    let classes = ["poor", "good", "high"].iter().take(count).map(class).collect();
    let answer = Answer::Classes(Classification { kind, classes, cut: None });
    Task { name: "function".to_owned(), answer, heads: Default::default() }
}

/// Values as labels.
pub fn truths(values: &[f32]) -> Vec<Truth> {
    values.iter().map(|&value| Truth::Value(value)).collect()
}

/// Predicted values.
pub fn values(predictions: &[Vec<f32>]) -> Vec<f32> {
    predictions.iter().map(|row| row[0]).collect()
}

/// Training with the losses of a regression; tests change what matters to them.
pub fn training(epochs: usize, batch: usize, lr: f64) -> TrainConfig {
    TrainConfig {
        epochs,
        batch,
        max_views: None,
        micro_batch: None,
        recompute: false,
        clip_norm: None,
        optimizer: OptimizerConfig::AdamW { lr, weight_decay: 0.0, betas: OptimizerConfig::BETAS },
        schedule: ScheduleConfig::Constant,
        rates: RateFactors::default(),
        loss: LossWeights { cross_entropy: 1.0, kl: 1.0, l1: 1.0, huber: 0.0 },
        augment: AugmentConfig::default(),
        soft_targets: SoftTargets::default(),
    }
}

/// What an adapter consumes at `stage` of clips `[videos * per_video, 3, frames, height, width]`.
pub fn features(encoder: &AnyEncoder, clips: Tensor<5>, per_video: usize, stage: Stage) -> Features {
    let frames = |clips: Tensor<5>| encoder.frame_features(&encoder.tokens(clips));
    let by_video = |features: Tensor<3>| {
        let [all, count, width] = features.dims();
        features.reshape([all / per_video, per_video, count, width])
    };
    match stage {
        Stage::SecondEmbedding => unreachable!("no adapter is fitted to it"),
        Stage::Embedding => Features::Embedding(by_video(encoder.encode(clips).unsqueeze_dim::<3>(1)).squeeze_dim(2)),
        Stage::Frames => Features::Frames(by_video(frames(clips))),
        Stage::ZoomFrames => {
            let base = frames(clips.clone());
            Features::ZoomFrames(by_video(zoom_frames(encoder, base, clips)))
        }
        Stage::Tokens => Features::Tokens(by_video(encoder.tokens(clips).rows())),
        Stage::Clip => Features::Clip(clips, per_video),
    }
}
