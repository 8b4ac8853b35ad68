//! The benchmark from start to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use echo_adapt::{ADAPTERS, AdapterEntry, BuildContext, adapters};
use echo_core::{Adapter, Preset, RankSpec, Stage};
use echo_data::{Digests, Feature, FeatureCache, Target};
use echo_metrics::Metric;
use echo_train::{Checkpoints, Parameter, Samples, parameters};
use echo_video::OpenOptions;
use echo_weights::{Built, Weights, WeightsError};
use serde::Serialize;

use crate::adapter_file::{AdapterRecord, save};
use crate::cell::{CellOutput, CellSamples, Ingredients, table};
use crate::clip_samples::ClipSamples;
use crate::constant::median;
use crate::features::{Embedder, NUMERICS, Wanted};
use crate::leaderboard::{Leaderboard, LeaderboardRow, groups};
use crate::machine::Machine;
use crate::memory;
use crate::outputs::{Outputs, PredictionRow};
use crate::plan::{Cell, cells, key};
use crate::random_prompts::random_prompts;
use crate::report::{Constant, Report, TRAINING_MEDIAN, VideoFiles, constant_rows};
use crate::runs::{CellRecord, CellStatus, DataRecord, EncoderRecord, ParameterCounts, Runs, read_runs};
use crate::seen::Seen;
use crate::twins::notes;
use crate::video_set::VideoSet;
use crate::{BenchConfig, BenchError, Excluded, Progress, Recipe, Selection, View};

/// Where encoders come from: the registry, which this crate does not know.
pub trait Zoo {
    /// Names of all encoders.
    fn names(&self) -> Vec<&'static str>;

    /// Builds one.
    ///
    /// # Errors
    /// The weights cannot be used.
    fn build(&self, name: &str, preset: Preset, weights: &Weights, device: &Device) -> Result<Built, WeightsError>;
}

/// Where a benchmark runs.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The data set's folder.
    pub data: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// Where features and digests are kept.
    pub cache: PathBuf,
    /// Where tensors live.
    pub device: Device,
    /// The device's name, for records and keys.
    pub device_name: String,
    /// Run cells again that are done.
    pub force: bool,
    /// Least time between two checkpoints of a cell.
    pub checkpoint_every: Duration,
}

/// What a benchmark came to.
#[derive(Debug)]
pub struct Outcome {
    /// The table.
    pub leaderboard: Leaderboard,
    /// Cells that ran now.
    pub ran: usize,
    /// Cells that were done before.
    pub skipped: usize,
    /// Cells that failed now.
    pub failed: usize,
    /// Clips that were embedded now.
    pub embedded: usize,
    /// Videos with something wrong with them.
    pub excluded: Vec<Excluded>,
}

/// Everything that can change a cell's result.
#[derive(Serialize)]
struct KeyMaterial<'a> {
    numerics: u32,
    encoder: &'a EncoderRecord,
    adapter: &'a str,
    shots: Option<usize>,
    seed: u64,
    data: &'a str,
    config: &'a serde_json::Value,
    device: &'a str,
    threads: usize,
}

