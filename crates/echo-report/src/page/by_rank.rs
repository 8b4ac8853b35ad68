//! Errors within ranges, and how well rows find what lies below a threshold: two tables of all rows.

use echo_metrics::{Kind, Metric};
use maud::{Markup, html};

use super::entry::Entry;
use super::plots::RankError;
use super::table::table;
use crate::{Leaderboard, LeaderboardRow};

/// A table for every set of ranks and one for areas under the curve.
pub(super) fn by_rank(board: &Leaderboard, entries: &[Entry<'_>]) -> Markup {
    let target = &board.target;
    let samples = target.samples.many();
    if target.kind != Kind::Regression {
        return by_class(board);
    }
    let mut sets: Vec<(&[RankError], Vec<&Entry<'_>>)> = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.ranks.is_empty() && !entry.truth.is_empty()) {
        let of = |ranks: &[RankError]| ranks.iter().map(|rank| (rank.key.clone(), rank.videos)).collect::<Vec<_>>();
        match sets.iter_mut().find(|(other, _)| of(other) == of(&entry.ranks)) {
            Some((_, entries)) => entries.push(entry),
            None => sets.push((&entry.ranks, vec![entry])),
        }
    }
    let of_ranks = sets.iter().map(|(ranks, entries)| {
        let headings: Vec<String> = std::iter::once("row".to_owned())
            .chain(ranks.iter().map(|rank| format!("{} ({})", rank.name, rank.videos)))
            .collect();
        let scored = |row: &LeaderboardRow, rank: &RankError| row.metrics.get(&rank.key).copied();
        let cell = |row: &LeaderboardRow, rank: &RankError| {
            // Of too few resamples it may have no interval.
            let plain = rank.mean.filter(|_| !row.is_constant()).map(|mean| format!("{mean:.2}"));
            scored(row, rank).map(|cell| cell.text(2)).or(plain).unwrap_or_else(|| "-".to_owned())
        };
        let is_of_set = |row: &&LeaderboardRow| {
            let fits = |rank: &RankError| scored(row, rank).is_none_or(|cell| cell.videos == rank.videos);
            let is_of_test = entries.iter().any(|entry| entry.rows[0].test_hash == row.test_hash);
            row.is_constant()
                && is_of_test
                && ranks.iter().any(|rank| scored(row, rank).is_some())
                && ranks.iter().all(fits)
        };
        let constants = board.rows.iter().filter(is_of_set);
        let constants = constants.map(|row| (row, ranks.iter().map(|rank| cell(row, rank)).collect::<Vec<_>>()));
        let grid = entries.iter().flat_map(|entry| {
            // Of an epoch that was best on validation only its scores are known.
            let last =
                entry.rows.iter().take(1).map(|row| (row, entry.ranks.iter().map(|rank| cell(row, rank)).collect()));
            let text = |row, rank: &RankError| scored(row, rank).map_or("-".to_owned(), |cell| cell.text(2));
            let best = entry.rows.iter().skip(1);
            last.chain(best.map(move |row| (row, entry.ranks.iter().map(|rank| text(row, rank)).collect())))
        });
        let rows: Vec<Vec<String>> =
            constants.chain(grid).map(|(row, cells)| std::iter::once(row.name()).chain(cells).collect()).collect();
        table(&format!("MAE by range of the {}", target.values("true")), &headings, &rows)
    });
    let areas: Vec<Metric> = board.metrics().into_iter().filter(|metric| metric.threshold().is_some()).collect();
    let headings: Vec<String> =
        std::iter::once("row".to_owned()).chain(areas.iter().map(|area| area.label(&target.name))).collect();
    let cell = |row: &LeaderboardRow, area: &Metric| row.get(area).map_or("-".to_owned(), |cell| cell.text(3));
    let rows: Vec<Vec<String>> = board
        .rows
        .iter()
        .map(|row| std::iter::once(row.name()).chain(areas.iter().map(|area| cell(row, area))).collect())
        .collect();
    html! {
        p {
            "MAE in " (target.differences()) " by range of the " (target.values("true")) ", with the number of test " (samples)
            " in it: mean over seeds ± standard deviation [95 % interval over test " (samples) "]. The interval of a few "
            (samples) " says little, that of a single " (target.samples.one()) " nothing."
        }
        @for table in of_ranks { (table) }
        @if !areas.is_empty() {
            p {
                "Area under the ROC curve for detecting the test " (samples) " whose true value is below a threshold: 1 is \
                 perfect, 0.5 is chance."
            }
            (table("Areas under the ROC curve", &headings, &rows))
        }
    }
}

/// A table of what has a number for each class or label.
fn by_class(board: &Leaderboard) -> Markup {
    let task = &board.target;
    let of_class = |class: &String| board.metrics().into_iter().find(|metric| metric.class() == Some(class));
    let metrics: Vec<Metric> = task.classes.iter().filter_map(of_class).collect();
    if metrics.is_empty() {
        return html! { p { "No metric of this task is of one class: see the confusion matrix of each row." } };
    }
    let videos = |metric: &Metric| board.rows.iter().filter_map(|row| row.get(metric)).map(|cell| cell.videos).max();
    let heading = |metric: &Metric| format!("{} ({})", metric.label(&task.name), videos(metric).unwrap_or(0));
    let headings: Vec<String> = std::iter::once("row".to_owned()).chain(metrics.iter().map(heading)).collect();
    let cell = |row: &LeaderboardRow, metric: &Metric| row.get(metric).map_or("-".to_owned(), |cell| cell.text(3));
    let cells = |row: &LeaderboardRow| {
        std::iter::once(row.name()).chain(metrics.iter().map(|metric| cell(row, metric))).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = board.rows.iter().map(cells).collect();
    let samples = task.samples.many();
    let words = match task.kind {
        Kind::MultiLabel => format!("test {samples} where it is known"),
        _ => format!("its test {samples}"),
    };
    html! {
        p {
            "By " (if task.kind == Kind::MultiLabel { "label" } else { "class" }) ", with the number of " (words)
            ": mean over seeds ± standard deviation [95 % interval over test " (samples) "]. A dash: undefined, as for a class \
             without a test " (task.samples.one()) "."
        }
        (table(&format!("By class of {}", task.name), &headings, &rows))
    }
}
