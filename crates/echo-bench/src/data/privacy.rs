//! Texts for those who get the results: where someone keeps patients' videos is none of their business.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// `text` with the paths below `folders` as they are seen from there, and the folders themselves by their last names.
pub(crate) fn without_folders<'a>(text: &str, folders: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let forms = |folder: &'a PathBuf| [std::path::absolute(folder).ok(), Some(folder.clone())];
    let mut text = text.to_owned();
    // A single name says nothing, and may be part of many words.
    for folder in folders.into_iter().flat_map(forms).flatten().filter(|folder| folder.components().count() > 1) {
        let name = last_name(&folder);
        let folder = folder.display().to_string();
        text = text.replace(&format!("{folder}{}", std::path::MAIN_SEPARATOR), "").replace(&folder, &name);
    }
    text
}

/// What videos are called for others, where a table calls some by absolute paths: by as many last parts as tell them apart.
pub(crate) fn names_for_others<'a>(names: &[&'a str]) -> HashMap<&'a str, String> {
    let (mut left, relative): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| Path::new(name).is_absolute());
    let relative: HashSet<&str> = relative.into_iter().collect();
    let mut called = HashMap::new();
    for parts in 1.. {
        if left.is_empty() {
            break;
        }
        let end = |name: &str| -> String {
            let all: Vec<_> =
                Path::new(name).components().skip(1).map(|part| part.as_os_str().to_string_lossy()).collect();
            all[all.len().saturating_sub(parts)..].join("/")
        };
        let mut counts: HashMap<String, usize> = HashMap::new();
        left.iter().for_each(|name| *counts.entry(end(name)).or_default() += 1);
        let is_whole = |name: &str| parts >= Path::new(name).components().count();
        left.retain(|name| {
            let short = end(name);
            let is_taken = relative.contains(short.as_str()) || counts[&short] > 1;
            if is_taken && !is_whole(name) {
                return true;
            }
            called.insert(*name, if is_taken { (*name).to_owned() } else { short });
            false
        });
    }
    called
}

/// A path for others: of one that says who keeps what where, the last name alone.
pub(crate) fn path_for_others(path: &Path) -> PathBuf {
    let leads_out = path.is_absolute() || path.components().any(|part| part == Component::ParentDir);
    if leads_out { PathBuf::from(last_name(path)) } else { path.to_owned() }
}

/// The last name of a path. TOML and JSON are UTF-8, and names of files need not be.
pub(crate) fn last_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn videos_that_are_listed_by_absolute_paths_are_called_by_their_ends() {
        let names = ["/home/jane/s1/a", "/home/jane/s2/a", "/home/jane/s2/b", "c", "/home/jane/c", "/d"];
        let called = names_for_others(&names);
        let of = |name: &str| called.get(name).map(String::as_str);
        assert_eq!(names.map(of), [Some("s1/a"), Some("s2/a"), Some("b"), None, Some("jane/c"), Some("d")]);
        assert_eq!(path_for_others(Path::new("/home/jane/data")), Path::new("data"));
        assert_eq!(path_for_others(Path::new("../jane/data")), Path::new("data"));
        assert_eq!(path_for_others(Path::new("some/data")), Path::new("some/data"));
    }

    #[test]
    fn what_is_kept_of_a_path_is_what_lies_below_the_folders_of_the_run() {
        let root = std::env::temp_dir().join("clinic");
        let folders = [root.join("data"), root.join("split.csv"), PathBuf::from("out")];
        let kept = |path: PathBuf| without_folders(&format!("{}: is broken", path.display()), &folders);
        let below: PathBuf = ["Videos", "a.avi"].iter().collect();
        assert_eq!(kept(root.join("data").join(&below)), format!("{}: is broken", below.display()));
        assert_eq!(kept(root.join("data")), "data: is broken");
        assert_eq!(kept(root.join("split.csv")), "split.csv: is broken");
        assert_eq!(kept(std::path::absolute("out").unwrap().join("a.csv")), "a.csv: is broken");
        assert_eq!(kept("layout".into()), "layout: is broken");
    }
}
