//! Telling phantoms from patients. Every data set of phantoms lists the digests of its videos; a video is a phantom if
//! its own bytes are listed. Whatever is put among them, changed or compressed again is none.

use std::collections::HashSet;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::PhantomError;

/// The list's name, beside `FileList.csv`.
const LIST: &str = "Phantoms.csv";

/// The folder of the videos beside it.
pub(crate) const VIDEOS: &str = "Videos";

/// The phantoms of a data set, by the digests of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phantoms(HashSet<[u8; 32]>);

impl Phantoms {
    /// Those that the data set in `dir` lists; none where it has no list.
    ///
    /// # Errors
    /// The list cannot be read, or is none.
    pub fn of(dir: &Path) -> Result<Self, PhantomError> {
        let listed = read_list(dir)?.unwrap_or_default();
        Ok(Self(listed.into_iter().map(|(_, digest)| *digest.as_bytes()).collect()))
    }

    /// Whether the video with this digest (BLAKE3) is one of them.
    pub fn has(&self, digest: &[u8; 32]) -> bool {
        self.0.contains(digest)
    }

    fn has_file(&self, video: &Path) -> Result<bool, PhantomError> {
        if self.0.is_empty() || !video.is_file() {
            return Ok(false);
        }
        Ok(self.has(digest(video)?.as_bytes()))
    }
}

fn digest(video: &Path) -> Result<blake3::Hash, PhantomError> {
    let mut hasher = blake3::Hasher::new();
    let read = echo_files::open(video).and_then(|file| hasher.update_reader(file).map(|_| ()));
    read.map_err(PhantomError::io(video))?;
    Ok(hasher.finalize())
}

/// Whether a video is a phantom, by the list of the data set that it lies in.
///
/// # Errors
/// The video or the list cannot be read.
pub fn is_phantom(video: &Path) -> Result<bool, PhantomError> {
    let whole = fs::canonicalize(video).map_err(PhantomError::io(video))?;
    // However deep below the list the data set's layout has its videos.
    match whole.ancestors().skip(1).find(|dir| dir.join(LIST).exists()) {
        Some(dir) => Phantoms::of(dir)?.has_file(&whole),
        None => Ok(false),
    }
}

/// Whether all of `videos` are phantoms by the list of the data set in `dir`. A file without content, as of a video that is not
/// rendered yet, shows nobody.
///
/// # Errors
/// The list or a video cannot be read.
pub fn are_phantoms<'a>(dir: &Path, videos: impl IntoIterator<Item = &'a Path>) -> Result<bool, PhantomError> {
    if read_list(dir)?.is_none() {
        return Ok(false);
    }
    let phantoms = Phantoms::of(dir)?;
    for video in videos {
        if !is_empty(video) && !phantoms.has_file(video)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether there is a file without content.
pub(crate) fn is_empty(video: &Path) -> bool {
    fs::metadata(video).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

/// Lists the videos `names` in the folder `videos`, beside those that the data set in `dir` lists already.
pub(crate) fn list<'a>(dir: &Path, videos: &Path, names: impl Iterator<Item = &'a str>) -> Result<(), PhantomError> {
    let mut listed = read_list(dir)?.unwrap_or_default();
    for name in names {
        let row = (name.to_owned(), digest(&videos.join(name).with_extension("avi"))?);
        if !listed.contains(&row) {
            listed.push(row);
        }
    }
    write_list(dir, &listed)
}

/// Names and digests of videos, where the data set in `dir` has a list.
fn read_list(dir: &Path) -> Result<Option<Vec<(String, blake3::Hash)>>, PhantomError> {
    let path = dir.join(LIST);
    let file = match echo_files::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(PhantomError::io(&path))?,
    };
    let mut listed = Vec::new();
    for row in csv::Reader::from_reader(file).records() {
        let row = row.map_err(PhantomError::csv(&path))?;
        let digest = row.get(1).and_then(|text| blake3::Hash::from_hex(text).ok());
        let Some(digest) = digest else {
            let reason = format!("{:?} is no digest of a phantom; remove the file", row.get(1).unwrap_or_default());
            return Err(PhantomError::io(&path)(Error::new(ErrorKind::InvalidData, reason)));
        };
        listed.push((row.get(0).unwrap_or_default().to_owned(), digest));
    }
    Ok(Some(listed))
}

/// Writes the list of the data set in `dir`. Whoever reads it meanwhile reads the old one.
pub(crate) fn write_list(dir: &Path, listed: &[(String, blake3::Hash)]) -> Result<(), PhantomError> {
    let path = dir.join(LIST);
    let write = |file: &mut std::io::BufWriter<fs::File>| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(["FileName", "Blake3"])?;
        for (name, digest) in listed {
            table.write_record([name.as_str(), digest.to_hex().as_str()])?;
        }
        table.flush()
    };
    echo_files::write_atomically(&path, write).map_err(PhantomError::io(&path))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{DatasetSpec, write_dataset};

    #[test]
    fn only_files_whose_bytes_were_written_as_phantoms_are_phantoms() {
        let folder = tempfile::tempdir().unwrap();
        // A name that says nothing.
        let dir = folder.path().join("clinic");
        write_dataset(&dir, &DatasetSpec::with_total(3, 1), &|_, _| ()).unwrap();
        let videos = dir.join(VIDEOS);
        let names: Vec<PathBuf> = fs::read_dir(&videos).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(names.iter().all(|path| is_phantom(path).unwrap()));

        // Elsewhere nobody knows them, whatever they are called.
        let elsewhere = folder.path().join("phantom.avi");
        fs::copy(&names[0], &elsewhere).unwrap();
        assert!(!is_phantom(&elsewhere).unwrap());

        // Under another name and in another layout they are what they were; another file under their name is not.
        let other = dir.join("clips/2026/other.avi");
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::rename(&names[0], &other).unwrap();
        assert!(is_phantom(&other).unwrap());
        let mut bytes = fs::read(&names[1]).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&names[1], &bytes).unwrap();
        assert!(!is_phantom(&names[1]).unwrap() && is_phantom(&names[2]).unwrap());

        fs::write(dir.join(LIST), "FileName,Blake3\na,b\n").unwrap();
        assert!(is_phantom(&names[2]).unwrap_err().to_string().contains(LIST));
        fs::remove_file(dir.join(LIST)).unwrap();
        assert!(!is_phantom(&names[2]).unwrap());
    }
}
