//! `index.json`, and the names of the files that it lists.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::vectors::Shape;
use super::{Dtype, Settings};
use crate::error::Error;

const FILE: &str = "index.json";

/// Of the format; another one is refused.
const VERSION: u32 = 1;

/// Settings are short; a longer file is none of ours.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    pub(super) settings: Settings,
    pub(super) dtype: Dtype,
    pub(super) dim: usize,
    pub(super) rows: usize,
    pub(super) vectors: Listed,
    pub(super) table: Listed,
}

/// A file of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) file: String,
    #[serde(rename = "blake3", serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub(super) checksum: blake3::Hash,
}

fn to_hex<S: Serializer>(checksum: &blake3::Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&checksum.to_hex())
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<blake3::Hash, D::Error> {
    blake3::Hash::from_hex(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

impl Manifest {
    pub(super) fn new(settings: Settings, shape: Shape, vectors: Listed, table: Listed) -> Self {
        let Shape { dtype, dim, rows } = shape;
        Self { version: VERSION, settings, dtype, dim, rows, vectors, table }
    }

    /// Reads that of `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let file = match echo_files::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NoIndex { folder: folder.to_owned() });
            }
            opened => opened.map_err(Error::file(&path))?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::file(&path))?;
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(damaged(format!("it has more than {MAX_BYTES} bytes")));
        }
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let Self { version, vectors, table, .. } = &manifest;
        if *version != VERSION {
            return Err(damaged(format!("it is of version {version}; this program reads version {VERSION}")));
        }
        // No other name: it could lead out of the folder.
        if number_of(&vectors.file).map(names) != Some([vectors.file.clone(), table.file.clone()]) {
            let [vectors, table] = [vectors, table].map(|listed| echo_files::excerpt(&listed.file));
            return Err(damaged(format!("its files are `{vectors}` and `{table}`, not vectors-N.npy and rows-N.csv")));
        }
        Ok(manifest)
    }

    /// Puts it in place of that of `folder`.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let write = |file: &mut BufWriter<File>| {
            let bytes = serde_json::to_vec_pretty(self)?;
            match bytes.len() as u64 {
                0..=MAX_BYTES => file.write_all(&bytes),
                _ => Err(io::Error::new(ErrorKind::InvalidInput, format!("settings have at most {MAX_BYTES} bytes"))),
            }
        };
        echo_files::write_atomically(&path, write).map_err(Error::file(&path))
    }

    /// Of the vectors.
    pub(super) fn shape(&self) -> Shape {
        Shape { dtype: self.dtype, dim: self.dim, rows: self.rows }
    }
}

/// Names of vectors and rows with a number.
pub(super) fn names(number: u64) -> [String; 2] {
    [format!("vectors-{number}.npy"), format!("rows-{number}.csv")]
}

/// The number in the name of a file of an index.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let vectors = name.strip_prefix("vectors-").and_then(|rest| rest.strip_suffix(".npy"));
    let number = vectors.or_else(|| name.strip_prefix("rows-")?.strip_suffix(".csv"))?.parse().ok()?;
    // `+1` and `01` are numbers, too.
    names(number).iter().any(|ours| ours == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling_of_their_number() {
        for number in [0, 7, u64::MAX] {
            assert_eq!(names(number).map(|name| number_of(&name)), [Some(number); 2]);
        }
        let others =
            ["vectors-.npy", "vectors-+1.npy", "vectors-01.npy", "vectors-1.csv", "rows-1.npy", "../rows-1.csv"];
        for other in others.into_iter().chain(["rows-18446744073709551616.csv", "index.json", ""]) {
            assert_eq!(number_of(other), None, "{other}");
        }
    }

    #[test]
    fn settings_that_could_not_be_read_again_are_not_written() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let with = |bytes: usize| {
            let [vectors, table] = names(1).map(|file| Listed { file, checksum: blake3::hash(b"") });
            let settings = Settings::from([("clip".to_owned(), "x".repeat(bytes))]);
            Manifest::new(settings, Shape { dtype: Dtype::F16, dim: 1, rows: 0 }, vectors, table)
        };
        let kept = with(9);
        kept.write(folder.path())?;
        let refused = with(1 << 20).write(folder.path()).unwrap_err().to_string();
        assert!(refused.ends_with("index.json: settings have at most 1048576 bytes"), "{refused}");
        assert_eq!(Manifest::read(folder.path())?, kept);
        Ok(())
    }
}
