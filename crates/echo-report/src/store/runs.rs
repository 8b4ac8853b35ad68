//! `runs.jsonl`: one line per finished cell. Where several machines work on one folder, each cell's line is first a file of its own,
//! `cells/KEY.json`: no two machines append to one file.
//!
//! Longer than most files: what a line holds, how it is written and how it is read again change together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use echo_files::{printable, without_locks, write_atomically};
use echo_metrics::Scores;
use serde::{Deserialize, Serialize};

use super::Machine;
use crate::{Quantity, ReportError, SampleUnit};

/// Raised when the meaning of a line changes; lines of another schema are refused.
const SCHEMA: u32 = 5;

/// How a cell ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellStatus {
    /// With scores.
    Done,
    /// With an error; it is tried again by the next run.
    #[default]
    Failed,
}

/// A finished cell with everything needed to repeat it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Training samples per bin of the target or per class; absent for a split file's own training rows.
    pub shots: Option<usize>,
    /// The seed.
    pub seed: u64,
    /// The data.
    pub data: DataRecord,
    /// Recipe, clip specification, ranks: the whole configuration as the key saw it.
    pub config: serde_json::Value,
    /// What the recipe changes of the encoder's clips, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clips: Option<String>,
    /// Of a binary task the probability from which on a video counts as positive, as validation chose it; absent where no
    /// validation split could choose one, which makes it [`UNCHOSEN_THRESHOLD`](crate::UNCHOSEN_THRESHOLD).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Negative and positive validation samples that it was chosen on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_on: Option<[usize; 2]>,
    /// Parameters, by whether they train.
    pub parameters: Option<ParameterCounts>,
    /// Scores on the test split, after the last epoch.
    pub scores: Option<Scores>,
    /// The same for the epoch that did best on the validation split, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<BestRecord>,
    /// Scores of the same fitted adapter on an external test set, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalRecord>,
    /// Scores of single test videos under their study's label, where samples are studies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<AloneRecord>,
    /// What the cell's files hold, by the ending of their names: a file that holds something else is not the cell's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileRecord>,
    /// Wall-clock seconds.
    pub seconds: Option<Seconds>,
    /// The most memory, in bytes, that the process held while the cell ran, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Cells that the process ran at a time. Beside others a cell takes longer, and nobody knows what memory is its own.
    pub jobs: usize,
    /// The machine.
    pub machine: Machine,
    /// The device.
    pub device: String,
    /// When it ended, in seconds since 1970.
    pub finished: u64,
}

/// A record as it is written: with what makes its numbers doubtful, which is known of it and so not read back.
#[derive(Serialize)]
struct Warned<'a> {
    #[serde(flatten)]
    record: &'a CellRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

/// What a file of a cell holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Rows below the header.
    pub rows: usize,
    /// Hash of what they say, in whatever way a spreadsheet writes it.
    pub hash: String,
}

/// Which encoder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderRecord {
    /// Its name.
    pub name: String,
    /// Its preset.
    pub preset: String,
    /// Whether weights of this preset are published ones; others know no patients.
    pub published: bool,
    /// What kind of weights.
    pub weights: String,
    /// Hash of the weights.
    pub weights_hash: String,
    /// How many bits the numbers had that the frozen encoder multiplied, as `--precision` names it; absent for 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
}

impl EncoderRecord {
    /// The seed of random weights, for those that are.
    pub fn random_seed(&self) -> Option<u64> {
        self.weights_hash.strip_prefix("random-")?.split('-').next()?.parse().ok()
    }
}

/// Which data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The data set's name, which others may have too: hashes say what it is.
    pub name: String,
    /// What is predicted.
    pub task: Quantity,
    /// Hash of the names, labels and bytes of all videos that the cell used.
    pub hash: String,
    /// The same of its test videos alone: rows of other hashes have nothing to do with each other.
    pub test_hash: String,
    /// Hash of the names, labels and sizes of what every split lists, under the run's limits, and of the width of a bin:
    /// what draws are drawn from, and how.
    pub splits: String,
    /// Training samples.
    pub train: usize,
    /// Bins of the target, or classes, that hold training samples; none where a split file's training rows are used whole.
    pub bins: usize,
    /// Those that had fewer usable samples than were asked for.
    pub short_bins: usize,
    /// Test samples.
    pub test: usize,
    /// Videos of the cell's splits that could not be used.
    pub excluded: usize,
    /// Test samples that training or validation knew, by their patient or their bytes, as `allow_leakage` let them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leaked: usize,
    /// Whether all of its videos are known to be phantoms, by their bytes.
    #[serde(default)]
    pub phantoms: bool,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An external test set, which no adapter is fitted or selected on, for instance another hospital. The
