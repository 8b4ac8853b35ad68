//! What a cell is made of, and running it.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use echo_adapt::Adapted;
use echo_core::{Adapter, Stage};
use echo_files::printable;
use echo_metrics::Scores;
use echo_report::{
    BestRecord, Bins, CellRecord, CellStatus, DataRecord, EncoderRecord, Excluded, ExternalRecord, PredictionRow,
    Predictions, Seconds, TestVideo, scores, weights_caution,
};
use echo_train::{Checkpoints, Samples};
use echo_weights::WeightsKind;
use serde::Serialize;

use super::cells::Job;
use super::encoder::{EncoderRun, Which};
use super::{AdapterPlan, RunState};
use crate::cell::adapter_file::{AdapterRecord, save};
use crate::cell::clip_samples::ClipSamples;
use crate::cell::features::NUMERICS;
use crate::cell::seen::Seen;
use crate::cell::{CellOutput, CellSamples, Ingredients, metrics, table};
use crate::data::leakage;
use crate::data::video_set::VideoSet;
use crate::run::memory;
use crate::run::plan::{Cell, key};
use crate::{BenchError, Recipe, Selection};

/// Everything that can change a cell's result.
#[derive(Serialize)]
struct KeyMaterial<'a> {
    encoder: &'a EncoderRecord,
    adapter: &'a str,
    shots: Option<usize>,
    seed: u64,
    data: &'a str,
    splits: &'a str,
    config: &'a serde_json::Value,
    device: &'a str,
    threads: usize,
}

