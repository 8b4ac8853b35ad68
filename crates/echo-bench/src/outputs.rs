//! Files of the output folder, each written under another name and renamed.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use echo_train::Epoch;
use serde::{Deserialize, Serialize};

use crate::cell_lock::{lock_file, remove_left};
use crate::leaderboard::csv_field;
use crate::report::Constant;
use crate::{BenchError, CellRecord, Excluded};

/// Beginning of the names of files that are being written.
const UNFINISHED: &str = ".unfinished-";

/// Age at which such a file is no longer being written: who began it was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// One video's prediction by one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PredictionRow {
    pub(crate) video: String,
    /// In the target's unit. Files of older versions say `ef`.
    #[serde(alias = "ef")]
    pub(crate) truth: f32,
    pub(crate) prediction: f32,
}

/// Which of a cell's predictions; each has a file of its own beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predictions {
    /// For the test split, after the last epoch.
    LastEpoch,
    /// For the test split, after the epoch that was best on validation.
    BestEpoch,
    /// For the second test set, after the last epoch.
    External,
}

impl Predictions {
    fn extension(self) -> &'static str {
        match self {
            Self::LastEpoch => "csv",
            Self::BestEpoch => "best.csv",
            Self::External => "external.csv",
        }
    }
}

/// The output folder.
#[derive(Debug)]
pub(crate) struct Outputs {
    dir: PathBuf,
}

impl Outputs {
    /// The folder `dir`, which need not exist yet.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the folder.
    pub(crate) fn create(dir: &Path) -> Result<Self, BenchError> {
        let outputs = Self::at(dir);
        outputs.make()?;
        Ok(outputs)
    }

    /// Makes the folder, where it does not exist yet.
    pub(crate) fn make(&self) -> Result<(), BenchError> {
        let cells = self.cells();
        std::fs::create_dir_all(&cells).map_err(BenchError::io(&cells))
    }

    fn cells(&self) -> PathBuf {
        self.dir.join("cells")
    }

    /// What a process holds while it runs the cell.
    pub(crate) fn lock(&self, key: &str) -> PathBuf {
        lock_file(&self.cells(), key)
    }

