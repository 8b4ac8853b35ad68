//! Digests of video files, remembered between runs.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use crate::DataError;

/// BLAKE3 digests of files, hashed once and remembered by path, size, modification time and inode.
///
/// The memory is a text file that any number of processes append whole lines to; a line that is torn or foreign is
/// passed over, and its file hashed again.
#[derive(Debug)]
pub struct Digests {
    path: PathBuf,
    known: HashMap<PathBuf, (Stamp, blake3::Hash)>,
    /// Serialises appends of this process.
    append: Mutex<()>,
}

/// What tells that a file is still the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified_nanos: u128,
    inode: u64,
}

impl Digests {
    /// Opens the memory at `path`, which need not exist yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(DataError::Io { path: path.to_owned(), source }),
        };
        let known = text.lines().filter_map(parse_line).collect();
        Ok(Self { path: path.to_owned(), known, append: Mutex::new(()) })
    }

    /// Digests of `files`, in their order; those that are new are hashed in parallel and remembered.
    ///
    /// A file that cannot be read gives its error in its place.
    pub fn of_all(&self, files: &[&Path]) -> Vec<Result<blake3::Hash, DataError>> {
        let digests: Vec<_> = files.par_iter().map(|file| self.of(file)).collect();
        let lines: String = digests.iter().flatten().filter_map(|(_, line)| line.as_deref()).collect();
        if !lines.is_empty()
            && let Err(error) = self.remember(&lines)
        {
            tracing::warn!("{}: digests are not remembered: {error}", self.path.display());
        }
        digests.into_iter().map(|digest| digest.map(|(digest, _)| digest)).collect()
    }

    /// A file's digest, and the line to remember when it is new.
    fn of(&self, file: &Path) -> Result<(blake3::Hash, Option<String>), DataError> {
        let io = |source| DataError::Io { path: file.to_owned(), source };
        let absolute = std::path::absolute(file).map_err(io)?;
        if let Some((known, digest)) = self.known.get(&absolute)
            && *known == Stamp::of(&fs::metadata(file).map_err(io)?)
        {
            return Ok((*digest, None));
        }
        let handle = File::open(file).map_err(io)?;
        let stamp = Stamp::of(&handle.metadata().map_err(io)?);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(handle).map_err(io)?;
        let digest = hasher.finalize();
        let Stamp { size, modified_nanos, inode } = stamp;
        let line = absolute
            .to_str()
            .filter(|path| !path.contains(['\n', '\t']))
            .map(|path| format!("{digest}\t{size}\t{modified_nanos}\t{inode}\t{path}\n"));
        Ok((digest, line))
    }

    fn remember(&self, lines: &str) -> std::io::Result<()> {
        let _guard = self.append.lock();
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent)?;
        }
        // One write of whole lines: appends of several processes do not mix within it.
        OpenOptions::new().create(true).append(true).open(&self.path)?.write_all(lines.as_bytes())
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { size: metadata.len(), modified_nanos: modified.map_or(0, |time| time.as_nanos()), inode }
    }
}

fn parse_line(line: &str) -> Option<(PathBuf, (Stamp, blake3::Hash))> {
    let mut fields = line.splitn(5, '\t');
    let digest = blake3::Hash::from_hex(fields.next()?).ok()?;
    let size = fields.next()?.parse().ok()?;
    let modified_nanos = fields.next()?.parse().ok()?;
    let inode = fields.next()?.parse().ok()?;
    let path = PathBuf::from(fields.next()?);
    Some((path, (Stamp { size, modified_nanos, inode }, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_hashed_again_and_a_torn_memory_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let (file, memory) = (dir.path().join("a.avi"), dir.path().join("digests"));
        fs::write(&file, b"one").unwrap();
        let digest = || Digests::open(&memory).unwrap().of_all(&[&file]).remove(0).unwrap();
        assert_eq!(digest(), blake3::hash(b"one"));
        // Remembered: the second time nothing is written.
        let lines = fs::read_to_string(&memory).unwrap();
        assert_eq!(digest(), blake3::hash(b"one"));
        assert_eq!(fs::read_to_string(&memory).unwrap(), lines);

        fs::write(&file, b"two, longer").unwrap();
        assert_eq!(digest(), blake3::hash(b"two, longer"));

        let torn = fs::read_to_string(&memory).unwrap();
        fs::write(&memory, &torn[..torn.len() - 20]).unwrap();
        assert_eq!(digest(), blake3::hash(b"two, longer"));
    }

    #[test]
    fn ten_thousand_remembered_files_are_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("digests");
        let files: Vec<PathBuf> = (0..10_000).map(|file| dir.path().join(format!("{file}.avi"))).collect();
        // A memory that is wrong about every file: who reads them would find out.
        let wrong = blake3::hash(b"something else");
        let mut lines = String::new();
        for file in &files {
            fs::write(file, b"ten bytes.").unwrap();
            let Stamp { size, modified_nanos, inode } = Stamp::of(&fs::metadata(file).unwrap());
            lines.push_str(&format!("{wrong}\t{size}\t{modified_nanos}\t{inode}\t{}\n", file.display()));
        }
        fs::write(&memory, lines).unwrap();
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let started = std::time::Instant::now();
        let digests = Digests::open(&memory).unwrap().of_all(&paths);
        // Some tens of milliseconds; the bound is what a user is promised of the start of a rerun.
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
        assert!(digests.iter().all(|digest| digest.as_ref().is_ok_and(|digest| *digest == wrong)));
    }

    #[test]
    fn a_missing_file_is_an_error_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        fs::write(&there, b"x").unwrap();
        let digests = Digests::open(&dir.path().join("digests")).unwrap();
        let found = digests.of_all(&[&dir.path().join("gone"), &there]);
        assert!(found[0].as_ref().is_err_and(|error| error.to_string().contains("gone")));
        assert_eq!(*found[1].as_ref().unwrap(), blake3::hash(b"x"));
    }
}
