//! A download that has begun: its bytes, and of which version of which address they are a part.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::FetchError;

/// What the bytes are a part of.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Origin {
    pub url: String,
    /// The server's name for this version of the file, if it is one that `If-Range` may carry.
    pub etag: Option<String>,
    /// Size of the whole file, if the server said so.
    pub total: Option<u64>,
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

    /// How many bytes of `url` are there to go on from, and their origin. Zero when there are none, or none that the
    /// server could be asked to continue.
    pub fn resume(&self, url: &str) -> Result<(u64, Origin), FetchError> {
        let fresh = || (0, Origin { url: url.to_owned(), ..Origin::default() });
        let bytes = match std::fs::read(&self.origin) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(fresh()),
            Err(error) => return Err(FetchError::io(&self.origin)(error)),
        };
        // A crash may have cut the note short; then the bytes are of unknown origin.
        let origin: Option<Origin> = serde_json::from_slice(&bytes).ok();
        let length = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(FetchError::io(&self.path)(error)),
        };
        Ok(match origin {
            Some(origin) if origin.url == url && origin.total == Some(length) => (length, origin),
            Some(origin)
                if origin.url == url && origin.etag.is_some() && origin.total.is_none_or(|total| length < total) =>
            {
                (length, origin)
            }
            _ => fresh(),
        })
    }

    /// An empty file for the bytes of `origin`, in place of what was there.
    pub fn begin(&self, origin: &Origin) -> Result<File, FetchError> {
        self.discard()?;
        let file = File::create(&self.path).map_err(FetchError::write(&self.path, 0))?;
        let note = serde_json::to_vec(origin).unwrap_or_default();
        let written = File::create(&self.origin).and_then(|mut file| file.write_all(&note));
        written.map_err(FetchError::write(&self.origin, 0))?;
        Ok(file)
    }

    /// The file, to write behind its end.
    pub fn append(&self) -> Result<File, FetchError> {
        OpenOptions::new().append(true).open(&self.path).map_err(FetchError::io(&self.path))
    }

    /// Forgets where the bytes came from, once the file has been moved to its place.
    pub fn forget(&self) -> Result<(), FetchError> {
        remove(&self.origin)
    }

    /// Removes the bytes too. The note goes last, so that no bytes are ever left without it.
    pub fn discard(&self) -> Result<(), FetchError> {
        remove(&self.path)?;
        remove(&self.origin)
    }
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<(), FetchError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FetchError::io(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(etag: Option<&str>, total: Option<u64>) -> (tempfile::TempDir, Partial) {
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
            partial.resume(url).unwrap().0
        };
        assert_eq!(resumed(Some("\"1\""), Some(9), "http://a"), 5);
        assert_eq!(resumed(Some("\"1\""), None, "http://a"), 5);
        assert_eq!(resumed(Some("\"1\""), Some(9), "http://b"), 0, "another address");
        assert_eq!(resumed(None, Some(9), "http://a"), 0, "nothing to validate with");
        assert_eq!(resumed(None, Some(5), "http://a"), 5, "complete");
        assert_eq!(resumed(Some("\"1\""), Some(4), "http://a"), 0, "longer than the whole");
    }

    #[test]
    fn a_damaged_note_means_starting_over() {
        let (_dir, partial) = begun(Some("\"1\""), Some(9));
        std::fs::write(&partial.origin, "{\"url\": \"htt").unwrap();
        assert_eq!(partial.resume("http://a").unwrap().0, 0);
    }
}