    /// Removes what processes that were killed have left: locks that nobody holds, and files that were begun long ago.
    pub(crate) fn remove_left(&self) -> Result<(), BenchError> {
        let now = SystemTime::now();
        for folder in [self.dir.clone(), self.cells()] {
            for entry in std::fs::read_dir(&folder).map_err(BenchError::io(&folder))? {
                let entry = entry.map_err(BenchError::io(&folder))?;
                // Another process may have removed it.
                let begun = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(now);
                let is_abandoned = now.duration_since(begun).is_ok_and(|age| age > ABANDONED);
                if is_abandoned && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
        remove_left(&self.cells())
    }

    /// Names of the videos that an earlier run could not use.
    pub(crate) fn unused_before(&self) -> Result<BTreeSet<String>, BenchError> {
        let path = self.dir.join("excluded.csv");
        if !path.exists() {
            return Ok(BTreeSet::new());
        }
        let invalid = |error: csv::Error| BenchError::Io { path: path.clone(), source: error.into() };
        let rows = csv::Reader::from_path(&path).map_err(invalid)?.into_deserialize();
        let rows: Vec<Excluded> = rows.collect::<Result<_, _>>().map_err(invalid)?;
        Ok(rows.into_iter().filter(|excluded| !excluded.used).map(|excluded| excluded.video).collect())
    }

    /// Keeps a cell's predictions and curve; called before its line is appended, so that a line has its files.
    pub(crate) fn keep_cell(&self, key: &str, rows: &[PredictionRow], curve: &[Epoch]) -> Result<(), BenchError> {
        self.write_csv(&self.cell_file(key, "csv"), rows)?;
        self.write_csv(&self.cell_file(key, "curve.csv"), curve)
    }

    /// Keeps other predictions of a cell; also called before its line is appended.
    pub(crate) fn keep_predictions(
        &self,
        key: &str,
        which: Predictions,
        rows: &[PredictionRow],
    ) -> Result<(), BenchError> {
        self.write_csv(&self.cell_file(key, which.extension()), rows)
    }

    /// A cell's predictions.
    pub(crate) fn read_predictions(&self, key: &str, which: Predictions) -> Result<Vec<PredictionRow>, BenchError> {
        let path = self.cell_file(key, which.extension());
        let invalid = |error: csv::Error| BenchError::Io { path: path.clone(), source: error.into() };
        let mut reader = csv::Reader::from_path(&path).map_err(invalid)?;
        let rows: Vec<PredictionRow> = reader.deserialize().collect::<Result<_, _>>().map_err(invalid)?;
        // A file may come from anywhere, and no score is made of what is not finite.
        match rows.iter().find(|row| !row.truth.is_finite() || !row.prediction.is_finite()) {
            None => Ok(rows),
            Some(PredictionRow { video, truth, prediction }) => {
                let reason = format!("{video}: {truth} and {prediction} are not both numbers");
                Err(BenchError::Io { path, source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason) })
            }
        }
    }

    /// Whether a cell has such predictions.
    pub(crate) fn has_predictions(&self, key: &str, which: Predictions) -> bool {
        self.cell_file(key, which.extension()).is_file()
    }

    /// A cell's losses; none where nothing was trained.
    pub(crate) fn read_curve(&self, key: &str) -> Result<Vec<Epoch>, BenchError> {
        let path = self.cell_file(key, "curve.csv");
        let invalid = |error: csv::Error| BenchError::Io { path: path.clone(), source: error.into() };
        let mut reader = csv::Reader::from_path(&path).map_err(invalid)?;
        reader.deserialize().collect::<Result<_, _>>().map_err(invalid)
    }

    /// Takes over a cell's files from another output folder.
    pub(crate) fn copy_cell(&self, folder: &Path, record: &CellRecord) -> Result<(), BenchError> {
        let file = |extension: &str| folder.join("cells").join(format!("{}.{extension}", record.key));
        let mut extensions = vec![Predictions::LastEpoch.extension(), "curve.csv"];
        extensions.extend(record.external.as_ref().map(|_| Predictions::External.extension()));
        // Older versions kept no predictions of the best epoch.
        let best = Predictions::BestEpoch.extension();
        extensions.extend(record.best.as_ref().filter(|_| file(best).is_file()).map(|_| best));
        for extension in extensions {
            let path = file(extension);
            let bytes = std::fs::read(&path).map_err(BenchError::io(&path))?;
            self.write(&self.cell_file(&record.key, extension), &bytes)?;
        }
        Ok(())
    }

    /// Writes `constants.csv`.
    pub(crate) fn write_constants(&self, constants: &[Constant]) -> Result<(), BenchError> {
        self.write_csv(&self.dir.join("constants.csv"), constants)
    }

    /// Whether a cell's files are there.
    pub(crate) fn has_cell(&self, key: &str) -> bool {
        self.cell_file(key, "csv").is_file()
    }

    /// Where a cell's training is saved while it runs.
    pub(crate) fn checkpoint(&self, key: &str) -> PathBuf {
        self.cell_file(key, "checkpoint.safetensors")
    }

    /// Where a fitted adapter is kept.
    pub(crate) fn adapter(&self, name: &str) -> PathBuf {
        self.dir.join("adapters").join(name)
    }

    /// Whether a cell's fitted adapter is there.
    pub(crate) fn has_adapter(&self, key: &str) -> bool {
        let ending = format!("-{}.safetensors", &key[..8]);
        let entries = std::fs::read_dir(self.dir.join("adapters")).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(&ending))
    }

    pub(crate) fn cell_file(&self, key: &str, extension: &str) -> PathBuf {
        self.cells().join(format!("{key}.{extension}"))
    }

