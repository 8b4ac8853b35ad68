//! The benchmark from start to end.

mod cells;
mod foresee;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use echo_adapt::{ADAPTERS, AdapterEntry, BuildContext, adapters};
use echo_core::{Adapter, ClipSpec, Preset, RankSpec, Stage};
use echo_data::{Digests, Feature, FeatureCache, Target};
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
use crate::plan::{Cell, Twin, cells, key};
use crate::random_prompts::random_prompts;
use crate::recipe::ZERO_SHOT;
use crate::report::{Constant, Report, TRAINING_MEDIAN, VideoFiles, constant_rows};
use crate::runs::{CellRecord, CellStatus, DataRecord, EncoderRecord, ExternalRecord, Runs};
use crate::twins::notes;
use crate::video_set::VideoSet;
use crate::{BenchConfig, BenchError, Excluded, Recipe, Selection, View};

use self::cells::{Job, Told};
pub use self::foresee::dry_run;

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
    /// The folder of the external data set, where there is one.
    pub external: Option<PathBuf>,
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
    /// Cells of an encoder that run at a time in this process, at least 1. Results do not depend on it.
    pub jobs: usize,
}

/// What a benchmark came to.
#[derive(Debug)]
pub struct Outcome {
    /// The table.
    pub leaderboard: Leaderboard,
    /// Cells that ran now.
    pub ran: usize,
    /// Cells that were done before, or meanwhile by another process on the same folder.
    pub skipped: usize,
    /// Cells that failed now, here or in another process on the same folder.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<&'a str>,
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
    prepared(config, environment, zoo, |mut state, encoders, grid| {
        state.outputs.make()?;
        for name in encoders {
            let of_encoder: Vec<&Cell> = grid.iter().filter(|cell| cell.encoder == *name).collect();
            state.run_encoder(name, &of_encoder, zoo)?;
        }
        state.finish()
    })
}

/// Hands what a run knows before its first encoder, the encoders' names and the grid to `body`; writes no results.
fn prepared<T>(
    config: &BenchConfig,
    environment: &Environment,
    zoo: &dyn Zoo,
    body: impl FnOnce(RunState<'_>, &[String], &[Cell]) -> Result<T, BenchError>,
) -> Result<T, BenchError> {
    config.validate()?;
    let encoders = resolve("encoder", &config.encoders, &zoo.names())?;
    let plans = adapter_plans(config, &config.described()?.1)?;
    let mut set = VideoSet::read(&environment.data, config)?;
    let mut external =
        environment.external.as_deref().map(|folder| VideoSet::read_external(folder, config)).transpose()?;
    let ranks = read_ranks(config.prompts.as_deref(), &set.target)?;
    let shots: Vec<Option<usize>> = match set.fixed_train {
        true => vec![None],
        false => config.shots.iter().copied().map(Some).collect(),
    };
    let trains = |plan: &AdapterPlan| plan.entries.iter().any(|entry| entry.trains);
    let names: Vec<(String, bool)> = plans.iter().map(|(name, plan)| (name.clone(), trains(plan))).collect();
    let grid = cells(&encoders, &names, &shots, &config.seeds);
    let outputs = Outputs::at(&environment.out);
    let (runs, earlier) = Runs::open(&environment.out)?;
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
    if let Some(external) = &mut external {
        external.digest(&external.test.clone(), &digests);
    }

    let state = RunState {
        config,
        environment,
        ranks: &ranks,
        plans: &plans.into_iter().collect(),
        draws: &draws,
        outputs: &outputs,
        runs,
        machine: Machine::current(),
        wanted,
        set,
        external,
        done: earlier.into_iter().map(|record| (record.key.clone(), record)).collect(),
        records: Vec::new(),
        counts: Counts::default(),
        told: Mutex::new(Told::new(grid.len())),
    };
    body(state, &encoders, &grid)
}

/// The adapters of a benchmark, by name, in its order. What an encoder reads without training is always among them,
/// where it reads that: what trains has to beat it.
fn adapter_plans(config: &BenchConfig, target: &Target) -> Result<Vec<(String, AdapterPlan)>, BenchError> {
    let known: Vec<&str> = ADAPTERS.iter().map(|entry| entry.name).collect();
    let mut plans: Vec<(String, AdapterPlan)> = Vec::new();
    let always = target.is_ejection_fraction().then_some(ZERO_SHOT);
    let named = config.adapters.iter().flat_map(|name| if name == "all" { known.clone() } else { vec![name.as_str()] });
    for name in always.into_iter().chain(named) {
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
    let target = config.described()?.1;
    let ranks = read_ranks(config.prompts.as_deref(), &target)?;
    let plans = adapter_plans(config, &target)?;
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
    /// Of the external data set's videos.
    external: Option<ViewFeatures>,
    options: OpenOptions,
    spec: &'static ClipSpec,
}

/// One of a run's data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Own,
    External,
}

/// What was made of one view of the videos: by stage, then by index of the video.
struct ViewFeatures {
    view: View,
    stages: BTreeMap<Stage, BTreeMap<usize, Feature>>,
}

impl EncoderRun<'_> {
    /// One stage's features of the videos `indices`, for those that could be used.
    fn features(&self, view: View, stage: Stage, indices: &[usize]) -> Option<Vec<&Feature>> {
        self.features.iter().find(|features| features.view == view)?.of(stage, indices)
    }

    /// Those of `indices` that could be embedded.
    fn usable(&self, indices: &[usize]) -> Vec<usize> {
        self.features.first().map_or(Vec::new(), |features| features.usable(indices))
    }
}

