//! The benchmark from start to end.

mod cells;
mod compute;
mod encoder;
pub(crate) mod forecast;
mod foresee;
pub(crate) mod memory;
pub(crate) mod plan;
pub(crate) mod work_off;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use burn::tensor::Device;
use echo_adapt::{AdapterEntry, BuildContext, Joined};
use echo_core::{Card, Error, Kind, Truth};
use echo_data::{Digests, FeatureCache};
use echo_files::printable;
use echo_kernels::Precision;
use echo_report::{
    CellRecord, CellStatus, Constant, Excluded, Keeping, Leaderboard, Machine, Outputs, Quantity, Report, Runs,
    SampleUnit, Sources, TestSet, groups,
};
use echo_train::{Parameter, parameters};
use echo_weights::{Built, Weights, WeightsError};

use self::cells::Told;
pub use self::foresee::dry_run;
use crate::config::recipe::ZERO_SHOT;
use crate::config::weight_files::WeightFiles;
use crate::data::leakage;
use crate::data::privacy::without_folders;
use crate::data::thumbnails::thumbnails;
use crate::data::video_set::{Sample, VideoSet};
use crate::run::plan::cells;
use crate::{BenchConfig, BenchError, Observer, Recipe, Selection};

/// Where encoders and adapters come from: the registry, which this crate does not know.
pub trait Zoo {
    /// The cards of all encoders.
    fn cards(&self) -> Vec<&'static Card>;

    /// All adapters.
    fn adapters(&self) -> &[AdapterEntry];

    /// Whether there are only random weights for an encoder's preset, so that nobody means it who asks for all.
    fn is_untrained(&self, _name: &str, _preset: &str) -> bool {
        false
    }

    /// Builds one at the preset of that name.
    ///
    /// # Errors
    /// It has no such preset, or the weights cannot be used.
    fn build(&self, name: &str, preset: &str, weights: &Weights, device: &Device) -> Result<Built, WeightsError>;
}

/// Which part of a run is done here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPart {
    /// All of it.
    #[default]
    Whole,
    /// The cells of the grid, for a folder that other machines work on too: their records are files of their own, and no tables are
    /// made.
    Cells,
    /// What frozen encoders make of every `of`-th video, from number `index` on: no cell is run.
    Features {
        /// From 0.
        index: usize,
        /// At least 1.
        of: usize,
    },
    /// The tables of what is done. What is not is a row that says so; nothing is run.
    Merge,
}

impl RunPart {
    /// Those of `videos` that are embedded in this part.
    fn share(self, videos: Vec<usize>) -> Vec<usize> {
        match self {
            Self::Features { index, of } => videos.into_iter().skip(index).step_by(of).collect(),
            _ => videos,
        }
    }

    /// Whether it makes tables, of all that is done.
    pub fn has_tables(self) -> bool {
        matches!(self, Self::Whole | Self::Merge)
    }

    fn keeping(self) -> Keeping {
        if self.has_tables() { Keeping::Together } else { Keeping::Apart }
    }
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
    /// How many bits the numbers have that frozen encoders multiply on the processor. What trains has 32.
    pub precision: Precision,
    /// Which part of the run is done here.
    pub part: RunPart,
    /// Run cells again that are done.
    pub force: bool,
    /// Least time between two checkpoints of a cell.
    pub checkpoint_every: Duration,
    /// Cells of an encoder that run at a time in this process, at least 1. Results do not depend on it.
    pub jobs: usize,
    /// Put frames of the worst videos into the report.
    pub thumbnails: bool,
    /// Is told how far it is.
    pub observer: Arc<dyn Observer>,
}

impl Environment {
    /// # Errors
    /// The device cannot do what is asked of it.
    fn check(&self, plans: &[(String, AdapterPlan)]) -> Result<(), BenchError> {
        let device = &self.device_name;
        if device == "cpu" {
            return Ok(());
        }
        if self.precision != Precision::F32 {
            return Err(BenchError::Config(format!("{} is for the CPU; take f32 on {device}", self.precision)));
        }
        match plans.iter().find(|(_, plan)| plan.recipe.train.recompute) {
            Some((adapter, _)) => Err(BenchError::Config(format!(
                "{adapter}: `recompute` in the recipe is for the CPU; leave it out on {device}"
            ))),
            None => Ok(()),
        }
    }

