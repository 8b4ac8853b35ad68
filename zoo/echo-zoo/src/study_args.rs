//! Which videos make a study.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use echo_files::counted;

use crate::CliError;
use crate::clip_args::{Row, refuse_twice};
use crate::names::Names;

/// Flags that put videos together.
#[derive(Debug, clap::Args)]
pub(crate) struct StudyArgs {
    /// The videos are one study: say what they say together, too.
    #[arg(long)]
    study: bool,
    /// The videos of each folder are a study: say what they say together, too.
    #[arg(long, conflicts_with_all = ["study", "tensor"])]
    studies: bool,
}

impl StudyArgs {
    /// Whether all videos are one study.
    pub(crate) fn is_one(&self) -> bool {
        self.study
    }

    /// Whether folders are studies.
    pub(crate) fn are_folders(&self) -> bool {
        self.studies
    }

    /// Names of studies, and the places of their videos among `rows`; none where none are asked for, or one where what is
    /// asked for is of studies alone (`always`).
    ///
    /// # Errors
    /// A video is there twice.
    pub(crate) fn group<R>(&self, rows: &[&Row<R>], always: bool) -> Result<BTreeMap<String, Vec<usize>>, CliError> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        if self.studies {
            let folder_of = |row: &Row<R>| row.paths.first().and_then(|path| path.parent()).map(Path::to_owned);
            let folders: Vec<PathBuf> = rows.iter().filter_map(|row| folder_of(row)).collect();
            let names = Names::of(&folders);
            for (place, row) in rows.iter().enumerate() {
                let name = folder_of(row).map(|folder| names.name(&folder)).filter(|name| !name.is_empty());
                groups.entry(name.unwrap_or_else(|| ".".to_owned())).or_default().push(place);
            }
        } else if self.study || always {
            groups.insert(format!("study of {}", counted(rows.len(), "video")), (0..rows.len()).collect());
        }
        if !groups.is_empty() {
            refuse_twice(rows.iter().flat_map(|row| &row.paths))?;
        }
        Ok(groups)
    }
}
