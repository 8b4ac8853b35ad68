//! From decoded frames to what an encoder takes.
//! - [`select_frames`] says which frames of a video make a clip; [`prepare`] makes the clip of them. Between them they
//!   are every step of a `ClipSpec`, each also by itself: [`crop()`], [`Resizer`], [`center_crop`], [`source_channels`],
//!   [`normalization`], [`filler`].

mod channel_order;
mod crop;
mod error;
mod normalize;
mod opencv_area;
mod opencv_cubic;
mod padding;
mod pil_bicubic;
mod pipeline;
mod resize;
mod select;

pub use channel_order::source_channels;
pub use crop::{Window, center_crop, crop, crop_to_square, zoom};
pub use error::DataError;
pub use normalize::normalization;
pub use padding::{Filler, filler, padded_len};
pub use pipeline::{Clip, prepare};
pub use resize::{Image, Resizer, Size};
pub use select::{Selection, Start, select_frames};
