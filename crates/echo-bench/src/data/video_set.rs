//! The videos of a benchmark, by split, and those that could not be used.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use echo_core::{Kind, Truth};
use echo_data::{
    DatasetConfig, DatasetVideo, Digests, Split, Target, few_shot, patient_key, read_dataset, read_split_file,
};
use echo_files::{is_of_machine, last_name, short_names};
use echo_phantom::{OnDemand, Phantoms};
use echo_report::{Excluded, Quantity, SampleUnit, TestVideo};

use crate::{BenchConfig, BenchError, Samples, Selection};

/// A labelled video.
#[derive(Clone, Debug)]
pub(crate) struct LabelledVideo {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// As the table writes it, where patients are known.
    pub(crate) patient: Option<String>,
    /// The study whose label is its own, where studies are samples.
    pub(crate) study: Option<String>,
    pub(crate) truth: Truth,
    /// Digest of the file; filled in for the videos that a cell uses.
    pub(crate) digest: Option<blake3::Hash>,
}

/// A study with its videos, or a video alone.
#[derive(Clone, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) id: &'a str,
    pub(crate) videos: Vec<usize>,
}

/// A data set with one target, split.
#[derive(Clone, Debug)]
pub struct VideoSet {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) videos: Vec<LabelledVideo>,
    pub(crate) train: Vec<usize>,
    pub(crate) validation: Vec<usize>,
    pub(crate) test: Vec<usize>,
    /// Whether the training rows are a split file's and used whole.
    pub(crate) fixed_train: bool,
    /// How splits were drawn, where neither the table nor a split file has them.
    pub(crate) drawn: Option<&'static str>,
    /// Those that are known to be phantoms.
    phantoms: Phantoms,
    /// Who renders videos when they are needed, where not all are there from the beginning.
    on_demand: Option<OnDemand>,
    /// Videos that are listed, but have no file.
    missing: Vec<String>,
    /// Videos with something wrong with them.
    pub excluded: Vec<Excluded>,
}

/// What reports say of a target.
pub(crate) fn quantity(target: &Target, samples: SampleUnit) -> Quantity {
    let task = &target.task;
    let (name, unit) = (task.name.clone(), task.unit().to_owned());
    Quantity { name, unit, kind: task.kind(), classes: task.class_names(), samples }
}

/// A label as bytes that tell it from others.
fn bytes(truth: &Truth) -> Vec<u8> {
    match truth {
        Truth::Value(value) => value.to_le_bytes().to_vec(),
        Truth::Class(class) => (*class as u64).to_le_bytes().to_vec(),
        Truth::Labels(labels) => labels.iter().map(|label| label.map_or(2, u8::from)).collect(),
    }
}

impl VideoSet {
    /// Reads the data set in `dir`, split as its description says or by the configuration's split file.
    ///
    /// # Errors
    /// A list cannot be read, or no test video is left.
    pub fn read(dir: &Path, config: &BenchConfig) -> Result<Self, BenchError> {
        let (dataset, target) = config.described()?;
        let mut set = Self::described(dir, &dataset, target)?;
        if let Some(path) = &config.split {
            set.split_by(path, &dataset)?;
        }
        set.call_for_others();
        set.take(config.samples, dir)?;
        set.limit(config.limit);
        // Nothing needs validation videos but the choice of an epoch; without them a table lacks their median.
        let chooses = config.select == Selection::BestValidation;
        for (split, videos, is_needed) in
            [("training", &set.train, true), ("validation", &set.validation, chooses), ("test", &set.test, true)]
        {
            if videos.is_empty() && is_needed {
                let list = config.split.as_deref().unwrap_or(dir).display();
                let why = if is_needed && chooses && split == "validation" {
                    ", and best-validation (--select) chooses by them; leave it out, or give validation videos"
                } else {
                    ""
                };
                return Err(BenchError::Config(format!("{list}: no {split} video is left{}{why}", set.left_out())));
            }
        }
        if config.dataset.is_none() {
            set.name = last_name(dir);
        }
        Ok(set)
    }

