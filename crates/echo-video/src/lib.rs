//! Echocardiogram files to frames.
//!
//! A path goes in, RGB pixels come out. Motion-JPEG in AVI, the format of EchoNet-Dynamic, DICOM and folders of numbered JPEG
//! pictures are read here;
//! everything else goes through the system's ffmpeg. Whatever the bytes are, the answer is frames or an error that names the file and
//! the cause, and memory stays within [`OpenOptions`]'s limits.
//!
//! ```no_run
//! # fn main() -> Result<(), echo_video::VideoError> {
//! use echo_video::{OpenOptions, Video};
//! let video = Video::open("heart.avi".as_ref(), &OpenOptions::default())?;
//! let every_second: Vec<usize> = (0..video.info().frames).step_by(2).collect();
//! let frames = video.decode(&every_second)?;
//! assert_eq!(frames.frame(0).len(), frames.height * frames.width * 3);
//! # Ok(())
//! # }
//! ```

mod avi;
mod avi_index;
mod bits;
mod dicom;
mod error;
mod ffmpeg;
mod frames;
mod huffman;
mod jpeg;
mod mjpeg;
mod open;
mod pictures;
mod planes;
mod rate;
mod riff;
mod sector;
mod sniff;
mod video;
mod writer;

pub use dicom::{DicomFacts, Region};
pub use error::VideoError;
pub use frames::Frames;
pub use open::{Container, Info, OpenOptions, Truncation};
pub use pictures::pictures;
pub use rate::FrameRate;
pub use sector::{Mask, Sector};
pub use video::{Video, check_file, looks_like_video};
pub use writer::AviWriter;
