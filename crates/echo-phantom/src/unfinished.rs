//! A folder under construction.

use std::fs;
use std::path::{Path, PathBuf};

use crate::PhantomError;

/// A folder that disappears unless it is finished.
pub(crate) struct Unfinished {
    pub path: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// A new folder beside `out`, on the same file system so that it can be renamed.
    pub fn beside(out: &Path) -> Result<Self, PhantomError> {
        match fs::read_dir(out) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(PhantomError::NotEmpty(out.to_owned()));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(PhantomError::NotAFolder(out.to_owned()));
            }
            Err(error) => return Err(PhantomError::io(out)(error)),
        }
        let name = out.file_name().ok_or_else(|| PhantomError::NotAFolder(out.to_owned()))?;
        // The process number keeps two runs into the same folder apart; the slower one fails at its end.
        let path = out.with_file_name(format!(".{}.unfinished-{}", name.to_string_lossy(), std::process::id()));
        fs::create_dir_all(&path).map_err(PhantomError::io(&path))?;
        Ok(Self { path, finished: false })
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

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done about a failure here; the folder's name says what it is.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
