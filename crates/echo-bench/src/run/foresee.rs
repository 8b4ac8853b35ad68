//! A run that does nothing: what would it do?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use burn::tensor::Tensor;
use echo_adapt::Adapted;
use echo_core::{Adapter, Fitting, Stage};
use echo_data::Feature;
use echo_train::parameters;
use echo_video::{OpenOptions, check_file};

use super::cells::{Earlier, Job};
use super::encoder::{EncoderRun, Needs, ViewFeatures, Which, with_twins};
use super::{Environment, RunState, Zoo, build_encoder, prepared};
use crate::cell::metrics;
use crate::dry_run::{CellSize, EmbeddingForecast, Estimate, Memory, PairForecast, from_records};
use crate::plan::Cell;
use crate::probe::{Probe, ProbeClip};
use crate::seen::Seen;
use crate::video_set::VideoSet;
use crate::{BenchConfig, BenchError, DryRun, Recipe, Selection, ToBeMade, memory};
use echo_report::{CellRecord, Excluded, scores};

/// What [`run`](crate::run) would do with the same arguments: nothing is embedded, fitted or written to the output
/// folder. Videos are hashed, to find what is cached of them.
///
/// Where the data set does not exist yet, `to_be_made` says so, and the data folder holds its list and empty files.
///
/// # Errors
/// As [`run`](crate::run), for all that it would find before its first cell.
pub fn dry_run(
    config: &BenchConfig,
    environment: &Environment,
    zoo: &dyn Zoo,
    to_be_made: Option<ToBeMade>,
) -> Result<DryRun, BenchError> {
    prepared(config, environment, zoo, |mut state, encoders, grid| {
        if to_be_made.is_none() {
            state.exclude_broken();
        }
        let drawn: BTreeSet<usize> = state.draws.values().flatten().copied().collect();
        let is_watching = config.select == Selection::BestValidation;
        let sizes = state.wanted.iter().filter_map(|&index| std::fs::metadata(&state.set.videos[index].path).ok());
        let mut forecast = DryRun {
            data: state.set.name.clone(),
            to_be_made,
            train: drawn.len(),
            validation: if is_watching { state.set.validation.len() } else { 0 },
            test: state.set.test.len(),
            unusable: state.excluded().filter(|excluded| !excluded.used).cloned().collect(),
            bytes: sizes.map(|metadata| metadata.len()).sum(),
            embedding: Vec::new(),
            pairs: Vec::new(),
            jobs: environment.jobs,
            notes: state.short_draws().into_iter().collect(),
        };
        let unused = state.outputs.unused_before()?;
        let scoring = state.scoring();
        for name in encoders {
            let cells: Vec<&Cell> = grid.iter().filter(|cell| cell.encoder == *name).collect();
            let foreseen = state.foresee(name, &cells, zoo, &Known { unused: &unused, scoring, to_be_made })?;
            forecast.embedding.push(foreseen.embedding);
            forecast.pairs.extend(foreseen.pairs);
            forecast.notes.extend(foreseen.notes);
        }
        Ok(forecast)
    })
}

/// What is the same for every encoder.
struct Known<'a> {
    /// Videos that an earlier run could not use.
    unused: &'a BTreeSet<String>,
    /// Seconds that a cell's intervals take.
    scoring: f64,
    to_be_made: Option<ToBeMade>,
}

/// What is foreseen of an encoder.
struct Foreseen {
    embedding: EmbeddingForecast,
    pairs: Vec<PairForecast>,
    notes: Vec<String>,
}

/// A clip as it is seen, and what each stage makes of it in how many seconds.
struct Tried {
    seen: Seen,
    clip: ProbeClip,
    outputs: BTreeMap<Stage, (Tensor<3>, f64)>,
}