    /// Reads the data set in `dir` for its test split alone.
    ///
    /// # Errors
    /// A list cannot be read, no test video is there, or the target is measured in another unit.
    pub fn read_external(dir: &Path, config: &BenchConfig) -> Result<Self, BenchError> {
        let (dataset, target) = config.external_described()?;
        let unit = SampleUnit::default();
        let (own, of_external) = (quantity(&config.described()?.1, unit), quantity(&target, unit));
        if (own.kind, &own.unit, &own.classes) != (of_external.kind, &of_external.unit, &of_external.classes) {
            let (one, other) = (own.in_words(), of_external.in_words());
            let reason = format!("what is predicted there is {other}, in the first data set {one}");
            return Err(BenchError::Config(format!("{}: {reason}", dir.display())));
        }
        let mut set = Self::described(dir, &dataset, target)?;
        set.call_for_others();
        set.take(config.samples, dir)?;
        set.limit(config.limit);
        if set.test.is_empty() {
            return Err(BenchError::Config(format!("{}: no test video is left{}", dir.display(), set.left_out())));
        }
        if config.dataset.is_none() && config.external_dataset.is_none() {
            set.name = last_name(dir);
        }
        Ok(set)
    }

    fn described(dir: &Path, dataset: &DatasetConfig, target: Target) -> Result<Self, BenchError> {
        let data = read_dataset(dir, dataset, &target)?;
        let folder = data.report.folder.display();
        let missing = format!("listed, but there is no such file in {folder}");
        let without = match &target.columns[..] {
            [column] => format!("listed without a value in the column {column:?}"),
            columns => format!("listed without a value in any of the columns {}", columns.join(", ")),
        };
        let drawn = match dataset.knows_patients() {
            _ if !dataset.draws_splits() => None,
            true => Some("splits drawn by patient"),
            false => Some("splits drawn by video, as if each were of another patient"),
        };
        let of = |split: Split| {
            let indices = data.videos.iter().enumerate().filter(move |(_, video)| video.split == split);
            indices.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let mut set = Self {
            name: dataset.name().to_owned(),
            target,
            train: of(Split::Train),
            validation: of(Split::Validation),
            test: of(Split::Test),
            videos: Vec::new(),
            fixed_train: false,
            drawn,
            phantoms: Phantoms::of(dir)?,
            on_demand: OnDemand::of(dir)?,
            missing: data.report.missing,
            excluded: Vec::new(),
        };
        set.exclude_all(&set.missing.clone(), false, &missing);
        set.exclude_all(&data.report.without_target, false, &without);
        for (used, rows) in [(false, data.report.incomplete), (true, data.report.implausible)] {
            set.excluded.extend(rows.into_iter().map(|(video, reason)| Excluded { video, used, reason }));
        }
        set.exclude_all(&data.report.duplicates, true, "listed more than once with the same values; used once");
        let labelled = |DatasetVideo { name, path, patient, study, truth, .. }| LabelledVideo {
            name,
            path,
            patient,
            study,
            truth,
            digest: None,
        };
        set.videos = data.videos.into_iter().map(labelled).collect();
        Ok(set)
    }

    /// Calls videos that a table lists by absolute paths by the ends of these: names go into results.
    fn call_for_others(&mut self) {
        let excluded = self.excluded.iter().map(|excluded| excluded.video.as_str());
        let names = self.videos.iter().map(|video| video.name.as_str()).chain(excluded);
        let called = short_names(names.map(Path::new)).into_iter();
        // Names are text, and so are their ends.
        let called: HashMap<PathBuf, String> =
            called.map(|(name, called)| (name.to_owned(), called.to_string_lossy().into_owned())).collect();
        let videos = self.videos.iter_mut().map(|video| &mut video.name);
        let excluded = self.excluded.iter_mut().map(|excluded| &mut excluded.video);
        for name in videos.chain(excluded).chain(&mut self.missing) {
            if let Some(called) = called.get(Path::new(name)) {
                name.clone_from(called);
            }
        }
    }

    /// Why videos are left out, for the error that none is there.
    fn left_out(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for excluded in self.excluded.iter().filter(|excluded| !excluded.used) {
            *counts.entry(&excluded.reason).or_default() += 1;
        }
        counts.into_iter().map(|(reason, count)| format!("; {count} {reason}")).collect()
    }

    /// Splits the videos as the list `path` says.
    fn split_by(&mut self, path: &Path, dataset: &DatasetConfig) -> Result<(), BenchError> {
        let names: Vec<&str> = self.videos.iter().map(|video| video.name.as_str()).collect();
        let split = read_split_file(path, &names, dataset)?;
        let unknown: Vec<String> = split.unknown.iter().filter(|name| !self.missing.contains(name)).cloned().collect();
        self.exclude_all(&unknown, false, &format!("in {}, but not in the data set", path.display()));
        self.exclude_all(&split.incomplete, false, &format!("without a name or a split in {}", path.display()));
        self.exclude_all(&split.duplicates, true, &format!("more than once in {}; used once", path.display()));
        (self.train, self.validation, self.test) = (split.train, split.validation, split.test);
        (self.fixed_train, self.drawn) = (true, None);
        Ok(())
    }

    /// Makes studies or single videos of what is there.
    ///
    /// # Errors
    /// Studies are asked for and not known, or the videos of one carry labels that do not make one.
    fn take(&mut self, samples: Samples, dir: &Path) -> Result<(), BenchError> {
        let wrong = |reason: String| Err(BenchError::Config(format!("{}: {reason}", dir.display())));
        let known = self.videos.iter().any(|video| video.study.is_some());
        match samples {
            Samples::Study if !known => {
                return wrong(
                    "there are no studies; name their column with `columns.study` in the description".to_owned(),
                );
            }
            Samples::Video => self.videos.iter_mut().for_each(|video| video.study = None),
            Samples::Automatic | Samples::Study => {}
        }
        let mut studies: BTreeMap<&str, Vec<&LabelledVideo>> = BTreeMap::new();
        for video in &self.videos {
            let Some(study) = video.study.as_deref() else { continue };
            let videos = studies.entry(study).or_default();
            videos.push(video);
            let other = videos[0];
            if let (Some(one), Some(another)) = (&other.patient, &video.patient)
                && patient_key(one) != patient_key(another)
            {
                return wrong(format!(
                    "the study {study} has a video {} of the patient {one} and a video {} of {another}; a study is of one \
                     patient: see `columns.study` and `columns.patient`",
                    other.name, video.name
                ));
            }
        }
        let mut labels: BTreeMap<String, Truth> = BTreeMap::new();
        for (study, videos) in studies {
            match self.target.of_studies.of(videos.iter().map(|video| &video.truth)) {
                Some(label) => drop(labels.insert(study.to_owned(), label)),
                None => {
                    let first = videos[0];
                    let other = videos.iter().find(|video| video.truth != first.truth).unwrap_or(&first);
                    let which = match self.target.task.kind() {
                        Kind::SingleLabel => "give --samples video",
                        Kind::Regression => {
                            "say in the task which (of_studies = \"mean\", \"highest\" or \"lowest\"), or give --samples video"
                        }
                        _ => "say in the task which (of_studies = \"highest\" or \"lowest\"), or give --samples video",
                    };
                    return wrong(format!(
                        "the study {study} has a video {} with the label {} and a video {} with {}; a study has one label: \
                         {which}",
                        first.name,
                        self.in_words(&first.truth),
                        other.name,
                        self.in_words(&other.truth),
                    ));
                }
            }
        }
        for video in &mut self.videos {
            if let Some(label) = video.study.as_ref().and_then(|study| labels.get(study)) {
                video.truth = label.clone();
            }
        }
        Ok(())
    }

    /// Videos grouped to samples, in the order of their first ones: studies, or single videos.
    pub(crate) fn samples(&self, videos: &[usize]) -> Vec<Sample<'_>> {
        let mut samples: Vec<Sample<'_>> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for &index in videos {
            let video = &self.videos[index];
            match &video.study {
                None => samples.push(Sample { id: &video.name, videos: vec![index] }),
                Some(study) => match places.get(study.as_str()) {
                    Some(&place) => samples[place].videos.push(index),
                    None => {
                        places.insert(study, samples.len());
                        samples.push(Sample { id: study, videos: vec![index] });
                    }
                },
            }
        }
        samples
    }

    /// How often each of these videos counts by itself, so that every study weighs the same.
    pub(crate) fn shares(&self, videos: &[usize]) -> Vec<u32> {
        // A multiple of 1 to 10, of which a study of more videos gets as near as whole numbers come.
        const OF_STUDY: usize = 2_520;
        let mut shares: BTreeMap<usize, u32> = BTreeMap::new();
        for sample in self.samples(videos) {
            let share = (OF_STUDY / sample.videos.len()).max(1) as u32;
            shares.extend(sample.videos.iter().map(|&video| (video, share)));
        }
        videos.iter().map(|video| shares[video]).collect()
    }

    /// The same set with each video by itself.
    pub(crate) fn alone(&self) -> Self {
        let mut set = self.clone();
        set.videos.iter_mut().for_each(|video| video.study = None);
        set
    }

    /// What samples are.
    pub(crate) fn unit(&self) -> SampleUnit {
        match self.videos.iter().any(|video| video.study.is_some()) {
            true => SampleUnit::Study,
            false => SampleUnit::Video,
        }
    }

    fn limit(&mut self, limit: Option<usize>) {
        let Some(limit) = limit else { return };
        let first = |set: &Self, split: &[usize]| -> Vec<usize> {
            set.samples(split).into_iter().take(limit).flat_map(|sample| sample.videos).collect()
        };
        let splits = [&self.train, &self.validation, &self.test].map(|split| first(self, split));
        [self.train, self.validation, self.test] = splits;
    }

    fn exclude_all(&mut self, names: &[String], used: bool, reason: &str) {
        let excluded = names.iter().map(|name| Excluded { video: name.clone(), used, reason: reason.to_owned() });
        self.excluded.extend(excluded);
    }

    /// What is predicted, as reports call it.
    pub(crate) fn task(&self) -> Quantity {
        quantity(&self.target, self.unit())
    }

    /// A label in words.
    pub(crate) fn in_words(&self, truth: &Truth) -> String {
        let names = self.target.task.class_names();
        match truth {
            Truth::Value(value) => value.to_string(),
            Truth::Class(class) => names.get(*class).cloned().unwrap_or_default(),
            Truth::Labels(labels) => {
                let holds =
                    names.iter().zip(labels).filter(|(_, label)| **label == Some(true)).map(|(name, _)| name.as_str());
                let holds: Vec<&str> = holds.collect();
                if holds.is_empty() { "none".to_owned() } else { holds.join(" and ") }
            }
        }
    }

    /// The samples that the videos `indices` make, with their labels.
    pub(crate) fn labelled(&self, indices: &[usize]) -> Vec<TestVideo> {
        // Another spelling of a patient is no other patient: each is called as the table spells it first.
        let mut spelt: BTreeMap<String, &str> = BTreeMap::new();
        let mut of = |sample: &Sample<'_>| {
            let video = &self.videos[sample.videos[0]];
            let patient = video.patient.as_deref().unwrap_or_default();
            let patient = *spelt.entry(patient_key(patient)).or_insert(patient);
            TestVideo { video: sample.id.to_owned(), patient: patient.to_owned(), truth: video.truth.clone() }
        };
        self.samples(indices).iter().map(&mut of).collect()
    }

    /// The training videos of one draw.
    pub(crate) fn draw(&self, shots: Option<usize>, seed: u64) -> Vec<usize> {
        let Some(shots) = shots else { return self.train.clone() };
        let samples = self.samples(&self.train);
        let bins = |sample: &Sample<'_>| self.target.bins_of(&self.videos[sample.videos[0]].truth);
        let binned: Vec<(&str, Vec<i64>)> = samples.iter().map(|sample| (sample.id, bins(sample))).collect();
        let drawn = few_shot(&binned, shots, seed, true).into_iter();
        drawn.flat_map(|place| samples[place].videos.iter().copied()).collect()
    }

    /// Renders those of the videos `wanted` that are rendered on demand and are not there yet. `progress` is called with the
    /// number of videos done and in total.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn render(
        &mut self,
        wanted: &[usize],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<(), BenchError> {
        if let Some(on_demand) = &self.on_demand {
            let names: Vec<&str> = wanted.iter().map(|&index| self.videos[index].name.as_str()).collect();
            on_demand.render(&names, progress)?;
            self.phantoms = Phantoms::of(on_demand.dir())?;
        }
        Ok(())
    }

    /// Whether a video has yet to be rendered.
    pub(crate) fn is_unrendered(&self, index: usize) -> bool {
        self.on_demand.as_ref().is_some_and(|on_demand| on_demand.is_unrendered(&self.videos[index].path))
    }

    /// Fills in the digests of the videos `wanted`; those that cannot be read are left without and excluded.
    ///
    /// # Errors
    /// The machine fails to read a video, which is no reason to go on without it.
    pub(crate) fn digest(&mut self, wanted: &[usize], digests: &Digests) -> Result<(), BenchError> {
        let paths: Vec<&Path> = wanted.iter().map(|&index| self.videos[index].path.as_path()).collect();
        let found = digests.of_all(&paths);
        for (&index, digest) in wanted.iter().zip(found) {
            match digest {
                Ok(digest) => self.videos[index].digest = Some(digest),
                Err(error) if error.is_of_machine() => return Err(BenchError::Machine(error.to_string())),
                Err(error) => self.exclude(index, false, error.to_string()),
            }
        }
        Ok(())
    }

    /// Those of `indices`, of which [`digest`](Self::digest) was asked, that have one.
    pub(crate) fn readable(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().copied().filter(|&index| self.videos[index].digest.is_some()).collect()
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
                let LabelledVideo { name, study, truth, digest, .. } = &self.videos[index];
                if let Some(study) = study {
                    hasher.update(study.as_bytes());
                    hasher.update(&[0]);
                }
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                hasher.update(&bytes(truth));
                hasher.update(digest.map_or([0; 32], |digest| *digest.as_bytes()).as_slice());
            }
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Hash of what draws are drawn from, and how: the names, labels, bins and sizes of all videos that the splits
    /// list. Sizes stand for bytes, which only the videos that a cell uses are read for; where videos are rendered on demand,
    /// what they are drawn from decides their bytes, and most have no size yet.
    ///
    /// # Errors
    /// The machine fails to tell a size, without which the hash would be that of other data.
    pub(crate) fn splits_hash(&self) -> Result<String, BenchError> {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.train, &self.validation, &self.test] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            for video in part.iter().map(|&index| &self.videos[index]) {
                let size = match self.on_demand {
                    Some(_) => 0,
                    None => match std::fs::metadata(&video.path) {
                        Ok(metadata) => metadata.len(),
                        Err(error) if is_of_machine(&error) => return Err(BenchError::io(&video.path)(error)),
                        Err(_) => 0,
                    },
                };
                hasher.update(&(video.name.len() as u64).to_le_bytes());
                hasher.update(video.name.as_bytes());
                if let Some(study) = &video.study {
                    hasher.update(study.as_bytes());
                    hasher.update(&[0]);
                }
                hasher.update(&bytes(&video.truth));
                for bin in self.target.bins_of(&video.truth) {
                    hasher.update(&bin.to_le_bytes());
                }
                hasher.update(&size.to_le_bytes());
            }
        }
        Ok(hasher.finalize().to_hex()[..32].to_owned())
    }

    /// Whether a video is known to be a phantom.
    pub(crate) fn is_phantom(&self, index: usize) -> bool {
        self.videos[index].digest.is_some_and(|digest| self.phantoms.has(digest.as_bytes()))
    }

    /// The files of all its videos.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.videos.iter().map(|video| video.path.as_path())
    }

    /// Labels of the samples that the videos `indices` make.
    pub(crate) fn labels(&self, indices: &[usize]) -> Vec<Truth> {
        self.samples(indices).iter().map(|sample| self.videos[sample.videos[0]].truth.clone()).collect()
    }
}

