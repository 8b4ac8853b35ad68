//! Texts for those who get the results: where someone keeps patients' videos is none of their business.

use std::path::PathBuf;

use echo_files::last_name;

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

#[cfg(test)]
mod tests {
    use super::*;

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
