//! What videos are called in results: where someone keeps patients' videos is nobody else's business (docs/privacy.md).

use std::path::{Path, PathBuf};

/// Names of files that a user named, or that lie in folders that a user named.
///
/// Relative paths are names as they are. Of an absolute one, what lies before its last part is left away, and what lies below it
/// stays: `/home/jane/Videos` has `Videos/a.avi`. Where several end alike, as much stays as tells them apart.
#[derive(Debug)]
pub(crate) struct Names {
    /// Absolute paths, and what each is called.
    known: Vec<(PathBuf, PathBuf)>,
}

impl Names {
    pub(crate) fn of(named: &[PathBuf]) -> Self {
        let mut paths: Vec<&PathBuf> = named.iter().filter(|path| path.is_absolute()).collect();
        paths.sort();
        paths.dedup();
        let end = |path: &Path, parts: usize| -> PathBuf {
            let all: Vec<_> = path.iter().skip(1).collect();
            all[all.len().saturating_sub(parts)..].iter().collect()
        };
        let called = |path: &&PathBuf| {
            let differs = |parts: &usize| {
                let own = end(path, *parts);
                paths.iter().filter(|other| end(other, *parts) == own).count() == 1
            };
            // Different paths have different ends at the latest where they are whole.
            let parts = (1..=path.components().count()).find(differs).unwrap_or(usize::MAX);
            ((*path).clone(), end(path, parts))
        };
        Self { known: paths.iter().map(called).collect() }
    }

    /// The name of a file, or of a folder.
    pub(crate) fn name(&self, path: &Path) -> String {
        // The innermost: a folder and one below it may both be named.
        let inside = self.known.iter().filter_map(|(named, called)| Some((path.strip_prefix(named).ok()?, called)));
        let below = inside.min_by_key(|(below, _)| below.components().count());
        match below {
            Some((below, called)) if below.as_os_str().is_empty() => called.display().to_string(),
            Some((below, called)) => called.join(below).display().to_string(),
            None => path.display().to_string(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn names(named: &[&str], paths: &[&str]) -> Vec<String> {
        let names = Names::of(&named.iter().map(PathBuf::from).collect::<Vec<_>>());
        paths.iter().map(|path| names.name(Path::new(path))).collect()
    }

    #[test]
    fn names_end_where_the_user_s_folders_begin() {
        assert_eq!(names(&["/home/jane/Videos"], &["/home/jane/Videos/p/a.avi"]), ["Videos/p/a.avi"]);
        assert_eq!(names(&["/home/jane/a.avi"], &["/home/jane/a.avi"]), ["a.avi"]);
        let relative = ["Videos/a.avi", "./b.avi"];
        assert_eq!(names(&["Videos", "./b.avi"], &relative), relative);
        assert_eq!(names(&["/a/Videos", "/a/Videos/b"], &["/a/Videos/b/c.avi"]), ["b/c.avi"]);
    }

    #[test]
    fn files_that_end_alike_are_told_apart_and_one_that_is_there_twice_is_one() {
        let files = ["/home/jane/s1/a.avi", "/home/jane/s2/a.avi", "/home/jane/s2/b.avi"];
        assert_eq!(names(&files, &files), ["s1/a.avi", "s2/a.avi", "b.avi"]);
        assert_eq!(names(&["/home/a.avi", "/home/a.avi"], &["/home/a.avi"]), ["a.avi"]);
        assert_eq!(names(&["/home/a.avi", "/a.avi"], &["/home/a.avi", "/a.avi"]), ["home/a.avi", "a.avi"]);
    }
}
