//! Pictures of what was written, to look at before it is used.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use echo_data::{Size, shrunk};
use echo_video::{Mask, OpenOptions, Video};
use image::{ImageFormat, Rgb, RgbImage};
use rayon::prelude::*;

use super::journal::{self, Done, Outcome};
use crate::CliError;
use crate::array_file::write_file;
use crate::contact_sheet::{GAP, LETTER, write_line};

/// Pictures in a row at most: three of each video.
const COLUMNS: usize = 6;
/// The largest sides of a picture.
const CELL: Size = Size { height: 150, width: 200 };
/// Lines of reasons at most; the table has all.
const MOST_REASONS: usize = 12;

/// Writes `sheets/STUDY.png` for every study that has changed or has none: of its videos as they were written the first and the
/// middle frame and the brightest that each pixel has in any frame, where a text shows that was there for a moment; and why its
/// other files were skipped.
pub(super) fn write_all(
    out: &Path,
    studies: &BTreeMap<&str, Vec<&Done>>,
    fresh: &dyn Fn(&Done) -> bool,
) -> Result<(), CliError> {
    let folder = out.join("sheets");
    std::fs::create_dir_all(&folder).map_err(CliError::file(&folder))?;
    let path_of = |study: &str| folder.join(format!("{study}.png"));
    let changed: Vec<(&str, &Vec<&Done>)> = studies
        .iter()
        .filter(|(study, files)| files.iter().any(|done| fresh(done)) || !path_of(study).exists())
        .map(|(study, files)| (*study, files))
        .collect();
    changed.par_iter().try_for_each(|(study, files)| {
        let path = path_of(study);
        let sheet = sheet(study, files, &out.join("Videos"))?;
        let mut bytes = Cursor::new(Vec::new());
        sheet.write_to(&mut bytes, ImageFormat::Png).map_err(CliError::file(&path))?;
        write_file(&path, &bytes.into_inner())
    })
}

fn sheet(study: &str, files: &[&Done], videos: &Path) -> Result<RgbImage, CliError> {
    let mut pictures = Vec::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for done in files {
        match &done.outcome {
            Outcome::Written(video) => pictures.extend(three_pictures(video, videos)?),
            Outcome::Skipped { reason, .. } => *reasons.entry(reason.as_str()).or_default() += 1,
            // The reason may name the file.
            Outcome::Failed { .. } => *reasons.entry("cannot be read").or_default() += 1,
        }
    }
    let line = LETTER + GAP;
    let step = [CELL.width + GAP, line + CELL.height + GAP];
    let lines = 1 + reasons.len().min(MOST_REASONS);
    let columns = pictures.len().clamp(3, COLUMNS);
    let width = columns * step[0] - GAP;
    let height = lines * line + pictures.len().div_ceil(columns) * step[1];
    let mut sheet = RgbImage::new(width as u32, height as u32);
    write_line(&mut sheet, [0, 0], width, study);
    for (place, (reason, count)) in reasons.iter().take(MOST_REASONS).enumerate() {
        write_line(&mut sheet, [0, (place + 1) * line], width, &format!("skipped {count} x {reason}"));
    }
    for (place, Picture { label, size, pixels }) in pictures.iter().enumerate() {
        let (left, top) = (place % columns * step[0], lines * line + place / columns * step[1]);
        write_line(&mut sheet, [left, top], CELL.width, label);
        for (at, rgb) in pixels.as_chunks::<3>().0.iter().enumerate() {
            let (x, y) = (left + at % size.width, top + line + at / size.width);
            sheet.put_pixel(x as u32, y as u32, Rgb(*rgb));
        }
    }
    Ok(sheet)
}

/// A small picture and what stands above it.
struct Picture {
    label: String,
    size: Size,
    pixels: Vec<u8>,
}

/// The first and the middle frame of a video, as it was written, and the brightest of all frames.
fn three_pictures(of: &journal::Video, videos: &Path) -> Result<[Picture; 3], CliError> {
    let video = Video::open(&of.path(videos), &OpenOptions { mask: Mask::None, ..OpenOptions::default() })?;
    let frames = video.decode(&[0, of.frames / 2])?;
    let mut brightest = vec![0u8; frames.frame_len()];
    video.for_each_frame(|frame| {
        brightest.iter_mut().zip(frame).for_each(|(most, &level)| *most = level.max(*most));
    })?;
    let from = Size { height: frames.height, width: frames.width };
    let picture = |frame: &[u8], label: String| {
        let (size, pixels) = shrunk(frame, from, CELL);
        Picture { label, size, pixels }
    };
    let middle = format!("{} of {} at {:.0}/s", of.frames / 2, of.frames, of.fps);
    Ok([
        picture(frames.frame(0), of.name.clone()),
        picture(frames.frame(1), middle),
        picture(&brightest, "brightest of all".to_owned()),
    ])
}
