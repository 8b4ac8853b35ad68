//! `echozoo phantom`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use echo_bench::Progress;
use echo_phantom::{DatasetSpec, Summary, write_dataset};

use crate::CliError;
use crate::output::print;

/// Flags of `echozoo phantom`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to write, which must be empty or absent.
    #[arg(long)]
    out: PathBuf,
    /// Videos over all splits; the benchmark's default set when absent.
    #[arg(long)]
    count: Option<usize>,
    /// Seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let spec = match args.count {
        Some(count) => DatasetSpec::with_total(count, args.seed),
        None => DatasetSpec { seed: args.seed, ..DatasetSpec::default() },
    };
    let summary = write(&args.out, &spec)?;
    let [train, validation, test] = summary.videos;
    let (low, high) = summary.ef_range;
    print(&format!(
        "{}: {train} training, {validation} validation and {test} test videos, {} frames, EF {low:.1} to {high:.1} %.\n\
         Synthetic; not for clinical use.\n",
        args.out.display(),
        summary.frames,
    ));
    Ok(())
}

/// Writes the data set with a progress bar.
pub(crate) fn write(out: &Path, spec: &DatasetSpec) -> Result<Summary, CliError> {
    let progress = Mutex::new(Progress::new("making phantoms", spec.total()));
    let summary = write_dataset(out, spec, &|done, _total| {
        // A poisoned lock means that another thread is already failing; its error is the one to see.
        if let Ok(mut progress) = progress.lock() {
            progress.set(done, "");
        }
    })?;
    Ok(summary)
}
