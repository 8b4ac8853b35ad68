//! Clips read from their files batch by batch, for adapters with nothing frozen before them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{ClipSpec, Features, Padding, Stage};
use echo_data::{Look, Start, load_clip, select_frames};
use echo_train::{AugmentConfig, Samples, TrainError};
use echo_video::{OpenOptions, Video};
use rayon::prelude::*;

use crate::View;

/// Videos with a target each; their clips are decoded when a batch is asked for, so that memory does not grow with
/// their number.
#[derive(Debug)]
pub(crate) struct ClipSamples<'a> {
    paths: Vec<PathBuf>,
    digests: Vec<blake3::Hash>,
    targets: Vec<f32>,
    spec: &'a ClipSpec,
    /// What is seen of them, but in training with other looks.
    view: View,
    /// A new look at every video in every epoch.
    augment: AugmentConfig,
    options: &'a OpenOptions,
    /// Frames of each video's clips where short ones are not padded, once they are known.
    frames: Vec<OnceLock<usize>>,
}

impl<'a> ClipSamples<'a> {
    /// The videos at `paths` with their `digests` and `targets`.
    pub(crate) fn new(
        paths: Vec<PathBuf>,
        digests: Vec<blake3::Hash>,
        targets: Vec<f32>,
        spec: &'a ClipSpec,
        view: View,
        augment: AugmentConfig,
        options: &'a OpenOptions,
    ) -> Self {
        let frames = paths.iter().map(|_| OnceLock::new()).collect();
        Self { paths, digests, targets, spec, view, augment, options, frames }
    }

    /// Frames of a video's clips, wherever they begin. A video that cannot be opened has none, and the batch says why.
    fn frames(&self, index: usize) -> usize {
        *self.frames[index].get_or_init(|| match Video::open(&self.paths[index], self.options) {
            Ok(video) => select_frames(video.info().frames, self.spec, Start::First).frames.len(),
            Err(_) => 0,
        })
    }
}

impl Samples for ClipSamples<'_> {
    fn targets(&self) -> &[f32] {
        &self.targets
    }

    fn stage(&self) -> Stage {
        Stage::Clip
    }

    /// By the length of their clips, where short ones are not padded: none is cut to that of another.
    fn groups(&self, indices: &[usize]) -> Vec<Vec<usize>> {
        if self.spec.padding != Padding::Shorter {
            return vec![indices.to_vec()];
        }
        let frames: Vec<usize> = indices.par_iter().map(|&index| self.frames(index)).collect();
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (&index, frames) in indices.iter().zip(frames) {
            groups.entry(frames).or_default().push(index);
        }
        groups.into_values().collect()
    }

    fn batch(&self, indices: &[usize], epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        let clips = self.view.clips;
        let view = match epoch {
            Some(epoch) if self.augment.views > 0 => self.view.augmented(self.augment, epoch),
            _ => self.view,
        };
        let wanted: Vec<(usize, Look)> = indices
            .iter()
            .flat_map(|&index| (0..clips).map(move |clip| (index, clip)))
            .map(|(index, clip)| (index, view.look(clip, &self.digests[index], self.spec.size)))
            .collect();
        let loaded: Vec<_> = wanted
            .par_iter()
            .map(|&(index, look)| load_clip(&self.paths[index], self.spec, look, self.options))
            .collect::<Result<_, _>>()
            .map_err(|error| TrainError::Sample(error.to_string()))?;
        if let Some((of, odd)) = loaded.iter().enumerate().find(|(_, other)| other.clip.frames != loaded[0].clip.frames)
        {
            let path = self.paths[wanted[of].0].display();
            let (found, expected) = (odd.clip.frames, loaded[0].clip.frames);
            return Err(TrainError::Sample(format!(
                "{path}: a clip of {found} frames in a batch of {expected}; did the file change?"
            )));
        }
        let rows = loaded.into_iter().map(|loaded| {
            let clip = loaded.clip;
            let shape = [1, 3, clip.frames, clip.size, clip.size];
            Tensor::<5>::from_data(TensorData::new(clip.data, shape), device)
        });
        Ok(Features::Clip(Tensor::cat(rows.collect(), 0), clips))
    }
}
