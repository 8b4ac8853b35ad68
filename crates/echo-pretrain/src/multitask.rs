//! The encoder's own heads, trained on what phantoms know.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use echo_core::{AnyEncoder, HeadKind};
use echo_phantom::{Findings, Phantom, Purpose};
use echo_train::{parameters, values, with_values};

use crate::PretrainError;

/// Phantoms whose findings say how a measurement spreads.
const SURVEYED: u32 = 600;

/// Errors beyond this many standard deviations count linearly.
const DELTA: f32 = 1.0;

/// The head for the ejection fraction.
const EF: &str = "EF";

/// Probabilities are kept this far from 0 and 1.
const EPSILON: f64 = 1e-6;

/// What is true of a loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Truth {
    /// A measurement in the head's unit.
    Value(f64),
    /// Index of a class, in the order of the head.
    Class(usize),
}

/// Which head is trained on what.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The head's name.
    pub head: &'static str,
    /// The truth, where the view shows it.
    pub truth: fn(&Findings) -> Option<Truth>,
    /// Weight of its loss.
    pub weight: f32,
}

/// Several tasks. While they train, heads of measurements speak in standard deviations from the mean.
#[derive(Debug)]
pub struct MultiTask {
    tasks: Vec<(Task, Scale)>,
    /// Which head gives the ejection fraction.
    ef: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Scale {
    mean: f32,
    deviation: f32,
}

impl MultiTask {
    /// For an encoder that has a head for each task, one of them for the ejection fraction. Measurements are scaled by
    /// what phantoms for pretraining under `seed` have.
    ///
    /// # Errors
    /// A head is missing, or its truth is of another kind.
    pub fn new(encoder: &AnyEncoder, tasks: &[Task], seed: u64) -> Result<Self, PretrainError> {
        let card = encoder.card();
        let unfit = |reason: String| PretrainError::Unfit { encoder: card.name, reason };
        let ef = tasks.iter().map(|task| task.head).find(|name| *name == EF);
        let ef = ef.ok_or_else(|| unfit("no task is its head for the ejection fraction".to_owned()))?;
        let mut surveyed = Vec::new();
        for number in 0..SURVEYED {
            surveyed.push(Phantom::of(seed, Purpose::Pretraining, number)?.findings());
        }
        let mut scaled = Vec::new();
        for task in tasks {
            let head = card.capabilities.heads.iter().find(|head| head.name == task.head);
            let head = head.ok_or_else(|| unfit(format!("it has no head {:?}", task.head)))?;
            let truths: Vec<Truth> = surveyed.iter().filter_map(task.truth).collect();
            let fits = |truth: &Truth| match (truth, head.kind) {
                (Truth::Value(value), HeadKind::Regression { .. }) => value.is_finite(),
                (Truth::Class(class), HeadKind::Binary { .. }) => *class < 2,
                (Truth::Class(class), HeadKind::MultiClass { classes }) => *class < classes.len(),
                _ => false,
            };
            if truths.is_empty() || !truths.iter().all(fits) {
                return Err(unfit(format!("the truth for its head {:?} is of another kind", task.head)));
            }
            scaled.push((*task, Scale::of(&truths)));
        }
        Ok(Self { tasks: scaled, ef })
    }

    /// Names of the heads that train.
    pub fn heads(&self) -> Vec<&'static str> {
        self.tasks.iter().map(|(task, _)| task.head).collect()
    }

    /// Weighted sum of the tasks' losses: Huber's for measurements, cross-entropy for classes.
    pub(crate) fn loss(&self, encoder: &AnyEncoder, embedding: Tensor<2>, findings: &[Findings]) -> Tensor<1> {
        let device = embedding.device();
        let mut total = Tensor::<1>::zeros([1], &device);
        for (head, reported) in encoder.heads(embedding) {
            let Some((task, scale)) = self.tasks.iter().find(|(task, _)| task.head == head.name) else { continue };
            let truths: Vec<Option<Truth>> = findings.iter().map(task.truth).collect();
            let known = truths.iter().flatten().count();
            if known == 0 {
                continue;
            }
            let [batch, outputs] = reported.dims();
            let matrix =
                |entries: Vec<f32>| Tensor::<2>::from_data(TensorData::new(entries, [batch, outputs]), &device);
            let mask = truths.iter().flat_map(|truth| vec![f32::from(u8::from(truth.is_some())); outputs]);
            let mask = matrix(mask.collect());
            let wanted = matrix(truths.iter().flat_map(|truth| scale.wanted(*truth, head.kind, outputs)).collect());
            let losses = match head.kind {
                HeadKind::Regression { .. } => {
                    let error = (reported - wanted).abs();
                    let small = error.clone().clamp_max(DELTA);
                    small.clone() * (error - small * 0.5)
                }
                HeadKind::MultiClass { .. } => reported.clamp_min(EPSILON).log().neg() * wanted,
                HeadKind::Binary { .. } => {
                    let probability = reported.clamp(EPSILON, 1.0 - EPSILON);
                    let absent: Tensor<2> = 1.0 - probability.clone();
                    let other = absent.log() * (wanted.clone().neg() + 1.0);
                    (probability.log() * wanted + other).neg()
                }
            };
            total = total + (losses * mask).sum() * (task.weight / known as f32);
        }
        total
    }

