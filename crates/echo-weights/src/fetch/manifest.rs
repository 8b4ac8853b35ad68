//! The checksums of downloaded files, recorded when each was first seen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{FetchError, MANIFEST};

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// BLAKE3 of the file, 64 hexadecimal digits.
    pub blake3: String,
    /// Its size.
    pub bytes: u64,
    /// Where it came from.
    pub url: String,
}

/// `weights.json` in the folder of the files.
#[derive(Debug)]
pub(super) struct Manifest {
    pub path: PathBuf,
    files: BTreeMap<String, Record>,
}

impl Manifest {
    /// The list in `dir`; empty when there is none yet.
    pub fn open(dir: &Path) -> Result<Self, FetchError> {
        let path = dir.join(MANIFEST);
        let files = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| FetchError::Manifest { path: path.clone(), reason: error.to_string() })?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(FetchError::io(&path)(error)),
        };
        Ok(Self { path, files })
    }

    pub fn get(&self, name: &str) -> Option<&Record> {
        self.files.get(name)
    }

    /// Adds a record and saves the list; a crash leaves the old list or the new one.
    pub fn record(&mut self, name: &str, record: Record) -> Result<(), FetchError> {
        self.files.insert(name.to_owned(), record);
        let text = serde_json::to_vec_pretty(&self.files)
            .map_err(|error| FetchError::Manifest { path: self.path.clone(), reason: error.to_string() })?;
        let beside = self.path.with_extension("json.new");
        let mut file = File::create(&beside).map_err(FetchError::io(&beside))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(FetchError::write(&beside, 0))?;
        std::fs::rename(&beside, &self.path).map_err(FetchError::io(&self.path))
    }

    /// Refuses bytes that are not those recorded under `name`. `fix` says what to do then.
    pub fn check(&self, name: &str, path: &Path, found: &Digest, fix: &'static str) -> Result<(), FetchError> {
        match self.get(name) {
            Some(record) if record.blake3 != found.blake3 => Err(FetchError::Checksum {
                path: path.to_owned(),
                manifest: self.path.clone(),
                recorded: record.blake3.clone(),
                found: found.blake3.clone(),
                fix,
            }),
            _ => Ok(()),
        }
    }
}

/// Checksum and size of a file.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    pub blake3: String,
    pub bytes: u64,
}

impl Digest {
    /// Reads the whole file; `progress` gets the bytes read so far.
    pub fn of(path: &Path, mut progress: impl FnMut(u64)) -> Result<Self, FetchError> {
        let mut file = File::open(path).map_err(FetchError::io(path))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(FetchError::io(path)(error)),
            };
            hasher.update(buffer.get(..count).unwrap_or_default());
            progress(hasher.count());
        }
        Ok(Self { blake3: hasher.finalize().to_hex().to_string(), bytes: hasher.count() })
    }
}
