//! Who runs a cell when several processes work on one output folder: whoever holds the lock on its file. The system
//! takes a lock back from a process that dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::BenchError;

/// Ending of the files' names.
const EXTENSION: &str = "lock";

/// A cell that this process runs; dropping it lets others have it.
#[derive(Debug)]
pub(crate) struct CellLock {
    path: PathBuf,
    /// Keeps the lock as long as it is open.
    _file: File,
}

impl CellLock {
    /// Claims the cell of the lock file `path`; nothing while someone else has it, in this process or in another.
    ///
    /// # Errors
    /// The file cannot be made or locked. On a file system without locks, as some network drives are, it is claimed
    /// all the same, with a warning: a single process needs none.
    pub(crate) fn claim(path: &Path) -> Result<Option<Self>, BenchError> {
        loop {
            match Self::take(open(path)?, path)? {
                Taken::Held(lock) => return Ok(Some(lock)),
                Taken::Busy => return Ok(None),
                Taken::Gone => {}
            }
        }
    }

    /// Locks the file that was opened at `path`.
    fn take(file: File, path: &Path) -> Result<Taken, BenchError> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Taken::Busy),
            Err(TryLockError::Error(error)) => without_locks(error, path).map_err(BenchError::io(path))?,
        }
        // The last holder removes the file while it holds it. Who opened the file before that and got its lock after it
        // holds a file that nobody else will ever find: that is no claim, and the next file is tried.
        match is_at(&file, path) {
            true => Ok(Taken::Held(Self { path: path.to_owned(), _file: file })),
            false => Ok(Taken::Gone),
        }
    }
}

/// What became of locking a file.
#[derive(Debug)]
enum Taken {
    Held(CellLock),
    /// Someone else has it.
    Busy,
    /// It is no longer where it was.
    Gone,
}

fn open(path: &Path) -> Result<File, BenchError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).open(path).map_err(BenchError::io(path))
}

impl Drop for CellLock {
    fn drop(&mut self) {
        // Before the lock goes, see above. Without inodes to tell one file from the next the file has to stay.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the lock files in `folder` that nobody holds: a process that was killed leaves its own.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn remove_left(folder: &Path) -> Result<(), BenchError> {
    for entry in std::fs::read_dir(folder).map_err(BenchError::io(folder))? {
        let path = entry.map_err(BenchError::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            drop(CellLock::claim(&path)?);
        }
    }
    Ok(())
}

/// The lock file of the cell `key` in `folder`.
pub(crate) fn lock_file(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.{EXTENSION}"))
}

/// Passes over the error of a file system that has no locks, after a warning.
pub(crate) fn without_locks(error: std::io::Error, path: &Path) -> std::io::Result<()> {
    static WARNED: Once = Once::new();
    /// ENOLCK on Linux: no locks are left, or the server of a network drive has none.
    const NO_LOCKS: i32 = 37;
    let is_without =
        error.kind() == ErrorKind::Unsupported || (cfg!(target_os = "linux") && error.raw_os_error() == Some(NO_LOCKS));
    if !is_without {
        return Err(error);
    }
    WARNED.call_once(|| {
        let folder = path.parent().unwrap_or(path).display();
        eprintln!(
            "{folder}: the file system has no locks ({error}); run only one process at a time on this folder, or cells \
             run twice"
        );
    });
    Ok(())
}

/// Whether `path` still names `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|file| std::fs::metadata(path).is_ok_and(|there| same(file, there)))
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    // Files stay, so there is only ever one.
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_cell_has_one_holder_and_its_file_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let held = CellLock::claim(&path).unwrap().unwrap();
        assert!(CellLock::claim(&path).unwrap().is_none());
        assert!(CellLock::claim(&lock_file(dir.path(), "other")).unwrap().is_some());
        remove_left(dir.path()).unwrap();
        assert!(path.exists(), "it is held");
        drop(held);
        assert_eq!(path.exists(), !cfg!(unix));
        assert!(CellLock::claim(&path).unwrap().is_some());

        // What a killed process leaves is in nobody's way.
        File::create(&path).unwrap();
        assert!(CellLock::claim(&path).unwrap().is_some());
        File::create(&path).unwrap();
        std::fs::write(dir.path().join("key.csv"), "").unwrap();
        remove_left(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), if cfg!(unix) { 1 } else { 3 });
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_was_removed_between_opening_and_locking_is_no_claim() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let held = CellLock::claim(&path).unwrap().unwrap();
        let [early, late] = [open(&path).unwrap(), open(&path).unwrap()];
        assert!(matches!(CellLock::take(early.try_clone().unwrap(), &path), Ok(Taken::Busy)));
        drop(held);
        assert!(matches!(CellLock::take(early, &path), Ok(Taken::Gone)));
        let _next = CellLock::claim(&path).unwrap().unwrap();
        assert!(matches!(CellLock::take(late, &path), Ok(Taken::Gone)));
    }

    /// The same by chance, from several threads at once.
    #[test]
    fn removing_the_file_never_lets_two_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let (inside, entered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Some(lock) = CellLock::claim(&path).unwrap() {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                            entered.fetch_add(1, Ordering::SeqCst);
                            // Time for another to come in.
                            std::thread::sleep(std::time::Duration::from_micros(100));
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
        assert!(entered.into_inner() > 100);
    }

    #[test]
    fn a_file_system_without_locks_is_warned_of_and_other_errors_are_errors() {
        let path = Path::new("runs/cells/key.lock");
        assert!(without_locks(ErrorKind::Unsupported.into(), path).is_ok());
        assert!(without_locks(ErrorKind::PermissionDenied.into(), path).is_err());
        #[cfg(target_os = "linux")]
        assert!(without_locks(std::io::Error::from_raw_os_error(37), path).is_ok());
    }
}
