//! `echozoo report`.

use std::path::PathBuf;

use echo_files::{counted, say};
use echo_report::{Merged, merge};

use crate::CliError;
use crate::array_file::check_folder;
use crate::bench::Format;
use crate::output::print;

/// Flags of `echozoo report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output folders of `echozoo bench`, or their runs.jsonl.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder for the report and the merged results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How the leaderboard is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    check_folder(&args.out)?;
    let Merged { leaderboard, cells, superseded, damaged } = merge(&args.runs, &args.out)?;
    damaged.iter().for_each(|reason| say(&format!("warning: {reason}")));
    print(&args.format.of(&leaderboard))?;
    say(&format!(
        "\n{} from {}, {} passed over; report in {}",
        counted(cells, "cell"),
        counted(args.runs.len(), "folder"),
        counted(superseded, "older record"),
        args.out.join("report.html").display()
    ));
    match damaged.len() {
        0 => Ok(()),
        failed => Err(CliError::Cells { failed, total: cells }),
    }
}
