//! Files of the output folder. Each appears whole or not at all, and a cell's files are on disk before its record.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use echo_files::{UNFINISHED, lock_file, remove_left_locks, to_cell, write_atomically};
use echo_metrics::Epoch;
use serde::Serialize;

use super::csv_file::{self, to_bytes, to_text};
use super::{CellRecord, Excluded, FileRecord, PredictionRow};
use crate::{Constant, Quantity, ReportError};

/// Age at which an unfinished file is no longer being written: who began it was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Which of a cell's predictions; each has a file of its own beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predictions {
    /// For the test split, after the last epoch.
    LastEpoch,
    /// For the test split, after the epoch that was best on validation.
    BestEpoch,
    /// For the external test set, after the last epoch.
    External,
    /// For each video of the test split by itself, after the last epoch, where samples are studies.
    Alone,
}

impl Predictions {
    fn extension(self) -> &'static str {
        match self {
            Self::LastEpoch => "csv",
            Self::BestEpoch => "best.csv",
            Self::External => "external.csv",
            Self::Alone => "alone.csv",
        }
    }
}

/// Ending of the file of a cell's losses.
const CURVE: &str = "curve.csv";

impl FileRecord {
    fn of(rows: usize, bytes: &[u8]) -> Self {
        Self { rows, hash: blake3::hash(bytes).to_hex()[..32].to_owned() }
    }
}

/// Rows below the names of their columns.
fn table(task: &Quantity, rows: &[PredictionRow]) -> Result<Vec<u8>, ReportError> {
    let mut lines = vec![PredictionRow::columns(task)];
    for row in rows {
        lines.push(row.cells(task)?);
    }
    Ok(to_text(&lines).into_bytes())
}

/// The output folder.
#[derive(Debug)]
pub struct Outputs {
    dir: PathBuf,
}

impl Outputs {
    /// The folder `dir`, which need not exist yet.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the folder.
    pub fn create(dir: &Path) -> Result<Self, ReportError> {
        let outputs = Self::at(dir);
        outputs.make()?;
        Ok(outputs)
    }

