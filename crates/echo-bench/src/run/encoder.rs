//! An encoder's part of a run: what its cells see, embedded once and shared by all of them.

use std::collections::{BTreeMap, BTreeSet};

use echo_adapt::{AdaptError, Needs};
use echo_core::Stage;
use echo_data::Feature;
use echo_report::{CellRecord, EncoderRecord};
use echo_video::OpenOptions;
use echo_weights::Built;

use super::compute::nothing_usable;
use super::{Environment, RunPart, RunState};
use crate::cell::features::{Embedder, Wanted};
use crate::cell::seen::Seen;
use crate::config::recipe::ZERO_SHOT;
use crate::{BenchError, View};

/// An encoder with all that is known of videos through it.
pub(super) struct EncoderRun<'a> {
    pub(super) built: &'a Built,
    pub(super) record: EncoderRecord,
    /// The encoder that lends its text tower, where one is needed.
    pub(super) text: Option<(&'a Built, EncoderRecord)>,
    pub(super) features: Vec<ViewFeatures>,
    /// Of the external data set's videos.
    pub(super) external: Vec<ViewFeatures>,
    pub(super) options: OpenOptions,
}

/// One of a run's data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Own,
    External,
}

/// What was made of videos seen one way: by stage, then by index of the video.
pub(super) struct ViewFeatures {
    pub(super) seen: Seen,
    pub(super) stages: BTreeMap<Stage, BTreeMap<usize, Feature>>,
    /// By index of the video: why it was used, but says little.
    pub(super) doubts: BTreeMap<usize, String>,
}

impl EncoderRun<'_> {
    fn of(&self, which: Which, seen: &Seen) -> Option<&ViewFeatures> {
        let features = match which {
            Which::Own => &self.features,
            Which::External => &self.external,
        };
        features.iter().find(|features| features.seen == *seen)
    }

    /// One stage's features of the videos `indices`, if all could be used.
    pub(super) fn features(&self, which: Which, seen: &Seen, stage: Stage, indices: &[usize]) -> Option<Vec<&Feature>> {
        if indices.is_empty() {
            return Some(Vec::new());
        }
        let of_stage = self.of(which, seen)?.stages.get(&stage)?;
        indices.iter().map(|index| of_stage.get(index)).collect()
    }

    /// What is doubtful about a video that is `seen` so; nothing for most.
    pub(super) fn doubts(&self, which: Which, seen: &Seen, index: usize) -> Option<&str> {
        self.of(which, seen)?.doubts.get(&index).map(String::as_str)
    }

    /// Those of `indices` that could be embedded as they are `seen`; all of them where nothing was, since the encoder does
    /// not take such clips.
    pub(super) fn usable(&self, which: Which, seen: &Seen, indices: &[usize]) -> Vec<usize> {
        let Some(found) = self.of(which, seen) else { return indices.to_vec() };
        let embedded = found.stages.get(&Stage::Embedding);
        indices.iter().copied().filter(|index| embedded.is_some_and(|found| found.contains_key(index))).collect()
    }
}

impl EncoderRun<'_> {
    /// Of `videos`, leaves out those that another look could not decode: they are no training videos.
    fn forget_unseen(&mut self, look: &ViewFeatures, videos: &[usize]) {
        let plain = look.seen.plain();
        let Some(plain) = self.features.iter_mut().find(|features| features.seen == plain) else { return };
        for index in videos {
            if look.stages.values().any(|of_stage| !of_stage.contains_key(index)) || look.stages.is_empty() {
                plain.stages.values_mut().for_each(|of_stage| drop(of_stage.remove(index)));
            }
        }
    }
}

/// What an encoder's cells need of videos.
pub(super) struct ToEmbed {
    /// Stages of what is seen of all videos.
    pub(super) plain: Vec<(Seen, BTreeSet<Stage>)>,
    /// Stages of other looks at training videos.
    pub(super) looks: Vec<(Seen, BTreeSet<Stage>)>,
}