impl ViewFeatures {
    /// Those of `indices` that could be embedded.
    fn usable(&self, indices: &[usize]) -> Vec<usize> {
        let embedded = self.stages.get(&Stage::Embedding);
        indices.iter().copied().filter(|index| embedded.is_some_and(|found| found.contains_key(index))).collect()
    }

    /// One stage's features of the videos `indices`, if all could be used.
    fn of(&self, stage: Stage, indices: &[usize]) -> Option<Vec<&Feature>> {
        let of_stage = self.stages.get(&stage)?;
        indices.iter().map(|index| of_stage.get(index)).collect()
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
    /// A second data set, of which the test split is used.
    external: Option<VideoSet>,
    /// Records of earlier runs, by key.
    done: BTreeMap<String, CellRecord>,
    /// Records of this grid, in its order.
    records: Vec<CellRecord>,
    counts: Counts,
    told: Mutex<Told>,
}

/// What an encoder's cells need of videos, beside the plain embedding of all.
struct Needs<'a> {
    /// Of the plain view.
    stages: BTreeSet<Stage>,
    /// Of other views of training videos.
    views: Vec<(View, BTreeSet<Stage>)>,
    /// Adapters whose cells have twins.
    twins: BTreeMap<&'a str, Twin>,
}

impl RunState<'_> {
    fn run_encoder(&mut self, name: &str, cells: &[&Cell], zoo: &dyn Zoo) -> Result<(), BenchError> {
        let (built, text) = build_encoder(name, self.config, &self.environment.device, zoo)?;
        let mut run = self.encoder_run(name, &built, text);
        let cells = &self.readable(&run, cells);
        let Needs { stages, views, twins } = self.needs(&run, cells);
        let plain = View::of(self.config);
        let wanted = self.wanted.clone();
        let features = self.embed(&run, plain, &stages, Which::Own, &wanted)?;
        run.features.push(features);
        if let Some(external) = &self.external {
            let videos = external.test.clone();
            run.external = Some(self.embed(&run, plain, &stages, Which::External, &videos)?);
        }
        // Other looks are for training.
        let drawn: BTreeSet<usize> = self.draws.values().flatten().copied().collect();
        let drawn = run.usable(&drawn.into_iter().collect::<Vec<_>>());
        for (view, stages) in views {
            let features = self.embed(&run, view, &stages, Which::Own, &drawn)?;
            run.features.push(features);
        }
        self.run_cells(&with_twins(cells, &twins), &run)
    }

    /// An encoder's part of the run, before anything is embedded.
    fn encoder_run<'b>(&self, name: &str, built: &'b Built, text: Option<Built>) -> EncoderRun<'b> {
        let config = self.config;
        let record = |name: &str, built: &Built| EncoderRecord {
            name: name.to_owned(),
            preset: config.preset.to_string(),
            weights: built.kind,
            weights_hash: built.hash.clone(),
        };
        let text = text.map(|lent| {
            let record = record(lent.encoder.card().name, &lent);
            (lent, record)
        });
        let spec = &built.encoder.card().preset(config.preset).clip;
        let options = OpenOptions { allow_truncated: config.allow_truncated, ..OpenOptions::default() };
        EncoderRun { record: record(name, built), built, text, features: Vec::new(), external: None, options, spec }
    }

    /// `cells` without those that nobody asked for and that the encoder has nothing for: what it reads without training.
    fn readable<'b>(&self, run: &EncoderRun<'_>, cells: &[&'b Cell]) -> Vec<&'b Cell> {
        let reads = |adapter: &str| {
            let recipe = &self.plans[adapter].recipe;
            self.config.asks_for(adapter) || self.ingredients(run, adapter, recipe, self.ranks, 0).build().is_ok()
        };
        cells.iter().copied().filter(|cell| cell.adapter != ZERO_SHOT || reads(&cell.adapter)).collect()
    }

    /// What is to be embedded for `cells`.
    fn needs<'b>(&self, run: &EncoderRun<'_>, cells: &[&'b Cell]) -> Needs<'b> {
        // Embeddings always: they also tell which videos can be used.
        let plain = View::of(self.config);
        let mut stages = BTreeSet::from([Stage::Embedding]);
        let mut views: Vec<(View, BTreeSet<Stage>)> = Vec::new();
        let mut twins: BTreeMap<&str, Twin> = BTreeMap::new();
        for adapter in cells.iter().map(|cell| cell.adapter.as_str()).collect::<BTreeSet<_>>() {
            // An adapter that cannot be built is a failed cell later.
            let recipe = &self.plans[adapter].recipe;
            let Ok(adapted) = self.ingredients(run, adapter, recipe, self.ranks, 0).build() else { continue };
            if adapted.borrows_text() {
                twins.insert(adapter, Twin::RandomPrompts);
            }
            // Prompts of every value, which an encoder's own head does not need.
            if let Some(other) = recipe.with_other_reading().filter(|_| adapted.reads_prompts()) {
                twins.insert(adapter, Twin::OtherReading);
                if let Ok(adapted) = self.ingredients(run, adapter, &other, self.ranks, 0).build() {
                    stages.insert(adapted.stage());
                }
            }
            if adapted.stage() == Stage::Clip {
                continue;
            }
            stages.insert(adapted.stage());
            for view in views_of(plain, &self.plans[adapter].recipe) {
                match views.iter_mut().find(|(other, _)| *other == view) {
                    Some((_, stages)) => drop(stages.insert(adapted.stage())),
                    None => views.push((view, BTreeSet::from([adapted.stage()]))),
                }
            }
        }
        Needs { stages, views, twins }
    }

    /// Features of `videos` as `view` sees them; what cannot be used is excluded.
    fn embed(
        &mut self,
        run: &EncoderRun<'_>,
        view: View,
        stages: &BTreeSet<Stage>,
        which: Which,
        videos: &[usize],
    ) -> Result<ViewFeatures, BenchError> {
        let stages: Vec<Stage> = stages.iter().copied().collect();
        let set = match (which, &self.external) {
            (Which::External, Some(external)) => external,
            _ => &self.set,
        };
        let readable = |&&index: &&usize| set.videos[index].digest.is_some();
        let videos: Vec<usize> = videos.iter().filter(readable).copied().collect();
        let cache = self.cache();
        let embedder = self.embedder(run, view, &stages, &cache);
        let inputs: Vec<Wanted<'_>> = videos
            .iter()
            .filter_map(|&index| {
                let video = &set.videos[index];
                Some(Wanted { path: &video.path, digest: video.digest? })
            })
            .collect();
        let embedded = embedder.embed(&inputs)?;
        self.counts.embedded += embedded.computed;
        let by_video = |features: BTreeMap<usize, Feature>| {
            features.into_iter().map(|(position, feature)| (videos[position], feature)).collect()
        };
        let stages = embedded.features.into_iter().map(|(stage, features)| (stage, by_video(features))).collect();
        let set = match (which, &mut self.external) {
            (Which::External, Some(external)) => external,
            _ => &mut self.set,
        };
        for (position, reason) in embedded.failed {
            set.exclude(videos[position], false, reason);
        }
        for (position, missing) in embedded.truncated {
            set.exclude(videos[position], true, format!("truncated: {missing}"));
        }
        Ok(ViewFeatures { view, stages })
    }

    fn cache(&self) -> FeatureCache {
        FeatureCache::new(&self.environment.cache.join("features"))
    }

    fn embedder<'b>(
        &'b self,
        run: &'b EncoderRun<'_>,
        view: View,
        stages: &'b [Stage],
        cache: &'b FeatureCache,
    ) -> Embedder<'b> {
        let Environment { device, device_name, .. } = self.environment;
        let preset = self.config.preset;
        Embedder { built: run.built, preset, view, cache, options: &run.options, device, device_name, stages }
    }

    fn ingredients<'b>(
        &'b self,
        run: &'b EncoderRun<'_>,
        adapter: &str,
        recipe: &'b Recipe,
        ranks: &'b RankSpec,
        seed: u64,
    ) -> Ingredients<'b> {
        let AdapterPlan { entries, .. } = &self.plans[adapter];
        Ingredients {
            built: run.built,
            entries,
            text: run.text.as_ref().map(|(built, _)| built),
            recipe,
            target: &self.set.target,
            ranks,
            seed,
            clips: self.config.clips,
            bootstrap: self.config.bootstrap,
            device: &self.environment.device,
        }
    }

    /// A cell with its key and all that it is made of.
    fn job(&self, cell: &Cell, run: &EncoderRun<'_>) -> Job {
        let EncoderRun { built, record: encoder, .. } = run;
        let recipe = match (cell.twin, &self.plans[cell.adapter.as_str()].recipe) {
            (Twin::OtherReading, recipe) => recipe.with_other_reading().unwrap_or_else(|| recipe.clone()),
            (_, recipe) => recipe.clone(),
        };
        let draw = &self.draws[&(cell.shots, cell.seed)];
        let (train, test) = (run.usable(draw), run.usable(&self.set.test));
        let data = DataRecord {
            name: self.set.name.clone(),
            target: self.set.target.name.clone(),
            unit: self.set.target.unit.clone(),
            hash: self.set.hash(&[&train, &test]),
            train: train.len(),
            test: test.len(),
            excluded: draw.len() - train.len() + self.set.test.len() - test.len(),
        };
        let external = self.external.as_ref().zip(run.external.as_ref());
        let external = external.map(|(set, features)| features.usable(&set.test));
        let external_hash = self.external.as_ref().zip(external.as_ref()).map(|(set, usable)| set.hash(&[usable]));
        let random;
        let ranks = match cell.twin {
            Twin::RandomPrompts => {
                random = random_prompts(self.ranks, cell.seed);
                &random
            }
            Twin::None | Twin::OtherReading => self.ranks,
        };
        let ingredients = self.ingredients(run, &cell.adapter, &recipe, ranks, cell.seed);
        let adapted = ingredients.build();
        let borrows = adapted.as_ref().is_ok_and(|adapted| adapted.borrows_text());
        let text = run.text.as_ref().filter(|_| borrows).map(|(_, record)| record.clone());
        let plain = View::of(self.config);
        let clip = &built.encoder.card().preset(self.config.preset).clip;
        let mut config = serde_json::json!({
            "recipe": recipe,
            "clip": clip,
            "view": plain,
            "ranks": ranks,
            "bootstrap": self.config.bootstrap,
            "selection": self.config.select,
            "text": text,
        });
        if adapted.as_ref().is_ok_and(|adapted| adapted.reads_prompts()) {
            config["reading"] = serde_json::json!(recipe.reading());
        }
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
            external: external_hash.as_deref(),
            config: &config,
            device: &self.environment.device_name,
            threads: self.machine.threads,
        });
        let label = format!(
            "{} + {}{}, {}, seed {}",
            cell.encoder,
            cell.adapter,
            match cell.twin {
                Twin::None => "",
                Twin::RandomPrompts => " with random prompts",
                Twin::OtherReading => " with the other reading",
            },
            cell.shots.map_or("split".to_owned(), |shots| format!("{shots} shots")),
            cell.seed
        );
        let ranks = ranks.clone();
        let external = external.zip(external_hash);
        Job { cell: cell.clone(), key, label, recipe, data, config, text, ranks, train, test, external }
    }

    /// Fits and scores a cell and keeps its files. Gives its record, and the paths of what trained.
    fn compute(&self, job: &Job, run: &EncoderRun<'_>) -> Result<(CellRecord, Vec<String>), BenchError> {
        let EncoderRun { built, record: encoder, .. } = run;
        let Job { cell, key, recipe, data, config, text, ranks, train, test, .. } = job;
        let plain = View::of(self.config);
        let clip = &built.encoder.card().preset(self.config.preset).clip;
        let ingredients = self.ingredients(run, &cell.adapter, recipe, ranks, cell.seed);
        let adapted = ingredients.build();
        // The external data set, which of its test videos can be used, and their hash.
        let external = self.external.as_ref().zip(job.external.as_ref());
        let checkpoints = Checkpoints { file: self.outputs.checkpoint(key), every: self.environment.checkpoint_every };
        // Of cells that run beside each other nobody knows whose memory it is.
        let alone = self.environment.jobs <= 1;
        if alone {
            memory::reset_peak();
        }
        let output = adapted.map(|adapted| adapted.stage()).and_then(|stage| {
            let validation = match self.config.select {
                Selection::LastEpoch => None,
                Selection::BestValidation => Some(run.usable(&self.set.validation)),
            };
            let labelled = |indices: &[usize]| self.set.labels(indices);
            if stage == Stage::Clip {
                let samples = |set: &VideoSet, indices: &[usize]| ClipSamples {
                    paths: indices.iter().map(|&index| set.videos[index].path.clone()).collect(),
                    digests: indices.iter().filter_map(|&index| set.videos[index].digest).collect(),
                    targets: set.labels(indices),
                    spec: run.spec,
                    view: plain,
                    augment: recipe.train.augment,
                    options: &run.options,
                };
                let of_external = external.map(|(set, (usable, _))| samples(set, usable));
                let samples = |indices: &[usize]| samples(&self.set, indices);
                let validation = validation.map(|validation| samples(&validation));
                let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
                let external = of_external.as_ref().map(|samples| samples as &dyn Samples);
                let samples = CellSamples { train: &samples(train), validation, test: &samples(test), external };
                return ingredients.run(samples, &checkpoints);
            }
            let of_external = external.zip(run.external.as_ref()).map(|((set, (usable, _)), features)| {
                let rows = features.of(stage, usable).expect("every usable video was embedded at every stage");
                table(stage, self.config.clips, &rows, &[], set.labels(usable))
            });
            let of_external = of_external.transpose()?;
            let rows = |view: View, indices: &[usize]| {
                run.features(view, stage, indices).expect("every usable video was embedded at every stage")
            };
            let samples = |indices: &[usize], views: &[View]| {
                let views: Vec<_> = views.iter().map(|&view| rows(view, indices)).collect();
                table(stage, self.config.clips, &rows(plain, indices), &views, labelled(indices))
            };
            let validation = validation.map(|validation| samples(&validation, &[])).transpose()?;
            let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
            let (train, test) = (samples(train, &views_of(plain, recipe))?, samples(test, &[])?);
            let external = of_external.as_ref().map(|samples| samples as &dyn Samples);
            ingredients.run(CellSamples { train: &train, validation, test: &test, external }, &checkpoints)
        });
        let mut record = CellRecord {
            schema: CellRecord::SCHEMA,
            key: key.clone(),
            status: CellStatus::Failed,
            error: None,
            encoder: encoder.clone(),
            text: text.clone(),
            adapter: cell.adapter.clone(),
            shots: cell.shots,
            seed: cell.seed,
            data: data.clone(),
            config: config.clone(),
            parameters: None,
            scores: None,
            best: None,
            random_prompts: cell.twin == Twin::RandomPrompts,
            external: None,
            seconds: None,
            peak_memory: None,
            jobs: self.environment.jobs,
            machine: self.machine.clone(),
            device: self.environment.device_name.clone(),
            finished: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        };
        let mut trainable = Vec::new();
        match output {
            Ok(output) => {
                let CellOutput { predictions, scores, curve, parameters, seconds, .. } = &output;
                let rows = |set: &VideoSet, indices: &[usize], predictions: &[f32]| -> Vec<PredictionRow> {
                    let row = |(&index, &prediction): (&usize, &f32)| {
                        let video = &set.videos[index];
                        PredictionRow { video: video.name.clone(), truth: video.truth, prediction }
                    };
                    indices.iter().zip(predictions).map(row).collect()
                };
                if let Some(((set, (usable, hash)), (predictions, scores))) = external.zip(output.external.as_ref()) {
                    self.outputs.keep_external(key, &rows(set, usable, predictions))?;
                    record.external = Some(ExternalRecord {
                        name: set.name.clone(),
                        hash: hash.clone(),
                        test: usable.len(),
                        excluded: set.test.len() - usable.len(),
                        scores: scores.clone(),
                    });
                }
                self.outputs.keep_cell(key, &rows(&self.set, test, predictions), curve)?;
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
                        clip: serde_json::to_value(clip).expect("a specification is plain data"),
                        clips: self.config.clips,
                        shots: cell.shots,
                        seed: cell.seed,
                        data: record.data.clone(),
                    };
                    let paths: Vec<&str> = output.fitted.iter().map(String::as_str).collect();
                    save(&self.outputs.adapter(&adapter.file_name(key)), &adapter, &output.adapter, &paths)?;
                }
                record.status = CellStatus::Done;
                record.scores = Some(scores.clone());
                record.best = output.best.clone();
                record.parameters = Some(*parameters);
                record.seconds = Some(*seconds);
                record.peak_memory = memory::peak().filter(|_| alone);
                trainable = output.trainable;
            }
            Err(error) => record.error = Some(error.to_string()),
        }
        Ok((record, trainable))
    }

    fn finish(mut self) -> Result<Outcome, BenchError> {
        self.set.excluded.extend(self.external.iter().flat_map(|set| set.excluded.clone()));
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
        self.outputs.remove_locks()?;
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

/// `cells`, each followed by its twin where its adapter has one.
fn with_twins(cells: &[&Cell], twins: &BTreeMap<&str, Twin>) -> Vec<Cell> {
    let of_cell = |cell: &&Cell| {
        let twin = twins.get(cell.adapter.as_str());
        let twin = twin.map(|&twin| Cell { twin, ..(*cell).clone() });
        std::iter::once((*cell).clone()).chain(twin)
    };
    cells.iter().flat_map(of_cell).collect()
}

/// The looks that a recipe's training takes at its videos, beside the plain one.
fn views_of(plain: View, recipe: &Recipe) -> Vec<View> {
    let augment = recipe.train.augment;
    (0..augment.views).map(|index| plain.augmented(augment, index)).collect()
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
