//! What a cell is made of, and running it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use echo_adapt::{BuildContext, Needs};
use echo_core::{AnyAdapter, Stage};
use echo_files::{counted, printable};
use echo_kernels::Precision;
use echo_report::{
    AloneRecord, Bins, CellRecord, CellStatus, DataRecord, EncoderRecord, Excluded, ExternalRecord, PredictionRow,
    Predictions, weights_caution,
};
use echo_train::{Checkpoints, Samples};
use echo_video::Mask;
use echo_weights::WeightsKind;

use super::cells::Job;
use super::encoder::{EncoderRun, Which};
use super::{AdapterPlan, RunState, needs_validation};
use crate::cell::adapter_file::{AdapterRecord, save};
use crate::cell::clip_samples::ClipSamples;
use crate::cell::features::NUMERICS;
use crate::cell::seen::Seen;
use crate::cell::token_samples::{TokenLook, TokenSamples};
use crate::cell::{CellOutput, CellSamples, Part, Protocol, table};
use crate::data::leakage;
use crate::data::video_set::{Sample, VideoSet};
use crate::run::memory;
use crate::run::plan::key;
use crate::{BenchError, Recipe, Selection};

impl RunState<'_> {
    /// What an adapter of this encoder is built from.
    fn context<'b>(&'b self, run: &'b EncoderRun<'_>, seed: u64) -> BuildContext<'b> {
        BuildContext {
            encoder: &run.built.encoder,
            text: run.text.as_ref().map(|(built, _)| &built.encoder),
            task: &self.set.target.task,
            seed,
        }
    }

    /// What the adapter needs to be fitted on the encoder.
    ///
    /// # Errors
    /// The encoder does not take the recipe's clips, or the adapter is not for it or for the task.
    pub(super) fn needs_of(&self, run: &EncoderRun<'_>, adapter: &str) -> Result<Needs, BenchError> {
        self.seen(run, adapter).check(run.built.encoder.card(), run.built.preset)?;
        let AdapterPlan { joined, recipe } = &self.plans[adapter];
        Ok(joined.needs(&recipe.adapter, &self.context(run, 0))?)
    }

    /// The adapter before it is fitted.
    ///
    /// # Errors
    /// As [`needs_of`](Self::needs_of), and for what only building tells.
    pub(super) fn adapted(&self, run: &EncoderRun<'_>, adapter: &str, seed: u64) -> Result<AnyAdapter, BenchError> {
        self.seen(run, adapter).check(run.built.encoder.card(), run.built.preset)?;
        let AdapterPlan { joined, recipe } = &self.plans[adapter];
        Ok(joined.build(&recipe.adapter, &self.context(run, seed))?)
    }

    /// How full the bins of a draw are of which the videos `train` can be used.
    pub(super) fn bins(&self, shots: Option<usize>, train: &[usize]) -> Bins {
        let Some(shots) = shots.filter(|&shots| shots > 0) else { return Bins::default() };
        let bins = |videos: &[usize]| -> Vec<i64> {
            self.set.labels(videos).iter().flat_map(|truth| self.set.target.bins_of(truth)).collect()
        };
        Bins::of(&bins(&self.set.train), &bins(train), shots)
    }

    /// Validation videos that can be used, where cells look at them.
    fn watched(&self, run: &EncoderRun<'_>, seen: &Seen) -> Option<Vec<usize>> {
        let needed = needs_validation(self.config, &self.set) && !self.set.validation.is_empty();
        needed.then(|| run.usable(Which::Own, seen, &self.set.validation))
    }

    /// A cell with its key and all that it is made of.
    pub(super) fn job(&self, cell: &CellRecord, run: &EncoderRun<'_>) -> Job {
        let seen = self.seen(run, &cell.adapter);
        // What a recipe asks for that is so anyway does not make another cell.
        let recipe = Recipe { clip: seen.change, ..self.plans[cell.adapter.as_str()].recipe.clone() };
        let draw = &self.draws[&(cell.shots, cell.seed)];
        let (train, test) = (run.usable(Which::Own, &seen, draw), run.usable(Which::Own, &seen, &self.set.test));
        let bins = self.bins(cell.shots, &train);
        let watched = self.watched(run, &seen);
        let used: Vec<&[usize]> =
            [&train, &test].into_iter().chain(&watched).map(|videos: &Vec<usize>| videos.as_slice()).collect();
        let data = DataRecord {
            name: self.set.name.clone(),
            task: self.quantity.clone(),
            hash: self.set.hash(&used),
            test_hash: self.set.hash(&[&test]),
            splits: self.splits.clone(),
            train: self.set.samples(&train).len(),
            bins: bins.all,
            short_bins: bins.short,
            test: self.set.samples(&test).len(),
            excluded: draw.len() - train.len() + self.set.test.len() - test.len(),
            leaked: leakage::known_samples(&self.set, &train, &self.set, &test),
            phantoms: train.iter().chain(&test).all(|&index| self.set.is_phantom(index)),
        };
        // Test videos of the external data set that can be used, and their hash.
        let external = self.external.as_ref().map(|set| {
            let usable = run.usable(Which::External, &seen, &set.test);
            let hash = set.hash(&[&usable]);
            (usable, hash)
        });
        let needs = self.needs_of(run, &cell.adapter);
        let borrows = needs.as_ref().is_ok_and(|needs| needs.borrows_text);
        // What sees clips, mostly to train the encoder, has 32 bits.
        let sees_features = needs.is_ok_and(|needs| needs.stage != Stage::Clip);
        let precision = self.environment.precision;
        let precision = (precision != Precision::F32 && sees_features).then_some(precision);
        let encoder =
            EncoderRecord { precision: precision.map(|precision| precision.to_string()), ..run.record.clone() };
        let text = run.text.as_ref().filter(|_| borrows).map(|(_, record)| record.clone());
        // Of a failed cell too, so that it stands in its row.
        let of_external = self.external.as_ref().zip(external.as_ref());
        let of_external = of_external.map(|(set, (_, hash))| serde_json::json!({ "name": set.name, "hash": hash }));
        let mut config = serde_json::json!({
            "numerics": NUMERICS,
            "task": self.set.target.task,
            "external": of_external,
            "recipe": recipe,
            "clip": seen.spec,
            "view": seen.view,
            "bootstrap": self.config.bootstrap,
            "selection": self.config.select,
            "allow_truncated": self.config.allow_truncated,
            "text": text,
        });
        // Not of cells that ran before there was a choice.
        if self.config.mask != Mask::default() {
            config["mask"] = serde_json::json!(self.config.mask);
        }
        let mut record = CellRecord {
            encoder,
            text,
            data,
            config,
            clips: (!recipe.clip.is_empty()).then(|| recipe.clip.to_string()),
            jobs: self.environment.jobs,
            machine: self.machine.clone(),
            device: self.environment.device_name.clone(),
            ..cell.clone()
        };
        record.key = key(&record);
        let shots = cell.shots.map_or("split".to_owned(), |shots| counted(shots, "shot"));
        let label = format!("{} + {}, {shots}, seed {}", cell.encoder.name, cell.adapter, cell.seed);
        Job { record, label, recipe, seen, train, test, external }
    }

    /// Videos of a set as samples of what an adapter consumes: features that were kept, with other `looks` at them, or clips.
    fn samples<'b>(
        &'b self,
        run: &'b EncoderRun<'_>,
        job: &'b Job,
        stage: Stage,
        (which, set): (Which, &VideoSet),
        indices: &[usize],
        looks: &[Seen],
    ) -> Result<Box<dyn Samples + 'b>, BenchError> {
        let Job { recipe, seen, .. } = job;
        let labels = set.labels(indices);
        if stage == Stage::Clip {
            let files = |sample: Sample<'_>| -> Vec<(PathBuf, blake3::Hash)> {
                let videos = sample.videos.into_iter().map(|index| &set.videos[index]);
                videos.filter_map(|video| Some((video.path.clone(), video.digest?))).collect()
            };
            let files = set.samples(indices).into_iter().map(files).collect();
            let augment = recipe.train.augment;
            return Ok(Box::new(ClipSamples::new(files, labels, &seen.spec, seen.view, augment, &run.options)));
        }
        let of_seen = |seen: &Seen| {
            let missing = || BenchError::Config(format!("not every video was embedded at the stage {}", stage.name()));
            let of_sample = |sample: Sample<'_>| run.features(which, seen, stage, &sample.videos).ok_or_else(missing);
            set.samples(indices).into_iter().map(of_sample).collect::<Result<Vec<_>, _>>()
        };
        if stage == Stage::Tokens {
            let look = |seen: &Seen| -> Result<TokenLook<'b>, BenchError> {
                let stages = [stage];
                let embedder = self.embedder(run, seen, &stages);
                let keys = (0..seen.view.clips).map(|place| embedder.key(stage, place)).collect();
                Ok(TokenLook { keys, samples: of_seen(seen)? })
            };
            let digests =
                |sample: Sample<'_>| sample.videos.iter().filter_map(|&index| set.videos[index].digest).collect();
            let digests = set.samples(indices).into_iter().map(digests).collect();
            let looks = looks.iter().map(look).collect::<Result<Vec<_>, _>>()?;
            return Ok(Box::new(TokenSamples {
                cache: self.cache.clone(),
                plain: look(seen)?,
                looks,
                digests,
                truths: labels,
            }));
        }
        let looks = looks.iter().map(of_seen).collect::<Result<Vec<_>, _>>()?;
        Ok(Box::new(table(stage, seen.view.clips, &of_seen(seen)?, &looks, labels)?))
    }

    /// Fits and scores a cell and keeps its files. Gives its record.
    pub(super) fn compute(&self, job: &Job, run: &EncoderRun<'_>) -> Result<CellRecord, BenchError> {
        let EncoderRun { built, .. } = run;
        let Job { record, recipe, seen, train, test, .. } = job;
        let mut record = record.clone();
        let CellRecord { key, encoder, adapter, seed, .. } = &job.record;
        // The external data set, which of its test videos can be used, and their hash.
        let external = self.external.as_ref().zip(job.external.as_ref());
        // That none of them can be used is told at the end, and costs no other result.
        let external = external.filter(|(_, (usable, _))| !usable.is_empty());
        let checkpoints = Checkpoints { file: self.outputs.checkpoint(key), every: self.environment.checkpoint_every };
        // Of cells that run beside each other nobody knows whose memory it is.
        let alone = self.environment.jobs <= 1;
        if alone {
            memory::reset_peak();
        }
        let adapted = self.usable(job).and_then(|()| self.adapted(run, adapter, *seed));
        let output = adapted.and_then(|adapted| {
            let stage = adapted.stage();
            let validation = self.watched(run, seen);
            if validation.as_ref().is_some_and(Vec::is_empty) {
                return Err(nothing_usable(&self.set, "validation", &self.set.validation));
            }
            let samples = |which: Which, set: &VideoSet, indices: &[usize], looks: &[Seen]| {
                self.samples(run, job, stage, (which, set), indices, looks)
            };
            let own = |indices: &[usize], looks: &[Seen]| samples(Which::Own, &self.set, indices, looks);
            let train = own(train, &seen.in_training(recipe.train.augment))?;
            let of_validation = validation.as_ref().map(|videos| own(videos, &[])).transpose()?;
            let of_test = own(test, &[])?;
            let of_external =
                external.map(|(set, (usable, _))| samples(Which::External, set, usable, &[])).transpose()?;
            let of_alone = self.alone.as_ref().map(|set| samples(Which::Own, set, test, &[])).transpose()?;
            let of_videos = self.set.shares(test);
            let part = |samples, videos| Part { samples, set: &self.set, videos, weights: None };
            let cell_samples = CellSamples {
                train: &*train,
                validation: of_validation.as_deref().zip(validation.as_deref()).map(|(of, videos)| part(of, videos)),
                selects: self.config.select == Selection::BestValidation,
                test: part(&*of_test, test),
                external: of_external.as_deref().zip(external).map(|(samples, (set, (usable, _)))| Part {
                    samples,
                    set,
                    videos: usable,
                    weights: None,
                }),
                alone: of_alone.as_deref().zip(self.alone.as_ref()).map(|(samples, set)| Part {
                    samples,
                    set,
                    videos: test,
                    weights: Some(&of_videos),
                }),
            };
            let protocol = Protocol {
                task: &self.set.target.task,
                quantity: &self.quantity,
                train: &recipe.train,
                seed: *seed,
                bootstrap: self.config.bootstrap,
                device: &self.environment.device,
            };
            protocol.run(adapted, cell_samples, &checkpoints)
        });
        record.finished = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        match output {
            Ok(output) => {
                let CellOutput { predictions, scores, curve, parameters, seconds, .. } = &output;
                let task = &job.record.data.task;
                let rows = |which: Which,
                            set: &VideoSet,
                            indices: &[usize],
                            predictions: &[PredictionRow]|
                 -> Vec<PredictionRow> {
                    let known = leakage::known(&self.set, train, set, indices);
                    let row = |(sample, prediction): (Sample<'_>, &PredictionRow)| {
                        let videos = || sample.videos.iter().copied();
                        let phantom = videos().all(|index| set.is_phantom(index));
                        let caution = weights_caution(&encoder.weights, encoder.published, phantom);
                        let doubts: BTreeSet<&str> =
                            videos().filter_map(|index| run.doubts(which, seen, index)).collect();
                        let leaked = videos().any(|index| known.contains(&index)).then_some(leakage::KNOWN);
                        let warning = caution.into_iter().chain(leaked).chain(doubts).collect::<Vec<_>>().join("; ");
                        PredictionRow { warning, ..prediction.clone() }
                    };
                    set.samples(indices).into_iter().zip(predictions).map(row).collect()
                };
                if let Some(((set, (usable, hash)), (predictions, scores))) = external.zip(output.external.as_ref()) {
                    let rows = rows(Which::External, set, usable, predictions);
                    record.files.extend([self.outputs.keep_predictions(task, key, Predictions::External, &rows)?]);
                    record.external = Some(ExternalRecord {
                        name: set.name.clone(),
                        hash: hash.clone(),
                        samples: set.unit(),
                        test: set.samples(usable).len(),
                        excluded: set.test.len() - usable.len(),
                        leaked: leakage::known_samples(&self.set, train, set, usable),
                        phantoms: usable.iter().all(|&index| set.is_phantom(index)),
                        scores: scores.clone(),
                    });
                }
                if let Some((set, (predictions, scores))) = self.alone.as_ref().zip(output.alone.as_ref()) {
                    let rows = rows(Which::Own, set, test, predictions);
                    record.files.extend([self.outputs.keep_predictions(task, key, Predictions::Alone, &rows)?]);
                    record.alone = Some(AloneRecord { videos: rows.len(), scores: scores.clone() });
                }
                if let Some(best) = &output.best_predictions {
                    let rows = rows(Which::Own, &self.set, test, best);
                    record.files.extend([self.outputs.keep_predictions(task, key, Predictions::BestEpoch, &rows)?]);
                }
                let rows = rows(Which::Own, &self.set, test, predictions);
                record.files.extend([
                    self.outputs.keep_predictions(task, key, Predictions::LastEpoch, &rows)?,
                    self.outputs.keep_curve(key, curve)?,
                ]);
                if self.config.save_adapters {
                    let kept = AdapterRecord {
                        schema: AdapterRecord::SCHEMA,
                        written_by: env!("CARGO_PKG_VERSION").to_owned(),
                        encoder: encoder.clone(),
                        weights_license: match built.kind {
                            WeightsKind::Random => "none",
                            _ => built.preset.weights_license,
                        }
                        .to_owned(),
                        text: record.text.clone(),
                        adapter: adapter.clone(),
                        recipe: recipe.clone(),
                        task: self.set.target.task.clone(),
                        clip: serde_json::to_value(&seen.spec).expect("a specification is plain data"),
                        clips: seen.view.clips,
                        view: Some(seen.view),
                        shots: record.shots,
                        seed: *seed,
                        data: record.data.clone(),
                        threshold: output.threshold.map(|(threshold, _)| threshold),
                    };
                    let paths: Vec<&str> = output.fitted.iter().map(String::as_str).collect();
                    save(&self.outputs.adapter(&kept.file_name(key)), &kept, &output.adapter, &paths)?;
                }
                record.status = CellStatus::Done;
                record.scores = Some(scores.clone());
                (record.threshold, record.threshold_on) = output.threshold.unzip();
                record.best = output.best.clone();
                record.parameters = Some(*parameters);
                record.seconds = Some(*seconds);
                record.peak_memory = memory::peak().filter(|_| alone);
            }
            Err(error) => record.error = Some(self.environment.without_folders(self.config, &error.to_string())),
        }
        Ok(record)
    }

    /// # Errors
    /// No video of a split can be used.
    fn usable(&self, job: &Job) -> Result<(), BenchError> {
        let drawn = &self.draws[&(job.record.shots, job.record.seed)];
        for (split, listed, usable) in [("training", drawn, &job.train), ("test", &self.set.test, &job.test)] {
            if usable.is_empty() && !listed.is_empty() {
                return Err(nothing_usable(&self.set, split, listed));
            }
        }
        Ok(())
    }
}

/// The error of a split of which no video can be used, with the first reason.
pub(super) fn nothing_usable(set: &VideoSet, split: &'static str, listed: &[usize]) -> BenchError {
    let of_split =
        |excluded: &&Excluded| !excluded.used && listed.iter().any(|&index| set.videos[index].name == excluded.video);
    let first = set.excluded.iter().find(of_split);
    let first = first.map_or("no reason is known".to_owned(), |first| format!("{}: {}", first.video, first.reason));
    let [data, first] = [&set.name, &first].map(|text| printable(text).into_owned());
    BenchError::NothingUsable { split, data, videos: listed.len(), first }
}
