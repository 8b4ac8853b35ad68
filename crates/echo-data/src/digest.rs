//! Digests of video files, remembered between runs.

use std::collections::HashMap;
use std::fs::{self, Metadata, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use crate::DataError;

/// Age from which a change of a file is sure to differ in its time from any later one. Clocks of file systems tick a
/// hundred times a second or more.
const SETTLED: Duration = Duration::from_millis(100);

/// BLAKE3 digests of files, hashed once and remembered by path, size, inode and the times of the last modification and,
/// where the system has it, of the last change of any kind, which no program can set back. A file that changed just
/// before it was hashed is not remembered, as it might change once more at what counts as the same time.
///
/// The memory is a text file that any number of processes append whole lines to, each with a checksum; a line that is
/// torn, damaged or foreign is passed over, and its file hashed again.
#[derive(Debug)]
pub struct Digests {
    path: PathBuf,
    known: HashMap<PathBuf, (Stamp, blake3::Hash)>,
    settled: Duration,
    /// Serialises appends of this process.
    append: Mutex<()>,
}

/// What tells that a file is still the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified_nanos: u128,
    /// Of the last change of contents, name, owner or anything else.
    changed_nanos: u128,
    inode: u64,
}

impl Digests {
    /// Opens the memory at `path`, which need not exist yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let text = match echo_files::read_bytes(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(DataError::Io { path: path.to_owned(), source }),
        };
        let known = text.lines().filter_map(parse_line).collect();
        Ok(Self { path: path.to_owned(), known, settled: SETTLED, append: Mutex::new(()) })
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
        if file.is_dir() {
            return Ok((digest_of(file)?, None));
        }
        let absolute = std::path::absolute(file).map_err(io)?;
        if let Some((known, digest)) = self.known.get(&absolute)
            && *known == Stamp::of(&fs::metadata(file).map_err(io)?)
        {
            return Ok((*digest, None));
        }
        let now = SystemTime::now();
        let handle = echo_files::open(file).map_err(io)?;
        let stamp = Stamp::of(&handle.metadata().map_err(io)?);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(handle).map_err(io)?;
        let digest = hasher.finalize();
        let path = absolute.to_str().filter(|path| !path.contains(['\n', '\t']) && stamp.is_older(now, self.settled));
        let line = path.map(|path| line_of(&digest, &stamp, path));
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

/// The digest of a video: of a file's bytes, or of the names and bytes of a folder's numbered pictures. That of a folder is not
/// remembered, since nothing of it but its pictures tells that they are still the same.
///
/// # Errors
/// It cannot be read.
pub fn digest_of(video: &Path) -> Result<blake3::Hash, DataError> {
    let mut hasher = blake3::Hasher::new();
    let add = |path: &Path, hasher: &mut blake3::Hasher| {
        let io = |source| DataError::Io { path: path.to_owned(), source };
        echo_files::open(path).and_then(|file| hasher.update_reader(file).map(drop)).map_err(io)
    };
    if !video.is_dir() {
        add(video, &mut hasher)?;
        return Ok(hasher.finalize());
    }
    for picture in echo_video::pictures(video).map_err(DataError::Video)? {
        let mut own = blake3::Hasher::new();
        add(&picture, &mut own)?;
        hasher.update(own.finalize().as_bytes());
        hasher.update(picture.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update(&[0]);
    }
    Ok(hasher.finalize())
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_nanos = modified.map_or(0, |time| time.as_nanos());
        #[cfg(unix)]
        let (inode, changed_nanos) = {
            use std::os::unix::fs::MetadataExt;
            let seconds = u128::try_from(metadata.ctime()).unwrap_or(0);
            (metadata.ino(), seconds * 1_000_000_000 + u128::try_from(metadata.ctime_nsec()).unwrap_or(0))
        };
        #[cfg(not(unix))]
        let (inode, changed_nanos) = (0, modified_nanos);
        Self { size: metadata.len(), modified_nanos, changed_nanos, inode }
    }

    /// Whether the last change lies at least `age` before `now`.
    fn is_older(&self, now: SystemTime, age: Duration) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        self.changed_nanos + age.as_nanos() <= now
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, modified_nanos, changed_nanos, inode } = self;
        write!(f, "{size}\t{modified_nanos}\t{changed_nanos}\t{inode}")
    }
}

fn line_of(digest: &blake3::Hash, stamp: &Stamp, path: &str) -> String {
    let line = format!("{digest}\t{stamp}\t{path}");
    format!("{}\t{line}\n", checksum(&line))
}

