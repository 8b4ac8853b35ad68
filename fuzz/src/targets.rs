//! The readers, each with valid files to begin with.

mod data;
mod records;
mod tensors;
mod video;

use std::path::Path;

/// A reader of files from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the file is called that it reads.
    pub file: &'static str,
    /// Inputs that are read without complaint.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Files that lie beside it, by name.
    pub beside: fn() -> Vec<(&'static str, Vec<u8>)>,
    /// What is in the file for an input: the input itself, or the input within what a checksum is made anew for.
    pub wrap: fn(&[u8]) -> Vec<u8>,
    /// Reads the file, and all that it holds.
    pub read: fn(&Path) -> Result<(), String>,
}

impl Target {
    /// With nothing beside it and nothing around it.
    const fn plain(
        name: &'static str,
        file: &'static str,
        seeds: fn() -> Vec<Vec<u8>>,
        read: fn(&Path) -> Result<(), String>,
    ) -> Self {
        Self { name, file, seeds, beside: Vec::new, wrap: <[u8]>::to_vec, read }
    }
}

/// All readers.
pub const TARGETS: &[Target] = &[
    Target::plain("avi", "input.avi", video::avis, video::read),
    Target { wrap: video::avi_of, ..Target::plain("mjpeg", "input.avi", video::jpegs, video::read) },
    Target::plain("dicom", "input.dcm", video::dicoms, video::read),
    Target { wrap: tensors::archive_of, ..Target::plain("pt", "input.pt", tensors::pickles, tensors::read_checkpoint) },
    Target::plain("zip", "input.pt", tensors::archives, tensors::read_archive),
    Target::plain("pickle", "input.pkl", tensors::plain_pickles, tensors::read_pickle),
    Target::plain("safetensors", "input.safetensors", tensors::safetensors, tensors::read_checkpoint),
    Target {
        wrap: records::adapter_of,
        ..Target::plain("adapter", "input.safetensors", records::adapters, records::read_adapter)
    },
    Target { wrap: records::lines_of, ..Target::plain("runs", "runs.jsonl", records::runs, records::read_runs) },
    Target { beside: data::index_rows, ..Target::plain("npy", data::VECTORS, data::vectors, data::read_index) },
    Target { beside: data::index_files, ..Target::plain("index", "index.json", data::indexes, data::read_index) },
    Target { beside: data::videos, ..Target::plain("csv", "FileList.csv", data::tables, data::read_table) },
    Target::plain("split", "split.csv", data::splits, data::read_split),
    Target::plain("dataset", "dataset.toml", data::datasets, data::read_dataset_file),
    Target::plain("task", "task.toml", data::tasks, data::read_task),
    Target::plain("bench", "bench.toml", data::benchmarks, data::read_benchmark),
];

/// The files in `folder`, a folder of the workspace, whose names end in `ending`.
///
/// # Panics
/// When there are none: targets need something to begin with.
fn files_in(folder: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder that can be listed").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    assert!(!paths.is_empty(), "{}: no file ends in {ending}", folder.display());
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).expect("a file that can be read"))).collect()
}

/// A new folder in memory, where there is one: bringing files to a disk takes longer than reading them.
///
/// # Panics
/// When it cannot be made.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder for temporary files")
}
