//! Clips read from their files batch by batch, for adapters with nothing frozen before them.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{ClipSpec, Features, Stage};
use echo_data::{Look, load_clip};
use echo_train::{AugmentConfig, Samples, TrainError};
use echo_video::OpenOptions;
use rayon::prelude::*;

use crate::View;

/// Videos with a target each; their clips are decoded when a batch is asked for, so that memory does not grow with
/// their number.
#[derive(Debug)]
pub(crate) struct ClipSamples<'a> {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) digests: Vec<blake3::Hash>,
    pub(crate) targets: Vec<f32>,
    pub(crate) spec: &'a ClipSpec,
    /// What is seen of them, but in training with other looks.
    pub(crate) view: View,
    /// A new look at every video in every epoch.
    pub(crate) augment: AugmentConfig,
    pub(crate) options: &'a OpenOptions,
}

impl Samples for ClipSamples<'_> {
    fn targets(&self) -> &[f32] {
        &self.targets
    }

    fn stage(&self) -> Stage {
        Stage::Clip
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
        // Encoders that do not pad see as many frames as the shortest clip of the batch has.
        let frames = loaded.iter().map(|loaded| loaded.clip.frames).min().unwrap_or(0);
        let rows = loaded.into_iter().map(|loaded| {
            let clip = loaded.clip;
            let shape = [1, 3, clip.frames, clip.size, clip.size];
            Tensor::<5>::from_data(TensorData::new(clip.data, shape), device).narrow(2, 0, frames)
        });
        Ok(Features::Clip(Tensor::cat(rows.collect(), 0), clips))
    }
}