    /// Ejection fractions in percent, while training.
    pub(crate) fn read(&self, encoder: &AnyEncoder, embedding: Tensor<2>) -> Vec<f32> {
        let scale = self.tasks.iter().find(|(task, _)| task.head == self.ef).map(|(_, scale)| *scale);
        let scale = scale.expect("the tasks were made with one for the ejection fraction");
        let reported = encoder.heads(embedding).into_iter().find(|(head, _)| head.name == self.ef);
        let (_, reported) = reported.expect("the tasks were made for heads that the encoder has");
        reported.into_data().iter::<f32>().map(|value| value * scale.deviation + scale.mean).collect()
    }

    /// The encoder with heads that speak in their own units again.
    pub(crate) fn finish(&self, encoder: AnyEncoder) -> Result<AnyEncoder, PretrainError> {
        let all = parameters(&encoder);
        let regressions = |name: &str| {
            let heads = encoder.card().capabilities.heads.iter();
            heads.clone().any(|head| head.name == name && matches!(head.kind, HeadKind::Regression { .. }))
        };
        let mut changed = Vec::new();
        for (task, scale) in self.tasks.iter().filter(|(task, _)| regressions(task.head)) {
            for (part, shift) in [("weight", 0.0), ("bias", scale.mean)] {
                // A head's layer has its name; that of an only head is what embeddings do not depend on.
                let card = encoder.card();
                let is_only = card.capabilities.heads.len() == 1;
                let end = if is_only { format!(".{part}") } else { format!(".{}.{part}", task.head) };
                let is_embedding = |path: &str| card.parameters.video.iter().any(|prefix| path.starts_with(prefix));
                let paths = all.iter().map(|parameter| parameter.path.as_str());
                let paths: Vec<&str> =
                    paths.filter(|path| path.ends_with(&end) && !(is_only && is_embedding(path))).collect();
                if paths.len() != 1 {
                    let reason = format!("it has {} parameters of a head that end in {end}", paths.len());
                    return Err(PretrainError::Unfit { encoder: encoder.card().name, reason });
                }
                for (path, data) in values(&encoder, &paths) {
                    let shape = data.shape().to_vec();
                    let scaled: Vec<f32> = data.iter::<f32>().map(|value| value * scale.deviation + shift).collect();
                    changed.push((path, TensorData::new(scaled, shape)));
                }
            }
        }
        let name = encoder.card().name;
        with_values(encoder.valid(), changed).map_err(|reason| PretrainError::Unfit { encoder: name, reason })
    }
}

impl Scale {
    fn of(truths: &[Truth]) -> Self {
        let measured: Vec<f64> = truths
            .iter()
            .filter_map(|truth| match truth {
                Truth::Value(value) => Some(*value),
                Truth::Class(_) => None,
            })
            .collect();
        let count = measured.len().max(1) as f64;
        let mean = measured.iter().sum::<f64>() / count;
        let variance = measured.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Self { mean: mean as f32, deviation: variance.sqrt().max(1e-3) as f32 }
    }

    /// What a head of this kind should report; zeros where nothing is known.
    fn wanted(self, truth: Option<Truth>, kind: HeadKind, outputs: usize) -> Vec<f32> {
        let mut wanted = vec![0.0; outputs];
        match (truth, kind) {
            (Some(Truth::Value(value)), _) => wanted[0] = (value as f32 - self.mean) / self.deviation,
            (Some(Truth::Class(class)), HeadKind::Binary { reported, .. }) => {
                wanted[0] = f32::from(u8::from(class == reported));
            }
            (Some(Truth::Class(class)), _) => wanted[class] = 1.0,
            (None, _) => {}
        }
        wanted
    }
}
