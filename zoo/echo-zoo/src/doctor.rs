//! `echozoo doctor`: what this machine has, what it lacks, and what each lack costs.

use std::path::Path;
use std::process::{Command, Stdio};

use echo_kernels::Precision;
use echo_report::text_table;
use serde_json::json;

use crate::fetch::is_fetched;
use crate::home::home;
use crate::output::print;
use crate::{CliError, DeviceChoice, Entry};

/// Memory below which full-size encoders may not train: a step of EchoCLIP's with one clip of 16 frames holds 4.3 GB
/// (docs/speed.md).
const TRAINING_MEMORY: u64 = 5_000_000_000;

/// Space below which the cache of features of a few data sets may fill the disk.
const CACHE_SPACE: u64 = 20_000_000_000;

/// Flags of `echozoo doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked for.
struct Finding {
    what: &'static str,
    found: String,
    /// What its lack, or there being little of it, costs.
    costs: Option<&'static str>,
}

impl Finding {
    fn new(what: &'static str, found: impl Into<String>, costs: Option<&'static str>) -> Self {
        Self { what, found: found.into(), costs }
    }
}

pub(crate) fn run(args: &Args, entries: &[Entry]) -> Result<(), CliError> {
    let mut findings = vec![processor(), threads()];
    findings.extend(memory());
    findings.extend([Precision::Bf16, Precision::Int8].map(precision));
    findings.push(device(
        DeviceChoice::Cuda(0),
        "CUDA",
        "full-size encoders on NVIDIA GPUs: build with --features cuda",
    ));
    findings.push(device(DeviceChoice::Wgpu, "WebGPU", "encoders on other GPUs: build with --features wgpu"));
    findings.push(program("ffmpeg", "-version", "videos that are neither Motion-JPEG in AVI nor DICOM, such as MP4"));
    findings.push(program("sbatch", "--version", "bench --launcher slurm --submit; --launcher local needs no cluster"));
    findings.extend(folder()?);
    findings.push(weights(entries));
    if args.json {
        let rows =
            findings.iter().map(|Finding { what, found, costs }| json!({"what": what, "found": found, "costs": costs}));
        return print(&format!("{:#}\n", serde_json::Value::from_iter(rows)));
    }
    let mut rows = vec![["", "found", "what the lack costs"].map(str::to_owned).to_vec()];
    rows.extend(
        findings
            .into_iter()
            .map(|Finding { what, found, costs }| vec![what.to_owned(), found, costs.unwrap_or_default().to_owned()]),
    );
    print(&text_table(&rows))
}

/// Which of the kernels for vectors this processor runs.
fn processor() -> Finding {
    let level = echo_kernels::vectors_in_use();
    let costs = match level {
        "plain" => Some("products of matrices are computed without vectors, and slowly"),
        _ => None,
    };
    Finding::new("processor", level, costs)
}

fn threads() -> Finding {
    let threads = rayon::current_num_threads();
    let limited = std::env::var_os("RAYON_NUM_THREADS").is_some();
    let found = format!("{threads}{}", if limited { " (RAYON_NUM_THREADS)" } else { "" });
    Finding::new("threads", found, None)
}

/// Memory, where the system tells it.
fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let of = |entry: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(entry))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let (all, free) = (of("MemTotal:")?, of("MemAvailable:")?);
    let found = format!("{:.1} GB, {:.1} GB of it free", all as f64 / 1e9, free as f64 / 1e9);
    let costs =
        "`full` at full size may not fit: `recompute` and `micro_batch` in its recipe need less (docs/speed.md)";
    Some(Finding::new("memory", found, (free < TRAINING_MEMORY).then_some(costs)))
}

fn precision(precision: Precision) -> Finding {
    let what = match precision {
        Precision::Bf16 => "--precision bf16",
        _ => "--precision int8",
    };
    match precision.is_quick() {
        true => Finding::new(what, "quicker than f32", None),
        false => {
            Finding::new(what, "slower than f32", Some("an encoder is slower on this processor than without the flag"))
        }
    }
}

fn device(choice: DeviceChoice, what: &'static str, costs: &'static str) -> Finding {
    match choice.device() {
        Ok(_) => Finding::new(what, "in this build", None),
        Err(_) => Finding::new(what, "not in this build", Some(costs)),
    }
}

/// The first line of what a program says of itself.
fn program(name: &'static str, flag: &str, costs: &'static str) -> Finding {
    let Ok(output) = Command::new(name).arg(flag).stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        return Finding::new(name, "none", Some(costs));
    };
    let line = String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned);
    match line.filter(|_| output.status.success()) {
        Some(line) => Finding::new(name, echo_files::printable(&echo_files::excerpt(&line)), None),
        None => Finding::new(name, "there, but does not run: it is not configured", Some(costs)),
    }
}

/// The folder of data and caches: whether it can be written, and how much room there is.
fn folder() -> Result<Vec<Finding>, CliError> {
    let what = "$ECHOZOO_HOME";
    let lack = "most commands stop, since they keep phantoms, weights and features there: set it to a folder that can be written";
    let Ok(home) = home() else {
        return Ok(vec![Finding::new(what, "not set, and there is no folder for caches", Some(lack))]);
    };
    if home.exists() && !home.is_dir() {
        return Ok(vec![Finding::new(what, format!("{}: this is no folder", shortened(&home)), Some(lack))]);
    }
    let place = home.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    if let Err(error) = tempfile::Builder::new().prefix(echo_files::UNFINISHED).tempfile_in(place) {
        // The error itself has the whole path.
        let found = format!("{}: {}", shortened(&home), error.kind());
        return Ok(vec![Finding::new(what, found, Some(lack))]);
    }
    let mut findings = vec![Finding::new(what, shortened(&home), None)];
    if let Ok(free) = fs4::available_space(place) {
        let costs = "the cache of features may fill it: bench --cache-limit, or `echozoo cache`";
        let found = format!("{:.0} GB free", free as f64 / 1e9);
        findings.push(Finding::new("space there", found, (free < CACHE_SPACE).then_some(costs)));
    }
    Ok(findings)
}

/// A folder for reports of problems, which others read: below the user's own as `~`, and elsewhere its last part.
fn shortened(folder: &Path) -> String {
    let own = std::env::home_dir();
    match own.and_then(|own| Some(Path::new("~").join(folder.strip_prefix(own).ok()?))) {
        Some(below) => below.display().to_string(),
        None => format!(".../{}", folder.file_name().unwrap_or_default().to_string_lossy()),
    }
}

fn weights(entries: &[Entry]) -> Finding {
    let full = entries.iter().flat_map(|entry| entry.card.presets.iter().map(move |preset| (entry.card, preset)));
    let published: Vec<(&str, bool)> = full
        .filter(|(_, preset)| preset.published && !preset.weights.is_empty())
        .map(|(card, preset)| (card.name, is_fetched(card, preset)))
        .collect();
    let mut fetched: Vec<&str> = published.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    fetched.dedup();
    let costs = "numbers of patients: `echozoo fetch ENCODER` brings upstream's weights, or name yours with --weights";
    let found = if fetched.is_empty() { "none".to_owned() } else { fetched.join(", ") };
    Finding::new("fetched weights", found, published.iter().any(|(_, is)| !is).then_some(costs))
}
