//! Weights from their authors' servers to a folder, and the certainty that they are still the same.
//!
//! Beside the files lies `weights.json`: the licence that was accepted, and the checksum of every file, recorded when
//! it was first downloaded. Whatever comes later under the same name, from the disk or from the server, must have that
//! checksum. A file appears under its name whole and recorded, or not at all; until then its bytes are in `*.part`,
//! from which the next download goes on.

mod archive;
mod download;
mod error;
mod manifest;
mod partial;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

pub use error::FetchError;

use archive::Archive;
use download::Client;
use error::{LOCK, MANIFEST};
use manifest::Manifest;
use partial::Partial;

/// A file to have, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteFile<'a> {
    /// Its name in the folder: a plain one.
    pub name: &'a str,
    /// The address of the file, or of the zip archive that holds it.
    pub url: &'a str,
    /// Which member of the archive it is: the member's name, or the end of it from a `/` on, if only one member's name
    /// ends so.
    pub member: Option<&'a str>,
}

/// How to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchOptions {
    /// After so long without an answer, an attempt is given up, and after two of them the server.
    pub answer: Duration,
    /// After so long with hardly a byte, an attempt is given up.
    pub timeout: Duration,
    /// Wait before the second attempt; it doubles with each one.
    pub pause: Duration,
    /// No file, archive or member may have more bytes.
    pub limit: u64,
    /// Go through the proxy that `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` names, but for the hosts of `NO_PROXY`.
    pub proxy: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        let answer = Duration::from_secs(15);
        Self { answer, timeout: Duration::from_secs(30), pause: Duration::from_secs(1), limit: 4 << 30, proxy: true }
    }
}

/// Whether `licence` has been accepted for the files in `dir`, by an earlier [`fetch`].
///
/// # Errors
/// The folder's list cannot be read.
pub fn licence_accepted(dir: &Path, licence: &str) -> Result<bool, FetchError> {
    Ok(Manifest::open(dir)?.accepts(licence))
}

/// The paths of `files` in `dir`, all of them there and with the checksums recorded when they were downloaded. Needs
/// no network, and changes nothing.
///
/// # Errors
/// A file is absent, other than recorded, or not recorded.
pub fn check_fetched(dir: &Path, files: &[RemoteFile<'_>]) -> Result<Vec<PathBuf>, FetchError> {
    let manifest = Manifest::open(dir)?;
    let mut paths = Vec::with_capacity(files.len());
    for file in files {
        let path = dir.join(plain(file.name)?);
        if !manifest.holds(file)? {
            return Err(FetchError::Absent { path });
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Brings `files` to `dir`, but for those that are there already, and checks every one. Their paths.
///
/// To call this is to accept `licence`, which is recorded, so show it before. `progress` hears of a file's name, the
/// bytes done and all of its bytes.
///
/// # Errors
/// A file is there that is not the one recorded, the server does not give it after several attempts or gives other
/// bytes than the first time, an archive cannot be unpacked, another process is at it, or the disk fails. What arrived
/// of an interrupted download is kept to go on from.
pub fn fetch(
    dir: &Path,
    licence: &str,
    files: &[RemoteFile<'_>],
    options: &FetchOptions,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<Vec<PathBuf>, FetchError> {
    for file in files {
        plain(file.name)?;
    }
    std::fs::create_dir_all(dir).map_err(FetchError::io(dir))?;
    let _lock = lock(dir)?;
    let mut manifest = Manifest::open(dir)?;
    manifest.accept(licence)?;
    let mut absent = Vec::new();
    for file in files {
        if !manifest.holds(file)? {
            absent.push(file);
        }
    }
    let client = Client::new(options);
    let (whole, members): (Vec<&RemoteFile<'_>>, Vec<_>) = absent.into_iter().partition(|file| file.member.is_none());
    for file in whole {
        let part = Partial::new(dir, file.name);
        client.download(file.url, &part, &mut |done, total| progress(file.name, done, total))?;
        archive::check_whole(&part, file)?;
        manifest.admit(file, &part)?;
    }
    let urls: BTreeSet<&str> = members.iter().map(|file| file.url).collect();
    for url in urls {
        let part = Partial::of_archive(dir, url);
        client.download(url, &part, &mut |done, total| progress("archive", done, total))?;
        let mut archive = Archive::open(&part, url)?;
        for file in members.iter().filter(|file| file.url == url) {
            let extracted = Partial::new(dir, file.name);
            let limit = options.limit;
            archive.extract(file, &extracted, limit, &mut |done, total| progress(file.name, done, total))?;
            manifest.admit(file, &extracted)?;
        }
        part.discard()?;
    }
    Ok(files.iter().map(|file| dir.join(file.name)).collect())
}

/// `name`, if it names a file in the folder itself and none of our own.
fn plain(name: &str) -> Result<&str, FetchError> {
    let mut parts = Path::new(name).components();
    let is_plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    match is_plain && !name.contains('\\') && name != MANIFEST && name != LOCK {
        true => Ok(name),
        false => Err(FetchError::Name { name: name.to_owned() }),
    }
}

/// The folder is this process's until the file is closed, also by a crash.
fn lock(dir: &Path) -> Result<File, FetchError> {
    let path = dir.join(LOCK);
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(FetchError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FetchError::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(FetchError::io(&path)(error)),
    }
}
