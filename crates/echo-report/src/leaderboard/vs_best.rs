//! Which rows can be told from the best one. Intervals that overlap are no ties, and ones that do not are no ranking:
//! rows share their test videos, so they are compared pair by pair.

use std::collections::BTreeSet;

use echo_metrics::{BootstrapOptions, Patients, compare_errors};
use serde::Serialize;

use super::LeaderboardRow;
use super::absolute_errors::AbsoluteErrors;
use crate::ReportError;

/// What the column means; a sentence of the table's caption.
pub(crate) const CAPTION: &str = "vs best: the MAE minus that of the best row of as many shots (for rows without training \
    and constant predictors, of all rows), by the paired bootstrap over test videos; tie: its 95 % interval holds zero; \
    a dash: there is no other row of the same test videos.";

/// How a row stands to the best one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is the best one.
    Best,
    /// The data do not say which of the two is better.
    Tie,
    /// The best one is better.
    Worse,
}

/// A row's MAE minus the best one's, in the target's unit, with its 95 % interval by the paired bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VsBest {
    /// Which.
    pub standing: Standing,
    /// The difference.
    pub difference: f64,
    /// Its interval's lower end.
    pub low: f64,
    /// Its interval's upper end.
    pub high: f64,
}

impl VsBest {
    const BEST: Self = Self { standing: Standing::Best, difference: 0.0, low: 0.0, high: 0.0 };
}

impl std::fmt::Display for VsBest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { standing, difference, low, high } = self;
        match standing {
            Standing::Best => f.write_str("best"),
            Standing::Tie => f.write_str("tie"),
            Standing::Worse => {
                // Enough digits to show that zero is outside.
                let digits = [0.05, 0.005].iter().filter(|smallest| low < smallest).count() + 1;
                write!(f, "+{difference:.digits$} [{low:.digits$}, {high:.digits$}]")
            }
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Standing::Best => "best",
            Standing::Tie => "tie",
            Standing::Worse => "worse",
        })
    }
}

