//! What files are called where others may read it: where someone keeps patients' videos is nobody else's business.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// What each absolute path of these is called: by as many of its last parts as tell it from the others and from the relative
/// ones, which are names as they are. One that nothing tells from a relative one keeps its whole name.
pub fn short_names<'a>(paths: impl IntoIterator<Item = &'a Path>) -> HashMap<&'a Path, PathBuf> {
    let (absolute, relative): (HashSet<&Path>, HashSet<&Path>) = paths.into_iter().partition(|path| path.is_absolute());
    let mut left: Vec<&Path> = absolute.into_iter().collect();
    let mut called = HashMap::with_capacity(left.len());
    let mut parts = 0;
    while !left.is_empty() {
        parts += 1;
        let mut counts: HashMap<PathBuf, usize> = HashMap::new();
        left.iter().for_each(|path| *counts.entry(end(path, parts)).or_default() += 1);
        left.retain(|path| {
            let short = end(path, parts);
            let is_taken = relative.contains(short.as_path()) || counts[&short] > 1;
            let is_whole = parts >= path.components().count();
            if is_taken && !is_whole {
                return true;
            }
            called.insert(*path, if is_taken { path.to_path_buf() } else { short });
            false
        });
    }
    called
}

/// The last parts of a path, at most so many, without its root.
fn end(path: &Path, parts: usize) -> PathBuf {
    let all: Vec<_> = path.components().skip(1).collect();
    all[all.len().saturating_sub(parts)..].iter().collect()
}

/// A path for others: of one that says who keeps what where, the last name alone.
pub fn path_for_others(path: &Path) -> PathBuf {
    let leads_out = path.is_absolute() || path.components().any(|part| part == Component::ParentDir);
    if leads_out { PathBuf::from(last_name(path)) } else { path.to_owned() }
}

/// The last name of a path, as text. The folder that one is in has a name, too.
pub fn last_name(path: &Path) -> String {
    let whole = || path.canonicalize().ok();
    let name = path.file_name().map(ToOwned::to_owned).or_else(|| Some(whole()?.file_name()?.to_owned()));
    name.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn absolute_paths_are_called_by_their_ends() {
        let paths = ["/home/jane/s1/a", "/home/jane/s2/a", "/home/jane/s2/b", "c", "/home/jane/c", "/d", "x/y", "/x/y"];
        let called = short_names(paths.iter().map(Path::new));
        let of = |path: &str| called.get(Path::new(path)).map(|called| called.to_str().unwrap());
        let expected = [Some("s1/a"), Some("s2/a"), Some("b"), None, Some("jane/c"), Some("d"), None, Some("y")];
        assert_eq!(paths.map(of), expected);
        let whole = ["/x/y", "y", "x/y"].map(Path::new);
        assert_eq!(short_names(whole)[whole[0]], whole[0]);
        assert_eq!(short_names([whole[0], whole[0]])[whole[0]], Path::new("y"), "listed twice");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_lead_out_of_the_folder_are_called_by_their_last_names() {
        for (path, called) in [("/home/jane/data", "data"), ("../jane/data", "data"), ("some/data", "some/data")] {
            assert_eq!(path_for_others(Path::new(path)), Path::new(called));
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            [".", "/"].map(|path| last_name(Path::new(path))),
            [here.file_name().unwrap().to_str().unwrap(), ""]
        );
        assert_eq!(path_for_others(Path::new("..")), here.parent().unwrap().file_name().unwrap());
    }
}
