//! A folder of phantoms in EchoNet-Dynamic's layout.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::PhantomError;
use crate::dataset::{DatasetSpec, Video};
use crate::findings::{Chamber, Findings};
use crate::marker::{self, VIDEOS};
use crate::sector::FRAME_SIZE;
use crate::tracing::Tracing;
use crate::unfinished::Unfinished;
use crate::view::Wall;

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Numbers of training, validation and test videos.
    pub videos: [usize; 3],
    /// Frames in all videos.
    pub frames: usize,
    /// Smallest and largest ejection fraction, percent.
    pub ef_range: (f64, f64),
}

/// What the tables say about a video.
struct Written {
    video: Video,
    findings: Findings,
    fps: u32,
    frames: usize,
    tracings: [Tracing; 2],
}

/// Writes the data set to the folder `out`: `Videos/*.avi`, `FileList.csv` and `VolumeTracings.csv` as in
/// EchoNet-Dynamic, `Findings.csv` with what else is known about each video, and `Phantoms.csv`, by which they are told
/// from patients.
///
/// All is written into a folder beside `out`, which takes its name when it is complete, so that `out` never holds
/// half a data set. `progress` is called from several threads with the number of videos done and in total. The files
/// do not depend on the number of threads.
///
/// # Errors
/// When `out` holds something, when the specification has no videos or more than a million, or when a file cannot be
/// written.
pub fn write_dataset(
    out: &Path,
    spec: &DatasetSpec,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Summary, PhantomError> {
    let go_on = |done: usize, total: usize| {
        progress(done, total);
        true
    };
    write_dataset_while(out, spec, &go_on)
}

/// [`write_dataset`] for as long as `go_on`, which is called as `progress` is, says so. What was made until then goes.
///
/// # Errors
/// As [`write_dataset`], and when `go_on` ended it.
pub fn write_dataset_while(
    out: &Path,
    spec: &DatasetSpec,
    go_on: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Summary, PhantomError> {
    let list = spec.videos()?;
    let folder = Unfinished::beside(out)?;
    let videos = folder.path.join(VIDEOS);
    fs::create_dir_all(&videos).map_err(PhantomError::io(&videos))?;

    let done = AtomicUsize::new(0);
    let total = list.len();
    let written: Vec<Written> = list
        .into_par_iter()
        .map(|video| {
            let written = write_video(&videos, video, spec)?;
            match go_on(done.fetch_add(1, Ordering::Relaxed) + 1, total) {
                true => Ok(written),
                false => Err(PhantomError::Stopped(out.to_owned())),
            }
        })
        .collect::<Result<_, PhantomError>>()?;

    write_file_list(&folder.path.join("FileList.csv"), &written)?;
    write_tracings(&folder.path.join("VolumeTracings.csv"), &written)?;
    write_findings(&folder.path.join("Findings.csv"), &written)?;
    marker::write_list(&folder.path, written.iter().map(|written| written.video.name()))?;
    folder.finish(out)?;
    let efs = written.iter().map(|video| video.findings.ef);
    Ok(Summary {
        videos: spec.counts(),
        frames: written.iter().map(|video| video.frames).sum(),
        ef_range: efs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), ef| (low.min(ef), high.max(ef))),
    })
}

/// What [`write_dataset`] would say of every video in `FileList.csv`, without scanning anything: the table in `out`,
/// and an empty file for every video, which counts as a phantom.
///
/// # Errors
/// As [`write_dataset`].
pub fn write_list(out: &Path, spec: &DatasetSpec) -> Result<(), PhantomError> {
    let videos = out.join(VIDEOS);
    fs::create_dir_all(&videos).map_err(PhantomError::io(&videos))?;
    let listed = spec.videos()?.into_par_iter().map(|video| {
        let phantom = spec.phantom(video)?;
        let path = videos.join(video.name()).with_extension("avi");
        fs::write(&path, []).map_err(PhantomError::io(&path))?;
        let (fps, frames) = (phantom.acquisition.fps, phantom.frame_count());
        Ok(Written { video, findings: phantom.findings(), fps, frames, tracings: phantom.tracings() })
    });
    let listed: Vec<Written> = listed.collect::<Result<_, PhantomError>>()?;
    marker::write_list(out, listed.iter().map(|written| written.video.name()))?;
    write_file_list(&out.join("FileList.csv"), &listed)
}