impl RunState<'_> {
    /// Leaves out the videos that surely cannot be used: those that are empty, or no video by their first bytes.
    fn exclude_broken(&mut self) {
        let options = OpenOptions { allow_truncated: self.config.allow_truncated, ..OpenOptions::default() };
        let wanted = self.wanted.clone();
        let of_external = self.external.as_ref().map_or(Vec::new(), |external| external.test.clone());
        let sets = [(Some(&mut self.set), wanted), (self.external.as_mut(), of_external)];
        for (set, videos) in sets.into_iter().filter_map(|(set, videos)| Some((set?, videos))) {
            // What cannot be read has no digest, and is excluded already.
            for index in videos.into_iter().filter(|&index| set.videos[index].digest.is_some()).collect::<Vec<_>>() {
                if let Err(error) = check_file(&set.videos[index].path, &options) {
                    set.exclude(index, false, error.to_string());
                    set.videos[index].digest = None;
                }
            }
        }
    }

    fn excluded(&self) -> impl Iterator<Item = &Excluded> {
        self.set.excluded.iter().chain(self.external.iter().flat_map(|set| &set.excluded))
    }

    fn foresee(&self, name: &str, cells: &[&Cell], zoo: &dyn Zoo, known: &Known<'_>) -> Result<Foreseen, BenchError> {
        let (built, text) = build_encoder(name, self.config, &self.environment.device, zoo)?;
        let mut run = self.encoder_run(name, &built, text);
        let cells = &self.readable(&run, cells);
        let Needs { plain, looks, twins } = self.needs(&run, cells);
        let cache = self.cache();
        let uncached = |run: &EncoderRun<'_>, set: &VideoSet, seen: &Seen, stages: &BTreeSet<Stage>, index: usize| {
            let stages: Vec<Stage> = stages.iter().copied().collect();
            let digest = set.videos[index].digest;
            digest.map_or(0, |digest| self.embedder(run, seen, &stages, &cache).uncached(&digest))
        };
        let (mut clips, mut to_embed) = (0, 0);
        for (seen, stages) in &plain {
            // Whether a video can be decoded is known of those that are cached and of those that could not be last time.
            let mut usable = BTreeMap::new();
            for &index in self.wanted.iter().filter(|&&index| self.set.videos[index].digest.is_some()) {
                let missing = uncached(&run, &self.set, seen, stages, index);
                if missing == 0 || !known.unused.contains(&self.set.videos[index].name) {
                    usable.insert(index, Feature { shape: [0, 0], values: Vec::new(), note: String::new() });
                    to_embed += missing;
                }
            }
            clips += usable.len() * seen.view.clips;
            if let Some(external) = &self.external {
                let usable = external.test.iter().filter(|&&index| external.videos[index].digest.is_some());
                clips += usable.clone().count() * seen.view.clips;
                let missing = usable.map(|&index| uncached(&run, external, seen, stages, index));
                to_embed += missing.sum::<usize>();
            }
            run.features.push(ViewFeatures {
                seen: seen.clone(),
                stages: [(Stage::Embedding, usable)].into(),
                doubts: BTreeMap::new(),
            });
        }
        let drawn: BTreeSet<usize> = self.draws.values().flatten().copied().collect();
        let drawn: Vec<usize> = drawn.into_iter().collect();
        for (seen, stages) in &looks {
            let drawn = run.usable(Which::Own, &seen.plain(), &drawn);
            clips += drawn.len() * seen.view.clips;
            to_embed += drawn.iter().map(|&index| uncached(&run, &self.set, seen, stages, index)).sum::<usize>();
        }

        // Tried with the clips that the adapters see, at the stages that they consume.
        let video = self.wanted.iter().map(|&index| &self.set.videos[index]);
        let video = video.filter(|video| video.digest.is_some()).find(|_| known.to_be_made.is_none());
        let digest = video.and_then(|video| video.digest).unwrap_or_else(|| blake3::hash(b""));
        let path = video.map(|video| video.path.as_path());
        memory::reset_peak();
        let tried = |(seen, stages): &(Seen, BTreeSet<Stage>)| {
            let look = seen.view.look(0, &digest, seen.spec.size);
            let clip = ProbeClip::new(path, &seen.spec, look, &run.options, &self.environment.device);
            let outputs = stages.iter().map(|&stage| (stage, clip.stage(stage, &built.encoder))).collect();
            Tried { seen: seen.clone(), clip, outputs }
        };
        let tried: Vec<Tried> = plain.iter().map(tried).collect();
        // One pass gives all stages but for the enlarged clip, which only the longest of them has.
        let forward = |tried: &Tried| tried.outputs.values().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        let mean = |of: &dyn Fn(&Tried) -> f64| tried.iter().map(of).sum::<f64>() / tried.len().max(1) as f64;
        let decode = tried.iter().all(|tried| tried.clip.decode().is_some());
        let decode = decode.then(|| mean(&|tried| tried.clip.decode().unwrap_or(0.0)));
        let forward = mean(&forward);
        let whole = to_embed as f64 * (forward + decode.unwrap_or(0.0));
        let basis = match decode {
            Some(decode) => format!("one clip, decoded in {decode:.3} s and embedded in {forward:.3} s"),
            None => format!("one black clip, embedded in {forward:.3} s; decoding is not counted"),
        };
        let embedding = EmbeddingForecast {
            encoder: name.to_owned(),
            clips,
            cached: clips - to_embed,
            seconds: (whole, whole / self.machine.threads as f64),
            basis,
        };
        let size = |(rows, _): &(Tensor<3>, f64)| rows.dims().iter().product::<usize>() as u64 * 4;
        let largest = tried.iter().map(|tried| tried.outputs.values().map(size).sum::<u64>()).max();
        let features = largest.unwrap_or(0) * clips as u64;

        let (mut pairs, mut notes): (Vec<PairForecast>, Vec<String>) = Default::default();
        let all: Vec<Job> = with_twins(cells, &twins).iter().map(|cell| self.job(cell, &run)).collect();
        for adapter in cells.iter().map(|cell| cell.adapter.as_str()) {
            if pairs.iter().any(|pair| pair.adapter == adapter) {
                continue;
            }
            let jobs: Vec<&Job> = all.iter().filter(|job| job.cell.adapter == adapter).collect();
            let mut to_run: Vec<&Job> = Vec::new();
            for &job in &jobs {
                match self.earlier(job) {
                    Earlier::Stands(_) => continue,
                    Earlier::Damaged(reason) => notes.push(format!("{}: runs again: {reason}", job.label)),
                    Earlier::Nothing => {}
                }
                to_run.push(job);
            }
            let mut pair = PairForecast {
                encoder: name.to_owned(),
                adapter: adapter.to_owned(),
                cells: jobs.len(),
                done: jobs.len() - to_run.len(),
                estimate: None,
                fails: None,
            };
            let recipe = &self.plans[adapter].recipe;
            let seen = self.seen(&run, adapter);
            let ingredients = self.ingredients(&run, adapter, recipe, self.ranks, self.config.seeds[0]);
            match self.adapted(&run, &seen, &ingredients) {
                Err(error) => pair.fails = Some(error.to_string()),
                Ok(_) if to_run.is_empty() => {}
                Ok(adapted) => {
                    let sizes: Vec<CellSize> = to_run.iter().map(|job| self.size(job)).collect();
                    let records: Vec<&CellRecord> =
                        self.done.values().filter(|record| self.is_alike(record, name, adapter)).collect();
                    let estimate = from_records(&records, &sizes, &self.machine);
                    let tried = tried.iter().find(|tried| tried.seen == seen);
                    pair.estimate = match (estimate, tried) {
                        (None, Some(tried)) => {
                            let mut estimate = self.probed(&adapted, recipe, tried, &sizes)?;
                            estimate.seconds += known.scoring * sizes.len() as f64;
                            estimate.memory = estimate.memory.map(|memory| memory.and(features));
                            Some(estimate)
                        }
                        (estimate, _) => estimate,
                    };
                }
            }
            pairs.push(pair);
        }
        Ok(Foreseen { embedding, pairs, notes })
    }

    /// An estimate from single passes, without intervals and the features of videos.
    fn probed(
        &self,
        adapted: &Adapted,
        recipe: &Recipe,
        Tried { seen, clip, outputs }: &Tried,
        cells: &[CellSize],
    ) -> Result<Estimate, BenchError> {
        let most = cells.iter().map(|cell| cell.train).max().unwrap_or(1);
        let of_stage = outputs.get(&adapted.stage()).map(|(rows, _)| rows);
        let probe = Probe::new(adapted, recipe, clip, of_stage, seen.view.clips, most)?;
        let watched = match self.config.select {
            Selection::LastEpoch => 0,
            Selection::BestValidation => self.set.validation.len(),
        };
        let basis = match (adapted.fitting(), adapted.stage()) {
            (Fitting::Gradient, Stage::Clip) => "one pass of a clip, three of them for a step of training",
            (Fitting::Gradient, _) => "one pass of a batch, three of them for a step of training",
            _ => "one pass of a batch",
        };
        let all = parameters(adapted);
        let bytes = |trains: bool| -> u64 {
            all.iter().filter(|parameter| parameter.trainable || !trains).map(|one| one.count() as u64 * 4).sum()
        };
        let at_a_time = recipe.train.micro_batch.unwrap_or(recipe.train.batch);
        let clips = match adapted.stage() {
            Stage::Clip => clip.bytes() * (at_a_time * seen.view.clips) as u64,
            _ => 0,
        };
        // What was held for that one pass, the parameters among it; and each that trains has a gradient and two
        // moments. What a step's graph holds depends on the encoder and comes on top.
        let held = memory::peak().unwrap_or_else(|| bytes(false));
        let memory = Memory::AtLeast(held + 3 * bytes(true) + clips);
        let seconds = cells.iter().map(|&cell| probe.cell(cell, watched)).sum();
        Ok(Estimate { seconds, memory: Some(memory), basis: basis.to_owned() })
    }

    fn size(&self, job: &Job) -> CellSize {
        let epochs = job.recipe.train.within_views(job.train.len() * job.seen.view.clips).epochs;
        CellSize { train: job.train.len(), test: job.test.len(), epochs }
    }

    /// Whether a record is of the same encoder, preset, adapter and device.
    fn is_alike(&self, record: &CellRecord, encoder: &str, adapter: &str) -> bool {
        (record.encoder.name.as_str(), record.encoder.preset.as_str()) == (encoder, self.config.preset.name())
            && record.adapter == adapter
            && record.device == self.environment.device_name
    }

    /// Seconds that the intervals of a cell take: numbers of any kind will do.
    fn scoring(&self) -> f64 {
        let labels = self.set.labels(&self.set.test);
        let started = Instant::now();
        // Labels that make no interval make no prediction either; the cell will say so.
        let metrics = metrics(&self.set.target.thresholds, self.ranks);
        let _ = scores(&labels, &labels, &metrics, self.config.bootstrap);
        started.elapsed().as_secs_f64()
    }
}
