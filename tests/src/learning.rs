//! Every adapter learns: on easy phantoms, which differ in the heart alone, from random weights.

use burn::tensor::{Device, Tensor, TensorData};
use echo_adapt::{BuildContext, zoom_frames};
use echo_core::{AnyEncoder, ClipSpec, Features, Preset, Stage, Truth};
use echo_data::{Start, prepare, select_frames};
use echo_phantom::{FRAME_SIZE, Phantom, Purpose};
use echo_train::{
    AugmentConfig, FitContext, LossWeights, OptimizerConfig, RateFactors, Samples, ScheduleConfig, TrainConfig,
    TrainError, fit, predict,
};
use echo_video::Frames;
use echo_zoo::{Entry, ZOO};

use crate::fixtures::{device, ef, nano, recipe, truths, values};

/// Phantoms to learn from, and as many others.
const VIDEOS: usize = 10;

/// Loops of different hearts, all recorded the same way and without noise, with their ejection fractions.
fn easy(count: usize, first: u32, spec: &ClipSpec) -> (Vec<Tensor<5>>, Vec<f32>) {
    let recording = Phantom::of(1, Purpose::Test, 0).unwrap().acquisition;
    let (mut clips, mut targets) = (Vec::new(), Vec::new());
    for number in 0..count as u32 {
        let mut phantom = Phantom::of(1, Purpose::Train, first + number).unwrap();
        phantom.acquisition = recording.clone();
        phantom.acquisition.noise = 0.0;
        phantom.acquisition.clutter = 0.0;
        let selection = select_frames(phantom.frame_count(), spec, Start::First);
        let grey = phantom.render_frames(&selection.frames);
        let frames = Frames {
            data: grey.iter().flat_map(|&value| [value; 3]).collect(),
            count: selection.frames.len(),
            height: FRAME_SIZE,
            width: FRAME_SIZE,
            fps: 50.0,
        };
        let clip = prepare(&frames, spec).unwrap();
        let shape = [1, 3, clip.frames, clip.size, clip.size];
        clips.push(Tensor::from_data(TensorData::new(clip.data, shape), &device()));
        targets.push(phantom.findings().ef as f32);
    }
    (clips, targets)
}

/// What an adapter consumes of every clip.
struct Seen {
    stage: Stage,
    rows: Vec<Tensor<5>>,
    truths: Vec<Truth>,
}

impl Seen {
    fn new(encoder: &AnyEncoder, stage: Stage, clips: &[Tensor<5>], targets: &[f32]) -> Self {
        let see = |clip: &Tensor<5>| -> Tensor<5> {
            let features = || encoder.frame_features(&encoder.tokens(clip.clone()));
            match stage {
                Stage::Clip => clip.clone(),
                Stage::Embedding => encoder.encode(clip.clone()).unsqueeze(),
                Stage::Frames => features().unsqueeze(),
                Stage::ZoomFrames => zoom_frames(encoder, features(), clip.clone()).unsqueeze(),
            }
        };
        Self { stage, rows: clips.iter().map(see).collect(), truths: truths(targets) }
    }
}

impl Samples for Seen {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn batch(&self, indices: &[usize], _epoch: Option<usize>, _device: &Device) -> Result<Features, TrainError> {
        let rows: Vec<Tensor<5>> = indices.iter().map(|&index| self.rows[index].clone()).collect();
        if self.stage == Stage::Clip {
            return Ok(Features::Clip(Tensor::cat(rows, 0), 1));
        }
        // `[1, 1, 1, time, columns]` each.
        let all: Tensor<4> = Tensor::cat(rows.into_iter().map(|row| row.squeeze_dim::<4>(0)).collect(), 0);
        Ok(match self.stage {
            Stage::Embedding => Features::Embedding(all.squeeze_dim(2)),
            Stage::Frames => Features::Frames(all),
            _ => Features::ZoomFrames(all),
        })
    }
}