fn write_video(folder: &Path, video: Video, spec: &DatasetSpec) -> Result<Written, PhantomError> {
    let rendered = spec.phantom(video)?.render();
    rendered.write_avi(&folder.join(video.name()).with_extension("avi"))?;
    Ok(Written {
        video,
        fps: rendered.fps,
        frames: rendered.frame_count(),
        tracings: [rendered.end_diastole, rendered.end_systole],
        findings: rendered.findings,
    })
}

fn write_file_list(path: &Path, written: &[Written]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    let mut write = |row: [String; 9]| table.write_record(row).map_err(PhantomError::csv(path));
    write(
        ["FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split"]
            .map(str::to_owned),
    )?;
    for Written { video, findings, fps, frames, .. } in written {
        let Findings { ef, esv, edv, .. } = findings;
        write([
            video.name(),
            format!("{ef:.8}"),
            format!("{esv:.8}"),
            format!("{edv:.8}"),
            FRAME_SIZE.to_string(),
            FRAME_SIZE.to_string(),
            fps.to_string(),
            frames.to_string(),
            video.purpose.split().to_owned(),
        ])?;
    }
    table.flush().map_err(PhantomError::io(path))
}

fn write_tracings(path: &Path, written: &[Written]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    table.write_record(["FileName", "X1", "Y1", "X2", "Y2", "Frame"]).map_err(PhantomError::csv(path))?;
    for Written { video, tracings, .. } in written {
        let name = format!("{}.avi", video.name());
        for tracing in tracings {
            let frame = tracing.frame.to_string();
            for [(x1, y1), (x2, y2)] in tracing.lines() {
                let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(|value| format!("{value:.4}"));
                table.write_record([&name, &x1, &y1, &x2, &y2, &frame]).map_err(PhantomError::csv(path))?;
            }
        }
    }
    table.flush().map_err(PhantomError::io(path))
}

/// Cells are empty where the view does not show what the column is about. Widths are in cm; what is present or absent
/// is 1 or 0.
fn write_findings(path: &Path, written: &[Written]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    let mut header: Vec<String> = ["FileName", "View", "EF", "ESV", "EDV", "HeartRate"].map(str::to_owned).into();
    for chamber in ["LeftVentricle", "LeftAtrium", "RightVentricle", "RightAtrium"] {
        header.extend([format!("{chamber}Size"), format!("{chamber}Width")]);
    }
    header.extend(Wall::ALL.map(|wall| format!("{}{}", wall.name()[..1].to_uppercase(), &wall.name()[1..])));
    header.extend(["Gain", "Window"].map(str::to_owned));
    header
        .extend(written.iter().take(1).flat_map(|written| written.findings.present().map(|(name, _)| name.to_owned())));
    table.write_record(header).map_err(PhantomError::csv(path))?;
    for Written { video, findings, .. } in written {
        let mut row = vec![video.name(), findings.view.name().to_owned()];
        row.extend([findings.ef, findings.esv, findings.edv].map(|value| format!("{value:.8}")));
        row.push(format!("{:.2}", findings.heart_rate));
        let left = [findings.left_ventricle, findings.left_atrium].map(Some);
        for chamber in left.into_iter().chain([findings.right_ventricle, findings.right_atrium]) {
            row.extend(chamber.map_or([String::new(), String::new()], |Chamber { width, size }| {
                [size.name().to_owned(), format!("{width:.3}")]
            }));
        }
        row.extend(Wall::ALL.map(|wall| findings.wall(wall).map_or("", |motion| motion.name()).to_owned()));
        row.extend([findings.gain.name(), findings.window.name()].map(str::to_owned));
        row.extend(
            findings.present().map(|(_, present)| present.map_or(String::new(), |yes| u8::from(yes).to_string())),
        );
        table.write_record(row).map_err(PhantomError::csv(path))?;
    }
    table.flush().map_err(PhantomError::io(path))
}
