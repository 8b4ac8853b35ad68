//! What rows score on external test sets.

use std::collections::{BTreeMap, BTreeSet};

use echo_files::counted;
use echo_metrics::Scores;
use serde::Serialize;

use super::row::{Cell, means};
use super::{Leaderboard, LeaderboardRow, short};
use crate::{CellRecord, Quantity, ReportError, SampleUnit};

/// What a row scores on an external test set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct External {
    /// The set's name.
    pub name: String,
    /// Hash of the videos' bytes and labels.
    pub hash: String,
    /// What its samples are.
    pub samples: SampleUnit,
    /// How many of them were scored.
    pub test: usize,
    /// Videos that could not be used.
    pub excluded: usize,
    /// By the metric's key.
    pub metrics: BTreeMap<String, Cell>,
}

impl Leaderboard {
    /// The external test sets that some row was scored on: their titles, and their hashes.
    pub(crate) fn externals(&self) -> Vec<(String, String)> {
        let mut sets: Vec<(&str, &str)> = Vec::new();
        for External { name, hash, .. } in self.rows.iter().flat_map(|row| &row.externals) {
            if !sets.iter().any(|(_, other)| other == hash) {
                sets.push((name, hash));
            }
        }
        let title = |(name, hash): &(&str, &str)| {
            // Another hospital's folder may have the same name.
            let shared = sets.iter().filter(|(other, _)| other == name).count() > 1;
            let title = if shared { format!("{name} (hash {})", short(hash)) } else { (*name).to_owned() };
            (title, (*hash).to_owned())
        };
        sets.iter().map(title).collect()
    }
}

/// Says what the external test sets are, and where rows differ in what they could be scored on.
pub(super) fn notes(task: &Quantity, rows: &[LeaderboardRow]) -> Vec<String> {
    let mut sets: BTreeMap<&str, BTreeSet<(&str, String, usize)>> = BTreeMap::new();
    for External { name, hash, samples, test, excluded, .. } in rows.iter().flat_map(|row| &row.externals) {
        sets.entry(name).or_default().insert((hash, samples.counted(*test), *excluded));
    }
    let note = |(name, videos): (&str, BTreeSet<(&str, String, usize)>)| {
        if name == ALONE {
            return format!(
                "{} on {name}: the same fitted adapters on each test video by itself, with its study's label; \
                 every study weighs the same, however many videos it has. The difference from a row's own score is what \
                 studies of several videos gain.",
                task.primary().label(&task.name)
            );
        }
        let counts: Vec<String> = videos
            .iter()
            .map(|(hash, test, excluded)| {
                let hash = short(hash);
                match excluded {
                    0 => format!("{test} (hash {hash})"),
                    _ => format!("{test} ({} could not be used; hash {hash})", counted(*excluded, "video")),
                }
            })
            .collect();
        format!(
            "{} on {name}: external test set of {}. The same fitted adapters; nothing was fitted or selected on it.{}",
            task.primary().label(&task.name),
            counts.join(" or "),
            if counts.len() > 1 { " Each has a column of its own." } else { "" },
        )
    };
    sets.into_iter().map(note).collect()
}

/// The external test set's scores, where all finished cells have them of the same videos.
pub(super) fn external(done: &[&CellRecord]) -> Result<Option<External>, ReportError> {
    let records: Vec<_> = done.iter().filter_map(|cell| cell.external.as_ref()).collect();
    let Some(first) = records.first() else { return Ok(None) };
    let same = records.iter().all(|record| (&record.name, &record.hash) == (&first.name, &first.hash));
    if !same || records.len() < done.len() {
        return Ok(None);
    }
    let scores: Vec<&Scores> = records.iter().map(|record| &record.scores).collect();
    let (name, hash) = (first.name.clone(), first.hash.clone());
    Ok(Some(External {
        name,
        hash,
        samples: first.samples,
        test: first.test,
        excluded: first.excluded,
        metrics: means(&scores)?,
    }))
}

/// What single videos of studies are called among test sets.
pub(super) const ALONE: &str = "single videos of the studies";

/// The scores of single test videos, where samples are studies.
pub(super) fn alone(done: &[&CellRecord]) -> Result<Option<External>, ReportError> {
    let records: Vec<_> = done.iter().filter_map(|cell| cell.alone.as_ref()).collect();
    let (Some(first), Some(cell)) = (records.first(), done.first()) else { return Ok(None) };
    if records.len() < done.len() {
        return Ok(None);
    }
    let scores: Vec<&Scores> = records.iter().map(|record| &record.scores).collect();
    let (name, hash) = (ALONE.to_owned(), format!("alone-{}", cell.data.test_hash));
    let samples = SampleUnit::Video;
    Ok(Some(External { name, hash, samples, test: first.videos, excluded: 0, metrics: means(&scores)? }))
}
