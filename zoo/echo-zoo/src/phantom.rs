//! `echozoo phantom`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use echo_bench::Progress;
use echo_phantom::{DatasetSpec, Setting, Summary, View, Views, write_dataset_while};

use crate::output::print;
use crate::{CliError, interrupt};

/// Flags of `echozoo phantom`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to write, which must be empty or absent. Until it is complete it has a hidden name beside its own; what a
    /// killed process leaves there, the next one that writes beside it removes.
    #[arg(long)]
    out: PathBuf,
    /// Videos over all splits; as many as in the benchmark's default set when absent.
    #[arg(long)]
    count: Option<usize>,
    /// Seed.
    #[arg(long, default_value_t = DatasetSpec::default().seed)]
    seed: u64,
    /// Views to draw: four-chamber, two-chamber, or both (seven to three).
    #[arg(long, value_enum, default_value = "both")]
    view: ViewChoice,
    /// Test videos only, with gain, depth, tilt and noise outside the usual bands.
    #[arg(long)]
    shifted: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ViewChoice {
    A4c,
    A2c,
    Both,
}

impl Args {
    fn spec(&self) -> DatasetSpec {
        let default = DatasetSpec { seed: self.seed, ..DatasetSpec::default() };
        let spec = match (self.shifted, self.count) {
            (true, count) => DatasetSpec::shifted(count.unwrap_or(default.test), self.seed),
            (false, Some(count)) => DatasetSpec::with_total(count, self.seed),
            (false, None) => default,
        };
        let views = match self.view {
            ViewChoice::A4c => Views::Only(View::A4c),
            ViewChoice::A2c => Views::Only(View::A2c),
            ViewChoice::Both => Views::Both,
        };
        DatasetSpec { setting: Setting { views, ..spec.setting }, ..spec }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let summary = write(&args.out, &args.spec())?;
    let [train, validation, test] = summary.videos;
    let (low, high) = summary.ef_range;
    print(&format!(
        "{}: {train} training, {validation} validation and {test} test videos, {} frames, EF {low:.1} to {high:.1} %.\n\
         Synthetic; not for clinical use.\n",
        args.out.display(),
        summary.frames,
    ))
}

/// Writes the data set with a progress bar. Ctrl-C leaves nothing of it behind.
pub(crate) fn write(out: &Path, spec: &DatasetSpec) -> Result<Summary, CliError> {
    let progress = Mutex::new(Progress::new("making phantoms", spec.total()));
    let summary = interrupt::hold(|is_asked_for| {
        write_dataset_while(out, spec, &|done, _total| {
            // A poisoned lock means that another thread is already failing; its error is the one to see.
            if let Ok(mut progress) = progress.lock() {
                progress.set(done, "");
            }
            !is_asked_for()
        })
    })?;
    Ok(summary)
}