/// Runs every cell of the grid that is not done yet and writes the output folder.
///
/// # Errors
/// Nothing can run: a wrong setting, an unknown name, data or weights that cannot be used. A cell that fails is a row
/// with its error instead.
pub fn run(config: &BenchConfig, environment: &Environment, zoo: &dyn Zoo) -> Result<Outcome, BenchError> {
    config.validate()?;
    let encoders = resolve("encoder", &config.encoders, &zoo.names())?;
    let plans = adapter_plans(config)?;
    let mut set = VideoSet::read(&environment.data, config)?;
    let ranks = read_ranks(config.prompts.as_deref(), &set.target)?;
    let shots: Vec<Option<usize>> = match set.fixed_train {
        true => vec![None],
        false => config.shots.iter().copied().map(Some).collect(),
    };
    let trains = |plan: &AdapterPlan| plan.entries.iter().any(|entry| entry.trains);
    let names: Vec<(String, bool)> = plans.iter().map(|(name, plan)| (name.clone(), trains(plan))).collect();
    let grid = cells(&encoders, &names, &shots, &config.seeds);
    let outputs = Outputs::create(&environment.out)?;
    let mut draws: BTreeMap<(Option<usize>, u64), Vec<usize>> = BTreeMap::new();
    for cell in &grid {
        draws.entry((cell.shots, cell.seed)).or_insert_with(|| set.draw(cell.shots, cell.seed));
    }
    let validation = match config.select {
        Selection::LastEpoch => &[][..],
        Selection::BestValidation => &set.validation,
    };
    let wanted: BTreeSet<usize> = draws.values().flatten().chain(&set.test).chain(validation).copied().collect();
    let wanted: Vec<usize> = wanted.into_iter().collect();
    let digests = Digests::open(&environment.cache.join("digests.tsv"))?;
    set.digest(&wanted, &digests);

    let mut state = RunState {
        config,
        environment,
        ranks: &ranks,
        plans: &plans.into_iter().collect(),
        draws: &draws,
        outputs: &outputs,
        runs: Runs::new(&environment.out),
        machine: Machine::current(),
        wanted,
        set,
        done: read_runs(&environment.out)?.into_iter().map(|record| (record.key.clone(), record)).collect(),
        records: Vec::new(),
        counts: Counts::default(),
        announced: BTreeSet::new(),
        progress: Progress::new("cells", grid.len()),
    };
    for name in &encoders {
        let of_encoder: Vec<&Cell> = grid.iter().filter(|cell| cell.encoder == *name).collect();
        state.run_encoder(name, &of_encoder, zoo)?;
    }
    state.finish()
}

/// The adapters of a benchmark, by name, in its order.
fn adapter_plans(config: &BenchConfig) -> Result<Vec<(String, AdapterPlan)>, BenchError> {
    let known: Vec<&str> = ADAPTERS.iter().map(|entry| entry.name).collect();
    let mut plans: Vec<(String, AdapterPlan)> = Vec::new();
    for name in config.adapters.iter().flat_map(|name| if name == "all" { known.clone() } else { vec![name.as_str()] })
    {
        let entries = adapters(name)?;
        let recipe = Recipe::new(name, &entries, config.preset, &config.recipes)?;
        if !plans.iter().any(|(other, _)| other == name) {
            plans.push((name.to_owned(), AdapterPlan { entries, recipe }));
        }
    }
    let is_used =
        |name: &&String| !plans.iter().any(|(plan, _)| plan == *name || plan.split('+').any(|part| part == *name));
    if let Some(unknown) = config.recipes.keys().find(is_used) {
        return Err(BenchError::Config(format!("[recipes.{unknown}]: this run has no adapter {unknown}")));
    }
    Ok(plans)
}

/// An encoder, and the one that lends it a text tower, where one is needed.
fn build_encoder(
    name: &str,
    config: &BenchConfig,
    device: &Device,
    zoo: &dyn Zoo,
) -> Result<(Built, Option<Built>), BenchError> {
    let weights = |path: &Option<PathBuf>| match (path, config.random_init) {
        (Some(path), _) => Weights::File(path.clone()),
        (None, true) => Weights::Random(config.random_seed),
        (None, false) => Weights::Shipped,
    };
    let built = zoo.build(name, config.preset, &weights(&config.weights), device)?;
    let text = match &config.text_encoder {
        Some(lender) if built.encoder.text().is_none() => {
            Some(zoo.build(lender, config.preset, &weights(&config.text_weights), device)?)
        }
        _ => None,
    };
    Ok((built, text))
}

/// A pair's parameters before it is fitted.
#[derive(Debug)]
pub struct PairParameters {
    /// The encoder's name.
    pub encoder: String,
    /// The adapter's name.
    pub adapter: String,
    /// Its parameters, in the module's order.
    pub parameters: Vec<Parameter>,
}