/// adapter that the first test set scores is scored on it as it is; its predictions stand in `cells/<key>.external.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalRecord {
    /// The set's name.
    pub name: String,
    /// Hash of the videos' bytes and labels that the cell was scored on.
    pub hash: String,
    /// What its samples are.
    #[serde(default, skip_serializing_if = "SampleUnit::is_video")]
    pub samples: SampleUnit,
    /// Samples that it was scored on.
    pub test: usize,
    /// Videos of the set that could not be used.
    pub excluded: usize,
    /// Samples that the first set's training or validation knew, by their bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leaked: usize,
    /// Whether all videos that it was scored on are known to be phantoms.
    #[serde(default)]
    pub phantoms: bool,
    /// Scores after the last epoch.
    pub scores: Scores,
}

/// What the fitted adapter says of the test videos one by one, where samples are studies of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AloneRecord {
    /// Videos that were scored.
    pub videos: usize,
    /// Scores after the last epoch, each video under its study's label.
    pub scores: Scores,
}

/// The epoch that did best on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestRecord {
    /// From 1.
    pub epoch: usize,
    /// Its primary metric on the validation split.
    pub validation: f64,
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

/// Where the records of an output folder's finished cells are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// As lines of one file, which several processes of one machine may append to.
    #[default]
    Together,
    /// Each as a file of its own, so that several machines may work on the folder.
    Apart,
}

/// The finished cells of an output folder.
#[derive(Debug)]
pub struct Runs {
    path: PathBuf,
    cells: PathBuf,
    keeping: Keeping,
    since: Mutex<Since>,
}

/// What was appended since the file was opened.
#[derive(Debug, Default)]
struct Since {
    /// Bytes and lines that were read.
    read: Position,
    /// By key; the newest of each.
    records: BTreeMap<String, CellRecord>,
    /// By key: lines since, where records are kept apart.
    gathered: BTreeMap<String, CellRecord>,
}

/// A place in the file, at the beginning of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    bytes: u64,
    lines: usize,
}

impl Runs {
    /// Those of the folder `out`, which need not exist yet, and their records, oldest first. Kept apart, only what is kept together
    /// is read at once, since thousands of machines would read each other's files; [`of_file`](Self::of_file) gives the others.
    ///
    /// # Errors
    /// As [`read_runs`].
    pub fn open(out: &Path, keeping: Keeping) -> Result<(Self, Vec<CellRecord>), ReportError> {
        let (path, cells) = (out.join("runs.jsonl"), out.join("cells"));
        let (mut records, read) = read_from(&path, Position::default())?;
        if keeping == Keeping::Together {
            records.extend(in_files(&cells)?.into_iter().map(|(_, record)| record));
        }
        Ok((Self { path, cells, keeping, since: Mutex::new(Since { read, ..Since::default() }) }, records))
    }

    /// The record of the cell `key` where it is in a file of its own. What is in it later counts as appended since.
    ///
    /// # Errors
    /// As [`read_runs`].
    pub fn of_file(&self, key: &str) -> Result<Option<CellRecord>, ReportError> {
        if self.keeping == Keeping::Together {
            return Ok(None);
        }
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.apart(key, &mut since)?;
        since.records.extend(found.iter().map(|record| (key.to_owned(), record.clone())));
        Ok(found)
    }

    /// The record of the cell `key` in a file of its own, or in the line that a merge has made of it since the folder was opened.
    fn apart(&self, key: &str, since: &mut Since) -> Result<Option<CellRecord>, ReportError> {
        if let Some(found) = in_file(&self.file_of(key))? {
            return Ok(Some(found));
        }
        let (records, read) = read_from(&self.path, since.read)?;
        since.read = read;
        since.gathered.extend(records.into_iter().map(|record| (record.key.clone(), record)));
        Ok(since.gathered.get(key).cloned())
    }

    fn file_of(&self, key: &str) -> PathBuf {
        self.cells.join(format!("{key}.json"))
    }

