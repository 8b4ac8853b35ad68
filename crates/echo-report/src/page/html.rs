//! The page: every section, in its order.

use std::collections::BTreeSet;

use echo_files::counted;
use maud::{Markup, html};

use super::Report;
use super::by_rank::by_rank;
use super::by_shots::by_shots;
use super::entry::Entry;
use super::figures::Figures;
use super::frame::{Page, PageSection};
use super::of_row::of_rows;
use super::table::{leaderboard, table};
use super::worst::worst;
use crate::{CellRecord, CellStatus, ReportError};

const SCRIPT: &str = include_str!("table.js");

/// The page's sections: address, heading.
const SECTIONS: [(&str, &str); 7] = [
    ("board", "Leaderboard"),
    ("shots", "Scores by shots"),
    ("rows", "Plots of each row"),
    ("ranks", "By range, threshold and class"),
    ("worst", "Largest errors"),
    ("cost", "Time and memory"),
    ("repeat", "How to repeat it"),
];

/// The whole file.
///
/// # Errors
/// A prediction file or a curve is missing or holds something else than numbers.
pub(super) fn page(report: &Report<'_>) -> Result<(String, Figures), ReportError> {
    let mut figures = Figures::of(&report.leaderboard.setting);
    let mut entries = Vec::new();
    let of_groups: usize = report.groups.iter().map(|group| rows_of(group)).sum();
    let mut place = report.leaderboard.rows.len().saturating_sub(of_groups);
    for group in report.groups {
        let count = rows_of(group);
        let Some(rows) = report.leaderboard.rows.get(place..place + count) else { continue };
        entries.push(Entry::read(rows, place, group, report.outputs)?);
        place += count;
    }
    let mut anchors = vec![None; report.leaderboard.rows.len()];
    for entry in &entries {
        anchors[entry.place..entry.place + entry.rows.len()].fill(Some(anchor(entry)));
    }
    let bodies = [
        board(report, &anchors),
        by_shots(report, &entries, &mut figures),
        of_rows(&report.leaderboard.target, &entries, &mut figures)?,
        by_rank(report.leaderboard, &entries),
        worst(&report.leaderboard.target, &entries, report.thumbnails),
        cost(report),
        repeat(report),
    ];
    let section = |((address, heading), body)| PageSection { address, heading, body };
    let page = Page {
        title: "EchoZoo benchmark",
        warnings: warnings(report),
        sections: SECTIONS.into_iter().zip(bodies).map(section).collect(),
        style: "",
        script: SCRIPT,
    };
    Ok((page.to_html(), figures))
}

fn rows_of(group: &[&CellRecord]) -> usize {
    1 + usize::from(group.iter().any(|cell| cell.status == CellStatus::Done && cell.best.is_some()))
}

pub(super) fn anchor(entry: &Entry<'_>) -> String {
    format!("of-row-{}", entry.place)
}

