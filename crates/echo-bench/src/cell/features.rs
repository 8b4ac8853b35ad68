//! The output of a frozen stage for every video that a benchmark needs, from the cache or computed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use echo_adapt::zoom_frames;
use echo_core::{AnyEncoder, ClipSpec, Stage, Tokens};
use echo_data::{Feature, FeatureCache, LoadedClip, StageKey, digest_of, for_each_clip};
use echo_files::FileLock;
use echo_kernels::Precision;
use echo_video::OpenOptions;
use echo_weights::Built;
use serde::Serialize;

use crate::{BenchError, Observer, View};

/// Raised whenever results may change for the same inputs: in decoding, preprocessing, networks or training.
pub(crate) const NUMERICS: u32 = 7;

/// Everything that a stage's output depends on, beside the video.
#[derive(Serialize)]
struct StageDescription<'a> {
    stage: &'static str,
    encoder: &'a str,
    preset: &'a str,
    weights: &'a str,
    clip: &'a ClipSpec,
    view: View,
    /// Which clip of the view.
    place: usize,
    decoder: &'static str,
    device: &'a str,
    precision: &'static str,
    numerics: u32,
}

/// A video that features are wanted of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a Path,
    pub(crate) digest: blake3::Hash,
}

impl Wanted<'_> {
    /// Whether the file still holds what was hashed. That costs little beside decoding it.
    ///
    /// # Errors
    /// The machine fails to read it.
    fn is_unchanged(&self) -> Result<bool, BenchError> {
        match digest_of(self.path) {
            Err(error) if error.is_of_machine() => Err(BenchError::Machine(error.to_string())),
            digest => Ok(digest.is_ok_and(|digest| digest == self.digest)),
        }
    }
}

/// Embeds clips with one encoder.
#[derive(Debug)]
pub(crate) struct Embedder<'a> {
    pub(crate) built: &'a Built,
    /// How clips are made.
    pub(crate) spec: &'a ClipSpec,
    pub(crate) view: View,
    pub(crate) cache: &'a FeatureCache,
    pub(crate) options: &'a OpenOptions,
    pub(crate) device: &'a Device,
    pub(crate) device_name: &'a str,
    pub(crate) precision: Precision,
    /// What is wanted of every clip.
    pub(crate) stages: &'a [Stage],
    /// Is told how far it is.
    pub(crate) observer: &'a dyn Observer,
}

/// What became of the videos.
#[derive(Debug, Default)]
pub(crate) struct Embedded {
    /// By stage, then by index of the video; those that could not be decoded are missing. Embeddings are
    /// `[clips, dim]`, frame features `[clips * time, width]`. Tokens, `[clips * tokens, width]`, have no values but where the
    /// cache does not have them: see [`is_on_disk`].
    pub(crate) features: BTreeMap<Stage, BTreeMap<usize, Feature>>,
    /// Why a video is missing.
    pub(crate) failed: BTreeMap<usize, String>,
    /// What is missing of a truncated video that was used.
    pub(crate) truncated: BTreeMap<usize, String>,
    /// What a user should know of a video that was used.
    pub(crate) noted: BTreeMap<usize, String>,
    /// Clips that were computed, not read from the cache.
    pub(crate) computed: usize,
}