    /// Makes lines of the records in files of their own, and removes those.
    ///
    /// # Errors
    /// As [`append`](Self::append), and where a file is no record.
    pub fn gather(&self) -> Result<(), ReportError> {
        let found = in_files(&self.cells)?;
        if found.is_empty() {
            return Ok(());
        }
        self.append_lines(found.iter().map(|(_, record)| record.to_line()).collect())?;
        for (path, _) in found {
            // Another process may be at the same; a line that is there twice is one record.
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }

    /// The newest record of the cell `key` that this or another process appended since the file was opened.
    ///
    /// # Errors
    /// As [`read_runs`].
    pub fn appended_since(&self, key: &str) -> Result<Option<CellRecord>, ReportError> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keeping == Keeping::Apart {
            let found = self.apart(key, &mut since)?;
            return Ok(found.filter(|record| since.records.get(key) != Some(record)));
        }
        let (records, read) = read_from(&self.path, since.read)?;
        since.read = read;
        since.records.extend(records.into_iter().map(|record| (record.key.clone(), record)));
        Ok(since.records.get(key).cloned())
    }

    /// Keeps a record and sees to it that it is on disk. Safe with several processes on one folder.
    ///
    /// Returns the record as later runs will read it: a number read from JSON may differ in its last bit from the one
    /// that was written, and a rerun must show the same table.
    ///
    /// # Errors
    /// The file cannot be written, for instance because the disk is full; what was there stays as it was.
    pub fn append(&self, record: &CellRecord) -> Result<CellRecord, ReportError> {
        let line = record.to_line();
        let reread = record_of(line.trim_end()).expect("a record reads what it writes");
        match self.keeping {
            Keeping::Together => self.append_lines(line)?,
            Keeping::Apart => {
                let path = self.file_of(&record.key);
                let io = |source| ReportError::Io { path: path.clone(), source };
                write_atomically(&path, |file| file.write_all(line.as_bytes())).map_err(io)?;
            }
        }
        Ok(reread)
    }

    /// Appends whole lines, all or none.
    fn append_lines(&self, mut lines: String) -> Result<(), ReportError> {
        let io = |source| ReportError::Io { path: self.path.clone(), source };
        let is_new = !self.path.exists();
        drop(echo_files::append(&self.path).map_err(io)?);
        let mut file = File::options().read(true).append(true).open(&self.path).map_err(io)?;
        file.lock().or_else(|error| without_locks(error, &self.path)).map_err(io)?;
        let length = file.seek(SeekFrom::End(0)).map_err(io)?;
        // A process that was killed while it wrote leaves half a line, which must not swallow this one.
        if length > 0 {
            file.seek(SeekFrom::End(-1)).map_err(io)?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(io)?;
            if last != *b"\n" {
                lines.insert(0, '\n');
            }
        }
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line of a full disk is taken back; the reader would pass over it all the same.
            let _ = file.set_len(length);
        }
        written.map_err(io)?;
        if let Some(folder) = self.path.parent().filter(|_| is_new) {
            // The file's name is on disk once the folder is; not every file system can do that.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// All records of the folder `out`, oldest first, then those in files of their own; the last of a key counts.
///
/// Half a line, as a killed run leaves it, is passed over.
///
/// # Errors
/// The file cannot be read, or a line has a newer schema or is otherwise not a record of a cell.
pub fn read_runs(out: &Path) -> Result<Vec<CellRecord>, ReportError> {
    Ok(Runs::open(out, Keeping::Together)?.1)
}

/// The records in files of their own in the folder `cells`, oldest first.
fn in_files(cells: &Path) -> Result<Vec<(PathBuf, CellRecord)>, ReportError> {
    let io = |source| ReportError::Io { path: cells.to_owned(), source };
    let entries = match std::fs::read_dir(cells) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            // Another process may have gathered it.
            found.extend(in_file(&path)?.map(|record| (path, record)));
        }
    }
    found.sort_by(|(_, one), (_, other)| (one.finished, &one.key).cmp(&(other.finished, &other.key)));
    Ok(found)
}

/// The record in a file of its own, where there is one.
fn in_file(path: &Path) -> Result<Option<CellRecord>, ReportError> {
    let (records, _) = read_from(path, Position::default())?;
    match <[CellRecord; 1]>::try_from(records) {
        Ok([record]) => Ok(Some(record)),
        Err(_) => {
            if path.exists() {
                tracing::warn!("{}: this is no whole record of a cell, which counts as not run", path.display());
            }
            Ok(None)
        }
    }
}

