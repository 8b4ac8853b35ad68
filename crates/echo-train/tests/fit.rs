//! The training loop on a small adapter of its own.

use std::cell::Cell;
use std::time::Duration;

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{Adapter, AnyAdapter, Features, ParameterRole, Prediction, Rank, RankSpec, Stage, Truth};
use echo_random::Stream;
use echo_train::{
    AugmentConfig, Checkpoints, FeatureTable, FitContext, LossWeights, OptimizerConfig, RateFactors, Samples,
    ScheduleConfig, SoftTargets, TrainConfig, TrainError, Watched, fit,
};

const DIM: usize = 5;

/// Two matrices; the first plays the encoder's part.
#[derive(Module, Debug)]
struct Small {
    encoder: Param<Tensor<2>>,
    head: Param<Tensor<2>>,
    #[module(skip)]
    ranks: RankSpec,
}

impl Adapter for Small {
    fn stage(&self) -> Stage {
        Stage::Embedding
    }

    fn ranks(&self) -> Option<&RankSpec> {
        Some(&self.ranks)
    }

    fn role(&self, path: &str) -> ParameterRole {
        if path == "encoder" { ParameterRole::Encoder } else { ParameterRole::Head }
    }

    fn forward(&self, features: Features) -> Prediction {
        let Features::Embedding(embedding) = features else { unreachable!("tests give embeddings") };
        let hidden = embedding.squeeze_dim::<2>(1).matmul(self.encoder.val()).tanh();
        let logits = hidden.matmul(self.head.val());
        let values = Tensor::<1>::from_floats(self.ranks.values().as_slice(), &logits.device());
        let value = (softmax(logits.clone(), 1) * values.unsqueeze()).sum_dim(1).squeeze_dim(1);
        Prediction::Values { value, ranks: Some(logits) }
    }
}

fn device() -> Device {
    Device::flex()
}

fn draw(purpose: &str, count: usize) -> Vec<f32> {
    let mut stream = Stream::new(3, purpose, 0);
    (0..count).map(|_| stream.normal() as f32).collect()
}

fn small() -> AnyAdapter {
    AnyAdapter::new(parts())
}

fn parts() -> Small {
    let rank = |up_to, value| Rank { up_to, value, prompt: "a".to_owned() };
    let matrix = |purpose: &str, columns: usize| {
        Param::from_tensor(Tensor::from_data(TensorData::new(draw(purpose, DIM * columns), [DIM, columns]), &device()))
    };
    let ranks = RankSpec { ranks: vec![rank(40, 30.0), rank(55, 50.0), rank(100, 70.0)] };
    Small { encoder: matrix("test/encoder", DIM), head: matrix("test/head", 3), ranks }
}

fn samples(count: usize) -> FeatureTable {
    let rows: Vec<Vec<f32>> = draw("test/rows", count * DIM).chunks(DIM).map(<[f32]>::to_vec).collect();
    let targets = rows.iter().map(|row| Truth::Value(50.0 + 12.0 * row[0].tanh())).collect();
    FeatureTable::new(Stage::Embedding, vec![1; rows.len()], DIM, rows, targets).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 6,
        batch: 8,
        max_views: None,
        micro_batch: None,
        recompute: false,
        clip_norm: None,
        optimizer: OptimizerConfig::Sgd { lr: 1e-2, momentum: 0.9, weight_decay: 1e-3 },
        schedule: ScheduleConfig::Cosine { warmup_epochs: 1, warmup_lr: Some(1e-3), end: 0.0 },
        rates: RateFactors::default(),
        loss: LossWeights { cross_entropy: 1.0, kl: 1.0, l1: 0.1, huber: 0.1 },
        augment: AugmentConfig::default(),
        soft_targets: SoftTargets::default(),
    }
}

/// Encoder and head, one after the other.
fn values(adapter: &AnyAdapter) -> Vec<f32> {
    let small: &Small = adapter.downcast_ref().unwrap();
    let of = |param: &Param<Tensor<2>>| param.val().into_data().iter::<f32>().collect::<Vec<_>>();
    [of(&small.encoder), of(&small.head)].concat()
}

