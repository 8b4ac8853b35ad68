//! What a benchmark would do: cells, files, time and memory, each estimate with what it rests on.

use std::fmt;

use echo_files::{excerpt, printable};

use echo_report::{CellRecord, CellStatus, Excluded, Machine};

/// Unusable videos that are named.
const UNUSABLE_SHOWN: usize = 20;

/// What a benchmark would do. Nothing of it was embedded or fitted.
#[derive(Debug)]
pub struct DryRun {
    /// The data set's name.
    pub data: String,
    /// Videos that do not exist yet.
    pub to_be_made: Option<ToBeMade>,
    /// Training videos of all draws together.
    pub train: usize,
    /// Validation videos that are read: none where the last epoch is scored.
    pub validation: usize,
    /// Test videos.
    pub test: usize,
    /// Listed videos that surely cannot be used; more may turn out to be so once they are decoded.
    pub unusable: Vec<Excluded>,
    /// Bytes of the files that are read.
    pub bytes: u64,
    /// By encoder.
    pub embedding: Vec<EmbeddingForecast>,
    /// By encoder and adapter.
    pub pairs: Vec<PairForecast>,
    /// Cells that run at a time.
    pub jobs: usize,
    /// Warnings, and finished cells that have to run again.
    pub notes: Vec<String>,
}

/// Videos that a run would make first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToBeMade {
    /// How many.
    pub videos: usize,
    /// About how long that takes, from a few that were made to see.
    pub seconds: f64,
    /// How many those were.
    pub tried: usize,
}

/// What one encoder has to embed.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingForecast {
    /// The encoder.
    pub encoder: String,
    /// Clips of all views that its adapters need.
    pub clips: usize,
    /// Those of them that are in the cache.
    pub cached: usize,
    /// Seconds for the others: if a clip occupies the whole machine, and if each core has one of its own.
    pub seconds: (f64, f64),
    /// What that rests on.
    pub basis: String,
}

/// The cells of one encoder with one adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct PairForecast {
    /// The encoder.
    pub encoder: String,
    /// The adapter.
    pub adapter: String,
    /// How many there are, twins with random prompts included.
    pub cells: usize,
    /// Those of them that are done.
    pub done: usize,
    /// What the others take together; absent where nothing is left to do.
    pub estimate: Option<Estimate>,
    /// Why none of them can run.
    pub fails: Option<String>,
}

/// Time and memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Of all cells that are left, one after the other.
    pub seconds: f64,
    /// The most bytes that the process holds during one of them, where it can be told.
    pub memory: Option<Memory>,
    /// What both rest on.
    pub basis: String,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// So much was measured.
    Measured(u64),
    /// At least so much is needed.
    AtLeast(u64),
}

impl Memory {
    /// With so many bytes more.
    pub(crate) fn and(self, more: u64) -> Self {
        match self {
            Memory::Measured(bytes) => Memory::Measured(bytes + more),
            Memory::AtLeast(bytes) => Memory::AtLeast(bytes + more),
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Memory::Measured(bytes) | Memory::AtLeast(bytes) => bytes,
        }
    }
}

/// The size of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellSize {
    pub(crate) train: usize,
    pub(crate) test: usize,
    pub(crate) epochs: usize,
}

/// An estimate from finished cells of the same encoder, preset and adapter; none where there are none.
///
/// Fitting is taken to grow with training videos and epochs, scoring with test videos. Cells of as many training videos
/// count alone where there are any, and so do those of this machine.
pub(crate) fn from_records(records: &[&CellRecord], cells: &[CellSize], here: &Machine) -> Option<Estimate> {
    let timed = |record: &&&CellRecord| record.status == CellStatus::Done && record.seconds.is_some();
    let all: Vec<&CellRecord> = records.iter().filter(timed).copied().collect();
    let is_here = |record: &&&CellRecord| {
        (record.machine.processor.as_str(), record.machine.threads) == (here.processor.as_str(), here.threads)
    };
    let own: Vec<&CellRecord> = all.iter().filter(is_here).copied().collect();
    let (found, elsewhere) = if own.is_empty() { (all, true) } else { (own, false) };
    if found.is_empty() {
        return None;
    }
    let mut scaled = false;
    let mut seconds = 0.0;
    for cell in cells {
        let alike: Vec<&CellRecord> = found.iter().filter(|record| record.data.train == cell.train).copied().collect();
        scaled |= alike.is_empty() || alike.iter().any(|record| epochs(record).is_some_and(|n| n != cell.epochs));
        let from = if alike.is_empty() { &found } else { &alike };
        let share = |record: &CellRecord| {
            let times = record.seconds?;
            let ratio = |wanted: usize, had: usize| wanted as f64 / had.max(1) as f64;
            let epochs = epochs(record).map_or(1.0, |had| ratio(cell.epochs, had));
            let fit = times.fit * ratio(cell.train, record.data.train) * epochs;
            Some(fit + times.evaluate * ratio(cell.test, record.data.test))
        };
        let shares: Vec<f64> = from.iter().filter_map(|record| share(record)).collect();
        seconds += shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    }
    let memory = found.iter().filter_map(|record| record.peak_memory).max().map(Memory::Measured);
    let mut basis = format!("{} finished cell{} in this folder", found.len(), plural(found.len()));
    if scaled {
        basis.push_str(", scaled by training videos and epochs");
    }
    if found.iter().any(|record| record.jobs > 1) {
        basis.push_str(", some of which ran beside others");
    }
    if elsewhere {
        basis.push_str(&format!(", of another machine ({})", found[0].machine.processor));
    }
    Some(Estimate { seconds, memory, basis })
}

