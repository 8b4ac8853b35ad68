//! The labelled samples of every draw, and the test samples in and out of distribution.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use echo_core::Task;
use echo_data::{Digests, patient_key};
use echo_files::counted;
use echo_report::Excluded;

use super::classes::Classes;
use super::outside::Known;
use super::{OodConfig, OodEnvironment};
use crate::data::leakage;
use crate::data::video_set::{LabelledVideo, VideoSet};
use crate::run::render;
use crate::{BenchError, Observer};

/// A video of the data set, or of the folder out of distribution.
#[derive(Clone, Debug)]
pub(super) struct Video {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Where it could be read.
    pub(super) digest: Option<blake3::Hash>,
    /// Whether it is known to be a phantom.
    pub(super) phantom: bool,
}

/// A video or a study.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) videos: Vec<usize>,
    /// Its place among the classes in distribution; none out of distribution.
    pub(super) class: Option<usize>,
    pub(super) patient: Option<String>,
}

/// Labelled samples.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) shots: usize,
    pub(super) samples: Vec<Sample>,
}

/// All of them, and what is to be known of them.
pub(super) struct Samples {
    pub(super) name: String,
    pub(super) task: Task,
    pub(super) classes: Classes,
    /// Those of the data set, in its order, then those of the folder.
    pub(super) videos: Vec<Video>,
    pub(super) draws: Vec<Draw>,
    pub(super) test: Vec<Sample>,
    pub(super) leaked: usize,
    pub(super) notes: Vec<String>,
    pub(super) excluded: Vec<Excluded>,
    set: VideoSet,
}

