//! `runs.jsonl`: one line per finished cell.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use echo_metrics::Scores;
use echo_weights::WeightsKind;
use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::machine::Machine;

/// Raised when the meaning of a line changes.
const SCHEMA: u32 = 1;

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellStatus {
    /// With scores.
    Done,
    /// With an error; it is tried again by the next run.
    Failed,
}

/// A finished cell with everything needed to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// Version of the line's format.
    pub schema: u32,
    /// Hash of all that can change the result.
    pub key: String,
    /// How it ended.
    pub status: CellStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// Encoder, preset and weights.
    pub encoder: EncoderRecord,
    /// The encoder that lends its text tower, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<EncoderRecord>,
    /// The adapter's name, or several joined by `+`.
    pub adapter: String,
    /// Training videos per bin of the target; absent for a split file's own training rows.
    pub shots: Option<usize>,
    /// The seed.
    pub seed: u64,
    /// The data.
    pub data: DataRecord,
    /// Recipe, clip specification, ranks: the whole configuration as the key saw it.
    pub config: serde_json::Value,
    /// Parameters, by whether they train.
    pub parameters: Option<ParameterCounts>,
    /// Scores on the test split, after the last epoch.
    pub scores: Option<Scores>,
    /// The same for the epoch that did best on the validation split, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<BestRecord>,
    /// Scores on an external test set, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalRecord>,
    /// Whether random words stand for the ranks' prompts, to see what the prompts' meaning does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub random_prompts: bool,
    /// Wall-clock seconds.
    pub seconds: Option<Seconds>,
    /// The most memory, in bytes, that the process held while the cell ran, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The machine.
    pub machine: Machine,
    /// The device.
    pub device: String,
    /// When it ended, in seconds since 1970.
    pub finished: u64,
}

/// Which encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderRecord {
    /// Its name.
    pub name: String,
    /// Its preset.
    pub preset: String,
    /// What kind of weights.
    pub weights: WeightsKind,
    /// Hash of the weights.
    pub weights_hash: String,
}

impl EncoderRecord {
    /// The seed of random weights, for those that are.
    pub fn random_seed(&self) -> Option<u64> {
        self.weights_hash.strip_prefix("random-")?.split('-').next()?.parse().ok()
    }
}

/// Which data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The data set's name.
    pub name: String,
    /// What is predicted.
    #[serde(default = "DataRecord::ejection_fraction")]
    pub target: String,
    /// Its unit.
    #[serde(default = "DataRecord::percent")]
    pub unit: String,
    /// Hash of the videos' bytes and labels that the cell used.
    pub hash: String,
    /// Training videos.
    pub train: usize,
    /// Test videos.
    pub test: usize,
    /// Videos of the cell's splits that could not be used.
    pub excluded: usize,
}

impl DataRecord {
    /// What older versions predicted.
    fn ejection_fraction() -> String {
        "EF".to_owned()
    }

    fn percent() -> String {
        "%".to_owned()
    }
}

/// An external test set, that the same fitted adapter is scored on: another hospital, or shifted phantoms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalRecord {
    /// The data set's name.
    pub name: String,
    /// Hash of the videos' bytes and labels.
    pub hash: String,
    /// Test videos.
    pub test: usize,
    /// Test videos that could not be used.
    pub excluded: usize,
    /// Scores, after the last epoch.
    pub scores: Scores,
}

/// The epoch that did best on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestRecord {
    /// From 1.
    pub epoch: usize,
    /// Its mean absolute error on the validation split.
    pub validation_mae: f64,
    /// Its scores on the test split.
    pub scores: Scores,
}

/// Parameters, by whether they train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCounts {
    /// Those that train.
    pub trainable: usize,
    /// All.
    pub total: usize,
}

/// Wall-clock seconds of a cell's parts; features come before and are shared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Fitting.
    pub fit: f64,
    /// Predicting and scoring.
    pub evaluate: f64,
}

/// The file of finished cells in an output folder.
#[derive(Debug)]
pub(crate) struct Runs {
    path: PathBuf,
}

impl Runs {
    pub(crate) fn new(out: &Path) -> Self {
        Self { path: out.join("runs.jsonl") }
    }

