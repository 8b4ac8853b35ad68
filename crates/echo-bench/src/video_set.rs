//! The videos of a benchmark, by split, and those that could not be used.

use std::path::{Path, PathBuf};

use echo_data::{Digests, Split, few_shot, read_echonet, read_split_file};
use serde::Serialize;

use crate::{BenchConfig, BenchError};

/// A video with something wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Excluded {
    /// The video's name.
    pub video: String,
    /// Whether it was used all the same.
    pub used: bool,
    /// What is wrong.
    pub reason: String,
}

/// A labelled video.
#[derive(Clone, Debug)]
pub(crate) struct LabelledVideo {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) ef: f32,
    /// Digest of the file; filled in for the videos that a cell uses.
    pub(crate) digest: Option<blake3::Hash>,
}

/// A data set in EchoNet-Dynamic's layout, split.
#[derive(Debug)]
pub struct VideoSet {
    pub(crate) name: String,
    pub(crate) videos: Vec<LabelledVideo>,
    pub(crate) train: Vec<usize>,
    pub(crate) validation: Vec<usize>,
    pub(crate) test: Vec<usize>,
    /// Whether the training rows are a split file's and used whole.
    pub(crate) fixed_train: bool,
    /// Videos with something wrong with them.
    pub excluded: Vec<Excluded>,
}

impl VideoSet {
    /// Reads the data set in `dir`, split by its own list or by the configuration's split file.
    ///
    /// # Errors
    /// A list cannot be read, or no test video is left.
    pub fn read(dir: &Path, config: &BenchConfig) -> Result<Self, BenchError> {
        let data = read_echonet(dir)?;
        let mut excluded = Vec::new();
        let mut exclude = |names: &[String], used: bool, reason: &str| {
            excluded.extend(names.iter().map(|name| Excluded { video: name.clone(), used, reason: reason.to_owned() }));
        };
        let folder = data.report.videos.display();
        exclude(&data.report.missing, false, &format!("listed, but there is no such file in {folder}"));
        exclude(&data.report.without_ef, false, "listed without an ejection fraction");
        exclude(&data.report.duplicates, true, "listed more than once with the same values; used once");

        let of = |split: Split| {
            let indices = data.records.iter().enumerate().filter(move |(_, record)| record.split == split);
            indices.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let (mut train, mut validation, mut test) = match &config.split {
            None => (of(Split::Train), of(Split::Validation), of(Split::Test)),
            Some(path) => {
                let names: Vec<&str> = data.records.iter().map(|record| record.name.as_str()).collect();
                let split = read_split_file(path, &names)?;
                let unknown: Vec<String> =
                    split.unknown.iter().filter(|name| !data.report.missing.contains(name)).cloned().collect();
                exclude(&unknown, false, &format!("in {}, but not in the data set", path.display()));
                exclude(&split.duplicates, true, &format!("more than once in {}; used once", path.display()));
                (split.train, split.validation, split.test)
            }
        };
        if let Some(limit) = config.limit {
            [&mut train, &mut validation, &mut test].into_iter().for_each(|split| split.truncate(limit));
        }
        for (split, videos) in [("training", &train), ("validation", &validation), ("test", &test)] {
            if videos.is_empty() {
                return Err(BenchError::Config(format!("{}: no {split} video is there", dir.display())));
            }
        }
        let name =
            dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
        let videos = data.records.into_iter();
        let videos = videos.map(|r| LabelledVideo { name: r.name, path: r.path, ef: r.ef, digest: None }).collect();
        let fixed_train = config.split.is_some();
        Ok(Self { name, videos, train, validation, test, fixed_train, excluded })
    }

    /// The training videos of one draw.
    pub(crate) fn draw(&self, shots: Option<usize>, seed: u64) -> Vec<usize> {
        let Some(shots) = shots else { return self.train.clone() };
        let labels: Vec<(&str, f32)> =
            self.train.iter().map(|&index| (self.videos[index].name.as_str(), self.videos[index].ef)).collect();
        few_shot(&labels, shots, seed, true).into_iter().map(|place| self.train[place]).collect()
    }

    /// Fills in the digests of the videos `wanted`; those that cannot be read are left without and excluded.
    pub(crate) fn digest(&mut self, wanted: &[usize], digests: &Digests) {
        let paths: Vec<&Path> = wanted.iter().map(|&index| self.videos[index].path.as_path()).collect();
        let found = digests.of_all(&paths);
        for (&index, digest) in wanted.iter().zip(found) {
            match digest {
                Ok(digest) => self.videos[index].digest = Some(digest),
                Err(error) => self.exclude(index, false, error.to_string()),
            }
        }
    }

    /// Notes that a video could not be used, or was `used` in spite of `reason`.
    pub(crate) fn exclude(&mut self, index: usize, used: bool, reason: String) {
        self.excluded.push(Excluded { video: self.videos[index].name.clone(), used, reason });
    }

    /// Hash of names, labels and bytes of the videos `parts`, part by part.
    pub(crate) fn hash(&self, parts: &[&[usize]]) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            for &index in *part {
                let LabelledVideo { name, ef, digest, .. } = &self.videos[index];
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                hasher.update(&ef.to_le_bytes());
                hasher.update(digest.map_or([0; 32], |digest| *digest.as_bytes()).as_slice());
            }
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Labels of the videos `indices`.
    pub(crate) fn labels(&self, indices: &[usize]) -> Vec<f32> {
        indices.iter().map(|&index| self.videos[index].ef).collect()
    }
}