    /// `text` without the paths to data and results.
    fn without_folders(&self, config: &BenchConfig, text: &str) -> String {
        let files = [&config.split, &config.dataset, &config.external_dataset, &config.text_weights];
        let weights = config.weights.iter().flat_map(WeightFiles::paths);
        let folders = [&self.data, &self.out, &self.cache].into_iter().chain(&self.external);
        without_folders(text, folders.chain(files.into_iter().flatten()).chain(weights))
    }
}

/// What a benchmark came to.
#[derive(Debug)]
pub struct Outcome {
    /// The table; empty where this part of the run makes none.
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
    /// Why there are no scores on an external test set of which no video can be used.
    pub unusable: Vec<BenchError>,
}

/// Runs every cell of the grid that is not done yet and writes the output folder.
///
/// # Errors
/// Nothing can run: a wrong setting, an unknown name, data or weights that cannot be used. A cell that fails is a row
/// with its error instead.
pub fn run(config: &BenchConfig, environment: &Environment, zoo: &dyn Zoo) -> Result<Outcome, BenchError> {
    let mut state = RunState::new(config, environment, zoo, Unrendered::Render)?;
    // All of them before anything runs: wrong weights or a pair that cannot be are found at once.
    let built = |(name, _): &(String, _)| build_encoder(name, config, &environment.device, zoo);
    let built: Vec<(Built, Option<Built>)> = state.grid.iter().map(built).collect::<Result<_, _>>()?;
    state.refuse_impossible(&built)?;
    state.outputs.make()?;
    if environment.part.keeping() == Keeping::Together {
        state.runs.gather()?;
    }
    for warning in state.short_draws().into_iter().chain(state.absent_in_training()).chain(state.unknown_heads(zoo)) {
        environment.observer.line(&format!("warning: {warning}"));
    }
    for ((name, cells), (built, text)) in std::mem::take(&mut state.grid).into_iter().zip(built) {
        state.run_encoder(&name, &cells, &built, text.as_ref())?;
    }
    match environment.part.has_tables() {
        true => state.finish(),
        false => {
            let leaderboard = Leaderboard::default();
            let Counts { ran, skipped, failed, embedded } = state.counts;
            let (excluded, unusable) = (state.set.excluded, state.unusable);
            Ok(Outcome { leaderboard, ran, skipped, failed, embedded, excluded, unusable })
        }
    }
}

/// # Errors
/// The folder `out` holds records of other videos, or of other limits: its next report would mix both.
fn same_run(
    earlier: &[CellRecord],
    set: &VideoSet,
    splits: &str,
    config: &BenchConfig,
    out: &Path,
) -> Result<(), BenchError> {
    let bootstrap = |record: &CellRecord| record.config.get("bootstrap").and_then(serde_json::Value::as_u64);
    let differs = |record: &CellRecord| {
        let data = &record.data;
        if data.task != set.task() {
            return Some(format!("predictions of {}, not of {}", data.task.of_samples(), set.task().of_samples()));
        }
        if data.splits != splits {
            return Some(
                "results on other videos or labels, with bins of another width, or under another --limit or --split"
                    .to_owned(),
            );
        }
        let samples = bootstrap(record).filter(|&samples| samples != config.bootstrap as u64)?;
        Some(format!("results with --bootstrap {samples}, not {}", config.bootstrap))
    };
    match earlier.iter().find_map(differs) {
        None => Ok(()),
        Some(other) => Err(BenchError::Config(format!(
            "{}: this folder holds {other}; give the folder of another run with --out",
            out.display()
        ))),
    }
}

