//! The benchmark from start to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use echo_adapt::{ADAPTERS, AdapterEntry, adapter};
use echo_core::{Preset, RankSpec};
use echo_data::{Digests, Feature, FeatureCache};
use echo_metrics::{Metric, Scores};
use echo_video::OpenOptions;
use echo_weights::{Built, Weights, WeightsError};
use serde::Serialize;

use crate::cell::{CellOutput, Ingredients, scores};
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
    let adapters = resolve("adapter", &config.adapters, &ADAPTERS.iter().map(|entry| entry.name).collect::<Vec<_>>())?;
    let ranks = read_ranks(config.prompts.as_deref())?;
    let mut recipes: BTreeMap<&str, (&'static AdapterEntry, Recipe)> = BTreeMap::new();
    for name in &adapters {
        let entry = adapter(name)?;
        recipes.insert(entry.name, (entry, Recipe::new(entry, config.preset, config.recipes.get(name))?));
    }
    if let Some(unknown) = config.recipes.keys().find(|name| !adapters.contains(name)) {
        return Err(BenchError::Config(format!("[recipes.{unknown}]: this run has no adapter {unknown}")));
    }

    let mut set = VideoSet::read(&environment.data, config)?;
    let shots: Vec<Option<usize>> = match set.fixed_train {
        true => vec![None],
        false => config.shots.iter().copied().map(Some).collect(),
    };
    let grid = cells(&encoders, &adapters, &shots, &config.seeds);
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
        recipes: &recipes,
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
    recipes: &'a BTreeMap<&'a str, (&'static AdapterEntry, Recipe)>,
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
        let weights = match (&self.config.weights, self.config.random_init) {
            (Some(path), _) => Weights::File(path.clone()),
            (None, true) => Weights::Random(self.config.random_seed),
            (None, false) => Weights::Shipped,
        };
        let built = zoo.build(name, self.config.preset, &weights, device)?;
        let encoder = EncoderRecord {
            name: name.to_owned(),
            preset: self.config.preset.to_string(),
            weights: built.kind,
            weights_hash: built.hash.clone(),
        };
        let readable = |&&index: &&usize| self.set.videos[index].digest.is_some();
        let videos: Vec<usize> = self.wanted.iter().filter(readable).copied().collect();
        let embedder = Embedder {
            built: &built,
            preset: self.config.preset,
            view: View { clips: self.config.clips },
            cache: &FeatureCache::new(&cache.join("features")),
            options: &OpenOptions { allow_truncated: self.config.allow_truncated, ..OpenOptions::default() },
            device,
            device_name,
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
        let features: BTreeMap<usize, Feature> =
            embedded.features.into_iter().map(|(position, feature)| (videos[position], feature)).collect();
        for (position, reason) in embedded.failed {
            self.set.exclude(videos[position], false, reason);
        }
        for (position, missing) in embedded.truncated {
            self.set.exclude(videos[position], true, format!("truncated: {missing}"));
        }
        for cell in cells {
            self.run_cell(cell, &encoder, &built, &features)?;
        }
        Ok(())
    }

    fn run_cell(
        &mut self,
        cell: &Cell,
        encoder: &EncoderRecord,
        built: &Built,
        features: &BTreeMap<usize, Feature>,
    ) -> Result<(), BenchError> {
        let (entry, recipe) = &self.recipes[cell.adapter.as_str()];
        let usable = |indices: &[usize]| -> Vec<usize> {
            indices.iter().copied().filter(|index| features.contains_key(index)).collect()
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
        let config = serde_json::json!({
            "recipe": recipe,
            "clip": built.encoder.card().preset(self.config.preset).clip,
            "view": View { clips: self.config.clips },
            "ranks": self.ranks,
            "bootstrap": self.config.bootstrap,
            "selection": "last epoch",
        });
        let key = key(&KeyMaterial {
            numerics: NUMERICS,
            encoder,
            adapter: entry.name,
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
        let ingredients = Ingredients {
            built,
            entry,
            recipe,
            ranks: self.ranks,
            seed: cell.seed,
            bootstrap: self.config.bootstrap,
            device: &self.environment.device,
        };
        let of = |indices: &[usize]| indices.iter().map(|index| &features[index]).collect::<Vec<_>>();
        let (train_labels, test_labels) = (self.set.labels(&train), self.set.labels(&test));
        let output = ingredients.run((&of(&train), &train_labels), (&of(&test), &test_labels));
        let mut record = CellRecord {
            schema: CellRecord::SCHEMA,
            key: key.clone(),
            status: CellStatus::Failed,
            error: None,
            encoder: encoder.clone(),
            adapter: entry.name.to_owned(),
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
        let shots: BTreeSet<Option<usize>> = self.draws.keys().map(|(shots, _)| *shots).collect();
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
