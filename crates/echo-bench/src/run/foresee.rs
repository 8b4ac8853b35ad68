//! A run that does nothing: what would it do?

use std::collections::{BTreeMap, BTreeSet};

use echo_core::{AnyAdapter, Stage};
use echo_data::Feature;
use echo_report::{CellRecord, Excluded};
use echo_train::parameters;
use echo_video::check_file;

use super::cells::{Earlier, Job};
use super::encoder::{EncoderRun, ToEmbed, ViewFeatures, Which};
use super::{Environment, RunState, Unrendered, Zoo, build_encoder, needs_validation, with_validation};
use crate::cell::seen::Seen;
use crate::data::video_set::VideoSet;
use crate::run::forecast::{EmbeddingForecast, Memory, PairForecast};
use crate::run::memory;
use crate::{BenchConfig, BenchError, DryRun, Recipe};

/// What [`run`](crate::run) would do with the same arguments: nothing is embedded, fitted or written to the output
/// folder. Videos are hashed, to find what is cached of them; none is rendered.
///
/// # Errors
/// As [`run`](crate::run), for all that it would find before its first cell.
pub fn dry_run(config: &BenchConfig, environment: &Environment, zoo: &dyn Zoo) -> Result<DryRun, BenchError> {
    let mut state = RunState::new(config, environment, zoo, Unrendered::Leave)?;
    state.exclude_broken()?;
    let drawn: BTreeSet<usize> = state.draws.values().flatten().copied().collect();
    let drawn: Vec<usize> = drawn.into_iter().collect();
    let is_watching = needs_validation(config, &state.set);
    let sizes = state.wanted.iter().filter_map(|&index| std::fs::metadata(&state.set.videos[index].path).ok());
    let mut forecast = DryRun {
        data: state.set.name.clone(),
        unrendered: state.unrendered(),
        train: state.set.readable(&drawn).len(),
        validation: if is_watching { state.set.readable(&state.set.validation).len() } else { 0 },
        test: state.set.readable(&state.set.test).len(),
        unusable: state.excluded().filter(|excluded| !excluded.used).cloned().collect(),
        bytes: sizes.map(|metadata| metadata.len()).sum(),
        embedding: Vec::new(),
        pairs: Vec::new(),
        jobs: environment.jobs,
        notes: state.short_draws().into_iter().collect(),
    };
    let unused = state.outputs.unused_before()?;
    for (name, cells) in &state.grid {
        let foreseen = state.foresee(name, cells, zoo, &unused)?;
        forecast.embedding.push(foreseen.embedding);
        forecast.pairs.extend(foreseen.pairs);
        forecast.notes.extend(foreseen.notes);
    }
    Ok(forecast)
}

/// What is foreseen of an encoder.
struct Foreseen {
    embedding: EmbeddingForecast,
    pairs: Vec<PairForecast>,
    notes: Vec<String>,
}

