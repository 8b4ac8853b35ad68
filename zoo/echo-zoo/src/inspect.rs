//! `echozoo inspect`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use echo_core::Preset;
use echo_data::{LoadedClip, Start, clip_of};
use echo_files::write_atomically;
use echo_video::{OpenOptions, Video};

use crate::array_file::{npy, safetensors, write_file};
use crate::contact_sheet::contact_sheet;
use crate::output::print;
use crate::{CliError, Entry, find};

/// Flags of `echozoo inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The video.
    file: PathBuf,
    /// An encoder, for --out and --clip.
    #[arg(long)]
    encoder: Option<String>,
    /// Its size.
    #[arg(long, value_name = "NAME", default_value = Preset::FULL, requires = "encoder")]
    preset: String,
    /// A contact sheet (PNG) of the frames that the encoder would see, with their numbers.
    #[arg(long, value_name = "FILE", requires = "encoder")]
    out: Option<PathBuf>,
    /// The clip that the encoder would get (.safetensors, tensor `clip`, f32 [1, 3, frames, height, width]).
    #[arg(long, value_name = "FILE", requires = "encoder")]
    clip: Option<PathBuf>,
    /// All decoded frames (.npy, u8 [frames, height, width, 3], RGB).
    #[arg(long, value_name = "FILE")]
    frames: Option<PathBuf>,
    /// Go on with what can be decoded of a truncated video.
    #[arg(long)]
    allow_truncated: bool,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let options = OpenOptions { allow_truncated: args.allow_truncated, ..OpenOptions::default() };
    let entry = args.encoder.as_deref().map(|name| find(entries, name)).transpose()?;
    let video = Video::open(&args.file, &options)?;
    let info = video.info();
    let seconds = if info.fps > 0.0 { info.frames as f64 / info.fps } else { 0.0 };
    let mut text = format!(
        "{}\n  container  {:?}\n  codec      {}\n  frames     {} ({seconds:.2} s at {:.3} per second)\n  size       {} x {}\n",
        args.file.display(),
        info.container,
        info.codec,
        info.frames,
        info.fps,
        info.width,
        info.height,
    );
    if let Some(truncation) = &info.truncated {
        text.push_str(&format!("  truncated  {}\n", truncation.cause));
    }
    for warning in &info.warnings {
        text.push_str(&format!("  warning    {warning}\n"));
    }
    if let Some(path) = &args.frames {
        write_frames(path, &video)?;
    }
    if let Some(entry) = entry {
        let spec = &entry.card.preset(&args.preset)?.clip;
        let (LoadedClip { clip, warnings, .. }, selection) = clip_of(&video, &args.file, spec, Start::First.into())?;
        text.push_str(&format!(
            "  {} sees    {} frames of {} x {}: {:?}{}\n",
            entry.card.title,
            clip.frames,
            clip.size,
            clip.size,
            selection.frames,
            match selection.missing {
                0 => String::new(),
                missing => format!(", {missing} missing ({:?})", spec.padding),
            }
        ));
        for doubt in warnings.iter().filter(|warning| !info.warnings.contains(warning)) {
            text.push_str(&format!("  warning    {doubt}\n"));
        }
        if let Some(path) = &args.out {
            let file = args.file.file_name().unwrap_or_default().to_string_lossy();
            let title = format!("{file}, {} ({})", entry.card.title, args.preset);
            let sheet = contact_sheet(&clip, spec, &selection.frames, &title).map_err(CliError::file(path))?;
            write_file(path, &sheet)?;
        }
        if let Some(path) = &args.clip {
            let shape = [1, 3, clip.frames, clip.size, clip.size];
            write_file(path, &safetensors(path, "clip", &shape, &clip.data, HashMap::new())?)?;
        }
    }
    print(&text)
}

/// Writes all frames one after the other: together they may be larger than memory.
fn write_frames(path: &Path, video: &Video) -> Result<(), CliError> {
    let info = video.info();
    let shape = [info.frames, info.height, info.width, 3];
    let mut undecodable = None;
    let written = write_atomically(path, |file| {
        let mut array = npy(file, &shape)?;
        let mut written = Ok(());
        let decoded = video.for_each_frame(|pixels| {
            if written.is_ok() {
                written = array.extend(pixels.iter().copied());
            }
        });
        written?;
        // Half of the frames are not left under the name of all of them.
        decoded.map_err(|error| {
            undecodable = Some(error);
            std::io::Error::other("not all frames can be decoded")
        })?;
        array.finish()
    });
    match undecodable {
        Some(error) => Err(error.into()),
        None => written.map_err(CliError::file(path)),
    }
}
