//! Which videos make a study.

use std::collections::BTreeMap;

use crate::clip_args::Row;

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
    /// Names of studies, and the places of their videos among `rows`; none where none are asked for.
    pub(crate) fn group<'a, R: 'a>(
        &self,
        rows: impl ExactSizeIterator<Item = &'a Row<R>>,
    ) -> BTreeMap<String, Vec<usize>> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        if self.study {
            groups.insert(format!("study of {}", echo_files::counted(rows.len(), "video")), (0..rows.len()).collect());
        } else if self.studies {
            for (place, row) in rows.enumerate() {
                let folder =
                    row.paths.first().and_then(|path| path.parent()).map(|folder| folder.display().to_string());
                let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or_else(|| ".".to_owned());
                groups.entry(folder).or_default().push(place);
            }
        }
        groups
    }
}