/// Which parameters train under each pair of the grid.
///
/// # Errors
/// A wrong setting, an unknown name, weights that cannot be used, or an adapter that does not fit an encoder.
pub fn pair_parameters(
    config: &BenchConfig,
    device: &Device,
    zoo: &dyn Zoo,
) -> Result<Vec<PairParameters>, BenchError> {
    config.validate()?;
    let ranks = read_ranks(config.prompts.as_deref(), &config.described()?.1)?;
    let plans = adapter_plans(config)?;
    let mut pairs = Vec::new();
    for name in resolve("encoder", &config.encoders, &zoo.names())? {
        let (built, text) = build_encoder(&name, config, device, zoo)?;
        for (adapter, AdapterPlan { entries, recipe }) in &plans {
            let text = text.as_ref().map(|text| &text.encoder);
            let context = BuildContext { encoder: &built.encoder, text, ranks: &ranks, seed: 0 };
            let parameters = parameters(&echo_adapt::build(entries, &recipe.adapter, &context)?);
            pairs.push(PairParameters { encoder: name.clone(), adapter: adapter.clone(), parameters });
        }
    }
    Ok(pairs)
}

/// The adapters that a name joins, and how they are built and trained.
#[derive(Debug)]
struct AdapterPlan {
    entries: Vec<&'static AdapterEntry>,
    recipe: Recipe,
}

/// An encoder's part of a run.
struct EncoderRun<'a> {
    built: &'a Built,
    record: EncoderRecord,
    /// The encoder that lends its text tower, where one is needed.
    text: Option<(Built, EncoderRecord)>,
    features: Vec<ViewFeatures>,
    options: OpenOptions,
}

/// What was made of videos seen one way: by stage, then by index of the video.
struct ViewFeatures {
    seen: Seen,
    stages: BTreeMap<Stage, BTreeMap<usize, Feature>>,
}

impl EncoderRun<'_> {
    /// One stage's features of the videos `indices`, for those that could be used.
    fn features(&self, seen: &Seen, stage: Stage, indices: &[usize]) -> Option<Vec<&Feature>> {
        let found = self.features.iter().find(|features| features.seen == *seen)?;
        let of_stage = found.stages.get(&stage)?;
        indices.iter().map(|index| of_stage.get(index)).collect()
    }

    /// Those of `indices` that could be embedded as they are `seen`; all of them where nothing was, since the encoder does
    /// not take such clips.
    fn usable(&self, seen: &Seen, indices: &[usize]) -> Vec<usize> {
        let Some(found) = self.features.iter().find(|features| features.seen == *seen) else { return indices.to_vec() };
        let embedded = found.stages.get(&Stage::Embedding);
        indices.iter().copied().filter(|index| embedded.is_some_and(|found| found.contains_key(index))).collect()
    }
}

#[derive(Debug, Default)]
struct Counts {
    ran: usize,
    skipped: usize,
    failed: usize,
    embedded: usize,
}

/// A run in progress.
struct RunState<'a> {
    config: &'a BenchConfig,
    environment: &'a Environment,
    ranks: &'a RankSpec,
    plans: &'a BTreeMap<String, AdapterPlan>,
    draws: &'a BTreeMap<(Option<usize>, u64), Vec<usize>>,
    outputs: &'a Outputs,
    runs: Runs,
    machine: Machine,
    /// Videos that some cell uses.
    wanted: Vec<usize>,
    set: VideoSet,
    /// Records of earlier runs, by key.
    done: BTreeMap<String, CellRecord>,
    /// Records of this grid, in its order.
    records: Vec<CellRecord>,
    counts: Counts,
    /// Pairs of encoder and adapter whose parameters were told.
    announced: BTreeSet<(String, String)>,
    progress: Progress,
}

