//! What a benchmark runs: defaults, then a TOML file, then flags.

pub(crate) mod clip_change;
pub(crate) mod prompts_file;
pub(crate) mod recipe;
pub(crate) mod weight_files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use echo_core::{Answer, Preset};
use echo_data::{DataError, DatasetConfig, Target};
use echo_files::path_for_others;
use echo_report::Reference;
use echo_video::{Mask, OpenOptions};
use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::config::prompts_file::read_ranks;
use crate::config::weight_files::WeightFiles;

/// The grid and the protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BenchConfig {
    /// Encoders by name; `all` for every one.
    pub encoders: Vec<String>,
    /// Adapters by name; `all` for every one.
    pub adapters: Vec<String>,
    /// Whether what encoders read without training stands in the table beside these, wherever they read what is predicted.
    pub zero_shot: bool,
    /// Training videos per bin of the value, or per class; a bin of EF is one percent.
    pub shots: Vec<usize>,
    /// Seeds: each draws its own training videos and its own start.
    pub seeds: Vec<u64>,
    /// Size of the encoders.
    pub preset: String,
    /// Weights of the encoders.
    pub weights: Option<WeightFiles>,
    /// The entry of those files that holds the encoder, where several do.
    pub weights_key: Option<String>,
    /// Random weights instead, from the seed `random_seed`.
    pub random_init: bool,
    /// Seed of random weights.
    pub random_seed: u64,
    /// An encoder that lends its text tower to those that have none.
    pub text_encoder: Option<String>,
    /// Its weights.
    pub text_weights: Option<PathBuf>,
    /// The data set's folder; phantoms when absent.
    pub data: Option<PathBuf>,
    /// How the data set is laid out, see `configs/datasets/example.toml`; the folder's own `dataset.toml` when
    /// absent, else EchoNet-Dynamic's layout.
    pub dataset: Option<PathBuf>,
    /// The folder of a second data set, on whose test split every fitted adapter is scored too.
    pub external: Option<PathBuf>,
    /// How that is laid out; as the first when absent.
    pub external_dataset: Option<PathBuf>,
    /// What is predicted: a task of the data set's description, one that comes with the program, or a file (`.toml`).
    pub task: String,
    /// Where a task that cuts a number in two cuts it, in place of its own.
    pub below: Option<f64>,
    /// Whether studies or videos are drawn, predicted and scored.
    pub samples: Samples,
    /// A list that says which video is in which split, in the format of `FileList.csv`; its training rows are used
    /// whole instead of a draw.
    pub split: Option<PathBuf>,
    /// Ranks and prompts instead of the shipped ones.
    pub prompts: Option<PathBuf>,
    /// Clips per test and training video, spread evenly; predictions are averaged. A recipe's own number beats it.
    pub clips: usize,
    /// Clips begin at a random frame of their video instead, the same one in every run.
    pub random_start: bool,
    /// Resamples of the bootstrap.
    pub bootstrap: usize,
    /// Videos per split at most.
    pub limit: Option<usize>,
    /// Use what can be decoded of truncated videos.
    pub allow_truncated: bool,
    /// Which videos are masked.
    pub mask: Mask,
    /// Go on where training and test share patients or videos, and say so beside the results.
    pub allow_leakage: bool,
    /// Which epoch's adapter is scored.
    pub select: Selection,
    /// Keep every fitted adapter in the output folder.
    pub save_adapters: bool,
    /// Entries that replace those of an adapter's recipe: `[recipes.coop.train] epochs = 5`. Its table `clip` changes what
    /// the adapter's cells see: [`ClipChange`](crate::ClipChange).
    pub recipes: BTreeMap<String, toml::Table>,
    /// Published figures that stand beside the results; they are part of no cell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The file that it was read from, for errors.
    #[serde(skip)]
    pub source: Option<String>,
}

/// What a sample is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Samples {
    /// A study where studies are known, else a video.
    #[default]
    Automatic,
    /// A study with all its videos: draws, splits and scores go by studies.
    Study,
    /// Each video alone.
    Video,
}