#[cfg(test)]
impl VideoSet {
    /// A set of no videos.
    pub(crate) fn empty() -> Self {
        Self {
            name: "empty".to_owned(),
            target: Target::shipped("ef"),
            videos: Vec::new(),
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
            fixed_train: false,
            drawn: None,
            phantoms: Phantoms::default(),
            on_demand: None,
            missing: Vec::new(),
            excluded: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use echo_core::Answer;

    use super::*;

    #[test]
    fn draws_are_of_other_splits_if_a_bin_a_name_a_label_or_a_size_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.avi");
        std::fs::write(&path, "video").unwrap();
        let mut set = VideoSet::empty();
        let video = LabelledVideo {
            name: "a".to_owned(),
            path: path.clone(),
            patient: None,
            study: None,
            truth: Truth::Value(50.0),
            digest: None,
        };
        set.videos.push(video);
        set.train.push(0);
        let mut known = vec![set.splits_hash().unwrap()];
        assert_eq!(set.splits_hash().unwrap(), known[0]);
        let changes: [&dyn Fn(&mut VideoSet); 5] = [
            &|set| {
                if let Answer::Value(regression) = &mut set.target.task.answer {
                    regression.bin = 5.0;
                }
            },
            &|set| set.videos[0].name = "b".to_owned(),
            &|set| set.videos[0].truth = Truth::Value(51.0),
            &|_| std::fs::write(&path, "another video").unwrap(),
            &|set| set.validation = std::mem::take(&mut set.train),
        ];
        for change in changes {
            change(&mut set);
            let hash = set.splits_hash().unwrap();
            assert!(!known.contains(&hash), "{known:?}");
            known.push(hash);
        }
    }

    /// Else a run that was killed, or one of more shots, would be a run of other data.
    #[test]
    fn draws_do_not_depend_on_what_has_been_rendered_and_what_has_is_known_to_be_a_phantom() {
        let dir = tempfile::tempdir().unwrap();
        let spec = echo_phantom::DatasetSpec::with_total(6, 2);
        OnDemand::create(&dir.path().join("set"), &spec).unwrap();
        let mut set = VideoSet::read(&dir.path().join("set"), &BenchConfig::default()).unwrap();
        let before = set.splits_hash().unwrap();
        let (wanted, other) = (set.train[1], set.train[0]);
        set.render(&[wanted], &|_, _| ()).unwrap();
        assert_eq!(set.splits_hash().unwrap(), before);
        assert!(!set.is_unrendered(wanted) && set.is_unrendered(other));
        set.digest(&[wanted, other], &Digests::open(&dir.path().join("digests")).unwrap()).unwrap();
        assert!(set.is_phantom(wanted) && !set.is_phantom(other));
    }
}