impl RunState<'_> {
    pub(super) fn run_encoder(
        &mut self,
        name: &str,
        cells: &[CellRecord],
        built: &Built,
        text: Option<&Built>,
    ) -> Result<(), BenchError> {
        let mut run = self.encoder_run(name, built, text);
        let expected = cells.len();
        let cells = self.readable(&run, cells);
        let ToEmbed { plain, looks } = self.to_embed(&run, &cells);
        self.told(|told| told.recount(expected, cells.len()));
        let part = self.environment.part;
        let wanted = part.share(self.wanted.clone());
        for (seen, stages) in plain {
            if let Some(external) = &self.external {
                let videos = part.share(external.test.clone());
                let features = self.embed(&run, seen.clone(), &stages, Which::External, &videos)?;
                run.external.push(features);
                let Some(external) = &self.external else { continue };
                if !videos.is_empty() && run.usable(Which::External, &seen, &videos).is_empty() {
                    self.unusable.push(nothing_usable(external, "test", &videos));
                }
            }
            let features = self.embed(&run, seen, &stages, Which::Own, &wanted)?;
            run.features.push(features);
        }
        // Other looks are for training.
        let drawn: BTreeSet<usize> = self.draws.values().flatten().copied().collect();
        let drawn = part.share(drawn.into_iter().collect());
        for (seen, stages) in looks {
            let drawn = run.usable(Which::Own, &seen.plain(), &drawn);
            let features = self.embed(&run, seen, &stages, Which::Own, &drawn)?;
            run.forget_unseen(&features, &drawn);
            run.features.push(features);
        }
        if let RunPart::Features { .. } = part {
            return Ok(());
        }
        self.run_cells(&cells, &run)
    }

    /// An encoder's part of the run, before anything is embedded.
    pub(super) fn encoder_run<'b>(&self, name: &str, built: &'b Built, text: Option<&'b Built>) -> EncoderRun<'b> {
        let config = self.config;
        let record = |name: &str, built: &Built| EncoderRecord {
            name: name.to_owned(),
            preset: built.preset.name.to_owned(),
            published: built.preset.published,
            weights: built.kind.to_string(),
            weights_hash: built.hash.clone(),
            precision: None,
        };
        let text = text.map(|lent| {
            let record = record(lent.encoder.card().name, lent);
            (lent, record)
        });
        let options = config.open_options();
        EncoderRun { record: record(name, built), built, text, features: Vec::new(), external: Vec::new(), options }
    }

    /// # Errors
    /// Pairs that were asked for by both names and cannot be; `built` are the grid's encoders.
    pub(super) fn refuse_impossible(&self, built: &[(Built, Option<Built>)]) -> Result<(), BenchError> {
        let mut impossible = Vec::new();
        for ((name, cells), (built, text)) in self.grid.iter().zip(built) {
            let run = self.encoder_run(name, built, text.as_ref());
            let adapters: BTreeSet<&str> = cells.iter().map(|cell| cell.adapter.as_str()).collect();
            for adapter in adapters {
                match self.needs_of(&run, adapter) {
                    // A slip in the task, whoever asked for what.
                    Err(error @ BenchError::Adapt(AdaptError::Heads(_))) => return Err(error),
                    Err(error @ BenchError::Adapt(AdaptError::Incompatible { .. }))
                        if self.config.asks_for_pair(name, adapter) =>
                    {
                        impossible.push(error.to_string());
                    }
                    _ => {}
                }
            }
        }
        match impossible.is_empty() {
            true => Ok(()),
            false => Err(BenchError::Config(format!(
                "{}; leave this out, or say `all` encoders or adapters, which leaves out what cannot be",
                impossible.join("; ")
            ))),
        }
    }

    /// `cells` without those that cannot be and that nobody asked for by both names.
    pub(super) fn readable<'b>(&self, run: &EncoderRun<'_>, cells: &'b [CellRecord]) -> Vec<&'b CellRecord> {
        let fits = |adapter: &str| {
            if self.config.asks_for_pair(&run.record.name, adapter) {
                return true;
            }
            match self.needs_of(run, adapter) {
                Err(error @ BenchError::Adapt(AdaptError::Incompatible { .. })) => {
                    // What stands in every table where it can be is missed by nobody who did not ask for it.
                    let asked = self.config.asks_for(adapter) || self.config.asks_for("all");
                    if asked || !ZERO_SHOT.contains(&adapter) {
                        self.environment.observer.line(&format!("left out: {error}"));
                    }
                    false
                }
                _ => true,
            }
        };
        let adapters: BTreeSet<&str> = cells.iter().map(|cell| cell.adapter.as_str()).collect();
        let fitting: BTreeSet<&str> = adapters.into_iter().filter(|adapter| fits(adapter)).collect();
        cells.iter().filter(|cell| fitting.contains(cell.adapter.as_str())).collect()
    }

    /// What is to be embedded for `cells`: whatever is seen the same way, once.
    pub(super) fn to_embed(&self, run: &EncoderRun<'_>, cells: &[&CellRecord]) -> ToEmbed {
        let mut found = ToEmbed { plain: Vec::new(), looks: Vec::new() };
        let ToEmbed { plain, looks } = &mut found;
        for adapter in cells.iter().map(|cell| cell.adapter.as_str()).collect::<BTreeSet<_>>() {
            // Clips that the encoder does not take, and an adapter that cannot be built, are failed cells later.
            let seen = self.seen(run, adapter);
            if seen.check(run.built.encoder.card(), run.built.preset).is_err() {
                continue;
            }
            // Embeddings always: they also tell which videos can be used.
            want(plain, &seen, Stage::Embedding);
            let recipe = &self.plans[adapter].recipe;
            let Ok(Needs { stage, .. }) = self.needs_of(run, adapter) else { continue };
            if stage == Stage::Clip {
                continue;
            }
            want(plain, &seen, stage);
            for look in seen.in_training(recipe.train.augment) {
                want(looks, &look, stage);
            }
        }
        found
    }

    /// What an adapter's cells see.
    pub(super) fn seen(&self, run: &EncoderRun<'_>, adapter: &str) -> Seen {
        Seen::new(run.built.preset, View::of(self.config), &self.plans[adapter].recipe.clip)
    }

    /// Features of `videos` as they are `seen`; what cannot be used is excluded.
    fn embed(
        &mut self,
        run: &EncoderRun<'_>,
        seen: Seen,
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
        let embedder = self.embedder(run, &seen, &stages);
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
        let mut doubts: BTreeMap<usize, String> = BTreeMap::new();
        let truncated =
            embedded.truncated.into_iter().map(|(position, missing)| (position, format!("truncated: {missing}")));
        for (position, doubt) in truncated.chain(embedded.noted) {
            let index = videos[position];
            set.exclude(index, true, doubt.clone());
            let doubts = doubts.entry(index).or_default();
            doubts.push_str(if doubts.is_empty() { "" } else { "; " });
            doubts.push_str(&doubt);
        }
        Ok(ViewFeatures { seen, stages, doubts })
    }

    pub(super) fn embedder<'b>(&'b self, run: &'b EncoderRun<'_>, seen: &'b Seen, stages: &'b [Stage]) -> Embedder<'b> {
        let Environment { device, device_name, precision, observer, .. } = self.environment;
        Embedder {
            built: run.built,
            spec: &seen.spec,
            view: seen.view,
            cache: &self.cache,
            options: &run.options,
            device,
            device_name,
            precision: *precision,
            stages,
            observer: observer.as_ref(),
        }
    }
}

/// Adds `stage` to those that are wanted of videos `seen` so.
fn want(wanted: &mut Vec<(Seen, BTreeSet<Stage>)>, seen: &Seen, stage: Stage) {
    match wanted.iter_mut().find(|(other, _)| other == seen) {
        Some((_, stages)) => drop(stages.insert(stage)),
        None => wanted.push((seen.clone(), BTreeSet::from([stage]))),
    }
}
