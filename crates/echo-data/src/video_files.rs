//! Finding the files that a table lists.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use echo_files::excerpt;

use crate::DataError;
use crate::spelling::{is_same_but_for_folders, plain};
use crate::table::without_extension;

/// Files that a message names of many.
const SHOWN: usize = 3;

/// A file that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Whether it is spelt as it is listed.
    pub(crate) exact: bool,
}

/// The files of a folder. Each folder is read once, since a look-up per video is slow on the network drives that such
/// data lives on.
pub(crate) struct VideoFiles<'a> {
    folder: &'a Path,
    extension: Option<&'a str>,
    /// Videos are folders of pictures.
    pictures: bool,
    /// By folder below `folder`, then by name: without the extension where the description names one, else with and
    /// without.
    read: HashMap<String, HashMap<String, Vec<PathBuf>>>,
    /// All files below `folder` by the last part of their plain path, as under `read`; made when a file is not found.
    plain: Option<PlainPaths>,
}

/// Paths by the last part of their plain spelling, with all of it.
type PlainPaths = HashMap<String, Vec<(String, PathBuf)>>;

impl<'a> VideoFiles<'a> {
    pub(crate) fn open(folder: &'a Path, extension: Option<&'a str>, pictures: bool) -> Result<Self, DataError> {
        fs::read_dir(folder).map_err(|source| DataError::Io { path: folder.to_owned(), source })?;
        let extension = extension.map(|extension| extension.trim_start_matches('.'));
        Ok(Self { folder, extension, pictures, read: HashMap::new(), plain: None })
    }

    pub(crate) fn without_extension<'n>(&self, name: &'n str) -> &'n str {
        self.extension.and_then(|extension| without_extension(name, extension)).unwrap_or(name)
    }

    /// The path that is tried for `below`.
    pub(crate) fn tried(&self, below: &str) -> PathBuf {
        match self.extension {
            Some(extension) => self.folder.join(format!("{}.{extension}", self.without_extension(below))),
            None => self.folder.join(below),
        }
    }

    /// The file at `below`, if it is there; else the only one whose path differs in no more than folders before it, the
    /// kind of slashes, capitals and how accents are composed. A reason when `below` is no place in the folder.
    pub(crate) fn find(&mut self, below: &str) -> Result<Option<Found>, String> {
        let (parent, name) = below.rsplit_once('/').unwrap_or(("", below));
        if below.split(['/', '\\']).any(|part| part == "..") {
            return Err(format!("{:?} is not in the folder {}", excerpt(below), self.folder.display()));
        }
        // A path from the root is one with too many folders before it.
        if !Path::new(below).is_absolute() {
            if !self.read.contains_key(parent) {
                let folder = self.folder.join(parent);
                let files = self.list(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
                self.read.insert(parent.to_owned(), files);
            }
            let found = self.read[parent].get(self.without_extension(name));
            if let Some(path) = only(found.into_iter().flatten().collect())? {
                return Ok(Some(Found { path, exact: true }));
            }
        }
        // What lies below a folder of pictures are pictures.
        if self.pictures {
            return Ok(None);
        }
        let below = plain(self.without_extension(below));
        let last = below.rsplit('/').next().unwrap_or_default();
        let near = self.plain()?.get(last).into_iter().flatten();
        let same: Vec<&PathBuf> =
            near.filter(|(path, _)| is_same_but_for_folders(path, &below)).map(|(_, path)| path).collect();
        Ok(only(same)?.map(|path| Found { path, exact: false }))
    }

    /// The files of one folder; none where there is no such folder.
    fn list(&self, folder: &Path) -> io::Result<HashMap<String, Vec<PathBuf>>> {
        let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(files),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            // A link to a folder of pictures is one too.
            if entry.file_type()?.is_dir() != self.pictures && !(self.pictures && entry.path().is_dir()) {
                continue;
            }
            for name in self.names_of(file_name) {
                files.entry(name.to_owned()).or_default().push(entry.path());
            }
        }
        Ok(files)
    }

    /// The names by which a file may be listed.
    fn names_of<'n>(&self, file_name: &'n str) -> impl Iterator<Item = &'n str> {
        let names = match self.extension {
            Some(extension) => [without_extension(file_name, extension), None],
            None => [Some(file_name), file_name.rsplit_once('.').map(|(stem, _)| stem)],
        };
        names.into_iter().flatten()
    }

    fn plain(&mut self) -> Result<&PlainPaths, String> {
        if self.plain.is_none() {
            let mut files = PlainPaths::new();
            let found = files_below(self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
            for path in found {
                let below = path.strip_prefix(self.folder).unwrap_or(&path);
                let parent = below.parent().and_then(Path::to_str);
                let (Some(parent), Some(name)) = (parent, below.file_name().and_then(|name| name.to_str())) else {
                    continue;
                };
                for name in self.names_of(name) {
                    let whole = plain(&format!("{parent}/{name}"));
                    let last = whole.rsplit('/').next().unwrap_or_default().to_owned();
                    files.entry(last).or_default().push((whole, path.clone()));
                }
            }
            self.plain = Some(files);
        }
        Ok(self.plain.get_or_insert_default())
    }
}

