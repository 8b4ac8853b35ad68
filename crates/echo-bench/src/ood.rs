//! The benchmark of out-of-distribution detection: which test samples are of the classes of a draw, and which of others.
//!
//! In distribution are the test samples of the classes that are not held out. Out of distribution are those of the classes that
//! are, and all videos of another folder. What is labelled is drawn from the training split of the classes in distribution
//! alone. Embeddings are those of [`run`](crate::run()), out of the same cache; [`DETECTORS`] make scores of them.

mod classes;
mod evidence;
mod outside;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use echo_clinical::ood::{DETECTORS, softmax};
use echo_data::FeatureCache;
use echo_kernels::Precision;
use echo_metrics::{BootstrapOptions, Metric, Patients, Scored, Scores, score};
use echo_report::{Cell, EncoderRecord, Excluded, means};
use echo_weights::Built;
use rayon::prelude::*;

use self::evidence::{Fitted, Knowledge};
pub use self::outside::Outside;
use self::samples::{Sample, Samples};
use crate::run::{build_encoder, encoders};
use crate::{BenchConfig, BenchError, Observer, Zoo};

/// What is detected, and from what.
#[derive(Clone, Debug)]
pub struct OodConfig {
    /// Data, task, encoders, shots, seeds and limits; adapters, and what belongs to them, have no say.
    pub bench: BenchConfig,
    /// Classes of the task that are out of distribution.
    pub hold_out: Vec<String>,
    /// Videos that are.
    pub outside: Option<Outside>,
    /// The k of the k-th nearest training sample.
    pub neighbours: usize,
}

/// Where it runs.
#[derive(Clone, Debug)]
pub struct OodEnvironment {
    /// The data set's folder.
    pub data: PathBuf,
    /// Where features and digests are kept.
    pub cache: PathBuf,
    /// Where tensors live.
    pub device: Device,
    /// The device's name.
    pub device_name: String,
    /// How many bits the numbers have that encoders multiply on the processor.
    pub precision: Precision,
    /// Is told how far it is.
    pub observer: Arc<dyn Observer>,
}

/// A detector on an encoder's embeddings, over all seeds.
#[derive(Clone, Debug)]
pub struct OodRow {
    /// The encoder.
    pub encoder: EncoderRecord,
    /// The detector's name.
    pub detector: &'static str,
    /// Training samples per class; none where the detector needs no labelled sample.
    pub shots: usize,
    /// How many seeds.
    pub seeds: usize,
    /// Training samples of a draw, of the seed with most of them.
    pub train: usize,
    /// Test samples in distribution.
    pub inside: usize,
    /// Test samples out of distribution.
    pub outside: usize,
    /// AUROC, AUPRC, AUPRC of negatives and FPR95 by their keys, with samples in distribution as positives. One that some seed
    /// lacks is absent.
    pub scores: BTreeMap<String, Cell>,
    /// Accuracy among the classes in distribution, of the linear head or of the prompts.
    pub accuracy: Option<Cell>,
    /// Whether all videos are known to be phantoms.
    pub phantoms: bool,
}

/// What came out.
#[derive(Debug)]
pub struct OodOutcome {
    /// The data set's name.
    pub data: String,
    /// The task's name.
    pub task: String,
    /// The classes in distribution.
    pub classes: Vec<String>,
    /// The classes that are held out.
    pub held_out: Vec<String>,
    /// By encoder, shots and detector, in the order asked for.
    pub rows: Vec<OodRow>,
    /// Test samples whose patient or file training or validation knows, where that was allowed.
    pub leaked: usize,
    /// What is to be known of the numbers.
    pub notes: Vec<String>,
    /// Videos with something wrong with them.
    pub excluded: Vec<Excluded>,
    /// Clips that were embedded now.
    pub embedded: usize,
}

/// What every detector is scored by.
pub(crate) const METRICS: [Metric; 4] = [Metric::AUROC, Metric::AUPRC, Metric::AUPRC_NEGATIVES, Metric::FPR95];

/// Scores every detector on every encoder.
///
/// # Errors
/// A wrong setting, an unknown name, data or weights that cannot be used; fewer than two classes in distribution, nothing out of
/// distribution, or a video out of distribution that is in distribution too.
pub fn ood(config: &OodConfig, environment: &OodEnvironment, zoo: &dyn Zoo) -> Result<OodOutcome, BenchError> {
    config.bench.validate()?;
    let names = encoders(&config.bench, zoo)?;
    let mut samples = Samples::read(config, environment)?;
    // All of them before anything is embedded: wrong weights are found at once.
    let build = |name: &String| build_encoder(name, &config.bench, &environment.device, zoo).map(|(built, _)| built);
    let built: Vec<Built> = names.iter().map(build).collect::<Result<_, _>>()?;
    samples.render_and_digest(config, environment)?;
    let cache = FeatureCache::new(&environment.cache.join("features"));
    let (mut rows, mut embedded) = (Vec::new(), 0);
    for built in &built {
        let knowledge = Knowledge::of(built, config, environment, &mut samples, &cache)?;
        embedded += knowledge.computed;
        rows.extend(rows_of(built, &knowledge, &samples, config, environment)?);
    }
    samples.excluded.sort();
    samples.excluded.dedup();
    Ok(OodOutcome {
        data: samples.name.clone(),
        task: samples.task.name.clone(),
        classes: samples.classes.inside_names(),
        held_out: samples.classes.held_out_names(),
        rows,
        leaked: samples.leaked,
        notes: samples.notes,
        excluded: samples.excluded,
        embedded,
    })
}