    /// Makes the folder, where it does not exist yet.
    pub fn make(&self) -> Result<(), ReportError> {
        for folder in [self.cells(), self.adapters(), self.figures()] {
            // What lies behind a link is somebody else's.
            if std::fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
                let reason =
                    "a link stands in the place of a results folder; remove it, or give another folder with --out";
                return Err(ReportError::Io { path: folder, source: std::io::Error::other(reason) });
            }
        }
        let cells = self.cells();
        std::fs::create_dir_all(&cells).map_err(ReportError::io(&cells))
    }

    fn adapters(&self) -> PathBuf {
        self.dir.join("adapters")
    }

    fn figures(&self) -> PathBuf {
        self.dir.join("figures")
    }

    fn cells(&self) -> PathBuf {
        self.dir.join("cells")
    }

    /// What a process holds while it runs the cell.
    pub fn lock(&self, key: &str) -> PathBuf {
        lock_file(&self.cells(), key)
    }

    /// Removes what processes that were killed have left: locks that nobody holds, and files that were begun long ago.
    pub fn remove_left(&self) -> Result<(), ReportError> {
        let now = SystemTime::now();
        for folder in [self.dir.clone(), self.cells()] {
            for entry in std::fs::read_dir(&folder).map_err(ReportError::io(&folder))? {
                let entry = entry.map_err(ReportError::io(&folder))?;
                // Another process may have removed it.
                let begun = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(now);
                let is_abandoned = now.duration_since(begun).is_ok_and(|age| age > ABANDONED);
                if is_abandoned && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
        remove_left_locks(&self.cells()).map_err(ReportError::io(&self.cells()))
    }

    /// Names of the videos that an earlier run could not use.
    pub fn unused_before(&self) -> Result<BTreeSet<String>, ReportError> {
        let path = self.dir.join("excluded.csv");
        if !path.exists() {
            return Ok(BTreeSet::new());
        }
        let rows: Vec<Excluded> = csv_file::read(&path)?;
        Ok(rows.into_iter().filter(|excluded| !excluded.used).map(|excluded| excluded.video).collect())
    }

    /// Keeps predictions of a cell; called before its record is appended, which then carries what this gives: the ending
    /// of the file's name, and what it holds.
    ///
    /// # Errors
    /// A row is not of the task, or the file cannot be written.
    pub fn keep_predictions(
        &self,
        task: &Quantity,
        key: &str,
        which: Predictions,
        rows: &[PredictionRow],
    ) -> Result<(String, FileRecord), ReportError> {
        self.keep(key, which.extension(), rows.len(), &table(task, rows)?)
    }

    /// Keeps a cell's losses, as [`keep_predictions`](Self::keep_predictions).
    pub fn keep_curve(&self, key: &str, curve: &[Epoch]) -> Result<(String, FileRecord), ReportError> {
        let invalid = |error: csv::Error| ReportError::Io { path: self.cell_file(key, CURVE), source: error.into() };
        self.keep(key, CURVE, curve.len(), &to_bytes(curve).map_err(invalid)?)
    }

    fn keep(&self, key: &str, extension: &str, rows: usize, bytes: &[u8]) -> Result<(String, FileRecord), ReportError> {
        self.write(&self.cell_file(key, extension), bytes)?;
        Ok((extension.to_owned(), FileRecord::of(rows, bytes)))
    }

    /// A cell's predictions.
    ///
    /// # Errors
    /// The file holds something else than the cell left there.
    pub fn read_predictions(&self, cell: &CellRecord, which: Predictions) -> Result<Vec<PredictionRow>, ReportError> {
        let task = &cell.data.task;
        let read = |path: &Path| {
            let (names, rows) = csv_file::cells(path)?;
            let row = |row| PredictionRow::of_cells(task, &names, row).map_err(|reason| damaged(path, reason));
            rows.iter().map(row).collect::<Result<Vec<_>, _>>()
        };
        self.read(cell, which.extension(), read, |rows| table(task, rows))
    }

    /// Whether a cell has such predictions.
    pub fn has_predictions(&self, cell: &CellRecord, which: Predictions) -> bool {
        cell.files.contains_key(which.extension())
    }

    /// A cell's losses; none where nothing was trained.
    ///
    /// # Errors
    /// As [`read_predictions`](Self::read_predictions).
    pub fn read_curve(&self, cell: &CellRecord) -> Result<Vec<Epoch>, ReportError> {
        let path = self.cell_file(&cell.key, CURVE);
        let invalid = |error: csv::Error| ReportError::Io { path: path.clone(), source: error.into() };
        self.read(cell, CURVE, csv_file::read::<Epoch>, |rows| to_bytes(rows).map_err(invalid))
    }

    /// The rows of a cell's file, where they are, written again, what the cell left there.
    fn read<R>(
        &self,
        cell: &CellRecord,
        extension: &str,
        read: impl FnOnce(&Path) -> Result<Vec<R>, ReportError>,
        again: impl FnOnce(&[R]) -> Result<Vec<u8>, ReportError>,
    ) -> Result<Vec<R>, ReportError> {
        let path = self.cell_file(&cell.key, extension);
        let Some(expected) = cell.files.get(extension) else {
            return Err(damaged(&path, "the cell's record knows no such file".to_owned()));
        };
        let unreadable = |error| match error {
            ReportError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                damaged(&path, "it is missing".to_owned())
            }
            ReportError::Io { path, source } => damaged(&path, source.to_string()),
            other => other,
        };
        let rows = read(&path).map_err(unreadable)?;
        let found = FileRecord::of(rows.len(), &again(&rows)?);
        if found == *expected {
            return Ok(rows);
        }
        let reason = match (found.rows, expected.rows) {
            (found, expected) if found == expected => {
                format!("its {found} rows are not those that the cell left there")
            }
            (found, expected) => format!("it holds {found} of the {expected} rows that the cell left there"),
        };
        Err(damaged(&path, reason))
    }

    /// Why a finished cell's files are not those that it left; nothing where they are.
    pub fn damage(&self, cell: &CellRecord) -> Option<ReportError> {
        let mut needed = vec![Predictions::LastEpoch];
        needed.extend(cell.best.as_ref().map(|_| Predictions::BestEpoch));
        needed.extend(cell.external.as_ref().map(|_| Predictions::External));
        needed.extend(cell.alone.as_ref().map(|_| Predictions::Alone));
        let of_predictions = needed.into_iter().find_map(|which| self.read_predictions(cell, which).err());
        of_predictions.or_else(|| self.read_curve(cell).err())
    }

    /// Takes over a cell's files from another output folder.
    ///
    /// # Errors
    /// A file there holds something else than the cell left.
    pub fn copy_cell(&self, from: &Outputs, cell: &CellRecord) -> Result<(), ReportError> {
        if let Some(damage) = from.damage(cell) {
            return Err(damage);
        }
        for which in [Predictions::LastEpoch, Predictions::BestEpoch, Predictions::External, Predictions::Alone] {
            if from.has_predictions(cell, which) {
                self.keep_predictions(&cell.data.task, &cell.key, which, &from.read_predictions(cell, which)?)?;
            }
        }
        self.keep_curve(&cell.key, &from.read_curve(cell)?)?;
        Ok(())
    }

    /// Writes `constants.csv`.
    pub fn write_constants(&self, constants: &[Constant]) -> Result<(), ReportError> {
        let sealed: Vec<Constant> = constants.iter().cloned().map(Constant::sealed).collect();
        self.write_csv(&self.dir.join("constants.csv"), &sealed)
    }

    /// Where a cell's training is saved while it runs.
    pub fn checkpoint(&self, key: &str) -> PathBuf {
        self.cell_file(key, "checkpoint.safetensors")
    }

    /// Where a fitted adapter is kept.
    pub fn adapter(&self, name: &str) -> PathBuf {
        self.adapters().join(name)
    }

    /// Whether a cell's fitted adapter is there.
    pub fn has_adapter(&self, key: &str) -> bool {
        let ending = format!("-{}.safetensors", &key[..8]);
        let entries = std::fs::read_dir(self.adapters()).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(&ending))
    }

    fn cell_file(&self, key: &str, extension: &str) -> PathBuf {
        self.cells().join(format!("{key}.{extension}"))
    }

    /// Joins the cells' files to `predictions.csv`, `curves.csv` and, where there is an external test set,
    /// `external_predictions.csv`.
    pub fn join_cells(&self, records: &[&CellRecord]) -> Result<(), ReportError> {
        let names = |more: &[&str]| -> Vec<String> {
            let of_cell = ["encoder", "preset", "weights", "adapter", "shots", "seed"];
            of_cell.iter().chain(more).map(|&name| name.to_owned()).collect()
        };
        let cell = |text: &str| to_cell(text).into_owned();
        let task = records.first().map(|record| record.data.task.clone()).unwrap_or_default();
        let columns = PredictionRow::columns(&task);
        let columns = || columns.iter().map(String::as_str);
        // With studies, rows are of two levels.
        let levels = records.iter().any(|record| record.alone.is_some());
        let level = |level: &str| if levels { vec![level.to_owned()] } else { Vec::new() };
        let of_level = if levels { &["level"][..] } else { &[] };
        let of_task = of_level.iter().copied().chain(["target", "unit"]);
        let mut predictions = vec![names(&of_task.chain(columns()).collect::<Vec<_>>())];
        let mut external = vec![names(&["set", "target", "unit"].into_iter().chain(columns()).collect::<Vec<_>>())];
        let mut curves = vec![names(&["epoch", "lr", "loss", "cross_entropy", "kl", "l1", "watched", "warning"])];
        let of_task = [cell(&task.name), cell(&task.unit)];
        for &record in records {
            if record.data.task != task {
                return Err(ReportError::Mixed(format!(
                    "cells of {} and of {} stand in one folder; give each task an --out of its own",
                    task.of_samples(),
                    record.data.task.of_samples()
                )));
            }
            let encoder = &record.encoder;
            let of_cell = vec![
                cell(&encoder.name),
                cell(&encoder.preset),
                cell(&encoder.weights),
                cell(&record.adapter_label()),
                record.shots.map_or("split".to_owned(), |shots| shots.to_string()),
                record.seed.to_string(),
            ];
            for row in self.read_predictions(record, Predictions::LastEpoch)? {
                predictions.push([of_cell.clone(), level("study"), of_task.to_vec(), row.cells(&task)?].concat());
            }
            if record.alone.is_some() {
                for row in self.read_predictions(record, Predictions::Alone)? {
                    predictions.push([of_cell.clone(), level("video"), of_task.to_vec(), row.cells(&task)?].concat());
                }
            }
            if let Some(set) = &record.external {
                for row in self.read_predictions(record, Predictions::External)? {
                    let set = vec![cell(&set.name)];
                    external.push([of_cell.clone(), set, of_task.to_vec(), row.cells(&task)?].concat());
                }
            }
            for Epoch { epoch, lr, loss, cross_entropy, kl, l1, watched } in self.read_curve(record)? {
                let mut row = of_cell.clone();
                row.push(epoch.to_string());
                row.extend([lr, loss, cross_entropy, kl, l1].map(|value| value.to_string()));
                row.push(watched.map_or(String::new(), |value| value.to_string()));
                row.push(record.caution().unwrap_or_default().to_owned());
                curves.push(row);
            }
        }
        self.write_text("predictions.csv", &to_text(&predictions))?;
        self.write_text("curves.csv", &to_text(&curves))?;
        if external.len() > 1 {
            return self.write_text("external_predictions.csv", &to_text(&external));
        }
        // Those of an earlier run would be taken for this one's.
        let path = self.dir.join("external_predictions.csv");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(ReportError::io(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Writes `excluded.csv`, also when nothing is: an absent file would say nothing.
    pub fn write_excluded(&self, excluded: &[Excluded]) -> Result<(), ReportError> {
        let path = self.dir.join("excluded.csv");
        match excluded {
            [] => self.write(&path, b"video,used,reason\n"),
            rows => self.write_csv(&path, rows),
        }
    }

    /// Writes the plots, by the names of their files, and removes those of an earlier report.
    pub(crate) fn write_figures<'a>(
        &self,
        figures: impl Iterator<Item = (String, &'a str)>,
    ) -> Result<(), ReportError> {
        let folder = self.figures();
        std::fs::create_dir_all(&folder).map_err(ReportError::io(&folder))?;
        let mut written = BTreeSet::new();
        for (name, svg) in figures {
            self.write(&folder.join(&name), svg.as_bytes())?;
            written.insert(name);
        }
        for entry in std::fs::read_dir(&folder).map_err(ReportError::io(&folder))? {
            let entry = entry.map_err(ReportError::io(&folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".svg") && !written.contains(&name) {
                std::fs::remove_file(entry.path()).map_err(ReportError::io(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Writes a text file of the folder.
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), ReportError> {
        self.write(&self.dir.join(name), text.as_bytes())
    }

    fn write_csv<R: Serialize>(&self, path: &Path, rows: &[R]) -> Result<(), ReportError> {
        let invalid = |error: csv::Error| ReportError::Io { path: path.to_owned(), source: error.into() };
        self.write(path, &to_bytes(rows).map_err(invalid)?)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
        write_atomically(path, |file| file.write_all(bytes)).map_err(ReportError::io(path))
    }
}

/// The error of a file that is not what its cell left.
fn damaged(path: &Path, reason: String) -> ReportError {
    let reason = format!("{reason}; the benchmark, run again on this folder, makes it anew");
    ReportError::Io { path: path.to_owned(), source: std::io::Error::new(ErrorKind::InvalidData, reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Truth;
    use crate::store::tests::record;

    fn row(video: &str, prediction: f32) -> PredictionRow {
        PredictionRow {
            video: video.to_owned(),
            patient: String::new(),
            truth: Truth::Value(50.0),
            prediction: vec![prediction],
            warning: String::new(),
        }
    }

    #[test]
    fn a_name_that_looks_like_a_number_is_none_to_a_spreadsheet() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs::create(dir.path()).unwrap();
        let mut cell = record("key");
        let row = PredictionRow { warning: "-3 frames".to_owned(), ..row("+1", -2.5) };
        let task = &cell.data.task;
        let kept = outputs.keep_predictions(task, &cell.key, Predictions::LastEpoch, &[row]).unwrap();
        cell.files.extend([kept, outputs.keep_curve(&cell.key, &[]).unwrap()]);
        outputs.join_cells(&[&cell]).unwrap();
        let text = std::fs::read_to_string(dir.path().join("predictions.csv")).unwrap();
        assert!(text.ends_with(",'+1,,50,-2.5,'-3 frames\n"), "{text}");
    }

    #[test]
    fn what_was_begun_long_ago_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs::create(dir.path()).unwrap();
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        let names = ["old", "new"].map(|name| format!("{UNFINISHED}{name}"));
        let path = |name: &str| [dir.path().join(name), outputs.cells().join(name)];
        for file in [&names[0], &names[1], "runs.jsonl"].into_iter().flat_map(path) {
            std::fs::write(&file, "half").unwrap();
            let file = std::fs::File::options().write(true).open(&file).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        for file in path(&names[1]) {
            std::fs::write(&file, "half").unwrap();
        }
        outputs.remove_left().unwrap();
        let left = |name: &str| path(name).map(|file| file.exists());
        assert_eq!([&names[0], &names[1], "runs.jsonl"].map(left), [[false; 2], [true; 2], [true; 2]]);
    }

    #[test]
    fn a_file_that_is_not_what_its_cell_left_is_told_and_one_that_a_spreadsheet_saved_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = Outputs::create(dir.path()).unwrap();
        let rows = [row("=a", 41.25), row("b\nc", 60.1), row("d", 0.3333333)];
        let mut cell = crate::store::tests::record("0a");
        cell.files.extend([
            outputs.keep_predictions(&cell.data.task, "0a", Predictions::LastEpoch, &rows).unwrap(),
            outputs.keep_curve("0a", &[]).unwrap(),
        ]);
        let path = outputs.cell_file("0a", "csv");
        let whole = std::fs::read(&path).unwrap();
        assert!(outputs.damage(&cell).is_none());
        assert_eq!(outputs.read_predictions(&cell, Predictions::LastEpoch).unwrap(), rows);
        let damage = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let message = outputs.damage(&cell).map(|error| error.to_string());
            assert!(message.as_ref().is_none_or(|message| message.contains("0a.csv")), "{message:?}");
            message
        };
        for cut in 0..whole.len() - 1 {
            assert!(damage(&whole[..cut]).is_some(), "cut to {cut} bytes");
        }
        assert!(damage(&vec![0; whole.len()]).is_some(), "zeros");
        let text = String::from_utf8(whole).unwrap();
        assert!(damage(text.replace("60.1", "60.2").as_bytes()).unwrap().contains("not those"));
        assert!(damage(format!("{text}e,,50.0,1.0,\n").as_bytes()).unwrap().contains("4 of the 3"));
        let saved = text.replace(',', ";").replace('.', ",").replace(";50;", ";50,0;");
        assert_eq!(damage(saved.as_bytes()), None, "{saved}");
        std::fs::remove_file(&path).unwrap();
        assert!(outputs.damage(&cell).is_some());
    }
}