/// Fills in `vs_best` of the rows, whose errors are `errors`. Of each data set those rows are compared that have the test
/// videos that most rows of the grid have.
pub(crate) fn compare_with_best(
    rows: &mut [LeaderboardRow],
    errors: &[Option<AbsoluteErrors>],
    samples: usize,
) -> Result<(), ReportError> {
    let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
    let of_row = |row: usize| errors.get(row).and_then(Option::as_ref);
    let names: BTreeSet<&str> = errors.iter().flatten().map(|errors| errors.data.as_str()).collect();
    for name in names {
        let of_data = || (0..rows.len()).filter_map(|row| Some((row, of_row(row)?))).filter(|(_, e)| e.data == name);
        let grid = || of_data().filter(|(row, _)| !rows[*row].is_constant());
        let alike = |errors: &AbsoluteErrors| grid().filter(|(_, other)| other.videos == errors.videos).count();
        // Of several the first: `max_by_key` takes the last one.
        let Some((_, common)) = grid().rev().max_by_key(|(_, errors)| alike(errors)) else { continue };
        let common = &common.videos;
        let comparable: Vec<usize> = of_data().filter(|(_, e)| e.videos == *common).map(|(row, _)| row).collect();
        let mean = |row: usize| of_row(row).map_or(f64::INFINITY, AbsoluteErrors::mean);
        let best_of = |rows: &[usize]| rows.iter().copied().min_by(|&one, &other| mean(one).total_cmp(&mean(other)));
        let Some(overall) = best_of(&comparable) else { continue };
        let untrained: Vec<usize> =
            comparable.iter().copied().filter(|&row| rows[row].is_constant() || rows[row].shots == "0").collect();
        let shots: BTreeSet<String> =
            comparable.iter().filter(|row| !untrained.contains(row)).map(|&row| rows[row].shots.clone()).collect();
        let mut compared: Vec<(usize, Vec<usize>)> = vec![(overall, untrained.clone())];
        for shots in shots {
            let members = comparable.iter().copied().filter(|row| !untrained.contains(row));
            let members: Vec<usize> = members.filter(|&row| rows[row].shots == shots).collect();
            // Alone it would be the best of nothing.
            if let (Some(best), true) = (best_of(&members), members.len() > 1) {
                compared.push((best, members));
            }
        }
        for (best, members) in compared {
            let others: Vec<usize> = members.into_iter().filter(|&row| row != best).collect();
            if others.is_empty() {
                continue;
            }
            let set = |row: usize| of_row(row).map_or(&[][..], |errors| errors.errors.as_slice());
            let patients = Patients::each(common.len());
            let sets: Vec<&[f64]> = others.iter().map(|&row| set(row)).collect();
            for (row, comparison) in others.iter().zip(compare_errors(set(best), &sets, &patients, &options)?) {
                let (standing, difference) =
                    (if comparison.tied { Standing::Tie } else { Standing::Worse }, comparison.difference);
                let (low, high) = (difference.low, difference.high);
                rows[*row].vs_best = Some(VsBest { standing, difference: difference.value, low, high });
            }
            rows[best].vs_best = Some(VsBest::BEST);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaderboard::absolute_errors::tests::rows as predictions;

    /// Rows of `(adapter, shots, errors of the videos)`; an empty adapter is a constant predictor.
    fn standings(rows: &[(&str, &str, &[f32])]) -> Vec<String> {
        let names: Vec<String> = (0..40).map(|video| format!("video {video}")).collect();
        let errors_of = |errors: &[f32]| {
            let row = names.iter().zip(errors).map(|(name, error)| (name.as_str(), 50.0 + error)).collect::<Vec<_>>();
            AbsoluteErrors::of("data", vec![predictions(&row)])
        };
        let errors: Vec<_> = rows.iter().map(|(_, _, errors)| errors_of(errors)).collect();
        let row = |(adapter, shots, _): &(&str, &str, &[f32])| LeaderboardRow {
            adapter: (*adapter).to_owned(),
            shots: (*shots).to_owned(),
            ..LeaderboardRow::default()
        };
        let mut rows: Vec<LeaderboardRow> = rows.iter().map(row).collect();
        compare_with_best(&mut rows, &errors, 500).unwrap();
        rows.iter().map(|row| row.vs_best.map_or("-".to_owned(), |standing| standing.to_string())).collect()
    }

    #[test]
    fn rows_of_as_many_shots_are_compared_and_the_untrained_with_all() {
        let flat = |error: f32| vec![error; 40];
        let noisy: Vec<f32> = (0..40).map(|video| if video % 2 == 0 { 0.5 } else { 5.6 }).collect();
        let table: [(&str, &str, &[f32]); 7] = [
            ("", "", &flat(9.0)),
            ("zero-shot", "0", &flat(7.0)),
            ("coop", "1", &flat(3.0)),
            ("mfl", "1", &noisy),
            ("linear", "1", &flat(5.0)),
            ("coop", "2", &flat(2.0)),
            // One video less than the others.
            ("mfl", "2", &flat(1.0)[1..]),
        ];
        let expected = ["+7.0 [7.0, 7.0]", "+5.0 [5.0, 5.0]", "best", "tie", "+2.0 [2.0, 2.0]", "best", "-"];
        assert_eq!(standings(&table), expected);
    }

    #[test]
    fn a_constant_predictor_can_be_the_best_and_a_row_alone_is_not() {
        let flat = |error: f32| vec![error; 40];
        let table: [(&str, &str, &[f32]); 3] = [("", "", &flat(1.0)), ("", "1", &flat(3.0)), ("coop", "1", &flat(2.0))];
        assert_eq!(standings(&table), ["best", "+2.0 [2.0, 2.0]", "-"]);
        assert_eq!(standings(&table[..2]), ["-", "-"], "without a row of the grid there is nothing to compare");
    }
}
