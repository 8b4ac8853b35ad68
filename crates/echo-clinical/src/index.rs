//! Embeddings on disk that can be searched: of videos, studies or texts, thousands or millions.
//!
//! ```
//! use echo_clinical::index::{Dtype, Index, Row, Settings, Spec};
//! let folder = tempfile::tempdir()?;
//! let settings = Settings::from([("encoder".to_owned(), "nano".to_owned())]);
//! let spec = Spec { settings, dim: 2, dtype: Dtype::F16 };
//!
//! let mut update = Index::update(folder.path(), &spec)?;
//! for (name, embedding) in [("a.avi", [3.0, 4.0]), ("b.avi", [1.0, 0.0])] {
//!     let row = Row { name: name.to_owned(), digest: blake3::hash(name.as_bytes()), warning: String::new() };
//!     if !update.keep(&row)? {
//!         update.add(&row, &embedding)?;
//!     }
//! }
//! let index = update.commit()?;
//!
//! let best = index.top_k(&[1.0, 0.1], 1)?[0][0];
//! assert_eq!(index.rows()[best.row].name, "b.avi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files
//!
//! An index is a folder of its own with three files:
//!
//! - `vectors-N.npy`: a NumPy array `[rows, dim]` of little-endian float16 or float32, every row of length one up to rounding.
//!   `numpy.load(..., mmap_mode="r")` reads it.
//! - `rows-N.csv`: the columns `name`, `digest` and `warning` of each row, in the same order. Cells that a spreadsheet would
//!   compute have an apostrophe before them ([`echo_files::to_cell`]).
//! - `index.json`: the [`Spec`], the number of rows, and name and BLAKE3 checksum of both files, which `b3sum` computes too.
//!
//! # Writing
//!
//! An [`Update`] names every row of the new index. What the old one has is copied, in blocks; only what it lacks is embedded.
//! Rows are keyed by the digest of their content, so that a file that was renamed keeps its vector, and one that was changed
//! does not. [`Update::commit`] writes both files under the next number N and renames `index.json` into place last: a kill
//! at any instant leaves the old index or the new one. Then it removes the files of other numbers. One process writes at a
//! time, any number search. What was added before a kill and not committed is lost, so commit long runs now and then.
//!
//! # Searching
//!
//! Similarities are cosines. A search is exact: it compares each query with each row, in blocks, on all threads. The file is
//! read, not mapped into memory: mapping needs `unsafe`, and a file that shrinks meanwhile would end the process. In the page
//! cache, reading costs about as much as comparing.
//!
//! Upstream's EchoCLIP averages normalised frames and does not normalise the mean. Here it is normalised. For a fixed video
//! that changes no ranking of texts; for a fixed text it may change one of videos.
//!
//! # Folders from elsewhere
//!
//! [`Index::open`] checks `index.json`, the checksum of the rows, and length and header of the vectors. A search checks that
//! similarities are cosines, which NaN or infinite values are not. Only [`Index::verify`] and [`Index::update`] read all vectors
//! to compare their checksum: for a gigabyte that takes longer than a search. Nothing in these files makes the
//! program panic, or need more memory than the rows and some blocks of vectors.

mod manifest;
mod rows;
mod search;
mod update;
mod vectors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use manifest::Manifest;
pub use search::Hit;
pub use update::Update;
use vectors::Vectors;

/// What decides an embedding beside its content, such as encoder, preset, hash of the weights, precision and clip. Names and
/// values are the caller's.
pub type Settings = BTreeMap<String, String>;

/// What all rows of an index have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How the embeddings were made.
    pub settings: Settings,
    /// Numbers in an embedding, 1 to 65,536.
    pub dim: usize,
    /// How they are stored.
    pub dtype: Dtype,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dtype {
    /// Half precision: half the size. Similarities differ from those in single precision by less than 0.0005.
    #[serde(rename = "f2")]
    F16,
    /// Single precision.
    #[serde(rename = "f4")]
    F32,
}

