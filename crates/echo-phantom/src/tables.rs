//! The tables of a data set: EchoNet-Dynamic's two, and the findings.

use std::path::Path;

use crate::PhantomError;
use crate::findings::{Chamber, Findings};
use crate::image_quality::ImageQuality;
use crate::out_of_distribution::OtherRow;
use crate::reading::Label;
use crate::recording::Recording;
use crate::sector::FRAME_SIZE;
use crate::tracing::Tracing;
use crate::view::Wall;

/// Walls of [`Wall::ALL`] with a column in every data set: those of the default one.
const ALWAYS_LISTED: usize = 5;

/// What the tables say about a video.
pub(crate) struct Row {
    pub recording: Recording,
    pub findings: Findings,
    pub fps: u32,
    pub frames: usize,
    pub tracings: [Tracing; 2],
}

/// Columns of every list of videos.
const MEASURED: [&str; 8] = ["EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split"];

/// The list and the findings of loops that show no heart to be measured, in `folder`.
pub(crate) fn write_other_lists(folder: &Path, rows: &[OtherRow]) -> Result<(), PhantomError> {
    let write = |name: &str, header: &[&str], row: &dyn Fn(&OtherRow) -> Vec<String>| {
        let path = folder.join(name);
        let mut table = csv::Writer::from_path(&path).map_err(PhantomError::csv(&path))?;
        table.write_record(["FileName"].iter().chain(header)).map_err(PhantomError::csv(&path))?;
        for one in rows {
            let cells = std::iter::once(one.name.clone()).chain(row(one));
            table.write_record(cells).map_err(PhantomError::csv(&path))?;
        }
        table.flush().map_err(PhantomError::io(&path))
    };
    let empty = String::new;
    let size = FRAME_SIZE.to_string();
    write("FileList.csv", &MEASURED, &|row| {
        let [fps, frames] = [row.fps.to_string(), row.frames.to_string()];
        vec![empty(), empty(), empty(), size.clone(), size.clone(), fps, frames, "TEST".to_owned()]
    })?;
    write("Findings.csv", &["Kind"], &|row| vec![row.kind.name().to_owned()])
}

/// Labels of all videos; those of studies have columns for patient, study and view.
pub(crate) fn write_file_list(path: &Path, rows: &[Row]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    let mut write = |row: Vec<String>| table.write_record(row).map_err(PhantomError::csv(path));
    let mut header = vec!["FileName"];
    if rows.iter().any(|row| row.recording.study.is_some()) {
        header.extend(["PatientID", "StudyID", "View"]);
    }
    header.extend(MEASURED);
    write(header.into_iter().map(str::to_owned).collect())?;
    for Row { recording, findings, fps, frames, .. } in rows {
        let Label { ef, esv, edv } = recording.label;
        let mut row = vec![recording.name.clone()];
        if let Some((patient, study)) = &recording.study {
            row.extend([patient.clone(), study.clone(), findings.view.name().to_owned()]);
        }
        row.extend([ef, esv, edv].map(|value| format!("{value:.8}")));
        row.extend([FRAME_SIZE.to_string(), FRAME_SIZE.to_string(), fps.to_string(), frames.to_string()]);
        row.push(recording.split.to_owned());
        write(row)?;
    }
    table.flush().map_err(PhantomError::io(path))
}

/// Long axis and chords at end-diastole and end-systole.
pub(crate) fn write_tracings(path: &Path, rows: &[Row]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    table.write_record(["FileName", "X1", "Y1", "X2", "Y2", "Frame"]).map_err(PhantomError::csv(path))?;
    for Row { recording, tracings, .. } in rows {
        let name = format!("{}.avi", recording.name);
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

/// What can be seen in each video, as it was drawn, whatever the site's readers make of it. Cells are empty where the view does not show what the column is about. Widths are in cm; what is present or absent
/// is 1 or 0.
pub(crate) fn write_findings(path: &Path, rows: &[Row]) -> Result<(), PhantomError> {
    let mut table = csv::Writer::from_path(path).map_err(PhantomError::csv(path))?;
    let mut header: Vec<String> = ["FileName", "View", "EF", "ESV", "EDV", "HeartRate"].map(str::to_owned).into();
    for chamber in ["LeftVentricle", "LeftAtrium", "RightVentricle", "RightAtrium"] {
        header.extend([format!("{chamber}Size"), format!("{chamber}Width")]);
    }
    let is_listed = |(place, wall): &(usize, Wall)| {
        *place < ALWAYS_LISTED || rows.iter().any(|row| row.findings.wall(*wall).is_some())
    };
    let walls: Vec<Wall> = Wall::ALL.into_iter().enumerate().filter(is_listed).map(|(_, wall)| wall).collect();
    header.extend(walls.iter().map(|wall| format!("{}{}", wall.name()[..1].to_uppercase(), &wall.name()[1..])));
    header.extend(["Gain", "Window"].map(str::to_owned));
    let is_graded = rows.iter().any(|row| row.findings.image_quality.is_some());
    header.extend(is_graded.then(|| "ImageQuality".to_owned()));
    header.extend(rows.iter().take(1).flat_map(|row| row.findings.present().map(|(name, _)| name.to_owned())));
    table.write_record(header).map_err(PhantomError::csv(path))?;
    for Row { recording, findings, .. } in rows {
        let mut row = vec![recording.name.clone(), findings.view.name().to_owned()];
        row.extend([findings.ef, findings.esv, findings.edv].map(|value| format!("{value:.8}")));
        row.push(format!("{:.2}", findings.heart_rate));
        let Findings { left_ventricle, left_atrium, right_ventricle, right_atrium, .. } = findings;
        for chamber in [Some(*left_ventricle), *left_atrium, *right_ventricle, *right_atrium] {
            row.extend(chamber.map_or([String::new(), String::new()], |Chamber { width, size }| {
                [size.name().to_owned(), format!("{width:.3}")]
            }));
        }
        row.extend(walls.iter().map(|&wall| findings.wall(wall).map_or("", |motion| motion.name()).to_owned()));
        row.extend([findings.gain.name(), findings.window.name()].map(str::to_owned));
        row.extend(is_graded.then(|| findings.image_quality.map_or("", ImageQuality::name).to_owned()));
        row.extend(
            findings.present().map(|(_, present)| present.map_or(String::new(), |yes| u8::from(yes).to_string())),
        );
        table.write_record(row).map_err(PhantomError::csv(path))?;
    }
    table.flush().map_err(PhantomError::io(path))
}
