//! `echozoo bench`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Device;
use echo_adapt::AdapterEntry;
use echo_bench::{
    BenchConfig, Environment, Observer, Outcome, RunPart, Samples, Selection, VideoSet, WeightFiles, Zoo, dry_run,
    pair_parameters, with_recipes,
};
use echo_core::Card;
use echo_files::{counted, excerpt, printable, read_text, say};
use echo_kernels::Precision;
use echo_phantom::{DatasetSpec, OnDemand, Site, are_phantoms};
use echo_report::{Excluded, Leaderboard};
use echo_video::Mask;
use echo_weights::{Built, Weights, WeightsError};

use crate::array_file::check_folder;
use crate::cli::check_processor;
use crate::encoder_args::ComputeArgs;
use crate::fetch::default_weights;
use crate::home::home;
use crate::launch::{Launch, LaunchArgs};
use crate::output::print;
use crate::progress::Display;
use crate::{CliError, Entry, build, cache, find, flags};

/// What `--smoke` takes from the smoke benchmark.
const SMOKE: &str = include_str!("../../../configs/bench/smoke.toml");

/// What runs where nothing is named.
const DEFAULT: &str = include_str!("../../../configs/bench/fewshot.toml");

/// What stands below the flags.
const EXAMPLES: &str = "Examples:
  echozoo bench --encoder echoprime --adapter coop
  echozoo bench --task view --encoder all --adapter linear,coop --shots 1,2,4,8,16
  echozoo bench --encoder echoclip,panecho --weights echoclip=F.bin,panecho=G.pt --preset full --data EchoNet-Dynamic
  echozoo bench --data DIR --dataset own.toml --task stenosis --dry-run";

/// Videos that are named on the terminal; the rest stand in `excluded.csv`.
const EXCLUDED_SHOWN: usize = 20;

