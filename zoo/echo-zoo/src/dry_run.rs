//! `echozoo bench --dry-run` where the phantoms do not exist yet.

use std::path::{Path, PathBuf};
use std::time::Instant;

use echo_bench::ToBeMade;
use echo_phantom::{DatasetSpec, PhantomError, write_dataset_while, write_list};

use crate::{CliError, interrupt};

/// Phantoms that are made to see how long one takes.
const TRIED: usize = 4;

/// A data set's list with empty files, in a folder that goes when this does.
pub(crate) struct Listed {
    _folder: tempfile::TempDir,
    /// The list's folder, named as the data set's would be.
    pub(crate) data: PathBuf,
    /// Nothing is cached of videos that do not exist, and nothing is to be remembered of them.
    pub(crate) cache: PathBuf,
    pub(crate) to_be_made: ToBeMade,
}

impl Listed {
    /// The list of the phantoms of `spec`, which would be made in the folder `dir`.
    pub(crate) fn new(spec: &DatasetSpec, dir: &Path) -> Result<Self, CliError> {
        interrupt::hold(|is_asked_for| Self::make(spec, dir, is_asked_for))
    }

    fn make(spec: &DatasetSpec, dir: &Path, is_asked_for: &(dyn Fn() -> bool + Sync)) -> Result<Self, CliError> {
        let folder = tempfile::tempdir().map_err(CliError::file(&std::env::temp_dir()))?;
        let started = Instant::now();
        let tried = DatasetSpec { setting: spec.setting, ..DatasetSpec::with_total(TRIED, spec.seed) };
        write_dataset_while(&folder.path().join("tried"), &tried, &|_, _| !is_asked_for())?;
        let seconds = started.elapsed().as_secs_f64() * spec.total() as f64 / TRIED as f64;
        let name = dir.file_name().unwrap_or(dir.as_os_str());
        let data = folder.path().join(name);
        write_list(&data, spec)?;
        if is_asked_for() {
            return Err(PhantomError::Stopped(data).into());
        }
        let to_be_made = ToBeMade { videos: spec.total(), seconds, tried: TRIED };
        Ok(Self { data, cache: folder.path().join("cache"), to_be_made, _folder: folder })
    }
}
