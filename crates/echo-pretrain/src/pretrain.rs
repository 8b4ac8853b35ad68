//! The loop.

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use echo_core::{AnyEncoder, ClipSpec};
use echo_phantom::Purpose;
use echo_train::{Descent, OptimizerConfig};
use serde::{Deserialize, Serialize};

use crate::clips::{ClipBatch, ClipSource, Subject};
use crate::{Objective, PretrainError};

/// Settings of a pretraining: what its result depends on beside the encoder and the objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// Seed of phantoms, captions and what is seen of them.
    pub seed: u64,
    /// Steps.
    pub steps: usize,
    /// Clips in a step.
    pub batch: usize,
    /// Peak learning rate of AdamW.
    pub lr: f64,
    /// Its weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub clip_norm: f64,
    /// Steps over which the learning rate rises from zero; from there it falls to zero along half a cosine.
    pub warmup: usize,
    /// Pixels by which clips are moved at most.
    pub shift: u32,
    /// Clips of phantoms that are watched.
    pub watched: usize,
    /// Steps between two looks at them.
    pub every: usize,
}

impl PretrainConfig {
    /// # Errors
    /// A setting with which nothing can run.
    pub fn validate(&self) -> Result<(), PretrainError> {
        let complaint = if self.steps == 0 || self.batch < 2 || self.every == 0 || self.watched == 0 {
            "steps, every and watched must be 1 or more, batch 2 or more"
        } else if !(self.lr.is_finite() && self.lr > 0.0 && self.clip_norm > 0.0 && self.weight_decay >= 0.0) {
            "lr and clip_norm must be positive, weight_decay not negative"
        } else {
            return Ok(());
        };
        Err(PretrainError::Setting(complaint.to_owned()))
    }

    /// Learning rate of a step, from 0.
    pub fn rate(&self, step: usize) -> f64 {
        let warmup = self.warmup.min(self.steps / 2);
        if step < warmup {
            return self.lr * (step + 1) as f64 / warmup as f64;
        }
        let progress = (step - warmup) as f64 / (self.steps - warmup) as f64;
        self.lr * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }

    fn source(&self, objective: &Objective, spec: &ClipSpec, purpose: Purpose) -> ClipSource {
        let shift = (purpose == Purpose::Pretraining).then_some(self.shift);
        ClipSource {
            subject: objective.subject(),
            seed: self.seed,
            purpose,
            spec: spec.clone(),
            shift,
            batch: self.batch,
        }
    }
}

/// One look at what is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Steps taken.
    pub step: usize,
    /// Learning rate of the last of them.
    pub lr: f64,
    /// Mean loss of the steps since the last look.
    pub loss: f64,
    /// Loss on what is watched.
    pub watched_loss: f64,
    /// Mean error of what the objective reads from what is watched ([`Objective::reads`]), percent.
    pub watched_mae: f64,
}

impl Point {
    /// The curve as a CSV file.
    pub fn csv(curve: &[Self]) -> String {
        let rows = curve.iter().map(|point| {
            let Self { step, lr, loss, watched_loss, watched_mae } = point;
            format!("{step},{lr:.6e},{loss:.5},{watched_loss:.5},{watched_mae:.3}\n")
        });
        "step,lr,loss,watched_loss,watched_mae\n".to_owned() + &rows.collect::<String>()
    }
}

/// A pretrained encoder.
#[derive(Debug)]
pub struct Pretrained {
    /// The encoder after the last step, ready for inference.
    pub encoder: AnyEncoder,
    /// The looks at what was watched.
    pub curve: Vec<Point>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct StepReport<'a> {
    /// Steps taken.
    pub step: usize,
    /// Loss of the last.
    pub loss: f64,
    /// The looks so far.
    pub curve: &'a [Point],
}

#[derive(Serialize, Deserialize)]
struct State {
    config: PretrainConfig,
    subject: Subject,
    encoder: String,
    step: usize,
    curve: Vec<Point>,
}

