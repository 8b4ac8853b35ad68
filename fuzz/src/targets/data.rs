//! Tables, descriptions and indexes.

use std::path::Path;

use echo_bench::BenchConfig;
use echo_clinical::index::{Dtype, Index, Row, Settings, Spec};
use echo_data::{DatasetConfig, Target, read_dataset, read_split_file};

use super::{files_in, scratch};

/// The vectors of an index that was written once.
pub(super) const VECTORS: &str = "vectors-1.npy";

/// Numbers in a vector.
const DIM: usize = 8;

/// The files of a small index, by name.
fn index() -> Vec<(String, Vec<u8>)> {
    let folder = scratch();
    let settings = Settings::from([("encoder".to_owned(), "nano".to_owned())]);
    let spec = Spec { settings, dim: DIM, dtype: Dtype::F32 };
    let mut update = Index::rebuild(folder.path(), &spec).expect("a new index");
    for place in 0..5u8 {
        let name = format!("{place}.avi");
        let row = Row { digest: blake3::hash(name.as_bytes()), name, warning: String::new() };
        let vector: Vec<f32> = (0..DIM).map(|at| if at == usize::from(place) { 1.0 } else { 0.1 }).collect();
        update.add(&row, &vector).expect("a new row");
    }
    update.commit().expect("an index that can be written");
    let entries = std::fs::read_dir(folder.path()).expect("the index");
    let entries = entries.map(|entry| entry.expect("a file of the index").path()).filter(|path| path.is_file());
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    entries.map(|path| (name(&path), std::fs::read(&path).expect("a file of the index"))).collect()
}

fn of_index(wanted: &str) -> Vec<u8> {
    let files = index();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let found = files.iter().find(|(name, _)| name == wanted);
    found.unwrap_or_else(|| panic!("an index has no {wanted}; it has {names:?}")).1.clone()
}

pub(super) fn vectors() -> Vec<Vec<u8>> {
    vec![of_index(VECTORS)]
}

pub(super) fn index_rows() -> Vec<(&'static str, Vec<u8>)> {
    ["index.json", "rows-1.csv"].map(|name| (name, of_index(name))).into()
}

pub(super) fn indexes() -> Vec<Vec<u8>> {
    vec![of_index("index.json")]
}

pub(super) fn index_files() -> Vec<(&'static str, Vec<u8>)> {
    [VECTORS, "rows-1.csv"].map(|name| (name, of_index(name))).into()
}

/// Opens an index and searches it.
pub(super) fn read_index(path: &Path) -> Result<(), String> {
    let index = Index::open(path.parent().unwrap_or(Path::new("."))).map_err(|error| error.to_string())?;
    index.verify().map_err(|error| error.to_string())?;
    index.top_k(&vec![0.5; index.dim()], 3).map(drop).map_err(|error| error.to_string())
}

const TABLE: &[u8] = b"FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n\
    a,60.5,40.0,101.0,112,112,50,120,TRAIN\nb,33.0,80.5,120.1,112,112,50,99,TRAIN\n\
    c,71.2,20,69.4,112,112,30,40,VAL\n\"d\",55,50,111.0,112,112,50,64,TEST\n";

pub(super) fn tables() -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(TABLE);
    vec![TABLE.to_vec(), text.replace(',', ";").into_bytes(), text.replace('\n', "\r\n").into_bytes()]
}

pub(super) fn videos() -> Vec<(&'static str, Vec<u8>)> {
    ["Videos/a.avi", "Videos/b.avi", "Videos/c.avi", "Videos/d.avi"].map(|name| (name, b"RIFF".to_vec())).into()
}

pub(super) fn read_table(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let read = read_dataset(folder, &DatasetConfig::echonet(), &Target::shipped("ef"));
    read.map(drop).map_err(|error| error.to_string())
}

pub(super) fn splits() -> Vec<Vec<u8>> {
    vec![TABLE.to_vec(), b"FileName,Split\na,TRAIN\nb,val\nc,TEST\nd.avi,test\n".to_vec()]
}

pub(super) fn read_split(path: &Path) -> Result<(), String> {
    let read = read_split_file(path, &["a", "b", "c", "d"], &DatasetConfig::echonet());
    read.map(drop).map_err(|error| error.to_string())
}

fn shipped(folder: &str) -> Vec<Vec<u8>> {
    files_in(folder, ".toml").into_iter().map(|(_, bytes)| bytes).collect()
}

pub(super) fn datasets() -> Vec<Vec<u8>> {
    shipped("configs/datasets")
}

pub(super) fn read_dataset_file(path: &Path) -> Result<(), String> {
    DatasetConfig::read(path).map(drop).map_err(|error| error.to_string())
}

pub(super) fn tasks() -> Vec<Vec<u8>> {
    shipped("configs/tasks")
}

pub(super) fn read_task(path: &Path) -> Result<(), String> {
    Target::read(path, None).map(drop).map_err(|error| error.to_string())
}

pub(super) fn benchmarks() -> Vec<Vec<u8>> {
    shipped("configs/bench")
}

/// Reads a configuration as the command does.
pub(super) fn read_benchmark(path: &Path) -> Result<(), String> {
    let name = path.display();
    let text = echo_files::read_text(path).map_err(|error| format!("{name}: {error}"))?;
    let config = BenchConfig::from_toml(&name.to_string(), &text).map_err(|error| error.to_string())?;
    config.validate().map_err(|error| error.to_string())
}
