//! The commands.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use echo_adapt::AdapterEntry;
use echo_files::say;
use tracing_subscriber::EnvFilter;

use crate::{
    CliError, Entry, bench, cache, convert, doctor, embed, explain, fetch, inspect, list, manual, ood, phantom,
    predict, prepare, pretrain, report, retrieve, speed, study, views, zero_shot,
};

/// Foundation models for echocardiography: one trait, one command line. Not for clinical use.
#[derive(Debug, Parser)]
#[command(name = "echozoo", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare encoders and adapters in few-shot regimes, on any task.
    Bench(Box<bench::Args>),
    /// See, shrink or clear what frozen encoders made of videos.
    Cache(cache::Args),
    /// Print the script that completes commands and flags in a shell.
    Completions(manual::CompletionsArgs),
    /// Copy upstream weights to a safetensors file of our own, exact or in half the size.
    Convert(convert::Args),
    /// Say what this machine has and lacks, and what each lack costs.
    Doctor(doctor::Args),
    /// Embed videos, ready clips or texts.
    Embed(embed::Args),
    /// Show where in a video a score, or what a fitted adapter predicts, comes from.
    Explain(Box<explain::Args>),
    /// Download upstream weights once their licence is accepted, and check those that are there.
    Fetch(fetch::Args),
    /// Write or extend an index of videos or reports, for `retrieve`.
    Index(Box<retrieve::IndexArgs>),
    /// Show what the decoder and an encoder's input pipeline make of a file.
    Inspect(inspect::Args),
    /// List encoders and adapters.
    List,
    /// Write manual pages.
    Man(manual::ManArgs),
    /// Tell videos of known classes from others, with every encoder.
    Ood(Box<ood::Args>),
    /// What an encoder's own heads say of videos or ready clips.
    Predict(predict::Args),
    /// Make a data set of a folder of DICOM files or videos: sectors alone, and new names for patients.
    Prepare(prepare::Args),
    /// Train the nano preset of an encoder on synthetic hearts, or on drawings without any.
    Pretrain(pretrain::Args),
    /// Write a data set of synthetic hearts in EchoNet-Dynamic's layout.
    Phantom(phantom::Args),
    /// Make the report of benchmarks again, merged from any set of output folders.
    Report(report::Args),
    /// Find the videos or reports of an index that are most similar to a text, a report or a video.
    Retrieve(Box<retrieve::Args>),
    /// Time an encoder run by run, as lines on standard input ask (docs/speed.md).
    #[command(hide = true)]
    Speed(speed::Args),
    /// Say what all encoders say of one study: a table, and a page that opens offline.
    Study(Box<study::Args>),
    /// Say which view each video shows, whether it is one that the encoder knows, and how good the picture is.
    Views(Box<views::Args>),
    /// Find things by prompts, without training.
    ZeroShot(Box<zero_shot::Args>),
}

/// The whole program over these encoders and adapters, which are [`ZOO`](crate::ZOO) and [`ADAPTERS`](echo_adapt::ADAPTERS) and
/// whatever another crate adds. Exit code 0: all done; 1: something failed; 2: wrong usage.
pub fn cli(entries: &[Entry], adapters: &[AdapterEntry]) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second program in one process, as in tests, keeps the first one's subscriber.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time();
    // It would tell on standard error that standard error cannot be written to, and panic.
    let _ = subscriber.log_internal_errors(false).try_init();
    let command = match Cli::try_parse() {
        Ok(Cli { command }) => command,
        Err(error) => return told(&error),
    };
    if let Err(error) = check_processor() {
        report(&error);
        return ExitCode::from(error.exit_code());
    }
    let result = match command {
        Command::Bench(args) => bench::run(&args, entries, adapters),
        Command::Cache(args) => cache::run(&args),
        Command::Completions(args) => manual::completions(&args, Cli::command()),
        Command::Convert(args) => convert::run(&args, entries, adapters),
        Command::Doctor(args) => doctor::run(&args, entries),
        Command::Embed(args) => embed::run(&args, entries),
        Command::Explain(args) => explain::run(&args, entries, adapters),
        Command::Fetch(args) => fetch::run(&args, entries),
        Command::Index(args) => retrieve::index(&args, entries),
        Command::Inspect(args) => inspect::run(&args, entries),
        Command::List => list::run(entries, adapters),
        Command::Man(args) => manual::man(&args, Cli::command()),
        Command::Ood(args) => ood::run(&args, entries, adapters),
        Command::Predict(args) => predict::run(&args, entries, adapters),
        Command::Phantom(args) => phantom::run(&args),
        Command::Prepare(args) => prepare::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Retrieve(args) => retrieve::run(&args, entries),
        Command::Speed(args) => speed::run(&args, entries),
        Command::Study(args) => study::run(&args, entries),
        Command::Views(args) => views::run(&args, entries),
        Command::Pretrain(args) => pretrain::run(&args, entries),
        Command::ZeroShot(args) => zero_shot::run(&args, entries),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// # Errors
/// The environment asks for vectors that this processor has not.
pub(crate) fn check_processor() -> Result<(), CliError> {
    echo_kernels::check_simd().map_err(CliError::Usage)
}

/// Shows help, the version or what is wrong with the flags, and says how that went.
fn told(error: &clap::Error) -> ExitCode {
    // What clap prints to standard output has been asked for.
    let printed = match error.print().and_then(|()| std::io::stdout().flush()) {
        Err(failed) if failed.kind() != ErrorKind::BrokenPipe && !error.use_stderr() => Err(CliError::Output(failed)),
        _ => Ok(()),
    };
    match printed {
        Ok(()) => ExitCode::from(error.exit_code().try_into().unwrap_or(2)),
        Err(failed) => {
            report(&failed);
            ExitCode::from(failed.exit_code())
        }
    }
}

fn report(error: &CliError) {
    say(&format!("error: {}", error.full_text()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