/// Epochs of a record's recipe.
fn epochs(record: &CellRecord) -> Option<usize> {
    let epochs = record.config.get("recipe")?.get("train")?.get("epochs")?.as_u64()?;
    usize::try_from(epochs).ok().filter(|&epochs| epochs > 0)
}

impl DryRun {
    /// Cells that are left.
    pub fn to_run(&self) -> usize {
        self.pairs.iter().map(|pair| pair.cells - pair.done).sum()
    }

    /// Least and most seconds.
    fn seconds(&self) -> (f64, f64) {
        let cells: f64 = self.pairs.iter().filter_map(|pair| pair.estimate.as_ref()).map(|pair| pair.seconds).sum();
        let rest = cells + self.to_be_made.map_or(0.0, |made| made.seconds);
        let sum = |of: fn(&EmbeddingForecast) -> f64| self.embedding.iter().map(of).sum::<f64>() + rest;
        (sum(|embedding| embedding.seconds.1), sum(|embedding| embedding.seconds.0))
    }

    fn memory(&self) -> Option<Memory> {
        let estimates = self.pairs.iter().filter_map(|pair| pair.estimate.as_ref()?.memory);
        estimates.max_by_key(|memory| memory.bytes())
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![
            ["encoder", "adapter", "cells", "done", "to run", "time", "memory", "estimated from"].map(str::to_owned),
        ];
        for pair in &self.pairs {
            let estimate = pair.estimate.as_ref();
            let basis = match (&pair.fails, estimate) {
                (Some(reason), _) => format!("cannot run: {reason}"),
                (None, Some(estimate)) => estimate.basis.clone(),
                (None, None) => String::new(),
            };
            rows.push([
                pair.encoder.clone(),
                pair.adapter.clone(),
                pair.cells.to_string(),
                pair.done.to_string(),
                (pair.cells - pair.done).to_string(),
                estimate.map_or("-".to_owned(), |estimate| about(estimate.seconds)),
                estimate.and_then(|estimate| estimate.memory).map_or("-".to_owned(), in_words),
                basis,
            ]);
        }
        write_columns(f, &rows)?;

        let Self { data, train, validation, test, unusable, bytes, .. } = self;
        let size = match self.to_be_made {
            Some(_) => "not made yet".to_owned(),
            None => megabytes(*bytes),
        };
        let data = printable(data);
        write!(f, "\n{data}: {train} training, {validation} validation and {test} test videos are read, {size}")?;
        match unusable.len() {
            0 => writeln!(f)?,
            count => writeln!(f, "; {count} listed video{} cannot be used:", plural(count))?,
        }
        for Excluded { video, reason, .. } in unusable.iter().take(UNUSABLE_SHOWN) {
            writeln!(f, "  {}: {}", printable(&excerpt(video)), printable(reason))?;
        }
        if let Some(more @ 1..) = unusable.len().checked_sub(UNUSABLE_SHOWN) {
            writeln!(f, "  and {more} more")?;
        }
        if let Some(ToBeMade { videos, seconds, tried }) = self.to_be_made {
            let time = about(seconds);
            writeln!(f, "{videos} phantoms would be made first: {time}, estimated from {tried} that were made to see")?;
        }
        for EmbeddingForecast { encoder, clips, cached, seconds, basis } in &self.embedding {
            let left = clips - cached;
            write!(f, "{encoder}: {clips} clips, {cached} of them cached, {left} to embed")?;
            match left {
                0 => writeln!(f)?,
                _ => writeln!(f, ": {}, estimated from {basis}", between(seconds.1, seconds.0))?,
            }
        }
        let (least, most) = self.seconds();
        write!(f, "\n{} cells to run: {}", self.to_run(), between(least, most))?;
        if self.jobs > 1 {
            write!(f, " if one ran at a time; {} do", self.jobs)?;
        }
        match self.memory() {
            Some(memory) => writeln!(f, ", {} of memory", in_words(memory))?,
            None => writeln!(f)?,
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        writeln!(f, "Videos were not decoded, so that more of them may not be usable. Nothing was embedded or fitted.")
    }
}

/// Columns aligned to the left, two spaces apart.
fn write_columns<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]]) -> fmt::Result {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Shorter times are not told apart.
const SHORT: f64 = 0.95;

fn about(seconds: f64) -> String {
    if seconds < SHORT { "1 s or less".to_owned() } else { format!("about {}", duration(seconds)) }
}

fn between(least: f64, most: f64) -> String {
    let (low, high) = (duration(least.max(1.0)), duration(most));
    if most < SHORT || low == high { about(most) } else { format!("about {low} to {high}") }
}

/// No more digits than an estimate has.
fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 9.5 => format!("{seconds:.1} s"),
        seconds if seconds < 100.0 => format!("{seconds:.0} s"),
        seconds if seconds < 100.0 * 60.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn in_words(memory: Memory) -> String {
    match memory {
        Memory::Measured(bytes) => format!("{} MiB", bytes >> 20),
        Memory::AtLeast(bytes) => format!("at least {} MiB", bytes >> 20),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_report::Seconds;

    fn timed(train: usize, fit: f64, evaluate: f64) -> CellRecord {
        let (machine, device) = (Machine::current(), "cpu".to_owned());
        let mut record = CellRecord { status: CellStatus::Done, machine, device, jobs: 1, ..CellRecord::default() };
        record.data.train = train;
        record.data.test = 10;
        record.seconds = Some(Seconds { fit, evaluate });
        record.peak_memory = Some(1 << 20);
        record.config = serde_json::json!({ "recipe": { "train": { "epochs": 5 } } });
        record
    }

    fn cell(train: usize, test: usize, epochs: usize) -> CellSize {
        CellSize { train, test, epochs }
    }

    #[test]
    fn records_of_as_many_videos_count_alone_and_others_are_scaled() {
        let here = Machine::current();
        let records = [timed(10, 4.0, 1.0), timed(10, 6.0, 1.0), timed(40, 100.0, 1.0)];
        let records: Vec<&CellRecord> = records.iter().collect();
        let of = |cells: &[CellSize]| from_records(&records, cells, &here).unwrap();
        let alike = of(&[cell(10, 10, 5), cell(40, 10, 5)]);
        assert!((alike.seconds - (5.0 + 1.0 + 100.0 + 1.0)).abs() < 1e-9, "{alike:?}");
        assert_eq!(alike.memory, Some(Memory::Measured(1 << 20)));
        assert_eq!(alike.basis, "3 finished cells in this folder");
        // Twice the epochs, and twice the test videos.
        let longer = of(&[cell(10, 20, 10)]);
        assert!((longer.seconds - (10.0 + 2.0)).abs() < 1e-9, "{longer:?}");
        assert!(longer.basis.contains("scaled"));
        // 20 videos: 8, 12 and 50 seconds.
        let between = of(&[cell(20, 10, 5)]);
        assert!((between.seconds - (70.0 / 3.0 + 1.0)).abs() < 1e-9, "{between:?}");
        assert!(between.basis.contains("scaled"));
        assert_eq!(from_records(&[], &[cell(1, 1, 1)], &here), None);
    }

    #[test]
    fn times_have_the_digits_of_an_estimate() {
        assert_eq!(
            [0.0, 0.94, 1.0, 9.4, 42.3, 750.0, 9000.0].map(about),
            ["1 s or less", "1 s or less", "about 1.0 s", "about 9.4 s", "about 42 s", "about 12 min", "about 2.5 h"]
        );
        assert_eq!(between(0.2, 0.4), "1 s or less");
        assert_eq!(between(0.2, 2.0), "about 1.0 s to 2.0 s");
        assert_eq!(between(30.1, 30.2), "about 30 s");
    }

    #[test]
    fn records_of_another_machine_or_beside_others_are_said_to_be() {
        let here = Machine::current();
        let there = Machine { processor: "abacus".to_owned(), ..here.clone() };
        let foreign = CellRecord { machine: there, jobs: 2, ..timed(10, 9.0, 0.0) };
        let estimate = from_records(&[&foreign], &[cell(10, 10, 5)], &here).unwrap();
        assert!(estimate.basis.contains("abacus") && estimate.basis.contains("beside"), "{estimate:?}");
        let own = timed(10, 1.0, 0.0);
        let estimate = from_records(&[&foreign, &own], &[cell(10, 10, 5)], &here).unwrap();
        assert!((estimate.seconds - 1.0).abs() < 1e-9 && !estimate.basis.contains("abacus"), "{estimate:?}");
        let failed = CellRecord { status: CellStatus::Failed, ..timed(10, 1.0, 0.0) };
        assert_eq!(from_records(&[&failed], &[cell(10, 10, 5)], &here), None);
    }
}
