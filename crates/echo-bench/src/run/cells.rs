//! An encoder's cells: several at a time, shared with whatever other process works on the same folder.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use echo_files::FileLock;
use echo_report::{CellRecord, CellStatus, ParameterCounts};

use super::encoder::EncoderRun;
use super::{RunPart, RunState};
use crate::cell::seen::Seen;
use crate::run::work_off::work_off;
use crate::{BenchError, Observer, Recipe};

/// A cell with all that it is made of.
#[derive(Debug)]
pub(super) struct Job {
    /// Its record, but for how it went.
    pub(super) record: CellRecord,
    /// The cell in words.
    pub(super) label: String,
    pub(super) recipe: Recipe,
    pub(super) seen: Seen,
    /// Training and test videos that could be used.
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
    /// Test videos of the external data set that could be used, and their hash.
    pub(super) external: Option<(Vec<usize>, String)>,
}

/// How a cell came to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It ran here.
    Ran,
    /// It was done before.
    Before,
    /// Another process ran it meanwhile.
    Elsewhere,
    /// Nobody ran it, and nobody does now.
    Missing,
}

/// What an earlier run left of a cell.
#[derive(Debug)]
pub(super) enum Earlier {
    /// A record whose files are as it left them: there is nothing to do.
    Stands(Box<CellRecord>),
    /// A record whose files are not, with what is wrong.
    Damaged(String),
    /// Nothing that ended well.
    Nothing,
}