/// The records of `path` from a place on, and the place after them.
fn read_from(path: &Path, from: Position) -> Result<(Vec<CellRecord>, Position), ReportError> {
    let io = |source| ReportError::Io { path: path.to_owned(), source };
    let mut file = match echo_files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), from)),
        Err(source) => return Err(io(source)),
    };
    // While another process writes its line, half of it is there.
    file.lock_shared().or_else(|error| without_locks(error, path)).map_err(io)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from.bytes)).map_err(io)?;
    file.read_to_end(&mut bytes).map_err(io)?;
    drop(file);
    let (mut records, mut position) = (Vec::new(), from);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match parse(line) {
            Ok(None) => {}
            Ok(Some(record)) => records.push(record),
            Err(Unreadable::Torn) => {
                let whole = line.ends_with(b"\n");
                tracing::warn!("{}, line {}: half a line is passed over", path.display(), position.lines + 1);
                // What has no end yet may get one.
                if !whole {
                    break;
                }
            }
            Err(Unreadable::OtherSchema(found)) => {
                let line = position.lines + 1;
                return Err(ReportError::Schema { path: path.to_owned(), line, found, known: SCHEMA });
            }
            Err(Unreadable::Other(reason)) => {
                return Err(ReportError::Line { path: path.to_owned(), line: position.lines + 1, reason });
            }
        }
        position.bytes += line.len() as u64;
        position.lines += 1;
    }
    Ok((records, position))
}

/// Why a line is no record.
enum Unreadable {
    /// It ends too early: who wrote it was killed.
    Torn,
    /// It has this schema.
    OtherSchema(u32),
    Other(String),
}

/// The record of a line; none of an empty one.
fn parse(line: &[u8]) -> Result<Option<CellRecord>, Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    // A cut may go through a character, and a file system that lost its power may have zeros for what was not written.
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\0', '\n', '\r']);
    if text.is_empty() {
        return Ok(None);
    }
    // Another version's line need not be readable to be known as one.
    match serde_json::from_str(text) {
        Ok(Version { schema }) if schema != SCHEMA => return Err(Unreadable::OtherSchema(schema)),
        _ => {}
    }
    let record = record_of(text).map_err(|error| match error.is_eof() {
        true => Unreadable::Torn,
        false => Unreadable::Other(error.to_string()),
    })?;
    match text.strip_suffix("\"}").and_then(|text| text.rsplit_once(CHECKSUM)) {
        Some((body, checksum)) if checksum == checksum_of(body) => Ok(Some(record)),
        _ => Err(Unreadable::Other(
            "it was changed after it was written, as its checksum tells; remove the line, and the benchmark, run again on \
             this folder, makes its cell anew"
                .to_owned(),
        )),
    }
}

/// What stands between a line's record and the checksum of its text, the line's last entry: scores are read from here, and
/// a digit that was changed is still a digit.
const CHECKSUM: &str = ",\"checksum\":\"";

fn checksum_of(body: &str) -> String {
    blake3::hash(body.as_bytes()).to_hex()[..32].to_owned()
}

/// A line's record. Its texts come from anywhere and go to terminals and pages: what would move a cursor or fake a line
/// there is spelt out.
fn record_of(line: &str) -> Result<CellRecord, serde_json::Error> {
    let mut value: serde_json::Value = serde_json::from_str(line)?;
    spell_out(&mut value);
    serde_json::from_value(value)
}

fn spell_out(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = printable(text).into_owned(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(spell_out),
        serde_json::Value::Object(values) => values.values_mut().for_each(spell_out),
        _ => {}
    }
}

impl CellRecord {
    /// The adapter, and in how many bits its encoder was computed where these are not 32.
    pub(crate) fn adapter_label(&self) -> String {
        match &self.encoder.precision {
            Some(precision) => format!("{} ({precision})", self.adapter),
            None => self.adapter.clone(),
        }
    }

    /// The schema of this version.
    pub const SCHEMA: u32 = SCHEMA;

    /// The record's line in `runs.jsonl`, with its end. The last entry is a checksum of what stands before it.
    pub fn to_line(&self) -> String {
        let warned = Warned { record: self, warning: self.caution() };
        let text = serde_json::to_string(&warned).expect("a record is plain data");
        let body = text.strip_suffix('}').expect("a record is an object");
        format!("{body}{CHECKSUM}{}\"}}\n", checksum_of(body))
    }

