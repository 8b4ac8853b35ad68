//! Files in, frames or errors out: the crate from outside.

mod clips;
mod dicom;
mod ffmpeg_files;
mod hostile;
mod layouts;
mod pictures;
mod pixels;
