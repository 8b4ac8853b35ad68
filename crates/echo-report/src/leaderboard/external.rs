//! What rows score on second test sets.

use std::collections::{BTreeMap, BTreeSet};

use echo_metrics::Scores;
use serde::Serialize;

use super::row::{Cell, means};
use super::{Leaderboard, LeaderboardRow, short};
use crate::{CellRecord, Quantity, ReportError};

/// What a row scores on a second test set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct External {
    /// The set's name.
    pub name: String,
    /// Hash of the videos' bytes and labels.
    pub hash: String,
    /// Videos that were scored.
    pub test: usize,
    /// Videos that could not be used.
    pub excluded: usize,
    /// By the metric's key.
    pub metrics: BTreeMap<String, Cell>,
}

impl Leaderboard {
    /// The second test sets that some row was scored on: their titles, and their hashes.
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

/// Says what the second test sets are, and where rows differ in what they could be scored on.
pub(super) fn notes(task: &Quantity, rows: &[LeaderboardRow]) -> Vec<String> {
    let mut sets: BTreeMap<&str, BTreeSet<(&str, usize, usize)>> = BTreeMap::new();
    for External { name, hash, test, excluded, .. } in rows.iter().flat_map(|row| &row.externals) {
        sets.entry(name).or_default().insert((hash, *test, *excluded));
    }
    let note = |(name, videos): (&str, BTreeSet<(&str, usize, usize)>)| {
        if name == ALONE {
            return format!(
                "{} on {name}: the same fitted adapters on each test video by itself, under its study's label. How much better \
                 a row's own score is, studies gain. Samples are studies: elsewhere, training and test videos count studies.",
                task.primary().label(&task.name)
            );
        }
        let counts: Vec<String> = videos
            .iter()
            .map(|(hash, test, excluded)| {
                let hash = short(hash);
                match excluded {
                    0 => format!("{test} videos (hash {hash})"),
                    _ => format!("{test} videos ({excluded} more could not be used; hash {hash})"),
                }
            })
            .collect();
        format!(
            "{} on {name}: a second test set of {}. The adapters of the first column of scores are scored on it as they \
             are; nothing was fitted or selected on it.{}",
            task.primary().label(&task.name),
            counts.join(" or "),
            if counts.len() > 1 { " Each has a column of its own." } else { "" },
        )
    };
    sets.into_iter().map(note).collect()
}

/// The second test set's scores, where all finished cells have them of the same videos.
pub(super) fn external(done: &[&CellRecord]) -> Result<Option<External>, ReportError> {
    let records: Vec<_> = done.iter().filter_map(|cell| cell.external.as_ref()).collect();
    let Some(first) = records.first() else { return Ok(None) };
    let same = records.iter().all(|record| (&record.name, &record.hash) == (&first.name, &first.hash));
    if !same || records.len() < done.len() {
        return Ok(None);
    }
    let scores: Vec<&Scores> = records.iter().map(|record| &record.scores).collect();
    let (name, hash) = (first.name.clone(), first.hash.clone());
    Ok(Some(External { name, hash, test: first.test, excluded: first.excluded, metrics: means(&scores)? }))
}

/// What single videos of studies are called among test sets.
const ALONE: &str = "single videos of the studies";

/// The scores of single test videos, where samples are studies.
pub(super) fn alone(done: &[&CellRecord]) -> Result<Option<External>, ReportError> {
    let records: Vec<_> = done.iter().filter_map(|cell| cell.alone.as_ref()).collect();
    let (Some(first), Some(cell)) = (records.first(), done.first()) else { return Ok(None) };
    if records.len() < done.len() {
        return Ok(None);
    }
    let scores: Vec<&Scores> = records.iter().map(|record| &record.scores).collect();
    let (name, hash) = (ALONE.to_owned(), format!("alone-{}", cell.data.test_hash));
    Ok(Some(External { name, hash, test: first.videos, excluded: 0, metrics: means(&scores)? }))
}