/// Scores of one draw, or of what needs none, by detector.
struct Measured {
    detectors: BTreeMap<&'static str, Scores>,
    accuracy: Scores,
    train: usize,
}

fn rows_of(
    built: &Built,
    knowledge: &Knowledge,
    samples: &Samples,
    config: &OodConfig,
    environment: &OodEnvironment,
) -> Result<Vec<OodRow>, BenchError> {
    let test: Vec<&Sample> = samples.test.iter().filter(|sample| knowledge.has(sample)).collect();
    let inside: Vec<bool> = test.iter().map(|sample| sample.class.is_some()).collect();
    for (side, of_side) in [("test samples in distribution", true), ("samples out of distribution", false)] {
        if !inside.contains(&of_side) {
            let listed = samples.test.iter().filter(|sample| sample.class.is_some() == of_side).count();
            let first = samples.excluded.iter().find(|excluded| !excluded.used);
            let first =
                first.map_or("no reason is known".to_owned(), |first| format!("{}: {}", first.video, first.reason));
            return Err(BenchError::OneSide { side, videos: listed, first });
        }
    }
    let measure = |fitted: &Fitted| measure(fitted, &test, &inside, samples, config);
    // What needs no labelled sample first.
    let zero_shot = knowledge.zero_shot(&test)?.map(|fitted| measure(&fitted)).transpose()?;
    let drawn: Vec<(usize, Measured)> = samples
        .draws
        .par_iter()
        .map(|draw| Ok((draw.shots, measure(&knowledge.fit(draw, &test, samples, config.neighbours)?)?)))
        .collect::<Result<_, BenchError>>()?;
    let shots: Vec<(usize, Vec<&Measured>)> = {
        let mut shots: Vec<(usize, Vec<&Measured>)> = zero_shot.iter().map(|measured| (0, vec![measured])).collect();
        for (of, measured) in &drawn {
            match shots.iter_mut().find(|(known, _)| known == of) {
                Some((_, seeds)) => seeds.push(measured),
                None => shots.push((*of, vec![measured])),
            }
        }
        shots
    };
    let precision = (environment.precision != Precision::F32).then(|| environment.precision.to_string());
    let encoder = EncoderRecord {
        name: built.encoder.card().name.to_owned(),
        preset: built.preset.name.to_owned(),
        published: built.preset.published,
        weights: built.kind.to_string(),
        weights_hash: built.hash.clone(),
        precision,
    };
    let used: BTreeSet<usize> = samples.used().filter(|video| knowledge.knows(*video)).collect();
    let phantoms = used.iter().all(|&video| samples.videos[video].phantom);
    let mut rows = Vec::new();
    for (shots, seeds) in shots {
        let accuracy = means(&seeds.iter().map(|seed| &seed.accuracy).collect::<Vec<_>>())?;
        for detector in DETECTORS {
            let of_seeds: Vec<&Scores> = seeds.iter().filter_map(|seed| seed.detectors.get(detector.name)).collect();
            if of_seeds.is_empty() {
                continue;
            }
            rows.push(OodRow {
                encoder: encoder.clone(),
                detector: detector.name,
                shots,
                seeds: of_seeds.len(),
                train: seeds.iter().map(|seed| seed.train).max().unwrap_or(0),
                inside: inside.iter().filter(|&&is| is).count(),
                outside: inside.iter().filter(|&&is| !is).count(),
                scores: means(&of_seeds)?,
                accuracy: accuracy.get(&Metric::ACCURACY.key()).copied(),
                phantoms,
            });
        }
    }
    Ok(rows)
}

/// Scores of all detectors that `fitted` has the evidence of.
fn measure(
    fitted: &Fitted,
    test: &[&Sample],
    inside: &[bool],
    samples: &Samples,
    config: &OodConfig,
) -> Result<Measured, BenchError> {
    let options = BootstrapOptions { samples: config.bench.bootstrap, ..BootstrapOptions::default() };
    let patients = |samples: &mut dyn Iterator<Item = &&Sample>| {
        Patients::named(&samples.map(|sample| sample.patient.as_deref()).collect::<Vec<_>>())
    };
    let of_all = patients(&mut test.iter());
    let mut detectors = BTreeMap::new();
    let evidence = fitted.evidence()?;
    for detector in DETECTORS {
        if let Some(found) = detector.scores(&evidence)? {
            let scored = Scored::ordered(inside, &found)?.with_patients(&of_all)?;
            detectors.insert(detector.name, score(&scored, &METRICS, &options)?);
        }
    }
    let is_inside = |(row, _): &(usize, &&Sample)| inside[*row];
    let truth: Vec<usize> = test.iter().enumerate().filter(is_inside).filter_map(|(_, sample)| sample.class).collect();
    let probabilities: Vec<Vec<f64>> =
        fitted.classifier().iter().zip(inside).filter(|(_, inside)| **inside).map(|(row, _)| softmax(row)).collect();
    let scored = Scored::single_label(&truth, &probabilities, &samples.classes.inside_names())?
        .with_patients(&patients(&mut test.iter().filter(|sample| sample.class.is_some())))?;
    let accuracy = score(&scored, &[Metric::ACCURACY], &options)?;
    Ok(Measured { detectors, accuracy, train: fitted.train() })
}
