//! The videos that a command is given: files, and whatever is a video in folders.

use std::path::{Path, PathBuf};

use echo_data::files_below;
use echo_video::looks_like_video;

use crate::CliError;

/// Endings of names that count as videos without a look inside, so that a broken one is reported.
const VIDEO_EXTENSIONS: [&str; 8] = ["avi", "mp4", "mov", "mkv", "webm", "m4v", "dcm", "wmv"];

/// `inputs` with the videos below a folder, by name, in its place. A file is taken as it is.
///
/// # Errors
/// A folder cannot be read or holds no video.
pub(crate) fn find_videos(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut videos = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            videos.push(input.clone());
            continue;
        }
        let files = files_below(input).map_err(CliError::file(input))?;
        let (total, before) = (files.len(), videos.len());
        videos.extend(files.into_iter().filter(|file| has_video_name(file) || looks_like_video(file)));
        if videos.len() == before {
            let reason = format!(
                "no video is among the {total} files in this folder; hidden files and folders are not looked at"
            );
            return Err(CliError::File { path: input.clone(), reason });
        }
    }
    Ok(videos)
}

pub(crate) fn has_video_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| VIDEO_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_are_searched_by_name_and_content_and_one_without_videos_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("a.AVI", b"broken, and still to be named");
        put("b.mpg", b"\0\0\x01\xba\x44\0");
        put("c.gif", b"GIF89a\x10\0\x10\0");
        put("deep/IM_0001", b"\0\0\0\x20ftypisom");
        for other in ["._a.avi", ".ipynb_checkpoints/a-checkpoint.avi", "list.csv", "a.npy"] {
            put(other, b"FileName,EF\n");
        }
        put("empty/list.csv", b"FileName\n");
        let found = find_videos(&[dir.path().to_owned(), "named.txt".into()]).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(dir.path()).unwrap_or(path)).collect();
        assert_eq!(names, ["a.AVI", "b.mpg", "c.gif", "deep/IM_0001", "named.txt"].map(Path::new));
        let error = find_videos(&[dir.path().join("empty")]).unwrap_err().to_string();
        assert!(error.contains("empty") && error.contains("no video is among the 1 files"), "{error}");
    }
}