/// The path, where there is one.
fn only(paths: Vec<&PathBuf>) -> Result<Option<PathBuf>, String> {
    match paths[..] {
        [] => Ok(None),
        [path] => Ok(Some(path.clone())),
        _ => {
            let mut names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            names.sort();
            let count = names.len();
            names.truncate(SHOWN);
            Err(format!(
                "which of {count} files is meant? {}; give `videos.extension`, or their folders in the table",
                names.join(", ")
            ))
        }
    }
}

/// All files below a folder, by name. Hidden files and folders are left out: copies of Macs (`._a.avi`), checkpoints of
/// notebooks. Links to folders are followed, but no folder is read twice.
///
/// # Errors
/// A folder cannot be read.
pub fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(folder, &mut HashSet::new(), &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !seen.insert(folder.canonicalize()?) {
        return Ok(());
    }
    let mut entries: Vec<DirEntry> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // Of what a link leads to; a broken link is left to whoever opens it.
        match fs::metadata(&path).map(|found| found.is_dir()) {
            Ok(true) => walk(&path, seen, files)?,
            Err(error) if echo_files::is_of_machine(&error) => return Err(error),
            _ => files.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        dir
    }

    #[test]
    fn a_file_is_found_in_other_spellings_and_the_exact_one_goes_first() {
        let dir =
            folder(&["a.avi", "A.avi", "sub/Jos\u{e9}.AVI", "p1/x.avi", "p2/x.avi", "._b.avi", " led, \"by\"  .avi"]);
        let mut files = VideoFiles::open(dir.path(), Some("avi"), false).unwrap();
        let mut found = |below: &str| {
            files.find(below).map(|found| {
                found.map(|found| (found.path.strip_prefix(dir.path()).unwrap().display().to_string(), found.exact))
            })
        };
        let at = |path: &str, exact: bool| Ok(Some((path.to_owned(), exact)));
        assert_eq!(found("a.avi"), at("a.avi", true));
        assert_eq!(found("A"), at("A.avi", true));
        assert_eq!(found("sub/Jos\u{e9}"), at("sub/Jos\u{e9}.AVI", true));
        for listed in
            ["sub\\JOSE\u{301}.avi", "jos\u{e9}", "/home/me/sub/jos\u{e9}.avi", "C:\\data\\Sub\\Jos\u{e9}.avi"]
        {
            assert_eq!(found(listed), at("sub/Jos\u{e9}.AVI", false), "{listed}");
        }
        assert_eq!(found("old/p2/x"), at("p2/x.avi", false));
        // A table's fields are read without the space around them.
        assert_eq!(found("led, \"by\""), at(" led, \"by\"  .avi", false));
        for nowhere in ["p3/x", "b", "c", "ose\u{301}"] {
            assert_eq!(found(nowhere), Ok(None), "{nowhere}");
        }
        for unclear in ["x", "videos/a"] {
            assert!(found(unclear).unwrap_err().contains("which of 2 files is meant?"), "{unclear}");
        }
        assert!(found("../a").unwrap_err().contains("is not in the folder"));
    }

    #[test]
    #[cfg(unix)]
    fn hidden_files_are_no_videos_and_linked_folders_are_followed_once() {
        let dir = folder(&["x/b.avi", "a.avi", "._a.avi", ".ipynb_checkpoints/a-checkpoint.avi", "elsewhere/c.avi"]);
        let inside = dir.path().join("x");
        std::os::unix::fs::symlink(dir.path(), inside.join("above")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), inside.join("other")).unwrap();
        let found = |from: &Path| -> Vec<String> {
            let files = files_below(from).unwrap();
            files.iter().map(|path| path.strip_prefix(from).unwrap().display().to_string()).collect()
        };
        assert_eq!(found(dir.path()), ["a.avi", "elsewhere/c.avi", "x/b.avi"]);
        assert_eq!(found(&inside), ["above/a.avi", "above/elsewhere/c.avi", "b.avi"]);
    }
}