impl RunState<'_> {
    /// Runs what is not done of `cells`, and keeps all their records in their order.
    pub(super) fn run_cells(&mut self, cells: &[&CellRecord], run: &EncoderRun<'_>) -> Result<(), BenchError> {
        let state: &Self = self;
        let jobs: Vec<Job> = cells.iter().map(|cell| state.job(cell, run)).collect();
        state.told(|told| told.observer.progress("cells", told.ended, told.expected, ""));
        let ended = work_off(
            jobs.len(),
            state.environment.jobs,
            |index| state.attempt(&jobs[index], run),
            |index| state.told(|told| told.waits_for(&jobs[index])),
        )?;
        for (record, origin) in ended {
            match (origin, record.status) {
                (Origin::Ran, CellStatus::Done) => self.counts.ran += 1,
                (_, CellStatus::Failed) => self.counts.failed += 1,
                (_, CellStatus::Done) => self.counts.skipped += 1,
            }
            self.records.push(record);
        }
        Ok(())
    }

    /// A cell's record: from before, from another process, or by running it. Nothing while another process is at it.
    fn attempt(&self, job: &Job, run: &EncoderRun<'_>) -> Result<Option<(CellRecord, Origin)>, BenchError> {
        let earlier = self.earlier(job)?;
        if let Earlier::Stands(record) = earlier {
            self.told(|told| told.ended(&job.label, &record, Origin::Before));
            return Ok(Some((*record, Origin::Before)));
        }
        if self.environment.part == RunPart::Merge {
            let record = self.missing(job, earlier);
            self.told(|told| told.ended(&job.label, &record, Origin::Missing));
            return Ok(Some((record, Origin::Missing)));
        }
        if self.environment.observer.is_stopped() {
            return Err(BenchError::Stopped);
        }
        let path = self.outputs.lock(&job.record.key);
        let Some(_lock) = FileLock::claim(&path).map_err(BenchError::io(&path))? else { return Ok(None) };
        // Whoever held it before may have ended it. Also a failure is taken over: only the next run tries again.
        let meanwhile = self.runs.appended_since(&job.record.key)?;
        if let Some(record) =
            meanwhile.filter(|record| record.status == CellStatus::Failed || self.damage(record).is_none())
        {
            self.told(|told| told.ended(&job.label, &record, Origin::Elsewhere));
            return Ok(Some((record, Origin::Elsewhere)));
        }
        if let Earlier::Damaged(reason) = earlier {
            self.told(|told| told.observer.line(&format!("{}: run again: {reason}", job.label)));
        }
        let record = self.compute(job, run)?;
        let record = self.runs.append(&record)?;
        self.told(|told| told.ended(&job.label, &record, Origin::Ran));
        Ok(Some((record, Origin::Ran)))
    }

    /// What an earlier run left of the cell.
    pub(super) fn earlier(&self, job: &Job) -> Result<Earlier, BenchError> {
        let key = &job.record.key;
        let known = self.runs.of_file(key)?.or_else(|| self.done.get(key).cloned());
        let done = known.filter(|record| record.status == CellStatus::Done && !self.environment.force);
        Ok(match done {
            None => Earlier::Nothing,
            Some(record) => self.damage(&record).map_or(Earlier::Stands(Box::new(record)), Earlier::Damaged),
        })
    }

    /// The record of a cell that is not run here and not done: a failure that no file keeps.
    fn missing(&self, job: &Job, earlier: Earlier) -> CellRecord {
        let failed = self.done.get(&job.record.key).and_then(|record| record.error.clone());
        let error = match (earlier, failed) {
            (Earlier::Damaged(reason), _) => reason,
            (_, Some(error)) => error,
            _ => "it has no result yet: it was not run, or was ended before it was done".to_owned(),
        };
        CellRecord { status: CellStatus::Failed, error: Some(error), ..job.record.clone() }
    }

    /// Why a finished cell has to be run again: its files are not those that it left.
    fn damage(&self, record: &CellRecord) -> Option<String> {
        let without_adapter = self.config.save_adapters && !self.outputs.has_adapter(&record.key);
        let damage = self.outputs.damage(record).map(|damage| damage.to_string());
        damage.or_else(|| without_adapter.then(|| "its adapter was not kept".to_owned()))
    }

    pub(super) fn told(&self, tell: impl FnOnce(&mut Told)) {
        // A thread that panicked while it told something has spoiled no result.
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the user was told of the cells.
#[derive(Debug)]
pub(super) struct Told {
    observer: Arc<dyn Observer>,
    expected: usize,
    ended: usize,
    /// Pairs of encoder and adapter whose parameters were told.
    announced: BTreeSet<(String, String)>,
    waits: bool,
}

impl Told {
    pub(super) fn new(cells: usize, observer: Arc<dyn Observer>) -> Self {
        Self { observer, expected: cells, ended: 0, announced: BTreeSet::new(), waits: false }
    }

    /// An encoder has `found` cells where `expected` were: it reads nothing without training.
    pub(super) fn recount(&mut self, expected: usize, found: usize) {
        self.expected = self.expected - expected + found;
    }

    fn waits_for(&mut self, job: &Job) {
        if !std::mem::replace(&mut self.waits, true) {
            self.observer.line(&format!("{}: another process is at it; waiting for its result", job.label));
        }
    }

    fn ended(&mut self, label: &str, record: &CellRecord, origin: Origin) {
        self.ended += 1;
        self.waits = false;
        let (encoder, adapter) = (&record.encoder.name, &record.adapter);
        // How much trains (`--dump-params` names it), once for every pair of encoder and adapter.
        if let (Origin::Ran, Some(counts)) = (origin, record.parameters)
            && self.announced.insert((encoder.clone(), adapter.clone()))
        {
            let ParameterCounts { trainable, total } = counts;
            self.observer.line(&format!("{encoder} + {adapter}: {trainable} of {total} parameters train"));
        }
        let elsewhere = if origin == Origin::Elsewhere { " (by another process)" } else { "" };
        if origin != Origin::Before {
            let task = &record.data.task;
            let value = record.scores.as_ref().and_then(|scores| scores.value(&task.primary()));
            let outcome = match &record.error {
                Some(error) => format!(" failed: {error}"),
                None => format!(": {}", task.scored(value)),
            };
            self.observer.line(&format!("{label}{outcome}{elsewhere}"));
        }
        self.observer.progress("cells", self.ended, self.expected, label);
    }
}