impl RunState<'_> {
    fn run_encoder(&mut self, name: &str, cells: &[&Cell], zoo: &dyn Zoo) -> Result<(), BenchError> {
        let device = &self.environment.device;
        let config = self.config;
        let record = |name: &str, built: &Built| EncoderRecord {
            name: name.to_owned(),
            preset: config.preset.to_string(),
            weights: built.kind,
            weights_hash: built.hash.clone(),
        };
        let (built, text) = build_encoder(name, config, device, zoo)?;
        let text = text.map(|lent| {
            let record = record(lent.encoder.card().name, &lent);
            (lent, record)
        });
        let options = OpenOptions { allow_truncated: config.allow_truncated, ..OpenOptions::default() };
        let mut run = EncoderRun { record: record(name, &built), built: &built, text, features: Vec::new(), options };

        // Whatever is seen the same way is embedded once.
        let mut plain: Vec<(Seen, BTreeSet<Stage>)> = Vec::new();
        let mut looks: Vec<(Seen, BTreeSet<Stage>)> = Vec::new();
        let mut borrowing = BTreeSet::new();
        for adapter in cells.iter().map(|cell| cell.adapter.as_str()).collect::<BTreeSet<_>>() {
            // Clips that the encoder does not take, and an adapter that cannot be built, are failed cells later.
            let seen = self.seen(&run, adapter);
            if seen.check(built.encoder.card(), config.preset).is_err() {
                continue;
            }
            // Embeddings always: they also tell which videos can be used.
            want(&mut plain, &seen, Stage::Embedding);
            let Ok(adapted) = self.ingredients(&run, adapter, self.ranks, 0).build() else { continue };
            if adapted.borrows_text() {
                borrowing.insert(adapter);
            }
            if adapted.stage() == Stage::Clip {
                continue;
            }
            want(&mut plain, &seen, adapted.stage());
            for look in seen.in_training(self.plans[adapter].recipe.train.augment) {
                want(&mut looks, &look, adapted.stage());
            }
        }
        let wanted = self.wanted.clone();
        for (seen, stages) in plain {
            let features = self.embed(&run, seen, &stages, &wanted)?;
            run.features.push(features);
        }
        // Other looks are for training.
        let drawn: BTreeSet<usize> = self.draws.values().flatten().copied().collect();
        let drawn: Vec<usize> = drawn.into_iter().collect();
        for (seen, stages) in looks {
            let drawn = run.usable(&seen.plain(), &drawn);
            let features = self.embed(&run, seen, &stages, &drawn)?;
            run.features.push(features);
        }
        for cell in cells {
            self.run_cell(cell, &run)?;
            if borrowing.contains(cell.adapter.as_str()) {
                self.run_cell(&Cell { random_prompts: true, ..(*cell).clone() }, &run)?;
            }
        }
        Ok(())
    }

    /// What an adapter's cells see.
    fn seen(&self, run: &EncoderRun<'_>, adapter: &str) -> Seen {
        let card = run.built.encoder.card();
        Seen::new(card, self.config.preset, View::of(self.config), &self.plans[adapter].recipe.clip)
    }

    /// Features of `videos` as they are `seen`; what cannot be used is excluded.
    fn embed(
        &mut self,
        run: &EncoderRun<'_>,
        seen: Seen,
        stages: &BTreeSet<Stage>,
        videos: &[usize],
    ) -> Result<ViewFeatures, BenchError> {
        let Environment { device, device_name, cache, .. } = self.environment;
        let stages: Vec<Stage> = stages.iter().copied().collect();
        let readable = |&&index: &&usize| self.set.videos[index].digest.is_some();
        let videos: Vec<usize> = videos.iter().filter(readable).copied().collect();
        let embedder = Embedder {
            built: run.built,
            preset: self.config.preset,
            spec: &seen.spec,
            view: seen.view,
            cache: &FeatureCache::new(&cache.join("features")),
            options: &run.options,
            device,
            device_name,
            stages: &stages,
        };
        let inputs: Vec<Wanted<'_>> = videos
            .iter()
            .filter_map(|&index| {
                let video = &self.set.videos[index];
                Some(Wanted { path: &video.path, digest: video.digest? })
            })
            .collect();
        let embedded = embedder.embed(&inputs)?;
        self.counts.embedded += embedded.computed;
        let by_video = |features: BTreeMap<usize, Feature>| {
            features.into_iter().map(|(position, feature)| (videos[position], feature)).collect()
        };
        let stages = embedded.features.into_iter().map(|(stage, features)| (stage, by_video(features))).collect();
        for (position, reason) in embedded.failed {
            self.set.exclude(videos[position], false, reason);
        }
        for (position, missing) in embedded.truncated {
            self.set.exclude(videos[position], true, format!("truncated: {missing}"));
        }
        Ok(ViewFeatures { seen, stages })
    }

    fn ingredients<'b>(
        &'b self,
        run: &'b EncoderRun<'_>,
        adapter: &str,
        ranks: &'b RankSpec,
        seed: u64,
    ) -> Ingredients<'b> {
        let AdapterPlan { entries, recipe } = &self.plans[adapter];
        Ingredients {
            built: run.built,
            entries,
            text: run.text.as_ref().map(|(built, _)| built),
            recipe,
            target: &self.set.target,
            ranks,
            seed,
            bootstrap: self.config.bootstrap,
            device: &self.environment.device,
        }
    }

    fn run_cell(&mut self, cell: &Cell, run: &EncoderRun<'_>) -> Result<(), BenchError> {
        let EncoderRun { built, record: encoder, .. } = run;
        let seen = self.seen(run, &cell.adapter);
        // What a recipe asks for that is so anyway does not make another cell.
        let recipe = &Recipe { clip: seen.change, ..self.plans[cell.adapter.as_str()].recipe.clone() };
        let draw = &self.draws[&(cell.shots, cell.seed)];
        let (train, test) = (run.usable(&seen, draw), run.usable(&seen, &self.set.test));
        let data = DataRecord {
            name: self.set.name.clone(),
            target: self.set.target.name.clone(),
            unit: self.set.target.unit.clone(),
            hash: self.set.hash(&[&train, &test]),
            train: train.len(),
            test: test.len(),
            excluded: draw.len() - train.len() + self.set.test.len() - test.len(),
        };
        let random;
        let ranks = match cell.random_prompts {
            false => self.ranks,
            true => {
                random = random_prompts(self.ranks, cell.seed);
                &random
            }
        };
        let ingredients = self.ingredients(run, &cell.adapter, ranks, cell.seed);
        let adapted = seen.check(built.encoder.card(), self.config.preset).and_then(|()| ingredients.build());
        let borrows = adapted.as_ref().is_ok_and(|adapted| adapted.borrows_text());
        let text = run.text.as_ref().filter(|_| borrows).map(|(_, record)| record.clone());
        let mut config = serde_json::json!({
            "recipe": recipe,
            "clip": seen.spec,
            "view": seen.view,
            "ranks": ranks,
            "bootstrap": self.config.bootstrap,
            "selection": self.config.select,
            "text": text,
        });
        // Cells of the ejection fraction keep the keys that they had when there was nothing else.
        let Target { name, unit, thresholds, .. } = &self.set.target;
        if (name.as_str(), unit.as_str(), thresholds.as_slice()) != ("EF", "%", &[35, 40, 50]) {
            config["target"] = serde_json::json!({ "name": name, "unit": unit, "thresholds": thresholds });
        }
        let key = key(&KeyMaterial {
            numerics: NUMERICS,
            encoder,
            adapter: &cell.adapter,
            shots: cell.shots,
            seed: cell.seed,
            data: &data.hash,
            config: &config,
            device: &self.environment.device_name,
            threads: self.machine.threads,
        });
        let label = format!(
            "{} + {}{}, {}, seed {}",
            cell.encoder,
            cell.adapter,
            if cell.random_prompts { " with random prompts" } else { "" },
            cell.shots.map_or("split".to_owned(), |shots| format!("{shots} shots")),
            cell.seed
        );
        let finished = self.done.get(&key).filter(|record| {
            let kept = !self.config.save_adapters || self.outputs.has_adapter(&key);
            record.status == CellStatus::Done && !self.environment.force && self.outputs.has_cell(&key) && kept
        });
        if let Some(record) = finished {
            self.counts.skipped += 1;
            self.records.push(record.clone());
            self.progress.set(self.records.len(), &label);
            return Ok(());
        }
        let checkpoints = Checkpoints { file: self.outputs.checkpoint(&key), every: self.environment.checkpoint_every };
        memory::reset_peak();
        let output = adapted.map(|adapted| adapted.stage()).and_then(|stage| {
            let validation = match self.config.select {
                Selection::LastEpoch => None,
                Selection::BestValidation => Some(run.usable(&seen, &self.set.validation)),
            };
            let labelled = |indices: &[usize]| self.set.labels(indices);
            if stage == Stage::Clip {
                let samples = |indices: &[usize]| ClipSamples {
                    paths: indices.iter().map(|&index| self.set.videos[index].path.clone()).collect(),
                    digests: indices.iter().filter_map(|&index| self.set.videos[index].digest).collect(),
                    targets: labelled(indices),
                    spec: &seen.spec,
                    view: seen.view,
                    augment: recipe.train.augment,
                    options: &run.options,
                };
                let validation = validation.map(|validation| samples(&validation));
                let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
                let samples = CellSamples { train: &samples(&train), validation, test: &samples(&test) };
                return ingredients.run(samples, &checkpoints);
            }
            let rows = |seen: &Seen, indices: &[usize]| {
                run.features(seen, stage, indices).expect("every usable video was embedded at every stage")
            };
            let samples = |indices: &[usize], looks: &[Seen]| {
                let looks: Vec<_> = looks.iter().map(|look| rows(look, indices)).collect();
                table(stage, seen.view.clips, &rows(&seen, indices), &looks, labelled(indices))
            };
            let validation = validation.map(|validation| samples(&validation, &[])).transpose()?;
            let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
            let (train, test) = (samples(&train, &seen.in_training(recipe.train.augment))?, samples(&test, &[])?);
            ingredients.run(CellSamples { train: &train, validation, test: &test }, &checkpoints)
        });
        let mut record = CellRecord {
            schema: CellRecord::SCHEMA,
            key: key.clone(),
            status: CellStatus::Failed,
            error: None,
            encoder: encoder.clone(),
            text,
            adapter: cell.adapter.clone(),
            shots: cell.shots,
            seed: cell.seed,
            data,
            config,
            parameters: None,
            scores: None,
            best: None,
            random_prompts: cell.random_prompts,
            seconds: None,
            peak_memory: None,
            machine: self.machine.clone(),
            device: self.environment.device_name.clone(),
            finished: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        };
        match output {
            Ok(output) => {
                let CellOutput { predictions, scores, curve, parameters, seconds, .. } = &output;
                self.announce(cell, *parameters, &output.trainable);
                let rows = test.iter().zip(predictions).map(|(&index, &prediction)| {
                    let video = &self.set.videos[index];
                    PredictionRow { video: video.name.clone(), truth: video.truth, prediction }
                });
                self.outputs.keep_cell(&key, &rows.collect::<Vec<_>>(), curve)?;
                if self.config.save_adapters {
                    let adapter = AdapterRecord {
                        schema: AdapterRecord::SCHEMA,
                        written_by: env!("CARGO_PKG_VERSION").to_owned(),
                        encoder: encoder.clone(),
                        weights_license: built.encoder.card().weights_license.to_owned(),
                        text: record.text.clone(),
                        adapter: cell.adapter.clone(),
                        recipe: recipe.clone(),
                        ranks: ranks.clone(),
                        clip: serde_json::to_value(&seen.spec).expect("a specification is plain data"),
                        clips: seen.view.clips,
                        view: Some(seen.view),
                        shots: cell.shots,
                        seed: cell.seed,
                        data: record.data.clone(),
                    };
                    let paths: Vec<&str> = output.fitted.iter().map(String::as_str).collect();
                    save(&self.outputs.adapter(&adapter.file_name(&key)), &adapter, &output.adapter, &paths)?;
                }
                let mae = scores.value(Metric::Mae).map_or(String::new(), |mae| format!(": MAE {mae:.2}"));
                self.progress.line(&format!("{label}{mae}"));
                record.status = CellStatus::Done;
                record.scores = Some(scores.clone());
                record.best = output.best.clone();
                record.parameters = Some(*parameters);
                record.seconds = Some(*seconds);
                record.peak_memory = memory::peak();
                self.counts.ran += 1;
            }
            Err(error) => {
                self.progress.line(&format!("{label} failed: {error}"));
                record.error = Some(error.to_string());
                self.counts.failed += 1;
            }
        }
        self.records.push(self.runs.append(&record)?);
        self.progress.set(self.records.len(), &label);
        Ok(())
    }

    /// Says what trains, once for every pair of encoder and adapter.
    fn announce(&mut self, cell: &Cell, counts: ParameterCounts, trainable: &[String]) {
        if self.announced.insert((cell.encoder.clone(), cell.adapter.clone())) {
            let ParameterCounts { trainable: count, total } = counts;
            let Cell { encoder, adapter, .. } = cell;
            self.progress.line(&format!("{encoder} + {adapter}: {count} of {total} parameters train"));
            trainable.iter().for_each(|parameter| self.progress.line(&format!("  {parameter}")));
        }
    }

    fn finish(mut self) -> Result<Outcome, BenchError> {
        self.set.excluded.sort();
        self.set.excluded.dedup();
        let test = self.usable_test();
        let constants = self.constants(test.len())?;
        let all: Vec<&Constant> = constants.iter().collect();
        let mut rows = constant_rows(&all, &self.set.labels(&test), self.config.bootstrap)?;
        let groups = groups(&self.records);
        for group in &groups {
            rows.extend(LeaderboardRow::of_cells(group)?);
        }
        let notes = notes(&groups, self.outputs, self.config.bootstrap)?;
        let leaderboard = Leaderboard { caption: self.caption(test.len()), rows, notes };
        let done: Vec<&CellRecord> = self.records.iter().filter(|record| record.status == CellStatus::Done).collect();
        self.outputs.join_cells(&done)?;
        self.outputs.write_excluded(&self.set.excluded)?;
        let videos = test.iter().map(|&index| &self.set.videos[index]);
        let videos = VideoFiles {
            paths: videos.map(|video| (video.name.clone(), video.path.clone())).collect(),
            allow_truncated: self.config.allow_truncated,
        };
        let report = Report {
            leaderboard: &leaderboard,
            groups: &groups,
            outputs: self.outputs,
            configs: &[toml::to_string(self.config).map_err(|error| BenchError::Config(error.to_string()))?],
            constants: &constants,
            videos: Some(&videos),
        };
        report.write()?;
        let Counts { ran, skipped, failed, embedded } = self.counts;
        Ok(Outcome { leaderboard, ran, skipped, failed, embedded, excluded: self.set.excluded })
    }

    /// Test videos that every encoder could use.
    fn usable_test(&self) -> Vec<usize> {
        let unused = self.set.excluded.iter().filter(|excluded| !excluded.used);
        let unused: BTreeSet<&str> = unused.map(|excluded| excluded.video.as_str()).collect();
        let usable = |index: &usize| !unused.contains(self.set.videos[*index].name.as_str());
        self.set.test.iter().copied().filter(usable).collect()
    }

    /// The constant predictors: the validation median, and each draw's training median; scored on `test` videos.
    fn constants(&self, test: usize) -> Result<Vec<Constant>, BenchError> {
        let constant = |predictor: &str, shots: String, seed: Option<u64>, videos: &[usize]| {
            let value = median(&self.set.labels(videos));
            let value = value.ok_or_else(|| BenchError::Config("a split without labels has no median".to_owned()))?;
            Ok(Constant { data: self.set.name.clone(), test, predictor: predictor.to_owned(), shots, seed, value })
        };
        let draws = self.draws.iter().filter(|((shots, _), _)| *shots != Some(0)).map(|((shots, seed), draw)| {
            let shots = shots.map_or("split".to_owned(), |shots| shots.to_string());
            constant(TRAINING_MEDIAN, shots, Some(*seed), draw)
        });
        let validation = constant("median of validation", String::new(), None, &self.set.validation);
        std::iter::once(validation).chain(draws).collect()
    }

    fn caption(&self, test: usize) -> String {
        let selection = match self.config.select {
            Selection::LastEpoch => "last epoch",
            Selection::BestValidation => "last epoch, and where it says so the epoch that was best on validation",
        };
        let clips = match self.config.clips {
            1 if self.config.random_start => "one clip per video, from a random frame".to_owned(),
            clips if self.config.random_start => format!("mean over {clips} clips from random frames of each video"),
            1 => "one clip per video, from its first frame".to_owned(),
            clips => format!("mean over {clips} clips spread evenly over each video"),
        };
        let VideoSet { name, target, drawn, .. } = &self.set;
        format!(
            "{} on {test} test videos of {name}; {}{clips}; {selection}. Means over seeds, ± their standard deviation, \
             [95 % percentile bootstrap interval over test videos, {} resamples, mean over seeds]. Not for clinical use.",
            target_in_words(&target.name, &target.unit),
            drawn.map_or(String::new(), |drawn| format!("{drawn}; ")),
            self.config.bootstrap
        )
    }
}

