//! Where a reader finds its input.

use crate::{Target, scratch};

/// A folder with what lies beside the input of a target.
#[derive(Debug)]
pub struct Place {
    folder: tempfile::TempDir,
    target: &'static Target,
}

impl Place {
    /// A new folder for `target`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(target: &'static Target) -> Self {
        let folder = scratch();
        for (name, bytes) in (target.beside)() {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a path in the folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
        Self { folder, target }
    }

    /// Writes the input's file.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn put(&self, file: &[u8]) {
        std::fs::write(self.folder.path().join(self.target.file), file).expect("room for an input");
    }

    /// Reads it.
    ///
    /// # Errors
    /// The reader's message.
    pub fn read(&self) -> Result<(), String> {
        (self.target.read)(&self.folder.path().join(self.target.file))
    }

    /// Whether a message names the file, or one beside it.
    pub fn is_named_in(&self, message: &str) -> bool {
        message.contains(&*self.folder.path().to_string_lossy())
    }
}
