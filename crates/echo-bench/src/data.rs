//! What a benchmark knows of its videos.

pub(crate) mod leakage;
pub(crate) mod privacy;
pub(crate) mod thumbnails;
pub(crate) mod video_set;