/// Which epoch's adapter is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// The last one's: no other label than those of the training videos is used.
    LastEpoch,
    /// Beside it that of the epoch with the least error on the validation split, whose labels are then used too.
    BestValidation,
}

impl Default for BenchConfig {
    fn default() -> Self {
        Self {
            encoders: vec!["all".to_owned()],
            adapters: ["full", "coop", "mfl+echozoom", "statistics"].map(str::to_owned).to_vec(),
            zero_shot: true,
            shots: vec![1, 2, 4, 8],
            seeds: vec![1, 2, 3],
            preset: Preset::NANO.to_owned(),
            weights: None,
            weights_key: None,
            random_init: false,
            random_seed: 0,
            text_encoder: None,
            text_weights: None,
            data: None,
            dataset: None,
            external: None,
            external_dataset: None,
            task: "ef".to_owned(),
            below: None,
            samples: Samples::Automatic,
            split: None,
            prompts: None,
            clips: 1,
            random_start: false,
            bootstrap: 10_000,
            limit: None,
            allow_truncated: false,
            mask: Mask::default(),
            allow_leakage: false,
            select: Selection::LastEpoch,
            save_adapters: false,
            recipes: BTreeMap::new(),
            references: Vec::new(),
            source: None,
        }
    }
}

/// Bounds of settings, so that a slip of the pen is an error and not a machine out of memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// The most shots.
    pub const SHOTS: usize = 10_000;
    /// The most clips of a video.
    pub const CLIPS: usize = 64;
    /// The most frames of a clip.
    pub const FRAMES: usize = 1024;
    /// The longest way from one frame of a clip to the next.
    pub const STRIDE: usize = 1024;
    /// The longest side of a frame.
    pub const SIZE: usize = 1024;
}

impl BenchConfig {
    /// How videos are opened.
    pub(crate) fn open_options(&self) -> OpenOptions {
        OpenOptions { allow_truncated: self.allow_truncated, mask: self.mask, ..OpenOptions::default() }
    }

    /// The configuration in a TOML text; entries that are absent keep their defaults.
    ///
    /// # Errors
    /// An unknown entry or a wrong type, with its line; a value that cannot be used.
    pub fn from_toml(what: &str, text: &str) -> Result<Self, BenchError> {
        let config: Self = toml::from_str(text).map_err(|source| BenchError::Toml { what: what.to_owned(), source })?;
        let config = Self { source: Some(what.to_owned()), ..config };
        config.validate_values().map_err(|error| config.named(error))?;
        Ok(config)
    }

    /// An error of what the file says, with the file's name.
    pub(crate) fn named(&self, error: BenchError) -> BenchError {
        match (&self.source, error) {
            (None, error) => error,
            (Some(file), BenchError::Toml { what, source }) => {
                BenchError::Toml { what: format!("{file}: {what}"), source }
            }
            (Some(file), error) => BenchError::Config(format!("{file}: {error}")),
        }
    }

    /// As TOML for whoever gets the results: of paths that say who keeps what where, the last name alone.
    ///
    /// # Errors
    /// A setting cannot be written.
    pub(crate) fn for_others(&self) -> Result<String, BenchError> {
        // TOML is UTF-8, and names of files need not be.
        let kept = |path: &Path| PathBuf::from(path_for_others(path).to_string_lossy().into_owned());
        let name = |path: &Option<PathBuf>| path.as_deref().map(kept);
        let config = Self {
            weights: self.weights.as_ref().map(|files| files.map(kept)),
            text_weights: name(&self.text_weights),
            data: name(&self.data),
            dataset: name(&self.dataset),
            external: name(&self.external),
            external_dataset: name(&self.external_dataset),
            split: name(&self.split),
            prompts: name(&self.prompts),
            task: kept(Path::new(&self.task)).display().to_string(),
            ..self.clone()
        };
        toml::to_string(&config).map_err(|error| BenchError::Config(error.to_string()))
    }

