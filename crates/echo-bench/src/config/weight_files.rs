//! Which file holds the weights of which encoder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Files of weights: `"FILE"` of the only encoder, or `{ ENCODER = "FILE", .. }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WeightFiles {
    /// Of the only encoder.
    One(PathBuf),
    /// By the encoder's name.
    Each(BTreeMap<String, PathBuf>),
}

impl WeightFiles {
    /// From the command line: `FILE`, or `ENCODER=FILE,..` of the encoders `known`.
    pub fn from_arg(text: &str, known: &[&str]) -> Self {
        let pairs: Option<BTreeMap<String, PathBuf>> = text.split(',').map(|part| pair(part, known)).collect();
        pairs.map_or_else(|| Self::One(text.into()), Self::Each)
    }

    /// The file of an encoder, where one is named.
    pub fn of(&self, encoder: &str) -> Option<&Path> {
        match self {
            Self::One(path) => Some(path),
            Self::Each(paths) => paths.get(encoder).map(PathBuf::as_path),
        }
    }

    /// All files.
    pub(crate) fn paths(&self) -> Vec<&PathBuf> {
        match self {
            Self::One(path) => vec![path],
            Self::Each(paths) => paths.values().collect(),
        }
    }

    /// With other paths.
    pub(crate) fn map(&self, change: impl Fn(&Path) -> PathBuf) -> Self {
        match self {
            Self::One(path) => Self::One(change(path)),
            Self::Each(paths) => Self::Each(paths.iter().map(|(name, path)| (name.clone(), change(path))).collect()),
        }
    }

    /// What is wrong with them for these encoders.
    pub fn complaint(&self, encoders: &[String]) -> Option<String> {
        let several = encoders.len() > 1 || encoders.iter().any(|name| name == "all");
        match self {
            Self::One(path) if several && path.to_string_lossy().contains('=') => Some(format!(
                "--weights {}: what stands before each = must be an encoder, and a file behind it",
                path.display()
            )),
            Self::One(_) if several => Some(
                "--weights FILE belongs to one encoder; name it with --encoder, or give --weights ENCODER=FILE,ENCODER=FILE"
                    .to_owned(),
            ),
            Self::One(_) => None,
            Self::Each(paths) => {
                let lacking = encoders.iter().find(|name| *name != "all" && !paths.contains_key(*name));
                lacking.map(|name| format!("--weights names no file of {name}; add {name}=FILE"))
            }
        }
    }
}

fn pair(text: &str, known: &[&str]) -> Option<(String, PathBuf)> {
    let (name, path) = text.split_once('=')?;
    (known.contains(&name) && !path.is_empty()).then(|| (name.to_owned(), path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_only_encoder_and_pairs_are_of_those_that_they_name() {
        let of = |text: &str| WeightFiles::from_arg(text, &["a", "b"]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for file in ["w.pt", "a,b=1.pt", "c=w.pt", "a=w.pt,other"] {
            assert_eq!(of(file), WeightFiles::One(file.into()));
        }
        let each = of("a=x=1.pt,b=y.pt");
        assert_eq!(
            (each.of("a"), each.of("b"), each.of("c")),
            (Some(Path::new("x=1.pt")), Some(Path::new("y.pt")), None)
        );
        assert_eq!(each.complaint(&names(&["a", "b"])), None);
        assert!(each.complaint(&names(&["a", "c"])).is_some_and(|text| text.contains("c=FILE")));
        assert!(of("w.pt").complaint(&names(&["a", "b"])).is_some_and(|text| text.contains("ENCODER=FILE")));
        assert_eq!(of("w.pt").complaint(&names(&["a"])), None);
    }
}
