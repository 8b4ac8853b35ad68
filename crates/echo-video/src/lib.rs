//! Echocardiogram files to frames: AVI, Motion-JPEG, ffmpeg.

mod error;
mod frames;
mod huffman;
mod jpeg;
mod rate;
mod writer;

pub use error::VideoError;
pub use frames::Frames;
pub use rate::FrameRate;
pub use writer::AviWriter;