    /// Makes it the record of a cell that failed: what it left cannot be used.
    pub(crate) fn spoil(&mut self, reason: String) {
        self.status = CellStatus::Failed;
        self.error = Some(reason);
        (self.scores, self.best, self.external) = (None, None, None);
        self.files.clear();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

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
                published: false,
                weights: "random".to_owned(),
                weights_hash: "random-0".to_owned(),
                precision: None,
            },
            text: None,
            adapter: "coop".to_owned(),
            shots: Some(1),
            seed: 1,
            data: DataRecord {
                name: "data".to_owned(),
                task: Quantity::default(),
                hash: "hash".to_owned(),
                test_hash: "test hash".to_owned(),
                splits: "splits".to_owned(),
                train: 3,
                bins: 3,
                short_bins: 0,
                test: 4,
                excluded: 0,
                leaked: 0,
                phantoms: true,
            },
            config: serde_json::json!({}),
            clips: None,
            threshold: None,
            threshold_on: None,
            parameters: None,
            scores: None,
            best: None,
            alone: None,
            external: None,
            files: BTreeMap::new(),
            seconds: None,
            peak_memory: None,
            jobs: 1,
            machine: Machine::current(),
            device: "cpu".to_owned(),
            finished: 0,
        }
    }

    fn opened(dir: &Path) -> Runs {
        Runs::open(dir, Keeping::Together).unwrap().0
    }

    fn keys(dir: &Path) -> Vec<String> {
        read_runs(dir).unwrap().into_iter().map(|record| record.key).collect()
    }

    #[test]
    fn a_line_cut_anywhere_loses_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let runs = opened(dir.path());
        runs.append(&record("first")).unwrap();
        // Cuts go through characters too.
        runs.append(&CellRecord { device: "Gerät".to_owned(), ..record("second") }).unwrap();
        let whole = fs::read(&runs.path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for cut in first..whole.len() {
            fs::write(&runs.path, &whole[..cut]).unwrap();
            let open = opened(dir.path());
            open.append(&record("third")).unwrap();
            assert_eq!(open.appended_since("third").unwrap(), Some(record("third")), "cut at {cut}");
            // Without its newline alone, the second line is still whole.
            let expected: &[&str] =
                if cut + 1 == whole.len() { &["first", "second", "third"] } else { &["first", "third"] };
            assert_eq!(keys(dir.path()), expected, "cut at {cut}");
        }
        // A cut that a file system filled up with zeros.
        fs::write(&runs.path, [&whole[..first + 50], &[0; 100], b"\n", &whole[..first]].concat()).unwrap();
        assert_eq!(keys(dir.path()), ["first", "first"]);
    }

    #[test]
    fn what_another_process_appends_is_seen_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (opened(dir.path()), opened(dir.path()));
        assert_eq!(ours.appended_since("theirs").unwrap(), None, "there is no file yet");
        theirs.append(&record("theirs")).unwrap();
        ours.append(&record("ours")).unwrap();
        assert_eq!(ours.appended_since("theirs").unwrap(), Some(record("theirs")));
        let failed = CellRecord { status: CellStatus::Failed, ..record("theirs") };
        theirs.append(&failed).unwrap();
        assert_eq!(ours.appended_since("theirs").unwrap(), Some(failed), "the newest counts");
        assert_eq!(opened(dir.path()).appended_since("theirs").unwrap(), None, "that was before");

        let line = record("slow").to_line();
        let before = fs::read(&ours.path).unwrap();
        fs::write(&ours.path, [&before, &line.as_bytes()[..90]].concat()).unwrap();
        assert_eq!(ours.appended_since("slow").unwrap(), None);
        fs::write(&ours.path, [&before, line.as_bytes()].concat()).unwrap();
        assert_eq!(ours.appended_since("slow").unwrap(), Some(record("slow")));
    }

    #[test]
    fn records_of_several_machines_are_files_of_their_own_until_they_are_gathered() {
        let dir = tempfile::tempdir().unwrap();
        let apart = || Runs::open(dir.path(), Keeping::Apart).unwrap().0;
        fs::create_dir(dir.path().join("cells")).unwrap();
        let failed = CellRecord { status: CellStatus::Failed, ..record("again") };
        apart().append(&failed).unwrap();
        let (ours, theirs) = (apart(), apart());
        // What was there before was not appended since, which another machine's is.
        assert_eq!(ours.of_file("again").unwrap(), Some(failed.clone()));
        assert_eq!(ours.appended_since("again").unwrap(), None);
        theirs.append(&record("again")).unwrap();
        assert_eq!(ours.appended_since("again").unwrap(), Some(record("again")));
        assert_eq!((ours.of_file("none").unwrap(), ours.appended_since("none").unwrap()), (None, None));
        ours.append(&CellRecord { finished: 7, ..record("late") }).unwrap();
        assert!(!dir.path().join("runs.jsonl").exists());
        assert_eq!(keys(dir.path()), ["again", "late"]);

        let together = opened(dir.path());
        together.append(&record("line")).unwrap();
        together.gather().unwrap();
        assert_eq!(keys(dir.path()), ["line", "again", "late"]);
        assert_eq!(fs::read_dir(dir.path().join("cells")).unwrap().count(), 0);
        together.gather().unwrap();
        assert_eq!(keys(dir.path()).len(), 3);

        // A file that lost what was in it is no record, and in the way of no other.
        let line = record("cut").to_line();
        for text in ["", &line[..40], &format!("{line}{line}")] {
            fs::write(dir.path().join("cells/cut.json"), text).unwrap();
            assert_eq!((keys(dir.path()).len(), apart().of_file("cut").unwrap()), (3, None));
        }
    }

    #[test]
    fn another_schema_is_refused_with_its_line() {
        for schema in [SCHEMA - 1, SCHEMA + 1] {
            let dir = tempfile::tempdir().unwrap();
            let runs = opened(dir.path());
            runs.append(&record("first")).unwrap();
            runs.append(&CellRecord { schema, ..record("second") }).unwrap();
            let message = read_runs(dir.path()).unwrap_err().to_string();
            assert!(message.contains("line 2") && message.contains(&format!("schema {schema}")), "{message}");
        }
    }

    #[test]
    fn what_a_record_says_moves_no_cursor() {
        let dir = tempfile::tempdir().unwrap();
        let runs = opened(dir.path());
        let mut hostile = record("key");
        hostile.adapter = "coop\u{1b}[2J\nfaked".to_owned();
        hostile.config = serde_json::json!({ "recipe": ["\u{202e}"] });
        let expected = "coop\\u{1b}[2J\\nfaked";
        assert_eq!(runs.append(&hostile).unwrap().adapter, expected);
        let [read] = <[CellRecord; 1]>::try_from(read_runs(dir.path()).unwrap()).unwrap();
        assert_eq!((read.adapter.as_str(), read.config["recipe"][0].as_str()), (expected, Some("\\u{202e}")));
    }

    #[cfg(unix)]
    #[test]
    fn records_are_not_appended_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join("runs.jsonl")).unwrap();
        let message = opened(dir.path()).append(&record("key")).unwrap_err().to_string();
        assert!(message.contains("runs.jsonl") && message.contains("link"), "{message}");
        assert_eq!(fs::read_to_string(&other).unwrap(), "");
    }

    #[test]
    fn a_whole_line_that_is_no_record_is_refused_with_file_line_and_reason() {
        let dir = tempfile::tempdir().unwrap();
        let good = record("good").to_line().trim_end().to_owned();
        let refused = |line: &str| {
            fs::write(dir.path().join("runs.jsonl"), format!("{good}\n{line}\n{good}\n")).unwrap();
            let message = read_runs(dir.path()).unwrap_err().to_string();
            assert!(message.contains("runs.jsonl, line 2"), "{message}");
            message
        };
        let without = |field: &str| {
            let mut value: serde_json::Value = serde_json::from_str(&good).unwrap();
            value.as_object_mut().unwrap().remove(field).unwrap();
            value.to_string()
        };
        assert!(refused(&without("adapter")).contains("adapter"));
        assert!(refused(&without("schema")).contains("schema"));
        assert!(refused(&good.replace("\"seed\":1", "\"seed\":\"one\"")).contains("string"));
        refused("[]");
        refused("<<<<<<< HEAD");
        for changed in
            [good.replace("\"seed\":1", "\"seed\":2"), good.replace("\"jobs\":1", "\"jobs\":3"), without("checksum")]
        {
            assert!(refused(&changed).contains("changed after it was written"));
        }
        // An end without a beginning is not what a kill leaves.
        refused(&good[40..]);
    }

    #[test]
    fn a_line_with_scores_is_torn_wherever_it_is_cut() {
        let rows = crate::scoring::tests::values(&[(40.0, 41.0), (50.0, 55.0), (60.0, 52.0)]);
        let metrics = echo_metrics::metrics(echo_metrics::Kind::Regression, &echo_metrics::Parameters::default());
        let scores = crate::scores(&Quantity::default(), &rows, &metrics, None, 50).unwrap();
        let line = CellRecord { scores: Some(scores), ..record("key") }.to_line();
        let line = line.trim_end().as_bytes();
        assert!(matches!(parse(line), Ok(Some(_))));
        assert!((1..line.len()).all(|cut| matches!(parse(&line[..cut]), Err(Unreadable::Torn))));
    }
}
