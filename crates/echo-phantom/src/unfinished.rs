//! A folder under construction.

use std::fs;
use std::path::{Path, PathBuf};

use echo_files::{FileLock, lock_file};

use crate::PhantomError;

/// Between the name of the folder and what tells it from what a killed process left.
const UNFINISHED: &str = ".unfinished-";

/// A folder that disappears unless it is finished. One process at a time makes it.
pub(crate) struct Unfinished {
    pub path: PathBuf,
    finished: bool,
    /// Whoever holds it knows that every other unfinished folder of this name was left by a process that was killed.
    _lock: FileLock,
}

impl Unfinished {
    /// A new folder beside `out`, on the same file system so that it can be renamed. Waits for another process that makes
    /// the same folder, and then says that it is there.
    pub fn beside(out: &Path) -> Result<Self, PhantomError> {
        let name = out.file_name().ok_or_else(|| PhantomError::NotAFolder(out.to_owned()))?.to_string_lossy();
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(PhantomError::io(parent))?;
        let lock = lock_file(parent, &format!(".{name}"));
        let mut waited = false;
        let on_wait = || {
            waited = true;
            echo_files::say(&format!("{}: another process makes it; waiting", out.display()));
        };
        let lock = FileLock::wait(&lock, on_wait).map_err(PhantomError::io(&lock))?;
        check_vacant(out).map_err(|error| match error {
            PhantomError::NotEmpty(out) if waited => PhantomError::MadeMeanwhile(out),
            error => error,
        })?;
        let prefix = format!(".{name}{UNFINISHED}");
        remove_left(parent, &prefix)?;
        // Somebody else's, in a folder that is shared, may be theirs alone to remove.
        let _ = remove_unfinished(parent);
        let path = parent.join(format!("{prefix}{}", std::process::id()));
        fs::create_dir_all(&path).map_err(PhantomError::io(&path))?;
        Ok(Self { path, finished: false, _lock: lock })
    }

    pub fn finish(mut self, out: &Path) -> Result<(), PhantomError> {
        // An empty folder may be in the place; one that has been filled meanwhile may not be replaced.
        match fs::remove_dir(out) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                return Err(PhantomError::NotEmpty(out.to_owned()));
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(PhantomError::io(out)(error)),
            _ => {}
        }
        fs::rename(&self.path, out).map_err(PhantomError::io(out))?;
        self.finished = true;
        Ok(())
    }
}

fn check_vacant(out: &Path) -> Result<(), PhantomError> {
    match fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(PhantomError::NotEmpty(out.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(PhantomError::NotAFolder(out.to_owned()))
        }
        Err(error) => Err(PhantomError::io(out)(error)),
    }
}

/// Removes what processes that were killed left in `folder` under names that begin with `prefix`.
fn remove_left(folder: &Path, prefix: &str) -> Result<(), PhantomError> {
    for entry in fs::read_dir(folder).map_err(PhantomError::io(folder))? {
        let entry = entry.map_err(PhantomError::io(folder))?;
        let is_left = entry.file_name().to_string_lossy().starts_with(prefix);
        if is_left && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(entry.path()).map_err(PhantomError::io(&entry.path()))?;
        }
    }
    Ok(())
}

/// Removes the folders in `folder` that processes began and, since they were killed, did not finish.
fn remove_unfinished(folder: &Path) -> Result<(), PhantomError> {
    for entry in fs::read_dir(folder).map_err(PhantomError::io(folder))? {
        let name = entry.map_err(PhantomError::io(folder))?.file_name();
        let name = name.to_string_lossy();
        let Some((of, _)) = name.split_once(UNFINISHED).filter(|_| name.starts_with('.')) else { continue };
        let lock = lock_file(folder, of);
        // Someone is at it.
        let Some(_lock) = FileLock::claim(&lock).map_err(PhantomError::io(&lock))? else { continue };
        remove_left(folder, &format!("{of}{UNFINISHED}"))?;
    }
    Ok(())
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done about a failure here; whoever makes the folder next removes it.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A folder without a holder, as a kill leaves it.
    fn leave(folder: &Path, name: &str) {
        let path = folder.join(format!(".{name}.unfinished-1"));
        fs::create_dir_all(path.join("Videos")).unwrap();
        fs::write(path.join("Videos/a.avi"), "half").unwrap();
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_being_made_stays() {
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path(), "a");
        leave(dir.path(), "b");
        leave(dir.path(), "c");
        fs::create_dir(dir.path().join("mine.unfinished-1")).unwrap();
        let of = |name: &str| format!(".{name}.unfinished-{}", std::process::id());
        let held = Unfinished::beside(&dir.path().join("a")).unwrap();
        assert_eq!(names(dir.path()), [".a.lock", of("a").as_str(), "mine.unfinished-1"]);
        drop(Unfinished::beside(&dir.path().join("b")).unwrap());
        assert_eq!(names(dir.path())[..2], [".a.lock".to_owned(), of("a")], "someone is at it");
        drop(held);
        assert!(names(dir.path()).iter().all(|name| name == "mine.unfinished-1" || name.ends_with(".lock")));
    }

    #[test]
    fn of_two_that_make_the_same_folder_one_makes_it_and_the_other_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("set");
        // All are there before the first is finished, so that the others wait for it.
        let begun = std::sync::Barrier::new(3);
        let make = || {
            begun.wait();
            let folder = Unfinished::beside(&out)?;
            fs::write(folder.path.join("FileList.csv"), "made").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(200));
            folder.finish(&out)
        };
        let outcomes: Vec<Result<(), PhantomError>> = std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(make));
            threads.map(|thread| thread.join().unwrap()).into_iter().collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert!(
            outcomes
                .iter()
                .flat_map(|outcome| outcome.as_ref().err())
                .all(|e| matches!(e, PhantomError::MadeMeanwhile(_)))
        );
        assert!(matches!(Unfinished::beside(&out), Err(PhantomError::NotEmpty(_))), "nobody was waited for");
        assert_eq!(fs::read_to_string(out.join("FileList.csv")).unwrap(), "made");
    }
}
