//! A report of any set of output folders, for instance of several machines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use echo_files::counted;
use serde::Deserialize;

use crate::leaderboard::same_row;
use crate::{
    CellRecord, CellStatus, Constant, Leaderboard, Outputs, Predictions, Quantity, Reference, Report, ReportError,
    Sources, TestSet, TestVideo, groups, read_runs, store,
};

/// Resamples for the constant predictors, when no record says how many the others had.
const RESAMPLES: usize = 1000;

/// What was merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The table.
    pub leaderboard: Leaderboard,
    /// Cells in it.
    pub cells: usize,
    /// Records that a newer one of the same cell stands for.
    pub superseded: usize,
    /// Why the results of cells that had ended well could not be used; they count as failed.
    pub damaged: Vec<String>,
}

/// Writes leaderboards and `report.html` of the output folders `sources` (or their `runs.jsonl`) to the folder `out`,
/// which then is an output folder itself. Of a cell that is there more than once the newest counts, also when it ran
/// on another machine.
///
/// A cell whose predictions or curve are not those that it left has failed.
///
/// # Errors
/// A folder has no records, or `out` cannot be written.
pub fn merge(sources: &[PathBuf], out: &Path) -> Result<Merged, ReportError> {
    let mut found: Vec<(CellRecord, PathBuf)> = Vec::new();
    let mut configs: Vec<String> = Vec::new();
    let mut references: Vec<Reference> = Vec::new();
    let mut constants: Vec<Constant> = Vec::new();
    let mut damaged: Vec<(String, String)> = Vec::new();
    let mut total = 0;
    for source in sources {
        let folder = folder_of(source)?;
        let records = read_runs(&folder)?;
        if records.is_empty() {
            let reason = "it holds no record of a cell; give output folders of echozoo bench";
            return Err(invalid(&folder.join("runs.jsonl"), reason));
        }
        total += records.len();
        // The newest of a cell wrote its files last.
        let records = newest(records.into_iter().map(|record| (record, folder.clone())).collect());
        for (mut record, _) in records {
            if record.status == CellStatus::Done {
                check_key(&record, &folder)?;
                if let Some(reason) = Outputs::at(&folder).damage(&record) {
                    damaged.push((record.key.clone(), reason.to_string()));
                    record.spoil(relative(&reason, &folder));
                }
            }
            found.push((record, folder.clone()));
        }
        let path = folder.join("bench.toml");
        match echo_files::read_text(&path) {
            Ok(text) if !configs.contains(&text) => {
                let new: Vec<Reference> = references_of(&path, &text);
                references
                    .extend(new.into_iter().filter(|reference| !references.contains(reference)).collect::<Vec<_>>());
                configs.push(text);
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(ReportError::io(&path)(error)),
            _ => (),
        }
        for constant in read_constants(&folder.join("constants.csv"))? {
            // The same predictor of the same draw, whatever machine it is from.
            fn of(one: &Constant) -> impl PartialEq {
                (&one.test_hash, &one.splits, &one.predictor, &one.shots, one.seed)
            }
            if !constants.iter().any(|other| of(other) == of(&constant)) {
                constants.push(constant);
            }
        }
    }
    let found = newest(found);
    // Another folder may hold the same cell as it was.
    let failed = |key: &str| found.iter().any(|(record, _)| record.key == key && record.status == CellStatus::Failed);
    let damaged = damaged.into_iter().filter(|(key, _)| failed(key)).map(|(_, reason)| reason).collect();
    let mut tasks: Vec<&Quantity> = Vec::new();
    for (record, _) in &found {
        if !tasks.contains(&&record.data.task) {
            tasks.push(&record.data.task);
        }
    }
    if tasks.len() > 1 {
        let is_mixed = tasks.iter().any(|task| task.samples != tasks[0].samples);
        let name = |task: &&Quantity| match is_mixed {
            true => format!("{} of {}", task.name, task.samples.many()),
            false => task.name.clone(),
        };
        let mut names: Vec<String> = tasks.iter().map(name).collect();
        names.sort_unstable();
        return Err(ReportError::Mixed(format!(
            "the folders hold predictions of several tasks (names, units, classes or samples differ), {}; one table is of one task",
            names.join(" and ")
        )));
    }
    let outputs = Outputs::create(out)?;
    for (record, folder) in found.iter().filter(|(record, _)| record.status == CellStatus::Done) {
        outputs.copy_cell(&Outputs::at(folder), record)?;
    }
    let records: Vec<CellRecord> = found.into_iter().map(|(record, _)| record).collect();
    let lines: Vec<String> = records.iter().map(CellRecord::to_line).collect();
    outputs.write_text("runs.jsonl", &lines.concat())?;
    let groups = ordered(groups(&records));
    let leaderboard = leaderboard(&groups, &constants, &references, &outputs, sources.len())?;
    let done: Vec<&CellRecord> = groups.iter().flatten().copied().filter(|r| r.status == CellStatus::Done).collect();
    outputs.join_cells(&done)?;
    let report = Report {
        leaderboard: &leaderboard,
        groups: &groups,
        outputs: &outputs,
        configs: &configs,
        constants: &constants,
        thumbnails: None,
    };
    report.write()?;
    Ok(Merged { cells: records.len(), superseded: total - records.len(), damaged, leaderboard })
}

/// An error without the folder's path, which the report's readers do not have.
fn relative(error: &ReportError, folder: &Path) -> String {
    match error {
        ReportError::Io { path, source } => {
            format!("{}: {source}", path.strip_prefix(folder).unwrap_or(path).display())
        }
        other => other.to_string(),
    }
}

fn invalid(path: &Path, reason: impl ToString) -> ReportError {
    ReportError::Io { path: path.to_owned(), source: std::io::Error::new(ErrorKind::InvalidData, reason.to_string()) }
}

/// The folder that `source` is, or whose `runs.jsonl` it is.
fn folder_of(source: &Path) -> Result<PathBuf, ReportError> {
    if source.is_dir() {
        return Ok(source.to_owned());
    }
    std::fs::metadata(source).map_err(ReportError::io(source))?;
    match (source.file_name(), source.parent()) {
        (Some(name), Some(parent)) if name == "runs.jsonl" => {
            Ok(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
        }
        _ => Err(invalid(source, "neither an output folder nor a runs.jsonl")),
    }
}

/// A key names files, and a record may come from anywhere.
fn check_key(record: &CellRecord, folder: &Path) -> Result<(), ReportError> {
    let is_key = !record.key.is_empty() && record.key.chars().all(|character| character.is_ascii_hexdigit());
    match is_key {
        true => Ok(()),
        false => Err(invalid(&folder.join("runs.jsonl"), format!("{:?} is no key of a cell", record.key))),
    }
}

/// The newest of every key, and of every seed of a row, in the order of the oldest; a finished one before a failed one.
fn newest(found: Vec<(CellRecord, PathBuf)>) -> Vec<(CellRecord, PathBuf)> {
    let mut kept: Vec<(CellRecord, PathBuf)> = Vec::new();
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    for (record, folder) in found {
        let same = |other: &CellRecord| other.seed == record.seed && same_row(other, &record);
        let place = by_key.get(&record.key).copied().or_else(|| kept.iter().position(|(other, _)| same(other)));
        match place {
            Some(place) => {
                by_key.insert(record.key.clone(), place);
                let rank = |record: &CellRecord| (record.status == CellStatus::Done, record.finished);
                if rank(&record) >= rank(&kept[place].0) {
                    kept[place] = (record, folder);
                }
            }
            None => {
                by_key.insert(record.key.clone(), kept.len());
                kept.push((record, folder));
            }
        }
    }
    kept
}

/// By test videos, encoder and adapter as they first appear, then by shots, as in a single run.
fn ordered(mut groups: Vec<Vec<&CellRecord>>) -> Vec<Vec<&CellRecord>> {
    let mut tests: Vec<&str> = Vec::new();
    let mut names: Vec<(&str, &str)> = Vec::new();
    let mut encoders: Vec<&str> = Vec::new();
    for cell in groups.iter().map(|group| group[0]) {
        tests.push(&cell.data.test_hash);
        encoders.push(&cell.encoder.name);
        names.push((&cell.encoder.name, &cell.adapter));
    }
    groups.sort_by_key(|group| {
        let cell = group[0];
        let encoder = encoders.iter().position(|name| *name == cell.encoder.name);
        let adapter = names.iter().position(|name| *name == (cell.encoder.name.as_str(), cell.adapter.as_str()));
        let test = tests.iter().position(|test| *test == cell.data.test_hash);
        (test, encoder, adapter, cell.shots)
    });
    for group in &mut groups {
        group.sort_by_key(|cell| cell.seed);
    }
    groups
}

fn read_constants(path: &Path) -> Result<Vec<Constant>, ReportError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let constants: Vec<Constant> = store::read(path)?;
    match constants
        .iter()
        .find(|constant| !constant.is_whole() || !constant.prediction.iter().all(|value| value.is_finite()))
    {
        Some(constant) => {
            let reason = format!(
                "the row of {} is not as it was written; the benchmark, run again on this folder, makes it anew",
                constant.predictor
            );
            Err(invalid(path, reason))
        }
        None => Ok(constants),
    }
}

/// What a run's configuration says of published figures; the rest of it is the run's.
#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    references: Vec<Reference>,
}

