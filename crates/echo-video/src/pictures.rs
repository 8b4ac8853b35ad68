//! A video as a folder of numbered pictures, as `frame_000001.jpg`, `frame_000002.jpg`, ...: how data sets are released whose
//! videos were taken apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::VideoError;
use crate::jpeg::JpegHeader;
use crate::mjpeg;
use crate::open::{Container, Info, OpenOptions, Truncation};
use crate::planes;

/// The most pictures of a folder: an hour at 25 a second.
const MOST: usize = 90_000;

/// The most bytes of a picture.
const MOST_BYTES: u64 = 64 << 20;

/// Numbers that a message shows of many.
const SHOWN: usize = 5;

/// The pictures of a folder in the order of their numbers, so that 10 comes after 9. A picture's number is what its name ends
/// with, before `.jpg` or `.jpeg`; hidden files and those of other kinds are passed over.
///
/// # Errors
/// The folder cannot be read, has no numbered picture or too many, or two of one number.
pub fn pictures(folder: &Path) -> Result<Vec<PathBuf>, VideoError> {
    Ok(numbered(folder)?.into_values().collect())
}

fn numbered(folder: &Path) -> Result<BTreeMap<u64, PathBuf>, VideoError> {
    let io = |source| VideoError::io(folder, source);
    let mut found: BTreeMap<u64, PathBuf> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(number) else { continue };
        let path = entry.path();
        if let Some(other) = found.insert(number, path.clone()) {
            let mut names =
                [other, path].map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            names.sort();
            return Err(VideoError::malformed(
                folder,
                format!("two pictures have the number {number}: {}", names.join(", ")),
            ));
        }
        if found.len() > MOST {
            return Err(VideoError::too_large(folder, format!("a folder of more than {MOST} pictures")));
        }
    }
    if found.is_empty() {
        let cause = "a folder without numbered pictures, such as frame_000001.jpg".to_owned();
        return Err(VideoError::NotAVideo { path: folder.to_owned(), cause });
    }
    Ok(found)
}

/// The number that a picture's name ends with.
fn number(name: &str) -> Option<u64> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_jpeg = ["jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    if !is_jpeg || name.starts_with('.') {
        return None;
    }
    let digits = stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    stem[stem.len() - digits..].parse().ok()
}

/// What a folder is, by the names in it and its first picture. Numbers between the first and the last that no picture has are
/// missing frames.
pub(crate) fn open(folder: &Path, options: &OpenOptions) -> Result<(Vec<PathBuf>, Info), VideoError> {
    let found = numbered(folder)?;
    let (first, last) = (*found.keys().next().unwrap_or(&0), *found.keys().next_back().unwrap_or(&0));
    let expected = usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1);
    let frames = found.len();
    let truncated = (expected > frames).then(|| {
        let gaps = found.keys().zip(found.keys().skip(1)).flat_map(|(&one, &next)| one + 1..next);
        let shown: Vec<String> = gaps.take(SHOWN).map(|number| number.to_string()).collect();
        let missing = expected - frames;
        let more = if missing > shown.len() { format!(" and {} more", missing - shown.len()) } else { String::new() };
        let cause = format!("of the pictures {first} to {last}, number {}{more} is missing", shown.join(", "));
        Truncation { expected_frames: Some(expected), frames, cause }
    });
    if let Some(Truncation { cause, .. }) = truncated.as_ref().filter(|_| !options.allow_truncated) {
        return Err(VideoError::Truncated { path: folder.to_owned(), cause: cause.clone() });
    }
    let files: Vec<PathBuf> = found.into_values().collect();
    let bytes = read(&files[0])?;
    let wrong = |cause: String| VideoError::Frame { path: files[0].clone(), frame: 0, cause };
    let header = JpegHeader::parse(mjpeg::from_start(&bytes)).map_err(wrong)?;
    if !planes::is_supported(&header) {
        return Err(wrong("a kind of JPEG that is not read, such as a progressive one".to_owned()));
    }
    let (width, height) = (header.width, header.height);
    options.check_size(&files[0], width, height)?;
    let info = Info {
        container: Container::Pictures,
        codec: "jpeg".to_owned(),
        width,
        height,
        frames,
        fps: 0.0,
        truncated,
        warnings: Vec::new(),
        dicom: None,
    };
    Ok((files, info))
}

/// Decodes the pictures with these numbers, from 0, into `data`, `[wanted, height, width, 3]`.
pub(crate) fn decode(
    files: &[PathBuf],
    (width, height): (usize, usize),
    wanted: &[usize],
    data: &mut [u8],
) -> Result<(), VideoError> {
    let fault = data.par_chunks_exact_mut(width * height * 3).zip(wanted.par_iter()).find_map_first(|(out, &frame)| {
        let path = files.get(frame)?;
        let wrong = |cause| VideoError::Frame { path: path.clone(), frame, cause };
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Some(error),
        };
        match JpegHeader::parse(mjpeg::from_start(&bytes)) {
            Err(cause) => return Some(wrong(cause)),
            Ok(header) if (header.width, header.height) != (width, height) => {
                let (w, h) = (header.width, header.height);
                return Some(wrong(format!("it has {w}x{h} pixels, the first picture of its folder {width}x{height}")));
            }
            Ok(_) => {}
        }
        mjpeg::decode(&bytes, width, height, out).err().map(wrong)
    });
    fault.map_or(Ok(()), Err)
}

fn read(path: &Path) -> Result<Vec<u8>, VideoError> {
    let io = |source| VideoError::io(path, source);
    let size = fs::metadata(path).map_err(io)?.len();
    if size > MOST_BYTES {
        return Err(VideoError::too_large(path, format!("a picture of {size} bytes, the limit is {MOST_BYTES}")));
    }
    if size == 0 {
        return Err(VideoError::Empty { path: path.to_owned() });
    }
    echo_files::read_bytes(path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pictures_number_is_what_its_name_ends_with() {
        for (name, expected) in [
            ("frame_000001.jpg", Some(1)),
            ("12.JPEG", Some(12)),
            ("a2_b010.jpg", Some(10)),
            ("frame.jpg", None),
            ("frame_1.png", None),
            (".frame_1.jpg", None),
            ("._frame_1.jpg", None),
            ("99999999999999999999999.jpg", None),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}
