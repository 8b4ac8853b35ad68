//! Checkpoints at full size: where they are, what loading them costs, and the way through a converted copy.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use echo_core::Preset;
use echo_weights::{Built, Precision, Pretrained, Weights, build, save};

/// Most memory that loading may take, as a multiple of the files' size.
const MEMORY: f64 = 2.2;

/// Where `reference/full.py` has written the encoder's files, or `None`, with the reason printed, when it has not run.
pub fn folder(encoder: &str) -> Option<PathBuf> {
    match std::env::var_os("ECHOZOO_PARITY_DIR") {
        Some(folder) => Some(PathBuf::from(folder).join(encoder)),
        None => {
            println!("skipped: `cargo xtask parity {encoder}` makes what is compared here (gigabytes, Python)");
            None
        }
    }
}

/// Loads the upstream file, or folder of files, `path`; prints and bounds what that costs.
///
/// # Panics
/// When it cannot be loaded, or takes too much.
pub fn load_full<E: Pretrained>(path: &Path, device: &Device) -> Built {
    let bytes: u64 = match path.is_dir() {
        true => E::PARTS.iter().map(|part| path.join(part.file).metadata().map_or(0, |file| file.len())).sum(),
        false => path.metadata().map_or(0, |file| file.len()),
    };
    let (before, started) = (peak_memory(), Instant::now());
    let built = build::<E>(Preset::FULL, &Weights::File(path.to_owned()), device).unwrap_or_else(|e| panic!("{e}"));
    let seconds = started.elapsed().as_secs_f64();
    let gigabytes = bytes as f64 / 1e9;
    // The process had almost nothing before its first load; later ones may hide under its peak.
    let memory = peak_memory().map(|peak| peak as f64 / bytes as f64);
    println!(
        "{}: {}, {gigabytes:.2} GB in {seconds:.2} s, peak memory of the process {} of the file's size",
        path.display(),
        built.report,
        memory.map_or("unknown".to_owned(), |memory| format!("{memory:.2}")),
    );
    if before.is_some_and(|before| before < bytes / 4) {
        assert!(memory.is_none_or(|memory| memory < MEMORY), "{memory:?} of the file's size");
    }
    built
}

/// The same encoder after it was saved, as `echozoo convert` does, and loaded again.
///
/// # Panics
/// When the copy cannot be written or read.
pub fn round_trip<E: Pretrained>(built: &Built, device: &Device) -> Built {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let path = folder.path().join("copy.safetensors");
    save(&built.encoder, &path, Precision::Full).unwrap_or_else(|e| panic!("{e}"));
    build::<E>(Preset::FULL, &Weights::File(path), device).unwrap_or_else(|e| panic!("{e}"))
}

/// The most memory that this process has had, in bytes, where the system says.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
