//! From files to what an encoder takes: frames to clips, and lists of videos to labelled, split data sets.
//!
//! - [`select_frames`] says which frames of a video make a clip; [`prepare`] makes the clip of them. Between them they
//!   are every step of a `ClipSpec`; [`crop()`] and [`Resizer`] are there by themselves too.
//! - [`read_dataset`] reads any folder and table that a [`DatasetConfig`] describes; [`few_shot`] draws a few labelled videos, [`read_split_file`] takes somebody else's split.
//! - [`for_each_clip`] loads clips on all cores in bounded memory; [`FeatureCache`] keeps what a frozen encoder made of
//!   them, by the [`Digests`] of the files.

mod channel_order;
mod clips;
mod crop;
mod csv_text;
mod dataset;
mod dataset_config;
mod digest;
mod error;
mod feature_cache;
mod few_shot;
mod look;
mod normalize;
mod numbers;
mod opencv_area;
mod opencv_cubic;
mod opencv_linear;
mod padding;
mod pictures;
mod pil_bicubic;
mod pipeline;
mod plausible;
mod resize;
mod select;
mod spelling;
mod split;
mod split_file;
mod study_label;
mod table;
mod task_file;
mod torch_bilinear;
mod video_files;

pub use clips::{ClipError, LoadedClip, clip_of, for_each_clip, load_clip};
pub use crop::{Window, crop, zoom};
pub use dataset::{Dataset, DatasetReport, DatasetVideo, read_dataset};
pub use dataset_config::{DatasetConfig, Target};
pub use digest::{Digests, digest_of};
pub use error::DataError;
pub use feature_cache::{Feature, FeatureCache, StageKey, Usage};
pub use few_shot::few_shot;
pub use look::{Look, Shift};
pub use pictures::{SAME_LEVELS, count_pictures, doubt};
pub use pipeline::{Clip, prepare, prepare_shifted};
pub use plausible::usual_range;
pub use resize::{Image, Resizer, Size, shrunk};
pub use select::{Selection, Start, clip_starts, select_frames};
pub use spelling::patient_key;
pub use split::Split;
pub use split_file::{SplitFile, read_split_file};
pub use study_label::StudyLabel;
pub use task_file::TASKS;
pub use video_files::files_below;
