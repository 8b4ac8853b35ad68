//! The three parts of a data set.

use serde::{Deserialize, Serialize};

/// Which part of a data set a video belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Labels may be fitted to.
    Train,
    /// Choices between models may be made on it.
    Validation,
    /// Read once, for the result.
    Test,
}

impl Split {
    /// The split that a list means by `name`: `TRAIN`, `VAL` (also `VALID`, `VALIDATION`) or `TEST`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "train" => Some(Self::Train),
            "val" | "valid" | "validation" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_names_are_read_in_any_case_and_no_other_is() {
        assert_eq!(["TRAIN", "Train ", "train"].map(Split::parse), [Some(Split::Train); 3]);
        assert_eq!(["VAL", "val", "Validation", "VALID"].map(Split::parse), [Some(Split::Validation); 4]);
        assert_eq!(["TEST", " tEst"].map(Split::parse), [Some(Split::Test); 2]);
        assert_eq!(["", "dev", "trains", "0"].map(Split::parse), [None; 4]);
    }
}
