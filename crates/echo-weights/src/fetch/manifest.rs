//! What is known of the files in a folder: `weights.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RemoteFile;
use super::error::{FetchError, MANIFEST};
use super::partial::Partial;

/// The text of `weights.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// The licence that was accepted.
    licence: Option<String>,
    files: BTreeMap<String, Record>,
}

/// What is known of one file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// BLAKE3 of the file, 64 hexadecimal digits.
    blake3: String,
    /// Its size.
    bytes: u64,
    /// Where it came from.
    url: String,
    /// Which member it was of the archive there.
    member: Option<String>,
}

/// `weights.json` in the folder of the files.
#[derive(Debug)]
pub(super) struct Manifest {
    dir: PathBuf,
    list: List,
}

impl Manifest {
    /// The list in `dir`; empty when there is none yet.
    pub fn open(dir: &Path) -> Result<Self, FetchError> {
        let path = dir.join(MANIFEST);
        let list = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| FetchError::Manifest { path, reason: error.to_string() })?,
            Err(error) if error.kind() == ErrorKind::NotFound => List::default(),
            Err(error) => return Err(FetchError::io(&path)(error)),
        };
        Ok(Self { dir: dir.to_owned(), list })
    }

    pub fn accepts(&self, licence: &str) -> bool {
        self.list.licence.as_deref() == Some(licence)
    }

    pub fn accept(&mut self, licence: &str) -> Result<(), FetchError> {
        if self.accepts(licence) {
            return Ok(());
        }
        self.list.licence = Some(licence.to_owned());
        self.save()
    }

    /// Whether `file` is there. One that is, but is not as recorded, is an error.
    pub fn holds(&self, file: &RemoteFile<'_>) -> Result<bool, FetchError> {
        let path = self.dir.join(file.name);
        // Of the name itself: a link to nowhere is not an absent file.
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(FetchError::io(&path)(error)),
            Ok(_) => {}
        }
        let Some(record) = self.list.files.get(file.name) else { return Err(FetchError::Unrecorded { path }) };
        if (record.url.as_str(), record.member.as_deref()) != (file.url, file.member) {
            let place = |url: &str, member: Option<&str>| {
                member.map_or_else(|| url.to_owned(), |member| format!("{member} in {url}"))
            };
            let recorded = place(&record.url, record.member.as_deref());
            return Err(FetchError::Origin { path, recorded, wanted: place(file.url, file.member) });
        }
        let (found, _) = digest(&path)?;
        if found != record.blake3 {
            let fix = "delete it, then fetch again";
            return Err(FetchError::Checksum { path, recorded: record.blake3.clone(), found, fix });
        }
        Ok(true)
    }

    /// Gives a whole download its name. Bytes other than those recorded are thrown away; new ones are recorded first,
    /// so that a file under its name always is.
    pub fn admit(&mut self, file: &RemoteFile<'_>, part: &Partial) -> Result<(), FetchError> {
        let path = self.dir.join(file.name);
        let (found, bytes) = digest(&part.path)?;
        match self.list.files.get(file.name) {
            Some(record) if record.blake3 != found => {
                part.discard()?;
                let fix = "the server sends something else now; if that is a new release that you want, delete the \
                           file's entry there and fetch again";
                return Err(FetchError::Checksum { path, recorded: record.blake3.clone(), found, fix });
            }
            _ => {}
        }
        let member = file.member.map(str::to_owned);
        let record = Record { blake3: found, bytes, url: file.url.to_owned(), member };
        self.list.files.insert(file.name.to_owned(), record);
        self.save()?;
        std::fs::rename(&part.path, &path).map_err(FetchError::io(&path))?;
        sync_dir(&self.dir)?;
        part.discard()
    }

    /// A crash leaves the old list or the new one.
    fn save(&self) -> Result<(), FetchError> {
        let path = self.dir.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&self.list)
            .map_err(|error| FetchError::Manifest { path: path.clone(), reason: error.to_string() })?;
        let beside = path.with_extension("json.part");
        let mut file = File::create(&beside).map_err(FetchError::io(&beside))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(FetchError::io(&beside))?;
        std::fs::rename(&beside, &path).map_err(FetchError::io(&path))
    }
}

/// BLAKE3 of a file, in hexadecimal digits, and its size.
fn digest(path: &Path) -> Result<(String, u64), FetchError> {
    let mut hasher = blake3::Hasher::new();
    let file = echo_files::open(path).map_err(FetchError::io(path))?;
    hasher.update_reader(file).map_err(FetchError::io(path))?;
    Ok((hasher.finalize().to_hex().to_string(), hasher.count()))
}

/// A rename lasts only once its folder is on the disk; where folders cannot be opened, the system sees to it.
fn sync_dir(dir: &Path) -> Result<(), FetchError> {
    match cfg!(unix) {
        true => File::open(dir).and_then(|dir| dir.sync_all()).map_err(FetchError::io(dir)),
        false => Ok(()),
    }
}
