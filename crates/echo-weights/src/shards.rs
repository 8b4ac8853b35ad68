//! Weights in several files that belong together: `NAME-00001-of-00003.safetensors` and their index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::WeightsError;
use crate::checkpoint::not_readable;

/// More files than any release has.
const MAX_SHARDS: usize = 1000;

/// What an index says: which file holds which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that `path` stands for: itself, or, where it is an index or one of several, all of them.
///
/// # Errors
/// One of them is missing, or the index cannot be read.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names = match (name.ends_with(".index.json"), of_shard(name)) {
        (true, _) => of_index(path)?,
        (false, Some(names)) => names,
        (false, None) => return Ok(vec![path.to_owned()]),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let files: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    match files.iter().zip(&names).find(|(file, _)| !file.is_file()) {
        Some((_, missing)) => {
            Err(not_readable(path, format!("the weights are in {} files, and {missing} is not beside it", names.len())))
        }
        None => Ok(files),
    }
}

fn of_index(path: &Path) -> Result<Vec<String>, WeightsError> {
    let text = echo_files::read_text(path).map_err(|source| WeightsError::Io { path: path.to_owned(), source })?;
    let index: Index =
        serde_json::from_str(&text).map_err(|error| not_readable(path, format!("as an index: {error}")))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let is_plain = |name: &&String| Path::new(name).file_name().is_none_or(|plain| plain != name.as_str());
    match names.iter().find(is_plain) {
        Some(name) => Err(not_readable(path, format!("as an index it names {name:?}, which is not a file beside it"))),
        None if names.is_empty() || names.len() > MAX_SHARDS => {
            Err(not_readable(path, format!("as an index it names {} files", names.len())))
        }
        None => Ok(names.into_iter().collect()),
    }
}

/// The names of all files that belong together with `NAME-00002-of-00003.EXTENSION`; `None` for other names.
fn of_shard(name: &str) -> Option<Vec<String>> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (rest, total) = stem.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, total): (usize, usize) = match is_number(number) && is_number(total) {
        true => (number.parse().ok()?, total.parse().ok()?),
        false => return None,
    };
    let is_one_of_several = (1..=total).contains(&number) && total <= MAX_SHARDS;
    is_one_of_several
        .then(|| (1..=total).map(|number| format!("{stem}-{number:05}-of-{total:05}.{extension}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_files_stands_for_all_of_them() {
        assert_eq!(of_shard("m-00002-of-00002.bin").unwrap(), ["m-00001-of-00002.bin", "m-00002-of-00002.bin"]);
        for other in ["m.bin", "m-00003-of-00002.bin", "m-2-of-3.bin", "m-00000-of-00002.bin", "m-00001-of-99999.bin"] {
            assert_eq!(of_shard(other), None, "{other}");
        }
    }

    #[test]
    fn a_missing_file_and_one_from_elsewhere_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        let refused = |text: &str| {
            std::fs::write(&index, text).unwrap();
            files(&index).unwrap_err().to_string()
        };
        assert!(refused("{\"weight_map\":{\"a\":\"m-1.safetensors\"}}").contains("m-1.safetensors is not beside"));
        assert!(refused("{\"weight_map\":{\"a\":\"../m.safetensors\"}}").contains("not a file beside"));
        assert!(refused("{\"weight_map\":{}}").contains("0 files"));
        assert!(refused("{\"a\": 1}").contains("as an index"));
    }
}