impl RunState<'_> {
    /// Leaves out the videos that surely cannot be used: those that are empty, or no video by their first bytes.
    ///
    /// # Errors
    /// The machine fails to read a video.
    fn exclude_broken(&mut self) -> Result<(), BenchError> {
        let options = self.config.open_options();
        let wanted = self.wanted.clone();
        let of_external = self.external.as_ref().map_or(Vec::new(), |external| external.test.clone());
        let sets = [(Some(&mut self.set), wanted), (self.external.as_mut(), of_external)];
        for (set, videos) in sets.into_iter().filter_map(|(set, videos)| Some((set?, videos))) {
            // What cannot be read has no digest, and is excluded already.
            let is_there = |&index: &usize| set.videos[index].digest.is_some() && !set.is_unrendered(index);
            for index in videos.into_iter().filter(is_there).collect::<Vec<_>>() {
                if let Err(error) = check_file(&set.videos[index].path, &options) {
                    if error.is_of_machine() {
                        return Err(BenchError::Machine(error.to_string()));
                    }
                    set.exclude(index, false, error.to_string());
                    set.videos[index].digest = None;
                }
            }
        }
        Ok(())
    }

    /// How many videos a run would render first.
    fn unrendered(&self) -> usize {
        let read = with_validation(&self.wanted, &self.set);
        let own = read.into_iter().filter(|&index| self.set.is_unrendered(index)).count();
        let of_external = |set: &VideoSet| set.test.iter().filter(|&&index| set.is_unrendered(index)).count();
        own + self.external.as_ref().map_or(0, of_external)
    }

    fn excluded(&self) -> impl Iterator<Item = &Excluded> {
        self.set.excluded.iter().chain(self.external.iter().flat_map(|set| &set.excluded))
    }

    /// `unused` are the names of the videos that an earlier run could not use.
    fn foresee(
        &self,
        name: &str,
        cells: &[CellRecord],
        zoo: &dyn Zoo,
        unused: &BTreeSet<String>,
    ) -> Result<Foreseen, BenchError> {
        let (built, text) = build_encoder(name, self.config, &self.environment.device, zoo)?;
        let mut run = self.encoder_run(name, &built, text.as_ref());
        let cells = &self.readable(&run, cells);
        let ToEmbed { plain, looks } = self.to_embed(&run, cells);
        let uncached = |run: &EncoderRun<'_>, set: &VideoSet, seen: &Seen, stages: &BTreeSet<Stage>, index: usize| {
            let stages: Vec<Stage> = stages.iter().copied().collect();
            let digest = set.videos[index].digest;
            digest.map_or(0, |digest| self.embedder(run, seen, &stages).uncached(&digest))
        };
        let (mut clips, mut to_embed) = (0, 0);
        for (seen, stages) in &plain {
            // Whether a video can be decoded is known of those that are cached and of those that could not be last time.
            let mut usable = BTreeMap::new();
            for &index in self.wanted.iter().filter(|&&index| self.set.videos[index].digest.is_some()) {
                let missing = uncached(&run, &self.set, seen, stages, index);
                if missing == 0 || !unused.contains(&self.set.videos[index].name) {
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

        let embedding = EmbeddingForecast { encoder: name.to_owned(), clips, cached: clips - to_embed };
        let (mut pairs, mut notes): (Vec<PairForecast>, Vec<String>) = Default::default();
        let all: Vec<Job> = cells.iter().map(|cell| self.job(cell, &run)).collect();
        for adapter in cells.iter().map(|cell| cell.adapter.as_str()) {
            if pairs.iter().any(|pair| pair.adapter == adapter) {
                continue;
            }
            let jobs: Vec<&Job> = all.iter().filter(|job| job.record.adapter == adapter).collect();
            let mut to_run: Vec<&Job> = Vec::new();
            for &job in &jobs {
                match self.earlier(job)? {
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
                left: to_run.iter().map(|job| (job.record.shots, job.record.seed)).collect(),
                memory: None,
                fails: None,
            };
            let recipe = &self.plans[adapter].recipe;
            let seen = self.seen(&run, adapter);
            match self.adapted(&run, adapter, self.config.seeds[0]) {
                Err(error) => pair.fails = Some(error.to_string()),
                Ok(_) if to_run.is_empty() => {}
                Ok(adapted) => {
                    let measured = self.done.values().filter(|record| self.is_alike(record, name, adapter));
                    let measured = measured.filter_map(|record| record.peak_memory).max().map(Memory::Measured);
                    pair.memory = measured.or_else(|| needed(&adapted, recipe, &seen));
                }
            }
            pairs.push(pair);
        }
        Ok(Foreseen { embedding, pairs, notes })
    }

    /// Whether a record is of the same encoder, preset, adapter and device, and trained with as much in memory.
    fn is_alike(&self, record: &CellRecord, encoder: &str, adapter: &str) -> bool {
        let train = &self.plans[adapter].recipe.train;
        let then = |setting: &str| &record.config["recipe"]["train"][setting];
        let memory = (then("micro_batch").as_u64(), then("recompute").as_bool().unwrap_or(false));
        (record.encoder.name.as_str(), record.encoder.preset.as_str()) == (encoder, self.config.preset.as_str())
            && record.adapter == adapter
            && record.device == self.environment.device_name
            && memory == (train.micro_batch.map(|most| most as u64), train.recompute)
    }
}

/// What an adapter's cell needs at least: the process with the encoder as it is now, a gradient and two moments of each
/// parameter that trains, and where the encoder trains the clips of a step. Nothing where the system does not tell.
fn needed(adapted: &AnyAdapter, recipe: &Recipe, seen: &Seen) -> Option<Memory> {
    let trainable: usize =
        parameters(adapted).iter().filter(|parameter| parameter.trainable).map(|parameter| parameter.count()).sum();
    let clips = match adapted.stage() {
        Stage::Clip => recipe.train.micro_batch.unwrap_or(recipe.train.batch) * seen.view.clips,
        _ => 0,
    };
    let clip = 3 * seen.spec.frames * seen.spec.size.pow(2);
    Some(Memory::AtLeast(memory::now()? + 4 * (3 * trainable + clips * clip) as u64))
}