fn fitted(config: &TrainConfig, count: usize) -> Vec<f32> {
    let device = device();
    let context = FitContext::new(1, &device);
    values(&fit(small(), &samples(count), config, &context, |_| ()).unwrap().adapter)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn accumulated_gradients_are_the_whole_batch_s() {
    let whole = fitted(&config(), 21);
    for micro_batch in [1, 3, 7] {
        let accumulated = fitted(&TrainConfig { micro_batch: Some(micro_batch), ..config() }, 21);
        let moved = largest_difference(&whole, &values(&small()));
        let difference = largest_difference(&whole, &accumulated);
        assert!(moved > 1e-2 && difference < 1e-5 * moved, "{micro_batch}: {difference} of {moved}");
    }
    // The divergence is over the batch: gradients of parts alone would be others.
    let parts = fitted(&TrainConfig { batch: 3, ..config() }, 21);
    assert!(largest_difference(&whole, &parts) > 1e-3);
}

#[test]
fn rates_scale_what_they_are_for() {
    let one_step = |rates: RateFactors| {
        let optimizer = OptimizerConfig::Sgd { lr: 1e-2, momentum: 0.0, weight_decay: 0.0 };
        let config =
            TrainConfig { epochs: 1, batch: 99, optimizer, schedule: ScheduleConfig::Constant, rates, ..config() };
        let (before, after) = (values(&small()), fitted(&config, 12));
        after.iter().zip(before).map(|(after, before)| after - before).collect::<Vec<f32>>()
    };
    let plain = one_step(RateFactors::default());
    let scaled = one_step(RateFactors { encoder: 0.5, head: 0.0, text: 1.0 });
    let (encoder, head) = scaled.split_at(DIM * DIM);
    assert!(head.iter().all(|change| *change == 0.0));
    let half: Vec<f32> = plain[..DIM * DIM].iter().map(|change| change * 0.5).collect();
    assert!(largest_difference(encoder, &half) < 1e-7 && half.iter().any(|change| change.abs() > 1e-4));
}

#[test]
fn the_norm_of_all_gradients_together_is_clipped() {
    let step = |clip_norm: Option<f64>| {
        let optimizer = OptimizerConfig::Sgd { lr: 1.0, momentum: 0.0, weight_decay: 0.0 };
        let config =
            TrainConfig { epochs: 1, batch: 99, optimizer, schedule: ScheduleConfig::Constant, clip_norm, ..config() };
        let (before, after) = (values(&small()), fitted(&config, 12));
        let change: Vec<f32> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        (change.iter().map(|x| x * x).sum::<f32>().sqrt(), change)
    };
    let (free, direction) = step(None);
    let (clipped, scaled) = step(Some(0.25 * f64::from(free)));
    assert!((clipped / free - 0.25).abs() < 1e-4, "{clipped} of {free}");
    let expected: Vec<f32> = direction.iter().map(|x| x * 0.25).collect();
    assert!(largest_difference(&scaled, &expected) < 1e-5);
    assert_eq!(step(Some(2.0 * f64::from(free))).1, direction, "smaller gradients stay as they are");
}

fn mean_error(samples: &FeatureTable, predictions: &[Vec<f32>]) -> f64 {
    let errors = predictions.iter().zip(samples.truths()).map(|(row, truth)| (row[0] - truth.value().unwrap()).abs());
    errors.map(f64::from).sum::<f64>() / predictions.len() as f64
}

/// Samples that cannot be read from some epoch on, as when the process is killed there.
struct Interrupted {
    inner: FeatureTable,
    at: usize,
    batches: Cell<usize>,
}

impl Samples for Interrupted {
    fn truths(&self) -> &[Truth] {
        self.inner.truths()
    }

    fn stage(&self) -> Stage {
        self.inner.stage()
    }

    fn batch(&self, indices: &[usize], epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        self.batches.set(self.batches.get() + 1);
        match epoch {
            Some(epoch) if epoch >= self.at => Err(TrainError::Sample("interrupted".to_owned())),
            _ => self.inner.batch(indices, epoch, device),
        }
    }
}

#[test]
fn training_goes_on_from_a_checkpoint_as_if_it_had_not_been_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints { file: folder.path().join("deep/cell.safetensors"), every: Duration::ZERO };
    let held = samples(9);
    let watched = Watched { samples: &held, error: &|predictions| mean_error(&held, predictions) };
    let (lr, weight_decay) = (1e-2, 1e-3);
    let optimizers = [
        OptimizerConfig::Sgd { lr, momentum: 0.9, weight_decay },
        OptimizerConfig::AdamW { lr, weight_decay, betas: OptimizerConfig::BETAS },
        OptimizerConfig::RAdam { lr, weight_decay },
    ];
    for optimizer in optimizers {
        let config = TrainConfig { epochs: 9, optimizer, ..config() };
        let device = device();
        let context = FitContext { watched: Some(watched), ..FitContext::new(1, &device) };
        let expected = fit(small(), &samples(21), &config, &context, |_| ()).unwrap();

        let context = FitContext { checkpoints: Some(&checkpoints), ..context };
        let interrupted = Interrupted { inner: samples(21), at: 7, batches: Cell::new(0) };
        let error = fit(small(), &interrupted, &config, &context, |_| ()).unwrap_err();
        assert!(matches!(error, TrainError::Sample(_)) && checkpoints.file.exists(), "{error}");
        let rest = Interrupted { inner: samples(21), at: usize::MAX, batches: Cell::new(0) };
        let resumed = fit(small(), &rest, &config, &context, |_| ()).unwrap();
        assert_eq!(rest.batches.get(), 2 * 3, "two epochs of three batches are left");
        assert_eq!(values(&resumed.adapter), values(&expected.adapter), "{:?}", config.optimizer);
        assert_eq!(resumed.curve, expected.curve);
        let (best, expected) = (resumed.best.unwrap(), expected.best.unwrap());
        assert_eq!(
            (best.epoch, best.error, values(&best.adapter)),
            (expected.epoch, expected.error, values(&expected.adapter))
        );
        assert!(!checkpoints.file.exists(), "a finished training leaves no checkpoint");
    }
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_something_else_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints { file: folder.path().join("cell.safetensors"), every: Duration::ZERO };
    let device = device();
    let config = TrainConfig { epochs: 3, ..config() };
    let expected = values(&fit(small(), &samples(21), &config, &FitContext::new(1, &device), |_| ()).unwrap().adapter);
    let context = FitContext { checkpoints: Some(&checkpoints), ..FitContext::new(1, &device) };
    let interrupted = Interrupted { inner: samples(21), at: 2, batches: Cell::new(0) };
    fit(small(), &interrupted, &config, &context, |_| ()).unwrap_err();
    let whole = std::fs::read(&checkpoints.file).unwrap();
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x40;
        bytes
    };
    // Nothing, half, another value of a parameter and another digit of the progress, and something else altogether.
    let state = whole.windows(5).position(|window| window == b"curve").unwrap();
    let damaged = [
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        flipped(whole.len() - 2),
        flipped(state + 20),
        b"else".to_vec(),
    ];
    for bytes in damaged {
        std::fs::write(&checkpoints.file, &bytes).unwrap();
        let counted = Interrupted { inner: samples(21), at: usize::MAX, batches: Cell::new(0) };
        let fitted = fit(small(), &counted, &config, &context, |_| ()).unwrap();
        assert_eq!(counted.batches.get(), 3 * 3, "all epochs are trained again: {} bytes", bytes.len());
        assert_eq!(values(&fitted.adapter), expected);
    }
}

