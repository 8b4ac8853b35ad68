//! Tokens of frozen encoders, read from the cache batch by batch: those of all videos would fill memory.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use echo_core::{Features, Stage, Truth};
use echo_data::{Feature, FeatureCache, StageKey};
use echo_train::{Samples, TrainError};
use rayon::prelude::*;

use crate::cell::features::is_on_disk;

/// One look at all samples.
#[derive(Debug)]
pub(crate) struct TokenLook<'a> {
    /// Of each clip of a video.
    pub(crate) keys: Vec<StageKey>,
    /// Of each sample what is known of its videos: values where the cache does not have them, `[clips * tokens, width]`.
    pub(crate) samples: Vec<Vec<&'a Feature>>,
}

/// Labelled samples of one video or several.
#[derive(Debug)]
pub(crate) struct TokenSamples<'a> {
    pub(crate) cache: FeatureCache,
    pub(crate) plain: TokenLook<'a>,
    /// Other looks at the samples, which epochs take in turn instead of the plain one.
    pub(crate) looks: Vec<TokenLook<'a>>,
    /// Of each sample those of its videos.
    pub(crate) digests: Vec<Vec<blake3::Hash>>,
    pub(crate) truths: Vec<Truth>,
}

impl TokenSamples<'_> {
    /// All of a sample's tokens, clip by clip.
    fn values(&self, look: &TokenLook<'_>, index: usize) -> Result<Vec<f32>, TrainError> {
        let mut values = Vec::new();
        for (feature, digest) in look.samples[index].iter().zip(&self.digests[index]) {
            if !is_on_disk(feature) {
                values.extend_from_slice(&feature.values);
                continue;
            }
            let before = values.len();
            for key in &look.keys {
                let gone =
                    || TrainError::Sample("tokens left the cache while they were needed; run it again".to_owned());
                values.extend(self.cache.get(key, digest).ok_or_else(gone)?.values);
            }
            let [count, width] = feature.shape;
            if values.len() - before != count * width {
                return Err(TrainError::Sample("tokens in the cache changed while they were needed".to_owned()));
            }
        }
        Ok(values)
    }

    /// Clips of a sample, its tokens, and their length.
    fn sizes(&self, index: usize) -> [usize; 3] {
        let of_videos = &self.plain.samples[index];
        let tokens = of_videos.iter().map(|feature| feature.shape[0]).sum();
        [of_videos.len() * self.plain.keys.len(), tokens, of_videos.first().map_or(0, |feature| feature.shape[1])]
    }
}

impl Samples for TokenSamples<'_> {
    fn truths(&self) -> &[Truth] {
        &self.truths
    }

    fn stage(&self) -> Stage {
        Stage::Tokens
    }

    fn clips(&self) -> usize {
        (0..self.truths.len()).map(|index| self.sizes(index)[0]).sum()
    }

    /// By clips and tokens.
    fn groups(&self, indices: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<[usize; 3], Vec<usize>> = BTreeMap::new();
        indices.iter().for_each(|&index| groups.entry(self.sizes(index)).or_default().push(index));
        groups.into_values().collect()
    }

    fn batch(&self, indices: &[usize], epoch: Option<usize>, device: &Device) -> Result<Features, TrainError> {
        let look = match epoch {
            Some(epoch) if !self.looks.is_empty() => &self.looks[epoch % self.looks.len()],
            _ => &self.plain,
        };
        let rows: Vec<Vec<f32>> =
            indices.par_iter().map(|&index| self.values(look, index)).collect::<Result<_, _>>()?;
        let values = rows.concat();
        let [clips, tokens, width] = indices.first().map_or([1, 0, 0], |&index| self.sizes(index));
        if clips == 0 || tokens % clips > 0 || values.len() != indices.len() * tokens * width {
            return Err(TrainError::Sample(format!(
                "{} values of tokens for {} samples of {clips} clips with {tokens} tokens; do the videos of one study differ in length?",
                values.len(),
                indices.len()
            )));
        }
        let data = TensorData::new(values, [indices.len(), clips, tokens / clips, width]);
        Ok(Features::Tokens(Tensor::from_data(data, device)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(tokens: usize, first: f32) -> Feature {
        let values = (0..2 * tokens).map(|index| first + index as f32).collect();
        Feature { shape: [tokens, 2], values, note: String::new() }
    }

    /// What stays in memory of a feature that the cache has.
    fn light(features: &[&Feature]) -> Feature {
        let tokens = features.iter().map(|feature| feature.shape[0]).sum();
        Feature { shape: [tokens, 2], values: Vec::new(), note: String::new() }
    }

    #[test]
    fn batches_have_the_cached_tokens_of_their_samples_and_say_when_they_are_gone() {
        let folder = std::env::temp_dir().join(format!("echo-bench-tokens-{}", std::process::id()));
        let cache = FeatureCache::new(&folder);
        let keys: Vec<StageKey> = ["clip 0", "clip 1"].map(StageKey::new).into();
        let digests = [b"a", b"b"].map(|bytes| blake3::hash(bytes));
        let of_clips = [[feature(3, 0.0), feature(3, 10.0)], [feature(3, 20.0), feature(3, 30.0)]];
        for (digest, clips) in digests.iter().zip(&of_clips) {
            keys.iter().zip(clips).for_each(|(key, clip)| cache.put(key, digest, clip).unwrap());
        }
        let kept = of_clips.each_ref().map(|[one, other]| light(&[one, other]));
        // A truncated video, whose tokens the cache does not have, and one with fewer of them.
        let (truncated, shorter) = (feature(6, 40.0), feature(4, 50.0));
        let samples = [&kept[0], &kept[1], &truncated, &shorter];
        let samples = TokenSamples {
            cache: cache.clone(),
            plain: TokenLook { keys, samples: samples.map(|feature| vec![feature]).into() },
            looks: Vec::new(),
            digests: vec![vec![digests[0]], vec![digests[1]], vec![blake3::hash(b"c")], vec![blake3::hash(b"d")]],
            truths: vec![Truth::Class(0); 4],
        };
        assert_eq!(samples.clips(), 8);
        assert_eq!(samples.groups(&[0, 3, 2, 1]), [vec![3], vec![0, 2, 1]]);
        let batch = |indices: &[usize]| match samples.batch(indices, None, &Device::flex()) {
            Ok(Features::Tokens(tokens)) => Ok((tokens.dims(), tokens.into_data().try_to_vec::<f32>().unwrap())),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        let (dims, values) = batch(&[1, 2]).unwrap();
        assert_eq!(dims, [2, 2, 3, 2]);
        let expected = [&of_clips[1][0], &of_clips[1][1], &truncated].map(|feature| feature.values.clone()).concat();
        assert_eq!(values, expected);
        cache.clear().unwrap();
        assert!(batch(&[0]).unwrap_err().contains("left the cache"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
