//! `echozoo completions` and `echozoo man`: what shells and `man` want to know of the command line.

use std::path::{Path, PathBuf};

use clap::Command;

use crate::CliError;
use crate::array_file::write_file;
use crate::output::print;

/// Flags of `echozoo completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Flags of `echozoo man`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// A folder for the pages, one for each command.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the script that completes the program's flags in a shell.
pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "echozoo", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes a manual page for the program and one for each of its commands.
pub(crate) fn man(args: &ManArgs, command: Command) -> Result<(), CliError> {
    std::fs::create_dir_all(&args.out).map_err(CliError::file(&args.out))?;
    let name = command.get_name().to_owned();
    let mut pages = vec![(name.clone(), command.clone())];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let full = format!("{name}-{}", sub.get_name());
        pages.push((full.clone(), sub.clone().name(full)));
    }
    for (name, command) in pages {
        let mut page = Vec::new();
        let path = args.out.join(format!("{name}.1"));
        clap_mangen::Man::new(command).render(&mut page).map_err(CliError::file(Path::new(&path)))?;
        write_file(&path, &page)?;
        echo_files::say(&path.display().to_string());
    }
    Ok(())
}
