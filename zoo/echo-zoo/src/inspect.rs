//! `echozoo inspect`.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use echo_core::Preset;
use echo_data::{LoadedClip, Start, clip_of};
use echo_files::{printable, write_atomically};
use echo_video::{DicomFacts, Mask, OpenOptions, Region, Sector, Video, VideoError};
use image::{ImageFormat, Rgb, RgbImage};

use crate::array_file::{npy, refuse_inputs, safetensors, write_file};
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
    /// Whether it shows nothing but its ultrasound sector: dicom (if it is DICOM), auto (yes) or none.
    #[arg(long, value_name = "WHICH", default_value = "dicom")]
    mask: Mask,
    /// Its first frame as it is and with all black outside of the sector that is found (PNG): what the file shows beside it,
    /// names of patients for example, is in the picture.
    #[arg(long, value_name = "FILE")]
    before_after: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let outs = [&args.out, &args.clip, &args.frames, &args.before_after];
    refuse_inputs(outs.into_iter().flatten().map(PathBuf::as_path), [args.file.as_path()])?;
    let options = OpenOptions { allow_truncated: args.allow_truncated, mask: args.mask, ..OpenOptions::default() };
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
    if let Some(facts) = &info.dicom {
        text.push_str(&described(facts));
    }
    for warning in &info.warnings {
        text.push_str(&format!("  warning    {warning}\n"));
    }
    // What cannot be decoded at all is described, and is an error.
    let mut undecodable = None;
    match video.sector() {
        Ok(None) => undecodable = video.decode(&[0]).err(),
        Ok(Some(sector)) => {
            let [left, top, right, bottom] = sector.bounds();
            let share = 100.0 * sector.area() as f64 / (info.width * info.height) as f64;
            text.push_str(&format!(
                "  sector     {share:.0} % of the picture, within {left},{top} to {right},{bottom}; all else is masked\n"
            ));
            if let Some(doubt) = sector.doubt() {
                text.push_str(&format!("  warning    the ultrasound sector: {doubt}\n"));
            }
        }
        Err(error @ VideoError::NoSector { .. }) => text.push_str(&format!("  warning    {error}\n")),
        Err(error) => undecodable = Some(error),
    }
    if let Some(error) = undecodable {
        print(&text)?;
        return Err(error.into());
    }
    if let Some(path) = &args.before_after {
        write_file(path, &before_after(&video, path)?)?;
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

/// What a DICOM file says of its pictures; identifiers are not printed.
fn described(facts: &DicomFacts) -> String {
    let mut text = String::new();
    if let Some(modality) = &facts.modality {
        text.push_str(&format!("  modality   {}\n", printable(modality)));
    }
    if let Some([row, column]) = facts.spacing {
        text.push_str(&format!("  spacing    {row:.4} x {column:.4} cm between rows and columns\n"));
    }
    for Region { format, data_type, sides: [left, top, right, bottom], .. } in &facts.regions {
        let kind = match format {
            1 => "a 2-D picture",
            2 => "M-mode",
            3 => "a spectrum",
            4 => "a curve",
            5 => "graphics",
            _ => "a region",
        };
        text.push_str(&format!("  region     {left},{top} to {right},{bottom}: {kind} (data type {data_type})\n"));
    }
    text
}

/// The first frame as it is, and masked, side by side.
fn before_after(video: &Video, path: &Path) -> Result<Vec<u8>, CliError> {
    let sector = Sector::of(video)?;
    let before = video.unmasked()?.decode(&[0])?;
    let mut after = before.clone();
    sector.apply(&mut after.data);
    let (width, height) = (before.width as u32, before.height as u32);
    let mut sheet = RgbImage::new(2 * width, height);
    for (place, frames) in [&before, &after].into_iter().enumerate() {
        for (at, rgb) in frames.data.as_chunks::<3>().0.iter().enumerate() {
            let (x, y) = (at as u32 % width, at as u32 / width);
            sheet.put_pixel(place as u32 * width + x, y, Rgb(*rgb));
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, ImageFormat::Png).map_err(CliError::file(path))?;
    Ok(bytes.into_inner())
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
