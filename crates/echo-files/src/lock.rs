//! Who does a piece of work that several processes could do: whoever holds the lock on its file. The system takes a lock
//! back from a process that dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use crate::say;

/// Ending of the files' names.
const EXTENSION: &str = "lock";

/// Time between two looks at what another process holds.
const POLL: Duration = Duration::from_millis(100);

/// How often a lock's file may have gone when it is held: whoever held it before has removed it, which does not happen for long.
const TRIES: usize = 1000;

/// A piece of work that this process does; dropping it lets others have it.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// Keeps the lock as long as it is open.
    _file: File,
}

impl FileLock {
    /// Claims the lock file `path`; nothing while someone else has it, in this process or in another.
    ///
    /// # Errors
    /// The file cannot be made or locked. On a file system without locks, as some network drives are, it is claimed
    /// all the same, with a warning: a single process needs none.
    pub fn claim(path: &Path) -> Result<Option<Self>, Error> {
        for _ in 0..TRIES {
            match Self::take(open(path)?, path)? {
                Taken::Held(lock) => return Ok(Some(lock)),
                Taken::Busy => return Ok(None),
                Taken::Gone => {}
            }
        }
        Err(Error::other("the lock's file goes away as soon as it is made"))
    }

    /// Claims the lock file `path`, after waiting for whoever has it; `on_wait` is called before the first wait.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub fn wait(path: &Path, on_wait: impl FnOnce()) -> Result<Self, Error> {
        let mut on_wait = Some(on_wait);
        loop {
            if let Some(lock) = Self::claim(path)? {
                return Ok(lock);
            }
            if let Some(on_wait) = on_wait.take() {
                on_wait();
            }
            std::thread::sleep(POLL);
        }
    }

    /// Locks the file that was opened at `path`.
    fn take(file: File, path: &Path) -> Result<Taken, Error> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Taken::Busy),
            Err(TryLockError::Error(error)) => without_locks(error, path)?,
        }
        // The last holder removes the file while it holds it. Who opened the file before that and got its lock after it
        // holds a file that nobody else will ever find: that is no claim, and the next file is tried.
        match is_at(&file, path)? {
            true => Ok(Taken::Held(Self { path: path.to_owned(), _file: file })),
            false => Ok(Taken::Gone),
        }
    }
}

/// What became of locking a file.
#[derive(Debug)]
enum Taken {
    Held(FileLock),
    /// Someone else has it.
    Busy,
    /// It is no longer where it was.
    Gone,
}

fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).open(path)
}

impl Drop for FileLock {
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
pub fn remove_left_locks(folder: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            drop(FileLock::claim(&path)?);
        }
    }
    Ok(())
}

/// The lock file of the work `key` in `folder`.
pub fn lock_file(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.{EXTENSION}"))
}

/// Passes over the error of a file system that has no locks, after a warning.
///
/// # Errors
/// Any other error is handed back.
pub fn without_locks(error: std::io::Error, path: &Path) -> std::io::Result<()> {
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
        say(&format!(
            "{folder}: the file system has no locks ({error}); run only one process at a time on this folder"
        ));
    });
    Ok(())
}

/// Whether `path` still names `file`.
///
/// # Errors
/// The system does not say.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> Result<bool, Error> {
    use std::os::unix::fs::MetadataExt;
    let [held, there] = [file.metadata(), std::fs::metadata(path)];
    match (held, there) {
        (Ok(held), Ok(there)) => Ok((held.dev(), held.ino()) == (there.dev(), there.ino())),
        // What another machine has removed from a network drive is a stale handle.
        (Err(error), _) | (_, Err(error)) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle => Ok(false),
            _ => Err(error),
        },
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> Result<bool, Error> {
    // Files stay, so there is only ever one.
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_lock_has_one_holder_and_its_file_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let held = FileLock::claim(&path).unwrap().unwrap();
        assert!(FileLock::claim(&path).unwrap().is_none());
        assert!(FileLock::claim(&lock_file(dir.path(), "other")).unwrap().is_some());
        remove_left_locks(dir.path()).unwrap();
        assert!(path.exists(), "it is held");
        drop(held);
        assert_eq!(path.exists(), !cfg!(unix));
        assert!(FileLock::claim(&path).unwrap().is_some());

        // What a killed process leaves is in nobody's way.
        File::create(&path).unwrap();
        assert!(FileLock::claim(&path).unwrap().is_some());
        File::create(&path).unwrap();
        std::fs::write(dir.path().join("key.csv"), "").unwrap();
        remove_left_locks(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), if cfg!(unix) { 1 } else { 3 });
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_was_removed_between_opening_and_locking_is_no_claim() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let held = FileLock::claim(&path).unwrap().unwrap();
        let [early, late] = [open(&path).unwrap(), open(&path).unwrap()];
        assert!(matches!(FileLock::take(early.try_clone().unwrap(), &path), Ok(Taken::Busy)));
        drop(held);
        assert!(matches!(FileLock::take(early, &path), Ok(Taken::Gone)));
        let _next = FileLock::claim(&path).unwrap().unwrap();
        assert!(matches!(FileLock::take(late, &path), Ok(Taken::Gone)));
    }

    /// The same by chance, from several threads at once.
    #[test]
    fn removing_the_file_never_lets_two_in() {
        const ENTRIES: usize = 500;
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let (inside, entered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // By entries, not by tries: those run out while one holder sleeps on a busy machine.
                    while entered.load(Ordering::SeqCst) < ENTRIES {
                        if let Some(lock) = FileLock::claim(&path).unwrap() {
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
        assert!(entered.into_inner() >= ENTRIES);
    }

    #[test]
    fn who_waits_is_told_so_and_comes_after_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_file(dir.path(), "key");
        let held = FileLock::claim(&path).unwrap().unwrap();
        let (waits, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| FileLock::wait(&path, move || waits.send(()).unwrap()).unwrap());
            told.recv().unwrap();
            assert!(!waiting.is_finished());
            drop(held);
            drop(waiting.join().unwrap());
        });
        FileLock::wait(&path, || panic!("nobody has it")).unwrap();
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
