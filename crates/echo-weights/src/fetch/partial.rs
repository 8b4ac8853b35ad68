//! A download that has begun: its bytes, and of which version of which address they are a part.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::FetchError;

/// What the bytes are a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub url: String,
    /// The server's name for this version of the file, if it is one that `If-Range` may carry.
    pub etag: Option<String>,
    /// Size of the whole file.
    pub total: u64,
}

/// `NAME.part` and, beside it, `NAME.part.json`.
#[derive(Debug)]
pub(super) struct Partial {
    pub path: PathBuf,
    origin: PathBuf,
}

impl Partial {
    pub fn new(dir: &Path, name: &str) -> Self {
        Self { path: dir.join(format!("{name}.part")), origin: dir.join(format!("{name}.part.json")) }
    }

    /// The archive at `url`, which has no name of its own in the folder.
    pub fn of_archive(dir: &Path, url: &str) -> Self {
        Self::new(dir, &format!("archive-{}.zip", &blake3::hash(url.as_bytes()).to_hex()[..16]))
    }

    /// How many bytes of `url` are there to go on from, and their origin; none if the server could not be asked to
    /// continue them.
    pub fn resume(&self, url: &str) -> Option<(u64, Origin)> {
        let length = std::fs::metadata(&self.path).ok()?.len();
        // A crash may have cut the note short; then the bytes are of unknown origin.
        let origin: Origin = serde_json::from_slice(&std::fs::read(&self.origin).ok()?).ok()?;
        let continues = length == origin.total || (0 < length && length < origin.total && origin.etag.is_some());
        (origin.url == url && continues).then_some((length, origin))
    }

    /// An empty file for the bytes of `origin`, in place of what was there.
    pub fn begin(&self, origin: &Origin) -> Result<File, FetchError> {
        self.discard()?;
        let file = File::create(&self.path).map_err(FetchError::io(&self.path))?;
        let note = serde_json::to_vec(origin).unwrap_or_default();
        std::fs::write(&self.origin, note).map_err(FetchError::io(&self.origin))?;
        Ok(file)
    }

    /// The file, to write behind its end.
    pub fn append(&self) -> Result<File, FetchError> {
        OpenOptions::new().append(true).open(&self.path).map_err(FetchError::io(&self.path))
    }

    /// Removes both files, if they are there. The note goes last, so that no bytes are ever left with another's.
    pub fn discard(&self) -> Result<(), FetchError> {
        for path in [&self.path, &self.origin] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(FetchError::io(path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn begun(etag: Option<&str>, total: u64) -> (tempfile::TempDir, Partial) {
        let dir = tempfile::tempdir().unwrap();
        let partial = Partial::new(dir.path(), "a.pt");
        let origin = Origin { url: "http://a".to_owned(), etag: etag.map(str::to_owned), total };
        partial.begin(&origin).unwrap().write_all(b"12345").unwrap();
        (dir, partial)
    }

    #[test]
    fn bytes_are_continued_only_if_the_server_can_say_that_they_are_of_the_same_file() {
        let resumed = |etag, total, url| {
            let (_dir, partial) = begun(etag, total);
            partial.resume(url).map(|(length, _)| length)
        };
        assert_eq!(resumed(Some("\"1\""), 9, "http://a"), Some(5));
        assert_eq!(resumed(Some("\"1\""), 9, "http://b"), None, "another address");
        assert_eq!(resumed(None, 9, "http://a"), None, "nothing to validate with");
        assert_eq!(resumed(None, 5, "http://a"), Some(5), "complete");
        assert_eq!(resumed(Some("\"1\""), 4, "http://a"), None, "longer than the whole");
    }

    #[test]
    fn bytes_without_a_note_or_with_a_damaged_one_mean_starting_over() {
        let (_dir, partial) = begun(Some("\"1\""), 9);
        std::fs::write(&partial.origin, "{\"url\": \"htt").unwrap();
        assert_eq!(partial.resume("http://a"), None);
        std::fs::remove_file(&partial.origin).unwrap();
        assert_eq!(partial.resume("http://a"), None);
    }
}