impl Embedder<'_> {
    /// The wanted stages of all clips of `videos`.
    ///
    /// Every clip is a batch of its own, so that what comes of it has the same bits whatever else is computed. One
    /// pass through the encoder gives all stages.
    ///
    /// # Errors
    /// The cache cannot be written, or the machine fails to read a video.
    pub(crate) fn embed(&self, videos: &[Wanted<'_>]) -> Result<Embedded, BenchError> {
        let _claim = self.claim(videos)?;
        let (card, spec) = (self.built.encoder.card(), self.spec);
        let mut result = Embedded::default();
        // By video, then by clip, then by stage.
        let mut rows: Vec<Vec<Vec<Feature>>> = vec![Vec::new(); videos.len()];
        for place in 0..self.view.clips {
            let keys: Vec<StageKey> = self.stages.iter().map(|&stage| self.key(stage, place)).collect();
            let mut missing = Vec::new();
            let mut cached: BTreeMap<usize, Vec<Feature>> = BTreeMap::new();
            for (index, video) in videos.iter().enumerate() {
                let found = keys.iter().map(|key| self.cache.get(key, &video.digest)).collect::<Option<Vec<_>>>();
                match found.filter(|features| self.fits(features) && is_finite(features)) {
                    Some(features) => drop(cached.insert(index, self.without_tokens(features))),
                    None => missing.push(index),
                }
            }
            let paths: Vec<&Path> = missing.iter().map(|&index| videos[index].path).collect();
            let tell = |done| {
                if !paths.is_empty() {
                    self.observer.progress(&format!("embedding with {}", card.name), done, paths.len(), "");
                }
            };
            tell(0);
            // What ends it: a cache that cannot be written, a machine that fails to read.
            let (mut done, mut fatal) = (0, None);
            for_each_clip(
                &paths,
                spec,
                |position| self.view.look(place, &videos[missing[position]].digest, spec.size),
                self.options,
                |_, loaded| (self.precision.run(|| self.encode(&loaded)), loaded.truncation),
                |position, outcome| {
                    let index = missing[position];
                    // What came of other bytes than those that were hashed must not be kept as theirs.
                    let unchanged = outcome.is_err()
                        || videos[index].is_unchanged().unwrap_or_else(|error| {
                            fatal.get_or_insert(error);
                            false
                        });
                    match outcome {
                        Ok(_) if !unchanged => {
                            drop(result.failed.insert(index, "changed while the benchmark ran".to_owned()));
                        }
                        Ok((features, _)) if !is_finite(&features) => {
                            let reason = format!("what {} makes of it is no number (NaN or infinity)", card.name);
                            drop(result.failed.insert(index, reason));
                        }
                        Ok((mut features, truncation)) => {
                            result.computed += 1;
                            match truncation {
                                // What a truncated file gives is not kept: it is no property of the video.
                                Some(truncation) => drop(result.truncated.insert(index, truncation)),
                                None => {
                                    for (key, feature) in keys.iter().zip(&features) {
                                        if let Err(error) = self.cache.put(key, &videos[index].digest, feature) {
                                            fatal.get_or_insert(BenchError::Data(error));
                                        }
                                    }
                                    features = self.without_tokens(features);
                                }
                            }
                            cached.insert(index, features);
                        }
                        Err(error) if error.is_of_machine() => {
                            fatal.get_or_insert(BenchError::Machine(error.to_string()));
                        }
                        Err(error) => drop(result.failed.insert(index, error.to_string())),
                    }
                    done += 1;
                    tell(done);
                    match fatal.is_some() || self.observer.is_stopped() {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                },
            );
            if let Some(error) = fatal {
                return Err(error);
            }
            if done < paths.len() {
                return Err(BenchError::Stopped);
            }
            for (index, features) in cached {
                let note = features.iter().map(|feature| &feature.note).find(|note| !note.is_empty());
                result.noted.extend(note.map(|note| (index, note.clone())));
                rows[index].push(features);
            }
        }
        for (index, clips) in rows.into_iter().enumerate().filter(|(_, clips)| clips.len() == self.view.clips) {
            for (position, &stage) in self.stages.iter().enumerate() {
                let of_stage = clips.iter().map(|features| &features[position]);
                let shape = [of_stage.clone().map(|feature| feature.shape[0]).sum(), clips[0][position].shape[1]];
                let values = of_stage.flat_map(|feature| feature.values.iter().copied()).collect();
                result.features.entry(stage).or_default().insert(index, Feature { shape, values, note: String::new() });
            }
        }
        Ok(result)
    }

    /// Claims the computing of what is not cached of `videos`, after waiting for another process that is at the same:
    /// side by side, both would compute all of it.
    fn claim(&self, videos: &[Wanted<'_>]) -> Result<Option<FileLock>, BenchError> {
        let is_missing = || videos.iter().any(|video| self.uncached(&video.digest) > 0);
        if !is_missing() {
            return Ok(None);
        }
        let card = self.built.encoder.card();
        let mut hasher = blake3::Hasher::new();
        for &stage in self.stages {
            hasher.update(self.key(stage, 0).bytes());
        }
        for video in videos {
            hasher.update(video.digest.as_bytes());
        }
        let path = self.cache.lock_file(&hasher.finalize()).map_err(BenchError::Data)?;
        let on_wait = || {
            let text = format!("another process embeds the same videos with {}; waiting for it", card.name);
            self.observer.line(&text);
        };
        FileLock::wait(&path, on_wait).map(Some).map_err(BenchError::io(&path))
    }

    /// How many clips of a video would have to be computed.
    pub(crate) fn uncached(&self, video: &blake3::Hash) -> usize {
        let is_cached = |place: usize| self.stages.iter().all(|&stage| self.cache.has(&self.key(stage, place), video));
        (0..self.view.clips).filter(|&place| !is_cached(place)).count()
    }

    /// The same without the values of tokens, which the cache has: those of all videos would fill memory.
    fn without_tokens(&self, features: Vec<Feature>) -> Vec<Feature> {
        let lighter = |(&stage, feature): (&Stage, Feature)| match stage {
            Stage::Tokens => Feature { values: Vec::new(), ..feature },
            _ => feature,
        };
        self.stages.iter().zip(features).map(lighter).collect()
    }

    /// The cache's key of a stage of the clip at `place`.
    pub(crate) fn key(&self, stage: Stage, place: usize) -> StageKey {
        let description = StageDescription {
            stage: stage.name(),
            encoder: self.built.encoder.card().name,
            preset: self.built.preset.name,
            weights: &self.built.hash,
            clip: self.spec,
            view: self.view,
            place,
            decoder: self.options.decoder(),
            device: self.device_name,
            precision: self.precision.name(),
            numerics: NUMERICS,
        };
        StageKey::new(&serde_json::to_string(&description).expect("a description is plain data"))
    }

    /// Whether these are what the encoder gives of one clip at the wanted stages.
    fn fits(&self, features: &[Feature]) -> bool {
        let preset = self.built.preset;
        let is_whole = |(&stage, feature): (&Stage, &Feature)| match (stage, feature.shape) {
            (Stage::Embedding | Stage::SecondEmbedding, shape) => shape == [1, preset.dim],
            (Stage::Frames, [time, width]) => time > 0 && width == preset.width,
            (Stage::ZoomFrames, [time, width]) => time > 0 && width == 2 * preset.width,
            (Stage::Tokens, [tokens, width]) => tokens > 0 && width == self.built.encoder.token_width(),
            (Stage::Clip, _) => false,
        };
        // As many frames at every stage that has them.
        let has_frames = |stage: Stage| matches!(stage, Stage::Frames | Stage::ZoomFrames);
        let time = |(stage, feature): (&Stage, &Feature)| has_frames(*stage).then_some(feature.shape[0]);
        let times: Vec<usize> = self.stages.iter().zip(features).filter_map(time).collect();
        self.stages.iter().zip(features).all(is_whole) && times.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// One pass through the encoder: every wanted stage of a clip.
    fn encode(&self, loaded: &LoadedClip) -> Vec<Feature> {
        let tensor = loaded.clip.clone().into_tensor(self.device);
        let note = loaded.warnings.join("; ");
        let encoder = &self.built.encoder;
        let tokens = encoder.tokens(tensor.clone());
        let of_stage = |&stage: &Stage| {
            let rows: Tensor<2> = of_tokens(stage, encoder, &tokens, tensor.clone()).squeeze_dim(0);
            Feature { shape: rows.dims(), values: rows.into_data().iter::<f32>().collect(), note: note.clone() }
        };
        self.stages.iter().map(of_stage).collect()
    }
}

/// Whether the values of a feature are in the cache alone.
pub(crate) fn is_on_disk(feature: &Feature) -> bool {
    feature.values.is_empty() && feature.shape != [0, 0]
}

fn is_finite(features: &[Feature]) -> bool {
    features.iter().all(|feature| feature.values.iter().all(|value| value.is_finite()))
}

/// A stage's output for one clip `[1, 3, frames, height, width]`: `[1, time or 1, columns]`.
pub(crate) fn of_clip(stage: Stage, encoder: &AnyEncoder, clip: Tensor<5>) -> Tensor<3> {
    of_tokens(stage, encoder, &encoder.tokens(clip.clone()), clip)
}

fn of_tokens(stage: Stage, encoder: &AnyEncoder, tokens: &Tokens, clip: Tensor<5>) -> Tensor<3> {
    match stage {
        Stage::Embedding => encoder.embed(tokens).unsqueeze_dim(1),
        Stage::SecondEmbedding => {
            let negation = encoder.negation().expect("it is asked for of encoders with a second branch");
            negation.branches(clip).no.unsqueeze_dim(1)
        }
        Stage::Frames => encoder.frame_features(tokens),
        Stage::ZoomFrames => zoom_frames(encoder, encoder.frame_features(tokens), clip),
        Stage::Tokens => tokens.rows(),
        Stage::Clip => unreachable!("clips are read from their files"),
    }
}