impl Samples {
    /// What the data set's lists say; no video is read.
    ///
    /// # Errors
    /// The lists cannot be read, or do not have what is needed on each side.
    pub(super) fn read(config: &OodConfig, environment: &OodEnvironment) -> Result<Self, BenchError> {
        let wrong = |reason: String| Err(BenchError::Config(reason));
        if config.hold_out.is_empty() && config.outside.is_none() {
            return wrong(
                "nothing is out of distribution: give --hold-out CLASS,CLASS or --out-of-distribution FOLDER"
                    .to_owned(),
            );
        }
        // Before the data: what is wrong with the names needs none.
        let (_, target) = config.bench.described()?;
        let classes = Classes::of(&target.task, &config.hold_out)?;
        if let Some(outside) = &config.outside {
            outside.check(&environment.data)?;
        }
        let set = VideoSet::read(&environment.data, &config.bench)?;
        let class = |video: usize| set.videos[video].truth.class();
        let by_class = |videos: &[usize]| -> BTreeMap<usize, usize> {
            set.samples(videos).iter().filter_map(|sample| class(sample.videos[0])).fold(
                BTreeMap::new(),
                |mut counts, class| {
                    *counts.entry(class).or_default() += 1;
                    counts
                },
            )
        };
        let (train, test) = (by_class(&set.train), by_class(&set.test));
        let names = target.task.class_names();
        let listed =
            |classes: &[usize]| classes.iter().map(|&class| names[class].as_str()).collect::<Vec<_>>().join(", ");
        let of_inside = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            classes.inside().iter().copied().filter(|&class| wanted(class)).collect()
        };
        let untrained = of_inside(&|class| !train.contains_key(&class) && test.contains_key(&class));
        let trained = of_inside(&|class| train.contains_key(&class));
        if !untrained.is_empty() {
            return wrong(format!(
                "{}: there are test {unit} of {}, but no training {unit}: hold these classes out too (--hold-out)",
                set.name,
                listed(&untrained),
                unit = set.unit().many(),
            ));
        }
        if trained.len() < 2 {
            return wrong(format!(
                "{}: of the classes in distribution only {} has training {}, and at least two are needed",
                set.name,
                listed(&trained),
                set.unit().many()
            ));
        }
        let counts = |wanted: &dyn Fn(usize) -> bool| -> usize {
            test.iter().filter(|(class, _)| wanted(**class)).map(|(_, count)| count).sum()
        };
        if counts(&|class| classes.place(class).is_some()) == 0 {
            return wrong(format!("{}: no test {} in distribution are left", set.name, set.unit().many()));
        }
        if config.outside.is_none() && counts(&|class| classes.place(class).is_none()) == 0 {
            return wrong(format!(
                "{}: no test {} of {} are there, so nothing is out of distribution",
                set.name,
                set.unit().many(),
                classes.held_out_names().join(", ")
            ));
        }
        let mut notes = Vec::new();
        let absent = of_inside(&|class| !train.contains_key(&class) && !test.contains_key(&class));
        if !absent.is_empty() {
            notes.push(format!("No sample is {}: nothing is said of that.", listed(&absent)));
        }
        let most = config.bench.shots.iter().copied().max().unwrap_or(0);
        let short: Vec<String> = trained
            .iter()
            .filter(|class| train[class] < most)
            .map(|&class| format!("{} has {}", names[class], train[&class]))
            .collect();
        if !short.is_empty() {
            notes.push(format!("Of {most} shots there are not so many training samples: {}.", short.join(", ")));
        }
        Ok(Self {
            name: set.name.clone(),
            task: target.task,
            classes,
            videos: Vec::new(),
            draws: Vec::new(),
            test: Vec::new(),
            leaked: 0,
            notes,
            excluded: Vec::new(),
            set,
        })
    }

    /// Draws, reads what the draws and the test need, and refuses what is on both sides.
    ///
    /// # Errors
    /// Splits share patients or files, a video out of distribution is in distribution too, or there are fewer labelled samples
    /// than neighbours are asked for.
    pub(super) fn render_and_digest(
        &mut self,
        config: &OodConfig,
        environment: &OodEnvironment,
    ) -> Result<(), BenchError> {
        let observer: &dyn Observer = environment.observer.as_ref();
        let Self { set, classes, .. } = self;
        let train = set.train.clone();
        let inside: Vec<usize> = train
            .iter()
            .copied()
            .filter(|&video| set.videos[video].truth.class().and_then(|class| classes.place(class)).is_some())
            .collect();
        set.train = inside;
        let (shots, seeds) = (each_once(&config.bench.shots), each_once(&config.bench.seeds));
        let draw = |&shots: &usize| seeds.iter().map(|&seed| (shots, set.draw(Some(shots), seed))).collect::<Vec<_>>();
        let draws: Vec<(usize, Vec<usize>)> = shots.iter().flat_map(draw).collect();
        // A patient of a class that is held out is in two splits all the same.
        set.train = train;
        let of_draws: BTreeSet<usize> = draws.iter().flat_map(|(_, videos)| videos).copied().collect();
        let wanted: BTreeSet<usize> = of_draws.iter().chain(&set.test).copied().collect();
        let wanted: Vec<usize> = wanted.into_iter().collect();
        render(set, &wanted, observer)?;
        let digests = Digests::open(&environment.cache.join("digests.tsv"))?;
        set.digest(&wanted, &digests)?;
        leakage::check(&config.bench, set, None)?;
        let drawn: Vec<usize> = of_draws.into_iter().collect();
        self.leaked = leakage::known_samples(set, &drawn, set, &set.test);

        let set = &self.set;
        let video = |(index, video): (usize, &LabelledVideo)| Video {
            name: video.name.clone(),
            path: video.path.clone(),
            digest: video.digest,
            phantom: set.is_phantom(index),
        };
        self.videos = set.videos.iter().enumerate().map(video).collect();
        let samples = |videos: &[usize]| -> Vec<Sample> {
            let of = |videos: Vec<usize>| {
                let first = &set.videos[videos[0]];
                let class = first.truth.class().and_then(|class| self.classes.place(class));
                Sample { class, patient: first.patient.as_deref().map(patient_key), videos }
            };
            set.samples(&set.readable(videos)).into_iter().map(|sample| of(sample.videos)).collect()
        };
        self.test = samples(&set.test);
        self.draws = draws.iter().map(|(shots, videos)| Draw { shots: *shots, samples: samples(videos) }).collect();
        self.excluded.extend(set.excluded.clone());
        if let Some(draw) = self.draws.iter().find(|draw| draw.samples.len() < config.neighbours) {
            return Err(BenchError::Config(format!(
                "--neighbours {}: a draw of {} has {}",
                config.neighbours,
                counted(draw.shots, "shot"),
                counted(draw.samples.len(), "training sample")
            )));
        }
        if let Some(outside) = &config.outside {
            let mut known: HashMap<blake3::Hash, Known> = HashMap::new();
            for &index in &wanted {
                let video = &self.videos[index];
                let Some(digest) = video.digest else { continue };
                let is_inside =
                    set.videos[index].truth.class().is_some_and(|class| self.classes.place(class).is_some());
                let name = video.name.clone();
                known.insert(digest, if is_inside { Known::Inside(name) } else { Known::HeldOut(name) });
            }
            let read = outside.read(&known, &set.target, &digests, observer)?;
            for (video, patient) in read.videos {
                self.test.push(Sample { videos: vec![self.videos.len()], class: None, patient });
                self.videos.push(video);
            }
            self.excluded.extend(read.excluded);
            self.notes.extend(read.notes);
        }
        Ok(())
    }

    /// The videos of all draws and of the test, each once.
    pub(super) fn used(&self) -> impl Iterator<Item = usize> {
        let samples = self.draws.iter().flat_map(|draw| &draw.samples).chain(&self.test);
        samples.flat_map(|sample| sample.videos.iter().copied()).collect::<BTreeSet<_>>().into_iter()
    }
}

/// What is named twice counts once.
fn each_once<T: Copy + PartialEq>(values: &[T]) -> Vec<T> {
    values.iter().enumerate().filter(|(at, value)| !values[..*at].contains(value)).map(|(_, value)| *value).collect()
}
