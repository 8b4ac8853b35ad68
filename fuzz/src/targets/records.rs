//! What the program writes and reads again, and users hand on: adapters and records of cells.

use std::path::Path;

use burn::tensor::TensorData;
use echo_bench::AdapterFile;
use echo_train::write_tensors;

use super::{files_in, scratch};

/// Where an adapter's record stands in its file.
const KEY: &str = "echozoo.adapter";

/// What stands before a line's checksum.
const CHECKSUM: &str = ",\"checksum\":\"";

pub(super) fn adapters() -> Vec<Vec<u8>> {
    files_in("fuzz/seeds", "adapter.json").into_iter().map(|(_, bytes)| bytes).collect()
}

/// The record in a file with a checksum that is right, if it is a text; else the bytes themselves.
pub(super) fn adapter_of(record: &[u8]) -> Vec<u8> {
    let Ok(text) = String::from_utf8(record.to_vec()) else { return record.to_vec() };
    let folder = scratch();
    let path = folder.path().join("adapter.safetensors");
    let tensors = vec![("head.weight".to_owned(), TensorData::from([[1.0f32, 2.0]]))];
    write_tensors(&path, tensors, KEY, text).expect("an adapter that can be written");
    std::fs::read(path).expect("the adapter")
}

pub(super) fn read_adapter(path: &Path) -> Result<(), String> {
    let file = AdapterFile::open(path).map_err(|error| error.to_string())?;
    file.spec().map_err(|error| error.to_string())?;
    file.precision().map_err(|error| error.to_string())?;
    Ok(())
}

pub(super) fn runs() -> Vec<Vec<u8>> {
    files_in("fuzz/seeds", "runs.txt").into_iter().map(|(_, bytes)| bytes).collect()
}

/// The lines with checksums that are right, for every second input; for the others what they are.
pub(super) fn lines_of(lines: &[u8]) -> Vec<u8> {
    if lines.len() % 2 == 1 {
        return lines.to_vec();
    }
    let sealed = |line: &[u8]| {
        let Ok(text) = std::str::from_utf8(line) else { return line.to_vec() };
        let Some((body, _)) = text.rsplit_once(CHECKSUM) else { return line.to_vec() };
        let checksum = blake3::hash(body.as_bytes()).to_hex();
        format!("{body}{CHECKSUM}{}\"}}\n", &checksum[..32]).into_bytes()
    };
    lines.split_inclusive(|&byte| byte == b'\n').flat_map(sealed).collect()
}

pub(super) fn read_runs(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    echo_report::read_runs(folder).map(drop).map_err(|error| error.to_string())
}
