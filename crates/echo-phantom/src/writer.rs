//! A folder of phantoms in EchoNet-Dynamic's layout.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::PhantomError;
use crate::dataset::DatasetSpec;
use crate::marker::{self, VIDEOS};
use crate::recording::Recording;
use crate::tables::{Row, write_file_list, write_findings, write_tracings};
use crate::unfinished::Unfinished;
use crate::view::Views;

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Patients of the training, validation and test split.
    pub patients: [usize; 3],
    /// Studies of them; where a data set is not one of studies, each video is one.
    pub studies: [usize; 3],
    /// Their videos.
    pub videos: [usize; 3],
    /// Frames in all videos.
    pub frames: usize,
    /// Smallest and largest ejection fraction in the list, percent.
    pub ef_range: (f64, f64),
}

impl Summary {
    fn of(rows: &[Row]) -> Self {
        let by_split = |count: &dyn Fn(&Recording) -> String| {
            ["TRAIN", "VAL", "TEST"].map(|split| {
                let recordings = rows.iter().map(|row| &row.recording).filter(|recording| recording.split == split);
                recordings.map(count).collect::<BTreeSet<_>>().len()
            })
        };
        let or_name = |recording: &Recording, part: fn(&(String, String)) -> &String| {
            recording.study.as_ref().map_or(&recording.name, part).clone()
        };
        let efs = rows.iter().map(|row| row.recording.label.ef);
        Self {
            patients: by_split(&|recording| or_name(recording, |(patient, _)| patient)),
            studies: by_split(&|recording| or_name(recording, |(_, study)| study)),
            videos: by_split(&|recording| recording.name.clone()),
            frames: rows.iter().map(|row| row.frames).sum(),
            ef_range: efs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), ef| (low.min(ef), high.max(ef))),
        }
    }
}

/// Writes the data set to the folder `out`: `Videos/*.avi`, `FileList.csv` and `VolumeTracings.csv` as in
/// EchoNet-Dynamic, `Findings.csv` with what else is known about each video, and `Phantoms.csv`, by which they are told
/// from patients. Where they are drawn in all standard views, `dataset.toml` says how to read the tables.
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
    write(out, spec.videos()?, &|video| spec.recording(video), description(spec), go_on)
}

/// What a data set needs beside what is read without any description.
fn description(spec: &DatasetSpec) -> Option<&'static str> {
    (spec.setting.views == Views::Standard).then_some(STANDARD_VIEWS)
}

/// How a data set in all standard views is described, and so read.
const STANDARD_VIEWS: &str = include_str!("../../../configs/datasets/phantom-views.toml");

/// How a data set of studies is described, for whoever reads it.
const STUDIES: &str = include_str!("../../../configs/datasets/phantom-studies.toml");

/// As [`write_dataset_while`], but the specification's numbers are of studies: one to four videos of one heart, each under the
/// study's biplane ejection fraction and volumes. `FileList.csv` has columns for patient, study and view, and splits go
/// by patient; what a single video shows stands in `Findings.csv`, and how to read the tables in `dataset.toml`.
///
/// # Errors
/// As [`write_dataset_while`].
pub fn write_studies(
    out: &Path,
    spec: &DatasetSpec,
    go_on: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Summary, PhantomError> {
    let drawn = spec.studies()?.into_par_iter().map(|study| study.recordings(spec));
    let recordings: Vec<Vec<Recording>> = drawn.collect::<Result<_, PhantomError>>()?;
    write(out, recordings.into_iter().flatten().collect(), &Ok, Some(STUDIES), go_on)
}

fn write<T: Send>(
    out: &Path,
    list: Vec<T>,
    draw: &(dyn Fn(T) -> Result<Recording, PhantomError> + Sync),
    description: Option<&str>,
    go_on: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Summary, PhantomError> {
    let folder = Unfinished::beside(out)?;
    let videos = folder.path.join(VIDEOS);
    fs::create_dir_all(&videos).map_err(PhantomError::io(&videos))?;

    let done = AtomicUsize::new(0);
    let total = list.len();
    let rows: Vec<Row> = list
        .into_par_iter()
        .map(|one| {
            let row = write_video(&videos, draw(one)?)?;
            match go_on(done.fetch_add(1, Ordering::Relaxed) + 1, total) {
                true => Ok(row),
                false => Err(PhantomError::Stopped(out.to_owned())),
            }
        })
        .collect::<Result<_, PhantomError>>()?;

    write_file_list(&folder.path.join("FileList.csv"), &rows)?;
    write_tracings(&folder.path.join("VolumeTracings.csv"), &rows)?;
    write_findings(&folder.path.join("Findings.csv"), &rows)?;
    write_description(&folder.path, description)?;
    marker::list(&folder.path, &videos, rows.iter().map(|row| row.recording.name.as_str()))?;
    folder.finish(out)?;
    Ok(Summary::of(&rows))
}

fn write_description(folder: &Path, description: Option<&str>) -> Result<(), PhantomError> {
    let path = folder.join("dataset.toml");
    description.map_or(Ok(()), |text| fs::write(&path, text).map_err(PhantomError::io(&path)))
}

/// Writes the tables that need no rendering and an empty file for every video.
pub(crate) fn write_unrendered(out: &Path, spec: &DatasetSpec) -> Result<(), PhantomError> {
    let videos = out.join(VIDEOS);
    fs::create_dir_all(&videos).map_err(PhantomError::io(&videos))?;
    let listed = spec.videos()?.into_par_iter().map(|video| {
        let recording = spec.recording(video)?;
        let path = videos.join(&recording.name).with_extension("avi");
        fs::write(&path, []).map_err(PhantomError::io(&path))?;
        let phantom = &recording.phantom;
        let (fps, frames) = (phantom.acquisition.fps, phantom.frame_count());
        Ok(Row { findings: phantom.findings(), fps, frames, tracings: phantom.tracings(), recording })
    });
    let rows: Vec<Row> = listed.collect::<Result<_, PhantomError>>()?;
    marker::write_list(out, &[])?;
    write_description(out, description(spec))?;
    write_findings(&out.join("Findings.csv"), &rows)?;
    write_file_list(&out.join("FileList.csv"), &rows)
}

pub(crate) fn write_video(folder: &Path, recording: Recording) -> Result<Row, PhantomError> {
    let rendered = recording.phantom.render();
    rendered.write_avi(&folder.join(&recording.name).with_extension("avi"))?;
    Ok(Row {
        recording,
        fps: rendered.fps,
        frames: rendered.frame_count(),
        tracings: [rendered.end_diastole, rendered.end_systole],
        findings: rendered.findings,
    })
}