/// The adapters of a benchmark, by name, in its order. What an encoder reads without training is always among them,
/// where it reads that: what trains has to beat it.
fn adapter_plans(config: &BenchConfig, known: &[AdapterEntry]) -> Result<Vec<(String, AdapterPlan)>, BenchError> {
    let all: Vec<&str> = known.iter().map(|entry| entry.name).collect();
    let mut plans: Vec<(String, AdapterPlan)> = Vec::new();
    let always = ZERO_SHOT.into_iter().filter(|_| config.zero_shot);
    let named = config.adapters.iter().flat_map(|name| if name == "all" { all.clone() } else { vec![name.as_str()] });
    for name in always.chain(named) {
        let joined = Joined::find(known, name).map_err(|error| config.named(error.into()))?;
        let recipe =
            Recipe::new(name, &joined, &config.preset, &config.recipes).map_err(|error| config.named(error))?;
        // Joined in another order they are the same, unless they train as the first of them does.
        let same = |plan: &AdapterPlan| plan.joined.entries().len() == joined.entries().len() && plan.recipe == recipe;
        if !plans.iter().any(|(other, plan)| other == name || same(plan)) {
            plans.push((name.to_owned(), AdapterPlan { joined, recipe }));
        }
    }
    let is_used =
        |name: &&String| !plans.iter().any(|(plan, _)| plan == *name || plan.split('+').any(|part| part == *name));
    if let Some(unknown) = config.recipes.keys().find(is_used) {
        let error = BenchError::Config(format!("[recipes.{unknown}]: this run has no adapter {unknown}"));
        return Err(config.named(error));
    }
    Ok(plans)
}

/// `config` with every setting of the recipes of its adapters, so that a user sees what there is to change. It comes to the
/// same cells.
///
/// # Errors
/// An unknown adapter, or a recipe that makes no sense.
pub fn with_recipes(config: &BenchConfig, adapters: &[AdapterEntry]) -> Result<BenchConfig, BenchError> {
    let mut recipes = config.recipes.clone();
    for (_, AdapterPlan { joined, .. }) in adapter_plans(config, adapters)? {
        for entry in joined.entries().iter().filter(|entry| entry.trains) {
            let replaced = config.recipes.get(entry.name);
            recipes.insert(entry.name.to_owned(), Recipe::written_out(entry, &config.preset, replaced)?);
        }
    }
    Ok(BenchConfig { recipes, ..config.clone() })
}

