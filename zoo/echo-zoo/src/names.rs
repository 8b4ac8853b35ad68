//! What videos are called in results: where someone keeps patients' videos is nobody else's business (docs/privacy.md).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use echo_files::short_names;

/// Names of files that a user named, or that lie in folders that a user named.
///
/// Relative paths are names as they are. Of an absolute one, what lies before its last part is left away, and what lies below it
/// stays: `/home/jane/Videos` has `Videos/a.avi`. Where several end alike, as much stays as tells them apart.
#[derive(Debug)]
pub(crate) struct Names {
    /// Absolute paths, and what each is called.
    known: HashMap<PathBuf, PathBuf>,
}

impl Names {
    pub(crate) fn of(named: &[PathBuf]) -> Self {
        let called = short_names(named.iter().map(PathBuf::as_path)).into_iter();
        Self { known: called.map(|(path, called)| (path.to_owned(), called)).collect() }
    }

    /// The name of a file, or of a folder.
    pub(crate) fn name(&self, path: &Path) -> String {
        // The innermost: a folder and one below it may both be named.
        let inside = path.ancestors().find_map(|named| Some((path.strip_prefix(named).ok()?, self.known.get(named)?)));
        match inside {
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