#[test]
fn the_best_epoch_is_kept_beside_the_last() {
    // Learning far too fast, the last epochs are worse than some before.
    let optimizer = OptimizerConfig::Sgd { lr: 0.6, momentum: 0.95, weight_decay: 0.0 };
    let config = TrainConfig { epochs: 12, optimizer, schedule: ScheduleConfig::Constant, ..config() };
    let (held, device) = (samples(15), device());
    let watched = Watched { samples: &held, error: &|predictions| mean_error(&held, predictions) };
    let context = FitContext { watched: Some(watched), ..FitContext::new(1, &device) };
    let fitted = fit(small(), &samples(21), &config, &context, |_| ()).unwrap();
    let errors: Vec<f64> = fitted.curve.iter().map(|epoch| epoch.watched.unwrap()).collect();
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let best = fitted.best.unwrap();
    assert!(least < errors[errors.len() - 1], "{errors:?}");
    assert_eq!((best.error, errors[best.epoch - 1]), (least, least));
    let error = mean_error(&held, &echo_train::predict(&best.adapter, &held, &device).unwrap());
    assert!((error - least).abs() < 1e-5, "{error} {least}");
}

#[test]
fn a_loss_that_is_no_number_stops_training_and_says_where() {
    let device = device();
    let context = FitContext::new(1, &device);
    // Logits beyond all numbers, as after steps that were far too long.
    let parts = parts();
    let head = parts.head.map(|head| head * 0.0 + f32::MAX);
    let adapter = AnyAdapter::new(Small { head, ..parts });
    let message = fit(adapter, &samples(21), &config(), &context, |_| ()).unwrap_err().to_string();
    assert!(message.contains("epoch") && message.contains("lower the learning rate"), "{message}");
}
