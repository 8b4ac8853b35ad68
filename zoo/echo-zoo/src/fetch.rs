//! `echozoo fetch`, and the fetched files where a command that names no weights finds them.

use std::path::{Path, PathBuf};

use echo_core::{Card, Preset, WeightFile};
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
    /// A variant of it, where its card names any, instead of the encoder itself.
    #[arg(long)]
    variant: Option<String>,
    /// Where the files go [default: a folder that --preset full looks in by itself].
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
    let licence = card.preset(Preset::Full).weights_license;
    let variant = args.variant.as_deref();
    let wanted = files(card, variant)?;
    let remote = remote(&wanted);
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => folder(&home()?, card, variant),
    };
    let paths = if args.offline {
        check_fetched(&dir, &remote).map_err(WeightsError::from)?
    } else {
        if !args.accept_license && !licence_accepted(&dir, licence).map_err(WeightsError::from)? {
            print(&offer(card, licence, &wanted, &dir))?;
            let text = "nothing was downloaded; if you accept this licence, repeat the command with --accept-license";
            return Err(CliError::Usage(text.to_owned()));
        }
        download(&dir, licence, &remote)?
    };
    let mut text: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    text.push_str(&format!("unchanged since first downloaded; use --weights {}", to_load(&dir, &wanted).display()));
    if args.dir.is_none() && variant.is_none() {
        text.push_str(", or none: --preset full takes them by itself");
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
fn offer(card: &Card, licence: &str, files: &[&WeightFile], dir: &Path) -> String {
    let mut text = format!("{}: {}\n", card.title, card.paper);
    text.push_str(&format!("  licence of the weights  {licence}\n"));
    text.push_str(&format!("  upstream                {}\n", card.code_url));
    text.push_str(&format!("  folder                  {}\n", dir.display()));
    for file in files {
        text.push_str(&format!("  {}: {}\n    from {}\n", file.name, file.contents, file.url));
    }
    text
}

/// The files of a variant, or of the encoder itself.
fn files(card: &'static Card, variant: Option<&str>) -> Result<Vec<&'static WeightFile>, CliError> {
    let files: Vec<&WeightFile> = card.weights.iter().filter(|file| file.variant == variant).collect();
    if !files.is_empty() {
        return Ok(files);
    }
    let Some(variant) = variant else {
        return Err(CliError::Usage(format!("{} has no weights to download", card.name)));
    };
    let mut known: Vec<&str> = card.weights.iter().filter_map(|file| file.variant).collect();
    known.dedup();
    Err(CliError::Usage(match known.is_empty() {
        true => format!("{} has no variants", card.name),
        false => format!("{} has no variant {variant:?}; known: {}", card.name, known.join(", ")),
    }))
}

fn remote(files: &[&'static WeightFile]) -> Vec<RemoteFile<'static>> {
    files.iter().map(|file| RemoteFile { name: file.name, url: file.download, member: file.member }).collect()
}

/// Where files go, and are looked for. A variant's have a folder of their own: they may bear the same names.
fn folder(home: &Path, card: &Card, variant: Option<&str>) -> PathBuf {
    let folder = home.join("weights").join(card.name);
    variant.map_or(folder.clone(), |variant| folder.join(variant))
}

/// What `--weights` takes: the file, or the folder of several.
fn to_load(dir: &Path, files: &[&WeightFile]) -> PathBuf {
    match files {
        [file] => dir.join(file.name),
        _ => dir.to_owned(),
    }
}

/// Whether all files of `card` are in the folder that [`default_weights`] looks in.
pub(crate) fn is_fetched(card: &Card) -> bool {
    let Ok(home) = home() else { return false };
    let dir = folder(&home, card, None);
    let mut own = card.weights.iter().filter(|file| file.variant.is_none()).peekable();
    own.peek().is_some() && own.all(|file| dir.join(file.name).is_file())
}

/// The weights of an encoder for a command that names none: those shipped, else those that `echozoo fetch` brought,
/// checked again.
pub(crate) fn default_weights(entry: &Entry, preset: Preset) -> Result<Weights, WeightsError> {
    let card = entry.card;
    if preset != Preset::Full || entry.has_shipped(preset) || card.weights.is_empty() {
        return Ok(Weights::Shipped);
    }
    let (Ok(home), true) = (home(), is_fetched(card)) else {
        return Err(WeightsError::NotShipped { encoder: card.name.to_owned(), preset: preset.to_string() });
    };
    let dir = folder(&home, card, None);
    let wanted: Vec<&WeightFile> = card.weights.iter().filter(|file| file.variant.is_none()).collect();
    check_fetched(&dir, &remote(&wanted))?;
    let path = to_load(&dir, &wanted);
    say(&format!("weights of {}: {}", card.name, path.display()));
    Ok(Weights::File(path))
}
