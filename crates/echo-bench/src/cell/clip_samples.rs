//! Clips read from their files batch by batch, for adapters with nothing frozen before them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor};
use echo_core::{ClipSpec, Features, Padding, Stage, Truth};
use echo_data::{Look, Start, load_clip, select_frames};
use echo_train::{AugmentConfig, Samples, TrainError};
use echo_video::{OpenOptions, Video};
use rayon::prelude::*;

use crate::View;

/// Labelled samples of one video or several; their clips are decoded when a batch is asked for, so that memory does not
/// grow with their number.
#[derive(Debug)]
pub(crate) struct ClipSamples<'a> {
    /// Of each sample its videos, each with its digest.
    videos: Vec<Vec<(PathBuf, blake3::Hash)>>,
    truths: Vec<Truth>,
    spec: &'a ClipSpec,
    /// What is seen of them, but in training with other looks.
    view: View,
    /// A new look at every video in every epoch.
    augment: AugmentConfig,
    options: &'a OpenOptions,
    /// Frames of each sample's clips where short ones are not padded, once they are known.
    frames: Vec<OnceLock<usize>>,
}

impl<'a> ClipSamples<'a> {
    pub(crate) fn new(
        videos: Vec<Vec<(PathBuf, blake3::Hash)>>,
        truths: Vec<Truth>,
        spec: &'a ClipSpec,
        view: View,
        augment: AugmentConfig,
        options: &'a OpenOptions,
    ) -> Self {
        let frames = videos.iter().map(|_| OnceLock::new()).collect();
        Self { videos, truths, spec, view, augment, options, frames }
    }

    /// Frames of the clips of a sample's first video, wherever they begin. One that cannot be opened has none, and the batch
    /// says why.
    fn frames(&self, index: usize) -> usize {
        let of = |(path, _): &(PathBuf, blake3::Hash)| match Video::open(path, self.options) {
            Ok(video) => select_frames(video.info().frames, self.spec, Start::First).frames.len(),
            Err(_) => 0,
        };
        *self.frames[index].get_or_init(|| self.videos[index].first().map_or(0, of))
    }
}

impl Samples for ClipSamples<'_> {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        Stage::Clip
    }

    fn clips(&self) -> usize {
        self.videos.iter().map(Vec::len).sum::<usize>() * self.view.clips
    }

    /// By the number of their videos and, where short ones are not padded, by the length of their clips: none is cut to that
    /// of another.
    fn groups(&self, indices: &[usize]) -> Vec<Vec<usize>> {
        let frames: Vec<usize> = match self.spec.padding == Padding::Shorter {
            true => indices.par_iter().map(|&index| self.frames(index)).collect(),
            false => vec![self.spec.frames; indices.len()],
        };
        let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (&index, frames) in indices.iter().zip(frames) {
            groups.entry((self.videos[index].len(), frames)).or_default().push(index);
        }
        groups.into_values().collect()
    }

    fn batch(&self, indices: &[usize], epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        let view = match epoch {
            Some(epoch) if self.augment.views > 0 => self.view.augmented(self.augment, epoch),
            _ => self.view,
        };
        let clips = indices.first().map_or(1, |&index| self.videos[index].len() * self.view.clips);
        let wanted: Vec<(&Path, Look)> = indices
            .iter()
            .flat_map(|&index| &self.videos[index])
            .flat_map(|video| (0..self.view.clips).map(move |clip| (video, clip)))
            .map(|((path, digest), clip)| (path.as_path(), view.look(clip, digest, self.spec.size)))
            .collect();
        let loaded: Vec<_> = wanted
            .par_iter()
            .map(|&(path, look)| load_clip(path, self.spec, look, self.options))
            .collect::<Result<_, _>>()
            .map_err(|error| TrainError::Sample(error.to_string()))?;
        if let Some((of, odd)) = loaded.iter().enumerate().find(|(_, other)| other.clip.frames != loaded[0].clip.frames)
        {
            let path = wanted[of].0.display();
            let (found, expected) = (odd.clip.frames, loaded[0].clip.frames);
            return Err(TrainError::Sample(format!(
                "{path}: a clip of {found} frames in a batch of {expected}; do the videos of one study differ in length, or did the file change?"
            )));
        }
        let rows = loaded.into_iter().map(|loaded| loaded.clip.into_tensor(device));
        Ok(Features::Clip(Tensor::cat(rows.collect(), 0), clips))
    }
}
