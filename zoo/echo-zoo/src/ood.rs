//! `echozoo ood`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use echo_adapt::AdapterEntry;
use echo_bench::{BenchConfig, OodConfig, OodEnvironment, OodOutcome, OodRow, Outside, Samples, VideoSet, ood};
use echo_clinical::ood::{DETECTORS, Detector};
use echo_files::{counted, printable, say};
use echo_kernels::Precision;
use echo_metrics::Metric;
use echo_report::{Cell as Score, weights_caution};
use echo_video::Mask;

use crate::bench::{Registry, ask_for_preset_of, excluded_line, new_site, phantoms, samples, weight_files};
use crate::encoder_args::ComputeArgs;
use crate::find_videos::find_videos;
use crate::home::home;
use crate::results::{Cell, ResultArgs, Results};
use crate::warnings::{NOT_CLINICAL, joined};
use crate::{CliError, Entry, cache};

/// What stands below the flags.
const EXAMPLES: &str = "Examples:
  echozoo ood --encoder all --task ef-grade --hold-out normal
  echozoo ood --encoder echoclip --task view --out-of-distribution FOLDER --shots 1,4,16
  echozoo ood --data DIR --dataset own.toml --task view --hold-out PLAX,SC4C --preset full --weights echoclip=F.bin,panecho=G.pt";

/// A share of undefined resamples that is worth a sentence: below it an interval hardly moves.
const MANY_UNDEFINED: f64 = 0.01;

/// Videos that are named on the terminal.
const EXCLUDED_SHOWN: usize = 20;

/// Flags of `echozoo ood`.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Args {
    /// Encoders, separated by commas, or `all`.
    #[arg(help_heading = "What is detected", long, value_delimiter = ',', default_value = "all")]
    encoder: Vec<String>,
    /// A task with classes of which one is true: view, view9, view38, quality, ef-grade, wall-motion, lv-size, a task of the data set's description, or
    /// a file (.toml).
    #[arg(help_heading = "What is detected", long, value_name = "TASK", default_value = "view")]
    task: String,
    /// Where a task that cuts a number in two cuts it.
    #[arg(help_heading = "What is detected", long, value_name = "VALUE")]
    below: Option<f64>,
    /// Classes whose test videos are out of distribution, separated by commas. No training video is of them.
    #[arg(help_heading = "What is detected", long, value_name = "CLASSES", value_delimiter = ',')]
    hold_out: Vec<String>,
    /// A folder, also of a data set, all of whose videos are out of distribution.
    #[arg(help_heading = "What is detected", long, value_name = "FOLDER")]
    out_of_distribution: Option<PathBuf>,
    /// Training videos per class in distribution; several, separated by commas.
    #[arg(help_heading = "What is detected", long, value_delimiter = ',', default_value = "1,4,16")]
    shots: Vec<usize>,
    /// Seeds of the draws, separated by commas.
    #[arg(help_heading = "What is detected", long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// The k of the k-th nearest training sample.
    #[arg(help_heading = "What is detected", long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    neighbours: u16,
    /// What a sample is: study, with all its videos, or video, each alone [default: study where the description names their
    /// column].
    #[arg(help_heading = "What is detected", long, value_parser = samples)]
    samples: Option<Samples>,
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
    /// Seed of random weights.
    #[arg(help_heading = "Weights", long, value_name = "SEED", default_value_t = 0, requires = "random_init")]
    random_seed: u64,
    /// The data set's folder; phantoms of a site that the nano encoders do not know, rendered on first use, when absent.
    #[arg(help_heading = "Data", long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A description (TOML) of the data set's table, columns, splits and tasks [default: dataset.toml in the data set's folder,
    /// else EchoNet-Dynamic's layout].
    #[arg(help_heading = "Data", long, value_name = "FILE", requires = "data")]
    dataset: Option<PathBuf>,
    /// Videos per split at most.
    #[arg(help_heading = "Data", long)]
    limit: Option<usize>,
    /// Use what can be decoded of truncated videos, and report it.
    #[arg(help_heading = "Data", long)]
    allow_truncated: bool,
    /// Which videos show nothing but their ultrasound sector: dicom, auto (all of them) or none.
    #[arg(help_heading = "Data", long, value_name = "WHICH", default_value = "dicom")]
    mask: Mask,
    /// Go on where splits share patients or files; the results say so. A video out of distribution that is in distribution too
    /// is always an error.
    #[arg(help_heading = "Data", long)]
    allow_leakage: bool,
    /// Clips per video, spread evenly.
    #[arg(help_heading = "Protocol", long, default_value_t = 1)]
    clips: usize,
    /// Resamples of the bootstrap.
    #[arg(help_heading = "Protocol", long, default_value_t = 10_000)]
    bootstrap: usize,
    #[command(flatten)]
    results: ResultArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Size that the cache of features is brought down to at the end, such as 500MB or 20GB.
    #[arg(help_heading = "Machine", long, value_name = "SIZE", env = "ECHOZOO_CACHE_LIMIT", default_value = "20GB")]
    cache_limit: cache::Size,
}

