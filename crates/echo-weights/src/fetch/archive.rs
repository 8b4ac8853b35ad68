//! Zip archives: the members that are wanted, by name, and nothing else.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};

use zip::ZipArchive;

use crate::zip_file;

use super::RemoteFile;
use super::error::FetchError;
use super::partial::Partial;

/// How a zip archive, and so a PyTorch file, begins.
const ZIP: [u8; 4] = *b"PK\x03\x04";
/// How names of zip archives and PyTorch files end.
const ZIPPED: [&str; 5] = ["zip", "pt", "pth", "bin", "ckpt"];

/// A downloaded archive.
pub(super) struct Archive<'a> {
    zip: ZipArchive<BufReader<File>>,
    part: &'a Partial,
    url: &'a str,
}

impl<'a> Archive<'a> {
    /// Reads its table of contents. An archive that cannot be used is thrown away.
    pub fn open(part: &'a Partial, url: &'a str) -> Result<Self, FetchError> {
        let file = File::open(&part.path).map_err(FetchError::io(&part.path))?;
        match zip_file::open(file) {
            Ok(zip) => Ok(Self { zip, part, url }),
            Err(error) => {
                part.discard()?;
                Err(FetchError::answer(url, error))
            }
        }
    }

    /// Unpacks the member that is `file` to `to`. Names of members are compared and never used as paths.
    pub fn extract(
        &mut self,
        file: &RemoteFile<'_>,
        to: &Partial,
        limit: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), FetchError> {
        let result = self.copy(file.member.unwrap_or(file.name), to, limit, progress);
        if matches!(result, Err(FetchError::Answer { .. })) {
            to.discard()?;
            self.part.discard()?;
        }
        result
    }

    fn copy(
        &mut self,
        member: &str,
        to: &Partial,
        limit: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), FetchError> {
        let url = self.url;
        let index = self.find(member)?;
        let bad = |reason: &dyn ToString| FetchError::answer(url, format!("{member}: {}", reason.to_string()));
        let mut entry = self.zip.by_index(index).map_err(|error| bad(&error))?;
        let total = entry.size();
        if !entry.is_file() || total == 0 {
            return Err(bad(&"not a file with anything in it"));
        }
        if total > limit {
            return Err(bad(&format!("{total} bytes are more than the {limit} allowed")));
        }
        to.discard()?;
        let mut file = File::create(&to.path).map_err(FetchError::io(&to.path))?;
        let mut buffer = vec![0; 1 << 16];
        let mut done = 0;
        // The checksum of the archive is compared when the end of the member is read.
        loop {
            let count = match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(bad(&error)),
            };
            done += count as u64;
            if done > total {
                break;
            }
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(FetchError::io(&to.path))?;
            progress(done, total);
        }
        if done != total {
            return Err(bad(&format!("not of the {total} bytes that the archive says")));
        }
        file.sync_all().map_err(FetchError::io(&to.path))
    }

    /// The one member that is called `member`, or so from a `/` of its name on.
    fn find(&self, member: &str) -> Result<usize, FetchError> {
        let is_it = |name: &str| {
            let inside = name.split('/').all(|part| !["", ".", ".."].contains(&part));
            inside && name.strip_suffix(member).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
        };
        let named = |index: &usize| matches!(self.zip.name_for_index(*index), Some(Ok(name)) if is_it(&name));
        let found: Vec<usize> = (0..self.zip.len()).filter(named).collect();
        match found.as_slice() {
            [index] => Ok(*index),
            [] => Err(FetchError::answer(self.url, format!("the archive has no {member}"))),
            _ => Err(FetchError::answer(self.url, format!("the archive has more than one {member}"))),
        }
    }
}

/// Refuses a first download that is not what its name says: HTTP has no way to notice a length that is stated too
/// short, but a PyTorch file is an archive, whose table of contents comes last.
pub(super) fn check_whole(part: &Partial, file: &RemoteFile<'_>) -> Result<(), FetchError> {
    if !file.name.rsplit_once('.').is_some_and(|(_, extension)| ZIPPED.contains(&extension)) {
        return Ok(());
    }
    let mut head = Vec::new();
    let bytes = File::open(&part.path).and_then(|file| file.take(4).read_to_end(&mut head));
    bytes.map_err(FetchError::io(&part.path))?;
    match head.as_slice() {
        head if head == ZIP => Archive::open(part, file.url).map(drop),
        // A pickle: PyTorch's format before 1.6.
        [0x80, ..] => Ok(()),
        _ => {
            part.discard()?;
            Err(FetchError::answer(file.url, format!("{} does not begin as a PyTorch file does", file.name)))
        }
    }
}
