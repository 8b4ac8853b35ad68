//! Which rows can be told from the best one. Intervals that overlap are no ties, and ones that do not are no ranking:
//! rows share their test videos, so they are compared pair by pair.

use std::collections::BTreeSet;

use echo_metrics::{Better, BootstrapOptions, Metric};
use serde::Serialize;

use super::LeaderboardRow;
use super::paired::Paired;
use crate::{Quantity, ReportError};

/// What the column means; a sentence of the table's caption.
pub(crate) fn caption(task: &Quantity, metric: &Metric) -> String {
    format!(
        "vs best: {} minus that of the best row with as many shots or without training (for rows without training: of all \
         rows), paired bootstrap over test {samples}; tie: the 95 % interval holds zero; a dash: no other row has the same \
         test {samples}.",
        metric.label(""),
        samples = task.samples.many()
    )
}

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

/// A row's primary metric minus the best one's, with its 95 % interval by the paired bootstrap.
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

    /// For tables: a difference of a metric in the target's unit has one digit, of a pure number two, and more where it
    /// takes more to show that zero is outside.
    pub(crate) fn text(&self, metric: &Metric) -> String {
        let Self { standing, difference, low, high } = self;
        match standing {
            Standing::Best => "best".to_owned(),
            Standing::Tie => "tie".to_owned(),
            Standing::Worse => {
                let least = if metric.in_unit() { 1 } else { 2 };
                let nearest = low.abs().min(high.abs());
                let is_short = |digits: &usize| nearest < 0.5 * 0.1f64.powi(*digits as i32);
                let digits = (least..least + 2).take_while(is_short).count() + least;
                format!("{difference:+.digits$} [{low:.digits$}, {high:.digits$}]")
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

/// How far a value is from the best one that the metric knows: less is better.
pub(crate) fn distance(metric: &Metric, value: f64) -> f64 {
    match metric.better() {
        Better::Lower => value,
        Better::Higher => -value,
        Better::NearZero => value.abs(),
    }
}

/// Fills in `vs_best` of the rows, whose predictions are `paired`. Of each data set those rows are compared that have the
/// test videos that most rows of the grid have. Rows that trained are compared with those of as many shots and with those
/// that need no training: a row that zero-shot beats is not the best of anything.
pub(crate) fn compare_with_best(
    task: &Quantity,
    rows: &mut [LeaderboardRow],
    paired: &[Option<Paired>],
    samples: usize,
) -> Result<(), ReportError> {
    let options = BootstrapOptions { samples, ..BootstrapOptions::default() };
    let metric = task.primary();
    let of_row = |row: usize| paired.get(row).and_then(Option::as_ref).filter(|paired| paired.value.is_some());
    let tests: BTreeSet<&str> = paired.iter().flatten().map(|paired| paired.test_hash.as_str()).collect();
    for test in tests {
        let of_data =
            || (0..rows.len()).filter_map(|row| Some((row, of_row(row)?))).filter(|(_, p)| p.test_hash == test);
        let grid = || of_data().filter(|(row, _)| !rows[*row].is_constant());
        let alike = |paired: &Paired| grid().filter(|(_, other)| other.videos == paired.videos).count();
        // Of several the first: `max_by_key` takes the last one.
        let Some((_, common)) = grid().rev().max_by_key(|(_, paired)| alike(paired)) else { continue };
        let comparable: Vec<usize> = of_data().filter(|(_, p)| p.videos == common.videos).map(|(row, _)| row).collect();
        let value = |row: usize| of_row(row).and_then(|row| row.value).map_or(f64::INFINITY, |v| distance(&metric, v));
        let best_of = |rows: &[usize]| rows.iter().copied().min_by(|&one, &other| value(one).total_cmp(&value(other)));
        let Some(overall) = best_of(&comparable) else { continue };
        let untrained: Vec<usize> =
            comparable.iter().copied().filter(|&row| rows[row].is_constant() || rows[row].shots == "0").collect();
        let shots: BTreeSet<String> =
            comparable.iter().filter(|row| !untrained.contains(row)).map(|&row| rows[row].shots.clone()).collect();
        let mut compared: Vec<(usize, Vec<usize>)> = vec![(overall, untrained.clone())];
        for shots in shots {
            let members = comparable.iter().copied().filter(|row| !untrained.contains(row));
            let members: Vec<usize> = members.filter(|&row| rows[row].shots == shots).collect();
            let rivals: Vec<usize> = members.iter().chain(&untrained).copied().collect();
            // Alone it would be the best of nothing.
            if let (Some(best), true) = (best_of(&rivals), rivals.len() > 1) {
                compared.push((best, members));
            }
        }
        for (best, members) in compared {
            let Some(reference) = of_row(best) else { continue };
            let is_member = members.contains(&best);
            let others: Vec<usize> = members.into_iter().filter(|&row| row != best).collect();
            let sets: Vec<&Paired> = others.iter().filter_map(|&row| of_row(row)).collect();
            for (row, comparison) in others.iter().zip(reference.compare(&metric, &sets, &options)?) {
                rows[*row].vs_best = comparison.map(|comparison| VsBest {
                    standing: if comparison.tied { Standing::Tie } else { Standing::Worse },
                    difference: comparison.difference.value,
                    low: comparison.difference.low,
                    high: comparison.difference.high,
                });
            }
            if is_member && comparable.len() > 1 {
                rows[best].vs_best = Some(VsBest::BEST);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use echo_metrics::Kind;

    use super::*;
    use crate::Truth;
    use crate::leaderboard::paired::tests::{paired, rows as predictions};
    use crate::quantity::tests::task;
    use crate::scoring::tests::row as prediction;

    fn row(adapter: &str, shots: &str) -> LeaderboardRow {
        LeaderboardRow { adapter: adapter.to_owned(), shots: shots.to_owned(), ..LeaderboardRow::default() }
    }

    fn compared(task: &Quantity, mut rows: Vec<LeaderboardRow>, paired: &[Option<Paired>]) -> Vec<String> {
        compare_with_best(task, &mut rows, paired, 500).unwrap();
        let text = |row: &LeaderboardRow| row.vs_best.map_or("-".to_owned(), |vs| vs.text(&task.primary()));
        rows.iter().map(text).collect()
    }

    /// Rows of `(adapter, shots, errors of the videos)`; an empty adapter is a constant predictor.
    fn standings(rows: &[(&str, &str, &[f32])]) -> Vec<String> {
        let names: Vec<String> = (0..40).map(|video| format!("video {video}")).collect();
        let of = |errors: &[f32]| {
            let row = names.iter().zip(errors).map(|(name, error)| (name.as_str(), 50.0 + error)).collect::<Vec<_>>();
            paired(&[predictions(&row)])
        };
        let of_rows: Vec<_> = rows.iter().map(|(_, _, errors)| of(errors)).collect();
        compared(&Quantity::default(), rows.iter().map(|(adapter, shots, _)| row(adapter, shots)).collect(), &of_rows)
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
        assert_eq!(standings(&table), ["best", "+2.0 [2.0, 2.0]", "+1.0 [1.0, 1.0]"]);
        assert_eq!(standings(&table[..2]), ["-", "-"], "without a row of the grid there is nothing to compare");
        assert_eq!(standings(&table[2..]), ["-"]);
    }

    #[test]
    fn a_row_that_zero_shot_beats_is_not_the_best_of_its_shots() {
        let flat = |error: f32| vec![error; 40];
        let table: [(&str, &str, &[f32]); 4] = [
            ("zero-shot", "0", &flat(3.0)),
            ("coop", "1", &flat(4.0)),
            ("full", "1", &flat(5.0)),
            ("full", "8", &flat(2.0)),
        ];
        assert_eq!(standings(&table), ["+1.0 [1.0, 1.0]", "+1.0 [1.0, 1.0]", "+2.0 [2.0, 2.0]", "best"]);
    }

    #[test]
    fn where_higher_is_better_the_highest_is_the_best() {
        let binary = task(Kind::Binary, &["no", "yes"]);
        let of = |wrong: usize| {
            let rows = (0..60usize).map(|video| {
                let (truth, flip) = (video % 2, video < wrong);
                prediction(
                    &format!("{video:02}"),
                    "",
                    Truth::Class(truth),
                    &[if (truth == 1) == flip { 0.2 } else { 0.8 }],
                )
            });
            Paired::of(&binary, "data", vec![(rows.collect(), None)]).unwrap()
        };
        let rows = vec![row("zero-shot", "0"), row("coop", "1"), row("full", "1")];
        let found = compared(&binary, rows, &[of(12), of(2), of(30)]);
        assert_eq!(found[1], "best");
        assert!(found[0].starts_with("-0.17 [-0.") && found[2].starts_with("-0.47 [-0."), "{found:?}");
    }
}