/// Flags of `echozoo bench`; each beats the configuration file, which beats the defaults.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Encoders, separated by commas, or `all` [default: echoclip,echoprime,panecho,r2plus1d,clip].
    #[arg(help_heading = "What is compared", long, value_delimiter = ',')]
    encoder: Vec<String>,
    /// Adapters, separated by commas, or `all`; joined by `+` they are one adapter.
    #[arg(help_heading = "What is compared", long, value_delimiter = ',')]
    adapter: Vec<String>,
    /// Training videos per class, or per bin of a value, which is one percent for EF; several, separated by commas
    /// [default: 1,2,4,8].
    #[arg(help_heading = "What is compared", long, value_delimiter = ',')]
    shots: Vec<usize>,
    /// Seeds, separated by commas [default: 1,2,3].
    #[arg(help_heading = "What is compared", long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// What is predicted: ef, edv, esv, ef-reduced, ef-grade, view, view9, view38, wall-motion, lv-size, findings, quality, a
    /// task of the data set's description, or a file (.toml) [default: ef].
    #[arg(help_heading = "What is compared", long, value_name = "TASK")]
    task: Option<String>,
    /// Where a task that cuts a number in two cuts it: --task ef-reduced --below 40.
    #[arg(help_heading = "What is compared", long, value_name = "VALUE")]
    below: Option<f64>,
    /// What a sample is: study, with all its videos, or video, each alone [default: study where the description names their
    /// column].
    #[arg(help_heading = "What is compared", long, value_parser = samples)]
    samples: Option<Samples>,
    /// Ranks and prompts (TOML) of a value instead of the task's own.
    #[arg(help_heading = "What is compared", long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Leave out what encoders read without training, which otherwise stands in every table.
    #[arg(help_heading = "What is compared", long)]
    no_zero_shot: bool,
    /// Preset of the encoders: nano, full, or another that `echozoo list` names [default on phantoms: nano].
    #[arg(help_heading = "Weights", long, value_name = "NAME")]
    preset: Option<String>,
    /// Weights of the encoder; of several, ENCODER=FILE,ENCODER=FILE.
    #[arg(help_heading = "Weights", long, value_name = "FILE")]
    weights: Option<OsString>,
    /// The entry of the file that holds the encoder, where several do (`model_ema`, for instance).
    #[arg(help_heading = "Weights", long, value_name = "KEY", requires = "weights")]
    weights_key: Option<String>,
    /// Random weights.
    #[arg(help_heading = "Weights", long, conflicts_with_all = ["weights", "weights_key"])]
    random_init: bool,
    /// Seed of random weights [default: 0].
    #[arg(help_heading = "Weights", long, value_name = "SEED")]
    random_seed: Option<u64>,
    /// An encoder that lends its text tower to those that have none [default: the first that has one].
    #[arg(help_heading = "Weights", long, value_name = "ENCODER")]
    text_encoder: Option<String>,
    /// Weights of that encoder.
    #[arg(help_heading = "Weights", long, value_name = "FILE")]
    text_weights: Option<PathBuf>,
    /// The data set's folder; phantoms of a site that the nano encoders do not know, rendered on first use, when absent.
    #[arg(help_heading = "Data", long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A description (TOML) of the data set's table, columns, splits and tasks [default: dataset.toml in the
    /// data set's folder, else EchoNet-Dynamic's layout].
    #[arg(help_heading = "Data", long, value_name = "FILE")]
    dataset: Option<PathBuf>,
    /// A list in the format of FileList.csv that says which video is in which split.
    #[arg(help_heading = "Data", long, value_name = "FILE")]
    split: Option<PathBuf>,
    /// The folder of a second data set, on whose test split every fitted adapter is scored too; phantoms of the home site,
    /// where the nano encoders were trained, when both this and --data are absent.
    #[arg(help_heading = "Data", long, value_name = "DIR")]
    external: Option<PathBuf>,
    /// A description of it [default: that of the first].
    #[arg(help_heading = "Data", long, value_name = "FILE")]
    external_dataset: Option<PathBuf>,
    /// No second data set.
    #[arg(help_heading = "Data", long, conflicts_with_all = ["external", "external_dataset"])]
    no_external: bool,
    /// Videos per split at most.
    #[arg(help_heading = "Data", long)]
    limit: Option<usize>,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(help_heading = "Data", long)]
    allow_truncated: bool,
    /// Which videos show nothing but their ultrasound sector: dicom, auto (all of them) or none [default: dicom].
    #[arg(help_heading = "Data", long, value_name = "WHICH")]
    mask: Option<Mask>,
    /// Go on where splits share patients or files; the results say so. Files are compared by their bytes: a copy in another
    /// container or coding is not recognised.
    #[arg(help_heading = "Data", long)]
    allow_leakage: bool,
    /// Clips per video, spread evenly [default: 1].
    #[arg(help_heading = "Protocol", long)]
    clips: Option<usize>,
    /// Which epoch's adapter is scored: last-epoch, or best-validation beside it [default: last-epoch].
    #[arg(help_heading = "Protocol", long, value_parser = selection)]
    select: Option<Selection>,
    /// Resamples of the bootstrap [default: 10000].
    #[arg(help_heading = "Protocol", long)]
    bootstrap: Option<usize>,
    /// One shot, one seed, two epochs, 24 videos: does everything run?
    #[arg(help_heading = "Protocol", long)]
    smoke: bool,
    /// A configuration file (TOML).
    #[arg(help_heading = "Protocol", long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for the results [default: runs/<name of the run>].
    #[arg(help_heading = "Results", long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep every fitted adapter in the results, for `echozoo predict` and `explain --adapter-file`.
    #[arg(help_heading = "Results", long)]
    save_adapters: bool,
    /// How the leaderboard is printed.
    #[arg(help_heading = "Results", long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Put frames of the videos with the greatest errors into report.html. They are pictures of patients.
    #[arg(help_heading = "Results", long)]
    thumbnails: bool,
    /// Run cells again that are done.
    #[arg(help_heading = "Results", long, conflicts_with = "launcher")]
    force: bool,
    /// Which part of the run is done here, of one that several machines share: cells, whose records are files of their own;
    /// features:K/N, what frozen encoders make of every N-th video from number K on; or merge, the tables of what is done, and
    /// what is missing. The scripts of --launcher use it.
    #[arg(help_heading = "Cluster", long, value_name = "PART", value_parser = part, conflicts_with = "launcher")]
    part: Option<RunPart>,
    #[command(flatten)]
    launch: LaunchArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Cells of an encoder that run at a time. Several processes may also work on the same --out.
    #[arg(help_heading = "Machine", long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Size that the cache of features is brought down to at the end, such as 500MB or 20GB.
    #[arg(help_heading = "Machine", long, value_name = "SIZE", env = "ECHOZOO_CACHE_LIMIT", default_value = "20GB")]
    cache_limit: cache::Size,
    /// Print what would run, what is cached and what memory it needs, and stop. Videos are neither rendered nor decoded, but files
    /// that are missing, empty or no video are named.
    #[arg(help_heading = "Look first", long)]
    dry_run: bool,
    /// Print the configuration that would run, with all settings of its adapters, for a file to change and to give to
    /// --config; and stop.
    #[arg(help_heading = "Look first", long, conflicts_with = "dry_run")]
    print_config: bool,
    /// Print which parameters of each pair train, and stop.
    #[arg(help_heading = "Look first", long, conflicts_with_all = ["dry_run", "print_config"])]
    dump_params: bool,
}