impl Dtype {
    /// NumPy's name without the order of bytes.
    fn name(self) -> &'static str {
        match self {
            Self::F16 => "f2",
            Self::F32 => "f4",
        }
    }

    /// Bytes of a number.
    fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// What a row is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where a user finds it again, such as a path. At most 16 KiB.
    pub name: String,
    /// Of its content. Rows of one digest have one embedding.
    pub digest: blake3::Hash,
    /// What is doubtful about it; empty for most. At most 16 KiB.
    pub warning: String,
}

/// An index that can be searched. It stays what it was when it is updated meanwhile.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    manifest: Manifest,
    rows: Vec<Row>,
    vectors: Vectors,
}

impl Index {
    /// Opens the index in `folder`.
    ///
    /// # Errors
    /// When there is no index, or its files are damaged or do not belong together. The checksum of the vectors is not compared;
    /// see [`verify`](Self::verify).
    pub fn open(folder: &Path) -> Result<Self, Error> {
        loop {
            let manifest = Manifest::read(folder)?;
            match Self::load(folder, manifest.clone()) {
                // Its files were removed after another process had committed a new index.
                Err(_) if Manifest::read(folder)? != manifest => {}
                loaded => return loaded,
            }
        }
    }

    fn load(folder: &Path, manifest: Manifest) -> Result<Self, Error> {
        let vectors = Vectors::open(folder.join(&manifest.vectors.file), manifest.shape())?;
        let rows = rows::read(&folder.join(&manifest.table.file), manifest.rows, manifest.table.checksum)?;
        Ok(Self { folder: folder.to_owned(), manifest, rows, vectors })
    }

    /// How the embeddings were made.
    pub fn settings(&self) -> &Settings {
        &self.manifest.settings
    }

    /// Numbers in an embedding.
    pub fn dim(&self) -> usize {
        self.manifest.dim
    }

    /// How embeddings are stored.
    pub fn dtype(&self) -> Dtype {
        self.manifest.dtype
    }

    /// What the rows are of, in their order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The embedding of a row: `[dim]`, of length one up to rounding.
    ///
    /// # Errors
    /// When there is no such row, or it cannot be read.
    pub fn vector(&self, row: usize) -> Result<Vec<f32>, Error> {
        match row < self.rows.len() {
            true => self.vectors.row(row),
            false => Err(Error::NoRow { row, rows: self.rows.len() }),
        }
    }

    /// Checks that queries are made like the rows: all of `settings` are those of the index, which may have more.
    ///
    /// # Errors
    /// When one is another or missing.
    pub fn check_settings(&self, settings: &Settings) -> Result<(), Error> {
        let differs = |(name, value): &(&String, &String)| self.settings().get(*name) != Some(*value);
        match settings.iter().find(differs) {
            None => Ok(()),
            Some((name, value)) => Err(self.differs(name, self.settings().get(name), Some(value))),
        }
    }

    /// Checks that an update is made like the index.
    fn check_spec(&self, spec: &Spec) -> Result<(), Error> {
        self.check_settings(&spec.settings)?;
        if let Some((name, value)) = self.settings().iter().find(|(name, _)| !spec.settings.contains_key(*name)) {
            return Err(self.differs(name, Some(value), None));
        }
        if self.dim() != spec.dim {
            return Err(self.differs("dim", Some(&self.dim().to_string()), Some(&spec.dim.to_string())));
        }
        if self.dtype() != spec.dtype {
            let [index, asked] = [self.dtype(), spec.dtype].map(|dtype| dtype.name().to_owned());
            return Err(self.differs("dtype", Some(&index), Some(&asked)));
        }
        Ok(())
    }

    fn differs(&self, setting: &str, index: Option<&String>, asked: Option<&String>) -> Error {
        let shown = |value: Option<&String>| {
            value.map_or_else(|| "no value".to_owned(), |value| format!("`{}`", echo_files::excerpt(value)))
        };
        Error::Setting {
            folder: self.folder.clone(),
            setting: echo_files::excerpt(setting).into_owned(),
            index: shown(index),
            asked: shown(asked),
        }
    }

    /// Reads all vectors: their checksum is that of `index.json`, and all have length one up to rounding.
    ///
    /// # Errors
    /// When they are not, or cannot be read.
    pub fn verify(&self) -> Result<(), Error> {
        self.vectors.check(self.manifest.vectors.checksum)?;
        self.vectors.check_lengths()
    }
}

#[cfg(test)]
mod tests;
