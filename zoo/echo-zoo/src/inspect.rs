//! `echozoo inspect`.

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use echo_core::{ChannelOrder, ClipSpec, Preset};
use echo_data::{Clip, LoadedClip, Start, clip_of};
use echo_files::write_atomically;
use echo_video::{OpenOptions, Video};
use image::{ImageFormat, RgbImage};

use crate::array_file::{Element, npy_header, safetensors, write_file};
use crate::output::print;
use crate::{CliError, Entry, find};

/// Frames in a row of the contact sheet.
const SHEET_COLUMNS: usize = 5;
/// Pixels between frames of the contact sheet.
const SHEET_GAP: usize = 4;

/// Flags of `echozoo inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The video.
    file: PathBuf,
    /// An encoder, for --out and --clip.
    #[arg(long)]
    encoder: Option<String>,
    /// Its size.
    #[arg(long, default_value_t = Preset::Full, requires = "encoder")]
    preset: Preset,
    /// A contact sheet (PNG) of the frames that the encoder would see.
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
        let spec = &entry.card.preset(args.preset).clip;
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
            write_file(path, &contact_sheet(&clip, spec, path)?)?;
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
    let header = npy_header(Element::U8, &[info.frames, info.height, info.width, 3]);
    let mut undecodable = None;
    let written = write_atomically(path, |file| {
        file.write_all(&header)?;
        let mut written = Ok(());
        let decoded = video.for_each_frame(|pixels| {
            if written.is_ok() {
                written = file.write_all(pixels);
            }
        });
        written?;
        // Half of the frames are not left under the name of all of them.
        decoded.map_err(|error| {
            undecodable = Some(error);
            std::io::Error::other("not all frames can be decoded")
        })
    });
    match undecodable {
        Some(error) => Err(error.into()),
        None => written.map_err(CliError::file(path)),
    }
}

/// The clip's frames as they are after all steps but normalisation, in true colours.
fn contact_sheet(clip: &Clip, spec: &ClipSpec, path: &Path) -> Result<Vec<u8>, CliError> {
    let Clip { data, frames, size } = clip;
    let columns = SHEET_COLUMNS.min(*frames);
    let rows = frames.div_ceil(columns.max(1));
    let side = |count: usize| (count * (size + SHEET_GAP) - SHEET_GAP) as u32;
    let mut sheet = RgbImage::new(side(columns), side(rows));
    let plane = size * size;
    for frame in 0..*frames {
        let (left, top) = ((frame % columns) * (size + SHEET_GAP), (frame / columns) * (size + SHEET_GAP));
        for pixel in 0..plane {
            let value = |channel: usize| {
                let normalised = data[(channel * frames + frame) * plane + pixel];
                ((normalised * spec.std[channel] + spec.mean[channel]) / spec.scale).round().clamp(0.0, 255.0) as u8
            };
            let rgb = match spec.channels {
                ChannelOrder::Rgb => [value(0), value(1), value(2)],
                ChannelOrder::Bgr => [value(2), value(1), value(0)],
            };
            sheet.put_pixel((left + pixel % size) as u32, (top + pixel / size) as u32, image::Rgb(rgb));
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, ImageFormat::Png).map_err(CliError::file(path))?;
    Ok(bytes.into_inner())
}