/// The weights that a flag names, of one encoder or of each.
pub(crate) fn weight_files(arg: &OsStr, entries: &[Entry]) -> WeightFiles {
    let known: Vec<&str> = entries.iter().map(|entry| entry.card.name).collect();
    // What is no text is a path.
    match arg.to_str() {
        Some(text) => WeightFiles::from_arg(text, &known),
        None => WeightFiles::One(arg.into()),
    }
}

/// # Errors
/// Some of the videos in `folder` are not known to be phantoms: then the preset has to be named.
pub(crate) fn ask_for_preset_of<'a>(folder: &Path, videos: impl IntoIterator<Item = &'a Path>) -> Result<(), CliError> {
    if are_phantoms(folder, videos)? {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{}: not all of these videos are known to be phantoms, and nano weights, the default, know nothing else; give \
         --preset full --weights FILE (or `echozoo fetch ENCODER` first), or --preset nano to try the program",
        folder.display()
    )))
}

pub(crate) fn samples(name: &str) -> Result<Samples, String> {
    match name {
        "study" => Ok(Samples::Study),
        "video" => Ok(Samples::Video),
        other => Err(format!("{other:?} is neither study nor video")),
    }
}

fn selection(name: &str) -> Result<Selection, String> {
    match name {
        "last-epoch" => Ok(Selection::LastEpoch),
        "best-validation" => Ok(Selection::BestValidation),
        other => Err(format!("{other:?} is neither last-epoch nor best-validation")),
    }
}

fn part(text: &str) -> Result<RunPart, String> {
    let wrong = || format!("{text:?} is neither cells, features:K/N with K below N, nor merge");
    match text {
        "cells" => Ok(RunPart::Cells),
        "merge" => Ok(RunPart::Merge),
        _ => {
            let share = text.strip_prefix("features:").and_then(|share| share.split_once('/'));
            let (index, of) = share.ok_or_else(wrong)?;
            let (index, of) = (index.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
            if index < of { Ok(RunPart::Features { index, of }) } else { Err(wrong()) }
        }
    }
}

/// How a leaderboard is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// Shots side by side.
    Table,
    /// Every number.
    Wide,
    Md,
    Csv,
    Latex,
    Json,
}

impl Format {
    pub(crate) fn of(self, leaderboard: &Leaderboard) -> String {
        match self {
            Format::Table => leaderboard.to_pivot(),
            Format::Wide => leaderboard.to_wide(),
            Format::Md => leaderboard.to_markdown(),
            Format::Csv => leaderboard.to_csv(),
            Format::Latex => leaderboard.to_latex(),
            Format::Json => serde_json::to_string_pretty(leaderboard).expect("a leaderboard is plain data") + "\n",
        }
    }
}