    /// Whether the adapter `name` was asked for, by its name.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        self.adapters.iter().any(|adapter| adapter == name)
    }

    /// Whether this encoder and this adapter were both asked for by their names.
    pub(crate) fn asks_for_pair(&self, encoder: &str, adapter: &str) -> bool {
        self.encoders.iter().any(|name| name == encoder) && self.asks_for(adapter)
    }

    /// How the data set is laid out, and what of it is predicted.
    ///
    /// # Errors
    /// The description cannot be read, or has no such target.
    pub fn described(&self) -> Result<(DatasetConfig, Target), BenchError> {
        self.described_by(self.dataset.as_deref(), self.data.as_deref())
    }

    /// The same of the external data set.
    pub(crate) fn external_described(&self) -> Result<(DatasetConfig, Target), BenchError> {
        self.described_by(self.external_dataset.as_deref().or(self.dataset.as_deref()), self.external.as_deref())
    }

    fn described_by(
        &self,
        description: Option<&Path>,
        folder: Option<&Path>,
    ) -> Result<(DatasetConfig, Target), BenchError> {
        let of = |error: DataError| match error {
            DataError::Config { .. } | DataError::Toml { .. } => BenchError::Config(error.to_string()),
            error => BenchError::Data(error),
        };
        // A folder that brings its description need not be told of it.
        // Whether it is there has to be known: without it, the folder would be read as another layout.
        let own = match folder.map(|folder| folder.join("dataset.toml")) {
            Some(path) if path.try_exists().map_err(BenchError::io(&path))? => Some(path),
            _ => None,
        };
        let dataset = match description.or(own.as_deref()) {
            Some(path) => DatasetConfig::read(path).map_err(of)?,
            None => DatasetConfig::echonet(),
        };
        // The name may come from a flag or from a file of the user's; the list that lacks it is often our own.
        let is_own = description.or(own.as_deref()).is_some();
        let lacking = |error: DataError| match error {
            DataError::Config { reason, .. } if !is_own => {
                BenchError::Config(format!("task {:?}: {reason}", self.task))
            }
            error => BenchError::Config(format!("task {:?}: {error}", self.task)),
        };
        let mut target = match self.task.ends_with(".toml") {
            true => Target::read(Path::new(&self.task), self.below).map_err(of)?,
            false => dataset.target(&self.task, self.below).map_err(lacking)?,
        };
        if let Some(path) = &self.prompts {
            let Answer::Value(regression) = &mut target.task.answer else {
                return Err(BenchError::Config(format!(
                    "--prompts: {} has ranks, and {} has classes; their prompts stand in the task's file (--task F.toml)",
                    path.display(),
                    target.task.name
                )));
            };
            regression.ranks = read_ranks(path)?;
        }
        Ok((dataset, target))
    }

    /// # Errors
    /// A setting that cannot be used.
    pub fn validate(&self) -> Result<(), BenchError> {
        self.validate_values()?;
        if self.weights_key.is_some() && self.weights.is_none() {
            return Err(BenchError::Config(
                "weights_key is an entry of a file of weights; give --weights too".to_owned(),
            ));
        }
        if self.weights.is_some() && self.random_init {
            return Err(BenchError::Config("give either --weights or --random-init".to_owned()));
        }
        match self.weights.as_ref().and_then(|files| files.complaint(&self.encoders)) {
            Some(complaint) => Err(BenchError::Config(complaint)),
            None => Ok(()),
        }
    }

    /// What holds whatever the other settings are.
    fn validate_values(&self) -> Result<(), BenchError> {
        let complain = |text: String| Err(BenchError::Config(text));
        for (what, empty) in [
            ("encoder", self.encoders.is_empty()),
            ("adapter", self.adapters.is_empty()),
            ("shot", self.shots.is_empty()),
            ("seed", self.seeds.is_empty()),
        ] {
            if empty {
                return complain(format!("name at least one {what}"));
            }
        }
        if let Some(shots) = self.shots.iter().find(|&&shots| shots == 0 || shots > Limits::SHOTS) {
            return complain(format!("shots = {shots}: give 1 to {}", Limits::SHOTS));
        }
        if self.clips == 0 || self.clips > Limits::CLIPS {
            return complain(format!("clips = {}: give 1 to {} of a video", self.clips, Limits::CLIPS));
        }
        if self.bootstrap == 0 || self.bootstrap > echo_metrics::MAX_SAMPLES {
            return complain(format!("{} bootstrap samples: give 1 to {}", self.bootstrap, echo_metrics::MAX_SAMPLES));
        }
        if self.limit == Some(0) {
            return complain("a limit of 0 videos leaves nothing to do".to_owned());
        }
        // `bench.toml` is to repeat the run.
        let weights = self.weights.iter().flat_map(WeightFiles::paths).map(|path| ("weights", path));
        let others = [
            ("data", &self.data),
            ("dataset", &self.dataset),
            ("external", &self.external),
            ("external_dataset", &self.external_dataset),
            ("split", &self.split),
            ("prompts", &self.prompts),
            ("text_weights", &self.text_weights),
        ];
        let others = others.into_iter().filter_map(|(entry, path)| Some((entry, path.as_ref()?)));
        if let Some((entry, path)) = weights.chain(others).find(|(_, path)| path.to_str().is_none()) {
            return complain(format!("{entry}: {path:?} is not UTF-8, which a configuration has to be; rename it"));
        }
        if let Some(complaint) = self.references.iter().find_map(Reference::complaint) {
            return complain(complaint);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_what_it_names_and_unknown_entries_are_refused() {
        let config = BenchConfig::from_toml("x.toml", "shots = [1]\n[recipes.coop.train]\nepochs = 2").unwrap();
        assert_eq!((config.shots.as_slice(), config.seeds.as_slice()), ([1].as_slice(), [1, 2, 3].as_slice()));
        let error = BenchConfig::from_toml("x.toml", "shot = [1]").unwrap_err().to_string();
        assert!(error.contains("x.toml") && error.contains("shot"), "{error}");
    }

    #[test]
    fn settings_that_cannot_run_are_refused() {
        let refused = |change: fn(&mut BenchConfig)| {
            let mut config = BenchConfig::default();
            change(&mut config);
            config.validate().is_err()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|config| config.shots = vec![0]));
        assert!(refused(|config| config.clips = 0));
        assert!(refused(|config| config.seeds.clear()));
        assert!(refused(|config| config.weights = Some(WeightFiles::One("a.pt".into()))));
        assert!(refused(|config| config.weights_key = Some("model_ema".to_owned())));
        assert!(refused(|config| config.limit = Some(0)));
        fn reference(name: &str, value: f64) -> Reference {
            Reference { name: name.to_owned(), shots: None, metric: None, value, note: String::new() }
        }
        assert!(!refused(|config| config.references = vec![reference("a", 7.0)]));
        assert!(refused(|config| config.references = vec![reference(" ", 7.0)]));
        assert!(refused(|config| config.references = vec![reference("a", f64::NAN)]));
    }

    #[cfg(unix)]
    #[test]
    fn what_the_configuration_cannot_hold_is_refused_before_anything_runs() {
        use std::os::unix::ffi::OsStrExt;
        let path = Some(PathBuf::from(std::ffi::OsStr::from_bytes(b"clinic-\xff")));
        for (entry, config) in [
            ("data", BenchConfig { data: path.clone(), ..BenchConfig::default() }),
            ("prompts", BenchConfig { prompts: path.clone(), ..BenchConfig::default() }),
        ] {
            assert!(toml::to_string(&config).is_err());
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{entry}: \"clinic-\\xFF\"")), "{error}");
        }
    }

    #[test]
    fn what_a_file_says_wrongly_is_an_error_of_the_file() {
        for text in ["shots = [0]", "clips = 0", "bootstrap = 0", "limit = 0", "seeds = []"] {
            let error = BenchConfig::from_toml("x.toml", text).unwrap_err().to_string();
            assert!(error.starts_with("x.toml: "), "{error}");
        }
    }

    #[test]
    fn what_is_kept_beside_results_says_nothing_of_where_files_are() {
        let path = |text: &str| Some(PathBuf::from(text));
        let root = std::env::temp_dir().join("clinic");
        let config = BenchConfig {
            data: Some(root.join("EchoNet-Dynamic")),
            weights: Some(WeightFiles::One(root.join("model.pt"))),
            external: path("data/other"),
            split: Some(root.join("list.csv")),
            ..BenchConfig::default()
        };
        let kept = config.for_others().unwrap();
        assert!(!kept.contains("clinic"), "{kept}");
        let read = BenchConfig::from_toml("bench.toml", &kept).unwrap();
        assert_eq!(
            (read.data, read.weights, read.split),
            (path("EchoNet-Dynamic"), Some(WeightFiles::One("model.pt".into())), path("list.csv"))
        );
        assert_eq!(read.external, path("data/other"));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_utf8_is_kept_as_well_as_it_can_be() {
        use std::os::unix::ffi::OsStrExt;
        let data = Some(PathBuf::from(std::ffi::OsStr::from_bytes(b"data-\xff")));
        let kept = BenchConfig { data, ..BenchConfig::default() }.for_others().unwrap();
        assert!(kept.contains("data-\u{fffd}"), "{kept}");
    }

    #[test]
    fn references_are_read_and_survive_being_written() {
        let text = "[recipes.coop.train]\nepochs = 2\n[[references]]\nname = \"logs\"\nshots = 8\nvalue = 6.64\n\
                    [[references]]\nname = \"paper\"\nvalue = 5.0\nnote = \"one seed\"\n";
        let config = BenchConfig::from_toml("x.toml", text).unwrap();
        assert_eq!((config.references[0].shots, config.references[1].note.as_str()), (Some(8), "one seed"));
        let written = toml::to_string(&config).unwrap();
        assert_eq!(BenchConfig::from_toml("x.toml", &written).unwrap(), config);
        assert!(!toml::to_string(&BenchConfig::default()).unwrap().contains("references"));
        let error = BenchConfig::from_toml("x.toml", "[[references]]\nname = \"a\"\nvalue = 1\nshot = 1").unwrap_err();
        assert!(error.to_string().contains("shot"), "{error}");
    }

    #[test]
    fn the_shipped_configurations_can_be_used() {
        for (name, text) in [
            ("cardiacclip", include_str!("../../../configs/bench/cardiacclip.toml")),
            ("ev9v", include_str!("../../../configs/bench/ev9v.toml")),
            ("fewshot", include_str!("../../../configs/bench/fewshot.toml")),
            ("smoke", include_str!("../../../configs/bench/smoke.toml")),
        ] {
            let config = BenchConfig::from_toml(name, text).unwrap();
            config.validate().unwrap();
            let values: Vec<(Option<usize>, f64)> = config.references.iter().map(|r| (r.shots, r.value)).collect();
            let published = [(Some(1), 7.15), (Some(2), 7.08), (Some(4), 6.89), (Some(8), 6.64)];
            match name {
                "ev9v" => {
                    let of = |key: &str| config.references.iter().filter(|r| r.metric.as_deref() == Some(key)).count();
                    assert_eq!((of("accuracy"), of("macro_f1"), values.len()), (4, 4, 8));
                }
                // What runs where nothing is named: the defaults but for its encoders, which this crate does not know.
                "fewshot" => {
                    let BenchConfig { encoders, source, .. } = config.clone();
                    assert_eq!(config, BenchConfig { encoders, source, ..BenchConfig::default() });
                }
                "cardiacclip" => assert_eq!(values, published),
                _ => assert!(values.is_empty(), "{name}"),
            }
        }
    }
}
