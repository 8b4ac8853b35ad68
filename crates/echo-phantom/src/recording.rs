//! One loop of a data set, before it is scanned.

use crate::Phantom;
use crate::reading::Label;

/// A loop and what the tables say of it beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// The file's name without its ending.
    pub name: String,
    /// The value in the column `Split`.
    pub split: &'static str,
    /// Where a data set is one of studies: patient and study.
    pub study: Option<(String, String)>,
    pub phantom: Phantom,
    pub label: Label,
}