impl Args {
    /// The configuration: defaults, then the file, then flags.
    fn config(&self, entries: &[Entry]) -> Result<BenchConfig, CliError> {
        let mut config = match self.config_text()? {
            None => {
                let config = BenchConfig::from_toml("the default grid", DEFAULT)?;
                let known = config.encoders.iter().all(|name| find(entries, name).is_ok());
                // Another program's encoders are others.
                let encoders = if known { config.encoders } else { vec!["all".to_owned()] };
                BenchConfig { encoders, source: None, ..config }
            }
            Some((path, text)) => {
                let config = BenchConfig::from_toml(&path.display().to_string(), &text)?;
                for name in config.encoders.iter().filter(|name| *name != "all") {
                    find(entries, name).map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?;
                }
                config
            }
        };
        fn replace<T: Clone>(target: &mut Vec<T>, flag: &[T]) {
            if !flag.is_empty() {
                *target = flag.to_vec();
            }
        }
        if self.smoke {
            let smoke = BenchConfig::from_toml("the smoke benchmark", SMOKE)?;
            let BenchConfig { shots, seeds, limit, bootstrap, recipes, .. } = smoke;
            config = BenchConfig { shots, seeds, limit, bootstrap, recipes, ..config };
        }
        replace(&mut config.encoders, &self.encoder);
        replace(&mut config.adapters, &self.adapter);
        replace(&mut config.shots, &self.shots);
        replace(&mut config.seeds, &self.seeds);
        if self.smoke || !self.adapter.is_empty() {
            // Not those of adapters that flags leave out.
            let joined = || config.adapters.iter().map(String::as_str);
            let names: Vec<&str> = joined().chain(joined().flat_map(|name| name.split('+'))).collect();
            config.recipes.retain(|name, _| names.contains(&"all") || names.contains(&name.as_str()));
        }
        config.preset = self.preset.clone().unwrap_or(config.preset);
        if let Some(weights) = &self.weights {
            config.weights = Some(weight_files(weights, entries));
            config.weights_key = self.weights_key.clone();
            config.random_init = false;
        }
        if self.random_init {
            config.random_init = true;
            (config.weights, config.weights_key) = (None, None);
        }
        if self.random_seed.is_some() && !config.random_init {
            return Err(CliError::Usage("--random-seed is that of random weights: give --random-init too".to_owned()));
        }
        config.random_seed = self.random_seed.unwrap_or(config.random_seed);
        let lender = entries.iter().find(|entry| entry.card.capabilities.text).map(|entry| entry.card.name.to_owned());
        config.text_encoder = self.text_encoder.clone().or(config.text_encoder).or(lender);
        config.text_weights = self.text_weights.clone().or(config.text_weights);
        config.data = self.data.clone().or(config.data);
        config.dataset = self.dataset.clone().or(config.dataset);
        config.zero_shot &= !self.no_zero_shot;
        config.external = self.external.clone().or(config.external);
        config.external_dataset = self.external_dataset.clone().or(config.external_dataset);
        if let (Some(description), None) = (&self.external_dataset, &config.external) {
            let reason = "say with --external where the folder is that the description is about";
            return Err(CliError::Usage(format!("{}: {reason}", description.display())));
        }
        config.task = self.task.clone().unwrap_or(config.task);
        config.below = self.below.or(config.below);
        config.samples = self.samples.unwrap_or(config.samples);
        config.split = self.split.clone().or(config.split);
        config.prompts = self.prompts.clone().or(config.prompts);
        config.clips = self.clips.unwrap_or(config.clips);
        config.bootstrap = self.bootstrap.unwrap_or(config.bootstrap);
        config.limit = self.limit.or(config.limit);
        config.allow_truncated |= self.allow_truncated;
        config.mask = self.mask.unwrap_or(config.mask);
        config.allow_leakage |= self.allow_leakage;
        config.select = self.select.unwrap_or(config.select);
        config.save_adapters |= self.save_adapters;
        Ok(config)
    }

