//! `echozoo fetch`, and the fetched files where a command that names no weights finds them.

use std::path::{Path, PathBuf};

use echo_core::{Card, Preset};
use echo_files::say;
use echo_weights::{FetchOptions, RemoteFile, Weights, WeightsError, check_fetched, licence_accepted};

use crate::home::home;
use crate::output::print;
use crate::progress::Progress;
use crate::{CliError, Entry, find};

/// Flags of `echozoo fetch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The encoder.
    encoder: String,
    /// Of which preset.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL)]
    preset: String,
    /// Where the files go [default: a folder that --preset NAME looks in by itself].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Accept the licence of the weights, which is shown without this flag. Needed once.
    #[arg(long, alias = "accept-licence")]
    accept_license: bool,
    /// Check the files that are there, and download nothing.
    #[arg(long, conflicts_with = "accept_license")]
    offline: bool,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let card = find(entries, &args.encoder)?.card;
    let preset = card.preset(&args.preset)?;
    let licence = preset.weights_license;
    if preset.weights.is_empty() {
        return Err(CliError::Usage(format!("{} {} has no weights to download", card.name, preset.name)));
    }
    let remote = remote(preset);
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => folder(&home()?, card, preset),
    };
    let paths = if args.offline {
        check_fetched(&dir, &remote).map_err(WeightsError::from)?
    } else {
        if !args.accept_license && !licence_accepted(&dir, licence).map_err(WeightsError::from)? {
            print(&offer(card, preset, &dir))?;
            let text = "nothing was downloaded; if you accept this licence, repeat the command with --accept-license";
            return Err(CliError::Usage(text.to_owned()));
        }
        download(&dir, licence, &remote)?
    };
    let mut text: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    text.push_str(&format!("unchanged since first downloaded; use --weights {}", to_load(&dir, preset).display()));
    if args.dir.is_none() {
        text.push_str(&format!(", or none: --preset {} takes them by itself", preset.name));
    }
    print(&(text + "\n"))
}

fn download(dir: &Path, licence: &str, files: &[RemoteFile<'_>]) -> Result<Vec<PathBuf>, CliError> {
    const MEGABYTE: u64 = 1_000_000;
    let mut shown: Option<(String, Progress)> = None;
    let mut progress = |name: &str, done: u64, total: u64| {
        if shown.as_ref().is_none_or(|(before, _)| before != name) {
            shown = Some((name.to_owned(), Progress::new(&format!("{name}, MB"), (total / MEGABYTE) as usize)));
        }
        if let Some((_, progress)) = &mut shown {
            progress.set((done / MEGABYTE) as usize, "");
        }
    };
    Ok(echo_weights::fetch(dir, licence, files, &FetchOptions::default(), &mut progress).map_err(WeightsError::from)?)
}

/// What the user is asked to accept.
fn offer(card: &Card, preset: &Preset, dir: &Path) -> String {
    let mut text = format!("{}: {}\n", card.title, card.paper);
    text.push_str(&format!("  licence of the weights  {}\n", preset.weights_license));
    text.push_str(&format!("  upstream                {}\n", card.code_url));
    text.push_str(&format!("  folder                  {}\n", dir.display()));
    for file in preset.weights {
        text.push_str(&format!("  {}: {}\n    from {}\n", file.name, file.contents, file.url));
    }
    text
}

fn remote(preset: &Preset) -> Vec<RemoteFile<'static>> {
    preset.weights.iter().map(|file| RemoteFile { name: file.name, url: file.download, member: file.member }).collect()
}

/// Where files go, and are looked for. Each preset's have a folder of their own: they may bear the same names.
fn folder(home: &Path, card: &Card, preset: &Preset) -> PathBuf {
    home.join("weights").join(card.name).join(preset.name)
}

/// What `--weights` takes: the file, or the folder of several.
fn to_load(dir: &Path, preset: &Preset) -> PathBuf {
    match preset.weights {
        [file] => dir.join(file.name),
        _ => dir.to_owned(),
    }
}

/// Whether all files of `preset` are in the folder that [`default_weights`] looks in.
pub(crate) fn is_fetched(card: &Card, preset: &Preset) -> bool {
    let Ok(home) = home() else { return false };
    let dir = folder(&home, card, preset);
    preset.is_released()
        && !preset.weights.is_empty()
        && preset.weights.iter().all(|file| dir.join(file.name).is_file())
}

/// The weights of an encoder for a command that names none: those shipped, else those that `echozoo fetch` brought,
/// checked again.
pub(crate) fn default_weights(entry: &Entry, preset: &str) -> Result<Weights, WeightsError> {
    let card = entry.card;
    let preset = card.preset(preset)?;
    if entry.has_shipped(preset) || preset.weights.is_empty() {
        return Ok(Weights::Shipped);
    }
    if !preset.is_released() {
        return Err(WeightsError::NotReleased { encoder: card.name.to_owned(), preset: preset.name.to_owned() });
    }
    let (Ok(home), true) = (home(), is_fetched(card, preset)) else {
        return Err(WeightsError::NotShipped { encoder: card.name.to_owned(), preset: preset.name.to_owned() });
    };
    let dir = folder(&home, card, preset);
    check_fetched(&dir, &remote(preset))?;
    let path = to_load(&dir, preset);
    say(&format!("weights of {}: {}", card.name, path.display()));
    Ok(Weights::File(path))
}