/// Trains everything in `encoder` on phantoms or pictures for pretraining, whose clips `spec` says, on `device`.
///
/// The same settings give the same bits, whatever `threads` render the clips, and also when the training was interrupted
/// and went on from `checkpoint`, which is written at every look and removed at the end.
///
/// # Errors
/// Settings that cannot be used, a clip or caption that cannot be made, a checkpoint of another training, or a loss that
/// is no longer a number.
pub fn pretrain(
    encoder: AnyEncoder,
    objective: &Objective,
    spec: &ClipSpec,
    config: &PretrainConfig,
    (threads, checkpoint): (usize, Option<&Path>),
    device: &Device,
    mut on_step: impl FnMut(StepReport<'_>),
) -> Result<Pretrained, PretrainError> {
    config.validate()?;
    let name = encoder.card().name.to_owned();
    let mut encoder = encoder.unfreeze();
    let mut descent = descent(config, &encoder);
    let mut state =
        State { config: config.clone(), subject: objective.subject(), encoder: name, step: 0, curve: Vec::new() };
    if let Some(file) = checkpoint
        && let Some((saved, found)) = descent.resume::<_, State>(&encoder, file, device)?
    {
        if (&found.config, found.subject, &found.encoder) != (&state.config, state.subject, &state.encoder) {
            let message = "is of a pretraining with other settings; delete it, or repeat those settings";
            return Err(PretrainError::Setting(format!("{} {message}", file.display())));
        }
        (encoder, state) = (saved, found);
    }
    encoder = encoder.train();
    let watched = watched(config, objective, spec)?;
    let mut clips = config.source(objective, spec, Purpose::Pretraining).stream(state.step, threads);
    let (mut sum, mut count) = (0.0, 0);
    while state.step < config.steps {
        let lr = config.rate(state.step);
        let loss;
        (encoder, loss) = step(encoder, objective, &mut descent, &clips.next_batch()?, (state.step, lr), device)?;
        state.step += 1;
        (sum, count) = (sum + loss, count + 1);
        if state.step.is_multiple_of(config.every) || state.step == config.steps {
            let (watched_loss, watched_mae) = look(&encoder.valid(), objective, &watched, device)?;
            let loss = sum / count as f64;
            state.curve.push(Point { step: state.step, lr, loss, watched_loss, watched_mae });
            (sum, count) = (0.0, 0);
            if let Some(file) = checkpoint {
                descent.save(&encoder, &state, file)?;
            }
        }
        on_step(StepReport { step: state.step, loss, curve: &state.curve });
    }
    let encoder = objective.finish(encoder.valid())?;
    if let Some(file) = checkpoint {
        // Whoever finds it later resumes at the end: nothing is lost when it cannot be removed.
        let _ = std::fs::remove_file(file);
    }
    Ok(Pretrained { encoder, curve: state.curve })
}

/// Seconds that a step takes on this machine, by a few that are thrown away.
///
/// # Errors
/// As [`pretrain`].
pub fn seconds_per_step(
    encoder: &AnyEncoder,
    objective: &Objective,
    spec: &ClipSpec,
    config: &PretrainConfig,
    threads: usize,
    device: &Device,
) -> Result<f64, PretrainError> {
    const WARM: usize = 2;
    const TIMED: usize = 8;
    config.validate()?;
    let mut encoder = encoder.clone().unfreeze().train();
    let mut descent = descent(config, &encoder);
    let mut clips = config.source(objective, spec, Purpose::Pretraining).stream(0, threads);
    let mut begin = Instant::now();
    for index in 0..WARM + TIMED {
        if index == WARM {
            begin = Instant::now();
        }
        let at = (index, config.rate(0));
        encoder = step(encoder, objective, &mut descent, &clips.next_batch()?, at, device)?.0;
    }
    Ok(begin.elapsed().as_secs_f64() / TIMED as f64)
}

fn descent(config: &PretrainConfig, encoder: &AnyEncoder) -> Descent {
    let PretrainConfig { lr, weight_decay, .. } = *config;
    let optimizer = OptimizerConfig::AdamW { lr, weight_decay, betas: OptimizerConfig::BETAS };
    Descent::new(&optimizer, Some(config.clip_norm), encoder)
}

fn step(
    encoder: AnyEncoder,
    objective: &Objective,
    descent: &mut Descent,
    batch: &ClipBatch,
    (step, lr): (usize, f64),
    device: &Device,
) -> Result<(AnyEncoder, f64), PretrainError> {
    let loss = objective.loss(&encoder, batch, Purpose::Pretraining, device)?;
    let value = f64::from(loss.clone().into_scalar::<f32>());
    let diverged = |value: f64| PretrainError::Diverged { step: step + 1, value, lr };
    if !value.is_finite() {
        return Err(diverged(value));
    }
    Ok((descent.descend(lr, encoder, loss).map_err(diverged)?, value))
}

/// Batches of what is watched.
fn watched(config: &PretrainConfig, objective: &Objective, spec: &ClipSpec) -> Result<Vec<ClipBatch>, PretrainError> {
    let source = config.source(objective, spec, Purpose::PretrainingValidation);
    (0..config.watched.div_ceil(config.batch)).map(|index| source.batch(index)).collect()
}

/// Mean loss, and mean error of what the objective reads.
fn look(
    encoder: &AnyEncoder,
    objective: &Objective,
    watched: &[ClipBatch],
    device: &Device,
) -> Result<(f64, f64), PretrainError> {
    let (mut loss, mut error, mut count) = (0.0, 0.0, 0);
    for batch in watched {
        let of_batch = objective.loss(encoder, batch, Purpose::PretrainingValidation, device)?;
        loss += f64::from(of_batch.into_scalar::<f32>()) / watched.len() as f64;
        for of_clip in objective.errors(encoder, batch, device)? {
            error += of_clip;
            count += 1;
        }
    }
    Ok((loss, error / f64::from(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_zero() {
        let config = PretrainConfig {
            seed: 1,
            steps: 110,
            batch: 2,
            lr: 1.0,
            weight_decay: 0.0,
            clip_norm: 1.0,
            warmup: 10,
            shift: 0,
            watched: 1,
            every: 1,
        };
        for (step, expected) in [(0, 0.1), (4, 0.5), (10, 1.0), (60, 0.5)] {
            assert!((config.rate(step) - expected).abs() < 1e-12, "{step}: {}", config.rate(step));
        }
        assert!(config.rate(109) < 1e-3);
        // A short run has a short warm-up.
        assert!((PretrainConfig { steps: 4, ..config.clone() }.rate(1) - 1.0).abs() < 1e-12);
        assert!(PretrainConfig { batch: 1, ..config }.validate().is_err());
    }
}