impl RunState<'_> {
    pub(super) fn ingredients<'b>(
        &'b self,
        run: &'b EncoderRun<'_>,
        adapter: &str,
        recipe: &'b Recipe,
        seed: u64,
    ) -> Ingredients<'b> {
        let AdapterPlan { entries, .. } = &self.plans[adapter];
        Ingredients {
            built: run.built,
            entries,
            text: run.text.as_ref().map(|(built, _)| built),
            recipe,
            target: &self.set.target,
            ranks: &self.ranks,
            seed,
            clips: recipe.clip.clips.unwrap_or(self.config.clips),
            device: &self.environment.device,
        }
    }

    /// What `ingredients` give for videos that are `seen` so: the one way to it, for plans and for runs.
    ///
    /// # Errors
    /// The encoder does not take such clips, or [`Ingredients::build`] fails.
    pub(super) fn adapted(
        &self,
        run: &EncoderRun<'_>,
        seen: &Seen,
        ingredients: &Ingredients<'_>,
    ) -> Result<Adapted, BenchError> {
        seen.check(run.built.encoder.card(), self.config.preset)?;
        ingredients.build()
    }

    /// How full the bins of a draw are of which the videos `train` can be used.
    pub(super) fn bins(&self, shots: Option<usize>, train: &[usize]) -> Bins {
        let Some(shots) = shots.filter(|&shots| shots > 0) else { return Bins::default() };
        let bins = |videos: &[usize]| -> Vec<i64> {
            let truths = self.set.labels(videos).into_iter();
            truths.map(|truth| self.set.target.bin_of(truth).floor() as i64).collect()
        };
        Bins::of(&bins(&self.set.train), &bins(train), shots)
    }

    /// Validation videos that can be used, where the best epoch is asked for.
    fn watched(&self, run: &EncoderRun<'_>, seen: &Seen) -> Option<Vec<usize>> {
        match self.config.select {
            Selection::LastEpoch => None,
            Selection::BestValidation => Some(run.usable(Which::Own, seen, &self.set.validation)),
        }
    }

    /// A cell with its key and all that it is made of.
    pub(super) fn job(&self, cell: &Cell, run: &EncoderRun<'_>) -> Job {
        let encoder = &run.record;
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
            task: self.set.task(),
            hash: self.set.hash(&used),
            test_hash: self.set.hash(&[&test]),
            splits: self.splits.clone(),
            train: train.len(),
            bins: bins.all,
            short_bins: bins.short,
            test: test.len(),
            excluded: draw.len() - train.len() + self.set.test.len() - test.len(),
            leaked: leakage::known(&self.set, &train, &self.set, &test).len(),
            phantoms: train.iter().chain(&test).all(|&index| self.set.is_phantom(index)),
        };
        // Test videos of the external data set that can be used, and their hash.
        let external = self.external.as_ref().map(|set| {
            let usable = run.usable(Which::External, &seen, &set.test);
            let hash = set.hash(&[&usable]);
            (usable, hash)
        });
        let ingredients = self.ingredients(run, &cell.adapter, &recipe, cell.seed);
        let adapted = self.adapted(run, &seen, &ingredients);
        let borrows = adapted.as_ref().is_ok_and(|adapted| adapted.borrows_text());
        let text = run.text.as_ref().filter(|_| borrows).map(|(_, record)| record.clone());
        let target = &self.set.target;
        // Of a failed cell too, so that it stands in its row.
        let of_external = self.external.as_ref().zip(external.as_ref());
        let of_external = of_external.map(|(set, (_, hash))| serde_json::json!({ "name": set.name, "hash": hash }));
        let config = serde_json::json!({
            "numerics": NUMERICS,
            "target": { "name": target.name, "unit": target.unit, "thresholds": target.thresholds },
            "external": of_external,
            "recipe": recipe,
            "clip": seen.spec,
            "view": seen.view,
            "ranks": self.ranks,
            "bootstrap": self.config.bootstrap,
            "selection": self.config.select,
            "allow_truncated": self.config.allow_truncated,
            "text": text,
        });
        let key = key(&KeyMaterial {
            encoder,
            adapter: &cell.adapter,
            shots: cell.shots,
            seed: cell.seed,
            data: &data.hash,
            splits: &data.splits,
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
        Job { cell: cell.clone(), key, label, recipe, seen, data, config, text, train, test, external }
    }

    /// Fits and scores a cell and keeps its files. Gives its record, and the paths of what trained.
    pub(super) fn compute(&self, job: &Job, run: &EncoderRun<'_>) -> Result<(CellRecord, Vec<String>), BenchError> {
        let EncoderRun { built, record: encoder, .. } = run;
        let Job { cell, key, recipe, seen, data, config, text, train, test, .. } = job;
        let ingredients = self.ingredients(run, &cell.adapter, recipe, cell.seed);
        let adapted = self.usable(job).and_then(|()| self.adapted(run, seen, &ingredients));
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
        let output = adapted.map(|adapted| adapted.stage()).and_then(|stage| {
            let validation = self.watched(run, seen);
            if validation.as_ref().is_some_and(Vec::is_empty) {
                return Err(nothing_usable(&self.set, "validation", &self.set.validation));
            }
            if stage == Stage::Clip {
                let samples = |set: &VideoSet, indices: &[usize]| {
                    let paths = indices.iter().map(|&index| set.videos[index].path.clone()).collect();
                    let digests = indices.iter().filter_map(|&index| set.videos[index].digest).collect();
                    let labels = set.labels(indices);
                    ClipSamples::new(paths, digests, labels, &seen.spec, seen.view, recipe.train.augment, &run.options)
                };
                let of_external = external.map(|(set, (usable, _))| samples(set, usable));
                let samples = |indices: &[usize]| samples(&self.set, indices);
                let validation = validation.map(|validation| samples(&validation));
                let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
                let external = of_external.as_ref().map(|samples| samples as &dyn Samples);
                let samples = CellSamples { train: &samples(train), validation, test: &samples(test), external };
                return ingredients.run(samples, &checkpoints);
            }
            let rows = |which: Which, seen: &Seen, indices: &[usize]| {
                let missing =
                    || BenchError::Config(format!("not every video was embedded at the stage {}", stage.name()));
                run.features(which, seen, stage, indices).ok_or_else(missing)
            };
            let of_external = external.map(|(set, (usable, _))| {
                table(stage, seen.view.clips, &rows(Which::External, seen, usable)?, &[], set.labels(usable))
            });
            let of_external = of_external.transpose()?;
            let samples = |indices: &[usize], looks: &[Seen]| {
                let looks = looks.iter().map(|look| rows(Which::Own, look, indices)).collect::<Result<Vec<_>, _>>()?;
                table(stage, seen.view.clips, &rows(Which::Own, seen, indices)?, &looks, self.set.labels(indices))
            };
            let validation = validation.map(|validation| samples(&validation, &[])).transpose()?;
            let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
            let (train, test) = (samples(train, &seen.in_training(recipe.train.augment))?, samples(test, &[])?);
            let external = of_external.as_ref().map(|samples| samples as &dyn Samples);
            ingredients.run(CellSamples { train: &train, validation, test: &test, external }, &checkpoints)
        });
        let output = output.and_then(|output| {
            let started = Instant::now();
            let scored = self.scored(job, run, external, &output)?;
            let Seconds { fit, evaluate } = output.seconds;
            let seconds = Seconds { fit, evaluate: evaluate + started.elapsed().as_secs_f64() };
            Ok((CellOutput { seconds, ..output }, scored))
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
            threshold: None,
            clips: (!recipe.clip.is_empty()).then(|| recipe.clip.to_string()),
            parameters: None,
            scores: None,
            best: None,
            external: None,
            files: BTreeMap::new(),
            seconds: None,
            peak_memory: None,
            jobs: self.environment.jobs,
            machine: self.machine.clone(),
            device: self.environment.device_name.clone(),
            finished: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        };
        let mut trainable = Vec::new();
        match output {
            Ok((output, scored)) => {
                let CellOutput { curve, parameters, .. } = &output;
                let mut keep = |which: Predictions, rows: &[PredictionRow]| -> Result<(), BenchError> {
                    record.files.extend([self.outputs.keep_predictions(&data.task, key, which, rows)?]);
                    Ok(())
                };
                keep(Predictions::LastEpoch, &scored.last.0)?;
                if let (Some(best), Some((rows, scores))) = (&output.best, scored.best) {
                    keep(Predictions::BestEpoch, &rows)?;
                    record.best = Some(BestRecord { epoch: best.epoch, validation: best.validation, scores });
                }
                if let (Some((set, (usable, hash))), Some((rows, scores))) = (external, scored.external) {
                    keep(Predictions::External, &rows)?;
                    record.external = Some(ExternalRecord {
                        name: set.name.clone(),
                        hash: hash.clone(),
                        test: usable.len(),
                        excluded: set.test.len() - usable.len(),
                        leaked: leakage::known(&self.set, train, set, usable).len(),
                        phantoms: usable.iter().all(|&index| set.is_phantom(index)),
                        scores,
                    });
                }
                record.files.extend([self.outputs.keep_curve(key, curve)?]);
                if self.config.save_adapters {
                    let adapter = AdapterRecord {
                        schema: AdapterRecord::SCHEMA,
                        written_by: env!("CARGO_PKG_VERSION").to_owned(),
                        encoder: encoder.clone(),
                        weights_license: match built.kind {
                            WeightsKind::Random => "none",
                            _ => built.encoder.card().preset(self.config.preset).weights_license,
                        }
                        .to_owned(),
                        text: record.text.clone(),
                        adapter: cell.adapter.clone(),
                        recipe: recipe.clone(),
                        ranks: self.ranks.clone(),
                        clip: serde_json::to_value(&seen.spec).expect("a specification is plain data"),
                        clips: seen.view.clips,
                        view: Some(seen.view),
                        shots: cell.shots,
                        seed: cell.seed,
                        data: record.data.clone(),
                    };
                    let paths: Vec<&str> = output.fitted.iter().map(String::as_str).collect();
                    save(&self.outputs.adapter(&adapter.file_name(key)), &adapter, &output.adapter, &paths)?;
                }
                record.status = CellStatus::Done;
                record.scores = Some(scored.last.1);
                record.parameters = Some(*parameters);
                record.seconds = Some(output.seconds);
                record.peak_memory = memory::peak().filter(|_| alone);
                trainable = output.trainable;
            }
            Err(error) => record.error = Some(self.environment.without_folders(self.config, &error.to_string())),
        }
        Ok((record, trainable))
    }

    /// A cell's predictions with what makes them doubtful, and their scores.
    ///
    /// # Errors
    /// A prediction cannot be scored, for instance because it is not finite.
    fn scored(
        &self,
        job: &Job,
        run: &EncoderRun<'_>,
        external: Option<(&VideoSet, &(Vec<usize>, String))>,
        output: &CellOutput,
    ) -> Result<ScoredCell, BenchError> {
        let Job { seen, data, train, test, .. } = job;
        let metrics = metrics(&self.set.target.thresholds, &self.ranks);
        let scored = |which, set: &VideoSet, indices: &[usize], predictions: &[f32]| -> Result<_, BenchError> {
            let known = leakage::known(&self.set, train, set, indices);
            let row = |((&index, &prediction), video): ((&usize, &f32), TestVideo)| {
                let caution = weights_caution(&run.record.preset, &run.record.weights, set.is_phantom(index));
                let doubts = run.doubts(which, seen, index);
                let leaked = known.contains(&index).then_some(leakage::KNOWN);
                let warning = caution.into_iter().chain(leaked).chain(doubts).collect::<Vec<_>>().join("; ");
                let TestVideo { video, patient, truth } = video;
                PredictionRow { video, patient, truth, prediction: vec![prediction], warning }
            };
            let rows: Vec<PredictionRow> =
                indices.iter().zip(predictions).zip(set.labelled(indices)).map(row).collect();
            let scores = scores(&data.task, &rows, &metrics, None, self.config.bootstrap)?;
            Ok((rows, scores))
        };
        let best = output.best.as_ref().map(|best| scored(Which::Own, &self.set, test, &best.predictions));
        let external = external.zip(output.external.as_ref());
        let external = external.map(|((set, (usable, _)), found)| scored(Which::External, set, usable, found));
        Ok(ScoredCell {
            last: scored(Which::Own, &self.set, test, &output.predictions)?,
            best: best.transpose()?,
            external: external.transpose()?,
        })
    }

    /// # Errors
    /// No video of a split can be used.
    fn usable(&self, job: &Job) -> Result<(), BenchError> {
        let drawn = &self.draws[&(job.cell.shots, job.cell.seed)];
        for (split, listed, usable) in [("training", drawn, &job.train), ("test", &self.set.test, &job.test)] {
            if usable.is_empty() && !listed.is_empty() {
                return Err(nothing_usable(&self.set, split, listed));
            }
        }
        Ok(())
    }
}

/// A cell's rows and their scores: after the last epoch, after the one that was best on validation, and on the external test
/// videos.
struct ScoredCell {
    last: (Vec<PredictionRow>, Scores),
    best: Option<(Vec<PredictionRow>, Scores)>,
    external: Option<(Vec<PredictionRow>, Scores)>,
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
