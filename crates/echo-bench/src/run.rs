//! The benchmark from start to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use echo_adapt::{ADAPTERS, AdapterEntry, adapters};
use echo_core::{Adapter, ClipSpec, Preset, RankSpec, Stage};
use echo_data::{Digests, Feature, FeatureCache};
use echo_metrics::{Metric, Scores};
use echo_video::OpenOptions;
use echo_weights::{Built, Weights, WeightsError};
use serde::Serialize;

use crate::cell::{CellOutput, Ingredients, scores, table};
use crate::clip_samples::ClipSamples;
use crate::constant::median;
use crate::features::{Embedder, NUMERICS, Wanted};
use crate::leaderboard::{Leaderboard, LeaderboardRow};
use crate::machine::Machine;
use crate::outputs::{Outputs, PredictionRow};
use crate::plan::{Cell, cells, key};
use crate::runs::{CellRecord, CellStatus, DataRecord, EncoderRecord, ParameterCounts, Runs, read_runs};
use crate::video_set::VideoSet;
use crate::{BenchConfig, BenchError, Excluded, Progress, Recipe, View};

/// Ranks of the ejection fraction, when the user gives none.
const RANKS: &str = include_str!("../../../configs/adapters/ranks_ef.toml");

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
    /// The data set, in EchoNet-Dynamic's layout.
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
    let ranks = read_ranks(config.prompts.as_deref())?;
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

    let mut set = VideoSet::read(&environment.data, config)?;
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
    let wanted: Vec<usize> =
        draws.values().flatten().chain(&set.test).copied().collect::<BTreeSet<_>>().into_iter().collect();
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
    /// By stage, then by index of the video.
    features: BTreeMap<Stage, BTreeMap<usize, Feature>>,
    options: OpenOptions,
    spec: &'static ClipSpec,
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
        let Environment { device, device_name, cache, .. } = self.environment;
        let config = self.config;
        let weights = |path: &Option<PathBuf>| match (path, config.random_init) {
            (Some(path), _) => Weights::File(path.clone()),
            (None, true) => Weights::Random(config.random_seed),
            (None, false) => Weights::Shipped,
        };
        let record = |name: &str, built: &Built| EncoderRecord {
            name: name.to_owned(),
            preset: config.preset.to_string(),
            weights: built.kind,
            weights_hash: built.hash.clone(),
        };
        let built = zoo.build(name, config.preset, &weights(&config.weights), device)?;
        let text = match &config.text_encoder {
            Some(lender) if built.encoder.text().is_none() => {
                let lent = zoo.build(lender, config.preset, &weights(&config.text_weights), device)?;
                let record = record(lender, &lent);
                Some((lent, record))
            }
            _ => None,
        };
        let spec = &built.encoder.card().preset(config.preset).clip;
        let options = OpenOptions { allow_truncated: config.allow_truncated, ..OpenOptions::default() };
        let mut run =
            EncoderRun { record: record(name, &built), built: &built, text, features: BTreeMap::new(), options, spec };

        // Embeddings always: they also tell which videos can be used.
        let mut stages = BTreeSet::from([Stage::Embedding]);
        for adapter in cells.iter().map(|cell| cell.adapter.as_str()).collect::<BTreeSet<_>>() {
            // An adapter that cannot be built is a failed cell later.
            if let Ok(adapted) = self.ingredients(&run, adapter, 0).build() {
                stages.insert(adapted.stage());
            }
        }
        stages.remove(&Stage::Clip);
        let stages: Vec<Stage> = stages.into_iter().collect();
        let readable = |&&index: &&usize| self.set.videos[index].digest.is_some();
        let videos: Vec<usize> = self.wanted.iter().filter(readable).copied().collect();
        let embedder = Embedder {
            built: &built,
            preset: config.preset,
            view: View { clips: config.clips },
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
        run.features = embedded.features.into_iter().map(|(stage, features)| (stage, by_video(features))).collect();
        for (position, reason) in embedded.failed {
            self.set.exclude(videos[position], false, reason);
        }
        for (position, missing) in embedded.truncated {
            self.set.exclude(videos[position], true, format!("truncated: {missing}"));
        }
        for cell in cells {
            self.run_cell(cell, &run)?;
        }
        Ok(())
    }

    fn ingredients<'b>(&'b self, run: &'b EncoderRun<'_>, adapter: &str, seed: u64) -> Ingredients<'b> {
        let AdapterPlan { entries, recipe } = &self.plans[adapter];
        Ingredients {
            built: run.built,
            entries,
            text: run.text.as_ref().map(|(built, _)| built),
            recipe,
            ranks: self.ranks,
            seed,
            bootstrap: self.config.bootstrap,
            device: &self.environment.device,
        }
    }

    fn run_cell(&mut self, cell: &Cell, run: &EncoderRun<'_>) -> Result<(), BenchError> {
        let EncoderRun { built, record: encoder, .. } = run;
        let recipe = &self.plans[cell.adapter.as_str()].recipe;
        let usable = |indices: &[usize]| -> Vec<usize> {
            let seen = run.features.get(&Stage::Embedding);
            indices.iter().copied().filter(|index| seen.is_some_and(|seen| seen.contains_key(index))).collect()
        };
        let draw = &self.draws[&(cell.shots, cell.seed)];
        let (train, test) = (usable(draw), usable(&self.set.test));
        let data = DataRecord {
            name: self.set.name.clone(),
            hash: self.set.hash(&[&train, &test]),
            train: train.len(),
            test: test.len(),
            excluded: draw.len() - train.len() + self.set.test.len() - test.len(),
        };
        let ingredients = self.ingredients(run, &cell.adapter, cell.seed);
        let adapted = ingredients.build();
        let borrows = adapted.as_ref().is_ok_and(|adapted| adapted.borrows_text());
        let text = run.text.as_ref().filter(|_| borrows).map(|(_, record)| record.clone());
        let config = serde_json::json!({
            "recipe": recipe,
            "clip": built.encoder.card().preset(self.config.preset).clip,
            "view": View { clips: self.config.clips },
            "ranks": self.ranks,
            "bootstrap": self.config.bootstrap,
            "selection": "last epoch",
            "text": text,
        });
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
            "{} + {}, {}, seed {}",
            cell.encoder,
            cell.adapter,
            cell.shots.map_or("split".to_owned(), |shots| format!("{shots} shots")),
            cell.seed
        );
        let finished = self.done.get(&key).filter(|record| {
            record.status == CellStatus::Done && !self.environment.force && self.outputs.has_cell(&key)
        });
        if let Some(record) = finished {
            self.counts.skipped += 1;
            self.records.push(record.clone());
            self.progress.set(self.records.len(), &label);
            return Ok(());
        }
        let output = adapted.map(|adapted| adapted.stage()).and_then(|stage| {
            let labelled = |indices: &[usize]| self.set.labels(indices);
            if stage == Stage::Clip {
                let samples = |indices: &[usize]| ClipSamples {
                    paths: indices.iter().map(|&index| self.set.videos[index].path.clone()).collect(),
                    targets: labelled(indices),
                    spec: run.spec,
                    view: View { clips: self.config.clips },
                    options: &run.options,
                };
                return ingredients.run(&samples(&train), &samples(&test));
            }
            let features = &run.features[&stage];
            let samples = |indices: &[usize]| {
                let rows: Vec<&Feature> = indices.iter().map(|index| &features[index]).collect();
                table(stage, self.config.clips, &rows, labelled(indices))
            };
            ingredients.run(&samples(&train)?, &samples(&test)?)
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
            seconds: None,
            machine: self.machine.clone(),
            device: self.environment.device_name.clone(),
            finished: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        };
        match output {
            Ok(CellOutput { predictions, scores, curve, parameters, trainable, seconds }) => {
                self.announce(cell, parameters, &trainable);
                let rows = test.iter().zip(&predictions).map(|(&index, &prediction)| {
                    let video = &self.set.videos[index];
                    PredictionRow { video: video.name.clone(), ef: video.ef, prediction }
                });
                self.outputs.keep_cell(&key, &rows.collect::<Vec<_>>(), &curve)?;
                let mae = scores.value(Metric::Mae).map_or(String::new(), |mae| format!(": MAE {mae:.2}"));
                self.progress.line(&format!("{label}{mae}"));
                record.status = CellStatus::Done;
                record.scores = Some(scores);
                record.parameters = Some(parameters);
                record.seconds = Some(seconds);
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
        let mut rows = self.constant_rows(&test)?;
        let mut groups: Vec<Vec<&CellRecord>> = Vec::new();
        for record in &self.records {
            let same = |other: &CellRecord| {
                (&other.encoder, &other.adapter, other.shots) == (&record.encoder, &record.adapter, record.shots)
            };
            match groups.last_mut().filter(|group| same(group[0])) {
                Some(group) => group.push(record),
                None => groups.push(vec![record]),
            }
        }
        for group in groups {
            rows.extend(LeaderboardRow::of_cells(&group)?);
        }
        let leaderboard = Leaderboard { caption: self.caption(test.len()), rows };
        let done: Vec<&CellRecord> = self.records.iter().filter(|record| record.status == CellStatus::Done).collect();
        self.outputs.join_cells(&done)?;
        self.outputs.write_excluded(&self.set.excluded)?;
        self.outputs.write_text("leaderboard.md", &leaderboard.to_markdown())?;
        self.outputs.write_text("leaderboard.csv", &leaderboard.to_csv())?;
        let json = serde_json::to_string_pretty(&leaderboard).expect("a leaderboard is plain data");
        self.outputs.write_text("leaderboard.json", &json)?;
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

    /// The constant predictors: the validation median, and each draw's training median.
    fn constant_rows(&self, test: &[usize]) -> Result<Vec<LeaderboardRow>, BenchError> {
        let labels = self.set.labels(test);
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        // Draws of many shots often have the same median, and a bootstrap takes a tenth of a second.
        let mut known: BTreeMap<u32, Scores> = BTreeMap::new();
        let mut constant = |value: Option<f32>| -> Result<Scores, BenchError> {
            let value = value.ok_or_else(|| BenchError::Config("a split without labels has no median".to_owned()))?;
            if let Some(scores) = known.get(&value.to_bits()) {
                return Ok(scores.clone());
            }
            let scores = scores(&labels, &vec![value; labels.len()], self.config.bootstrap)?;
            known.insert(value.to_bits(), scores.clone());
            Ok(scores)
        };
        let validation = constant(median(&self.set.labels(&self.set.validation)))?;
        let mut rows = vec![LeaderboardRow::constant("median of validation", String::new(), &[validation])?];
        let shots: BTreeSet<Option<usize>> =
            self.draws.keys().map(|(shots, _)| *shots).filter(|shots| *shots != Some(0)).collect();
        for shots in shots {
            let of_seeds: Result<Vec<_>, _> = self
                .draws
                .iter()
                .filter(|((of, _), _)| *of == shots)
                .map(|(_, draw)| constant(median(&self.set.labels(draw))))
                .collect();
            let name = shots.map_or("split".to_owned(), |shots| shots.to_string());
            rows.push(LeaderboardRow::constant("median of training", name, &of_seeds?)?);
        }
        Ok(rows)
    }

    fn caption(&self, test: usize) -> String {
        let clips = match self.config.clips {
            1 => "one clip per video, from its first frame".to_owned(),
            clips => format!("mean over {clips} clips spread evenly over each video"),
        };
        format!(
            "LVEF in percent on {test} test videos of {}; {clips}; last epoch. Means over seeds, ± their standard \
             deviation, [95 % percentile bootstrap interval over test videos, {} resamples, mean over seeds]. \
             Not for clinical use.",
            self.set.name, self.config.bootstrap
        )
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

fn read_ranks(path: Option<&Path>) -> Result<RankSpec, BenchError> {
    let (what, text) = match path {
        Some(path) => (path.display().to_string(), std::fs::read_to_string(path).map_err(BenchError::io(path))?),
        None => ("the shipped ranks".to_owned(), RANKS.to_owned()),
    };
    let ranks: RankSpec = toml::from_str(&text).map_err(|source| BenchError::Toml { what, source })?;
    ranks.validate()?;
    Ok(ranks)
}