/// The published figures of a run's configuration. What only another version can read has none.
fn references_of(path: &Path, config: &str) -> Vec<Reference> {
    match toml::from_str::<Published>(config) {
        Ok(Published { references }) => {
            references.into_iter().filter(|reference| reference.complaint().is_none()).collect()
        }
        Err(error) => {
            tracing::warn!("{}: {error}; its references are left out", path.display());
            Vec::new()
        }
    }
}

/// The table of all that was merged.
fn leaderboard(
    groups: &[Vec<&CellRecord>],
    constants: &[Constant],
    references: &[Reference],
    outputs: &Outputs,
    sources: usize,
) -> Result<Leaderboard, ReportError> {
    // Labels of every test set, in the order of the rows.
    let mut tests: Vec<TestSet> = Vec::new();
    let mut resamples = BTreeSet::new();
    for cell in groups.iter().flatten().filter(|cell| cell.status == CellStatus::Done) {
        if !tests.iter().any(|test| test.hash == cell.data.test_hash) {
            let videos = outputs.read_predictions(cell, Predictions::LastEpoch)?;
            let videos = videos.into_iter().map(TestVideo::from).collect();
            tests.push(TestSet { data: cell.data.name.clone(), hash: cell.data.test_hash.clone(), videos });
        }
        resamples.extend(cell.scores.as_ref().map(|scores| scores.bootstrap.samples));
    }
    let target = groups.iter().flatten().next().map(|cell| cell.data.task.clone()).unwrap_or_default();
    let bootstrap = resamples.last().copied().unwrap_or(RESAMPLES).clamp(1, echo_metrics::MAX_SAMPLES);
    let of_tests = TestSet::all_in_words(target.samples, &tests);
    let mut remarks = Vec::new();
    let lacks_constants = |test: &TestSet| !constants.iter().any(|constant| constant.test_hash == test.hash);
    for (_, words) in tests.iter().zip(&of_tests).filter(|(test, _)| lacks_constants(test)) {
        remarks.push(format!(
            "{words}: no folder has a constants.csv for them, so the rows of the constant predictors are missing; they need \
             labels of training and validation {}.",
            target.samples.many()
        ));
    }
    let resamples: Vec<String> = resamples.iter().map(|count| count.to_string()).collect();
    let about = format!("{} on {}, from {}", target.in_words(), of_tests.join("; "), counted(sources, "output folder"));
    let mut leaderboard = Leaderboard::new(&Sources {
        target,
        about,
        resamples: &resamples.join(" or "),
        groups,
        constants,
        tests: &tests,
        outputs,
        bootstrap,
        references,
    })?;
    leaderboard.notes.extend(remarks);
    Ok(leaderboard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::record;

    #[test]
    fn of_a_cell_the_newest_counts_and_a_failure_never_hides_a_result() {
        let cell = |key: &str, seed, status, finished| {
            (CellRecord { seed, status, finished, ..record(key) }, PathBuf::from(key))
        };
        let done = CellStatus::Done;
        let found = vec![
            cell("a", 1, done, 5),
            cell("b", 2, done, 5),
            // The first again, on another machine and so with another key; later, earlier, and failed.
            cell("c", 1, done, 9),
            cell("d", 1, done, 1),
            cell("e", 1, CellStatus::Failed, 20),
        ];
        let kept: Vec<String> = newest(found).into_iter().map(|(record, _)| record.key).collect();
        assert_eq!(kept, ["c", "b"]);
    }

    #[test]
    fn folders_of_one_name_and_size_that_hold_other_videos_are_other_rows() {
        let of = |seed, change: fn(&mut CellRecord)| {
            let mut cell = CellRecord { seed, ..record(&format!("{seed}")) };
            change(&mut cell);
            cell
        };
        let same = of(2, |cell| cell.data.hash = "the draw of another seed".to_owned());
        let renamed = of(3, |cell| cell.data.name = "the same, on another machine".to_owned());
        let others: [fn(&mut CellRecord); 7] = [
            |cell| cell.data.test_hash = "other videos".to_owned(),
            |cell| cell.data.splits = "other training videos".to_owned(),
            |cell| cell.data.task = Quantity::regression("EDV", "ml"),
            |cell| cell.config = serde_json::json!({ "external": { "name": "far", "hash": "h" } }),
            |cell| cell.config = serde_json::json!({ "bootstrap": 10 }),
            |cell| cell.encoder.weights_hash = "other weights".to_owned(),
            |cell| cell.shots = None,
        ];
        let mut records = vec![record("1"), same, renamed];
        records.extend(others.map(|change| of(4, change)));
        let sizes: Vec<usize> = groups(&records).iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn rows_stand_as_in_a_single_run_whatever_the_order_of_the_folders() {
        let cell = |adapter: &str, shots, seed| CellRecord {
            adapter: adapter.to_owned(),
            shots: Some(shots),
            seed,
            ..record("key")
        };
        let records = [cell("linear", 8, 2), cell("linear", 8, 1), cell("coop", 1, 1), cell("linear", 1, 1)];
        let groups = ordered(groups(&records));
        let order: Vec<_> =
            groups.iter().flatten().map(|cell| (cell.adapter.as_str(), cell.shots, cell.seed)).collect();
        let expected = [("linear", Some(1), 1), ("linear", Some(8), 1), ("linear", Some(8), 2), ("coop", Some(1), 1)];
        assert_eq!(order, expected);
    }
}