    /// What a command on another machine needs beside the configuration.
    fn flags_of_commands(&self) -> Vec<String> {
        let mut flags = self.compute.flags();
        flags.extend(self.no_external.then(|| "--no-external".to_owned()));
        flags.extend(self.thumbnails.then(|| "--thumbnails".to_owned()));
        flags
    }

    fn config_text(&self) -> Result<Option<(&Path, String)>, CliError> {
        let Some(path) = self.config.as_deref() else { return Ok(None) };
        Ok(Some((path, read_text(path).map_err(CliError::file(path))?)))
    }

    /// On anything but phantoms nano is no default: it knows no patients, and its numbers look like those of patients.
    fn ask_for_preset(&self, config: &BenchConfig) -> Result<(), CliError> {
        let file: Option<toml::Table> = self.config_text()?.and_then(|(_, text)| text.parse().ok());
        if self.preset.is_some() || file.is_some_and(|file| file.contains_key("preset")) {
            return Ok(());
        }
        let own = config.data.iter().map(|folder| (folder, VideoSet::read(folder, config)));
        let external = config.external.iter().map(|folder| (folder, VideoSet::read_external(folder, config)));
        for (folder, set) in own.chain(external) {
            ask_for_preset_of(folder, set?.paths())?;
        }
        Ok(())
    }

    /// The run's name: what tells it from others in the same folder.
    fn name(&self, config: &BenchConfig) -> String {
        let stem = self.config.as_deref().and_then(|path| path.file_stem());
        let of_file = stem.map(|stem| vec![stem.to_string_lossy().into_owned()]);
        let data =
            config.data.as_deref().and_then(|dir| dir.file_name()).map(|name| name.to_string_lossy().into_owned());
        let task = Path::new(&config.task).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let task = (config.task != BenchConfig::default().task).then_some(task);
        let task = task.into_iter().chain(config.below.map(|below| format!("below-{below}")));
        let of_flags = || {
            let encoders = match self.encoder[..] {
                [] => "default".to_owned(),
                _ => config.encoders.join("+"),
            };
            let parts = [encoders, config.adapters.join("+")];
            parts.into_iter().chain(data).chain(task).collect()
        };
        let mut parts: Vec<String> = of_file.unwrap_or_else(of_flags);
        // A run of other limits is another run.
        match (self.smoke, self.limit) {
            (true, _) => parts.push("smoke".to_owned()),
            (false, Some(limit)) => parts.push(format!("limit-{limit}")),
            (false, None) => {}
        }
        // A folder's name may hold anything; the name of ours goes to terminals.
        printable(&parts.join("-")).into_owned()
    }
}

/// Least time between two checkpoints of a cell, in seconds of `ECHOZOO_CHECKPOINT_SECONDS`: cells that take no longer
/// are run again rather than saved in the middle.
fn checkpoint_every() -> Duration {
    let seconds = std::env::var("ECHOZOO_CHECKPOINT_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// The program's encoders and adapters.
pub(crate) struct Registry<'a>(pub(crate) &'a [Entry], pub(crate) &'a [AdapterEntry]);

impl Zoo for Registry<'_> {
    fn cards(&self) -> Vec<&'static Card> {
        self.0.iter().map(|entry| entry.card).collect()
    }

    fn adapters(&self) -> &[AdapterEntry] {
        self.1
    }

    fn is_untrained(&self, name: &str, preset: &str) -> bool {
        let found = find(self.0, name).ok().and_then(|entry| Some((entry, entry.card.preset(preset).ok()?)));
        found.is_some_and(|(entry, preset)| !preset.published && !entry.has_shipped(preset))
    }

    fn build(&self, name: &str, preset: &str, weights: &Weights, device: &Device) -> Result<Built, WeightsError> {
        let entry = find(self.0, name)?;
        let weights = match weights {
            // A small network without trained weights is still the way to try the program; every row says `random`.
            Weights::Shipped if self.is_untrained(name, preset) => {
                say(&format!("{name} {preset} has no trained weights: random ones are used, and its rows say so"));
                Weights::Random(0)
            }
            Weights::Shipped => default_weights(entry, preset)?,
            weights => weights.clone(),
        };
        let built = build(self.0, entry, preset, &weights, device)?;
        if let Some(others) = built.report.others() {
            echo_files::say(&format!("weights of {name}: left out, {others}"));
        }
        Ok(built)
    }
}

