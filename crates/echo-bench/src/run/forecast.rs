//! What a benchmark would do: cells, files, what is cached, memory.

use std::fmt;

use echo_files::{counted, excerpt, printable};

use echo_report::{Excluded, text_table};

/// Unusable videos that are named.
const UNUSABLE_SHOWN: usize = 20;

/// What a benchmark would do. Nothing of it was embedded or fitted.
#[derive(Debug)]
pub struct DryRun {
    /// The data set's name.
    pub data: String,
    /// Phantoms that would be rendered first.
    pub unrendered: usize,
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

/// What one encoder has to embed.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingForecast {
    /// The encoder.
    pub encoder: String,
    /// Clips of all views that its adapters need.
    pub clips: usize,
    /// Those of them that are in the cache.
    pub cached: usize,
}

/// The cells of one encoder with one adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct PairForecast {
    /// The encoder.
    pub encoder: String,
    /// The adapter.
    pub adapter: String,
    /// How many there are.
    pub cells: usize,
    /// Shots and seed of those of them that are not done.
    pub left: Vec<(Option<usize>, u64)>,
    /// The most bytes that the process holds during one of the others; absent where nothing is left to do, or nothing known.
    pub memory: Option<Memory>,
    /// Why none of them can run.
    pub fails: Option<String>,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// So much was measured by finished cells of this folder.
    Measured(u64),
    /// The process as it is now, what trains parameters, and the clips of a batch: activations come on top.
    AtLeast(u64),
}

impl DryRun {
    /// Cells that are left and cannot run.
    pub fn failing(&self) -> usize {
        let failing = self.pairs.iter().filter(|pair| pair.fails.is_some());
        failing.map(|pair| pair.left.len()).sum()
    }

    /// Cells that are left.
    pub fn to_run(&self) -> usize {
        self.pairs.iter().map(|pair| pair.left.len()).sum()
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["encoder", "adapter", "cells", "done", "to run", "memory", ""].map(str::to_owned)];
        for pair in &self.pairs {
            rows.push([
                pair.encoder.clone(),
                pair.adapter.clone(),
                pair.cells.to_string(),
                (pair.cells - pair.left.len()).to_string(),
                (pair.left.len()).to_string(),
                pair.memory.map_or("-".to_owned(), in_words),
                pair.fails.as_ref().map_or(String::new(), |reason| format!("cannot run: {reason}")),
            ]);
        }
        f.write_str(&text_table(&rows))?;

        let Self { data, train, validation, test, unusable, bytes, .. } = self;
        let data = printable(data);
        write!(
            f,
            "\n{data}: {train} training, {validation} validation and {test} test videos are read, {}",
            megabytes(*bytes)
        )?;
        match unusable.len() {
            0 => writeln!(f)?,
            count => writeln!(f, "; {} cannot be used:", counted(count, "listed video"))?,
        }
        for Excluded { video, reason, .. } in unusable.iter().take(UNUSABLE_SHOWN) {
            writeln!(f, "  {}: {}", printable(&excerpt(video)), printable(reason))?;
        }
        if let Some(more @ 1..) = unusable.len().checked_sub(UNUSABLE_SHOWN) {
            writeln!(f, "  and {more} more")?;
        }
        match self.unrendered {
            0 => {}
            count => writeln!(f, "{} would be rendered first", counted(count, "phantom"))?,
        }
        for EmbeddingForecast { encoder, clips, cached } in &self.embedding {
            writeln!(
                f,
                "{encoder}: {}, {cached} of them cached, {} to embed",
                counted(*clips, "clip"),
                clips - cached
            )?;
        }
        write!(f, "\n{} to run, {} at a time", counted(self.to_run(), "cell"), self.jobs)?;
        match self.failing() {
            0 => writeln!(f)?,
            failing => writeln!(f, "; {failing} of them would fail")?,
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        writeln!(f, "Videos were not decoded, so that more of them may not be usable. Nothing was embedded or fitted.")
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
