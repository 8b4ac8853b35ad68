//! What is scored: one word for it in every table, plot and sentence.

use echo_files::counted;
use serde::{Deserialize, Serialize};

/// What a sample is, which is drawn, predicted and scored as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleUnit {
    /// A video by itself.
    #[default]
    Video,
    /// A study with all its videos.
    Study,
}

impl SampleUnit {
    /// `video`.
    pub(crate) fn one(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Study => "study",
        }
    }

    /// `videos`.
    pub fn many(self) -> &'static str {
        match self {
            Self::Video => "videos",
            Self::Study => "studies",
        }
    }

    /// `1 video`, `2 studies`.
    pub fn counted(self, count: usize) -> String {
        counted(count, self.one())
    }

    pub(crate) fn is_video(&self) -> bool {
        *self == Self::Video
    }
}