    /// Appends a line and sees to it that it is on disk. Safe with several processes on one folder.
    ///
    /// Returns the record as later runs will read it: a number read from JSON may differ in its last bit from the one
    /// that was written, and a rerun must show the same table.
    ///
    /// # Errors
    /// The file cannot be written, for instance because the disk is full; what was there stays as it was.
    pub(crate) fn append(&self, record: &CellRecord) -> Result<CellRecord, BenchError> {
        let io = |source| BenchError::Io { path: self.path.clone(), source };
        let mut line = serde_json::to_string(record).expect("a record is plain data");
        let reread = serde_json::from_str(&line).expect("a record reads what it writes");
        line.push('\n');
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path).map_err(io)?;
        file.lock().map_err(io)?;
        let length = file.seek(SeekFrom::End(0)).map_err(io)?;
        // A process that was killed while it wrote leaves half a line, which must not swallow this one.
        if length > 0 {
            file.seek(SeekFrom::End(-1)).map_err(io)?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(io)?;
            if last != *b"\n" {
                line.insert(0, '\n');
            }
        }
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line of a full disk is taken back; the reader would pass over it all the same.
            let _ = file.set_len(length);
        }
        written.map_err(io)?;
        Ok(reread)
    }
}

/// All records of the folder `out`, oldest first; the newest of a key counts. A torn line, as a killed run leaves it,
/// is passed over.
///
/// # Errors
/// The file cannot be read, or a line has a newer schema.
pub fn read_runs(out: &Path) -> Result<Vec<CellRecord>, BenchError> {
    let path = out.join("runs.jsonl");
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(BenchError::Io { path, source }),
    };
    let mut records = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        if let Ok(Version { schema }) = serde_json::from_str(line)
            && schema > SCHEMA
        {
            return Err(BenchError::Schema { path, line: index + 1, found: schema, known: SCHEMA });
        }
        match serde_json::from_str::<CellRecord>(line) {
            Ok(record) => records.push(record),
            Err(error) => tracing::warn!("{}, line {}: passed over: {error}", path.display(), index + 1),
        }
    }
    Ok(records)
}

impl CellRecord {
    /// The newest schema.
    pub(crate) const SCHEMA: u32 = SCHEMA;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(key: &str) -> CellRecord {
        CellRecord {
            schema: SCHEMA,
            key: key.to_owned(),
            status: CellStatus::Done,
            error: None,
            encoder: EncoderRecord {
                name: "encoder".to_owned(),
                preset: "nano".to_owned(),
                weights: WeightsKind::Random,
                weights_hash: "random-0".to_owned(),
            },
            text: None,
            adapter: "coop".to_owned(),
            shots: Some(1),
            seed: 1,
            data: DataRecord {
                name: "data".to_owned(),
                target: "EF".to_owned(),
                unit: "%".to_owned(),
                hash: "hash".to_owned(),
                train: 3,
                test: 4,
                excluded: 0,
            },
            config: serde_json::json!({}),
            parameters: None,
            scores: None,
            best: None,
            external: None,
            random_prompts: false,
            seconds: None,
            peak_memory: None,
            machine: Machine::current(),
            device: "cpu".to_owned(),
            finished: 0,
        }
    }

    #[test]
    fn a_line_cut_anywhere_loses_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Runs::new(dir.path());
        runs.append(&record("first")).unwrap();
        runs.append(&record("second")).unwrap();
        let whole = fs::read(&runs.path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for cut in first..whole.len() {
            fs::write(&runs.path, &whole[..cut]).unwrap();
            runs.append(&record("third")).unwrap();
            let keys: Vec<String> = read_runs(dir.path()).unwrap().into_iter().map(|record| record.key).collect();
            // Without its newline alone, the second line is still whole.
            let expected: &[&str] =
                if cut + 1 == whole.len() { &["first", "second", "third"] } else { &["first", "third"] };
            assert_eq!(keys, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_schema_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Runs::new(dir.path());
        runs.append(&record("first")).unwrap();
        runs.append(&CellRecord { schema: SCHEMA + 1, ..record("second") }).unwrap();
        let message = read_runs(dir.path()).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("schema 2"), "{message}");
    }
}