/// Where the default data set is recorded: at a hospital that the encoders do not know.
pub(crate) fn new_site() -> DatasetSpec {
    DatasetSpec::of_site(Site::New, DatasetSpec::default().seed)
}

/// The default's second test set, of the site where nano encoders were trained: what adapting costs there. As many videos as
/// make an interval of about a point.
fn home_site() -> DatasetSpec {
    DatasetSpec::test_of(Site::Home, 200, DatasetSpec::default().seed)
}

/// The folder of a data set of phantoms. Its tables are written on first use, and its videos rendered when they are read.
pub(crate) fn phantoms(home: &Path, spec: &DatasetSpec) -> Result<PathBuf, CliError> {
    // Tables and pages call a data set by the name of its folder.
    let name = match spec.setting.site {
        Site::Home => "home",
        Site::New => "new-site",
    };
    let dir = home.join("data").join(spec.id()).join(name);
    OnDemand::create(&dir, spec)?;
    Ok(dir)
}

pub(crate) fn run(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    let config = args.config(entries)?;
    if args.launch.launcher.is_some() {
        // Of the tasks, not of the machine that writes their scripts: a cell's key tells them apart. There is no pool yet.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(args.launch.threads()).build_global();
    }
    if args.print_config {
        let text =
            toml::to_string(&with_recipes(&config, adapters)?).map_err(|error| CliError::Usage(error.to_string()))?;
        return print(&format!("# Recipes are those of the preset {}.\n{text}", config.preset));
    }
    config.validate()?;
    if args.dump_params {
        let device = args.compute.device()?;
        for pair in pair_parameters(&config, &device, &Registry(entries, adapters))? {
            let count = |trains: bool| -> usize {
                pair.parameters.iter().filter(|parameter| parameter.trainable || !trains).map(|p| p.count()).sum()
            };
            print(&format!("{} + {}: {} of {} train\n", pair.encoder, pair.adapter, count(true), count(false)))?;
            for parameter in &pair.parameters {
                let sign = if parameter.trainable { "trains" } else { "frozen" };
                print(&format!("  {sign}  {} {:?}\n", parameter.path, parameter.shape))?;
            }
        }
        return Ok(());
    }
    let (home, environment) = args.environment(&config, Arc::new(Display::default()))?;
    let registry = Registry(entries, adapters);
    if args.dry_run {
        let plan = dry_run(&config, &environment, &registry)?;
        print(&plan.to_string())?;
        return match plan.failing() {
            0 => Ok(()),
            failed => Err(CliError::Cells { failed, total: plan.to_run() }),
        };
    }
    if args.launch.launcher.is_some() {
        let plan = dry_run(&config, &environment, &registry)?;
        // What begins with a dash would be an option in a script.
        let out = match environment.out.to_string_lossy().starts_with('-') {
            true => Path::new(".").join(&environment.out),
            false => environment.out.clone(),
        };
        let flags = args.flags_of_commands();
        let launch =
            Launch { args: &args.launch, config: &config, flags, out: &out, home: &home, jobs: args.jobs.into() };
        return launch.launch(&plan);
    }
    let benchmark = args.compute(&config, environment, &home, &registry)?;
    // What cannot be printed is an error, but not before all has been said.
    let printed = match benchmark.has_tables {
        true => print(&args.format.of(&benchmark.outcome.leaderboard)),
        false => Ok(()),
    };
    let Outcome { ran, skipped, failed, embedded, .. } = &benchmark.outcome;
    say(&format!(
        "\n{} run, {skipped} done before, {failed} failed; {} embedded; results in {}",
        counted(*ran, "cell"),
        counted(*embedded, "clip"),
        benchmark.out.display()
    ));
    benchmark.excluded().iter().for_each(|line| say(line));
    benchmark.into_leaderboard().and(printed)
}