/// Examples, and what the detectors are.
fn after_help() -> String {
    let width = DETECTORS.iter().map(|detector| detector.name.len()).max().unwrap_or(0);
    let line = |detector: &Detector| {
        let whose = if detector.is_general() { "" } else { "; of encoders with a second branch" };
        format!("\n  {:width$}  {}{whose}", detector.name, detector.about)
    };
    let lines: String = DETECTORS.iter().map(line).collect();
    format!("{EXAMPLES}\n\nScores, the higher the more likely in distribution, of each encoder's embeddings:{lines}")
}

impl Args {
    fn config(&self, entries: &[Entry]) -> Result<OodConfig, CliError> {
        let default = BenchConfig::default();
        let bench = BenchConfig {
            encoders: self.encoder.clone(),
            shots: self.shots.clone(),
            seeds: self.seeds.clone(),
            preset: self.preset.clone().unwrap_or_else(|| default.preset.clone()),
            weights: self.weights.as_deref().map(|weights| weight_files(weights, entries)),
            weights_key: self.weights_key.clone(),
            random_init: self.random_init,
            random_seed: self.random_seed,
            data: self.data.clone(),
            dataset: self.dataset.clone(),
            task: self.task.clone(),
            below: self.below,
            samples: self.samples.unwrap_or(default.samples),
            clips: self.clips,
            bootstrap: self.bootstrap,
            limit: self.limit,
            allow_truncated: self.allow_truncated,
            mask: self.mask,
            allow_leakage: self.allow_leakage,
            ..default
        };
        let outside = self.out_of_distribution.as_ref().map(|folder| -> Result<_, CliError> {
            if !folder.is_dir() {
                let reason = "it is no folder; --out-of-distribution takes a folder of videos".to_owned();
                return Err(CliError::File { path: folder.clone(), reason });
            }
            Ok(Outside { folder: folder.clone(), videos: find_videos(std::slice::from_ref(folder))? })
        });
        let outside = outside.transpose()?;
        Ok(OodConfig { bench, hold_out: self.hold_out.clone(), outside, neighbours: self.neighbours.into() })
    }

