//! Zip archives in which a name means one thing.

use std::fs::File;
use std::io::{BufReader, Error, Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes of an entry of the table of contents before its name.
const ENTRY: usize = 46;

/// What every entry begins with.
const ENTRY_MAGIC: &[u8] = b"PK\x01\x02";

/// Opens an archive. Of two members with the same name, programs read either: such an archive is refused.
///
/// # Errors
/// It is cut, damaged or no archive, or has two members with the same name.
pub(crate) fn open(file: File) -> Result<ZipArchive<BufReader<File>>, String> {
    let damaged = |error: ZipError| format!("not a whole zip archive ({error}); get it again");
    let archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let (start, names) = (archive.central_directory_start(), archive.len());
    let mut file = archive.into_inner();
    match entries(&mut file, start) {
        Ok(count) if count <= names => ZipArchive::new(file).map_err(damaged),
        Ok(_) => Err("it is a zip archive that has more than one member of the same name".to_owned()),
        Err(error) => Err(format!("its table of contents cannot be read: {error}")),
    }
}

/// How many entries the table of contents has that begins at `start`.
fn entries(file: &mut BufReader<File>, start: u64) -> Result<usize, Error> {
    file.seek(SeekFrom::Start(start))?;
    for count in 0.. {
        let mut entry = Vec::with_capacity(ENTRY);
        file.by_ref().take(ENTRY as u64).read_to_end(&mut entry)?;
        if entry.len() < ENTRY || !entry.starts_with(ENTRY_MAGIC) {
            return Ok(count);
        }
        let length = |at: usize| i64::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        file.seek_relative(length(28) + length(30) + length(32))?;
    }
    Ok(0)
}
