//! What a cell is made of, and running it.

use std::time::{SystemTime, UNIX_EPOCH};

use echo_core::{Adapter, RankSpec, Stage};
use echo_data::Target;
use echo_train::{Checkpoints, Samples};
use serde::Serialize;

use super::cells::Job;
use super::encoder::{EncoderRun, Which};
use super::{AdapterPlan, RunState};
use crate::adapter_file::{AdapterRecord, save};
use crate::cell::{CellOutput, CellSamples, Ingredients, table};
use crate::clip_samples::ClipSamples;
use crate::features::NUMERICS;
use crate::leakage;
use crate::memory;
use crate::outputs::{PredictionRow, Predictions};
use crate::plan::{Cell, Twin, key};
use crate::random_prompts::random_prompts;
use crate::runs::{CellRecord, CellStatus, DataRecord, EncoderRecord, ExternalRecord};
use crate::seen::Seen;
use crate::video_set::VideoSet;
use crate::{BenchError, Recipe, Selection};

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

impl RunState<'_> {
    pub(super) fn ingredients<'b>(
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
            clips: recipe.clip.clips.unwrap_or(self.config.clips),
            bootstrap: self.config.bootstrap,
            device: &self.environment.device,
        }
    }

    /// A cell with its key and all that it is made of.
    pub(super) fn job(&self, cell: &Cell, run: &EncoderRun<'_>) -> Job {
        let EncoderRun { built, record: encoder, .. } = run;
        let recipe = match (cell.twin, &self.plans[cell.adapter.as_str()].recipe) {
            (Twin::OtherReading, recipe) => recipe.with_other_reading().unwrap_or_else(|| recipe.clone()),
            (_, recipe) => recipe.clone(),
        };
        let seen = self.seen(run, &cell.adapter);
        // What a recipe asks for that is so anyway does not make another cell.
        let recipe = Recipe { clip: seen.change, ..recipe };
        let draw = &self.draws[&(cell.shots, cell.seed)];
        let (train, test) = (run.usable(Which::Own, &seen, draw), run.usable(Which::Own, &seen, &self.set.test));
        let data = DataRecord {
            name: self.set.name.clone(),
            target: self.set.target.name.clone(),
            unit: self.set.target.unit.clone(),
            hash: self.set.hash(&[&train, &test]),
            train: train.len(),
            test: test.len(),
            excluded: draw.len() - train.len() + self.set.test.len() - test.len(),
            leaked: leakage::count(&self.set, &train, &self.set, &test),
        };
        // Test videos of the external data set that can be used, and their hash.
        let external = self.external.as_ref().map(|set| {
            let usable = run.usable(Which::External, &seen, &set.test);
            let hash = set.hash(&[&usable]);
            (usable, hash)
        });
        let random;
        let ranks = match cell.twin {
            Twin::RandomPrompts => {
                random = random_prompts(self.ranks, cell.seed);
                &random
            }
            Twin::None | Twin::OtherReading => self.ranks,
        };
        let ingredients = self.ingredients(run, &cell.adapter, &recipe, ranks, cell.seed);
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
            external: external.as_ref().map(|(_, hash)| hash.as_str()),
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
        Job { cell: cell.clone(), key, label, recipe, seen, data, config, text, ranks, train, test, external }
    }

    /// Fits and scores a cell and keeps its files. Gives its record, and the paths of what trained.
    pub(super) fn compute(&self, job: &Job, run: &EncoderRun<'_>) -> Result<(CellRecord, Vec<String>), BenchError> {
        let EncoderRun { built, record: encoder, .. } = run;
        let Job { cell, key, recipe, seen, data, config, text, ranks, train, test, .. } = job;
        let ingredients = self.ingredients(run, &cell.adapter, recipe, ranks, cell.seed);
        let adapted = seen.check(built.encoder.card(), self.config.preset).and_then(|()| ingredients.build());
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
                Selection::BestValidation => Some(run.usable(Which::Own, seen, &self.set.validation)),
            };
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
                run.features(which, seen, stage, indices).expect("every usable video was embedded at every stage")
            };
            let of_external = external.map(|(set, (usable, _))| {
                table(stage, seen.view.clips, &rows(Which::External, seen, usable), &[], set.labels(usable))
            });
            let of_external = of_external.transpose()?;
            let samples = |indices: &[usize], looks: &[Seen]| {
                let looks: Vec<_> = looks.iter().map(|look| rows(Which::Own, look, indices)).collect();
                table(stage, seen.view.clips, &rows(Which::Own, seen, indices), &looks, self.set.labels(indices))
            };
            let validation = validation.map(|validation| samples(&validation, &[])).transpose()?;
            let validation = validation.as_ref().map(|validation| validation as &dyn Samples);
            let (train, test) = (samples(train, &seen.in_training(recipe.train.augment))?, samples(test, &[])?);
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
                    self.outputs.keep_predictions(key, Predictions::External, &rows(set, usable, predictions))?;
                    record.external = Some(ExternalRecord {
                        name: set.name.clone(),
                        hash: hash.clone(),
                        test: usable.len(),
                        excluded: set.test.len() - usable.len(),
                        leaked: leakage::count(&self.set, train, set, usable),
                        scores: scores.clone(),
                    });
                }
                if let Some(best) = &output.best_predictions {
                    self.outputs.keep_predictions(key, Predictions::BestEpoch, &rows(&self.set, test, best))?;
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
}