/// Adds `stage` to those that are wanted of videos `seen` so.
fn want(wanted: &mut Vec<(Seen, BTreeSet<Stage>)>, seen: &Seen, stage: Stage) {
    match wanted.iter_mut().find(|(other, _)| other == seen) {
        Some((_, stages)) => drop(stages.insert(stage)),
        None => wanted.push((seen.clone(), BTreeSet::from([stage]))),
    }
}

/// `names`, or all of `known` for `all`.
fn resolve(what: &'static str, names: &[String], known: &[&'static str]) -> Result<Vec<String>, BenchError> {
    let mut resolved: Vec<String> = Vec::new();
    for name in names {
        let found: &[&str] = match name.as_str() {
            "all" => known,
            name => match known.iter().position(|known| *known == name) {
                Some(index) => &known[index..=index],
                None => return Err(echo_core::Error::unknown_name(what, name, known).into()),
            },
        };
        for name in found {
            if !resolved.iter().any(|resolved| resolved == name) {
                resolved.push(name.to_string());
            }
        }
    }
    Ok(resolved)
}

/// What is predicted, for captions.
pub(crate) fn target_in_words(name: &str, unit: &str) -> String {
    match (name, unit) {
        ("EF", "%") => "LVEF in percent".to_owned(),
        _ => format!("{name} in {unit}"),
    }
}

/// The ranks in the file `path`, or those of `target`.
fn read_ranks(path: Option<&Path>, target: &Target) -> Result<RankSpec, BenchError> {
    let Some(path) = path else { return Ok(target.ranks.clone()) };
    let text = std::fs::read_to_string(path).map_err(BenchError::io(path))?;
    let what = path.display().to_string();
    let ranks: RankSpec = toml::from_str(&text).map_err(|source| BenchError::Toml { what, source })?;
    ranks.validate()?;
    Ok(ranks)
}