fn error(predictions: &[Vec<f32>], targets: &[f32]) -> f32 {
    values(predictions).iter().zip(targets).map(|(value, target)| (value - target).abs()).sum::<f32>()
        / targets.len() as f32
}

fn median(targets: &[f32]) -> f32 {
    let mut sorted = targets.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted[sorted.len() / 2]
}

/// What each adapter needs to fit a few videos closely.
fn config(epochs: usize, lr: f64) -> TrainConfig {
    TrainConfig {
        epochs,
        batch: VIDEOS,
        max_views: None,
        micro_batch: None,
        clip_norm: None,
        optimizer: OptimizerConfig::AdamW { lr, weight_decay: 0.0 },
        schedule: ScheduleConfig::Cosine { warmup_epochs: 0, warmup_lr: 0.0 },
        rates: RateFactors::default(),
        loss: LossWeights { cross_entropy: 1.0, kl: 1.0, l1: 1.0, huber: 0.0 },
        augment: AugmentConfig::default(),
    }
}

/// `beat_unseen`: adapters that, from random weights and ten videos, also do better than the median on others.
fn learns(entry: &Entry, beat_unseen: &[&str]) {
    let encoder = nano(entry);
    let lender = nano(&ZOO[0]);
    let spec = &entry.card.preset(Preset::Nano).clip;
    let (clips, targets) = easy(VIDEOS, 0, spec);
    let (held_clips, held_targets) = easy(VIDEOS, 5_000, spec);
    let constant = vec![vec![median(&targets)]; VIDEOS];
    let (own, held) = (error(&constant, &targets), error(&constant, &held_targets));
    let cases = [
        ("linear", 1, 1.0),
        ("statistics", 1, 1.0),
        ("full+statistics", 60, 1e-3),
        ("coop", 400, 1e-1),
        ("coop+coarse-to-fine", 300, 5e-2),
        ("mfl", 150, 1e-2),
        ("echozoom", 300, 3e-3),
        ("mfl+echozoom", 200, 5e-3),
        ("lora", 60, 3e-3),
        ("full", 60, 1e-3),
    ];
    for (name, epochs, lr) in cases {
        // What random weights read says nothing of the target, and a ridge that leaves it alone shrinks the rest.
        let alone = [("statistics", "reading = false")];
        let changes = if name == "statistics" { &alone[..] } else { &[] };
        let (joined, tables) = recipe(name, changes).unwrap();
        let task = ef();
        let context = BuildContext { encoder: &encoder, text: Some(&lender), task: &task, seed: 5 };
        let adapter = joined.build(&tables, &context).unwrap();
        let stage = adapter.stage();
        let train = Seen::new(&encoder, stage, &clips, &targets);
        let device = device();
        let fitted = fit(adapter, &train, &config(epochs, lr), &FitContext::new(1, &device), |_| ()).unwrap().adapter;
        let after = error(&predict(&fitted, &train, &device).unwrap(), &targets);
        let unseen = Seen::new(&encoder, stage, &held_clips, &held_targets);
        let on_held = error(&predict(&fitted, &unseen, &device).unwrap(), &held_targets);
        println!(
            "{:9} {name:20} training MAE {own:.2} -> {after:.2}; held out {held:.2} -> {on_held:.2}",
            entry.card.name
        );
        assert!(after <= 0.5 * own, "{} + {name}: {own} -> {after}", entry.card.name);
        if beat_unseen.contains(&name) {
            assert!(on_held <= 0.9 * held, "{} + {name}, held out: {held} -> {on_held}", entry.card.name);
        }
    }
}

#[test]
fn every_adapter_learns_on_echoclip() {
    learns(&ZOO[0], &[]);
}

#[test]
fn every_adapter_learns_on_echoprime() {
    learns(&ZOO[1], &["mfl", "echozoom", "mfl+echozoom", "lora", "full"]);
}

#[test]
fn every_adapter_learns_on_panecho() {
    learns(&ZOO[2], &[]);
}
