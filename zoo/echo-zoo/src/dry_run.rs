//! `echozoo bench --dry-run` where the phantoms do not exist yet.

use std::path::{Path, PathBuf};

use echo_phantom::{DatasetSpec, PhantomError, write_list};

use crate::{CliError, interrupt};

/// A data set's list with empty files, in a folder that goes when this does.
pub(crate) struct Listed {
    _folder: tempfile::TempDir,
    /// The list's folder, named as the data set's would be.
    pub(crate) data: PathBuf,
    /// Nothing is cached of videos that do not exist, and nothing is to be remembered of them.
    pub(crate) cache: PathBuf,
    /// How many videos it lists.
    pub(crate) videos: usize,
}

impl Listed {
    /// The list of the phantoms of `spec`, which would be made in the folder `dir`.
    pub(crate) fn new(spec: &DatasetSpec, dir: &Path) -> Result<Self, CliError> {
        interrupt::hold(|is_asked_for| Self::make(spec, dir, is_asked_for))
    }

    fn make(spec: &DatasetSpec, dir: &Path, is_asked_for: &(dyn Fn() -> bool + Sync)) -> Result<Self, CliError> {
        let folder = tempfile::tempdir().map_err(CliError::file(&std::env::temp_dir()))?;
        let name = dir.file_name().unwrap_or(dir.as_os_str());
        let data = folder.path().join(name);
        write_list(&data, spec)?;
        if is_asked_for() {
            return Err(PhantomError::Stopped(data).into());
        }
        Ok(Self { data, cache: folder.path().join("cache"), videos: spec.total(), _folder: folder })
    }
}