/// What a benchmark came to.
#[derive(Debug)]
pub struct Benchmark {
    /// Its table and counts.
    pub outcome: Outcome,
    /// The folder of its results.
    pub out: PathBuf,
    /// Whether its part of a run makes tables.
    has_tables: bool,
}

impl Benchmark {
    /// Messages about videos with something wrong with them, the first of them by name.
    pub fn excluded(&self) -> Vec<String> {
        let excluded = &self.outcome.excluded;
        if excluded.is_empty() {
            return Vec::new();
        }
        let heading = format!(
            "{} with something wrong, all listed in {}:",
            counted(excluded.len(), "video"),
            self.out.join("excluded.csv").display()
        );
        std::iter::once(heading).chain(excluded.iter().take(EXCLUDED_SHOWN).map(excluded_line)).collect()
    }

    /// The table.
    ///
    /// # Errors
    /// Cells failed, an external test set cannot be used, or no row has a number.
    pub fn into_leaderboard(self) -> Result<Leaderboard, CliError> {
        let Outcome { leaderboard, ran, skipped, failed, unusable, .. } = self.outcome;
        if let Some(error) = unusable.into_iter().next() {
            return Err(error.into());
        }
        let primary = leaderboard.target.primary().key();
        let scored = leaderboard.rows.iter().any(|row| !row.adapter.is_empty() && row.metrics.contains_key(&primary));
        match failed {
            0 if self.has_tables && !scored => Err(CliError::Undefined(primary)),
            0 => Ok(leaderboard),
            failed => Err(CliError::Cells { failed, total: ran + skipped + failed }),
        }
    }
}

/// What `echozoo bench` computes with these flags, such as `--encoder=echoclip,panecho`, for a program that shows it by itself.
///
/// # Errors
/// As the command; what became of single cells is [`Benchmark::into_leaderboard`]'s. Flags that make the command print something
/// else than a benchmark's results, or start it elsewhere, are refused.
pub fn bench(
    flags: impl IntoIterator<Item = OsString>,
    entries: &[Entry],
    adapters: &[AdapterEntry],
    observer: Arc<dyn Observer>,
) -> Result<Benchmark, CliError> {
    check_processor()?;
    let args: Args = flags::parse("bench", flags)?;
    if args.dry_run || args.print_config || args.dump_params || args.launch.launcher.is_some() {
        let reason =
            "--dry-run, --print-config, --dump-params and --launcher are for the command `echozoo bench` alone";
        return Err(CliError::Usage(reason.to_owned()));
    }
    let config = args.config(entries)?;
    config.validate()?;
    let (home, environment) = args.environment(&config, observer)?;
    args.compute(&config, environment, &home, &Registry(entries, adapters))
}

/// A video with something wrong with it.
pub(crate) fn excluded_line(video: &Excluded) -> String {
    let used = if video.used { "used" } else { "left out" };
    format!("  {} ({used}): {}", printable(&excerpt(&video.video)), printable(&video.reason))
}