/// What the numbers do not mean.
fn warnings(report: &Report<'_>) -> Vec<String> {
    let cells = || report.groups.iter().flatten();
    let named = |fits: fn(&CellRecord) -> bool| {
        let names: BTreeSet<&str> = cells().filter(|cell| fits(cell)).map(|cell| cell.encoder.name.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let nano = named(|cell| !cell.encoder.published);
    let mut warnings = report.leaderboard.warnings.clone();
    if !nano.is_empty() {
        warnings.push(format!(
            "Nano presets, small networks of the same architecture: {nano}. Their rows are not results of the published models."
        ));
    }
    let phantoms: BTreeSet<&str> =
        cells().filter(|cell| cell.data.phantoms).map(|cell| cell.data.name.as_str()).collect();
    if !phantoms.is_empty() {
        let names = phantoms.into_iter().collect::<Vec<_>>().join(", ");
        warnings.push(format!("Synthetic hearts, not patients: {names}."));
    }
    warnings
}

fn board(report: &Report<'_>, anchors: &[Option<String>]) -> Markup {
    let board = report.leaderboard;
    html! {
        p { (board.heading()) "." }
        (leaderboard(board, anchors))
        p { (board.caption) }
        @if !board.notes.is_empty() { ul { @for note in &board.notes { li { (note) } } } }
        @for row in &board.rows {
            @if let Some(error) = &row.error {
                p.warning { (row.name()) " failed: " (error) }
            }
        }
    }
}

/// What every cell took.
fn cost(report: &Report<'_>) -> Markup {
    let cells: Vec<&CellRecord> = report.groups.iter().flatten().copied().collect();
    let dash = || "-".to_owned();
    let rows: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| {
            vec![
                cell.encoder.name.clone(),
                cell.adapter_label(),
                cell.shots.map_or("split".to_owned(), |shots| shots.to_string()),
                cell.seed.to_string(),
                cell.seconds.map_or_else(dash, |seconds| format!("{:.2}", seconds.fit)),
                cell.seconds.map_or_else(dash, |seconds| format!("{:.2}", seconds.evaluate)),
                cell.peak_memory.map_or_else(dash, |bytes| (bytes >> 20).to_string()),
                cell.parameters.map_or_else(dash, |count| count.trainable.to_string()),
                cell.parameters.map_or_else(dash, |count| count.total.to_string()),
                cell.data.train.to_string(),
            ]
        })
        .collect();
    let sum: f64 = cells.iter().filter_map(|cell| cell.seconds).map(|seconds| seconds.fit + seconds.evaluate).sum();
    // The sum of nothing has a sign.
    let sum = sum + 0.0;
    let beside = match cells.iter().filter(|cell| cell.jobs > 1).count() {
        0 => "every cell ran alone in its process.".to_owned(),
        count => format!(
            "{} ran beside others in one process, which takes longer and hides what memory is whose.",
            counted(count, "cell")
        ),
    };
    let training = report.leaderboard.target.training();
    let headings = [
        "encoder",
        "adapter",
        "shots",
        "seed",
        "fit (s)",
        "evaluate (s)",
        "peak memory (MiB)",
        "trainable parameters",
        "all parameters",
        &training,
    ];
    html! {
        p {
            (counted(cells.len(), "cell")) ", " (format!("{sum:.1}")) " s in all. A cell is one adapter fitted on one draw. Features are \
             computed once before the cells and shared. Memory is the most that the process held while the cell ran, with \
             the features of all videos; "
            (beside)
        }
        details { summary { "Every cell" } (table("Time and memory by cell", &headings, &rows)) }
    }
}

/// Settings, machines, weights, data.
fn repeat(report: &Report<'_>) -> Markup {
    let cells = || report.groups.iter().flatten();
    let devices: BTreeSet<&str> = cells().map(|cell| cell.device.as_str()).collect();
    let devices = devices.into_iter().collect::<Vec<_>>().join(" or ");
    let distinct = |row: &dyn Fn(&CellRecord) -> Vec<String>| -> Vec<Vec<String>> {
        cells().map(|cell| row(cell)).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let machines = distinct(&|cell| {
        let machine = &cell.machine;
        let git = machine.git.clone().unwrap_or_else(|| "-".to_owned());
        let threads = machine.threads.to_string();
        vec![
            machine.processor.clone(),
            threads,
            machine.system.clone(),
            cell.device.clone(),
            machine.version.clone(),
            git,
        ]
    });
    let weights = distinct(&|cell| {
        let encoder = &cell.encoder;
        vec![encoder.name.clone(), encoder.preset.clone(), encoder.weights.to_string(), encoder.weights_hash.clone()]
    });
    let data = distinct(&|cell| {
        let data = &cell.data;
        let draw = cell.shots.map_or("split".to_owned(), |shots| shots.to_string());
        let (train, test) = (data.train.to_string(), data.test.to_string());
        vec![data.name.clone(), draw, cell.seed.to_string(), train, test, data.excluded.to_string(), data.hash.clone()]
    });
    let samples = report.leaderboard.target.samples.many();
    let (training, test) = (format!("training {samples}"), format!("test {samples}"));
    let of_data = ["data", "shots", "seed", &training, &test, "videos left out", "hash"];
    let mut settings_of: Vec<(String, BTreeSet<String>)> = Vec::new();
    for cell in cells() {
        let name = format!("{} + {}", cell.encoder.name, cell.adapter_label());
        let json = serde_json::to_string_pretty(&cell.config).expect("JSON that was read can be written");
        match settings_of.iter_mut().find(|(other, _)| *other == json) {
            Some((_, names)) => drop(names.insert(name)),
            None => settings_of.push((json, BTreeSet::from([name]))),
        }
    }
    html! {
        @if report.configs.is_empty() {
            p { "The folders hold no " code { "bench.toml" } "; the settings of each row are below." }
        }
        @for config in report.configs {
            p { "Save this as " code { "bench.toml" } " and run, on the device " (devices) ":" }
            pre tabindex="0" {
                "echozoo bench --config bench.toml --out runs/again --device " (devices.split(' ').next().unwrap_or_default())
            }
            pre tabindex="0" { (config) }
        }
        p {
            "The same version, weights, data and number of threads give the same numbers. Of paths only the last name is kept: \
             put your own path in its place."
        }
        (table("Machines", &["processor", "threads", "system", "device", "version", "git"], &machines))
        (table("Weights", &["encoder", "preset", "kind", "hash"], &weights))
        details { summary { "Data of every draw" } (table("Data of every draw", &of_data, &data)) }
        @for (json, names) in &settings_of {
            details {
                summary { "Settings of " (names.iter().cloned().collect::<Vec<_>>().join("; ")) }
                pre tabindex="0" { (json) }
            }
        }
    }
}
