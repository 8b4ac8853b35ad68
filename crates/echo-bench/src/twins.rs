//! Rows with a borrowed text tower beside their twins with random prompts: what do the words do?

use std::fmt::Write;

use echo_metrics::{BootstrapOptions, compare};

use crate::BenchError;
use crate::leaderboard::same_row;
use crate::outputs::{Outputs, PredictionRow};
use crate::runs::{CellRecord, CellStatus};

/// One sentence for every row of `groups` that has a twin among them: the difference that the prompts' meaning makes,
/// by the paired bootstrap over test videos, with predictions averaged over seeds.
pub(crate) fn notes(groups: &[Vec<&CellRecord>], outputs: &Outputs, samples: usize) -> Result<Vec<String>, BenchError> {
    let mut notes = Vec::new();
    for group in groups.iter().filter(|group| !group[0].random_prompts) {
        let wanted = CellRecord { random_prompts: true, ..group[0].clone() };
        let is_twin = |other: &&Vec<&CellRecord>| other[0].random_prompts && same_row(&wanted, other[0]);
        let Some(twin) = groups.iter().find(is_twin) else { continue };
        let (Some(own), Some(random)) = (mean(group, outputs)?, mean(twin, outputs)?) else { continue };
        let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
        let comparison = compare(&own.truth, &own.predictions, &random.predictions, &options)?;
        let difference = comparison.difference;
        let shots = group[0].shots.map_or("the split's videos".to_owned(), |shots| format!("{shots} shots"));
        let mut note = format!(
            "{} + {}, {shots}: with random prompts the MAE changes by {:+.2} [{:+.2}, {:+.2}]",
            group[0].encoder.name, group[0].adapter, -difference.value, -difference.high, -difference.low
        );
        let _ = match comparison.tied {
            true => write!(note, ", which is no difference: here the text does nothing."),
            false => write!(note, "."),
        };
        notes.push(note);
    }
    Ok(notes)
}

/// Labels, and predictions averaged over seeds.
struct Averaged {
    truth: Vec<f64>,
    predictions: Vec<f64>,
}

/// Of the group's finished cells; nothing where there are none, or where they are of different videos.
fn mean(group: &[&CellRecord], outputs: &Outputs) -> Result<Option<Averaged>, BenchError> {
    let mut all: Vec<Vec<PredictionRow>> = Vec::new();
    for record in group.iter().filter(|record| record.status == CellStatus::Done) {
        all.push(outputs.read_cell(&record.key)?);
    }
    let Some(first) = all.first() else { return Ok(None) };
    let videos = |rows: &[PredictionRow]| rows.iter().map(|row| row.video.clone()).collect::<Vec<_>>();
    if all.iter().any(|rows| videos(rows) != videos(first)) {
        return Ok(None);
    }
    let mean = |place: usize| all.iter().map(|rows| f64::from(rows[place].prediction)).sum::<f64>() / all.len() as f64;
    Ok(Some(Averaged {
        truth: first.iter().map(|row| f64::from(row.truth)).collect(),
        predictions: (0..first.len()).map(mean).collect(),
    }))
}