/// An encoder, and the one that lends it a text tower, where one is needed.
pub(crate) fn build_encoder(
    name: &str,
    config: &BenchConfig,
    device: &Device,
    zoo: &dyn Zoo,
) -> Result<(Built, Option<Built>), BenchError> {
    let of = |name: &str| config.weights.as_ref().and_then(|files| files.of(name));
    let weights = |path: Option<&Path>, entry: &Option<String>| match (path, config.random_init) {
        (Some(path), _) => match entry.clone() {
            Some(entry) => Weights::Entry { path: path.to_owned(), entry },
            None => Weights::File(path.to_owned()),
        },
        (None, true) => Weights::Random(config.random_seed),
        (None, false) => Weights::Shipped,
    };
    let built = zoo.build(name, &config.preset, &weights(of(name), &config.weights_key), device)?;
    let text = match &config.text_encoder {
        Some(lender) if built.encoder.text().is_none() => {
            let own = config.text_weights.as_deref();
            // Without a file of its own, the one that is named for it.
            let (path, entry) = match &config.weights {
                Some(WeightFiles::Each(_)) if own.is_none() => (of(lender), &config.weights_key),
                _ => (own, &None),
            };
            Some(zoo.build(lender, &config.preset, &weights(path, entry), device)?)
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
    let plans = adapter_plans(config, zoo.adapters())?;
    let mut pairs = Vec::new();
    for name in encoders(config, zoo)? {
        let (built, text) = build_encoder(&name, config, device, zoo)?;
        for (adapter, AdapterPlan { joined, recipe }) in &plans {
            let text = text.as_ref().map(|text| &text.encoder);
            let context = BuildContext { encoder: &built.encoder, text, task: &target.task, seed: 0 };
            let adapted = match joined.build(&recipe.adapter, &context) {
                // As in a run: nobody asked for it, and the encoder reads nothing without training.
                Err(_) if ZERO_SHOT.contains(&adapter.as_str()) && !config.asks_for(adapter) => continue,
                adapted => adapted?,
            };
            let parameters = parameters(&adapted);
            pairs.push(PairParameters { encoder: name.clone(), adapter: adapter.clone(), parameters });
        }
    }
    Ok(pairs)
}

/// The adapters that a name joins, and how they are built and trained.
#[derive(Debug)]
struct AdapterPlan {
    joined: Joined,
    recipe: Recipe,
}

#[derive(Debug, Default)]
struct Counts {
    ran: usize,
    skipped: usize,
    failed: usize,
    embedded: usize,
}

/// What becomes of phantoms that are listed and not rendered yet, and that a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unrendered {
    Render,
    /// They stay so: nothing is computed.
    Leave,
}

/// Renders phantoms that are not there yet.
pub(crate) fn render(set: &mut VideoSet, videos: &[usize], observer: &dyn Observer) -> Result<(), BenchError> {
    let what = format!("rendering {}", printable(&set.name));
    set.render(videos, &|done, total| observer.progress(&what, done, total, ""))
}

/// The videos `wanted` and those of validation, also where no cell looks at them: every table holds their constant predictor,
/// and nothing of them is in another split.
fn with_validation(wanted: &[usize], set: &VideoSet) -> Vec<usize> {
    wanted.iter().chain(&set.validation).copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A run in progress.
struct RunState<'a> {
    config: &'a BenchConfig,
    environment: &'a Environment,
    quantity: Quantity,
    plans: BTreeMap<String, AdapterPlan>,
    draws: BTreeMap<(Option<usize>, u64), Vec<usize>>,
    outputs: Outputs,
    runs: Runs,
    machine: Machine,
    /// What frozen encoders made of videos.
    cache: FeatureCache,
    /// Videos that some cell uses.
    wanted: Vec<usize>,
    set: VideoSet,
    /// Hash of what its splits list.
    splits: String,
    /// The same set with each video by itself, where samples are studies.
    alone: Option<VideoSet>,
    /// A second data set, of which the test split is used.
    external: Option<VideoSet>,
    /// The encoders and their cells, in their order.
    grid: Vec<(String, Vec<CellRecord>)>,
    /// External sets of which nothing can be used.
    unusable: Vec<BenchError>,
    /// Records of earlier runs, by key.
    done: BTreeMap<String, CellRecord>,
    /// Records of this grid, in its order.
    records: Vec<CellRecord>,
    counts: Counts,
    told: Mutex<Told>,
}

impl<'a> RunState<'a> {
    /// All that a run knows before its first encoder; writes no results.
    fn new(
        config: &'a BenchConfig,
        environment: &'a Environment,
        zoo: &dyn Zoo,
        unrendered: Unrendered,
    ) -> Result<Self, BenchError> {
        config.validate()?;
        let encoders = encoders(config, zoo)?;
        let plans = adapter_plans(config, zoo.adapters())?;
        environment.check(&plans)?;
        let mut set = VideoSet::read(&environment.data, config)?;
        let mut external =
            environment.external.as_deref().map(|folder| VideoSet::read_external(folder, config)).transpose()?;
        let shots: Vec<Option<usize>> = match set.fixed_train {
            true => vec![None],
            false => config.shots.iter().copied().map(Some).collect(),
        };
        let names: Vec<(String, bool)> =
            plans.iter().map(|(name, plan)| (name.clone(), plan.joined.trains())).collect();
        let grid = cells(&encoders, &names, &shots, &config.seeds);
        let outputs = Outputs::at(&environment.out);
        let (runs, earlier) = Runs::open(&environment.out, environment.part.keeping())?;
        let splits = set.splits_hash()?;
        same_run(&earlier, &set, &splits, config, &environment.out)?;
        let mut draws: BTreeMap<(Option<usize>, u64), Vec<usize>> = BTreeMap::new();
        for cell in &grid {
            draws.entry((cell.shots, cell.seed)).or_insert_with(|| set.draw(cell.shots, cell.seed));
        }
        let validation = if needs_validation(config, &set) { &set.validation[..] } else { &[] };
        let wanted: BTreeSet<usize> = draws.values().flatten().chain(&set.test).chain(validation).copied().collect();
        let wanted: Vec<usize> = wanted.into_iter().collect();
        let hashed = with_validation(&wanted, &set);
        if unrendered == Unrendered::Render {
            render(&mut set, &hashed, environment.observer.as_ref())?;
            if let Some(external) = &mut external {
                render(external, &external.test.clone(), environment.observer.as_ref())?;
            }
        }
        let digests = Digests::open(&environment.cache.join("digests.tsv"))?;
        set.digest(&hashed, &digests)?;
        if let Some(external) = &mut external {
            external.digest(&external.test.clone(), &digests)?;
        }
        leakage::check(config, &mut set, external.as_ref())?;

        let told = Mutex::new(Told::new(grid.len(), environment.observer.clone()));
        let of = |name: String| {
            let cells = grid.iter().filter(|cell| cell.encoder.name == name).cloned().collect();
            (name, cells)
        };
        Ok(Self {
            config,
            environment,
            quantity: set.task(),
            plans: plans.into_iter().collect(),
            draws,
            outputs,
            runs,
            machine: Machine::current(),
            cache: FeatureCache::new(&environment.cache.join("features")),
            wanted,
            alone: (set.unit() == SampleUnit::Study).then(|| set.alone()),
            set,
            splits,
            external,
            grid: encoders.into_iter().map(of).collect(),
            unusable: Vec::new(),
            done: earlier.into_iter().map(|record| (record.key.clone(), record)).collect(),
            records: Vec::new(),
            counts: Counts::default(),
            told,
        })
    }

    /// Warnings of draws that most bins cannot fill, before anything is computed. What cannot be decoded comes on top.
    fn short_draws(&self) -> BTreeSet<String> {
        let draws = self.draws.iter().filter_map(|(&(shots, _), draw)| Some((shots?, draw)));
        let warning = |(shots, draw): (usize, &Vec<usize>)| {
            let draw = self.set.readable(draw);
            let train = self.set.samples(&draw).len();
            self.bins(Some(shots), &draw).warning(&self.set.name, &self.quantity, shots, train)
        };
        draws.filter_map(warning).collect()
    }

    /// Says which classes or labels no training sample shows, or of labels that all do.
    fn absent_in_training(&self) -> Option<String> {
        let truths = self.set.labels(&self.set.train);
        let is = |truth: &Truth, index: usize| match truth {
            Truth::Value(_) => None,
            Truth::Class(class) => Some(*class == index),
            Truth::Labels(labels) => labels.get(index).copied().flatten(),
        };
        let lacks = |index: usize, wanted: bool| !truths.iter().any(|truth| is(truth, index) == Some(wanted));
        let task = &self.set.target.task;
        let names: Vec<String> = task.class_names();
        let that_lack = |wanted: bool| -> Vec<&str> {
            names.iter().enumerate().filter(|&(index, _)| lacks(index, wanted)).map(|(_, name)| name.as_str()).collect()
        };
        let absent = that_lack(true);
        let always = if task.kind() == Kind::MultiLabel { that_lack(false) } else { Vec::new() };
        let always: Vec<&str> = always.into_iter().filter(|name| !absent.contains(name)).collect();
        let mut told = Vec::new();
        if !absent.is_empty() {
            told.push(format!("no training sample is {}", absent.join(" or ")));
        }
        if !always.is_empty() {
            told.push(format!("none is without {}", always.join(" or ")));
        }
        let told = told.join(", and ");
        (!told.is_empty()).then(|| format!("{}: {told}, so nothing can be learnt of that.", printable(&task.name)))
    }

    /// Says which encoders the task's heads name that there are none of: a slip, or those of another program.
    fn unknown_heads(&self, zoo: &dyn Zoo) -> Option<String> {
        let task = &self.set.target.task;
        let known: Vec<&str> = zoo.cards().iter().map(|card| card.name).collect();
        let unknown: Vec<&String> = task.heads.keys().filter(|name| !known.contains(&name.as_str())).collect();
        let first = unknown.first()?;
        let error = echo_core::Error::unknown_name("encoder", first, &known);
        Some(format!("[heads] of the task {}: {error}", printable(&task.name)))
    }

    fn finish(mut self) -> Result<Outcome, BenchError> {
        // Before the external set's videos are among the excluded: they may have the names of ours.
        let test = self.usable_test();
        self.set.excluded.extend(self.external.iter().flat_map(|set| set.excluded.clone()));
        for excluded in &mut self.set.excluded {
            excluded.reason = self.environment.without_folders(self.config, &excluded.reason);
        }
        self.set.excluded.sort();
        self.set.excluded.dedup();
        let test_hash = self.set.hash(&[&test]);
        let samples = self.set.samples(&test).len();
        let constants = self.constants(samples, &test_hash)?;
        let groups = groups(&self.records);
        let mut leaderboard = Leaderboard::new(&Sources {
            target: self.quantity.clone(),
            about: self.about(samples),
            resamples: &self.config.bootstrap.to_string(),
            groups: &groups,
            constants: &constants,
            tests: &[TestSet { data: self.set.name.clone(), hash: test_hash, videos: self.set.labelled(&test) }],
            outputs: &self.outputs,
            bootstrap: self.config.bootstrap,
            references: &self.config.references,
        })?;
        leaderboard.notes.extend(self.absent_in_training());
        leaderboard.notes.extend(self.not_of_this_grid());
        let done: Vec<&CellRecord> = self.records.iter().filter(|record| record.status == CellStatus::Done).collect();
        self.outputs.join_cells(&done)?;
        self.outputs.write_excluded(&self.set.excluded)?;
        let options = self.config.open_options();
        let samples = self.set.samples(&test);
        let path = |sample: &Sample<'_>| self.set.videos[sample.videos[0]].path.clone();
        let paths: BTreeMap<String, PathBuf> =
            samples.iter().map(|sample| (sample.id.to_owned(), path(sample))).collect();
        let pictures = |name: &str| match paths.get(name) {
            Some(path) => thumbnails(path, &options),
            None => Err("there is no file".to_owned()),
        };
        let report = Report {
            leaderboard: &leaderboard,
            groups: &groups,
            outputs: &self.outputs,
            configs: &[self.config.for_others()?],
            constants: &constants,
            thumbnails: self.environment.thumbnails.then_some(&pictures),
        };
        report.write()?;
        self.outputs.remove_left()?;
        let Counts { ran, skipped, failed, embedded } = self.counts;
        let (excluded, unusable) = (self.set.excluded, self.unusable);
        Ok(Outcome { leaderboard, ran, skipped, failed, embedded, excluded, unusable })
    }

    /// Says that the folder holds results which this run's tables do not show.
    fn not_of_this_grid(&self) -> Option<String> {
        let grid: BTreeSet<&str> = self.records.iter().map(|record| record.key.as_str()).collect();
        let others = self.done.values().filter(|record| record.status == CellStatus::Done);
        match others.filter(|record| !grid.contains(record.key.as_str())).count() {
            0 => None,
            count => Some(format!(
                "The folder holds {count} more finished cells, which this run was not asked for (other encoders, adapters, \
                 shots, seeds or settings): `echozoo report` shows them all.",
            )),
        }
    }

    /// Test videos that every encoder could use.
    fn usable_test(&self) -> Vec<usize> {
        let unused = self.set.excluded.iter().filter(|excluded| !excluded.used);
        let unused: BTreeSet<&str> = unused.map(|excluded| excluded.video.as_str()).collect();
        let usable = |index: &usize| !unused.contains(self.set.videos[*index].name.as_str());
        self.set.test.iter().copied().filter(usable).collect()
    }

    /// The constant predictors: of validation, and of each draw's training videos; scored on `test` videos.
    fn constants(&self, test: usize, test_hash: &str) -> Result<Vec<Constant>, BenchError> {
        let constant = |predictor: &str, shots: String, seed: Option<u64>, videos: &[usize]| {
            Ok(Constant {
                data: self.set.name.clone(),
                test,
                test_hash: test_hash.to_owned(),
                splits: self.splits.clone(),
                predictor: predictor.to_owned(),
                shots,
                seed,
                prediction: Constant::prediction(&self.quantity, &self.set.labels(videos))?,
                checksum: String::new(),
            })
        };
        let draws = self.draws.iter().filter(|((shots, _), _)| *shots != Some(0)).map(|((shots, seed), draw)| {
            let shots = shots.map_or("split".to_owned(), |shots| shots.to_string());
            constant(Constant::of_training(self.quantity.kind), shots, Some(*seed), draw)
        });
        let validation = (!self.set.validation.is_empty())
            .then(|| constant(Constant::of_validation(self.quantity.kind), String::new(), None, &self.set.validation));
        validation.into_iter().chain(draws).collect()
    }

    fn about(&self, test: usize) -> String {
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
        let VideoSet { name, drawn, .. } = &self.set;
        let name = printable(name);
        format!(
            "{} on {test} test {} of {name}; {}{clips}; {selection}",
            self.quantity.in_words(),
            self.quantity.samples.many(),
            drawn.map_or(String::new(), |drawn| format!("{drawn}; ")),
        )
    }
}

/// The encoders of a run, each once, in its order; for `all`, those that have its preset and weights of it.
pub(crate) fn encoders(config: &BenchConfig, zoo: &dyn Zoo) -> Result<Vec<String>, BenchError> {
    let (cards, preset) = (zoo.cards(), config.preset.as_str());
    let mut found: Vec<&str> = Vec::new();
    for name in &config.encoders {
        let (named, lacking): (Vec<&Card>, Vec<&Card>) = match name.as_str() {
            "all" => cards.iter().partition(|card| card.preset(preset).is_ok()),
            name => {
                let Some(card) = cards.iter().find(|card| card.name == name) else {
                    let known: Vec<&str> = cards.iter().map(|card| card.name).collect();
                    return Err(Error::unknown_name("encoder", name, &known).into());
                };
                card.preset(preset)?;
                (vec![card], Vec::new())
            }
        };
        if named.is_empty() {
            let presets = cards.iter().flat_map(|card| card.presets).map(|preset| preset.name);
            let known: Vec<&str> = presets.collect::<BTreeSet<_>>().into_iter().collect();
            return Err(Error::unknown_name("preset", preset, &known).into());
        }
        for card in lacking {
            echo_files::say(&format!("{} has no preset {preset}: left out", card.name));
        }
        let has_file = |card: &Card| config.weights.as_ref().is_some_and(|files| files.of(card.name).is_some());
        let is_untrained = |card: &Card| zoo.is_untrained(card.name, preset) && !has_file(card);
        let (untrained, trained): (Vec<&Card>, Vec<&Card>) = named.iter().copied().partition(|card| is_untrained(card));
        let (untrained, named) = match name.as_str() {
            "all" if !config.random_init && !trained.is_empty() => (untrained, trained),
            _ => (Vec::new(), named),
        };
        for card in untrained {
            let reason = "has no trained weights: left out; random ones are used where it is named";
            echo_files::say(&format!("{} {preset} {reason}", card.name));
        }
        for card in named {
            if !found.contains(&card.name) {
                found.push(card.name);
            }
        }
    }
    Ok(found.into_iter().map(str::to_owned).collect())
}

/// Whether cells look at the validation split: to choose an epoch, or the threshold between yes and no.
pub(crate) fn needs_validation(config: &BenchConfig, set: &VideoSet) -> bool {
    config.select == Selection::BestValidation || set.target.task.kind() == Kind::Binary
}

#[cfg(test)]
mod tests {
    use echo_adapt::ADAPTERS;
    use echo_core::Preset;

    use super::*;

    #[test]
    fn a_configuration_with_its_recipes_written_out_is_the_same_run() {
        for preset in [Preset::FULL, Preset::NANO] {
            let recipes =
                "coop.train.epochs = 7\n'mfl+echozoom'.train.batch = 3\nmfl.clip.frames = 4".parse::<toml::Table>();
            let table = |(name, value): (String, toml::Value)| (name, value.as_table().unwrap().clone());
            let config = BenchConfig {
                adapters: vec!["all".to_owned(), "mfl+echozoom".to_owned()],
                recipes: recipes.unwrap().into_iter().map(table).collect(),
                preset: preset.to_owned(),
                ..BenchConfig::default()
            };
            let text = toml::to_string(&with_recipes(&config, ADAPTERS).unwrap()).unwrap();
            for shown in ["[recipes.mfl.adapter]", "compat = \"none\"", "[recipes.lora.train.augment]", "epochs = 7"] {
                assert!(text.contains(shown), "{shown}: {text}");
            }
            let again = BenchConfig::from_toml("printed.toml", &text).unwrap();
            let plans = |config: &BenchConfig| -> Vec<(String, Recipe)> {
                adapter_plans(config, ADAPTERS).unwrap().into_iter().map(|(name, plan)| (name, plan.recipe)).collect()
            };
            assert_eq!(plans(&again), plans(&config));
            assert_eq!(with_recipes(&again, ADAPTERS).unwrap().recipes, again.recipes);
        }
    }
}
