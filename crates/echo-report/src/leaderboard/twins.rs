//! Rows with a borrowed text tower beside their twins with random prompts: what do the words do?

use std::fmt::Write;

use echo_metrics::{BootstrapOptions, Patients, compare_errors};

use super::{errors_of, same_row};
use crate::{CellRecord, Outputs, Predictions, ReportError};

/// One sentence for every row of `groups` that has a twin among them: the difference that the prompts' meaning makes to
/// the MAE, by the paired bootstrap over test videos.
pub(crate) fn notes(
    groups: &[Vec<&CellRecord>],
    outputs: &Outputs,
    samples: usize,
) -> Result<Vec<String>, ReportError> {
    let mut notes = Vec::new();
    for group in groups.iter().filter(|group| !group[0].random_prompts) {
        let wanted = CellRecord { random_prompts: true, ..group[0].clone() };
        let is_twin = |other: &&Vec<&CellRecord>| other[0].random_prompts && same_row(&wanted, other[0]);
        let Some(twin) = groups.iter().find(is_twin) else { continue };
        let errors = |group: &[&CellRecord]| errors_of(group, Predictions::LastEpoch, outputs);
        let (Some(own), Some(random)) = (errors(group)?, errors(twin)?) else { continue };
        if own.videos != random.videos {
            continue;
        }
        let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
        let shots = match group[0].shots {
            None => "the split's videos".to_owned(),
            Some(1) => "1 shot".to_owned(),
            Some(shots) => format!("{shots} shots"),
        };
        let patients = Patients::each(own.errors.len());
        for comparison in compare_errors(&own.errors, &[&random.errors], &patients, &options)? {
            let difference = comparison.difference;
            let mut note = format!(
                "{} + {}, {shots}: with random prompts the MAE changes by {:+.2} [{:+.2}, {:+.2}]",
                group[0].encoder.name,
                group[0].adapter,
                unsigned_zero(difference.value),
                unsigned_zero(difference.low),
                unsigned_zero(difference.high)
            );
            let _ = match comparison.tied {
                true => write!(note, ", a tie: nothing shows that the text does anything here."),
                false => write!(note, "."),
            };
            notes.push(note);
        }
    }
    Ok(notes)
}

/// To two decimals, without the sign of a zero.
fn unsigned_zero(value: f64) -> f64 {
    (100.0 * value).round() / 100.0 + 0.0
}