impl Args {
    /// The folder of data and caches, and where the benchmark runs.
    fn environment(
        &self,
        config: &BenchConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<(PathBuf, Environment), CliError> {
        if let (Some(dataset), None) = (&config.dataset, &config.data) {
            let reason = "say with --data where the folder is that the description is about";
            return Err(CliError::Usage(format!("{}: {reason}", dataset.display())));
        }
        config.described()?;
        self.ask_for_preset(config)?;
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(self.name(config)));
        check_folder(&out)?;
        let precision = self.compute.precision_or(Precision::F32)?;
        let home = home()?;
        let data = match &config.data {
            Some(dir) => dir.clone(),
            None => phantoms(&home, &new_site())?,
        };
        let external = match (&config.external, &config.data) {
            _ if self.no_external => None,
            (Some(dir), _) => Some(dir.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(phantoms(&home, &home_site())?),
        };
        let environment = Environment {
            data,
            external,
            out,
            cache: home.join("cache"),
            device: self.compute.device()?,
            device_name: self.compute.device.to_string(),
            precision,
            part: self.part.unwrap_or_default(),
            force: self.force,
            checkpoint_every: checkpoint_every(),
            jobs: self.jobs.into(),
            thumbnails: self.thumbnails,
            observer,
        };
        Ok((home, environment))
    }

    fn compute(
        &self,
        config: &BenchConfig,
        environment: Environment,
        home: &Path,
        registry: &Registry<'_>,
    ) -> Result<Benchmark, CliError> {
        let outcome = echo_bench::run(config, &environment, registry);
        let has_tables = environment.part.has_tables();
        if has_tables {
            // Thousands of tasks need not all look through it.
            cache::keep_below(home, self.cache_limit);
        }
        Ok(Benchmark { outcome: outcome?, out: environment.out, has_tables })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn runs_of_other_limits_have_other_folders() {
        let name = |flags: &[&str]| {
            let args = Command::parse_from([&["bench", "--encoder", "echoclip"], flags].concat()).args;
            args.name(&args.config(crate::ZOO).unwrap())
        };
        let names = [&[][..], &["--smoke"], &["--limit", "4"], &["--limit", "5"]].map(name);
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
    }

    /// The help names what the file says.
    #[test]
    fn the_help_names_the_encoders_that_run_where_none_is_named() {
        use clap::CommandFactory;
        let encoders = BenchConfig::from_toml("the default grid", DEFAULT).unwrap().encoders.join(",");
        let help = Command::command().term_width(0).render_long_help().to_string();
        assert!(help.contains(&format!("[default: {encoders}]")), "{encoders}: {help}");
    }

    #[test]
    fn parts_are_named_and_a_share_is_one_of_as_many_as_there_are() {
        assert_eq!(part("features:0/3"), Ok(RunPart::Features { index: 0, of: 3 }));
        assert_eq!([part("cells"), part("merge")], [Ok(RunPart::Cells), Ok(RunPart::Merge)]);
        for wrong in ["", "whole", "features", "features:1", "features:3/3", "features:0/0", "features:-1/2"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    /// Flags that leave adapters out leave out what the file says of them, and nothing else.
    #[test]
    fn recipes_of_adapters_that_flags_leave_out_are_no_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        let text = "adapters = ['coop', 'mfl+echozoom']\n[recipes.coop.train]\nepochs = 2\n['recipes'.'mfl+echozoom'.train]\n\
                    epochs = 2\n[recipes.mfl.train]\nbatch = 2\n";
        std::fs::write(&path, text).unwrap();
        let recipes = |flags: &[&str]| {
            let args = Command::parse_from([&["bench", "--config", path.to_str().unwrap()], flags].concat()).args;
            args.config(crate::ZOO).unwrap().recipes.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(recipes(&[]).len(), 3);
        assert_eq!(recipes(&["--adapter", "coop"]), ["coop"]);
        assert_eq!(recipes(&["--adapter", "mfl+echozoom"]), ["mfl", "mfl+echozoom"]);
        assert_eq!(recipes(&["--adapter", "mfl"]), ["mfl"]);
        assert_eq!(recipes(&["--adapter", "all"]).len(), 3);
    }

    #[test]
    fn a_wrong_value_in_the_configuration_is_an_error_of_that_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        for text in ["clips = 0", "shot = [1]", "shots = [0]"] {
            std::fs::write(&path, text).unwrap();
            let path = path.to_str().unwrap();
            let args = Command::parse_from(["bench", "--config", path]).args;
            let message = args.config(crate::ZOO).unwrap_err().to_string();
            assert!(message.starts_with(path), "{message}");
        }
    }
}