    /// Joins the cells' files to `predictions.csv`, `curves.csv` and, where there is a second test set,
    /// `external_predictions.csv`.
    pub(crate) fn join_cells(&self, records: &[&CellRecord]) -> Result<(), BenchError> {
        let of_target = |record: &CellRecord| Some(format!("{},{}", record.data.target, record.data.unit));
        let header = Some("target,unit,video,truth,prediction");
        let predictions = self.joined(records, Predictions::LastEpoch.extension(), header, &of_target)?;
        self.write_text("predictions.csv", &predictions)?;
        self.write_text("curves.csv", &self.joined(records, "curve.csv", None, &|_| None)?)?;
        let scored: Vec<&CellRecord> = records.iter().copied().filter(|record| record.external.is_some()).collect();
        let external = self.dir.join("external_predictions.csv");
        match scored.is_empty() {
            false => {
                let of_set = |record: &CellRecord| {
                    let name = csv_field(&record.external.as_ref()?.name);
                    Some(format!("{name},{},{}", record.data.target, record.data.unit))
                };
                let header = Some("set,target,unit,video,truth,prediction");
                self.write(
                    &external,
                    self.joined(&scored, Predictions::External.extension(), header, &of_set)?.as_bytes(),
                )
            }
            // Those of an earlier run would be taken for this one's.
            true => match std::fs::remove_file(&external) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(BenchError::io(&external)(error)),
                _ => Ok(()),
            },
        }
    }

    /// The cells' files of one kind below each other, each line after the cell's name and what `of_cell` adds. `header`
    /// names the columns after the cell's; the files' own names when absent, since files of older versions have others.
    fn joined(
        &self,
        records: &[&CellRecord],
        extension: &str,
        header: Option<&str>,
        of_cell: &dyn Fn(&CellRecord) -> Option<String>,
    ) -> Result<String, BenchError> {
        let mut text = String::new();
        for record in records {
            let path = self.cell_file(&record.key, extension);
            let cell = std::fs::read_to_string(&path).map_err(BenchError::io(&path))?;
            let mut lines = cell.lines();
            // A cell that was solved at once has no curve.
            let Some(own) = lines.next() else { continue };
            if text.is_empty() {
                text = format!("encoder,preset,weights,adapter,shots,seed,{}\n", header.unwrap_or(own));
            }
            let shots = record.shots.map_or("split".to_owned(), |shots| shots.to_string());
            let encoder = &record.encoder;
            let prefix = format!(
                "{},{},{},{},{shots},{}",
                encoder.name,
                encoder.preset,
                encoder.weights,
                record.adapter_name(),
                record.seed
            );
            let added = of_cell(record).map_or(String::new(), |added| format!("{added},"));
            lines.for_each(|line| text.push_str(&format!("{prefix},{added}{line}\n")));
        }
        Ok(text)
    }

    /// Writes `excluded.csv`, also when nothing is: an absent file would say nothing.
    pub(crate) fn write_excluded(&self, excluded: &[Excluded]) -> Result<(), BenchError> {
        let path = self.dir.join("excluded.csv");
        match excluded {
            [] => self.write(&path, b"video,used,reason\n"),
            rows => self.write_csv(&path, rows),
        }
    }

    /// Writes a text file of the folder.
    pub(crate) fn write_text(&self, name: &str, text: &str) -> Result<(), BenchError> {
        self.write(&self.dir.join(name), text.as_bytes())
    }

    fn write_csv<R: Serialize>(&self, path: &Path, rows: &[R]) -> Result<(), BenchError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let invalid = |error: csv::Error| BenchError::Io { path: path.to_owned(), source: error.into() };
        for row in rows {
            writer.serialize(row).map_err(invalid)?;
        }
        let bytes = writer.into_inner().map_err(|error| invalid(error.into_error().into()))?;
        self.write(path, &bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), BenchError> {
        let folder = path.parent().unwrap_or(&self.dir);
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).map_err(BenchError::io(path))?;
        file.write_all(bytes).map_err(BenchError::io(path))?;
        // Results are the user's, not a secret of this process, which is what temporary files are made for.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let permissions = std::fs::Permissions::from_mode(0o644);
            file.as_file().set_permissions(permissions).map_err(BenchError::io(path))?;
        }
        file.persist(path).map_err(|error| BenchError::Io { path: path.to_owned(), source: error.error })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
