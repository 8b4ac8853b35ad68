//! Every adapter learns: from random weights it fits a few easy phantoms, which differ in the heart alone; from the shipped
//! weights and its own recipe it learns from a new site's phantoms what holds on others of that site.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use echo_adapt::{BuildContext, Joined, zoom_frames};
use echo_bench::Recipe;
use echo_core::{AnyEncoder, ClipSpec, Features, Preset, Stage, Truth};
use echo_data::{Start, prepare, select_frames};
use echo_phantom::{FRAME_SIZE, Phantom, Purpose, Setting, Site};
use echo_random::Stream;
use echo_train::{FitContext, Samples, ScheduleConfig, TrainConfig, TrainError, fit, predict};
use echo_video::Frames;
use echo_weights::Weights;
use echo_zoo::{Entry, ZOO};

use crate::fixtures::{OF_TWO_BRANCHES, adapters, device, ef, nano, recipe, taught, training, truths, values};

/// Phantoms to learn from, and as many others.
const VIDEOS: usize = 10;

/// Phantoms that adapters with shipped weights learn from, and as many others.
const SHOTS: usize = 40;

/// Loops of different hearts, all recorded the same way and without noise, with their ejection fractions.
fn easy(count: usize, first: u32, spec: &ClipSpec) -> (Vec<Tensor<5>>, Vec<f32>) {
    let mut recording = Phantom::of(1, Purpose::Test, 0).unwrap().acquisition;
    (recording.noise, recording.clutter) = (0.0, 0.0);
    let hearts = (first..).take(count).map(|number| Phantom::of(1, Purpose::Train, number).unwrap());
    let hearts = hearts.map(|heart| Phantom { acquisition: recording.clone(), ..heart });
    hearts.map(|phantom| (clip_of(&phantom, spec), phantom.findings().ef as f32)).unzip()
}

/// Loops of a new site, with the ejection fractions that are read there.
fn of_new_site(count: usize, first: u32, spec: &ClipSpec) -> (Vec<Tensor<5>>, Vec<f32>) {
    let setting = Setting { site: Site::New, ..Setting::default() };
    let heart = |number: u32| {
        let phantom = Phantom::of_with(1, Purpose::Train, number, setting).unwrap();
        let mut reader = Stream::new(1, "test/reading", u64::from(number));
        let read = Site::New.reading().read(phantom.findings().label(), &mut reader);
        (clip_of(&phantom, spec), read.ef as f32)
    };
    (first..).take(count).map(heart).unzip()
}

fn clip_of(phantom: &Phantom, spec: &ClipSpec) -> Tensor<5> {
    let selection = select_frames(phantom.frame_count(), spec, Start::First);
    let grey = phantom.render_frames(&selection.frames);
    let frames = Frames {
        data: grey.iter().flat_map(|&value| [value; 3]).collect(),
        count: selection.frames.len(),
        height: FRAME_SIZE,
        width: FRAME_SIZE,
        fps: f64::from(phantom.acquisition.fps),
    };
    prepare(&frames, spec).unwrap().into_tensor(&device())
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
                Stage::SecondEmbedding => unreachable!("no adapter is fitted to it"),
                Stage::Embedding => encoder.encode(clip.clone()).unsqueeze(),
                Stage::Frames => features().unsqueeze(),
                Stage::ZoomFrames => zoom_frames(encoder, features(), clip.clone()).unsqueeze(),
                Stage::Tokens => encoder.tokens(clip.clone()).rows().unsqueeze(),
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
            Stage::Tokens => Features::Tokens(all),
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
    let schedule = ScheduleConfig::Cosine { warmup_epochs: 0, warmup_lr: None, end: 0.0 };
    TrainConfig { schedule, ..training(epochs, VIDEOS, lr) }
}

/// `beat_unseen`: adapters that, from random weights and ten videos, also do better than the median on others.
fn learns(entry: &Entry, beat_unseen: &[&str]) {
    let encoder = nano(entry);
    let lender = nano(&ZOO[0]);
    let spec = &entry.card.preset(Preset::NANO).unwrap().clip;
    let (clips, targets) = easy(VIDEOS, 0, spec);
    let (held_clips, held_targets) = easy(VIDEOS, 5_000, spec);
    let constant = vec![vec![median(&targets)]; VIDEOS];
    let (own, held) = (error(&constant, &targets), error(&constant, &held_targets));
    let cases = [
        ("linear", 1, 1.0),
        ("statistics", 1, 1.0),
        ("full+statistics", 60, 1e-3),
        ("coop", 400, 1e-1),
        // Steps of 0.05 make it a matter of the last bit whether it learns.
        ("coop+coarse-to-fine", 300, 2e-2),
        ("mfl", 150, 1e-2),
        ("attentive", 100, 1e-3),
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

/// Each adapter with its shipped recipe, fitted on a few phantoms of a site that no encoder has seen, says more of others than
/// the median does, and errs by at least a tenth less than before.
#[test]
fn what_every_adapter_learns_holds_on_other_phantoms() {
    let task = echo_data::Target::shipped("ef").task;
    let lender = ZOO[0].build(Preset::NANO, &Weights::Shipped, &device()).unwrap().encoder;
    let mut failed = Vec::new();
    for entry in taught() {
        let encoder = entry.build(Preset::NANO, &Weights::Shipped, &device()).unwrap().encoder;
        let spec = &entry.card.preset(Preset::NANO).unwrap().clip;
        let (clips, targets) = of_new_site(SHOTS, 100_000, spec);
        let (held_clips, held_targets) = of_new_site(SHOTS, 200_000, spec);
        let constant = error(&vec![vec![median(&targets)]; SHOTS], &held_targets);
        let known = adapters();
        let names = known.iter().filter(|entry| entry.trains).map(|entry| entry.name);
        let names = names.filter(|name| !OF_TWO_BRANCHES.contains(name));
        for name in names.chain(["mfl+echozoom"]) {
            let joined = Joined::find(&known, name).unwrap();
            let recipe = Recipe::new(name, &joined, Preset::NANO, &BTreeMap::new()).unwrap();
            let context = BuildContext { encoder: &encoder, text: Some(&lender), task: &task, seed: 5 };
            let adapter = joined.build(&recipe.adapter, &context).unwrap();
            let stage = adapter.stage();
            let train = Seen::new(&encoder, stage, &clips, &targets);
            let held = Seen::new(&encoder, stage, &held_clips, &held_targets);
            let epochs = recipe.train.epochs.min(if stage == Stage::Clip { 4 } else { usize::MAX });
            let config = TrainConfig { epochs, ..recipe.train };
            let device = device();
            let before = error(&predict(&adapter, &held, &device).unwrap(), &held_targets);
            let fitted = fit(adapter, &train, &config, &FitContext::new(1, &device), |_| ()).unwrap().adapter;
            let after = error(&predict(&fitted, &held, &device).unwrap(), &held_targets);
            let what = format!("{:9} {name:20} {before:.2} -> {after:.2}, median {constant:.2}", entry.card.name);
            println!("{what}");
            if !(after < constant && after < 0.9 * before) {
                failed.push(what);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