/// What tells a line from one in which a digit has changed.
fn checksum(line: &str) -> String {
    blake3::hash(line.as_bytes()).to_hex()[..16].to_owned()
}

fn parse_line(line: &str) -> Option<(PathBuf, (Stamp, blake3::Hash))> {
    let (found, line) = line.split_once('\t')?;
    if found != checksum(line) {
        return None;
    }
    let mut fields = line.splitn(6, '\t');
    let digest = blake3::Hash::from_hex(fields.next()?).ok()?;
    let size = fields.next()?.parse().ok()?;
    let modified_nanos = fields.next()?.parse().ok()?;
    let changed_nanos = fields.next()?.parse().ok()?;
    let inode = fields.next()?.parse().ok()?;
    let path = PathBuf::from(fields.next()?);
    Some((path, (Stamp { size, modified_nanos, changed_nanos, inode }, digest)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_changed_file_is_hashed_again_and_a_torn_memory_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let (file, memory) = (dir.path().join("a.avi"), dir.path().join("digests"));
        fs::write(&file, b"one").unwrap();
        let digest = || {
            let digests = Digests { settled: Duration::ZERO, ..Digests::open(&memory).unwrap() };
            digests.of_all(&[&file]).remove(0).unwrap()
        };
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

        // One wrong digit, wherever it is: nothing else may be taken for the file's digest.
        let whole = fs::read_to_string(&memory).unwrap().lines().last().unwrap().to_owned() + "\n";
        for place in (0..whole.len()).filter(|&place| whole.as_bytes()[place].is_ascii_alphanumeric()) {
            let mut damaged = whole.clone().into_bytes();
            damaged[place] = if damaged[place] == b'3' { b'4' } else { b'3' };
            fs::write(&memory, damaged).unwrap();
            assert_eq!(digest(), blake3::hash(b"two, longer"), "byte {place}");
        }
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
            let stamp = Stamp::of(&fs::metadata(file).unwrap());
            lines.push_str(&line_of(&wrong, &stamp, file.to_str().unwrap()));
        }
        fs::write(&memory, lines).unwrap();
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let started = std::time::Instant::now();
        let digests = Digests::open(&memory).unwrap().of_all(&paths);
        // Some tens of milliseconds; the bound is what a user is promised of the start of a rerun.
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
        assert!(digests.iter().all(|digest| digest.as_ref().is_ok_and(|digest| *digest == wrong)));
    }

    /// Size and time of modification are what a user can give a file; neither makes it the one that was hashed.
    #[test]
    #[cfg(unix)]
    fn other_bytes_of_the_same_size_and_time_are_hashed_again() {
        let dir = tempfile::tempdir().unwrap();
        let (file, memory) = (dir.path().join("a.avi"), dir.path().join("digests"));
        let digest = || Digests::open(&memory).unwrap().of_all(&[&file]).remove(0).unwrap();
        let write = |bytes: &[u8], time: SystemTime| {
            fs::write(&file, bytes).unwrap();
            File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        };
        let time = SystemTime::now() - Duration::from_secs(1000);
        write(b"one", time);
        assert_eq!(digest(), blake3::hash(b"one"));
        assert!(!memory.exists(), "it changed just now, and may change again at the same time");
        std::thread::sleep(2 * SETTLED);
        assert_eq!(digest(), blake3::hash(b"one"));
        assert!(memory.exists());
        // In its place, and by another file that takes its name.
        write(b"two", time);
        assert_eq!(digest(), blake3::hash(b"two"));
        std::thread::sleep(2 * SETTLED);
        assert_eq!(digest(), blake3::hash(b"two"));
        let other = dir.path().join("b.avi");
        fs::write(&other, b"six").unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(digest(), blake3::hash(b"six"));
    }

    /// Changes that follow each other at once, in the same tick of the file system's clock or not.
    #[test]
    fn a_file_that_keeps_changing_is_never_mistaken() {
        let dir = tempfile::tempdir().unwrap();
        let (file, memory) = (dir.path().join("a.avi"), dir.path().join("digests"));
        for round in 100..400 {
            let bytes = format!("round {round}");
            fs::write(&file, &bytes).unwrap();
            let digests = Digests::open(&memory).unwrap();
            assert_eq!(digests.of_all(&[&file]).remove(0).unwrap(), blake3::hash(bytes.as_bytes()));
        }
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