    /// As `bench` does: on anything but phantoms nano is no default.
    fn ask_for_preset(&self, config: &OodConfig) -> Result<(), CliError> {
        if self.preset.is_some() {
            return Ok(());
        }
        if let Some(folder) = &config.bench.data {
            ask_for_preset_of(folder, VideoSet::read(folder, &config.bench)?.paths())?;
        }
        if let Some(outside) = &config.outside {
            let videos = || outside.videos.iter().map(PathBuf::as_path);
            // A folder below that of the list, such as that of its videos, is of phantoms too.
            if !videos().all(|video| echo_phantom::is_phantom(video).unwrap_or(false)) {
                ask_for_preset_of(&outside.folder, videos())?;
            }
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry], adapters: &[AdapterEntry]) -> Result<(), CliError> {
    args.results.check(args.dataset.iter().map(PathBuf::as_path))?;
    let config = args.config(entries)?;
    config.bench.validate()?;
    args.ask_for_preset(&config)?;
    let precision = args.compute.precision_or(Precision::F32)?;
    let home = home()?;
    let environment = OodEnvironment {
        data: match &config.bench.data {
            Some(dir) => dir.clone(),
            None => phantoms(&home, &new_site())?,
        },
        cache: home.join("cache"),
        device: args.compute.device()?,
        device_name: args.compute.device.to_string(),
        precision,
        observer: Arc::new(crate::progress::Display::default()),
    };
    let outcome = ood(&config, &environment, &Registry(entries, adapters));
    cache::keep_below(&home, args.cache_limit);
    let outcome = outcome?;
    let printed = args.results.write(&results(&outcome), &table(&outcome));
    say_about(&outcome, &config);
    match outcome.rows.iter().any(|row| row.scores.contains_key(&Metric::AUROC.key())) {
        true => printed,
        false => Err(CliError::Undefined(Metric::AUROC.key())),
    }
}

/// Metrics with what they are called in files, and above the columns of a table.
fn metrics() -> [(String, &'static str, &'static str); 4] {
    [
        (Metric::AUROC, "auroc", "AUROC"),
        (Metric::AUPRC, "aupr_in", "AUPR in"),
        (Metric::AUPRC_NEGATIVES, "aupr_out", "AUPR out"),
        (Metric::FPR95, "fpr95", "FPR95"),
    ]
    .map(|(metric, column, heading)| (metric.key(), column, heading))
}

fn results(outcome: &OodOutcome) -> Results {
    let scored = metrics().map(|(_, column, _)| column).into_iter().chain(["accuracy"]);
    let of_score = |name: &str| ["", "_sd", "_low", "_high"].map(|part| format!("{name}{part}"));
    let before = ["encoder", "preset", "weights", "detector", "shots", "seeds", "train", "test_in", "test_out"];
    let columns: Vec<String> = before
        .iter()
        .map(|&column| column.to_owned())
        .chain(scored.flat_map(of_score))
        .chain(["warning".to_owned()])
        .collect();
    let mut results = Results::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &outcome.rows {
        let mut cells: Vec<Cell> = vec![
            row.encoder.name.as_str().into(),
            row.encoder.preset.as_str().into(),
            row.encoder.weights.as_str().into(),
            row.detector.into(),
            row.shots.into(),
            row.seeds.into(),
            row.train.into(),
            row.inside.into(),
            row.outside.into(),
        ];
        for score in metrics().map(|(key, ..)| row.scores.get(&key)).into_iter().chain([row.accuracy.as_ref()]) {
            let of = |of: fn(&Score) -> Option<f64>| Cell::from(score.and_then(of));
            cells.extend([
                of(|score| Some(score.mean)),
                of(|score| score.deviation),
                of(|score| Some(score.low)),
                of(|score| Some(score.high)),
            ]);
        }
        cells.push(warning(row, outcome).into());
        results.push(cells);
    }
    results
}

/// What stands beside a row's numbers.
fn warning(row: &OodRow, outcome: &OodOutcome) -> String {
    let of_weights = weights_caution(&row.encoder.weights, row.encoder.published, row.phantoms);
    let phantom = (of_weights.is_none() && row.phantoms).then_some("phantom");
    let leaked =
        (outcome.leaked > 0).then(|| format!("{} known from training", counted(outcome.leaked, "test sample")));
    let parts = of_weights.into_iter().chain(row.encoder.precision.as_deref()).chain(phantom);
    joined(parts.chain(leaked.as_deref()))
}

fn table(outcome: &OodOutcome) -> Vec<Vec<String>> {
    let mut header = vec!["encoder".to_owned(), "shots".to_owned(), "detector".to_owned()];
    header.extend(metrics().map(|(_, _, heading)| heading.to_owned()));
    header.push("accuracy".to_owned());
    let mut table = vec![header];
    let mut before: Option<&OodRow> = None;
    for row in &outcome.rows {
        let same_encoder = before.is_some_and(|before| before.encoder.name == row.encoder.name);
        let same_shots = same_encoder && before.is_some_and(|before| before.shots == row.shots);
        let unless = |same: bool, text: String| if same { String::new() } else { text };
        let mut cells = vec![
            unless(same_encoder, printable(&row.encoder.name).into_owned()),
            unless(same_shots, row.shots.to_string()),
            row.detector.to_owned(),
        ];
        cells.extend(metrics().map(|(key, ..)| shown(row.scores.get(&key))));
        cells.push(unless(same_shots, shown(row.accuracy.as_ref())));
        table.push(cells);
        before = Some(row);
    }
    table
}

/// `0.871 +- 0.012 [0.80, 0.93]`
fn shown(score: Option<&Score>) -> String {
    let Some(Score { mean, low, high, deviation, .. }) = score else { return "-".to_owned() };
    let deviation = deviation.map_or(String::new(), |deviation| format!(" +- {deviation:.3}"));
    format!("{mean:.3}{deviation} [{low:.2}, {high:.2}]")
}

/// What the numbers are of, and how far they can be believed.
fn say_about(outcome: &OodOutcome, config: &OodConfig) {
    let OodOutcome { data, task, classes, held_out, rows, .. } = outcome;
    let list = |names: &[String]| printable(&names.join(", ")).into_owned();
    let mut outside: Vec<String> = Vec::new();
    if !held_out.is_empty() {
        outside.push(format!("its test samples of {}", list(held_out)));
    }
    if let Some(folder) = &config.outside {
        outside.push(format!("the videos of {}", printable(&folder.folder.display().to_string())));
    }
    let each = |of: &dyn Fn(&OodRow) -> usize| {
        let counts: BTreeSet<usize> = rows.iter().map(of).collect();
        counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ")
    };
    say(&format!(
        "\n{} of {}. In distribution: {} test samples of {}. Out of distribution: {}, {} in all.",
        printable(task),
        printable(data),
        each(&|row| row.inside),
        list(classes),
        outside.join(" and "),
        each(&|row| row.outside),
    ));
    let neighbours = config.neighbours;
    say(&format!(
        "Mean over seeds +- standard deviation over seeds [95 % bootstrap interval by patient]. In-distribution samples are the \
         positives of AUROC, AUPR in and FPR95, the others of AUPR out; AUPR depends on how many there are of each. FPR95: \
         share of the others that pass where 95 % of the positives do. Accuracy: among the classes in distribution, of the \
         linear head, at 0 shots of the prompts. knn: k = {neighbours}."
    ));
    for note in &outcome.notes {
        say(&format!("note: {}", printable(note)));
    }
    let undefined = rows.iter().flat_map(|row| row.scores.values()).map(|score| score.undefined).fold(0.0, f64::max);
    if undefined > MANY_UNDEFINED {
        say(&format!(
            "note: {:.0} % of the resamples have no sample in, or none out of, distribution; the intervals leave them out",
            100.0 * undefined
        ));
    }
    say(&format!("{} embedded", counted(outcome.embedded, "clip")));
    if !outcome.excluded.is_empty() {
        say(&format!("{} with something wrong:", counted(outcome.excluded.len(), "video")));
        outcome.excluded.iter().take(EXCLUDED_SHOWN).for_each(|video| say(&excluded_line(video)));
        if let Some(more) = outcome.excluded.len().checked_sub(EXCLUDED_SHOWN).filter(|&more| more > 0) {
            say(&format!("  and {more} more"));
        }
    }
    for line in cautions(outcome) {
        say(&line);
    }
    say(NOT_CLINICAL);
}

/// What all numbers of an encoder have in common.
fn cautions(outcome: &OodOutcome) -> Vec<String> {
    let rows = &outcome.rows;
    let named = |of: &dyn Fn(&OodRow) -> bool| {
        let names: BTreeSet<&str> = rows.iter().filter(|row| of(row)).map(|row| row.encoder.name.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let is_random = |row: &OodRow| weights_caution(&row.encoder.weights, true, true).is_some();
    let is_nano = |row: &OodRow| !row.encoder.published && !is_random(row);
    let (random, nano) = (named(&is_random), named(&|row| is_nano(row) && !row.phantoms));
    let mut lines = Vec::new();
    if !random.is_empty() {
        lines.push(format!("warning: the weights of {random} are random: these numbers mean nothing"));
    }
    if !nano.is_empty() {
        lines.push(format!(
            "warning: nano weights know no patients, and not all of these videos are known to be phantoms: the \
             numbers of {nano} mean nothing; what full-size weights say: echozoo ood --encoder ENCODER --preset full --weights \
             FILE"
        ));
    }
    if rows.iter().any(|row| is_nano(row) && row.phantoms) {
        lines.push("phantom data and nano weights, which know no patients: none of this is about patients".to_owned());
    } else if rows.iter().all(|row| row.phantoms) {
        lines.push("phantom data: none of this is about patients".to_owned());
    }
    if outcome.leaked > 0 {
        lines.push(format!(
            "warning: the patient or the file of {} is in training or validation too",
            counted(outcome.leaked, "test sample")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_shown_with_its_deviation_where_there_are_seeds() {
        let score = |deviation| Score { mean: 0.5, low: 0.25, high: 0.75, deviation, videos: 4, undefined: 0.0 };
        assert_eq!(shown(Some(&score(Some(0.0625)))), "0.500 +- 0.062 [0.25, 0.75]");
        assert_eq!((shown(Some(&score(None))), shown(None)), ("0.500 [0.25, 0.75]".to_owned(), "-".to_owned()));
    }
}
